"""Results that several threads of this process make ahead of their use."""

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_S = 0.1
"""How often a thread that waits for space looks whether its results are still wanted."""


def made_ahead(
    items: Sequence[Item], make: Callable[[int, Item], Generator[Result]], n_threads: int, most: int
) -> Generator[Result]:
    """The results of `make(thread, item)` for each of `items`, in order.

    thread: the number of the thread that calls it, from 0. So many items as there are threads are begun before the
    first of them is used up. most: so many results of an item wait for their use. An error of `make` is raised in its
    place. Once this iterator has ended, or is closed, its threads have ended, too; but if the garbage collector closes
    it in one of them, this one ends a little later.
    """
    work = _Work(items, make, n_threads, most)
    started: list[threading.Thread] = []
    try:
        for number in range(n_threads):
            thread = threading.Thread(target=work.run, args=(number,), daemon=True)
            thread.start()
            started.append(thread)
        for output in work.outputs:
            while (news := output.get()) is not None:
                if isinstance(news, _Failed):
                    raise news.error
                yield news
            work.room.release()
    finally:
        work.ended.set()
        _wait_for(started)


def _wait_for(threads: Sequence[threading.Thread]) -> None:
    """Wait until `threads` have ended, but for the current one. An interruption is raised after that."""
    interruption: BaseException | None = None
    for thread in threads:
        while thread is not threading.current_thread() and thread.is_alive():
            try:
                thread.join()
            except BaseException as error:  # noqa: BLE001 - it is raised below
                interruption = error
    if interruption is not None:
        raise interruption


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Work(Generic[Item, Result]):
    """What the threads share. outputs: for each item its results, then None. room: for items to be begun."""

    def __init__(
        self, items: Sequence[Item], make: Callable[[int, Item], Generator[Result]], n_begun: int, most: int
    ) -> None:
        self.outputs: list[queue.Queue[Result | _Failed | None]] = [queue.Queue(most) for _ in items]
        self.room = threading.Semaphore(n_begun)
        self.ended = threading.Event()
        self._left = iter(zip(items, self.outputs, strict=True))
        self._taking = threading.Lock()
        self._make = make

    def run(self, thread: int) -> None:
        """Make results of one item after the other, in order: the first one that is not done always goes on."""
        while (taken := self._take()) is not None:
            item, output = taken
            try:
                with closing(self._make(thread, item)) as results:
                    for result in results:
                        if not self._put(output, result):
                            return
                self._put(output, None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the results are used
                self._put(output, _Failed(error))
                return

    def _take(self) -> "tuple[Item, queue.Queue[Result | _Failed | None]] | None":
        """The next item and where its results go; None if there is none, or nobody wants it any more."""
        while not self.ended.is_set():
            if self.room.acquire(timeout=_LOOK_S):
                with self._taking:
                    return next(self._left, None)
        return None

    def _put(self, output: "queue.Queue[Result | _Failed | None]", news: Result | _Failed | None) -> bool:
        """Whether `news` is still wanted; waits for space."""
        while not self.ended.is_set():
            try:
                output.put(news, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
