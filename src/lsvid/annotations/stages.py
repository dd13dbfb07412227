"""The records of one or more exports, put together by clip: which annotations count, in which file, on which frames."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lsvid.annotations.spans import Annotation, Clip, Proxy, Record, Span, Status
from lsvid.errors import ClipError, ExportError, SettingsError
from lsvid.files.names import readable
from lsvid.findings import Findings
from lsvid.labels.tree import LabelTree
from lsvid.video.clips import CaseRule, ClipFinder, find_clips, missing_numbers, natural_key
from lsvid.video.index import VideoInfo, probe_all
from lsvid.video.timebase import FrameIndex, OutsideClipError, PackedFrameIndex

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers

ANNOTATION_CHOICES = ("latest", "first", "ground-truth", "all")

_SUBMITTED = frozenset({Status.ACCEPTED, Status.REJECTED, Status.IGNORED, Status.SKIPPED})


@dataclass
class Work:
    """One annotation and its spans. `annotator` tells it from the others of its clip."""

    annotation: Annotation
    spans: list[Span] = field(default_factory=list)
    annotator: str = ""

    @classmethod
    def nobody(cls) -> "Work":
        """What stands for a clip that has no annotation."""
        return cls(Annotation(case="", clip="", annotator="", status=Status.ACCEPTED, source="", annotation_id=""))


@dataclass
class AnnotatedClip:
    """A clip, what people said of it, and (once it is found) its file.

    case_frame, case_time_s: where its first picture lies in its case, counting every clip of the case.
    """

    clip: Clip
    works: list[Work] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    path: str | None = None
    info: VideoInfo | None = None
    case_frame: int = 0
    case_time_s: Fraction = Fraction(0)

    @property
    def id(self) -> str:
        """`case/clip`."""
        return self.clip.clip_id


@dataclass(frozen=True)
class Selection:
    """Which annotations count: of several by one annotator, of which status, and (None: all) by whom."""

    annotations: str = "latest"
    statuses: frozenset[Status] = frozenset({Status.ACCEPTED})
    annotators: frozenset[str] | None = None


def gather(records: Iterable[Record], findings: Findings) -> list[AnnotatedClip]:
    """The clips of `records` with all their annotations, by case, then place in the case.

    A span that names no annotation of its clip gets one of its own.
    """
    clips: dict[str, AnnotatedClip] = {}
    works: dict[tuple[str, str, str, Status], Work] = {}
    for record in records:
        if isinstance(record, Clip):
            known = clips.get(record.clip_id)
            if known is None:
                known = clips[record.clip_id] = AnnotatedClip(record)
            elif record.fingerprint and known.clip.fingerprint not in (None, record.fingerprint):
                findings.fault(
                    f"clip {record.clip_id}", f"two different videos have this id: {known.clip.media}, {record.media}"
                )
            elif record.fingerprint and known.clip.fingerprint is None:
                known.clip = record  # an import tells more of a clip than an export from elsewhere
            if record.media not in known.media:
                known.media.append(record.media)
            continue
        clip = clips.get(record.clip_id)
        if clip is None:
            findings.fault(f"clip {record.clip_id}", "is annotated, but the export holds no record of the clip itself")
            clip = clips[record.clip_id] = AnnotatedClip(Clip(case=record.case, clip=record.clip, media=record.clip))
        key = (record.clip_id, record.annotation_id, record.annotator, record.status)
        work = works.get(key)
        if work is None:
            annotation = record if isinstance(record, Annotation) else _annotation_of(record)
            work = works[key] = Work(annotation)
            clip.works.append(work)
        if isinstance(record, Span):
            work.spans.append(record)
    return sorted(clips.values(), key=_place)


def select(clips: Iterable[AnnotatedClip], selection: Selection, findings: Findings) -> None:
    """Keep only the annotations that count; the others are reported as left out."""
    for clip in clips:
        candidates = [w for w in clip.works if _asked_for(w, selection)]
        kept = []
        for group in _by_annotator(candidates).values():
            chosen = _choose(group, selection.annotations)
            kept += [w for w in chosen if w.annotation.status in selection.statuses]
            for work in chosen:
                if work.annotation.status not in selection.statuses:
                    findings.leave_out(_where(clip, work), f"annotations that are {work.annotation.status}")
            for work in group:
                if work not in chosen:
                    findings.leave_out(
                        _where(clip, work), f"annotations other than the {selection.annotations} of an annotator"
                    )
        for work in clip.works:
            if work not in candidates:
                why = f"annotations that are {work.annotation.status}s"
                if selection.annotators is not None and work.annotation.annotator not in selection.annotators:
                    why = "annotations by annotators not asked for"
                findings.leave_out(_where(clip, work), why)
        kept = _named(kept, join_parts=selection.annotations != "all")
        clip.works = sorted(kept, key=lambda w: natural_key(w.annotator))


def find_files(
    clips: list[AnnotatedClip],
    roots: Sequence[str],
    rule: CaseRule | None,
    findings: Findings,
    on_probed: Callable[[int, int], None] | None = None,
    workers: "Workers | None" = None,
) -> None:
    """Find each clip's file under `roots` (none: where the export says), and read its frame index.

    Adds the unannotated clips of the same cases that lie under `roots`, since a case's time counts every one, and sets
    where each clip lies in its case. What cannot be found or read is a fault.
    """
    finder = ClipFinder(roots)
    for clip in clips:
        _find(clip, finder, findings)
    _add_siblings(clips, roots, rule, findings)
    with_file = [clip for clip in clips if clip.path is not None]
    total = len(with_file)
    on_done = (lambda done: on_probed(done, total)) if on_probed else None
    infos = probe_all([str(clip.path) for clip in with_file], on_done, workers)
    for clip, info in zip(with_file, infos, strict=True):
        if isinstance(info, ClipError):
            findings.fault(f"clip {clip.id}", info.message)
        elif clip.clip.proxy is not None and info.fingerprint == clip.clip.proxy.fingerprint:
            clip.info = info  # the same frames at the same times
            findings.warn(
                f"the original of clip {clip.id} is not on this machine: read from its proxy, {clip.path}",
                "labels are the same; for pictures at full quality name the originals' folder: --clips DIR",
            )
        elif clip.clip.fingerprint not in (None, info.fingerprint):
            findings.fault(f"clip {clip.id}", f"{clip.path} is not the video that was imported: its content differs")
        else:
            clip.info = _as_played(info, clip.clip.proxy)
            if clip.clip.n_frames not in (None, info.index.n_frames):
                findings.warn(
                    f"clip {clip.id}: its annotations count {clip.clip.n_frames} frames, {clip.path} has "
                    f"{info.index.n_frames}",
                    "check that they were made on this very file: a copy at another rate shifts every label",
                )
            rate = info.index.rate
            clip.clip.n_frames, clip.clip.rate = info.index.n_frames, None if rate is None else str(rate)
            clip.clip.duration_s, clip.clip.fingerprint = float(info.index.length_s), info.fingerprint
    for members in _by_case(clips).values():
        _place_in_case(members, findings)


def _as_played(info: VideoInfo, proxy: Proxy | None) -> VideoInfo:
    """`info` of an original with the duration that players reported: the editor's last number follows from it."""
    if proxy is None:
        return info
    duration_s = Fraction(proxy.duration_s).limit_denominator(1_000_000)
    index = info.index
    played = FrameIndex(index.pts, index.time_base, index.last_duration, duration_s, index.container_start_s)
    return replace(info, index=PackedFrameIndex.of(played))


def _find_original(media: str, proxy: Proxy, finder: ClipFinder) -> str | None:
    """The original `media` of a clip that was annotated on `proxy`; else the proxy; None where neither is found."""

    def find(name: str) -> str | None:
        try:
            return finder.find(name)
        except ClipError:
            return None

    found, copy = find(media), find(proxy.path)
    if found is not None and found != copy:
        return found
    # What lies at the end of the same path below the folder of the proxies is the proxy.
    return media if Path(media).is_file() else copy


def _find(clip: AnnotatedClip, finder: ClipFinder, findings: Findings) -> None:
    if clip.clip.proxy is not None:
        clip.path = _find_original(clip.clip.media, clip.clip.proxy, finder)
        if clip.path is not None:
            return
    found: dict[str, None] = {}
    for media in clip.media:
        try:
            found[finder.find(media)] = None
        except ClipError as error:
            findings.fault(f"clip {clip.id}", error.message)
    if len(found) > 1:
        findings.fault(f"clip {clip.id}", f"two files have this id: {', '.join(found)}")
    elif found:
        clip.path = next(iter(found))


def _place_in_case(members: Sequence[AnnotatedClip], findings: Findings) -> None:
    frames, time_s = 0, Fraction(0)
    for clip in members:
        clip.case_frame, clip.case_time_s = frames, time_s
        if clip.info is not None:
            frames, time_s = frames + clip.info.index.n_frames, time_s + clip.info.index.length_s
        elif clip.clip.n_frames is not None and clip.clip.duration_s is not None:  # left out, but its import told these
            frames += clip.clip.n_frames
            time_s += Fraction(clip.clip.duration_s).limit_denominator(1_000_000)
    missing = missing_numbers([clip.clip.clip for clip in members])
    if missing:
        findings.warn(
            f"case {members[0].clip.case}: no clip numbered {', '.join(missing)}; its times count the clips there are",
            "if the recording has them, add them: to the project, or to the folder given with --clips",
        )


def locate(clips: Iterable[AnnotatedClip], findings: Findings) -> None:
    """Compute the frames of every span whose clip has been found; a span that lies outside its clip is a fault.

    Spans that hold no picture are reported as left out, and dropped; ends up to a second outside the clip are cut and
    counted.
    """
    for clip in clips:
        if clip.info is None:
            continue
        index = clip.info.index
        n_frames = index.n_frames
        for work in clip.works:
            kept, where = [], _where(clip, work)
            for span in work.spans:
                place = f"{where}, region {span.region_id}"
                try:
                    span.locate(index)
                except OutsideClipError as error:
                    findings.fault(place, str(error))
                    continue
                if span.start_frame == span.stop_frame:
                    findings.leave_out(place, "spans that hold no picture")
                    continue
                if span.stop_frame == n_frames and span.basis.is_cut(index):
                    findings.cut(place)
                kept.append(span)
            work.spans = kept


def raise_faults(findings: Findings, what: str, *, skip_bad: bool) -> None:
    """Raise ExportError with every fault of `findings`; with `skip_bad` count them as left out instead."""
    if not findings.faults:
        return
    if skip_bad:
        for place, reason in findings.faults:
            findings.leave_out(f"{place}: {reason}", "bad data")
        findings.faults.clear()
        return
    raise ExportError(
        f"{what}: {len(findings.faults)} faults" if len(findings.faults) > 1 else f"{what}: a fault",
        "mend them at their source and export again; --skip-bad leaves them out and counts them",
        [f"{place}: {reason}" for place, reason in findings.faults],
    )


def label_order(clips: Iterable[AnnotatedClip], tree: LabelTree | None) -> list[tuple[str, ...]]:
    """Every label path: the tree's in its own order, then those that only occur in spans, in natural order."""
    paths = list(tree.paths()) if tree else []
    known = set(paths)
    seen = {span.label for clip in clips for work in clip.works for span in work.spans} - known
    return paths + sorted(seen, key=lambda path: [natural_key(name) for name in path])


def _annotation_of(span: Span) -> Annotation:
    return Annotation(
        case=span.case, clip=span.clip, annotator=span.annotator, status=span.status, source=span.source,
        annotation_id=span.annotation_id, score=span.score,
    )  # fmt: skip


def _place(clip: AnnotatedClip) -> tuple[object, ...]:
    order = clip.clip.order
    return (natural_key(clip.clip.case), order is None, order or 0.0, natural_key(clip.clip.clip))


def _by_case(clips: Iterable[AnnotatedClip]) -> dict[str, list[AnnotatedClip]]:
    cases: dict[str, list[AnnotatedClip]] = {}
    for clip in clips:
        cases.setdefault(clip.clip.case, []).append(clip)
    return cases


def _add_siblings(clips: list[AnnotatedClip], roots: Sequence[str], rule: CaseRule | None, findings: Findings) -> None:
    """The other clips of cases that the export tells by folder; an import by lsvid has listed all of them itself."""
    by_folder = {clip.clip.case for clip in clips if clip.clip.order is None}
    if not by_folder or not roots:
        return
    known = {clip.path for clip in clips}
    by_id = {clip.id: clip for clip in clips if clip.path is not None}
    for file in find_clips(list(roots), rule or CaseRule()):
        if file.case not in by_folder or file.path in known:
            continue
        if file.id in by_id:
            findings.fault(f"clip {file.id}", f"two files have this id: {by_id[file.id].path}, {file.path}")
        else:
            clip = Clip(case=file.case, clip=file.name, media=readable(file.path))
            clips.append(AnnotatedClip(clip, media=[file.path], path=file.path))
    clips.sort(key=_place)


def _where(clip: AnnotatedClip, work: Work) -> str:
    task = f"task {clip.clip.task_id}, " if clip.clip.task_id is not None else ""
    return f"{task}clip {clip.id}, annotation {work.annotation.annotation_id}"


def _asked_for(work: Work, selection: Selection) -> bool:
    status = work.annotation.status
    if selection.annotators is not None and work.annotation.annotator not in selection.annotators:
        return False
    return status in selection.statuses or status in _SUBMITTED


def _by_annotator(works: Iterable[Work]) -> dict[tuple[str, str, str], list[Work]]:
    """Drafts and predictions stand beside what was submitted: they do not replace it. Nor do parts of a clip."""
    groups: dict[tuple[str, str, str], list[Work]] = {}
    for work in works:
        status, part = work.annotation.status, work.annotation.part
        kind = "submitted" if status in _SUBMITTED else str(status)
        groups.setdefault((work.annotation.annotator, kind, part), []).append(work)
    return groups


def _join_parts(works: Iterable[Work]) -> list[Work]:
    """`works`, where those that cover parts of a clip, by one annotator and of one status, have become one."""
    joined: dict[tuple[str, Status], Work] = {}
    whole = []
    for work in works:
        annotation = work.annotation
        if not annotation.part:
            whole.append(work)
            continue
        one = joined.setdefault(
            (annotation.annotator, annotation.status), Work(msgspec.structs.replace(annotation, part=""))
        )
        for span in work.spans:
            span.annotation_id = one.annotation.annotation_id
        one.spans += work.spans
    return whole + list(joined.values())


def _choose(group: Sequence[Work], which: str) -> list[Work]:
    if which == "all":
        return list(group)
    if which == "ground-truth":
        return [work for work in group if work.annotation.ground_truth]
    ordered = sorted(group, key=lambda work: (work.annotation.updated_at, natural_key(work.annotation.annotation_id)))
    return [ordered[0] if which == "first" else ordered[-1]]


def _named(works: Collection[Work], *, join_parts: bool) -> list[Work]:
    """The works, each with a name of its own: the annotator's, with what tells it apart where one has several."""
    works = _join_parts(works) if join_parts else list(works)
    for work in works:
        annotation = work.annotation
        alike = [other.annotation for other in works if other.annotation.annotator == annotation.annotator]
        work.annotator = annotation.annotator
        if len(alike) > 1:
            tag = str(annotation.status) if annotation.status not in _SUBMITTED else annotation.annotation_id
            work.annotator = f"{annotation.annotator} #{tag}"
    return works


def check_selection(selection: Selection) -> None:
    """Raise SettingsError where `annotations` is none of ANNOTATION_CHOICES."""
    if selection.annotations not in ANNOTATION_CHOICES:
        raise SettingsError(f"annotations {selection.annotations!r}: choose from {', '.join(ANNOTATION_CHOICES)}")
