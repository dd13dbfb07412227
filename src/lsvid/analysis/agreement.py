"""Measures of agreement between codings of the same frames, made by lsvid.annotations.codings. Pure numpy.

A measure that is not defined for the data (no frame, only one code, no segment) is None, never 0 or 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.codings import MISSING, NOTHING, Codes, IntArray, Runs, cohen_kappa

F1_OVERLAPS = (0.10, 0.25, 0.50)
"""The least overlaps (IoU) for F1@10, F1@25 and F1@50."""

MATCH_IOU = 0.10
"""Boundaries of two segments are compared if the segments overlap by at least this (IoU)."""


def krippendorff_alpha(runs: Runs) -> float | None:
    """Krippendorff's alpha for nominal data: 1 - D_o / D_e, for any number of coders, with missing codes.

    None if no frame was coded by two coders, or all used the same single code. It is computed from the coincidence
    matrix: a frame that m >= 2 coders coded adds 1 / (m - 1) for each ordered pair of its codes, and a run adds its
    length times that. D_o is the share of unequal pairs; D_e is the share expected if the same codes are paired at
    random.

    K. Krippendorff, Content Analysis, 4th edition 2018, chapter 12; Computing Krippendorff's Alpha-Reliability, 2011.
    """
    n_codes = int(runs.codes.max(initial=-1)) + 1
    counts: IntArray = np.zeros((n_codes, len(runs.lengths)), dtype=np.int64)  # coders by code, for each run
    for row in runs.codes:
        coded = np.flatnonzero(row != MISSING)
        counts[row[coded], coded] += 1
    coders = counts.sum(axis=0)
    pairable = coders >= 2
    counts, coders, lengths = counts[:, pairable], coders[pairable], runs.lengths[pairable]
    totals = (counts * lengths).sum(axis=1)  # codes of each kind: the margins of the matrix
    n = int(totals.sum())
    disagreeing_expected = n * n - sum(int(total) ** 2 for total in totals)
    if disagreeing_expected == 0:
        return None
    unequal = coders * (coders - 1) - (counts * (counts - 1)).sum(axis=0)  # ordered pairs of unequal codes a frame
    observed = float((unequal * lengths / (coders - 1)).sum())
    return 1 - (n - 1) * observed / disagreeing_expected


class Segments(NamedTuple):
    """Stretches of one code, in order: `codes`, with the frames `[starts, stops)`. All int64, shape (n,)."""

    codes: IntArray
    starts: IntArray
    stops: IntArray


def segments(codes: Codes, lengths: IntArray) -> Segments:
    """The segments of one coder's runs. Equal neighbours are joined; NOTHING and MISSING make no segments."""
    if not len(lengths):
        return Segments(*(np.zeros(0, np.int64) for _ in range(3)))
    firsts = np.append(True, codes[1:] != codes[:-1])
    stops = np.cumsum(lengths)
    begins = (stops - lengths)[firsts]
    ends = np.append(begins[1:], stops[-1])
    kept = codes[firsts].astype(np.int64)
    real = kept > NOTHING
    return Segments(kept[real], begins[real], ends[real])


def edit_score(first: Segments, second: Segments) -> float | None:
    """The segmental edit score, 0 to 100: 100 * (1 - d / n). None if both are empty.

    d is the Levenshtein distance between the two sequences of labels, n the length of the longer sequence. Durations do
    not count, nor does NOTHING. C. Lea et al., Segmental spatiotemporal CNNs for fine-grained action segmentation, ECCV
    2016; computed as by Y. Abu Farha and J. Gall, MS-TCN, CVPR 2019.
    """
    longer = max(len(first.codes), len(second.codes))
    return 100 * (1 - _levenshtein(first.codes, second.codes) / longer) if longer else None


def _levenshtein(one: IntArray, other: IntArray) -> int:
    """The edit distance of two sequences. Ten thousand segments on each side take less than a second.

    It computes one column of the table at a time, with the differences in a column as the bits of two integers: G.
    Myers, A fast bit-vector algorithm for approximate string matching, JACM 46, 1999; for the distance, H. Hyyrö,
    Explaining and extending the bit-parallel approximate string matching algorithm of Myers, 2001.
    """
    if not len(one):
        return len(other)
    places: dict[int, int] = {}
    for place, code in enumerate(one.tolist()):
        places[code] = places.get(code, 0) | 1 << place
    everywhere, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, distance = everywhere, 0, len(one)
    for code in other.tolist():
        equal = places.get(code, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        more = down | ~(diagonal | up) & everywhere
        less = up & diagonal
        distance += bool(more & last) - bool(less & last)
        more, less = (more << 1 | 1) & everywhere, less << 1 & everywhere
        up, down = less | ~(diagonal | more) & everywhere, more & diagonal
    return distance


class Counts(NamedTuple):
    """`hits`: true positives; `extra`: false positives; `missed`: false negatives."""

    hits: int
    extra: int
    missed: int


def f1_counts(found: Segments, truth: Segments, overlap: float) -> Counts:
    """How many segments of `found` match one of `truth` with at least `overlap` (IoU).

    Each found segment, in order of time, takes the true segment of its label that it overlaps most. It is extra if the
    overlap is too small or the true segment is taken. For overlaps below 0.5, it may matter a little which of two
    annotators is the truth. C. Lea et al., Temporal convolutional networks for action segmentation and detection, CVPR
    2017; computed as in MS-TCN's evaluation.
    """
    found_at, truth_at, iou = overlaps(found, truth)
    # For each found segment keep the first of its best: it is sorted last, so it is written last.
    order = np.lexsort((-truth_at, iou, found_at))
    best = np.full((2, len(found.codes)), -1.0)
    best[:, found_at[order]] = truth_at[order], iou[order]
    hits = len(np.unique(best[0, best[1] >= overlap]))  # each true segment counts once
    return Counts(hits, len(found.codes) - hits, len(truth.codes) - hits)


def overlaps(first: Segments, second: Segments) -> tuple[IntArray, IntArray, npt.NDArray[np.float64]]:
    """(position in `first`, position in `second`, IoU) of the pairs of segments with the same label that share a frame.

    Ordered by position. int64, int64, float64, each of shape (n_pairs,).
    """
    low = np.searchsorted(second.stops, first.starts, side="right")
    counts = np.maximum(np.searchsorted(second.starts, first.stops) - low, 0)
    a = np.repeat(np.arange(len(first.codes)), counts)
    b = np.arange(len(a)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    same = first.codes[a] == second.codes[b]
    a, b = a[same], b[same]
    shared = np.minimum(first.stops[a], second.stops[b]) - np.maximum(first.starts[a], second.starts[b])
    union = np.maximum(first.stops[a], second.stops[b]) - np.minimum(first.starts[a], second.starts[b])
    return a, b, shared / union


def f1_score(counts: Sequence[Counts]) -> float | None:
    """F1 (harmonic mean of precision and recall), 0 to 100, of the summed counts. None if there are no segments."""
    hits, extra, missed = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    either = 2 * hits + extra + missed
    return 100 * 2 * hits / either if either else None


def matches(first: Segments, second: Segments) -> list[tuple[int, int]]:
    """(position in `first`, in `second`) of segments with the same label that overlap by at least MATCH_IOU.

    Each segment is in one pair at most: the best overlaps are taken first. Swapping `first` and `second` gives the same
    pairs.
    """
    candidates = []
    for i, j, iou in zip(*(column.tolist() for column in overlaps(first, second)), strict=True):
        if iou >= MATCH_IOU:
            # A tie goes to the pair that begins first, whichever coder begins.
            begin = sorted((int(first.starts[i]), int(second.starts[j])))
            end = sorted((int(first.stops[i]), int(second.stops[j])))
            candidates.append((-iou, begin, end, i, j))
    pairs, used_first, used_second = [], set(), set()
    for *_, i, j in sorted(candidates):
        if i not in used_first and j not in used_second:
            used_first.add(i)
            used_second.add(j)
            pairs.append((i, j))
    return sorted(pairs)


def label_ious(table: IntArray, members: npt.NDArray[np.bool_]) -> list[float | None]:
    """Temporal IoU of each label: frames in which both coders have it / frames in which any has it; None if none has.

    `members[label, code]` says whether `code` contains the label, since a code may stand for several at once.
    """
    both, either = _both_either(table, members)
    return [int(b) / int(e) if e else None for b, e in zip(both, either, strict=True)]


def label_kappas(table: IntArray, members: npt.NDArray[np.bool_]) -> list[float | None]:
    """Cohen's kappa of each label, from the two-by-two table "has it, does not have it"."""
    has = members.astype(np.int64)
    without = 1 - has
    return [
        cohen_kappa(np.array([[w @ table @ w, w @ table @ h], [h @ table @ w, h @ table @ h]]))
        for h, w in zip(has, without, strict=True)
    ]


def _both_either(table: IntArray, members: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    has = members.astype(np.int64)
    both = np.einsum("li,ij,lj->l", has, table, has)
    return both, has @ table.sum(axis=1) + has @ table.sum(axis=0) - both
