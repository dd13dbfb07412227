"""Puts the records of one or more exports together by clip: the annotations that count, their file, their frames.

Each step makes new objects of the next stage. The type of an object says its stage:

records -> gather -> GatheredClip -> select -> GatheredClip -> find_files -> FoundClip -> locate -> AnnotatedClip

A FoundClip has its frame index, and an AnnotatedClip has every span on its frames. A clip whose file cannot be found or
read stays a GatheredClip. It is passed on beside the others as `lost`, and its case is incomplete.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from lsvid.annotations.spans import Annotation, Clip, LocatedSpan, Proxy, Record, Span, Status
from lsvid.errors import ClipError, DataError, ExportError, check_choice
from lsvid.files.paths import is_file
from lsvid.findings import Findings, some
from lsvid.labels.tree import LabelTree
from lsvid.progress import Progress, unheard
from lsvid.video.clips import CaseRule, clip_key, find_clips, missing_numbers, natural_key, recorded_later
from lsvid.video.index import VideoInfo, probe_all
from lsvid.video.lookup import ClipFinder
from lsvid.video.timebase import OUTSIDE_TOLERANCE_S, FrameIndex, OutsideClipError, PackedFrameIndex

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers

ANNOTATION_CHOICES = ("latest", "first", "ground-truth", "all")

_SUBMITTED = frozenset({Status.ACCEPTED, Status.REJECTED, Status.IGNORED, Status.SKIPPED})

SpanT_co = TypeVar("SpanT_co", bound=Span, covariant=True)


@dataclass(frozen=True)
class Track(Generic[SpanT_co]):
    """One annotation and its spans. `annotator` is different for each annotation of a clip."""

    annotation: Annotation
    spans: tuple[SpanT_co, ...] = ()
    annotator: str = ""

    @classmethod
    def nobody(cls) -> "Track[SpanT_co]":
        """The annotation of a clip that nobody has annotated."""
        return cls(Annotation(case="", clip="", annotator="", status=Status.ACCEPTED, source="", annotation_id=""))


@dataclass(frozen=True)
class _NamedClip:
    """What the clips of all stages share: their record, and its names."""

    clip: Clip

    @property
    def id(self) -> str:
        """`case/clip`."""
        return self.clip.clip_id

    @property
    def case(self) -> str:
        """The name of its case."""
        return self.clip.case

    @property
    def name(self) -> str:
        """Its name within its case."""
        return self.clip.clip


@dataclass(frozen=True)
class GatheredClip(_NamedClip):
    """A clip and its annotations. media: every name that the exports give to its file."""

    tracks: tuple[Track[Span], ...] = ()
    media: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundClip(_NamedClip):
    """A clip whose file has been found and read.

    case_frame, case_time_s: where its first picture lies in its case, counting every clip of the case.
    """

    tracks: tuple[Track[Span], ...]
    path: str
    info: VideoInfo
    case_frame: int = 0
    case_time_s: Fraction = Fraction(0)


@dataclass(frozen=True)
class AnnotatedClip(_NamedClip):
    """A clip with every span on its frames. Tables, files and measures are made from it.

    case_frame, case_time_s: where its first picture lies in its case, counting every clip of the case.
    """

    tracks: tuple[Track[LocatedSpan], ...]
    path: str
    info: VideoInfo
    case_frame: int = 0
    case_time_s: Fraction = Fraction(0)

    @property
    def index(self) -> FrameIndex:
        """Its frame index."""
        return self.info.index


ClipT = TypeVar("ClipT", FoundClip, AnnotatedClip)


@dataclass(frozen=True)
class Stage(Generic[ClipT]):
    """The clips of one stage, by case, in order; and the lost clips, whose file is missing or unreadable."""

    clips: tuple[ClipT, ...]
    lost: tuple[GatheredClip, ...] = ()

    @property
    def in_order(self) -> "list[ClipT | GatheredClip]":
        """All of them, by case, then place in the case."""
        clips: list[ClipT | GatheredClip] = list(self.clips)
        clips += self.lost
        return sorted(clips, key=lambda one: _place(one.clip))

    @property
    def cases(self) -> "list[Case[ClipT]]":
        """The cases with their clips, in order."""
        members: dict[str, tuple[list[ClipT], list[GatheredClip]]] = {}
        for clip in self.in_order:
            clips, lost = members.setdefault(clip.case, ([], []))
            if isinstance(clip, GatheredClip):
                lost.append(clip)
            else:
                clips.append(clip)
        return [Case(name, tuple(clips), tuple(lost)) for name, (clips, lost) in members.items()]


@dataclass(frozen=True)
class Case(Generic[ClipT]):
    """One recording with its clips put end to end, in order; `lost` are those without a readable file."""

    name: str
    clips: tuple[ClipT, ...]
    lost: tuple[GatheredClip, ...] = ()

    @property
    def n_frames(self) -> int:
        """The frames of all its clips. For a lost clip, the number that its import gave."""
        told = sum(told_length(clip)[0] for clip in self.lost)
        return told + sum(clip.info.index.n_frames for clip in self.clips)

    @property
    def length_s(self) -> Fraction:
        """The seconds of all its clips. For a lost clip, the number that its import gave."""
        told = sum((told_length(clip)[1] for clip in self.lost), Fraction(0))
        return told + sum((clip.info.index.length_s for clip in self.clips), Fraction(0))

    @property
    def annotators(self) -> list[str]:
        """The annotators of its clips, in natural order."""
        names = {work.annotator for clip in self.clips for work in clip.tracks}
        return sorted(names | {work.annotator for clip in self.lost for work in clip.tracks}, key=natural_key)


@dataclass(frozen=True)
class Source:
    """One source that was read: its name, and its SHA-256 (None for standard input)."""

    name: str
    sha256: str | None


@dataclass(frozen=True)
class Selection:
    """Which annotations count: which one if an annotator has several, which statuses, which annotators (None: all)."""

    annotations: str = "latest"
    statuses: frozenset[Status] = frozenset({Status.ACCEPTED})
    annotators: frozenset[str] | None = None

    def __post_init__(self) -> None:
        """Raise SettingsError if a value is not one of the allowed ones."""
        check_choice("annotations", self.annotations, ANNOTATION_CHOICES)
        for status in self.statuses:
            check_choice("status", status, [str(known) for known in Status])


# --- Gathering --------------------------------------------------------------------------------------------------------


@dataclass
class _Gathering:
    """A clip while its records are put together."""

    clip: Clip
    tracks: dict[tuple[str, str, Status], tuple[Annotation, list[Span]]] = field(default_factory=dict)
    media: dict[str, None] = field(default_factory=dict)


def gather(records: Iterable[Record], findings: Findings) -> list[GatheredClip]:
    """The clips of `records` with all their annotations, by case, then place in the case.

    A span without an annotation in its clip gets one.
    """
    clips: dict[str, _Gathering] = {}
    for record in records:
        if isinstance(record, Clip):
            known = clips.setdefault(record.clip_id, _Gathering(record))
            if record.fingerprint and known.clip.fingerprint not in (None, record.fingerprint):
                findings.fault(
                    f"clip {record.clip_id}", f"two different videos have this id: {known.clip.media}, {record.media}"
                )
            elif record.fingerprint and known.clip.fingerprint is None:
                known.clip = record  # lsvid's import knows more of a clip than other exports
            known.media[record.media] = None
            continue
        clip = clips.get(record.clip_id)
        if clip is None:
            findings.fault(f"clip {record.clip_id}", "is annotated, but the export holds no record of the clip itself")
            clip = clips[record.clip_id] = _Gathering(Clip(case=record.case, clip=record.clip, media=record.clip))
        key = (record.annotation_id, record.annotator, record.status)
        if key not in clip.tracks:
            clip.tracks[key] = (record if isinstance(record, Annotation) else _annotation_of(record), [])
        if isinstance(record, Span):
            clip.tracks[key][1].append(record)
    gathered = [
        GatheredClip(
            clip.clip,
            tuple(Track(annotation, tuple(spans)) for annotation, spans in clip.tracks.values()),
            tuple(clip.media),
        )
        for clip in clips.values()
    ]
    return sorted(gathered, key=lambda one: _place(one.clip))


def _annotation_of(span: Span) -> Annotation:
    return Annotation(
        case=span.case, clip=span.clip, annotator=span.annotator, status=span.status, source=span.source,
        annotation_id=span.annotation_id, score=span.score,
    )  # fmt: skip


def _place(clip: Clip) -> tuple[object, ...]:
    return (natural_key(clip.case), clip.order is None, clip.order or 0.0, clip_key(clip.clip))


# --- Selecting --------------------------------------------------------------------------------------------------------


def select(clips: Iterable[GatheredClip], selection: Selection, findings: Findings) -> list[GatheredClip]:
    """The clips with only the annotations that count; the others are reported as left out."""
    return [replace(clip, tracks=_selected(clip, selection, findings)) for clip in clips]


def _selected(clip: GatheredClip, selection: Selection, findings: Findings) -> tuple[Track[Span], ...]:
    kept = []
    for group in _by_annotator(work for work in clip.tracks if _asked_for(work, selection)).values():
        chosen = _choose(group, selection.annotations)
        for work in chosen:
            if work.annotation.status in selection.statuses:
                kept.append(work)
            else:
                findings.leave_out(_where(clip.clip, work), f"annotations that are {work.annotation.status}")
        for work in group:
            if not any(work is one for one in chosen):
                why = f"annotations other than the {selection.annotations} of an annotator"
                findings.leave_out(_where(clip.clip, work), why)
    for work in clip.tracks:
        if not _asked_for(work, selection):
            why = f"annotations that are {work.annotation.status}s"
            if selection.annotators is not None and work.annotation.annotator not in selection.annotators:
                why = "annotations by annotators not asked for"
            findings.leave_out(_where(clip.clip, work), why)
    named = _named(kept, join_parts=selection.annotations != "all")
    return tuple(sorted(named, key=lambda work: natural_key(work.annotator)))


def _asked_for(work: Track[Span], selection: Selection) -> bool:
    status = work.annotation.status
    if selection.annotators is not None and work.annotation.annotator not in selection.annotators:
        return False
    return status in selection.statuses or status in _SUBMITTED


def _by_annotator(works: Iterable[Track[Span]]) -> dict[tuple[str, str, str], list[Track[Span]]]:
    """The works by annotator, kind and part. Drafts, predictions and parts do not replace submitted annotations."""
    groups: dict[tuple[str, str, str], list[Track[Span]]] = {}
    for work in works:
        status, part = work.annotation.status, work.annotation.part
        kind = "submitted" if status in _SUBMITTED else str(status)
        groups.setdefault((work.annotation.annotator, kind, part), []).append(work)
    return groups


def _choose(group: Sequence[Track[Span]], which: str) -> list[Track[Span]]:
    if which == "all":
        return list(group)
    if which == "ground-truth":
        return [work for work in group if work.annotation.ground_truth]
    ordered = sorted(group, key=lambda work: (work.annotation.updated_at, natural_key(work.annotation.annotation_id)))
    return [ordered[0] if which == "first" else ordered[-1]]


def _named(works: Sequence[Track[Span]], *, join_parts: bool) -> Iterator[Track[Span]]:
    """The works with different names: the annotator's name, with an addition if one annotator has several."""
    works = _join_parts(works) if join_parts else works
    for work in works:
        annotation = work.annotation
        alike = [other for other in works if other.annotation.annotator == annotation.annotator]
        name = annotation.annotator
        if len(alike) > 1:
            tag = str(annotation.status) if annotation.status not in _SUBMITTED else annotation.annotation_id
            name = f"{name} #{tag}"
        yield replace(work, annotator=name)


def _join_parts(works: Iterable[Track[Span]]) -> list[Track[Span]]:
    """`works`, with those that cover parts of a clip joined, if annotator and status are the same."""
    whole, parts = [], dict[tuple[str, Status], list[Track[Span]]]()
    for work in works:
        if work.annotation.part:
            parts.setdefault((work.annotation.annotator, work.annotation.status), []).append(work)
        else:
            whole.append(work)
    for members in parts.values():
        annotation = msgspec.structs.replace(members[0].annotation, part="")
        spans = tuple(
            msgspec.structs.replace(span, annotation_id=annotation.annotation_id)
            for work in members
            for span in work.spans
        )
        whole.append(Track(annotation, spans))
    return whole


# --- Finding ----------------------------------------------------------------------------------------------------------


def find_files(
    clips: Sequence[GatheredClip],
    finder: ClipFinder,
    rule: CaseRule | None,
    findings: Findings,
    on_probed: Progress = unheard,
    workers: "Workers | None" = None,
) -> Stage[FoundClip]:
    """The clips with the file that `finder` finds for them, and its frame index.

    Adds the unannotated clips of the same cases below the finder's roots, because a case's time counts every clip, and
    finds the place of each clip in its case. A clip that cannot be found or read is a fault.
    """
    paths = {clip.id: _find(clip, finder, findings) for clip in clips}
    siblings = _siblings(clips, {path for path in paths.values() if path}, finder.roots, rule)
    _tell_shared_files(paths, findings)
    _warn_of_names(finder, findings)
    for sibling in siblings:
        if (taken := paths.setdefault(sibling.id, sibling.clip.media)) != sibling.clip.media:
            findings.fault(f"clip {sibling.id}", f"two files have this id: {taken}, {sibling.clip.media}")
    clips = sorted([*clips, *siblings], key=lambda one: _place(one.clip))
    with_file = [path for clip in clips if (path := paths[clip.id]) is not None]
    infos = dict(zip(with_file, probe_all(with_file, on_probed, workers), strict=True))
    cases: dict[str, list[FoundClip | GatheredClip]] = {}
    for clip in clips:
        path = paths[clip.id]
        found = _read(clip, path, infos[path], findings) if path is not None else clip
        cases.setdefault(clip.case, []).append(found)
    placed = [clip for members in cases.values() for clip in _placed_in_case(members, findings)]
    return Stage(
        tuple(clip for clip in placed if isinstance(clip, FoundClip)),
        tuple(clip for clip in placed if isinstance(clip, GatheredClip)),
    )


def _read(clip: GatheredClip, path: str, info: VideoInfo | ClipError, findings: Findings) -> FoundClip | GatheredClip:
    """The clip with the facts of its file; unchanged if there is a fault."""
    record = clip.clip
    if isinstance(info, ClipError):
        findings.fault(f"clip {clip.id}", info.message, info.hint)
        return clip
    for note in info.notes:
        findings.warn(f"clip {clip.id}: {path} {note}")
    if record.proxy is not None and info.fingerprint == record.proxy.fingerprint:
        findings.warn(
            f"the original of clip {clip.id} is not on this machine: read from its proxy, {path}",
            "labels are the same; for pictures at full quality give the folder of the originals: <<clips=DIR>>",
        )
        return FoundClip(record, clip.tracks, path, info)  # the same frames at the same times
    if record.fingerprint not in (None, info.fingerprint):
        findings.fault(f"clip {clip.id}", f"{path} is not the video that was imported: its content differs")
        return clip
    info = _as_played(info, record.proxy)
    index = info.index
    if not _has_its_length(record, path, index, findings):
        return clip
    known = msgspec.structs.replace(
        record,
        n_frames=index.n_frames,
        rate=None if index.rate is None else str(index.rate),
        duration_s=float(index.length_s),
        fingerprint=info.fingerprint,
    )
    return FoundClip(known, clip.tracks, path, info)


def _has_its_length(record: Clip, path: str, index: FrameIndex, findings: Findings) -> bool:
    """Whether the clip has about as many frames as its annotations say. Every difference is reported."""
    counted = record.n_frames
    if counted is None or counted == index.n_frames:
        return True
    told = f"its annotations count {counted} frames, {path} has {index.n_frames}"
    off = abs(counted - index.n_frames)
    if off * index.length_s > index.n_frames * OUTSIDE_TOLERANCE_S or off * 4 > index.n_frames:
        findings.fault(f"clip {record.clip_id}", f"{told}: they were made on another file, or at another rate")
        return False
    if counted > index.n_frames:
        findings.fault(f"clip {record.clip_id}", told)
    else:
        findings.warn(
            f"clip {record.clip_id}: {told}; the last {index.n_frames - counted} have no label",
            "check that they were made on exactly this file: a copy at another rate shifts every label",
        )
    return True


def _as_played(info: VideoInfo, proxy: Proxy | None) -> VideoInfo:
    """`info` of an original, with the proxy's duration: the editor's last number follows from it."""
    if proxy is None:
        return info
    duration_s = Fraction(proxy.duration_s).limit_denominator(1_000_000)
    index = info.index
    played = FrameIndex(index.pts, index.time_base, index.last_duration, duration_s, index.container_start_s)
    return replace(info, index=PackedFrameIndex.of(played))


def _find_original(media: str, proxy: Proxy, finder: ClipFinder) -> str | None:
    """The original `media` of a clip that was annotated on `proxy`; else the proxy; None if neither is found."""

    def find(name: str) -> str | None:
        try:
            return finder.find(name)
        except ClipError:
            return None

    found, copy = find(media), find(proxy.path)
    if found is not None and found != copy:
        return found
    # A file with the same end of its path, in the folder of the proxies, is the proxy itself.
    return media if is_file(media) else copy


def _find(clip: GatheredClip, finder: ClipFinder, findings: Findings) -> str | None:
    """The clip's file; None, with a fault, if there is none, or if there are several."""
    if clip.clip.proxy is not None:
        original = _find_original(clip.clip.media, clip.clip.proxy, finder)
        if original is not None:
            return original
    found: dict[str, None] = {}
    for media in clip.media:
        try:
            found[finder.find(media)] = None
        except ClipError as error:
            findings.fault(f"clip {clip.id}", error.message, error.hint)
    if len(found) > 1:
        findings.fault(f"clip {clip.id}", f"two files have this id: {', '.join(found)}")
        return None
    return next(iter(found), None)


def _tell_shared_files(paths: dict[str, str | None], findings: Findings) -> None:
    """If one file was found for several clips, report a fault for each, and give none of them the file."""
    sharing: dict[str, list[str]] = {}
    for name, path in paths.items():
        if path is not None:
            sharing.setdefault(path, []).append(name)
    for path, names in sharing.items():
        for name in names if len(names) > 1 else ():
            others = some([other for other in names if other != name])
            findings.fault(
                f"clip {name}",
                f"{path} is found for it and for {others}: one video, or a folder is missing",
                "give the folder that holds all of them: <<clips=DIR>>; if it is one video, name its "
                "case: <<case_from>>",
            )
            paths[name] = None


def _warn_of_names(finder: ClipFinder, findings: Findings) -> None:
    """Warn of clips that were found under a name that differs a little from the export's."""
    loosely = [f"{media} -> {path}" for media, path in finder.loosely.items()]
    if loosely:
        findings.warn(
            f"{len(loosely)} clips have another name on disk than in the annotations: {some(loosely, separator='; ')}",
            "check that these are the videos that were annotated",
        )


def _siblings(
    clips: Sequence[GatheredClip], known: Collection[str], roots: Sequence[str], rule: CaseRule | None
) -> list[GatheredClip]:
    """The other clips of cases that are folders. (An import by lsvid lists all clips itself.)"""
    by_folder = {clip.case for clip in clips if clip.clip.order is None}
    if not by_folder or not roots:
        return []
    return [
        GatheredClip(Clip(case=file.case, clip=file.name, media=file.path), (), (file.path,))
        for file in find_clips(list(roots), rule or CaseRule())
        if file.case in by_folder and file.path not in known
    ]


def _placed_in_case(
    members: Sequence[FoundClip | GatheredClip], findings: Findings
) -> Iterator[FoundClip | GatheredClip]:
    """The clips of one case, each with the frames and seconds before it."""
    frames, time_s = 0, Fraction(0)
    for clip in members:
        if isinstance(clip, FoundClip):
            yield replace(clip, case_frame=frames, case_time_s=time_s)
            frames, time_s = frames + clip.info.index.n_frames, time_s + clip.info.index.length_s
        else:
            told_frames, told_s = told_length(clip)
            frames, time_s = frames + told_frames, time_s + told_s
            yield clip
    timed = [(clip.name, clip.info.recorded_at) for clip in members if isinstance(clip, FoundClip)]
    if all(clip.clip.order is None for clip in members) and (wrong := recorded_later(timed)) is not None:
        findings.warn(
            f"case {members[0].case}: {wrong[0]} comes before {wrong[1]}, but was recorded after it; the "
            "case's times count its clips in the order of their names",
            "if the files' times of recording are right, rename the files in their order",
        )
    missing = missing_numbers([clip.name for clip in members])
    if missing:
        findings.warn(
            f"case {members[0].case}: no clip numbered {', '.join(missing)}; its times count only the others",
            "if the recording has these clips, add them to the project, or to the folder given with <<clips>>",
        )


def told_length(clip: GatheredClip) -> tuple[int, Fraction]:
    """(frames, seconds) of a lost clip, as its import gave them; zeros if it gave none."""
    record = clip.clip
    if record.n_frames is None or record.duration_s is None:
        return 0, Fraction(0)
    return record.n_frames, Fraction(record.duration_s).limit_denominator(1_000_000)


# --- Locating ---------------------------------------------------------------------------------------------------------


def locate(found: Stage[FoundClip], findings: Findings, *, cut_overrun: bool = False) -> Stage[AnnotatedClip]:
    """The clips with every span on its frames; a span that lies outside its clip is a fault.

    Spans without a picture are left out and counted. Ends up to a second outside the clip are cut and counted. With
    `cut_overrun` ends further outside are cut, too, if a part of the span lies in the clip.
    """
    clips = []
    for clip in found.clips:
        works = tuple(
            Track(work.annotation, tuple(_located(clip, work, findings, cut_overrun=cut_overrun)), work.annotator)
            for work in clip.tracks
        )
        clips.append(AnnotatedClip(clip.clip, works, clip.path, clip.info, clip.case_frame, clip.case_time_s))
    return Stage(tuple(clips), found.lost)


def _located(clip: FoundClip, work: Track[Span], findings: Findings, *, cut_overrun: bool) -> Iterator[LocatedSpan]:
    index, where = clip.info.index, _where(clip.clip, work)
    for span in work.spans:
        place = f"{where}, region {span.region_id}"
        try:
            located = span.located(index, cut_overrun=cut_overrun)
        except OutsideClipError as error:
            findings.fault(place, str(error), "" if cut_overrun else OVERRUN_HINT)
            continue
        if located.start_frame == located.stop_frame:
            findings.leave_out(place, "spans that hold no picture")
            continue
        if (located.start_frame == 0 or located.stop_frame == index.n_frames) and span.basis.is_cut(index):
            findings.cut(place)
        yield located


def _where(clip: Clip, work: Track[Span]) -> str:
    task = f"task {clip.task_id}, " if clip.task_id is not None else ""
    annotation = f", annotation {number}" if (number := work.annotation.annotation_id) else ""
    return f"{task}clip {clip.clip_id}{annotation}"


# --- Faults, labels ---------------------------------------------------------------------------------------------------


OVERRUN_HINT = "<<cut_overrun=True>> cuts what overruns its clip to the clip's end, and counts it"
BAD_DATA = "bad data"
"""The reason that is given for faults that are left out on request."""
_MEND_HINT = "correct them at their source and export again"


def raise_faults(findings: Findings, what: str, *, skip_bad: bool) -> None:
    """Raise ExportError with every fault of `findings`; with `skip_bad` count them as left out instead."""
    if not findings.faults:
        return
    if skip_bad:
        for place, reason in findings.faults:
            findings.leave_out(f"{place}: {reason}", BAD_DATA)
        findings.faults.clear()
        return
    hints = list(dict.fromkeys(findings.hints.get(fault, _MEND_HINT) for fault in findings.faults))
    raise ExportError(
        f"{what}: {len(findings.faults)} faults" if len(findings.faults) > 1 else f"{what}: a fault",
        "; ".join([*hints, "<<skip_bad=True>> leaves them out and counts them"]),
        [f"{place}: {reason}" for place, reason in findings.faults],
    )


def nothing_counts(
    what: str, clips: Collection[object], sources: Sequence[Source], findings: Findings
) -> DataError:  # fmt: skip
    """The error for `clips` without an annotation that counts: `what` is its message, its hint a command."""
    chosen = [why for why in findings.left_out_counts() if why.startswith("annotations")]
    submitted = [why for why in chosen if why not in (f"annotations that are {kind}s" for kind in _NOT_SUBMITTED)]
    count = f"0 of {len(clips)} clips " + ("have an annotation that counts" if submitted else "submitted")
    if not clips:  # what was left out may be the reason, such as "observations of BORIS without a video"
        why = [f"left out {number} {reason}" for reason, number in findings.left_out_counts().items()]
        return DataError(
            f"{what}: no clip is annotated in " + (", ".join(source.name for source in sources) or "what was read"),
            "; ".join(why) or "it holds no annotation at all: export it again",
        )
    return DataError(
        f"{what}: {count}", f"see all annotations: lsvid export-spans --all {_as_arguments(sources)}".rstrip()
        + "; then choose with <<statuses>>, <<annotators>>, <<annotations>>",
    )  # fmt: skip


_NOT_SUBMITTED = (Status.DRAFT, Status.PREDICTION)


def _as_arguments(sources: Sequence[Source]) -> str:
    """`sources` as arguments of a command: a project by its id, files by their names."""
    words: list[str] = []
    for source in sources:
        project = re.fullmatch(r"https?://.*/projects/(\d+)", source.name)
        words += ["--project", project[1]] if project else [shlex.quote(source.name)]
    return " ".join(words)


def task_url(project_url: str | None, clip: Clip) -> str | None:
    """The address of the clip's task in Label Studio; None if the project or the task is not known."""
    known = project_url is not None and clip.task_id is not None
    return f"{str(project_url).rstrip('/')}/data?task={clip.task_id}" if known else None


def label_order(clips: Iterable[AnnotatedClip | GatheredClip], tree: LabelTree | None) -> list[tuple[str, ...]]:
    """Every label path: the tree's in its own order, then those that only occur in spans, in natural order."""
    paths = list(tree.paths()) if tree else []
    known = set(paths)
    seen = {span.label for clip in clips for work in clip.tracks for span in work.spans} - known
    return paths + sorted(seen, key=lambda path: [natural_key(name) for name in path])
