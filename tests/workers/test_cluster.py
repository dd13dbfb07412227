"""A cluster of Dask workers: the results of the pool of this machine, and what breaks on one clip stops no other."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import lsvid.workers.cluster
from builders import Steps, annotation, export, region, task
from clip_work import dies_elsewhere, dies_here, double, troubled
from factories import NTSC, VFR_GAPS, VideoFactory
from lsvid.cli import cli
from lsvid.cli.flags import as_flag
from lsvid.errors import ClipError, DataError, LsvidError, ServerError, SettingsError
from lsvid.files import paths, storage
from lsvid.video.index import VideoInfo, probe, probe_all
from lsvid.wording import spoken
from lsvid.workers.cluster import Cluster, check_versions, open_cluster
from lsvid.workers.processes import Report
from projects import Project
from s3_server import KEY, SECRET, Bucket, S3Server


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes with their nannies; they have keys of S3, its address not, and a cache of their own."""
    import dask
    from distributed import LocalCluster

    folder = tmp_path_factory.mktemp("dask")
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "LSVID_CACHE_DIR": str(folder / "cache")}
    settings = {
        "distributed.scheduler.allowed-failures": 1,  # by default 3
        # LocalCluster gives a worker up for good whose successor is starting at this time after a death.
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", env=environment,
            local_directory=str(folder), silence_logs=60,
        ) as made,
    ):  # fmt: skip
        yield made


@pytest.fixture
def cluster(dask_cluster: Any) -> Iterator[Cluster]:
    """The cluster, as lsvid opens it by its address."""
    with open_cluster(dask_cluster.scheduler_address) as opened:
        yield opened


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def _slow(item: str, report: Report) -> None:
    Path(item).touch()
    try:
        while True:
            time.sleep(0.05)
            report(1)
    finally:
        Path(item).unlink()


# --- What the pool of this machine does, too --------------------------------------------------------------------------


def test_results_come_with_their_positions_and_reports(cluster: Cluster) -> None:
    reported: dict[int, float] = {}
    results = dict(cluster.run_each(double, range(200), reported.__setitem__))
    assert results == {number: 2 * number for number in range(200)}
    assert reported == {number: number for number in range(200)}
    assert list(cluster.run_each(double, [])) == []


def test_a_killed_worker_costs_nothing_and_a_clip_that_always_kills_it_fails_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = ["fine", f"once:{tmp_path / 'died'}", "always", "data", "bug", *["more"] * 10]
    results: dict[int, str | LsvidError] = dict(cluster.run_each(troubled, items))
    assert [results[0], results[1]] == ["fine", "once"]
    assert [results[position] for position in range(5, 15)] == ["more"] * 10
    said = {position: result for position, result in results.items() if isinstance(result, LsvidError)}
    assert type(said[2]) is ClipError
    assert said[2].message.startswith("its worker died 2 times (the last one: tcp://127.0.0.1:")
    assert "see what ffprobe says of it" in said[2].hint
    assert type(said[3]) is DataError
    assert (said[3].message, said[3].hint) == (f"on {os.uname().nodename}: no", "hint")
    assert type(said[4]) is ClipError
    assert said[4].message == "ZeroDivisionError: oh"


def test_errors_name_options_as_this_program_does(cluster: Cluster) -> None:
    with spoken(as_flag):
        ((_, error),) = cluster.run_each(troubled, ["marked"])
    assert isinstance(error, ClipError)
    assert error.hint == "name its folder: --clips DIR"


def test_clips_beside_several_that_kill_workers_are_fine(cluster: Cluster) -> None:
    results: dict[int, str | LsvidError] = dict(cluster.run_each(troubled, ["fine", "always", "fine", "always"]))
    assert sorted(position for position, result in results.items() if result == "fine") == [0, 2]
    assert all(isinstance(results[position], ClipError) for position in (1, 3))


def test_work_stops_when_its_results_are_no_longer_wanted(cluster: Cluster, tmp_path: Path) -> None:
    marker = tmp_path / "working"

    def stop(_position: int, _done: float) -> None:
        assert marker.exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(cluster.run_each(_slow, [str(marker)], stop))
    deadline = time.monotonic() + 10
    while marker.exists():
        assert time.monotonic() < deadline, "the worker goes on"
        time.sleep(0.05)


# --- The same results -------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(videos: VideoFactory, tmp_path: Path) -> Path:
    """Three clips of a case."""
    kinds: list[dict[str, Any]] = [{}, {"rate": NTSC, "b_frames": 2}, {"gaps": VFR_GAPS}]
    for number, parameters in enumerate(kinds, start=1):
        videos.make(tmp_path / "clips" / "op1" / f"clip_{number}.mp4", n_frames=60, gop=12, **parameters)
    return tmp_path / "clips"


class _NobodyIsAsked:
    elsewhere = True

    def run_each(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it is remembered here")


def test_clips_are_read_on_the_cluster_and_remembered_here(
    cluster: Cluster, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = clips / "op1" / "bad.mp4"
    bad.write_bytes(b"no video at all")
    paths = [*sorted(clips.glob("*/clip_*.mp4")), bad, clips / "gone.mp4"]
    here = probe_all(paths)
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    steps = Steps()
    there = probe_all([path.relative_to(tmp_path) for path in paths], steps, cluster)
    assert sum(steps.done) == len(paths)
    for ours, theirs, path in zip(here, there, paths, strict=True):
        if isinstance(ours, VideoInfo):
            assert isinstance(theirs, VideoInfo)
            assert (theirs.fingerprint, theirs.index.pts.tolist()) == (ours.fingerprint, ours.index.pts.tolist())
            assert theirs.key_pts.tolist() == ours.key_pts.tolist()
            assert probe(path).fingerprint == theirs.fingerprint
        else:
            assert isinstance(theirs, ClipError)
    assert str(there[3]) == str(here[3])
    nobody: Any = _NobodyIsAsked()
    again = probe_all(paths[:3], workers=nobody)
    assert [str(result.fingerprint) for result in again if isinstance(result, VideoInfo)] == [
        str(result.fingerprint) for result in here if isinstance(result, VideoInfo)
    ]


def _files(folder: Path) -> dict[str, bytes]:
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    if "manifest.json" in files:
        manifest = json.loads(files["manifest.json"])
        del manifest["command"]
        files["manifest.json"] = json.dumps(manifest).encode()
    return files


def test_proxies_are_the_same_even_where_a_worker_is_killed(
    dask_cluster: Any, clips: Path, tmp_path: Path, videos: VideoFactory
) -> None:
    videos.make(clips / "op2" / "long.mp4", n_frames=1500, gop=50)
    assert _run("make-proxies", clips, "-o", tmp_path / "here").exit_code == 0
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 30
        while not killed and time.monotonic() < deadline:
            for file in (tmp_path / "there").glob("op2/.long.*.part.mp4"):
                killed.append(int(file.name.split("-")[-1].split(".")[0]))
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.005)

    thread = threading.Thread(target=kill)
    thread.start()
    result = _run(
        "make-proxies", clips, "-o", tmp_path / "there", "--scheduler", dask_cluster.scheduler_address, "--json"
    )
    thread.join()
    assert (result.exit_code, len(killed)) == (0, 1), result.stderr
    assert {item["status"] for item in json.loads(result.stdout)["items"]} == {"made"}
    assert "op2/long: made" in result.stderr
    assert "distributed" not in result.stderr, "nothing of Dask's own"
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


@pytest.mark.parametrize("dies", [dies_here, dies_elsewhere])
def test_what_killed_workers_left_is_removed_on_whatever_machine_they_were(
    dies: Any, cluster: Cluster, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    other = out / ".other.item-0123456789abcdef-0.elsewhere-7.part.mp4"
    other.touch()
    items = [str(out / "once.mp4"), str(out / "always.mp4")]
    results: dict[int, LsvidError | None] = dict(cluster.run_each(dies, items, writes=paths.parent_of))
    assert [results[0], type(results[1])] == [None, ClipError]
    left = {path.name for path in tmp_path.rglob("*")}
    assert left == {"out", "once.tried", "always.tried", other.name}, "what may be of another run stays"


def test_pictures_are_the_same(dask_cluster: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exported = export(
        tmp_path, *(task(n, f"clip_{n}", annotation(n, 5, region(5, 40, "A")), fps="25") for n in (1, 2, 3))
    )
    command = ("export-frames", exported, "--clips", clips, "--images", "--short-side", 120)
    assert _run(*command, "-o", "here").exit_code == 0
    scheduler_file = tmp_path / "scheduler.json"
    scheduler_file.write_text(json.dumps({"type": "Scheduler", "address": dask_cluster.scheduler_address}))
    there = (*command, "-o", "there", "--scheduler", scheduler_file)
    result = _run(*there)
    assert result.exit_code == 0, result.stderr
    assert "100 pictures" in result.stderr
    assert _files(tmp_path / "there") == _files(tmp_path / "here")
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("there/images/*/*/*.jpg")}
    next(iter(before)).unlink()
    assert _run(*there).exit_code == 0
    assert _files(tmp_path / "there") == _files(tmp_path / "here")
    assert sum(file.stat().st_mtime_ns != before[file] for file in before) == 1, "only what was missing"


def test_pictures_of_a_format_that_consists_of_them_are_the_same(
    dask_cluster: Any, clips: Path, tmp_path: Path
) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 40, "A"))))
    command = ("export-frames", exported, "--clips", clips, "--format", "huggingface")
    assert _run(*command, "-o", tmp_path / "here").exit_code == 0
    result = _run(*command, "-o", tmp_path / "there", "--scheduler", dask_cluster.scheduler_address)
    assert result.exit_code == 0, result.stderr
    assert _files(tmp_path / "there") == _files(tmp_path / "here")


@pytest.mark.server
def test_clips_and_results_in_s3(
    dask_cluster: Any, s3_server: S3Server, bucket: Bucket, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    uris = [bucket.put(f"clips/op1/{path.name}", path) for path in sorted(clips.glob("op1/*.mp4"))]
    on_cluster = ("--scheduler", dask_cluster.scheduler_address, "--s3-endpoint", s3_server.url)
    proxies = ("make-proxies", f"{bucket.uri}/clips", "-o", f"{bucket.uri}/proxies")
    result = _run(*proxies, *on_cluster)
    assert result.exit_code == 0, result.stderr
    assert _run("make-proxies", clips, "-o", tmp_path / "proxies").exit_code == 0
    for path in (tmp_path / "proxies").rglob("*.mp4"):
        assert bucket.get(f"proxies/op1/{path.name}") == path.read_bytes()
    assert "made 0, there already 3" in _run(*proxies, *on_cluster).stderr

    exported = export(tmp_path, *(task(n, f"clip_{n}", annotation(n, 5, region(5, 40, "A"))) for n in (1, 2, 3)))
    frames = ("export-frames", exported, "--images")
    assert _run(*frames, "--clips", clips, "-o", tmp_path / "frames").exit_code == 0
    into_s3 = (*frames, "--clips", f"{bucket.uri}/clips", "-o", f"{bucket.uri}/frames")
    assert _run(*into_s3, *on_cluster).exit_code == 0
    here = {name: content for name, content in _files(tmp_path / "frames").items() if name != "manifest.json"}
    keys = bucket.keys()
    there = {key.removeprefix("frames/") for key in keys if key.startswith("frames/")}
    assert there == {*here, "manifest.json"}
    assert all(bucket.get(f"frames/{name}") == content for name, content in here.items())
    images = json.loads(bucket.get("frames/manifest.json"))["images"]
    assert (images["count"], images["failed"]) == (100, [])

    def stamp(key: str) -> Any:
        return s3_server.client.head_object(Bucket=bucket.name, Key=key)["LastModified"]

    kept, again = "frames/images/op1/clip_1/000004.jpg", "frames/images/op1/clip_1/000005.jpg"
    before = stamp(kept)
    s3_server.client.delete_object(Bucket=bucket.name, Key=again)
    time.sleep(1.1)  # S3 tells seconds
    for where in (on_cluster, ("--s3-endpoint", s3_server.url)):  # this machine goes on where the cluster stopped
        assert _run(*into_s3, *where).exit_code == 0
        assert stamp(kept) == before < stamp(again)
    only = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 6, "A"))), name="only.json")
    less = ("export-frames", only, "--images", "--clips", uris[0], "-o", f"{bucket.uri}/frames")
    assert _run(*less, "--s3-endpoint", s3_server.url).exit_code == 0
    keys = bucket.keys()
    pictures = [key for key in keys if key.startswith("frames/images/")]
    assert pictures == [f"frames/images/op1/clip_1/{name}" for name in (".pictures.json", "000004.jpg", "000005.jpg")]


@pytest.mark.server
def test_clips_are_imported_as_the_cluster_read_them(
    project: Project, dask_cluster: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copytree(clips / "op1", project.folder / "op1")
    (project.folder / "op1" / "clip_4.mp4").write_bytes(b"no video at all")
    result = project.run(project.folder, "--scheduler", dask_cluster.scheduler_address)
    assert (result.exit_code, "clips imported 3, failed: 1" in result.stderr) == (1, True), result.stderr
    assert "clip_4.mp4 cannot be read as a video" in result.stderr
    assert project.clips() == ["op1/clip_1", "op1/clip_2", "op1/clip_3"]


def test_where_s3_is_travels_and_credentials_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://theirs:9000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings = storage.s3_settings()
    assert SECRET not in str(settings)
    monkeypatch.setattr(storage, "_own", {})  # as on a worker that begins
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://own:9000")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "own-region")
    storage.follow_s3_settings(settings)
    assert (os.environ["AWS_ENDPOINT_URL_S3"], os.environ["AWS_DEFAULT_REGION"]) == (
        "https://theirs:9000",
        "own-region",
    )
    storage.follow_s3_settings({})
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "https://own:9000"
    assert "AWS_ENDPOINT_URL" not in os.environ


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_a_worker_that_does_not_see_the_clips_or_the_results_ends_the_run(
    cluster: Cluster, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(clips)
    own = Path("/proc/self/cwd")  # every process's own
    with pytest.raises(SettingsError) as caught:
        probe_all([own / "op1" / "clip_1.mp4"], workers=cluster)
    where = f"is not there on {os.uname().nodename}, where a worker of the cluster runs"
    assert caught.value.message == f"/proc/self/cwd/op1/clip_1.mp4 {where}"
    assert "under the same path on every machine (a shared folder), or in S3" in caught.value.hint
    ((_, error),) = cluster.run_each(double, [1], writes=lambda _: str(own / "out"))
    assert isinstance(error, SettingsError)
    assert error.message == f"/proc/self/cwd/out {where}"
    assert list((clips / "out").iterdir()) == []
    (clips / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot write to .*/file/out: (Not a directory|File exists)"):
        list(cluster.run_each(double, [1], writes=lambda _: str(clips / "file" / "out")))


def test_no_scheduler_and_no_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(lsvid.workers.cluster, "_CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(lsvid.workers.cluster, "_WORKERS_TIMEOUT_S", 0.3)
    with (
        pytest.raises(ServerError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1\nhint") as caught,
        open_cluster("tcp://127.0.0.1:1"),
    ):
        pass
    assert "is it running, and is the address (or the scheduler file) still right?" in caught.value.hint
    with LocalCluster(n_workers=0, processes=True, dashboard_address=":0", silence_logs=60) as empty:
        address = empty.scheduler_address
        with (
            pytest.raises(ServerError, match=f"the scheduler at {address} has no workers") as caught,
            open_cluster(address),
        ):
            pass
        assert caught.value.hint == f"start some: dask worker {address} --nthreads 1"


def test_workers_that_go_for_good_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(lsvid.workers.cluster, "_LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(lsvid.workers.cluster, "_NO_WORKERS_S", 0.3)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=60
        ) as made,
        open_cluster(made.scheduler_address) as cluster,
    ):
        made.scale(0)
        with pytest.raises(ServerError) as caught:
            list(cluster.run_each(double, range(3)))
    assert caught.value.message == "all workers have been away for 0.3 s"
    assert caught.value.hint == "start some; run the same command again: it goes on where it stopped"


def test_workers_with_other_versions_are_named(dask_cluster: Any) -> None:
    from distributed import Client

    with Client(dask_cluster.scheduler_address, set_as_default=False) as client:
        versions = client.get_versions(packages=["lsvid"])
    check_versions(versions)
    first, second = versions["workers"]
    ours = versions["client"]["packages"]
    versions["workers"][first]["packages"] = ours | {"python": "3.99.1.final.0"}
    versions["workers"][second]["packages"] = ours | {"lsvid": None}
    versions["scheduler"]["packages"] = ours | {"distributed": "1.0"}
    with pytest.raises(SettingsError) as caught:
        check_versions(versions)
    assert caught.value.message.splitlines() == [
        "the machines of the cluster differ from this one:",
        f"  the scheduler has distributed 1.0, this machine {ours['distributed']}",
        f"  the worker at {first} has python 3.99.1.final.0, this machine {ours['python']}",
        f"  the worker at {second} has no lsvid, this machine {lsvid.__version__}",
    ]
    assert "pip install 'lsvid[distributed]'" in caught.value.hint


@pytest.mark.parametrize(
    ("scheduler", "text"),
    [
        ("none.json", "cannot read the scheduler file none.json: No such file or directory"),
        ("labels.json", "labels.json is not a scheduler file of Dask's"),
        ("list.json", "list.json is not a scheduler file of Dask's"),
        ("inproc.json", "inproc.json is not a scheduler file of Dask's: its address is 'inproc://1/2'"),
        ("http://node1:8787", "http://node1:8787 is not the address of a Dask scheduler"),
        ("tcp://node1", "tcp://node1 is not the address of a Dask scheduler"),
        ("tcp://node1:x", "tcp://node1:x is not the address of a Dask scheduler"),
        ("tls://127.0.0.1:1", "tls://127.0.0.1:1 wants TLS, and Dask has no certificates for it"),
    ],
)
def test_what_is_no_scheduler(scheduler: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.json").write_text('{"labels": []}')
    Path("list.json").write_text("[1]")
    Path("inproc.json").write_text('{"address": "inproc://1/2"}')
    result = _run("export-frames", "x.json", "-o", "out", "--scheduler", scheduler)
    assert (result.exit_code, f"error: {text}\nhint: " in result.stderr) == (2, True), result.stderr


def test_jobs_are_for_this_machine_and_the_package_is_asked_for(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("make-proxies", clips, "-o", tmp_path / "out", "--scheduler", "tcp://node1:8786")
    result = _run(*command, "--jobs", 2)
    assert (result.exit_code, "error: --jobs is about this machine" in result.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = _run(*command)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --scheduler needs the package distributed, which is not installed\n"
        "hint: pip install 'lsvid[distributed]'\n"
    )
