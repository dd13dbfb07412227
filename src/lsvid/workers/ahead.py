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

    thread: the number of the thread that calls it, from 0. most: so many results of an item wait for their use. An
    error of `make` is raised in its place. Once this iterator has ended, or is closed, its threads have ended, too.
    """
    work = _Work(items, make, most)
    started = []
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
    finally:
        work.ended.set()
        for thread in started:
            if thread is not threading.current_thread():  # the garbage collector may close this in any thread
                thread.join()


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Work(Generic[Item, Result]):
    """What the threads share. outputs: for each item its results, then None."""

    def __init__(self, items: Sequence[Item], make: Callable[[int, Item], Generator[Result]], most: int) -> None:
        self.outputs: list[queue.Queue[Result | _Failed | None]] = [queue.Queue(most) for _ in items]
        self.ended = threading.Event()
        self._left = iter(zip(items, self.outputs, strict=True))
        self._taking = threading.Lock()
        self._make = make

    def run(self, thread: int) -> None:
        """Make results of one item after the other, in order: the first one that is not done always goes on."""
        while not self.ended.is_set():
            with self._taking:
                taken = next(self._left, None)
            if taken is None:
                return
            item, output = taken
            try:
                with closing(self._make(thread, item)) as results:
                    for result in results:
                        if not self._put(output, result):
                            return
                self._put(output, None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the results are used
                self._put(output, _Failed(error))

    def _put(self, output: "queue.Queue[Result | _Failed | None]", news: Result | _Failed | None) -> bool:
        """Whether `news` is still wanted; waits for space."""
        while not self.ended.is_set():
            try:
                output.put(news, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
