"""Results that threads make ahead: in order, few at a time, and no thread stays."""

import threading
import time
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsvid.workers.ahead import made_ahead


@settings(max_examples=50)
@given(
    lengths=st.lists(st.integers(0, 12), max_size=12),
    n_threads=st.integers(1, 4),
    most=st.integers(1, 5),
)
def test_all_results_come_in_order(lengths: list[int], n_threads: int, most: int) -> None:
    def make(_thread: int, length: int) -> Generator[tuple[int, int]]:
        yield from ((length, number) for number in range(length))

    found = list(made_ahead(lengths, make, n_threads, most))
    assert found == [(length, number) for length in lengths for number in range(length)]


def test_threads_work_at_the_same_time_each_with_its_number() -> None:
    both = threading.Barrier(2, timeout=10)

    def make(thread: int, _item: int) -> Generator[int]:
        both.wait()  # breaks if one works after the other
        yield thread

    assert sorted(made_ahead([1, 2], make, 2, 1)) == [0, 1]


def test_few_results_wait() -> None:
    made: Counter[int] = Counter()

    def make(_thread: int, item: int) -> Generator[int]:
        for number in range(100):
            made[item] += 1
            yield number

    results = made_ahead([0, 1, 2], make, 2, 3)
    next(results)
    time.sleep(0.3)
    assert made[0] <= 6
    assert made[1] <= 4
    assert made[2] == 0
    results.close()


def test_an_error_comes_in_its_place_and_ends_all() -> None:
    def make(_thread: int, item: int) -> Generator[int]:
        if item == 2:
            raise ValueError("no")
        yield item

    results = made_ahead([1, 2, 3], make, 2, 4)
    assert next(results) == 1
    before = threading.active_count()
    with pytest.raises(ValueError, match="no"):
        next(results)
    assert threading.active_count() <= before


def test_no_thread_stays_if_nobody_asks_any_more() -> None:
    closed = threading.Event()

    def make(_thread: int, _item: int) -> Generator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    results = made_ahead(range(5), make, 3, 2)
    next(results)
    results.close()
    assert threading.active_count() == before
    assert closed.is_set()
