"""Finds spans that look like slips of the hand. It reports them and never changes them. Pure.

In Label Studio's editor a drag that begins inside a span moves that span, a click can draw a very short one, a drag
along the time scale can draw one over others, and a label's key relabels the selected span, whose sub labels vanish
(1.23.2, measured). All of this is valid data, so only a person can decide what was a slip.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lsvid.annotations.spans import Basis, Clip, LocatedSpan, LsFrames, Seconds, Span, Status
from lsvid.annotations.stages import AnnotatedClip, GatheredClip, Track
from lsvid.clock import clock
from lsvid.findings import Findings, some
from lsvid.labels.tree import join_path
from lsvid.video.clips import natural_key

SHORT_S = 0.5
"""On a waveform, a shorter span is more likely a click than an event."""

_DRAWN_IN = frozenset({"label-studio", "prodigy"})  # sources whose spans were drawn by hand in an editor
_WITH_SUB_LABELS = "label-studio"
_HINT = "nothing was changed: look at them in the editor, and correct those that are wrong"


@dataclass(frozen=True)
class _Region:
    """One drawn region. It may be several spans, one for each of its sub labels."""

    start_frame: int
    stop_frame: int
    span: LocatedSpan


def warn_of_slips(clips: Iterable[AnnotatedClip], findings: Findings) -> None:
    """Warn of spans that look like a slip. Each kind gets one warning, with task, clip and time of the first few.

    Three kinds: a span that overlaps a neighbour by as much as is missing on its other side (it was moved); a span
    shorter than `SHORT_S` on a waveform; a span that covers others of the same label. Predictions are not checked.
    """
    moved, short, covering = list[str](), list[str](), list[str]()
    for clip in clips:
        n_frames = clip.index.n_frames
        for work in clip.tracks:
            for regions in _regions(work):
                moved += [_place(clip, one) for one in _moved(regions, n_frames)]
                short += [_place(clip, one) for one in regions if _is_short(one, n_frames)]
                covering += [_place(clip, one) for one in _covering(regions)]
    for places, one, more in (
        (moved, "overlaps a neighbour by what is missing on its other side, as if it was moved",
         "overlap a neighbour by what is missing on their other side, as if they were moved"),
        (short, f"lasts less than {SHORT_S:g} s on the waveform", f"last less than {SHORT_S:g} s on the waveform"),
        (covering, "covers others of the same label", "cover others of the same label"),
    ):  # fmt: skip
        _warn(places, one, more, findings)


def warn_of_vanished_sub_labels(
    clips: Iterable[GatheredClip], findings: Findings, annotators: frozenset[str] | None = None
) -> None:
    """Warn of regions that had sub labels in an earlier version of an annotator, and lack them in the last version.

    In the editor, the key of another label removes the sub labels of the selected region silently. Versions are the
    annotations and drafts of one annotator of one clip, by time. annotators: only theirs; None: everybody's.
    """
    places = []
    for clip in clips:
        versions: defaultdict[tuple[str, str], list[Track[Span]]] = defaultdict(list)
        for work in clip.tracks:
            who = work.annotation.annotator
            is_drawn = work.annotation.status is not Status.PREDICTION and work.annotation.source == _WITH_SUB_LABELS
            if is_drawn and (annotators is None or who in annotators):
                versions[who, work.annotation.part].append(work)
        for theirs in versions.values():
            if len(theirs) > 1:
                places += [f"{_task(clip.clip)} at {_drawn_at(one.basis)} ({one.label[0]})" for one in _lost(theirs)]
    _warn(places, "has lost its sub labels since an earlier version", "have lost their sub labels since an earlier "
          "version", findings)  # fmt: skip


def _warn(places: Sequence[str], one: str, more: str, findings: Findings) -> None:
    if places:
        what = f"1 span {one}" if len(places) == 1 else f"{len(places):,} spans {more}"
        findings.warn(f"{what}: {some(places, separator='; ')}", _HINT)


def _regions(work: Track[LocatedSpan]) -> Iterator[list[_Region]]:
    """The regions of each timeline of the editor, by time."""
    if work.annotation.status is Status.PREDICTION:
        return
    timelines: dict[type[Basis], dict[tuple[int, int, str, str], _Region]] = {}
    for span in work.spans:
        if span.source in _DRAWN_IN:
            key = (span.start_frame, span.stop_frame, span.region_id, _drawn_label(span))
            regions = timelines.setdefault(type(span.basis), {})
            if key not in regions:
                regions[key] = _Region(span.start_frame, span.stop_frame, span)
    for regions in timelines.values():
        yield sorted(regions.values(), key=lambda one: (one.start_frame, -one.stop_frame))


def _drawn_label(span: Span) -> str:
    """The label that the editor draws: in Label Studio the first of the path (the others are choices)."""
    return span.label[0] if span.source == _WITH_SUB_LABELS else join_path(span.label)


def _is_short(region: _Region, n_frames: int) -> bool:
    basis = region.span.basis
    is_whole_clip = region.start_frame == 0 and region.stop_frame == n_frames
    return isinstance(basis, Seconds) and round(basis.end - basis.start, 6) < SHORT_S and not is_whole_clip


def _covering(regions: Sequence[_Region]) -> list[_Region]:
    """Those of `regions` that cover another of their label. `regions` is sorted by start, then the longest first."""
    reaching: dict[str, _Region] = {}  # by label, the earlier region with the latest end
    covering: dict[int, _Region] = {}
    for region in regions:
        label = _drawn_label(region.span)
        before = reaching.get(label)
        if before is not None and region.stop_frame <= before.stop_frame:
            covering[id(before)] = before
        else:
            reaching[label] = region
    return list(covering.values())


def _moved(regions: Sequence[_Region], n_frames: int) -> Iterator[_Region]:
    """Those of `regions`, by start, that overlap one neighbour by the length of the gap on their other side.

    The gap goes to the other neighbour, or to the clip's end. Lengths may differ by one frame, since seconds are
    rounded to frames at each boundary; a single frame must match exactly.
    """
    starts = [one.start_frame for one in regions]
    stops = sorted(one.stop_frame for one in regions)
    longest = {one.stop_frame: one for one in reversed(regions)}  # by stop, the one that begins first
    furthest = {one.start_frame: one for one in reversed(regions)}  # by start, the longest
    for region in regions:
        start, stop = region.start_frame, region.stop_frame
        later = bisect_left(starts, stop)
        gap = (starts[later] if later < len(starts) else n_frames) - stop
        earlier = bisect_left(stops, start + 1)
        gap_before = start - (stops[earlier - 1] if earlier else 0)
        over_earlier = (longest.get(start + overlap) for overlap in _about(gap))
        over_later = (furthest.get(stop - overlap) for overlap in _about(gap_before))
        if any(one and one.start_frame < start and one.stop_frame < stop for one in over_earlier) or any(
            one and one.start_frame > start and one.stop_frame > stop for one in over_later
        ):
            yield region


def _about(gap: int) -> tuple[int, ...]:
    """The overlaps that equal `gap` within rounding."""
    return () if gap < 1 else (gap,) if gap == 1 else (gap, gap - 1, gap + 1)


def _lost(versions: Sequence[Track[Span]]) -> list[Span]:
    """A span of each region without sub labels in the last version that holds it, though an earlier one has some."""
    ordered = sorted(versions, key=lambda one: (one.annotation.updated_at, natural_key(one.annotation.annotation_id)))
    had: set[object] = set()
    lost: dict[str, Span] = {}
    for work in ordered:
        regions: defaultdict[str, list[Span]] = defaultdict(list)
        for span in work.spans:
            regions[span.region_id].append(span)
        for region_id, spans in regions.items():
            # A region that was drawn again at the same place, with the same label, counts as the same region.
            names = {region_id, *((one.basis, one.label[0]) for one in spans)}
            if any(len(one.label) > 1 for one in spans):
                had |= names
                lost.pop(region_id, None)
            elif had & names:
                lost[region_id] = spans[0]
    return list(lost.values())


def _place(clip: AnnotatedClip, region: _Region) -> str:
    span = region.span
    return f"{_task(clip.clip)} at {clock(span.start_s, 2)} to {clock(span.end_s, 2)} ({join_path(span.label)})"


def _task(clip: Clip) -> str:
    return f"clip {clip.clip_id}" if clip.task_id is None else f"task {clip.task_id}, clip {clip.clip_id}"


def _drawn_at(basis: Basis) -> str:
    """Begin and end of a region in the editor's own numbers; its frames are not known yet."""
    if isinstance(basis, LsFrames):
        rate = float(basis.ls_fps)
        return f"{clock((basis.start - 1) / rate, 2)} to {clock(basis.end / rate, 2)}"
    if isinstance(basis, Seconds):
        return f"{clock(basis.start, 2)} to {clock(basis.end, 2)}"
    return "a time that is not known yet"
