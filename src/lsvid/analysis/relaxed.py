"""Which frames are right if boundaries may be some frames early or late. Pure numpy.

The evaluation prints the rule `NEIGHBOURS`. A predicted frame is right if it equals the truth. At a boundary of the
truth from a to b, it is also right if it says a in the first t frames of b, or b in the last t frames of a. So a
prediction that has the truth's order of labels, with each boundary moved by at most t, is right everywhere.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.codings import NOTHING, IntArray, Runs

BoolArray = npt.NDArray[np.bool_]


class Judged(NamedTuple):
    """Runs of (truth, prediction), shape (2, n_runs), cut where tolerances end, and whether each run is right."""

    runs: Runs
    right: BoolArray


class Rule(NamedTuple):
    """Which other codes count as right, as differences from the true code.

    late: in the first t frames of a run of the truth; early: in the last t. A code without an entry has (-1,) and (1,).
    """

    late: Mapping[int, tuple[int, ...]]
    early: Mapping[int, tuple[int, ...]]


NEIGHBOURS = None
"""In place of a Rule: the codes of the runs before and after, in the truth, count as right."""


NOBODY = -9
"""A code that does not occur."""


def judge(runs: Runs, tolerance: int, rule: Rule | None = NEIGHBOURS, *, nothing: bool = False) -> Judged:
    """Which runs are right within `tolerance` frames. A shorter run of the truth is relaxed as a whole.

    nothing: "no label" is a neighbour like a label; otherwise nothing is relaxed next to frames without a truth.
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
    """Whether `said` differs from `truth` by one of the differences that are allowed for the true code."""
    difference = said - truth
    found: BoolArray = difference == otherwise
    for code, these in allowed.items():
        at = truth == code
        found[at] = np.isin(difference[at], these)
    return found


def split_at_tolerances(runs: Runs, tolerance: int) -> tuple[Runs, BoolArray, BoolArray, IntArray, IntArray]:
    """Cut the runs where a tolerance ends.

    Returns (the runs; whether each lies in the first `tolerance` frames of its run of the truth; whether in the last;
    the number of that run; the codes of the truth's runs).
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
