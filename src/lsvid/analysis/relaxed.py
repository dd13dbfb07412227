"""Which frames are right where boundaries may be some frames early or late. Pure numpy.

The rule that evaluation prints, `NEIGHBOURS`: right is what equals the truth; or, within t frames after a boundary of
the truth from a to b (inside b), says a; or, within t frames before it (inside a), says b. A prediction that keeps the
truth's order of labels, with each boundary moved by at most t, is right throughout.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.codings import NOTHING, IntArray, Runs

BoolArray = npt.NDArray[np.bool_]


class Judged(NamedTuple):
    """Runs of (truth, prediction), shape (2, n_runs), and whether each is right; no boundary's tolerance ends inside
    one.
    """

    runs: Runs
    right: BoolArray


class Rule(NamedTuple):
    """Which other codes count as right, as differences from the true code: late, in the first t frames of a run of the
    truth; early, in the last t. A code without an entry has (-1,) and (1,).
    """

    late: Mapping[int, tuple[int, ...]]
    early: Mapping[int, tuple[int, ...]]


NEIGHBOURS = None
"""Instead of a Rule: the codes of the truth's runs before and after."""


NOBODY = -9
"""A code that nobody gives."""


def judge(runs: Runs, tolerance: int, rule: Rule | None = NEIGHBOURS, *, nothing: bool = False) -> Judged:
    """What is right within `tolerance` frames. A run of the truth that is shorter than that is relaxed throughout.

    nothing: no label is a neighbour like a label; else nothing is relaxed towards frames without a truth.
    """
    split, first, last, which, of_truth = split_at_tolerances(runs, tolerance)
    truth, said = split.codes
    right = truth == said
    if rule is NEIGHBOURS:
        around = np.concatenate([[NOBODY], np.where(of_truth > (NOTHING - nothing), of_truth, NOBODY), [NOBODY]])
        right |= (first & (said == around[which])) | (last & (said == around[which + 2]))
    else:
        right |= (first & offsets(truth, said, rule.late, -1)) | (last & offsets(truth, said, rule.early, 1))
    return Judged(split, right)


def offsets(truth: IntArray, said: IntArray, allowed: Mapping[int, tuple[int, ...]], otherwise: int) -> BoolArray:
    """Where `said` differs from `truth` by one of the differences that are allowed for the true code."""
    difference = said - truth
    found: BoolArray = difference == otherwise
    for code, these in allowed.items():
        at = truth == code
        found[at] = np.isin(difference[at], these)
    return found


def split_at_tolerances(runs: Runs, tolerance: int) -> tuple[Runs, BoolArray, BoolArray, IntArray, IntArray]:
    """(the runs, cut where a tolerance ends; whether each lies in the first, in the last `tolerance` frames of its run
    of the truth; which of these it lies in; the codes of those).
    """
    n = int(runs.lengths.sum())
    begins = np.cumsum(runs.lengths) - runs.lengths
    changes = np.append(True, runs.codes[0][1:] != runs.codes[0][:-1])[: len(begins)]
    starts = begins[changes]
    stops = np.append(starts[1:], n)[: len(starts)]
    reach = np.minimum(tolerance, stops - starts)
    borders = np.unique(np.concatenate([begins, starts + reach, stops - reach]))
    borders = borders[borders < n]
    split = Runs(np.diff(np.append(borders, n)), runs.codes[:, np.searchsorted(begins, borders, side="right") - 1])
    which = np.searchsorted(starts, borders, side="right") - 1
    first, last = borders < (starts + reach)[which], borders >= (stops - reach)[which]
    return split, first, last, which, runs.codes[0][changes]
