"""Which windows an epoch has, and in which order. It depends only on (seed, epoch), so training can resume exactly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lsvid.errors import DataError, SettingsError
from lsvid.training.clips import IntArray

SAMPLES = ("all", "random", "balanced", "case")


@dataclass(frozen=True)
class Anchors:
    """The pictures for which there may be windows, as places in the grid: all sampled pictures of all clips, in order.

    places: int64, shape (n,), ascending. first_of_clip: the place of each clip's first picture, and the grid's length.
    case_of_clip: a number for each clip's case.
    runs: (class, start, stop) in the grid of every stretch of a label, those of a class in order; int64, shape (n, 3).
    n_classes: the number of classes.
    """

    places: IntArray
    first_of_clip: IntArray
    case_of_clip: IntArray
    runs: IntArray
    n_classes: int

    def counts(self) -> IntArray:
        """How many anchors each class has: int64, shape (classes,)."""
        return np.array([self._cumulated(number)[1][-1] for number in range(self.n_classes)], dtype=np.int64)

    def of_class(self, number: int, which: IntArray) -> IntArray:
        """The places of the anchors `which` (0 to count - 1) of the class."""
        starts, ends = self._cumulated(number)
        run = np.searchsorted(ends[1:], which, side="right")
        return np.asarray(self.places[starts[run] + which - ends[run]])

    def clips(self, places: IntArray) -> IntArray:
        """The clip that each of `places` lies in."""
        return np.asarray(np.searchsorted(self.first_of_clip, places, side="right") - 1, dtype=np.int64)

    def _cumulated(self, number: int) -> tuple[IntArray, IntArray]:
        """For the stretches of a class: the first anchor of each; and the anchors before each, then their total."""
        runs = self.runs[self.runs[:, 0] == number, 1:]
        inside = np.searchsorted(self.places, runs)
        ends = np.concatenate([[0], np.cumsum(inside[:, 1] - inside[:, 0])])
        return inside[:, 0], ends


def draw(anchors: Anchors, sample: str, n: int | None, group: int | None, key: Sequence[int]) -> IntArray:
    """The places of an epoch's windows, in order: int64, shape (n,). The choice depends only on `key`.

    sample: "all" (in order), "random" (each once, in random order), "balanced" (each class equally often), "case" (each
    case equally often). n: how many; None: as many as with "all". group: mix the windows of so many clips at a time, so
    that few files are open; None: of all clips.
    """
    places = anchors.places
    if sample == "all":
        return places
    rng = np.random.default_rng([*key])
    count = len(places) if n is None else n
    if sample == "random":
        drawn = np.concatenate([rng.permutation(places) for _ in range(-(-count // len(places)))])[:count]
    elif sample == "balanced":
        counts = anchors.counts()
        turns = _in_turn(np.flatnonzero(counts), count, rng)
        which = (rng.random(count) * counts[turns]).astype(np.int64)
        drawn = np.empty(count, dtype=np.int64)
        for number in np.flatnonzero(counts):
            drawn[turns == number] = anchors.of_class(int(number), which[turns == number])
    else:
        case = anchors.case_of_clip[anchors.clips(places)]  # ascending, since clips are ordered by case
        cases, first = np.unique(case, return_index=True)
        sizes = np.diff(np.append(first, len(places)))
        turns = _in_turn(np.arange(len(cases)), count, rng)
        drawn = places[first[turns] + (rng.random(count) * sizes[turns]).astype(np.int64)]
    if group is None:
        return np.asarray(drawn)
    block = rng.permutation(len(anchors.case_of_clip))[anchors.clips(drawn)] // group
    return np.asarray(drawn[np.argsort(block, kind="stable")])


def _in_turn(numbers: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Each of `numbers` equally often, `count` in total, in rounds of different random order."""
    rounds = np.tile(numbers, (-(-count // len(numbers)), 1))
    return np.asarray(rng.permuted(rounds, axis=1).ravel()[:count])


def check_sample(sample: str, n: int | None, group: int | None, anchors: Anchors) -> None:
    """Raise SettingsError if the choice makes no sense, DataError if there is nothing to choose from."""
    if sample not in SAMPLES:
        raise SettingsError(f"sample {sample!r}: choose from {', '.join(SAMPLES)}")
    if sample == "all" and (n is not None or group is not None):
        raise SettingsError(
            'sample="all" gives every window once, in order: n and group are for the others', "leave them out"
        )
    if (n is not None and n < 1) or (group is not None and group < 1):
        raise SettingsError(f"n {n}, group {group}: 1 or more of each")
    if not len(anchors.places):
        raise DataError("there are no windows: no clip is annotated")
    if sample == "balanced" and not anchors.counts().any():
        raise DataError("no picture has a label: there are no classes to balance", "name a background, or sample all")
