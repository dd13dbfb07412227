"""Tidies boundaries. Spans that people draw have gaps or overlaps of a fraction of a second. Nothing is changed by
default.

Each function takes located spans and changes the spans of one annotator at a time. A changed span has frames as its
basis. Pure.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import msgspec

from lsvid.annotations.spans import Frames, LocatedSpan
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import check_choice
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.video.timebase import FrameIndex

LabelPath = tuple[str, ...]

OVERLAPS = ("keep", "error", "priority")
PRIORITIES = ("label-order", "longest")


@dataclass(frozen=True)
class BoundaryOptions:
    """What to change; None: nothing.

    snap_s: an end and a start that are at most this far apart become one. overlap: what to do with spans of different
    labels that overlap, one of OVERLAPS. priority: which of them wins, one of PRIORITIES. join_gap_s: spans of one
    label that are at most this far apart in case time become one, also across the end of a clip.
    """

    snap_s: Fraction | None = None
    overlap: str = "keep"
    priority: str = "label-order"
    join_gap_s: Fraction | None = None

    def __post_init__(self) -> None:
        """Raise SettingsError if a value is not one of the allowed ones."""
        check_choice("overlap", self.overlap, OVERLAPS)
        check_choice("priority", self.priority, PRIORITIES)

    @property
    def asked_for(self) -> bool:
        """Whether an option asks for a change."""
        return self.snap_s is not None or self.overlap != "keep" or self.join_gap_s is not None


@dataclass
class BoundaryReport:
    """What was done, for the manifest."""

    moves_s: list[float] = field(default_factory=list)
    overlaps: int = 0
    vanished: int = 0
    joined: int = 0

    def as_json(self, options: BoundaryOptions) -> dict[str, Any]:
        """The options, and the numbers of changes."""
        document: dict[str, Any] = {}
        if options.snap_s is not None:
            moves = self.moves_s
            document["snap"] = {
                "within_s": float(options.snap_s),
                "moved": len(moves),
                "largest_move_s": max(moves, default=0.0),
                "mean_move_s": sum(moves) / len(moves) if moves else 0.0,
            }
        if options.overlap == "priority":
            document["overlap"] = {
                "priority": options.priority, "resolved": self.overlaps, "spans_vanished": self.vanished
            }  # fmt: skip
        if options.join_gap_s is not None:
            document["join"] = {"gap_s": float(options.join_gap_s), "joined": self.joined}
        return document


def tidy(
    clips: Sequence[AnnotatedClip], options: BoundaryOptions, labels: Sequence[LabelPath], findings: Findings
) -> tuple[list[AnnotatedClip], BoundaryReport]:
    """(the clips, snapped and without overlaps if `options` ask for it; what was done). Call `join` after merging.

    clips: located, by case, in order. labels: every label path, the most important first. Overlaps are faults if
    `options` say so.
    """
    report = BoundaryReport()
    tidied = []
    for clip in clips:
        works = []
        for work in clip.tracks:
            spans = list(work.spans)
            if options.snap_s is not None:
                spans, moves = snap(spans, clip.index, options.snap_s)
                report.moves_s += moves
            if options.overlap == "error":
                _report_overlaps(clip, work.annotator, spans, findings)
            elif options.overlap == "priority":
                spans, overlaps, vanished = resolve(spans, clip.index, _importance(options.priority, labels))
                report.overlaps, report.vanished = report.overlaps + overlaps, report.vanished + vanished
            works.append(replace(work, spans=tuple(spans)))
        tidied.append(replace(clip, tracks=tuple(works)))
    return tidied, report


# --- Snapping ---------------------------------------------------------------------------------------------------------


def snap(spans: Sequence[LocatedSpan], index: FrameIndex, within_s: Fraction) -> tuple[list[LocatedSpan], list[float]]:
    """(the spans; how far each boundary moved, in seconds). If a span starts at most `within_s` seconds from the end of
    another, both boundaries move to the middle.

    The nearest pairs go first, each boundary moves once, and no span loses its last picture. The middle is the first
    picture at or after it.
    """
    ending, starting = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for position, span in enumerate(spans):
        ending[span.stop_frame].append(position)
        starting[span.start_frame].append(position)
    snapped = list(spans)
    moves: list[float] = []
    done_ends: set[int] = set()
    done_starts: set[int] = set()
    for end, start in _near_pairs(ending.keys() - starting.keys(), starting.keys() - ending.keys(), index, within_s):
        if end in done_ends or start in done_starts:
            continue
        before = [snapped[position] for position in ending[end]]
        after = [snapped[position] for position in starting[start]]
        middle = index.first_at_or_after((index.time_s(end) + index.time_s(start)) / 2)
        if not _neighbours(before, after, middle):
            continue
        done_ends |= {end, middle}
        done_starts |= {start, middle}
        for position, span in zip(ending[end], before, strict=True):
            moves += _distances(span, index, span.start_frame, middle)
            snapped[position] = _moved(span, index, span.start_frame, middle)
        for position in starting[start]:
            span = snapped[position]
            moves += _distances(span, index, middle, span.stop_frame)
            snapped[position] = _moved(span, index, middle, span.stop_frame)
    return snapped, moves


def _near_pairs(
    ends: Iterable[int], starts: Iterable[int], index: FrameIndex, within_s: Fraction
) -> list[tuple[int, int]]:
    """The pairs (end, start) at most `within_s` seconds apart, the nearest first."""
    ordered = sorted((index.time_s(start), start) for start in starts)
    pairs = []
    for end in ends:
        end_s = index.time_s(end)
        first = bisect_left(ordered, end_s - within_s, key=lambda one: one[0])
        for start_s, start in islice(ordered, first, None):
            if start_s > end_s + within_s:
                break
            pairs.append((abs(end_s - start_s), end, start))
    return [(end, start) for _, end, start in sorted(pairs)]


def _neighbours(before: Sequence[LocatedSpan], after: Sequence[LocatedSpan], middle: int) -> bool:
    """Whether the spans follow one another (none lies within another), and each keeps a picture."""
    return (
        all(a.start_frame < b.start_frame and a.stop_frame < b.stop_frame for a in before for b in after)
        and all(span.start_frame < middle for span in before)
        and all(middle < span.stop_frame for span in after)
    )


def _moved(span: LocatedSpan, index: FrameIndex, start: int, stop: int) -> LocatedSpan:
    """`span` on these frames, which become its basis; the same span if it has these frames already."""
    if (start, stop) == (span.start_frame, span.stop_frame):
        return span
    return msgspec.structs.replace(span, basis=Frames(start, stop)).located(index)


def _distances(span: LocatedSpan, index: FrameIndex, start: int, stop: int) -> list[float]:
    """How far each boundary of `span` moves, in seconds, if it gets these frames. Boundaries that stay are left out."""
    return [
        abs(float(index.time_s(new) - index.time_s(old)))
        for old, new in ((span.start_frame, start), (span.stop_frame, stop))
        if old != new
    ]


# --- Overlaps ---------------------------------------------------------------------------------------------------------


def conflicts(a: LocatedSpan, b: LocatedSpan) -> bool:
    """Whether two spans contradict each other on the same pictures: neither label lies below the other, and they were
    not given to one region together.
    """
    n = min(len(a.label), len(b.label))
    return (
        a.label[:n] != b.label[:n]
        and a.region_id != b.region_id
        and a.start_frame < b.stop_frame
        and b.start_frame < a.stop_frame
    )


def resolve(
    spans: Sequence[LocatedSpan], index: FrameIndex, importance: Callable[[LocatedSpan], tuple[int, ...]]
) -> tuple[list[LocatedSpan], int, int]:
    """(spans without conflicts, the number of conflicts, the number of spans that vanished).

    The span whose `importance` sorts first keeps its pictures; the other keeps the rest, in pieces if necessary.
    """
    opposed = _opposed(spans)
    kept: dict[int, list[LocatedSpan]] = {}  # the remaining parts of each span, by its place
    overlaps = vanished = 0
    for place in sorted(range(len(spans)), key=lambda k: (importance(spans[k]), *_by_frames(spans[k]))):
        span = spans[place]
        stronger = [one for other in opposed[place] for one in kept.get(other, ()) if conflicts(span, one)]
        overlaps += len(stronger)
        if not stronger:
            kept[place] = [span]
            continue
        pieces = _without(span, stronger)
        vanished += not pieces
        kept[place] = [
            msgspec.structs.replace(span, basis=Frames(start, stop)).located(index) for start, stop in pieces
        ]
    left = [one for ones in kept.values() for one in ones]
    return sorted(left, key=lambda one: (one.start_frame, one.stop_frame, one.label)), overlaps, vanished


def _opposed(spans: Sequence[LocatedSpan]) -> list[list[int]]:
    """For each span, the positions of the spans that conflict with it. They are found by time, so the cost grows with
    the overlaps.
    """
    opposed: list[list[int]] = [[] for _ in spans]
    active: list[int] = []
    for place in sorted(range(len(spans)), key=lambda k: spans[k].start_frame):
        active = [other for other in active if spans[other].stop_frame > spans[place].start_frame]
        for other in active:
            if conflicts(spans[place], spans[other]):
                opposed[place].append(other)
                opposed[other].append(place)
        active.append(place)
    return opposed


def _without(span: LocatedSpan, stronger: Iterable[LocatedSpan]) -> list[tuple[int, int]]:
    """The frames `[start, stop)` of `span` that are left without those of `stronger`."""
    pieces = []
    start = span.start_frame
    for one in sorted(stronger, key=_by_frames):
        if start < one.start_frame:
            pieces.append((start, one.start_frame))
        start = max(start, one.stop_frame)
    if start < span.stop_frame:
        pieces.append((start, span.stop_frame))
    return pieces


def _importance(priority: str, labels: Sequence[LabelPath]) -> Callable[[LocatedSpan], tuple[int, ...]]:
    rank = {path: number for number, path in enumerate(labels)}
    if priority == "longest":
        return lambda span: (span.start_frame - span.stop_frame, rank[span.label])
    return lambda span: (rank[span.label],)


def _report_overlaps(clip: AnnotatedClip, annotator: str, spans: Sequence[LocatedSpan], findings: Findings) -> None:
    ordered = sorted(spans, key=_by_frames)
    for number, a in enumerate(ordered):
        for b in ordered[number + 1 :]:
            if b.start_frame >= a.stop_frame:
                break
            if conflicts(a, b):
                findings.fault(
                    f"clip {clip.id}, {annotator}, region {b.region_id}",
                    f"{join_path(b.label)} overlaps {join_path(a.label)} (region {a.region_id}) "
                    f"on frames {b.start_frame} to {min(a.stop_frame, b.stop_frame) - 1}",
                )


# --- Joining ----------------------------------------------------------------------------------------------------------


def join(clips: Iterable[AnnotatedClip], gap_s: Fraction) -> tuple[list[AnnotatedClip], int]:
    """(the clips; the number of joins). Spans of one label and annotator that are at most `gap_s` seconds apart are
    joined.

    Within a clip they become one span. Across the end of a clip each clip keeps its own part, which reaches the end,
    and both have the same region id, `<first clip>:<its region>`. Only spans in neighbouring clips are joined.
    """
    joined: list[AnnotatedClip] = []
    n_joins = 0
    across: set[tuple[str, str]] = set()  # (annotator, region) of the spans that have been joined to the clip before
    for clip in clips:
        works = []
        for work in clip.tracks:
            spans = _joined_within(work.spans, clip.index, gap_s)
            n_joins += len(work.spans) - len(spans)
            works.append(replace(work, spans=spans))
        now = replace(clip, tracks=tuple(works))
        if joined and joined[-1].case == now.case:
            joined[-1], now, across = _joined_across(joined[-1], now, gap_s, across)
            n_joins += len(across)
        else:
            across = set()
        joined.append(now)
    return joined, n_joins


def _joined_within(spans: Sequence[LocatedSpan], index: FrameIndex, gap_s: Fraction) -> tuple[LocatedSpan, ...]:
    kept: list[LocatedSpan] = []
    last: dict[LabelPath, int] = {}  # the place in `kept` of each label's latest span
    for span in sorted(spans, key=_by_frames):
        place = last.get(span.label)
        before = kept[place] if place is not None else None
        if place is not None and before is not None:
            gap = index.time_s(span.start_frame) - index.time_s(before.stop_frame)
            if gap <= gap_s:
                kept[place] = _moved(before, index, before.start_frame, max(before.stop_frame, span.stop_frame))
                continue
        last[span.label] = len(kept)
        kept.append(span)
    return tuple(kept)


def _joined_across(
    first: AnnotatedClip, second: AnnotatedClip, gap_s: Fraction, across: Collection[tuple[str, str]]
) -> tuple[AnnotatedClip, AnnotatedClip, set[tuple[str, str]]]:
    """The two clips, with spans joined across the end of `first`; and (annotator, region) of each joined pair.

    Joined spans reach that end. across: (annotator, region) of spans of `first` that were joined to the clip before,
    and have their common region id already.
    """
    index, following = first.index, second.index
    firsts = {work.annotator: list(work.spans) for work in first.tracks}
    seconds = {work.annotator: list(work.spans) for work in second.tracks}
    pairs: set[tuple[str, str]] = set()
    for annotator in firsts.keys() & seconds.keys():
        mine, theirs = firsts[annotator], seconds[annotator]
        latest = {mine[k].label: k for k in sorted(range(len(mine)), key=lambda k: mine[k].stop_frame)}
        earliest = {
            theirs[k].label: k for k in sorted(range(len(theirs)), key=lambda k: theirs[k].start_frame, reverse=True)
        }
        for label in latest.keys() & earliest.keys():
            span, other = mine[latest[label]], theirs[earliest[label]]
            at_end = index.end_s - index.time_s(span.stop_frame)
            if at_end + following.time_s(other.start_frame) - following.start_s > gap_s:
                continue
            region = span.region_id if (annotator, span.region_id) in across else f"{span.clip}:{span.region_id}"
            before = _moved(span, index, span.start_frame, index.n_frames)
            after = _moved(other, following, 0, other.stop_frame)
            mine[latest[label]] = msgspec.structs.replace(before, region_id=region)
            theirs[earliest[label]] = msgspec.structs.replace(after, region_id=region)
            pairs.add((annotator, region))
    return _with_spans(first, firsts), _with_spans(second, seconds), pairs


def _with_spans(clip: AnnotatedClip, spans: Mapping[str, Sequence[LocatedSpan]]) -> AnnotatedClip:
    return replace(clip, tracks=tuple(replace(work, spans=tuple(spans[work.annotator])) for work in clip.tracks))


def _by_frames(span: LocatedSpan) -> tuple[int, int]:
    return span.start_frame, span.stop_frame
