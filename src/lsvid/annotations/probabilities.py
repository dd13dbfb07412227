"""Turns the probabilities of classes in each row into stretches of one class with a score. Pure numpy."""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.errors import SettingsError
from lsvid.video.timebase import FrameIndex

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SLACK = 1e-6
"""How far a probability may lie outside 0 to 1, because of rounding to 32 bits."""


@dataclass(frozen=True)
class ProbabilityOptions:
    """How probabilities become stretches.

    fps: rows a second; None: the value in the file. model: the model's name; '': the folder's name. median_s: each
    class is first filtered by a running median over so many seconds. hysteresis: (high, low): each class is taken by
    itself, so several may hold at once; a stretch reaches `high`, and goes on in both directions as long as the class
    stays at `low` or above. None: the most probable class of each row. min_duration_s: a shorter stretch is given to
    its neighbours or, with hysteresis, left out. Both are times of the clips, see RowTimes.
    """

    fps: Fraction | None = None
    model: str = ""
    median_s: Fraction = Fraction(0)
    min_duration_s: Fraction = Fraction(0)
    hysteresis: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Make rates and times exact. Raise SettingsError if a value is not possible."""
        for name in ("fps", "median_s", "min_duration_s"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Fraction):
                object.__setattr__(self, name, _exact(name, value))
        if self.fps is not None and self.fps <= 0:
            raise SettingsError(f"{self.fps} rows a second: choose more than 0")
        for name, value in (("the median's window", self.median_s), ("the shortest duration", self.min_duration_s)):
            if value < 0:
                raise SettingsError(f"{name} is {float(value):g} s: choose 0 or more")
        if self.hysteresis is not None:
            try:
                high, low = map(float, self.hysteresis)
            except (TypeError, ValueError) as error:
                raise SettingsError(
                    f"hysteresis {self.hysteresis!r} is not two numbers", "for example (0.7, 0.3)"
                ) from error
            if not 0 < low <= high <= 1:
                raise SettingsError(
                    f"hysteresis from {high:g} to {low:g}: choose two numbers above 0 and up to 1, the higher one first"
                )


def _exact(name: str, value: object) -> Fraction:
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        raise SettingsError(f"{name} {value!r} is not a number", "for example 1, 2.5 or '30000/1001'") from error


class Stretch(NamedTuple):
    """Rows `[start, stop)` of one class; score: its mean probability there, as given (not filtered)."""

    label: int
    start: int
    stop: int
    score: float


def faults_of(values: npt.NDArray[np.generic], n_classes: int) -> list[str]:
    """What is wrong with `values` as probabilities of shape (T, n_classes); empty if nothing is wrong."""
    if values.ndim != 2:
        return [f"has the shape {values.shape}, not (T, C): a row for each time, a column for each class"]
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        return [f"holds {values.dtype}, not numbers"]
    faults = []
    if values.shape[1] != n_classes:
        faults.append(f"has {values.shape[1]} columns for {n_classes} classes")
    numbers = values.astype(np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        faults.append(f"holds {int(bad.sum())} that are no number, the first in row {row}, column {column}")
    outside = ~bad & ((numbers < -_SLACK) | (numbers > 1 + _SLACK))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        faults.append(
            f"holds {int(outside.sum())} outside 0 to 1, the first in row {row}, column {column}: "
            f"{numbers[row, column]:g}; are these logits?"
        )
    return faults


@dataclass(frozen=True)
class RowTimes:
    """When each row begins, and then when the last one ends: T + 1 whole numbers, in ticks of `tick_s` seconds."""

    ticks: Sequence[int]
    tick_s: Fraction

    @classmethod
    def evenly(cls, n_rows: int, fps: Fraction) -> "RowTimes":
        """The times of rows that lie evenly."""
        return cls(range(n_rows + 1), 1 / fps)

    @classmethod
    def sampled(cls, pieces: Sequence[IntArray], indexes: Sequence[FrameIndex], fps: Fraction) -> "RowTimes":
        """The times of the rows that `sample_frames` keeps of several clips, one clip after the other.

        pieces: for each clip the frames of its rows; indexes: of each clip. A row lasts 1 / fps or, where a clip has
        fewer pictures than that, as long as its picture.
        """
        lengths = [_row_lengths(frames, index, fps) for frames, index in zip(pieces, indexes, strict=True)]
        tick_s = Fraction(1, math.lcm(*(unit_s.denominator for _, unit_s in lengths)))
        ticks = (length * int(unit_s / tick_s) for of_clip, unit_s in lengths for length in of_clip)
        return cls([0, *itertools.accumulate(ticks)], tick_s)


def _row_lengths(frames: IntArray, index: FrameIndex, fps: Fraction) -> tuple[list[int], Fraction]:
    """How long each row of a clip lasts, and the unit of these numbers in seconds."""
    begins = (index.pts[frames] - index.pts[0]).tolist()
    if len(frames) == index.n_frames:
        return _gaps([*begins, begins[-1] + index.last_duration]), index.time_base
    ticks = fps * index.time_base  # a row counts from its sample, not from its picture, which is a little later
    samples = [begin * ticks.numerator // ticks.denominator for begin in begins]
    return _gaps([*samples, samples[-1] + 1]), 1 / fps


def _gaps(numbers: Sequence[int]) -> list[int]:
    return [after - number for number, after in itertools.pairwise(numbers)]


def stretches(values: FloatArray, times: RowTimes, options: ProbabilityOptions) -> list[Stretch]:
    """The stretches in `values`, float64 of shape (T, C), whose rows have `times`; by start, then class."""
    ticks = times.ticks
    filtered = running_median(values, ticks, math.floor(options.median_s / times.tick_s))
    shortest = math.ceil(options.min_duration_s / times.tick_s)
    if options.hysteresis is None:
        runs = _joined(filtered.argmax(axis=1), filtered, ticks, shortest) if len(values) else []
    else:
        runs = [
            (label, start, stop)
            for label, column in enumerate(filtered.T)
            for start, stop in above(column, *options.hysteresis)
            if ticks[stop] - ticks[start] >= shortest
        ]
    found = [Stretch(label, start, stop, float(values[start:stop, label].mean())) for label, start, stop in runs]
    return sorted(found, key=lambda one: (one.start, one.label))


def certainty(values: FloatArray, options: ProbabilityOptions) -> float:
    """How certain `values` are, 0 to 1. People should look at the least certain clips first.

    It is the mean of the highest probability over rows or, with hysteresis, of max(p, 1 - p) over rows and classes.
    """
    if not values.size:
        return 0.0
    if options.hysteresis is None:
        return float(values.max(axis=1).mean())
    return float(np.maximum(values, 1 - values).mean())


def running_median(values: FloatArray, ticks: Sequence[int], window: int) -> FloatArray:
    """Each column's median over the rows that begin within `window` ticks around each row's beginning.

    ticks: when each row begins, then when the last one ends. At the ends, the first and the last row are repeated. A
    window of less than three rows does nothing.
    """
    if not len(values):
        return values
    length = max(1, sorted(_gaps(ticks))[len(values) // 2])
    if window < 3 * length:
        return values
    half = window // 2
    n_more = half // length
    kind = np.int64 if ticks[-1] + window < 1 << 62 else object
    more = np.arange(1, n_more + 1).astype(kind) * length
    begins = np.array(ticks[:-1], dtype=kind)
    around = np.concatenate([begins[0] - more[::-1], begins, begins[-1] + more])
    first = np.searchsorted(around, begins - half, side="left")
    widths = np.searchsorted(around, begins + half, side="right") - first
    padded = np.pad(values, ((n_more, n_more), (0, 0)), mode="edge")
    found: FloatArray = np.empty_like(values)
    for width in np.unique(widths).tolist():  # rows of clips with other rates have other numbers of rows around them
        rows = np.flatnonzero(widths == width)
        for column in range(values.shape[1]):  # column by column, since the windows of all columns would be large
            windows = np.lib.stride_tricks.sliding_window_view(padded[:, column], width)
            found[rows, column] = np.median(windows[first[rows]], axis=1)
    return found


def above(column: FloatArray, high: float, low: float) -> list[tuple[int, int]]:
    """Rows `[start, stop)` of each stretch in which `column` stays at `low` or above, and reaches `high`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (column >= low).astype(np.int8), [0]]))).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges if column[start:stop].max() >= high]


def _joined(codes: IntArray, values: FloatArray, ticks: Sequence[int], shortest: int) -> list[tuple[int, int, int]]:
    """The runs of `codes`, (class, start, stop), none shorter than `shortest` ticks, unless all rows together are.

    The shortest run goes first (of two, the earlier one): its rows go to the neighbour whose class is more probable.
    """
    changes = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    label, start, stop = codes[changes].tolist(), changes.tolist(), [*changes[1:].tolist(), len(codes)]
    before, after = list(range(-1, len(label) - 1)), [*range(1, len(label)), -1]
    alive = [True] * len(label)
    length = [ticks[end] - ticks[begin] for begin, end in zip(start, stop, strict=True)]
    queue = [(length[k], start[k], k) for k in range(len(label)) if length[k] < shortest]
    heapq.heapify(queue)

    def take(k: int, other: int) -> None:
        """Run `k` takes the rows of its neighbour `other`, which disappears."""
        start[k], stop[k] = min(start[k], start[other]), max(stop[k], stop[other])
        length[k] += length[other]
        before[k], after[k] = (before[k], after[other]) if other == after[k] else (before[other], after[k])
        if before[k] >= 0:
            after[before[k]] = k
        if after[k] >= 0:
            before[after[k]] = k
        alive[other] = False

    while queue:
        long, first, k = heapq.heappop(queue)
        if not alive[k] or (long, first) != (length[k], start[k]):
            continue  # it has grown since
        sides = [side for side in (before[k], after[k]) if side >= 0]
        if not sides:
            break
        best = max(sides, key=lambda side: float(values[start[k] : stop[k], label[side]].sum()))
        take(best, k)
        for side in (before[best], after[best]):
            if side >= 0 and label[side] == label[best]:
                take(best, side)
        if length[best] < shortest:
            heapq.heappush(queue, (length[best], start[best], best))
    return [(label[k], start[k], stop[k]) for k in range(len(label)) if alive[k]]


def row_frames(pieces: Sequence[IntArray], n_frames: Sequence[int]) -> IntArray:
    """The frame of the whole case at which each row begins, and the number of frames at the end; int64, (T + 1,).

    pieces: for each clip the frames of its rows; n_frames: of each clip.
    """
    before = np.concatenate([[0], np.cumsum(n_frames)])
    starts = [frames + first for frames, first in zip(pieces, before[:-1], strict=True)]
    found: IntArray = np.concatenate([*starts, before[-1:]]).astype(np.int64)
    return found
