"""Boundaries as people mean them: spans drawn by hand gap or overlap by a fraction of a second. Never by default.

All of it works on spans that have been located, within the spans of one annotator; a span that changes gets frames for
its basis. Pure, but that spans are changed in place.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from lsvid.annotations.spans import Frames, Span
from lsvid.annotations.stages import AnnotatedClip, Work
from lsvid.errors import check_choice
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.video.timebase import FrameIndex

LabelPath = tuple[str, ...]

OVERLAPS = ("keep", "error", "priority")
PRIORITIES = ("label-order", "longest")


@dataclass(frozen=True)
class BoundaryOptions:
    """What to do; None: not done.

    snap_s: make an end and a start at most this far apart one. overlap: what becomes of spans of different labels that
    overlap, one of OVERLAPS; priority: which of them wins, one of PRIORITIES. join_gap_s: spans of one label at most
    this far apart in case time are one, also across the end of a clip.
    """

    snap_s: Fraction | None = None
    overlap: str = "keep"
    priority: str = "label-order"
    join_gap_s: Fraction | None = None

    def __post_init__(self) -> None:
        """Raise SettingsError where a value is none of those there are."""
        check_choice("overlap", self.overlap, OVERLAPS)
        check_choice("priority", self.priority, PRIORITIES)

    @property
    def asked_for(self) -> bool:
        """Whether anything is to be done."""
        return self.snap_s is not None or self.overlap != "keep" or self.join_gap_s is not None


@dataclass
class BoundaryReport:
    """What was done, for the manifest."""

    moves_s: list[float] = field(default_factory=list)
    overlaps: int = 0
    vanished: int = 0
    joined: int = 0

    def as_json(self, options: BoundaryOptions) -> dict[str, Any]:
        """What was asked for, and what was done."""
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
) -> BoundaryReport:
    """Snap and resolve overlaps, as far as `options` ask for it; returns what was done. (`join` comes after merging.)

    clips: located, by case, in order. labels: every label path, the most important first. Overlaps are faults where
    `options` say so.
    """
    report = BoundaryReport()
    for clip in clips:
        for work in clip.works if clip.info else ():
            assert clip.info is not None  # noqa: S101 - checked above
            index = clip.info.index
            if options.snap_s is not None:
                report.moves_s += snap(work.spans, index, options.snap_s)
            if options.overlap == "error":
                _report_overlaps(clip, work, findings)
            elif options.overlap == "priority":
                work.spans, overlaps, vanished = resolve(work.spans, index, _importance(options.priority, labels))
                report.overlaps, report.vanished = report.overlaps + overlaps, report.vanished + vanished
    return report


# --- Snapping ---------------------------------------------------------------------------------------------------------


def snap(spans: Sequence[Span], index: FrameIndex, within_s: Fraction) -> list[float]:
    """Where a span ends and another starts at most `within_s` seconds from it, move both to the middle.

    Returns how far each boundary moved, in seconds. The nearest pairs go first, each boundary moves once, and no span
    loses its last picture. The middle is the first picture at or after it.
    """
    ends = {_stop(span) for span in spans}
    starts = {_start(span) for span in spans}
    pairs = sorted(
        (abs(index.time_s(end) - index.time_s(start)), end, start)
        for end in ends - starts
        for start in starts - ends
        if abs(index.time_s(end) - index.time_s(start)) <= within_s
    )
    moves: list[float] = []
    done_ends: set[int] = set()
    done_starts: set[int] = set()
    for _, end, start in pairs:
        before = [span for span in spans if _stop(span) == end]
        after = [span for span in spans if _start(span) == start]
        middle = index.first_at_or_after((index.time_s(end) + index.time_s(start)) / 2)
        if end in done_ends or start in done_starts or not _neighbours(before, after, middle):
            continue
        done_ends |= {end, middle}
        done_starts |= {start, middle}
        for span in before:
            moves += _move(span, index, _start(span), middle)
        for span in after:
            moves += _move(span, index, middle, _stop(span))
    return moves


def _neighbours(before: Sequence[Span], after: Sequence[Span], middle: int) -> bool:
    """Whether the spans follow upon one another (none lies within another), and all keep a picture."""
    return all(_start(a) < _start(b) and _stop(a) < _stop(b) for a in before for b in after) and (
        all(_start(span) < middle for span in before) and all(middle < _stop(span) for span in after)
    )


def _move(span: Span, index: FrameIndex, start: int, stop: int) -> list[float]:
    """Give `span` these frames; returns how far its boundaries moved, in seconds, where they did."""
    moved = [
        abs(float(index.time_s(new) - index.time_s(old)))
        for old, new in ((_start(span), start), (_stop(span), stop))
        if old != new
    ]
    if moved:
        span.basis = Frames(start, stop)
        span.locate(index)
    return moved


# --- Overlaps ---------------------------------------------------------------------------------------------------------


def conflicts(a: Span, b: Span) -> bool:
    """Whether two spans say different things of the same pictures: labels of which neither lies below the other, and
    that were not given to one region together.
    """
    n = min(len(a.label), len(b.label))
    return a.label[:n] != b.label[:n] and a.region_id != b.region_id and _start(a) < _stop(b) and _start(b) < _stop(a)


def resolve(
    spans: Sequence[Span], index: FrameIndex, importance: Callable[[Span], tuple[int, ...]]
) -> tuple[list[Span], int, int]:
    """(spans of which no two conflict, how many conflicts there were, how many spans have vanished).

    The span whose `importance` sorts first keeps its pictures; the other keeps what is left, in pieces if need be.
    """
    kept: list[Span] = []
    overlaps = vanished = 0
    for span in sorted(spans, key=lambda one: (importance(one), _start(one), _stop(one))):
        stronger = [one for one in kept if conflicts(span, one)]
        overlaps += len(stronger)
        pieces = [(_start(span), _stop(span))]
        for one in stronger:
            pieces = [piece for old in pieces for piece in _without(old, _start(one), _stop(one))]
        vanished += not pieces
        if not stronger:
            kept.append(span)
        for start, stop in pieces if stronger else ():
            piece = msgspec.structs.replace(span, basis=Frames(start, stop))
            piece.locate(index)
            kept.append(piece)
    return sorted(kept, key=lambda one: (_start(one), _stop(one), one.label)), overlaps, vanished


def _without(piece: tuple[int, int], start: int, stop: int) -> list[tuple[int, int]]:
    """What is left of `piece` without the frames `[start, stop)`."""
    left, right = (piece[0], min(piece[1], start)), (max(piece[0], stop), piece[1])
    return [part for part in (left, right) if part[0] < part[1]]


def _importance(priority: str, labels: Sequence[LabelPath]) -> Callable[[Span], tuple[int, ...]]:
    rank = {path: number for number, path in enumerate(labels)}
    if priority == "longest":
        return lambda span: (_start(span) - _stop(span), rank[span.label])
    return lambda span: (rank[span.label],)


def _report_overlaps(clip: AnnotatedClip, work: Work, findings: Findings) -> None:
    ordered = sorted(work.spans, key=lambda span: (_start(span), _stop(span)))
    for number, a in enumerate(ordered):
        for b in ordered[number + 1 :]:
            if _start(b) >= _stop(a):
                break
            if conflicts(a, b):
                findings.fault(
                    f"clip {clip.id}, {work.annotator}, region {b.region_id}",
                    f"{join_path(b.label)} overlaps {join_path(a.label)} (region {a.region_id}) "
                    f"on frames {_start(b)} to {min(_stop(a), _stop(b)) - 1}",
                )


# --- Joining ----------------------------------------------------------------------------------------------------------


def join(clips: Iterable[AnnotatedClip], gap_s: Fraction) -> int:
    """Make spans of one label and annotator at most `gap_s` seconds apart one; returns how many joins were made.

    Within a clip they become one span. Across the end of a clip each clip keeps its own part, which reaches the end,
    and both have the same region id, `<first clip>:<its region>`. Only clips that follow upon one another are joined.
    """
    joined = 0
    previous: AnnotatedClip | None = None
    across: set[int] = set()  # spans that have been joined to one of the clip before
    for clip in clips:
        for work in clip.works if clip.info else ():
            joined += _join_within(clip, work, gap_s)
        pairs = _touching(previous, clip, gap_s) if previous and previous.clip.case == clip.clip.case else []
        for before, after in pairs:
            if id(before) not in across:
                before.region_id = f"{before.clip}:{before.region_id}"
            after.region_id = before.region_id
            across.add(id(after))
        joined += len(pairs)
        previous = clip
    return joined


def _join_within(clip: AnnotatedClip, work: Work, gap_s: Fraction) -> int:
    assert clip.info is not None  # noqa: S101 - the caller's business
    index = clip.info.index
    kept: list[Span] = []
    last: dict[LabelPath, Span] = {}
    for span in sorted(work.spans, key=lambda one: (_start(one), _stop(one))):
        before = last.get(span.label)
        if before is not None and index.time_s(_start(span)) - index.time_s(_stop(before)) <= gap_s:
            _move(before, index, _start(before), max(_stop(before), _stop(span)))
            continue
        last[span.label] = span
        kept.append(span)
    joined = len(work.spans) - len(kept)
    work.spans = kept
    return joined


def _touching(first: AnnotatedClip, second: AnnotatedClip, gap_s: Fraction) -> list[tuple[Span, Span]]:
    """The pairs of spans, of one label and annotator, between which the end of `first` lies; now they reach it."""
    if first.info is None or second.info is None:
        return []
    index, following = first.info.index, second.info.index
    works = {work.annotator: work for work in second.works}
    pairs = []
    for work in first.works:
        others = works[work.annotator].spans if work.annotator in works else []
        earliest = {span.label: span for span in sorted(others, key=_start, reverse=True)}
        for label, span in {span.label: span for span in sorted(work.spans, key=_stop)}.items():
            other = earliest.get(label)
            if other is None:
                continue
            at_end = index.end_s - index.time_s(_stop(span))
            if at_end + following.time_s(_start(other)) - following.start_s <= gap_s:
                _move(span, index, _start(span), index.n_frames)
                _move(other, following, 0, _stop(other))
                pairs.append((span, other))
    return pairs


def _start(span: Span) -> int:
    assert span.start_frame is not None  # noqa: S101 - located, which is the caller's business
    return span.start_frame


def _stop(span: Span) -> int:
    assert span.stop_frame is not None  # noqa: S101 - located, which is the caller's business
    return span.stop_frame
