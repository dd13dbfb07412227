"""Workers of a Dask cluster: they do on many machines what `lsvid.workers.processes` does on this one.

Clips and results lie in S3, or under a path that is the same on every machine. If a worker dies, Dask gives its tasks
to another one, and gives up a task after several deaths. Sources: distributed.dask.org (client, killed); what Dask does
when workers are killed was measured on 2026.8.
"""

import json
import logging
import os
import pickle
import platform
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from lsvid import __version__
from lsvid.errors import ClipError, LsvidError, ServerError, SettingsError
from lsvid.files import storage
from lsvid.files.paths import common_folder, is_in_sight
from lsvid.files.unfinished import item_name, made_for, remove_leftovers, unfinished
from lsvid.workers.processes import Item, Report, Result, outcome, remove_attempts

_CONNECT_TIMEOUT_S = 5
_WORKERS_TIMEOUT_S = 15
"""How long to wait for the first worker: those of a new job may still be starting."""
_LOOK_EVERY_S = 5.0
_NO_WORKERS_S = 60
"""How long there may be no worker at all while clips wait."""
_REPORT_EVERY_S = 0.5
_AT_ONCE = 1000
"""Items sent to the scheduler in one message: a few hundred bytes each."""


@contextmanager
def open_cluster(scheduler: str) -> Iterator["Cluster"]:
    """The cluster whose scheduler is at `tcp://HOST:PORT` or `tls://…`, or is named in a scheduler file of Dask.

    TLS is set up in Dask's own configuration (distributed.comm.tls). Raises SettingsError if `scheduler` is no such
    address or file, or if a worker has another lsvid, Python or Dask; ServerError if no scheduler answers, or if it has
    no workers.
    """
    try:
        import distributed  # noqa: PLC0415 - optional; its import takes over half a second
    except ImportError as error:
        raise SettingsError(
            "<<scheduler>> needs the package distributed, which is not installed", "pip install 'lsvid[distributed]'"
        ) from error
    if os.environ.get("LSVID_DEBUG") != "1":
        _be_quiet()
    address = _address(scheduler)
    client = _connect(distributed, address)
    try:
        _check_workers(client, address)
        yield Cluster(client)
    finally:
        client.close(timeout=5)


def _be_quiet() -> None:
    """Silence what Dask logs about dying workers: here a death becomes an error of its clip."""
    for name in ["distributed", *logging.root.manager.loggerDict]:
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _address(scheduler: str) -> str:
    """`scheduler` if it is an address, else the address in the scheduler file."""
    if "://" in scheduler:
        return _checked(scheduler, f"{scheduler} is not the address of a Dask scheduler")
    hint = "give its address, such as tcp://node1:8786, or the file that it wrote: dask scheduler --scheduler-file FILE"
    try:
        address = json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
    except OSError as error:
        raise SettingsError(f"cannot read the scheduler file {scheduler}: {error.strerror}", hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{scheduler} is not a scheduler file of Dask's", hint) from error
    return _checked(str(address), f"{scheduler} is not a scheduler file of Dask's: its address is {address!r}")


def _checked(address: str, message: str) -> str:
    try:
        parts = urlsplit(address)
        if parts.scheme in ("tcp", "tls") and parts.hostname and parts.port and parts.path in ("", "/"):
            return address
    except ValueError:  # the port is not a number
        pass
    raise SettingsError(message, "it is tcp://HOST:PORT, or tls://HOST:PORT; Dask's own port is 8786")


def _connect(distributed: Any, address: str) -> Any:  # noqa: ANN401 - Dask is typed in part only
    client = distributed.Client.__new__(distributed.Client)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about versions, which `check_versions` compares
            client.__init__(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        return client  # noqa: TRY300
    except TypeError as error:
        client.status = "closed"
        raise SettingsError(
            f"{address} wants TLS, and Dask has no certificates for it",
            "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY, or distributed.comm.tls in "
            "Dask's configuration",
        ) from error
    except Exception as error:  # another service may answer anything: OSError, MemoryError, …
        client.status = "closed"  # otherwise it tries to say goodbye for 10 s, and prints errors
        raise ServerError(
            f"no Dask scheduler answers at {address}",
            "is it running, and is the address (or the scheduler file) still right? With TLS it is tls://HOST:PORT",
        ) from error


def _check_workers(client: Any, address: str) -> None:  # noqa: ANN401 - as above
    try:
        client.wait_for_workers(1, timeout=_WORKERS_TIMEOUT_S)
        versions = client.get_versions(packages=["lsvid"])
    except TimeoutError as error:
        raise ServerError(
            f"the scheduler at {address} has no workers", f"start some: dask worker {address} --nthreads 1"
        ) from error
    except OSError as error:
        raise ServerError(f"the scheduler at {address} has gone", "start it again") from error
    check_versions(versions)


def check_versions(versions: Mapping[str, Any]) -> None:
    """Raise SettingsError if the scheduler or a worker has other versions than this machine.

    versions: as Dask's `get_versions` returns them.
    """
    ours = versions["client"]["packages"] | {"lsvid": __version__}
    places = {"the scheduler": versions["scheduler"]}
    places |= {f"the worker at {address}": one for address, one in versions["workers"].items()}
    wrong = []
    for place, one in places.items():
        for package in ("python", "distributed", "lsvid"):
            theirs = (one or {}).get("packages", {}).get(package)
            if _told_apart(package, theirs) != _told_apart(package, ours[package]):
                has = f"has {package} {theirs}" if theirs else f"has no {package}"
                wrong.append(f"{place} {has}, this machine {ours[package]}")
    if wrong:
        raise SettingsError(
            "\n".join(["the machines of the cluster differ from this one:", *(f"  {one}" for one in wrong)]),
            "give all of them the same Python and the same packages: pip install 'lsvid[distributed]'",
        )


def _told_apart(package: str, version: str | None) -> str | None:
    """The part of a version that must agree. For Python the first two numbers: they decide the bytecode."""
    return ".".join(version.split(".")[:2]) if version and package == "python" else version


@dataclass(frozen=True)
class _Errand:
    """The values that all items share.

    run: its id. seen: a file that this machine made in the folder for results; None if results go to S3.
    """

    run: str
    s3: Mapping[str, str | None]
    seen: str | None

    @property
    def topic(self) -> str:
        return f"lsvid-{self.run}"


@dataclass(frozen=True)
class _Done:
    """The result of an item, or an error in its place, and the last amount that it reported.

    unseen: the path of the clip, if the worker's machine, `host`, does not have it.
    """

    result: Any
    reported: float | None
    unseen: str | None
    host: str


@dataclass
class _Run:
    """The items under way: futures by position, and news of them: (position, finished future or amount done)."""

    folders: Sequence[str]
    """Of each item that writes."""
    futures: dict[int, Any] = field(default_factory=dict)
    news: "SimpleQueue[tuple[int, Any]]" = field(default_factory=SimpleQueue)


class Cluster:
    """Workers of a Dask cluster; `client` is Dask's. See lsvid.workers.processes.Workers."""

    elsewhere = True

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - as above
        self._client = client

    def threads(self, n_items: int, useful: int = 1) -> int:
        """Always 1: a worker runs as many items at a time as it has threads."""
        return 1

    def run_each(
        self,
        function: Callable[[Item, Report], Result],
        items: Sequence[Item],
        on_progress: Callable[[int, float], None] | None = None,
        *,
        useful: int = 1,
        reads: Callable[[Item], str] | None = None,
        writes: Callable[[Item], str] | None = None,
    ) -> Iterator[tuple[int, Result | LsvidError]]:
        """See lsvid.workers.processes.Workers. Raises ServerError if the scheduler or all workers have gone."""
        sources = [reads(item) if reads else None for item in items]
        folders = [writes(item) for item in items] if writes else []
        payloads = [pickle.dumps((function, *one)) for one in zip(items, sources, strict=True)]
        with _file_seen(folders) as seen:
            errand = _Errand(uuid.uuid4().hex[:16], storage.s3_settings(), seen)
            run = _Run(folders)
            on_progress = on_progress or (lambda _position, _done: None)
            self._client.subscribe_topic(errand.topic, lambda event: run.news.put(tuple(event[1])))
            try:
                killed = yield from self._once(range(len(items)), payloads, errand, run, on_progress)
                for position, error in killed.items():
                    # Dask counts a death against every task that the worker had. So if several clips seem to have
                    # killed workers, each is tried alone.
                    if len(killed) > 1:
                        again = yield from self._once([position], payloads, errand, run, on_progress)
                        if position not in again:
                            continue
                    yield position, error
            finally:
                with suppress(Exception):  # the scheduler may have gone, which is reported elsewhere
                    self._client.unsubscribe_topic(errand.topic)

    def _once(
        self,
        positions: Sequence[int],
        payloads: Sequence[bytes],
        errand: _Errand,
        run: _Run,
        on_progress: Callable[[int, float], None],
    ) -> Generator[tuple[int, Any], None, dict[int, ClipError]]:
        """Yield the results of the items at `positions`; return the items whose workers died too often."""
        from distributed import KilledWorker  # noqa: PLC0415 - as above

        killed: dict[int, ClipError] = {}
        try:
            for start in range(0, len(positions), _AT_ONCE):
                self._submit(positions[start : start + _AT_ONCE], payloads, errand, run)
            while run.futures:
                finished = []
                for position, value in self._news(run):
                    if isinstance(value, float):
                        on_progress(position, value)
                    else:
                        finished.append((position, value))
                for (position, future), done in zip(finished, self._gathered(finished), strict=True):
                    run.futures.pop(position)
                    future.release()
                    if run.folders:
                        remove_attempts(run.folders[position], item_name(errand.run, position))
                    if isinstance(done, KilledWorker):
                        killed[position] = _died(done)
                        continue
                    if done.reported is not None:
                        on_progress(position, done.reported)
                    seen_here = done.unseen is not None and Path(done.unseen).exists()
                    yield position, _unseen(str(done.unseen), done.host) if seen_here else done.result
        finally:
            if run.futures:
                with suppress(Exception):  # as above
                    self._client.cancel(list(run.futures.values()), force=True)
                run.futures.clear()
        return killed

    def _submit(self, positions: Sequence[int], payloads: Sequence[bytes], errand: _Errand, run: _Run) -> None:
        keys = [f"{errand.topic}-{position}-{uuid.uuid4().hex[:8]}" for position in positions]
        wanted = [payloads[position] for position in positions]
        futures = self._client.map(_work, wanted, positions, errand=errand, key=keys, pure=False, retries=2)
        for position, future in zip(positions, futures, strict=True):
            run.futures[position] = future
            future.add_done_callback(partial(_put, run.news, position))

    def _gathered(self, finished: Sequence[tuple[int, Any]]) -> list[Any]:
        """The value of each future: a _Done, or a KilledWorker.

        They are fetched together: one by one takes three times as long. If a worker dies before its result is fetched,
        the result is lost and made again, which may kill more workers.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - as above

        try:
            return list(self._client.gather([future for _, future in finished]))
        except KilledWorker as error:
            if len(finished) == 1:
                return [error]
            return [done for one in finished for done in self._gathered([one])]
        except CancelledError as error:
            raise ServerError("the scheduler has gone", _AGAIN) from error
        except Exception as error:
            raise ServerError(
                f"the cluster failed: {type(error).__name__}: {error}",
                f"are the scheduler and its workers running? {_AGAIN.capitalize()}",
            ) from error

    def _news(self, run: _Run) -> list[tuple[int, Any]]:
        """The next news of items under way. Raises ServerError if no more news can come."""
        away_since: float | None = None
        while True:
            with suppress(Empty):
                news = [run.news.get(timeout=_LOOK_EVERY_S)]
                while not run.news.empty():
                    news.append(run.news.get())
                if news := [(position, value) for position, value in news if position in run.futures]:
                    return news
                continue
            try:
                workers = self._client.nthreads()
            except Exception as error:
                raise ServerError("the scheduler has gone", _AGAIN) from error
            now = time.monotonic()
            away_since = None if workers else away_since or now
            if away_since is not None and now - away_since > _NO_WORKERS_S:
                raise ServerError(f"all workers have been away for {_NO_WORKERS_S} s", f"start some; {_AGAIN}")


_AGAIN = "run the same command again: it goes on where it stopped"


def _died(error: Any) -> ClipError:  # noqa: ANN401 - Dask's KilledWorker
    return ClipError(
        f"its worker died {error.allowed_failures + 1} times (the last one: {error.last_worker.address})",
        "if memory ran out, give workers more of it, or fewer to a machine; otherwise the clip may be damaged: see "
        "what ffprobe says of it",
    )


def _put(news: "SimpleQueue[tuple[int, Any]]", position: int, future: object) -> None:
    news.put((position, future))


@contextmanager
def _file_seen(folders: Sequence[str]) -> Iterator[str | None]:
    """A new file in the local folder that holds all `folders`: a worker that finds it sees that folder."""
    folder = common_folder(folders)
    if folder is None:
        yield None
        return
    file = unfinished(folder / f"seen-{uuid.uuid4().hex}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        file.touch()
    except OSError as error:
        raise SettingsError(f"cannot write to {folder}: {error.strerror}", "choose another -o") from error
    try:
        yield str(file)
    finally:
        file.unlink(missing_ok=True)


# --- On a worker ------------------------------------------------------------------------------------------------------


class _UnwantedError(Exception):
    """The run that wanted the item was broken off."""


def _work(payload: bytes, position: int, errand: _Errand) -> _Done:
    """Work on one item, and return what became of it."""
    from distributed import get_worker  # noqa: PLC0415 - as above

    function, item, source = pickle.loads(payload)  # noqa: S301 - anybody who reaches the scheduler can run code anyway
    worker, host = get_worker(), platform.node()
    key = worker.get_current_task()
    reported: float | None = None
    told_at = time.monotonic()

    def report(done: float) -> None:
        nonlocal reported, told_at
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise _UnwantedError
        reported = float(done)
        if time.monotonic() - told_at > _REPORT_EVERY_S:
            worker.log_event(errand.topic, (position, reported))
            told_at = time.monotonic()

    storage.follow_s3_settings(errand.s3)
    if errand.seen is not None and not Path(errand.seen).exists():
        return _Done(_unseen(str(Path(errand.seen).parent), host), None, None, host)
    with made_for(item_name(errand.run, position)):
        result = outcome(function, item, report)
    if isinstance(result, LsvidError) and not isinstance(result, ClipError):
        message, hint = result.args  # in which options are still marked; see LsvidError
        result = type(result)(f"on {host}: {message}", hint)
    unseen = None if source is None or is_in_sight(source) else source
    return _Done(result, reported, unseen, host)


def _unseen(path: str, host: str) -> SettingsError:
    return SettingsError(
        f"{path} is not there on {host}, where a worker of the cluster runs",
        "clips and results have to be under the same path on every machine (a shared folder), or in S3: s3://BUCKET/…",
    )
