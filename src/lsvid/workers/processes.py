"""Work on many clips at once, each in a process that may die without taking the others with it.

Why not a pool that exists: a damaged clip may kill the process that decodes it. Then all items that are not finished
fail in the standard library's ProcessPoolExecutor (Python 3.11) and in loky (3.7.0). In Pebble (5.2.3) only this item
fails, but an item cannot report its progress. (The first was measured for all three: two workers, eight items, the
third item kills its process.)
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn, Protocol, TypeVar

from lsvid.errors import ClipError, LsvidError
from lsvid.files.paths import common_folder
from lsvid.files.unfinished import remove_leftovers

Report = Callable[[float], None]
"""A function calls it with the amount of an item that is done so far, in the function's own unit."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_TRIES = 2

# A forked process may inherit a lock that a thread of FFmpeg or OpenCV holds; a spawned process does not.
_spawn = multiprocessing.get_context("spawn")


class Workers(Protocol):
    """Work on many clips at a time: in processes of this machine (`Processes`) or on a cluster (`workers.cluster`)."""

    elsewhere: bool
    """Whether other machines work too, with programs, cores and caches of their own."""

    def threads(self, n_items: int, useful: int = 1) -> int:
        """How many threads each of `n_items` items should use; useful: the most that one item can use."""
        ...

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
        """(position in `items`, result of `function(item, report)`) for each item, in the order in which they finish.

        `function` is defined at the top of a module, and items and results can be pickled. `on_progress` gets the
        item's position and what `function` reports. If an item fails, its error is its result; if its worker dies
        again and again, that is a ClipError. An item may be done more than once, so this has to be harmless.

        useful: the most threads that one item can use. reads, writes: the file that an item is read from, and the
        folder for its results; workers that do not see them report it.
        """
        ...


class Processes:
    """Workers in spawned processes of this machine, `jobs` at a time; by default as many as its cores allow.

    If a process dies, its item is tried once more in a new one.
    """

    elsewhere = False

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs

    def _at_a_time(self, n_items: int, useful: int) -> int:
        return max(1, min(self._jobs or cores() // useful, n_items))

    def threads(self, n_items: int, useful: int = 1) -> int:
        """See Workers."""
        return max(1, cores() // self._at_a_time(n_items, useful))

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
        """See Workers."""
        folder_of: Callable[[Item], str | None] = writes or (lambda _item: None)
        waiting = deque((position, 1) for position in range(len(items)))
        workers: list[_Worker] = []
        on_progress = on_progress or (lambda _position, _done: None)
        try:
            workers.extend(_Worker.start() for _ in range(self._at_a_time(len(items), useful) if items else 0))
            while waiting or any(worker.at is not None for worker in workers):
                for worker in workers:
                    if worker.at is None and waiting:
                        worker.give(function, items, waiting.popleft())
                for place, worker in _with_news(workers):
                    position, tries = worker.at or (0, 0)
                    news, value = worker.receive()
                    if news == "progress":
                        on_progress(position, value)
                        continue
                    worker.at = None
                    if news == "died":
                        remove_attempts(folder_of(items[position]))
                        workers[place] = _Worker.start()
                    if news == "died" and tries < _TRIES:
                        waiting.appendleft((position, tries + 1))
                    else:
                        yield position, value
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.stop()


def outcome(function: Callable[[Item, Report], Result], item: Item, report: Report) -> Result | LsvidError:
    """The result of `function(item, report)`, or its error; an unexpected error becomes a ClipError."""
    try:
        return function(item, report)
    except LsvidError as error:
        return error
    except MemoryError:
        return ClipError("there is not enough memory for it", "free some, or work on fewer clips at a time")
    except Exception as error:  # noqa: BLE001 - any error concerns this clip alone
        return ClipError(f"{type(error).__name__}: {error}", "please report this, with the clip if you can")


def remove_attempts(folder: str | None, item: str | None = None) -> None:
    """Remove what workers that died left of an item: in and beside its folder, and in this machine's folder for
    temporary files.

    item: its name, where the worker may have been on another machine; see `lsvid.files.unfinished.made_for`.
    """
    places: list[tuple[Path, str | None]] = [(Path(tempfile.gettempdir()), "lsvid")]
    here = None if folder is None else common_folder([folder])
    if here is not None:
        places += [(here, None), (here.parent, here.name)]
    for place, of in places:
        with suppress(OSError):  # it was not made, or nobody may look into it
            remove_leftovers(place, of, item)


_DIED_HINT = "if memory ran out, use fewer <<jobs>>; otherwise the clip may be damaged: see what ffprobe says of it"


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Worker:
    """A process, the connection to it, and (position, number of the try) of its current item."""

    process: SpawnProcess
    connection: Connection
    at: tuple[int, int] | None = None

    @classmethod
    def start(cls) -> "_Worker":
        here, there = _spawn.Pipe()
        process = _spawn.Process(target=_work, args=(there,), daemon=True)
        with _no_main_program():
            process.start()
        there.close()  # so that the connection ends with the process
        return cls(process, here)

    def give(self, function: Callable[[Item, Report], object], items: Sequence[Item], at: tuple[int, int]) -> None:
        self.at = at
        with suppress(OSError):  # it has died: reading the connection will report this
            self.connection.send((function, items[at[0]]))

    def receive(self) -> tuple[str, Any]:
        """("progress", amount), ("done", result) or ("died", error)."""
        try:
            news, value = self.connection.recv()
        except (EOFError, OSError):
            return "died", ClipError(f"its process died {_TRIES} times ({_cause(self.stop())})", _DIED_HINT)
        return str(news), value

    def stop(self) -> int | None:
        """Wait for the process to end, kill it after 5 s, and return its exit code."""
        self.connection.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


@contextmanager
def _no_main_program() -> Iterator[None]:
    """Within this context, processes that are started do not import the main program (perhaps a user's script)."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _with_news(workers: Sequence[_Worker]) -> list[tuple[int, _Worker]]:
    """(place, worker) of the busy workers that have sent something or died; waits until there is one."""
    ready = wait([worker.connection for worker in workers if worker.at is not None])
    return [(place, worker) for place, worker in enumerate(workers) if worker.connection in ready]


def _work(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and the parent ends this process
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def report(done: float) -> None:
        try:
            connection.send(("progress", done))
        except OSError:
            sys.exit(1)  # the parent has gone

    while True:
        try:
            function, item = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(("done", outcome(function, item, report)))
        except OSError:
            return


def _end_with_parent() -> None:
    """Wait until the parent has ended in any way; then end this process, after `_LAST_WORDS_S` at the latest."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # so that unfinished files are removed; on Windows it ends here
    time.sleep(_LAST_WORDS_S)
    os._exit(1)


_LAST_WORDS_S = 3


def ending_with_us(command: Sequence[str]) -> list[str]:
    """`command`, wrapped so that the system kills it when this process ends in any way.

    Only on Linux; elsewhere the command itself is returned, and runs to its end. Source: prctl(2), PR_SET_PDEATHSIG,
    which survives execve.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH, str(os.getpid()), *command]


_DIE_WITH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End by an exception, so that programs that were started are stopped, and unfinished files are removed."""
    sys.exit(128 + number)


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
