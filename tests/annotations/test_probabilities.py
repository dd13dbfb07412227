"""Probabilities of rows into stretches, against what is done one row after the other."""

from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsvid.annotations.probabilities import (
    FloatArray,
    ProbabilityOptions,
    RowTimes,
    above,
    certainty,
    faults_of,
    running_median,
    stretches,
)
from lsvid.errors import SettingsError
from lsvid.video.timebase import FrameIndex, sample_frames

ONE = Fraction(1)
tables = st.integers(0, 30).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.5, 0.8, 1.0]))
)


def plain_joined(values: FloatArray, shortest: int) -> list[tuple[int, int]]:
    """(class, rows) of each run, the shortest given away first."""
    runs = [[label, len(list(rows))] for label, rows in groupby(values.argmax(axis=1).tolist())]
    while len(runs) > 1:
        at = min(range(len(runs)), key=lambda k: (runs[k][1], k))
        if runs[at][1] >= shortest:
            break
        start = sum(length for _, length in runs[:at])
        rows = values[start : start + runs[at][1]]
        sides = [k for k in (at - 1, at + 1) if 0 <= k < len(runs)]
        best = max(sides, key=lambda k: rows[:, runs[k][0]].sum())
        runs[best][1] += runs[at][1]
        del runs[at]
        runs = [[label, sum(run[1] for run in group)] for label, group in groupby(runs, key=lambda run: run[0])]
    return [(label, length) for label, length in runs]


@given(tables, st.integers(0, 6))
def test_the_most_probable_class(values: FloatArray, shortest: int) -> None:
    found = stretches(values, RowTimes.evenly(len(values), ONE), ProbabilityOptions(min_duration_s=Fraction(shortest)))
    expected = plain_joined(values, shortest) if len(values) else []
    assert [(one.label, one.stop - one.start) for one in found] == expected
    assert [one.start for one in found][1:] == [one.stop for one in found][:-1]  # every row has one class
    for one in found:
        assert one.score == pytest.approx(values[one.start : one.stop, one.label].mean())


@given(tables, st.integers(0, 4))
def test_hysteresis(values: FloatArray, shortest: int) -> None:
    options = ProbabilityOptions(min_duration_s=Fraction(shortest), hysteresis=(0.5, 0.25))
    found = {(one.label, one.start, one.stop) for one in stretches(values, RowTimes.evenly(len(values), ONE), options)}
    expected = set()
    for label, column in enumerate(values.T):
        start = 0
        for is_above, rows in groupby(value >= 0.25 for value in column.tolist()):
            stop = start + len(list(rows))
            if is_above and column[start:stop].max() >= 0.5 and stop - start >= shortest:
                expected.add((label, start, stop))
            start = stop
    assert found == expected


@given(tables, st.integers(0, 9))
def test_running_median(values: FloatArray, window: int) -> None:
    found = running_median(values, range(len(values) + 1), window)
    half = window // 2
    for row in range(len(values)):
        around = [values[min(max(k, 0), len(values) - 1)] for k in range(row - half, row + half + 1)]
        expected = np.median(around, axis=0) if window >= 3 else values[row]
        assert found[row].tolist() == expected.tolist()


def test_a_median_takes_single_rows_away() -> None:
    values = np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] + [[0.9, 0.1]] * 5)
    assert len(stretches(values, RowTimes.evenly(len(values), ONE), ProbabilityOptions())) == 3
    (one,) = stretches(values, RowTimes.evenly(len(values), ONE), ProbabilityOptions(median_s=Fraction(3)))
    assert one.score == pytest.approx((0.9 * 10 + 0.2) / 11)  # of what the model said


def test_above() -> None:
    assert above(np.array([0.3, 0.6, 0.3, 0.1, 0.3, 0.3]), 0.5, 0.3) == [(0, 3)]


def test_many_short_runs_take_no_square_of_time() -> None:
    values = np.random.default_rng(0).random((200_000, 5))
    found = stretches(
        values, RowTimes.evenly(len(values), Fraction(25)), ProbabilityOptions(min_duration_s=Fraction(2))
    )
    assert min(one.stop - one.start for one in found) >= 50


# --- The clips' time --------------------------------------------------------------------------------------------------

clip_gaps = st.lists(st.sampled_from([1, 2, 2, 2, 3, 50]), min_size=1, max_size=20) | st.builds(
    lambda gap, n: [gap] * n, st.integers(1, 5), st.integers(1, 20)
)
"""How long each picture of a clip is shown, in 1/50 s: at a constant rate, or not."""


def index_of(gaps: list[int]) -> FrameIndex:
    pts = np.concatenate([[0], np.cumsum(gaps[:-1])]).astype(np.int64)
    return FrameIndex(pts, Fraction(1, 50), gaps[-1], Fraction(sum(gaps), 50))


def times_at(indexes: list[FrameIndex], fps: Fraction) -> tuple[int, list[Fraction]]:
    """The number of rows, and their times in seconds."""
    pieces = [sample_frames(index, fps) for index in indexes]
    times = RowTimes.sampled(pieces, indexes, fps)
    return sum(map(len, pieces)), [tick * times.tick_s for tick in times.ticks]


@given(st.lists(clip_gaps, min_size=1, max_size=3), st.sampled_from([50, 51, 100, Fraction(120000, 1001), 1000]))
def test_above_the_rate_of_the_clips_a_row_is_a_picture(clips: list[list[int]], fps: Fraction) -> None:
    gaps = [gap for clip in clips for gap in clip]
    n_rows, times = times_at([index_of(clip) for clip in clips], Fraction(fps))
    assert n_rows == len(gaps)
    assert times == [Fraction(sum(gaps[:row]), 50) for row in range(len(gaps) + 1)]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(2, 60)), min_size=1, max_size=3), st.integers(1, 10))
def test_below_the_rate_of_the_clips_a_row_is_a_sample(clips: list[tuple[int, int]], fps: int) -> None:
    """At 10 pictures a second or more."""
    n_rows, times = times_at([index_of([gap] * n) for gap, n in clips], Fraction(fps))
    assert times == [Fraction(row, fps) for row in range(n_rows + 1)]


@given(st.lists(clip_gaps, min_size=1, max_size=3), st.fractions(1, 200, max_denominator=30))
def test_rows_follow_the_clip_s_time_to_one_sample(clips: list[list[int]], fps: Fraction) -> None:
    indexes = [index_of(clip) for clip in clips]
    for index in indexes:
        _, times = times_at([index], fps)
        kept = sample_frames(index, fps)
        for frame, time_s in zip(kept.tolist(), times, strict=False):
            assert 0 <= index.time_s(frame) - time_s < 1 / fps
    _, together = times_at(indexes, fps)
    assert together[-1] == sum(times_at([index], fps)[1][-1] for index in indexes)
    assert all(after > before for before, after in pairwise(together))


@pytest.mark.parametrize("fps", [25, 30, 100, Fraction(1_000_000, 7)])
@pytest.mark.parametrize("hysteresis", [None, (0.5, 0.5)])
def test_200_pictures_at_25_fps(fps: Fraction, hysteresis: tuple[float, float] | None) -> None:
    """Stretches of 2.4, 2 and 3.6 s are none shorter than 2 s, whatever rate above the clip's somebody gives."""
    index = FrameIndex(np.arange(200) * 512, Fraction(1, 12800), 512, Fraction(8))
    times = RowTimes.sampled([sample_frames(index, Fraction(fps))], [index], Fraction(fps))
    values = np.eye(3)[np.repeat([0, 1, 2], [60, 50, 90])]

    def found(**options: Fraction) -> list[tuple[int, int]]:
        return [(one.start, one.stop) for one in stretches(
            values, times, ProbabilityOptions(hysteresis=hysteresis, **options)  # type: ignore[arg-type]
        )]  # fmt: skip

    assert found(min_duration_s=Fraction(2)) == [(0, 60), (60, 110), (110, 200)]
    longer = [(0, 60), (110, 200)] if hysteresis else [(0, 110), (110, 200)]
    assert found(min_duration_s=Fraction("2.01")) == longer
    values[30:33] = [0, 0, 1]  # 0.12 s
    assert found(median_s=Fraction("0.24")) == [(0, 60), (60, 110), (110, 200)]
    assert len(found(median_s=Fraction("0.15"))) == 5  # three rows around


@given(st.lists(clip_gaps, min_size=1, max_size=3), st.integers(0, 100), st.data())
def test_a_median_of_the_rows_within_a_time(clips: list[list[int]], window: int, data: st.DataObject) -> None:
    gaps = [gap for clip in clips for gap in clip]
    values = data.draw(arrays(np.float64, (len(gaps), 2), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])))
    ticks = [sum(gaps[:row]) for row in range(len(gaps) + 1)]
    step = sorted(gaps)[len(gaps) // 2]
    found = running_median(values, ticks, window)
    if window < 3 * step:
        assert found.tolist() == values.tolist()
        return
    for row, begin in enumerate(ticks[:-1]):
        around = [values[k] for k in range(len(gaps)) if 2 * abs(ticks[k] - begin) <= window]
        around += [values[0]] * max(0, (window // 2 - begin) // step)
        around += [values[-1]] * max(0, (window // 2 - (ticks[-2] - begin)) // step)
        assert found[row].tolist() == np.median(around, axis=0).tolist()


def test_times_become_exact() -> None:
    options = ProbabilityOptions(fps=29.97, median_s=2, min_duration_s="0.1")  # type: ignore[arg-type]
    assert (options.fps, options.median_s, options.min_duration_s) == (
        Fraction(2997, 100),
        Fraction(2),
        Fraction(1, 10),
    )
    with pytest.raises(SettingsError, match="is not a number"):
        ProbabilityOptions(fps="fast")  # type: ignore[arg-type]


def test_certainty() -> None:
    values = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert certainty(values, ProbabilityOptions()) == pytest.approx(0.7)
    assert certainty(values, ProbabilityOptions(hysteresis=(0.5, 0.5))) == pytest.approx(0.7)
    assert certainty(np.zeros((0, 2)), ProbabilityOptions()) == 0


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(3), "has the shape (3,), not (T, C)"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.zeros((3, 4)), "has 4 columns for 2 classes"),
        (np.array([[0.0, np.nan]]), "1 that are no number, the first in row 0, column 1"),
        (np.array([[0.0, 1.0], [2.5, 0.0]]), "1 outside 0 to 1, the first in row 1, column 0: 2.5; are these logits?"),
    ],
)
def test_faults(values: np.ndarray, says: str) -> None:  # type: ignore[type-arg]
    assert any(says in fault for fault in faults_of(values, 2))


def test_the_rounding_of_32_bits_is_no_fault() -> None:
    assert faults_of(np.array([[1.0000001, -1e-8]], dtype=np.float32), 2) == []


@pytest.mark.parametrize(
    "options",
    [{"fps": Fraction(0)}, {"median_s": Fraction(-1)}, {"hysteresis": (0.3, 0.5)}, {"hysteresis": (2.0, 0.5)}],
)
def test_settings_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="choose"):
        ProbabilityOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("hysteresis", ["0.7,0.3", 0.7, (0.7,), ("a", "b"), (0.7, None)])
def test_hysteresis_is_two_numbers(hysteresis: object) -> None:
    with pytest.raises(SettingsError, match="is not two numbers"):
        ProbabilityOptions(hysteresis=hysteresis)  # type: ignore[arg-type]
