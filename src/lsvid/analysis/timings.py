"""How long everything took, in the time of the whole case, with its clips put end to end.

Case time begins at 0, and counts every clip of the case, in order, annotated or not (`AnnotatedClip.case_frame`,
`case_time_s`). Intervals are half-open. Times are exact (`Fraction`) until they are written.

Each level of the label tree is counted separately: at level 1 the first name of a label path counts, at level 2 the
first two, and so on. A span whose path is shorter than the level has no label at this level.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median

from lsvid.annotations.stages import AnnotatedClip, Case

LabelPath = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The part of an occurrence in one clip: its frames, and its seconds on the clip's own timeline."""

    clip: AnnotatedClip
    start_frame: int
    stop_frame: int

    @property
    def start_s(self) -> Fraction:
        """The PTS of the first picture."""
        return self.clip.index.time_s(self.start_frame)

    @property
    def end_s(self) -> Fraction:
        """The PTS of the picture after the last."""
        return self.clip.index.time_s(self.stop_frame)


@dataclass(frozen=True)
class Occurrence:
    """One occurrence of `label` that `annotator` marked in a case, and its parts in clips.

    Frames `[start_frame, stop_frame)` and seconds `[start_s, end_s)`, both of the case.
    """

    case: str
    annotator: str
    label: LabelPath
    start_frame: int
    stop_frame: int
    start_s: Fraction
    end_s: Fraction
    parts: tuple[Part, ...]

    @property
    def duration_s(self) -> Fraction:
        """Its length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class LabelTiming:
    """How often and how long `annotator` marked `label` in `case`.

    count: occurrences. total_s, mean_s, median_s, min_s, max_s: of their durations. first_start_s, last_end_s: in case
    time. gaps: how often it stopped and came again later; gaps_s, longest_gap_s: the time between. Values are None if
    the count is 0. Occurrences of one label never overlap, but those of two labels may.
    """

    case: str
    annotator: str
    level: int
    label: LabelPath
    count: int
    total_s: float
    mean_s: float | None
    median_s: float | None
    min_s: float | None
    max_s: float | None
    first_start_s: float | None
    last_end_s: float | None
    gaps: int
    gaps_s: float
    longest_gap_s: float | None


@dataclass(frozen=True)
class LabelTotal:
    """One label over all cases that `annotator` worked on.

    cases: those in which it occurs. The other values are as in LabelTiming, over the occurrences of all cases.
    """

    annotator: str
    level: int
    label: LabelPath
    cases: int
    count: int
    total_s: float
    mean_s: float | None
    median_s: float | None
    min_s: float | None
    max_s: float | None


@dataclass(frozen=True)
class WorkTiming:
    """How much of a case `annotator` labelled, at one level.

    case_s: duration of the case. annotated_s: duration of the clips that the annotator worked through. labelled_s: the
    time of that with at least one label. unlabelled_s: the time without a label, in `unlabelled_stretches` stretches,
    of which the longest is `longest_unlabelled_s`. occurrences: those of all labels.
    """

    case: str
    annotator: str
    level: int
    clips: int
    case_s: float
    annotated_s: float
    labelled_s: float
    unlabelled_s: float
    unlabelled_stretches: int
    longest_unlabelled_s: float
    occurrences: int


def occurrences(case: Case[AnnotatedClip], annotator: str, level: int) -> list[Occurrence]:
    """Every occurrence of every label at `level` (from 1), by start, then label.

    A region is one occurrence. Regions of one label are joined if they overlap, or if they touch at the end of a clip,
    where the camera stopped and not the surgeon. Regions that touch within a clip stay two, as they were drawn.
    """
    found: list[Occurrence] = []
    for label, parts in _parts(case, annotator, level).items():
        groups: list[list[Part]] = []
        for part in sorted(parts, key=lambda part: (_start(part), _stop(part))):
            last = groups[-1][-1] if groups else None
            if last is not None and _start(part) < _stop(last):
                stop = max(last.stop_frame, part.stop_frame)
                groups[-1][-1] = Part(last.clip, last.start_frame, stop)
            elif last is not None and last.clip is not part.clip and _start(part) == _stop(last):
                groups[-1].append(part)
            else:
                groups.append([part])
        for group in groups:
            first, last = group[0], group[-1]
            found.append(
                Occurrence(
                    case=case.name,
                    annotator=annotator,
                    label=label,
                    start_frame=_start(first),
                    stop_frame=_stop(last),
                    start_s=case_time_s(first.clip, first.start_frame),
                    end_s=case_time_s(last.clip, last.stop_frame),
                    parts=tuple(group),
                )
            )
    return sorted(found, key=lambda o: (o.start_frame, o.stop_frame, o.label))


def label_timing(case: str, annotator: str, label: LabelPath, found: Sequence[Occurrence]) -> LabelTiming:
    """The numbers of `label` in one case; `found`: all its occurrences there by the annotator, in order."""
    durations = [one.duration_s for one in found]
    total = sum(durations, Fraction(0))
    gaps = [after.start_s - before.end_s for before, after in pairwise(found) if after.start_s > before.end_s]
    return LabelTiming(
        case=case,
        annotator=annotator,
        level=len(label),
        label=label,
        count=len(found),
        total_s=float(total),
        mean_s=float(total / len(found)) if found else None,
        median_s=float(median(durations)) if found else None,
        min_s=float(min(durations)) if found else None,
        max_s=float(max(durations)) if found else None,
        first_start_s=float(found[0].start_s) if found else None,
        last_end_s=float(found[-1].end_s) if found else None,
        gaps=len(gaps),
        gaps_s=float(sum(gaps, Fraction(0))),
        longest_gap_s=float(max(gaps)) if gaps else None,
    )


def label_total(annotator: str, label: LabelPath, found: Sequence[Occurrence]) -> LabelTotal:
    """The numbers of `label` over all cases; `found`: all its occurrences by the annotator."""
    one = label_timing("", annotator, label, sorted(found, key=lambda o: (o.case, o.start_s)))
    return LabelTotal(
        annotator, one.level, label, len({o.case for o in found}), one.count, one.total_s, one.mean_s, one.median_s,
        one.min_s, one.max_s,
    )  # fmt: skip


def label_timings(
    case: Case[AnnotatedClip], annotator: str, found: Iterable[Occurrence], labels: Sequence[LabelPath]
) -> list[LabelTiming]:
    """The numbers of each of `labels`, including those that never occur."""
    by_label: dict[LabelPath, list[Occurrence]] = {label: [] for label in labels}
    for one in found:
        by_label[one.label].append(one)
    return [label_timing(case.name, annotator, label, members) for label, members in by_label.items()]


def work_timing(case: Case[AnnotatedClip], annotator: str, level: int, found: Sequence[Occurrence]) -> WorkTiming:
    """How much of the case the annotator labelled; `found`: all occurrences at the level."""
    mine = [clip for clip in case.clips if any(work.annotator == annotator for work in clip.tracks)]
    annotated = _union((clip.case_time_s, clip.case_time_s + clip.index.length_s) for clip in mine)
    labelled = _union((one.start_s, one.end_s) for one in found)
    free = _without(annotated, labelled)
    return WorkTiming(
        case=case.name,
        annotator=annotator,
        level=level,
        clips=len(mine),
        case_s=float(case.length_s),
        annotated_s=float(_total(annotated)),
        labelled_s=float(_total(labelled)),
        unlabelled_s=float(_total(free)),
        unlabelled_stretches=len(free),
        longest_unlabelled_s=float(max((end - start for start, end in free), default=Fraction(0))),
        occurrences=len(found),
    )


def transitions(found: Sequence[Occurrence]) -> Counter[tuple[LabelPath, LabelPath]]:
    """How often an occurrence of one label was the next to begin after one of another (or the same), with or without a
    pause.

    `found`: the occurrences of one case by one annotator at one level, by start.
    """
    return Counter((before.label, after.label) for before, after in pairwise(found))


def labels_at(labels: Iterable[LabelPath], level: int) -> list[LabelPath]:
    """The labels at `level`: the first `level` names of every path that has so many, each once, in order."""
    return list(dict.fromkeys(path[:level] for path in labels if len(path) >= level))


def case_time_s(clip: AnnotatedClip, frame: int) -> Fraction:
    """The time of a clip's picture `frame` in its case, in seconds."""
    return clip.case_time_s + clip.index.time_s(frame) - clip.index.start_s


Interval = tuple[Fraction, Fraction]


def _parts(case: Case[AnnotatedClip], annotator: str, level: int) -> dict[LabelPath, list[Part]]:
    parts: dict[LabelPath, list[Part]] = {}
    for clip in case.clips:
        for work in clip.tracks:
            if work.annotator != annotator:
                continue
            for span in work.spans:
                if len(span.label) >= level:
                    part = Part(clip, span.start_frame, span.stop_frame)
                    parts.setdefault(span.label[:level], []).append(part)
    return parts


def _start(part: Part) -> int:
    return part.clip.case_frame + part.start_frame


def _stop(part: Part) -> int:
    return part.clip.case_frame + part.stop_frame


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """The union of the intervals: disjoint intervals that do not touch, in order."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _without(whole: Sequence[Interval], taken: Sequence[Interval]) -> list[Interval]:
    """The part of `whole` that is not in `taken`; both are unions."""
    free = []
    for start, end in whole:
        at = start
        for low, high in taken:
            if high <= at or low >= end:
                continue
            if low > at:
                free.append((at, low))
            at = max(at, high)
        if at < end:
            free.append((at, end))
    return free


def _total(intervals: Iterable[Interval]) -> Fraction:
    return sum((end - start for start, end in intervals), Fraction(0))
