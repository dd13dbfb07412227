"""Compare annotators at every level: each pair of people, people with predictions, and all people together.

At level L, the value of a frame is the set of its labels, each cut to its first L names (a shorter label stays as it
is, so a person who gave less detail disagrees). Two labels at once are one value of their own. A frame without a label,
in a clip that both worked through, has the value "nothing". A clip that one of them did not work through is left out of
the pair's numbers.

Edit score, F1 and boundaries need sequences. A sequence is a run of consecutive clips of a case, end to end, that both
worked through, as long as possible.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from statistics import median

import numpy as np

from lsvid.analysis.agreement import (
    F1_OVERLAPS,
    Segments,
    edit_score,
    f1_counts,
    f1_score,
    krippendorff_alpha,
    label_ious,
    label_kappas,
    matches,
    segments,
)
from lsvid.analysis.timings import LabelPath, case_time_s
from lsvid.annotations.codings import MISSING, NOTHING, IntArray, Runs, accuracy, cohen_kappa, confusion
from lsvid.annotations.spans import Status
from lsvid.annotations.stages import AnnotatedClip, Case
from lsvid.video.clips import natural_key

LabelSet = frozenset[LabelPath]


@dataclass(frozen=True)
class Coder:
    """An annotator, or the source of a prediction."""

    name: str
    is_prediction: bool


@dataclass(frozen=True)
class Boundaries:
    """How many seconds the second coder's boundaries lie after the first's, for the segments that both have.

    matched: the number of pairs of segments with the same label that overlap by at least 10 % (IoU); each segment is in
    one pair at most. start_median_s, end_median_s: signed, above 0 if the second is later. start_abs_median_s,
    end_abs_median_s: of the distances. Boundaries that both have at the beginning or end of a sequence do not count.
    """

    matched: int
    start_median_s: float | None
    start_abs_median_s: float | None
    end_median_s: float | None
    end_abs_median_s: float | None


@dataclass(frozen=True)
class LabelAgreement:
    """One label: the frames that each coder gave it, temporal IoU, and Cohen's kappa of "has it, does not have it"."""

    label: LabelPath
    first_frames: int
    second_frames: int
    iou: float | None
    kappa: float | None


@dataclass(frozen=True)
class PairAgreement:
    """Two coders at one level, in one case or (case None) in all cases. Definitions: lsvid.analysis.agreement.

    clips, frames: those that both worked through. accuracy, kappa, alpha, iou: from frames; iou is the mean over the
    labels that occur. edit: the mean over sequences, as MS-TCN takes it over videos. f1_10, f1_25, f1_50: from the
    summed counts of all sequences, with the first coder as the truth.
    """

    level: int
    case: str | None
    first: str
    second: str
    clips: int
    frames: int
    accuracy: float | None
    kappa: float | None
    alpha: float | None
    iou: float | None
    edit: float | None
    f1_10: float | None
    f1_25: float | None
    f1_50: float | None
    boundaries: Boundaries
    labels: tuple[LabelAgreement, ...]


@dataclass(frozen=True)
class GroupAlpha:
    """Krippendorff's alpha of all people at one level, in one case or (None) in all; `frames`: coded by two or more."""

    level: int
    case: str | None
    annotators: tuple[str, ...]
    frames: int
    alpha: float | None


@dataclass(frozen=True)
class Disagreement:
    """Frames `[start_frame, stop_frame)` of a clip in which each of two coders has one value, and the two differ."""

    level: int
    clip: AnnotatedClip
    first: str
    second: str
    first_labels: tuple[LabelPath, ...]
    second_labels: tuple[LabelPath, ...]
    start_frame: int
    stop_frame: int
    start_s: float
    end_s: float
    duration_s: float
    case_start_s: float


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison."""

    coders: tuple[Coder, ...]
    pairs: list[PairAgreement]
    alphas: list[GroupAlpha]
    disagreements: list[Disagreement]


def compare(cases: Sequence[Case[AnnotatedClip]], labels: Sequence[LabelPath]) -> Comparison | None:
    """Compare each two coders who worked through the same clip, at each level of `labels`; None if no clip has two.

    In a pair, a person comes before a prediction, and is the truth; otherwise the order is by name.
    """
    coders = _coders(cases)
    comparison = Comparison(tuple(coders), [], [], [])
    people = [number for number, coder in enumerate(coders) if not coder.is_prediction]
    for level in range(1, max((len(path) for path in labels), default=0) + 1):
        coding = _Coding(cases, coders, level, labels)
        for first, second in combinations(range(len(coders)), 2):
            by_case = [coding.stretches(case, first, second) for case in cases]
            if not any(by_case):
                continue
            everything = [stretch for stretches in by_case for stretch in stretches]
            comparison.pairs.append(coding.pair(None, first, second, everything))
            for case, stretches in zip(cases, by_case, strict=True):
                if stretches and len(cases) > 1:
                    comparison.pairs.append(coding.pair(case.name, first, second, stretches))
            comparison.disagreements.extend(coding.disagreements(first, second, everything))
        if len(people) > 1 and comparison.pairs:
            scopes = [(None, list(cases)), *((case.name, [case]) for case in cases if len(cases) > 1)]
            comparison.alphas.extend(coding.alpha(name, members, people) for name, members in scopes)
    return comparison if comparison.pairs else None


@dataclass(frozen=True)
class _Coded:
    """A clip, and the runs of all coders in it."""

    clip: AnnotatedClip
    runs: Runs


class _Coding:
    """All coders' work at one level, as runs of codes."""

    def __init__(
        self, cases: Sequence[Case[AnnotatedClip]], coders: Sequence[Coder], level: int, labels: Sequence[LabelPath]
    ) -> None:
        self.level = level
        self.coders = coders
        self._rank = {path: rank for rank, path in enumerate(dict.fromkeys(path[:level] for path in labels))}
        self._codes: dict[LabelSet, int] = {frozenset(): NOTHING}
        self._cases = {case.name: [self._code(clip) for clip in case.clips] for case in cases}
        self._sets = list(self._codes)
        used = {label for labels_at_once in self._sets for label in labels_at_once}
        self._labels = sorted(used, key=lambda path: (self._rank.get(path, len(self._rank)), path))
        self._members = np.array([[label in of for of in self._sets] for label in self._labels], dtype=bool)
        self._members = self._members.reshape(len(self._labels), len(self._sets))

    def _code(self, clip: AnnotatedClip) -> _Coded | None:
        """The runs of all coders in `clip`; None if nobody worked on it."""
        if not clip.tracks:
            return None
        n_frames = clip.index.n_frames
        works = {work.annotator: work for work in clip.tracks}
        ends = {end for work in clip.tracks for s in work.spans for end in (s.start_frame, s.stop_frame) if end}
        borders = np.array(sorted({0, n_frames} | ends), dtype=np.int64)
        codes = np.full((len(self.coders), len(borders) - 1), MISSING, dtype=np.int64)
        for row, coder in zip(codes, self.coders, strict=True):
            work = works.get(coder.name)
            if work is None:
                continue
            active: list[set[LabelPath]] = [set() for _ in row]
            for span in work.spans:
                low, high = np.searchsorted(borders, [span.start_frame or 0, span.stop_frame or 0])
                for run in range(low, high):
                    active[run].add(span.label[: self.level])
            for run, labels in enumerate(active):
                row[run] = self._codes.setdefault(_deepest(labels), len(self._codes))
        return _Coded(clip, Runs(np.diff(borders), codes))

    def stretches(self, case: Case[AnnotatedClip], first: int, second: int) -> list[list[_Coded]]:
        """The sequences of clips that both coders worked through."""
        found: list[list[_Coded]] = [[]]
        for coded in self._cases[case.name]:
            if coded is not None and (coded.runs.codes[[first, second], 0] != MISSING).all():
                found[-1].append(coded)
            elif found[-1]:
                found.append([])
        return [stretch for stretch in found if stretch]

    def pair(self, case: str | None, first: int, second: int, stretches: Sequence[Sequence[_Coded]]) -> PairAgreement:
        """The numbers of two coders over `stretches`."""
        rows = [first, second]
        sequences = [_joined(stretch, rows) for stretch in stretches]
        runs = Runs(
            np.concatenate([sequence.lengths for sequence in sequences]),
            np.concatenate([sequence.codes for sequence in sequences], axis=1),
        )
        table = confusion(runs, n_codes=len(self._sets))
        one, other = ([segments(sequence.codes[k], sequence.lengths) for sequence in sequences] for k in (0, 1))
        edits = [edit_score(a, b) for a, b in zip(one, other, strict=True)]
        defined = [edit for edit in edits if edit is not None]
        f1 = [
            f1_score([f1_counts(found, truth, overlap) for truth, found in zip(one, other, strict=True)])
            for overlap in F1_OVERLAPS
        ]
        labels = self._label_agreements(table)
        ious = [label.iou for label in labels if label.iou is not None]
        return PairAgreement(
            level=self.level,
            case=case,
            first=self.coders[first].name,
            second=self.coders[second].name,
            clips=sum(len(stretch) for stretch in stretches),
            frames=int(table.sum()),
            accuracy=accuracy(table),
            kappa=cohen_kappa(table),
            alpha=krippendorff_alpha(runs),
            iou=sum(ious) / len(ious) if ious else None,
            edit=sum(defined) / len(defined) if defined else None,
            f1_10=f1[0],
            f1_25=f1[1],
            f1_50=f1[2],
            boundaries=_boundaries(stretches, one, other),
            labels=tuple(labels),
        )

    def _label_agreements(self, table: IntArray) -> list[LabelAgreement]:
        has = self._members.astype(np.int64)
        first, second = has @ table.sum(axis=1), has @ table.sum(axis=0)
        numbers = zip(
            self._labels,
            first,
            second,
            label_ious(table, self._members),
            label_kappas(table, self._members),
            strict=True,
        )
        return [LabelAgreement(label, int(a), int(b), iou, kappa) for label, a, b, iou, kappa in numbers if a or b]

    def alpha(self, name: str | None, cases: Iterable[Case[AnnotatedClip]], people: Sequence[int]) -> GroupAlpha:
        """Krippendorff's alpha of all people together."""
        coded = [one for case in cases for one in self._cases[case.name] if one is not None]
        joined = _joined(coded, people)
        worked = (joined.codes != MISSING).sum(axis=0)
        at_work = tuple(
            self.coders[p].name for p, row in zip(people, joined.codes, strict=True) if (row != MISSING).any()
        )
        return GroupAlpha(self.level, name, at_work, int(joined.lengths[worked >= 2].sum()), krippendorff_alpha(joined))

    def disagreements(self, first: int, second: int, stretches: Sequence[Sequence[_Coded]]) -> Iterable[Disagreement]:
        """The stretches in which two coders' values differ, clip by clip, in order."""
        for coded in (one for stretch in stretches for one in stretch):
            codes, lengths = coded.runs.codes[[first, second]], coded.runs.lengths
            changes = np.append(True, (codes[:, 1:] != codes[:, :-1]).any(axis=0))
            starts = (np.cumsum(lengths) - lengths)[changes]
            stops = np.append(starts[1:], lengths.sum())
            for start, stop, one, other in zip(starts, stops, *codes[:, changes], strict=True):
                if one != other:
                    yield self._disagreement(coded.clip, (first, second), (int(one), int(other)), int(start), int(stop))

    def _disagreement(
        self, clip: AnnotatedClip, coders: tuple[int, int], codes: tuple[int, int], start: int, stop: int
    ) -> Disagreement:
        one, other = (tuple(sorted(self._sets[code], key=lambda p: (self._rank.get(p, 0), p))) for code in codes)
        return Disagreement(
            level=self.level,
            clip=clip,
            first=self.coders[coders[0]].name,
            second=self.coders[coders[1]].name,
            first_labels=one,
            second_labels=other,
            start_frame=start,
            stop_frame=stop,
            start_s=float(clip.index.time_s(start)),
            end_s=float(clip.index.time_s(stop)),
            duration_s=float(clip.index.time_s(stop) - clip.index.time_s(start)),
            case_start_s=float(case_time_s(clip, start)),
        )


def _coders(cases: Iterable[Case[AnnotatedClip]]) -> list[Coder]:
    works = [work for case in cases for clip in case.clips for work in clip.tracks]
    names = dict.fromkeys(work.annotator for work in works)
    predicted = {w.annotator for w in works} - {
        w.annotator for w in works if w.annotation.status is not Status.PREDICTION
    }
    coders = [Coder(name, name in predicted) for name in names]
    return sorted(coders, key=lambda coder: (coder.is_prediction, natural_key(coder.name)))


def _deepest(labels: set[LabelPath]) -> LabelSet:
    """`labels` without those that are the beginning of another one."""
    return frozenset(p for p in labels if not any(len(q) > len(p) and q[: len(p)] == p for q in labels))


def _joined(coded: Sequence[_Coded], rows: Sequence[int]) -> Runs:
    if not coded:
        return Runs(np.zeros(0, np.int64), np.zeros((len(rows), 0), np.int64))
    return Runs(
        np.concatenate([one.runs.lengths for one in coded]),
        np.concatenate([one.runs.codes[list(rows)] for one in coded], axis=1),
    )


def _boundaries(
    stretches: Sequence[Sequence[_Coded]], first: Sequence[Segments], second: Sequence[Segments]
) -> Boundaries:
    starts, ends, matched = [], [], 0
    for stretch, one, other in zip(stretches, first, second, strict=True):
        lengths = [int(coded.runs.lengths.sum()) for coded in stretch]
        firsts = np.cumsum([0, *lengths])

        def time_s(frame: int, stretch: Sequence[_Coded] = stretch, firsts: IntArray = firsts) -> Fraction:
            which = min(int(np.searchsorted(firsts, frame, side="right")) - 1, len(stretch) - 1)
            return case_time_s(stretch[which].clip, frame - int(firsts[which]))

        for i, j in matches(one, other):
            matched += 1
            if one.starts[i] or other.starts[j]:
                starts.append(time_s(int(other.starts[j])) - time_s(int(one.starts[i])))
            if min(one.stops[i], other.stops[j]) < firsts[-1]:
                ends.append(time_s(int(other.stops[j])) - time_s(int(one.stops[i])))
    return Boundaries(matched, *_medians(starts), *_medians(ends))


def _medians(offsets_s: Sequence[Fraction]) -> tuple[float | None, float | None]:
    """(median of the signed offsets, median of their absolute values); None for no offsets."""
    if not offsets_s:
        return None, None
    return float(median(offsets_s)), float(median(abs(offset) for offset in offsets_s))
