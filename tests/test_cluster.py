"""A cluster of Dask workers: the results of the pool of this machine, and what breaks on one clip stops no other."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lsvid import cluster as cluster_module
from lsvid.cluster import Cluster, open_cluster
from lsvid.errors import ClipError, DataError, LsvidError
from lsvid.pool import Processes, Report
from s3_server import KEY, SECRET


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes with their nannies; they have keys of S3 and a cache of their own."""
    from distributed import LocalCluster

    folder = tmp_path_factory.mktemp("dask")
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "LSVID_CACHE_DIR": str(folder / "cache")}
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, env=environment,
        local_directory=str(folder), silence_logs=60,
    ) as made:  # fmt: skip
        yield made


@pytest.fixture
def cluster(dask_cluster: Any) -> Iterator[Cluster]:
    """The cluster, as lsvid opens it by its address."""
    with open_cluster(dask_cluster.scheduler_address) as opened:
        yield opened


def _double(item: int, report: Report) -> int:
    report(item)
    return item * 2


def _troubled(item: str, report: Report) -> str:
    """Dies once, dies always, or fails in one way or another."""
    kind, _, path = item.partition(":")
    if kind == "always" or (kind == "once" and not Path(path).exists()):
        if path:
            Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "data":
        raise DataError("no", "hint")
    if kind == "bug":
        raise ZeroDivisionError("oh")
    return kind


def test_results_come_with_their_positions_and_reports(cluster: Cluster) -> None:
    reported: dict[int, float] = {}
    results = dict(cluster.run_each(_double, [3, 4, 5], reported.__setitem__))
    assert results == {0: 6, 1: 8, 2: 10}
    assert reported == {0: 3, 1: 4, 2: 5}
    assert list(cluster.run_each(_double, [])) == []


def test_a_killed_worker_costs_nothing_and_a_clip_that_always_kills_it_fails_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = ["fine", f"once:{tmp_path / 'died'}", "always", "data", "bug", *["more"] * 10]
    results: dict[int, str | LsvidError] = dict(cluster.run_each(_troubled, items))
    assert [results[0], results[1]] == ["fine", "once"]
    assert [results[position] for position in range(5, 15)] == ["more"] * 10
    said = {position: result for position, result in results.items() if isinstance(result, LsvidError)}
    print(said)


def test_many(cluster: Cluster) -> None:
    import time

    t = time.monotonic()
    assert len(dict(cluster.run_each(_double, range(3000)))) == 3000
    print(time.monotonic() - t)
