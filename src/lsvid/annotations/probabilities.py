"""Turns the probabilities of classes in each row into stretches of one class with a score. Pure numpy."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.errors import SettingsError

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
    its neighbours or, with hysteresis, left out.
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
            high, low = self.hysteresis
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


def stretches(values: FloatArray, fps: Fraction, options: ProbabilityOptions) -> list[Stretch]:
    """The stretches in `values`, float64 of shape (T, C) with `fps` rows a second, by start, then class."""
    filtered = running_median(values, _rows(options.median_s, fps))
    shortest = math.ceil(options.min_duration_s * fps)
    if options.hysteresis is None:
        runs = _joined(filtered.argmax(axis=1), filtered, shortest) if len(values) else []
    else:
        runs = [
            (label, start, stop)
            for label, column in enumerate(filtered.T)
            for start, stop in above(column, *options.hysteresis)
            if stop - start >= shortest
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


def running_median(values: FloatArray, window: int) -> FloatArray:
    """Each column's median over `window` rows around each row; at the ends the first and last row are repeated."""
    if window < 3 or not len(values):
        return values
    half = window // 2
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    found: FloatArray = np.empty_like(values)
    for column in range(values.shape[1]):  # column by column, since the windows of all columns would be large
        found[:, column] = np.median(np.lib.stride_tricks.sliding_window_view(padded[:, column], 2 * half + 1), axis=1)
    return found


def above(column: FloatArray, high: float, low: float) -> list[tuple[int, int]]:
    """Rows `[start, stop)` of each stretch in which `column` stays at `low` or above, and reaches `high`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (column >= low).astype(np.int8), [0]]))).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges if column[start:stop].max() >= high]


def _rows(seconds: Fraction, fps: Fraction) -> int:
    return math.floor(seconds * fps)


def _joined(codes: IntArray, values: FloatArray, shortest: int) -> list[tuple[int, int, int]]:
    """The runs of `codes`, (class, start, stop), none shorter than `shortest` rows, unless all rows together are.

    The shortest run goes first (of two, the earlier one): its rows go to the neighbour whose class is more probable.
    """
    changes = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    label, start, stop = codes[changes].tolist(), changes.tolist(), [*changes[1:].tolist(), len(codes)]
    before, after = list(range(-1, len(label) - 1)), [*range(1, len(label)), -1]
    alive = [True] * len(label)
    queue = [(stop[k] - start[k], start[k], k) for k in range(len(label)) if stop[k] - start[k] < shortest]
    heapq.heapify(queue)

    def take(k: int, other: int) -> None:
        """Run `k` takes the rows of its neighbour `other`, which disappears."""
        start[k], stop[k] = min(start[k], start[other]), max(stop[k], stop[other])
        before[k], after[k] = (before[k], after[other]) if other == after[k] else (before[other], after[k])
        if before[k] >= 0:
            after[before[k]] = k
        if after[k] >= 0:
            before[after[k]] = k
        alive[other] = False

    while queue:
        length, first, k = heapq.heappop(queue)
        if not alive[k] or (length, first) != (stop[k] - start[k], start[k]):
            continue  # it has grown since
        sides = [side for side in (before[k], after[k]) if side >= 0]
        if not sides:
            break
        best = max(sides, key=lambda side: float(values[start[k] : stop[k], label[side]].sum()))
        take(best, k)
        for side in (before[best], after[best]):
            if side >= 0 and label[side] == label[best]:
                take(best, side)
        if stop[best] - start[best] < shortest:
            heapq.heappush(queue, (stop[best] - start[best], start[best], best))
    return [(label[k], start[k], stop[k]) for k in range(len(label)) if alive[k]]


def row_frames(pieces: Sequence[IntArray], n_frames: Sequence[int]) -> IntArray:
    """The frame of the whole case at which each row begins, and the number of frames at the end; int64, (T + 1,).

    pieces: for each clip the frames of its rows; n_frames: of each clip.
    """
    before = np.concatenate([[0], np.cumsum(n_frames)])
    starts = [frames + first for frames, first in zip(pieces, before[:-1], strict=True)]
    found: IntArray = np.concatenate([*starts, before[-1:]]).astype(np.int64)
    return found
