"""ELAN's .eaf (and .eaf.gz): annotations become spans; tiers below others, and tiers side by side, become levels.

An annotation's label is the path of values from its root tier down. Its parent annotation is the one that
ANNOTATION_REF names, or, for an annotation with times of its own, the one that holds these times. Time of a parent that
no labelled child covers keeps the parent's label.

A tier's name is kept if it says something: if tiers are side by side (two hands, two speakers), the name is a level of
the label, before the value; `ReadOptions.tier_names` changes this. On such a tier an annotation without a value means
the tier's name ("CHI speaks"). On any other tier such an annotation leaves its time to its parent, and is a fault if it
is on a root tier or has children with a value. `ReadOptions.tiers` selects tiers.

Times are whole milliseconds. Annotations without times of their own get equal parts of the time that they share, as
ELAN shows them: several that refer to one parent (Symbolic_Subdivision), and neighbours whose TIME_SLOTs have no
TIME_VALUE (Time_Subdivision). The annotator is the tier's ANNOTATOR, or that of the tier above it; PARTICIPANT is the
person in the film. The clip is the file's first video (or first media), or else the name of the .eaf; lsvid's files
name case and clip in properties. TIME_ORIGIN of the media is added, since ELAN counts from there; zero is the start of
the container.

The format: EAFv3.0.xsd, and 'EAF Annotation Format' by Han Sloetjes. lsvid writes .eaf files with pympi, but does not
read them with it: pympi 1.70.2 gives every part of a subdivision the whole time of its parent, gives parts without
TIME_VALUE no time, and keeps only one of two tiers with the same name.
"""

import re
import xml.etree.ElementTree as ET
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.texts import read_bytes
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import VIDEO_SUFFIXES

SOURCE = "elan"


_MAX_DEPTH = 64  # levels of tiers; ELAN's own corpora have up to five
_NOT_ASKED_FOR = "annotations on ELAN tiers that were not asked for"
_NO_VALUE = "ELAN annotations without a value, whose time stays that of the annotation above"


@dataclass(eq=False)
class _Tier:
    """A tier. `parent` is the tier above it; `above` is the nearest tier above it that is read."""

    name: str
    parent_name: str
    annotator: str
    participant: str
    marks: list["_Mark"] = field(default_factory=list)
    parent: "_Tier | None" = None
    depth: int = 0
    is_read: bool = True
    above: "_Tier | None" = None
    levels: tuple[str, ...] = ()  # the levels before the values of this tier


@dataclass(eq=False)
class _Mark:
    """An annotation. Its times, in whole milliseconds, come from its slots, or from the annotation it refers to."""

    tier: _Tier
    id: str
    value: str
    slots: tuple[str, str] | None
    refers_to: str = ""
    previous: str = ""
    start: int | None = None
    end: int | None = None
    parent: "_Mark | None" = None
    label: tuple[str, ...] = ()  # empty: not known yet, or a fault


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file begins as an .eaf does."""
    return b"<ANNOTATION_DOCUMENT" in head.replace(b"\0", b"")  # UTF-16 too


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of one file: a clip, an annotation for each annotator, and the spans."""
    root = _parse(path)
    media, origin_ms = _media(root, path, findings)
    known = {e.get("NAME"): e.text or "" for e in root.iterfind("HEADER/PROPERTY")}
    case, clip = (known.get("lsvid.case", ""), known.get("lsvid.clip", ""))
    if not (case and clip and options.rule is None):
        try:
            case, found, media = options.identify_beside(
                media or PurePosixPath(path.name.removesuffix(".gz")).stem, path
            )
        except ClipError as error:
            findings.fault(str(path), error.message, error.hint)
            return
        clip = clip or found
    yield Clip(case=case, clip=clip, media=media or clip)
    tiers = _linked(_tiers(root), path, findings)
    _set_times(root, tiers, path, findings)
    _set_parents(tiers, path, findings)
    _choose(tiers, options, is_own="lsvid.clip" in known, path=path, findings=findings)
    read_tiers = [tier for tier in tiers if tier.is_read]
    for tier in tiers:
        if not tier.is_read:
            for mark in tier.marks:
                findings.leave_out(_place(path, mark), _NOT_ASKED_FOR)
    for annotator in dict.fromkeys(options.annotator(tier.annotator) for tier in read_tiers):
        yield Annotation(
            case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE, annotation_id=""
        )
    _set_labels(read_tiers, path, findings)
    for mark, start_ms, end_ms, region in _stretches(read_tiers):
        yield Span(
            case=case, clip=clip, label=mark.label, annotator=options.annotator(mark.tier.annotator),
            status=Status.ACCEPTED, source=SOURCE, annotation_id="", region_id=region,
            basis=ContainerSeconds((start_ms + origin_ms) / 1000, (end_ms + origin_ms) / 1000),
        )  # fmt: skip


def _parse(path: Path) -> ET.Element:
    """The document. Raises ExportError."""
    try:
        root = ET.fromstring(read_bytes(path))  # noqa: S314 - a file of the user; expat stops entity bombs
    except (ET.ParseError, OSError) as error:
        raise ExportError(f"{path} is not whole XML: {error}", "open it in ELAN and save it again") from error
    except (LookupError, ValueError) as error:  # expat raises these for an encoding that it does not know
        raise ExportError(
            f"{path} is in an encoding that cannot be read: {error}", "open it in ELAN and save it again, as UTF-8"
        ) from error
    units = root.find("HEADER[@TIME_UNITS]")
    if units is not None and units.get("TIME_UNITS") != "milliseconds":
        raise ExportError(
            f"{path} counts time in {units.get('TIME_UNITS')}, not in milliseconds", "save it with a newer ELAN"
        )
    return root


def _media(root: ET.Element, path: Path, findings: Findings) -> tuple[str, int]:
    """(path or '', time origin in milliseconds) of the first video, or else the first media."""
    linked = [(_media_path(element, path), element) for element in root.iterfind("HEADER/MEDIA_DESCRIPTOR")]
    videos = [(media, element) for media, element in linked if _is_video(media, element)]
    if not linked:
        header = root.find("HEADER")
        return (header.get("MEDIA_FILE", "") if header is not None else ""), 0  # as ELAN 1 names it
    media, element = (videos or linked)[0]
    if len(videos) > 1:
        findings.warn(
            f"{path} links {len(videos)} videos: its labels are those of the first, {PurePosixPath(media).name}",
            "if they belong to another, make that the first in ELAN (Edit, Linked Files)",
        )
    origin = element.get("TIME_ORIGIN") or "0"
    if (origin_ms := _whole(origin)) is None:
        raise ExportError(
            f"{path}: TIME_ORIGIN {_short(origin)} of {PurePosixPath(media).name} is not whole milliseconds",
            "set the media's offset in ELAN again",
        )
    return media, origin_ms


def _media_path(element: ET.Element, path: Path) -> str:
    url = element.get("MEDIA_URL") or element.get("RELATIVE_MEDIA_URL") or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    media = unquote(parts.path) if parts.scheme == "file" else url
    is_below = "/" in media and not parts.scheme and not media.startswith("/")  # RELATIVE_MEDIA_URL: ./clip.mp4
    return str(path.absolute().parent / PurePosixPath(media)) if is_below else media


def _is_video(media: str, element: ET.Element) -> bool:
    return (element.get("MIME_TYPE") or "").startswith("video") or PurePosixPath(media).suffix.lower() in VIDEO_SUFFIXES


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text.strip()) else None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _place(path: Path, mark: _Mark) -> str:
    return f"{path}, tier {mark.tier.name}, annotation {mark.id}"


# Tiers


def _tiers(root: ET.Element) -> list[_Tier]:
    tiers = []
    for element in root.iterfind("TIER"):
        tier = _Tier(
            element.get("TIER_ID", ""), element.get("PARENT_REF", ""), element.get("ANNOTATOR") or "",
            (element.get("PARTICIPANT") or "").strip(),
        )  # fmt: skip
        for entry in element.iterfind("ANNOTATION/*"):
            name, value = entry.get("ANNOTATION_ID", ""), (entry.findtext("ANNOTATION_VALUE") or "").strip()
            slots = entry.get("TIME_SLOT_REF1", ""), entry.get("TIME_SLOT_REF2", "")
            mark = _Mark(tier, name, value, None if entry.tag == "REF_ANNOTATION" else slots)
            mark.refers_to, mark.previous = entry.get("ANNOTATION_REF", ""), entry.get("PREVIOUS_ANNOTATION", "")
            tier.marks.append(mark)
        tiers.append(tier)
    return tiers


def _linked(tiers: Sequence[_Tier], path: Path, findings: Findings) -> list[_Tier]:
    """The tiers that belong to a root tier, each after its parent; the others are faults."""
    by_name: dict[str, _Tier] = {}
    for tier in tiers:
        if tier.name in by_name:
            findings.warn(
                f"{path} has several tiers named {tier.name}; they are read as one", "give each its own name in ELAN"
            )
        by_name.setdefault(tier.name, tier)
    below: defaultdict[str, list[_Tier]] = defaultdict(list)
    for tier in tiers:
        below[tier.parent_name].append(tier)
    linked: dict[_Tier, None] = {}
    names: set[str] = set()  # tiers whose children are linked; children of two tiers with one name are linked once
    waiting = deque(below.pop("", []))
    while waiting:
        tier = waiting.popleft()
        linked[tier] = None
        tier.annotator = tier.annotator or (tier.parent.annotator if tier.parent else SOURCE)
        if tier.name in names:
            continue
        names.add(tier.name)
        for child in below.get(tier.name, []):
            child.parent, child.depth = tier, tier.depth + 1
            waiting.append(child)
    for tier in tiers:
        if tier not in linked:
            why = (
                "is below itself, by way of its parents" if tier.parent_name in by_name and _is_cyclic(tier, by_name)
                else f"is below tier {_short(tier.parent_name)}, which is not there"
                if tier.parent_name not in by_name else f"is below tier {tier.parent_name}, which has no root"
            )  # fmt: skip
            findings.fault(f"{path}, tier {tier.name}", f"{why}; it has {len(tier.marks)} annotations")
    deep = [tier for tier in linked if tier.depth >= _MAX_DEPTH]
    if deep:
        raise ExportError(
            f"{path}: tier {deep[0].name} lies more than {_MAX_DEPTH} tiers deep",
            "each tier is a level of the labels: are there really so many?",
        )
    return list(linked)


def _is_cyclic(tier: _Tier, by_name: Mapping[str, _Tier]) -> bool:
    seen: set[str] = set()
    at: _Tier | None = tier
    while at is not None and at.name not in seen:
        seen.add(at.name)
        at = by_name.get(at.parent_name)
        if at is tier:
            return True
    return False


def _choose(tiers: Sequence[_Tier], options: ReadOptions, *, is_own: bool, path: Path, findings: Findings) -> None:
    """Decide which tiers are read, and whether their names are levels of labels or annotators."""
    for tier in tiers:
        tier.is_read = not options.tiers or any(fnmatchcase(tier.name, pattern) for pattern in options.tiers)
    chosen = [tier for tier in tiers if tier.is_read]
    if tiers and not chosen:
        there = ", ".join(dict.fromkeys(tier.name for tier in tiers))
        findings.fault(str(path), f"none of its tiers is asked for; it has: {there}")
    beside: defaultdict[tuple[int, str], dict[str, None]] = defaultdict(dict)
    for tier in chosen:
        tier.above = tier.parent
        while tier.above is not None and not tier.above.is_read:
            tier.above = tier.above.parent
        if tier.marks or tier.name != "default":  # ELAN puts a tier "default" into every new file
            beside[_row(tier, options)][tier.name] = None
    for tier in chosen:
        if options.tier_names == "annotator":
            tier.annotator = tier.name if tier.above is None else tier.above.annotator
        if not (is_own and re.fullmatch(r"level_\d+(@.*)?( \(\d+\))?", tier.name, re.DOTALL)):
            tier.levels = _levels(tier, options, is_alone=len(beside[_row(tier, options)]) < 2)
        if tier.above is None and tier.levels and options.tier_names == "auto":
            findings.warn(
                "the names of ELAN tiers side by side are a level of their labels: "
                + ", ".join(beside[_row(tier, options)]),
                "if that is not wanted, choose other tiers, or another meaning of their names",
            )


def _levels(tier: _Tier, options: ReadOptions, *, is_alone: bool) -> tuple[str, ...]:
    """The levels before the tier's values, from its name and participant; is_alone: no tier is beside it."""
    is_root, wanted = tier.above is None, options.tier_names
    if wanted == "none" or (is_root and wanted == "annotator"):
        return ()
    if is_root and wanted == "participant" and tier.participant:
        return (tier.participant,) if is_alone else (tier.participant, tier.name)
    return () if is_alone and not (is_root and wanted == "level") else (tier.name,)


def _row(tier: _Tier, options: ReadOptions) -> tuple[int, str]:
    """A key that tiers side by side share: the tier above them, and the participant if that is a level."""
    by_participant = options.tier_names == "participant" and tier.above is None
    return id(tier.above), tier.participant if by_participant else ""


# Times


def _set_times(root: ET.Element, tiers: Iterable[_Tier], path: Path, findings: Findings) -> None:
    """Set start and end of every annotation, from the root tiers down; report and remove those that have no time."""
    slots = _slots(root, path, findings)
    by_id: dict[str, _Mark] = {}
    for tier in tiers:
        _fill_slots(tier, slots)
        for mark in tier.marks:
            if mark.slots is not None:
                mark.start, mark.end = slots.get(mark.slots[0]), slots.get(mark.slots[1])
            if mark.id in by_id:
                findings.fault(_place(path, mark), "its id is used twice, so it is not clear which one others refer to")
            by_id.setdefault(mark.id, mark)
        # An annotation refers only to annotations of the parent tier, whose times are set already.
        _divide_parents([mark for mark in tier.marks if mark.slots is None], by_id)
    for tier in tiers:
        faults = {mark: fault for mark in tier.marks if (fault := _time_fault(mark))}
        for mark, fault in faults.items():
            findings.fault(_place(path, mark), fault)
        tier.marks = [mark for mark in tier.marks if mark not in faults]


def _slots(root: ET.Element, path: Path, findings: Findings) -> dict[str, int]:
    """The milliseconds of each TIME_SLOT that has a TIME_VALUE, by its id."""
    slots: dict[str, int] = {}
    for element in root.iterfind("TIME_ORDER/TIME_SLOT"):
        name, value = element.get("TIME_SLOT_ID", ""), element.get("TIME_VALUE")
        if value is None:
            continue
        time_ms = _whole(value)
        if time_ms is None:
            findings.fault(f"{path}, time slot {name}", f"TIME_VALUE {_short(value)} is not whole milliseconds")
        else:
            slots[name] = time_ms
    return slots


def _time_fault(mark: _Mark) -> str:
    """What is wrong with the times of an annotation; '' if nothing is."""
    if mark.start is None or mark.end is None:
        if mark.slots is None:
            return f"refers to {mark.refers_to}, which has no time or is not there"
        return "has no time of its own in ELAN"
    return f"reversed: {mark.start / 1000} to {mark.end / 1000} s" if mark.end < mark.start else ""


def _fill_slots(tier: _Tier, slots: dict[str, int]) -> None:
    """Give times, at equal distances, to slots without one that lie between two slots with a time."""
    next_slot = {mark.slots[0]: mark.slots[1] for mark in tier.marks if mark.slots is not None}
    for first in [start for start, end in next_slot.items() if start in slots and end not in slots]:
        row: list[str] = []
        at = next_slot[first]
        while at not in slots and at in next_slot and len(row) < len(next_slot):
            row.append(at)
            at = next_slot[at]
        if at in slots:
            _spread([first, *row, at], slots)


def _spread(row: Sequence[str], slots: dict[str, int]) -> None:
    start, length = slots[row[0]], slots[row[-1]] - slots[row[0]]
    for number, slot in enumerate(row[1:-1], start=1):
        slots[slot] = start + length * number // (len(row) - 1)


def _divide_parents(marks: Sequence[_Mark], by_id: Mapping[str, _Mark]) -> None:
    """Set the times of annotations that refer to another: those that refer to the same one get equal parts of it."""
    rows: defaultdict[str, list[_Mark]] = defaultdict(list)
    for mark in marks:
        rows[mark.refers_to].append(mark)
    for name, row in rows.items():
        parent = by_id.get(name)
        if parent is None or parent.start is None or parent.end is None or parent.tier is row[0].tier:
            continue
        length = parent.end - parent.start
        for number, mark in enumerate(_in_order(row)):
            mark.parent = parent
            mark.start = parent.start + length * number // len(row)
            mark.end = parent.start + length * (number + 1) // len(row)


def _in_order(row: Sequence[_Mark]) -> list[_Mark]:
    """The annotations in the order of PREVIOUS_ANNOTATION, or in the order of the file if that chain is broken."""
    after = {mark.previous: mark for mark in row}
    chain: list[_Mark] = []
    at = after.get("")
    while at is not None and len(chain) < len(row):
        chain.append(at)
        at = after.get(at.id)
    return chain if len(chain) == len(row) else list(row)


def _set_parents(tiers: Iterable[_Tier], path: Path, findings: Findings) -> None:
    """Set the parent of annotations with times of their own: the one on the parent tier that shares most time.

    Annotations without a parent are reported as faults, and removed.
    """
    by_name: defaultdict[str, list[_Mark]] = defaultdict(list)
    for tier in tiers:
        by_name[tier.name] += tier.marks
    spans = {name: _Stretches(marks) for name, marks in by_name.items()}
    for tier in tiers:
        if tier.parent is None:
            continue
        kept = []
        for mark in tier.marks:
            if mark.slots is not None:
                mark.parent = spans[tier.parent.name].holding(mark)
            if mark.parent is None:
                findings.fault(_place(path, mark), f"lies in no annotation of its parent tier, {tier.parent.name}")
            elif mark.parent.tier.name != tier.parent.name:
                findings.fault(_place(path, mark), f"refers to {mark.refers_to}, which is not on {tier.parent.name}")
            else:
                kept.append(mark)
        tier.marks = kept


class _Stretches:
    """The annotations of a tier, in order of time."""

    def __init__(self, marks: Iterable[_Mark]) -> None:
        self._marks = sorted(marks, key=lambda mark: mark.start or 0)
        self._starts = [mark.start or 0 for mark in self._marks]
        self._latest: list[int] = []  # the latest end so far
        for mark in self._marks:
            self._latest.append(max(mark.end or 0, self._latest[-1] if self._latest else 0))

    def holding(self, mark: _Mark) -> _Mark | None:
        """The annotation that shares most time with `mark`; None if none does."""
        start, end = mark.start or 0, mark.end or 0
        best, most = None, 0 if start == end else 1
        number = bisect_left(self._starts, max(end, start + 1)) - 1
        while number >= 0 and self._latest[number] >= start:
            other = self._marks[number]
            shared = min(end, other.end or 0) - max(start, other.start or 0)
            if shared >= most:
                best, most = other, shared + 1
            number -= 1
        return best


# Labels


def _set_labels(tiers: Sequence[_Tier], path: Path, findings: Findings) -> None:
    """Set the label of every annotation, parents first.

    An annotation without a label is a fault if it is a root or has a child with a label; otherwise it marks nothing.
    """
    with_label_below: set[_Mark] = set()
    for tier in reversed(tiers):  # children first
        for mark in tier.marks:
            above = _above(mark)
            if above is not None and (mark in with_label_below or _own_label(mark)):
                with_label_below.add(above)
    for tier in tiers:
        for mark in tier.marks:
            own, above = _own_label(mark), _above(mark)
            if not own and (above is None or mark in with_label_below):
                findings.fault(_place(path, mark), "no label")
            elif not own:
                findings.leave_out(_place(path, mark), _NO_VALUE)
            elif above is not None and not above.label:
                findings.fault(_place(path, mark), f"lies below {above.id}, which has no label")
            else:
                mark.label = (*(above.label if above is not None else ()), *own)


def _own_label(mark: _Mark) -> tuple[str, ...]:
    return (*mark.tier.levels, *split_path(mark.value))


def _above(mark: _Mark) -> _Mark | None:
    """The nearest annotation above it on a tier that is read."""
    above = mark.parent
    while above is not None and not above.tier.is_read:
        above = above.parent
    return above


def _stretches(tiers: Sequence[_Tier]) -> Iterator[tuple[_Mark, int, int, str]]:
    """(annotation, start and end in milliseconds, id) for time that no child of the annotation covers."""
    below: defaultdict[_Mark, list[tuple[int, int]]] = defaultdict(list)
    for tier in tiers:
        for mark in tier.marks:
            above = _above(mark)
            if above is not None and mark.label:
                below[above].append((mark.start or 0, mark.end or 0))
    for tier in tiers:
        for mark in tier.marks:
            if mark.label:
                for number, (start, end) in enumerate(_uncovered(mark, below[mark]), start=1):
                    yield mark, start, end, mark.id if number == 1 else f"{mark.id}.{number}"


def _uncovered(mark: _Mark, others: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of `mark` that none of `others` covers; all of it if it has no length."""
    position, stop = mark.start or 0, mark.end or 0
    if position >= stop:
        yield position, stop
        return
    for start, end in sorted(others):
        if end <= position or start >= stop:
            continue
        if start > position:
            yield position, start
        position = max(position, end)
    if position < stop:
        yield position, stop
