"""How far two or more codings of the same frames agree: lsvid.annotations.codings, of which this goes on. Pure numpy.

A measure that the data does not define (no frame, one single code, no segment) is None, never 0 or 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.codings import MISSING, NOTHING, Codes, IntArray, Runs, cohen_kappa

F1_OVERLAPS = (0.10, 0.25, 0.50)
"""The overlaps (IoU) of F1@10, F1@25 and F1@50."""

MATCH_IOU = 0.10
"""The least overlap (IoU) of two segments whose boundaries are compared."""


def krippendorff_alpha(runs: Runs) -> float | None:
    """Krippendorff's alpha for nominal data: 1 - D_o / D_e, any number of coders, missing codes allowed.

    From the coincidence matrix: a frame that m >= 2 coders coded adds 1 / (m - 1) for each ordered pair of its codes;
    here a run adds its length times that. D_o is the share of unequal pairs, D_e the one expected of the same codes
    paired at random. None if fewer than two coders coded any frame, or all used one and the same code.

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
    totals = (counts * lengths).sum(axis=1)  # values by code; the matrix's margins
    n = int(totals.sum())
    disagreeing_expected = n * n - sum(int(total) ** 2 for total in totals)
    if disagreeing_expected == 0:
        return None
    unequal = coders * (coders - 1) - (counts * (counts - 1)).sum(axis=0)  # ordered pairs of unequal codes in a frame
    observed = float((unequal * lengths / (coders - 1)).sum())
    return 1 - (n - 1) * observed / disagreeing_expected


class Segments(NamedTuple):
    """Stretches of one code, in order: `codes`, and their frames `[starts, stops)`; int64 each."""

    codes: IntArray
    starts: IntArray
    stops: IntArray


def segments(codes: Codes, lengths: IntArray) -> Segments:
    """The segments of one coder's runs: equal neighbours joined; NOTHING and MISSING are none."""
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
    """The segmental edit score, 0 to 100: 100 * (1 - d / n), d the Levenshtein distance between the two orders of
    labels (durations do not count, nor does NOTHING), n the longer one's length. None if both are empty.

    C. Lea et al., Segmental spatiotemporal CNNs for fine-grained action segmentation, ECCV 2016; as Y. Abu Farha and
    J. Gall, MS-TCN, CVPR 2019, evaluate it.
    """
    longer = max(len(first.codes), len(second.codes))
    return 100 * (1 - _levenshtein(first.codes, second.codes) / longer) if longer else None


def _levenshtein(one: IntArray, other: IntArray) -> int:
    """The edit distance of two orders, a column of the table at a time, its differences as the bits of two integers:
    so that ten thousand segments a side take less than a second.

    G. Myers, A fast bit-vector algorithm for approximate string matching, JACM 46, 1999; for the distance, H. Hyyrö,
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
    """Segments found (`hits`), found but not there (`extra`), there but not found (`missed`)."""

    hits: int
    extra: int
    missed: int


def f1_counts(found: Segments, truth: Segments, overlap: float) -> Counts:
    """How many segments of `found` match one of `truth`, at least `overlap` (IoU) of it: true and false positives and
    false negatives. Each found segment, in order of time, takes the true one of its label that it overlaps most, and is
    extra if that is too little or is taken.

    Which of two annotators is the truth may matter a little where overlaps are below 0.5.
    C. Lea et al., Temporal convolutional networks for action segmentation and detection, CVPR 2017; as MS-TCN's
    evaluation computes it.
    """
    found_at, truth_at, iou = overlaps(found, truth)
    # Of each found segment the first of its best: sorted so that it is the last one written.
    order = np.lexsort((-truth_at, iou, found_at))
    best = np.full((2, len(found.codes)), -1.0)
    best[:, found_at[order]] = truth_at[order], iou[order]
    hits = len(np.unique(best[0, best[1] >= overlap]))  # a true segment is hit once: the others who chose it are extra
    return Counts(hits, len(found.codes) - hits, len(truth.codes) - hits)


def overlaps(first: Segments, second: Segments) -> tuple[IntArray, IntArray, npt.NDArray[np.float64]]:
    """The pairs of segments with one label that share a frame: (position in `first`, position in `second`, IoU), by
    position. int64, int64, float64, each of shape (n_pairs,).
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
    """F1 of the counts of all videos together, 0 to 100: the harmonic mean of precision and recall. None: nothing
    was marked.
    """
    hits, extra, missed = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    either = 2 * hits + extra + missed
    return 100 * 2 * hits / either if either else None


def matches(first: Segments, second: Segments, least: float = MATCH_IOU) -> list[tuple[int, int]]:
    """Pairs (position in `first`, in `second`) of segments with one label that overlap by at least `least` (IoU), each
    in one pair at most: the best overlap first. The same pairs whichever of the two comes first.
    """
    candidates = []
    for i, j, iou in zip(*(column.tolist() for column in overlaps(first, second)), strict=True):
        if iou >= least:
            # A tie goes to the pair that begins first, in a way that does not ask which coder is which.
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
    """Temporal IoU of each label: frames where both coders have it / frames where either has it; None if neither.

    `members[label, code]` says whether `code` contains the label, since a code may stand for several at once.
    """
    both, either = _both_either(table, members)
    return [int(b) / int(e) if e else None for b, e in zip(both, either, strict=True)]


def label_kappas(table: IntArray, members: npt.NDArray[np.bool_]) -> list[float | None]:
    """Cohen's kappa of each label against all else: of the two-by-two table "has it, has it not"."""
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
