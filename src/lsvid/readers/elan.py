"""ELAN's .eaf: annotations of tiers without a parent are labels, those of child tiers their sub labels.

An annotation's label is the path of values from its root tier down; the time of a parent that no child covers stays the
parent's own. Times are whole milliseconds. A tier's ANNOTATOR is the annotator. The clip is the file's first video (or
first media), or else the .eaf's own name; lsvid's files name case and clip in properties. TIME_ORIGIN of the media is
added, since ELAN counts from there.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions

SOURCE = "elan"


class _Mark(NamedTuple):
    """An annotation: its tier's name, its times in milliseconds, its value."""

    tier: str
    id: str
    start: int
    end: int
    value: str


_Labelled = tuple[tuple[str, ...], _Mark]


@dataclass
class _Tier:
    name: str
    parent: str | None
    annotator: str
    marks: list[_Mark] = field(default_factory=list)
    children: list["_Tier"] = field(default_factory=list)


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file begins as ELAN's do."""
    return b"<ANNOTATION_DOCUMENT" in head


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of one file: a clip, an annotation for each annotator, and the spans."""
    try:
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - the annotator's own file; expat stops entity bombs
    except (ET.ParseError, OSError) as error:
        raise ExportError(f"{path} is not whole XML: {error}", "open it in ELAN and save it again") from error
    media, origin_ms = _media(root)
    known = {e.get("NAME"): e.text or "" for e in root.iterfind("HEADER/PROPERTY")}
    clip = known.get("lsvid.clip") or PurePosixPath(media or path.stem).stem
    try:
        case = known.get("lsvid.case") if options.rule is None else None
        case = case or options.case_of(media if "/" in media else str(path.absolute()))
    except ClipError as error:
        findings.fault(str(path), error.message)
        return
    yield Clip(case=case, clip=clip, media=media or clip)
    told: set[str] = set()
    for tier in _tiers(root, path, findings):
        annotator = options.annotator(tier.annotator or SOURCE)
        if annotator not in told:
            told.add(annotator)
            yield Annotation(
                case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE, annotation_id=""
            )
        for label, mark in _labelled(tier):
            place = f"{path}, tier {mark.tier}, annotation {mark.id}"
            basis = Seconds((mark.start + origin_ms) / 1000, (mark.end + origin_ms) / 1000)
            fault = basis.fault() if label else "no label"
            if fault:
                findings.fault(place, fault)
                continue
            yield Span(
                case=case, clip=clip, label=label, annotator=annotator, status=Status.ACCEPTED, source=SOURCE,
                annotation_id="", region_id=mark.id, basis=basis,
            )  # fmt: skip


def _media(root: ET.Element) -> tuple[str, int]:
    """(path or '', time origin in milliseconds) of the first video, or else the first media."""
    linked = list(root.iterfind("HEADER/MEDIA_DESCRIPTOR"))
    linked.sort(key=lambda e: not str(e.get("MIME_TYPE")).startswith("video"))
    if not linked:
        return "", 0
    url = linked[0].get("MEDIA_URL") or linked[0].get("RELATIVE_MEDIA_URL") or ""
    parts = urlsplit(url)
    path = unquote(parts.path) if parts.scheme == "file" else url
    return path, int(linked[0].get("TIME_ORIGIN") or 0)


def _tiers(root: ET.Element, path: Path, findings: Findings) -> list[_Tier]:
    """The tiers without a parent, each with its children."""
    slots = {e.get("TIME_SLOT_ID"): e.get("TIME_VALUE") for e in root.iterfind("TIME_ORDER/TIME_SLOT")}
    tiers: dict[str, _Tier] = {}
    times: dict[str, tuple[int, int]] = {}
    refers: list[tuple[_Tier, ET.Element, str]] = []
    for element in root.iterfind("TIER"):
        tier = _Tier(element.get("TIER_ID", ""), element.get("PARENT_REF"), element.get("ANNOTATOR") or "")
        tiers[tier.name] = tier
        for entry in element.iterfind("ANNOTATION/*"):
            name, value = entry.get("ANNOTATION_ID", ""), (entry.findtext("ANNOTATION_VALUE") or "").strip()
            if entry.tag == "REF_ANNOTATION":
                refers.append((tier, entry, value))
                continue
            start, end = slots.get(entry.get("TIME_SLOT_REF1")), slots.get(entry.get("TIME_SLOT_REF2"))
            if start is None or end is None:
                findings.fault(f"{path}, tier {tier.name}, annotation {name}", "has no time of its own in ELAN")
                continue
            times[name] = (int(start), int(end))
            tier.marks.append(_Mark(tier.name, name, *times[name], value))
    waiting = len(refers) + 1
    while refers and len(refers) < waiting:  # one may refer to another: as many rounds as that goes deep
        waiting, still = len(refers), []
        for tier, entry, value in refers:
            target = times.get(entry.get("ANNOTATION_REF", ""))
            if target is None:
                still.append((tier, entry, value))
                continue
            name = entry.get("ANNOTATION_ID", "")
            times[name] = target
            tier.marks.append(_Mark(tier.name, name, *target, value))
        refers = still
    for tier, entry, _ in refers:
        place = f"{path}, tier {tier.name}, annotation {entry.get('ANNOTATION_ID')}"
        findings.fault(place, f"refers to {entry.get('ANNOTATION_REF')}, which has no time or is not there")
    roots: list[_Tier] = []
    for tier in tiers.values():
        parent = tiers.get(tier.parent or "")
        (roots if parent is None else parent.children).append(tier)
    return roots


def _labelled(tier: _Tier, above: Sequence[_Labelled] = ()) -> Iterator[_Labelled]:
    """The label path and the stretch of every annotation of `tier` and below."""
    own: list[_Labelled] = []
    for mark in tier.marks:
        names = split_path(mark.value)
        parent = max(above, key=lambda item: _shared(item[1], mark), default=None)
        has_parent = parent is not None and _shared(parent[1], mark) > 0
        own.append(((parent[0] if parent is not None and has_parent else ()) + names if names else (), mark))
    below = [mark for child in tier.children for mark in child.marks]
    for label, mark in own:
        for number, (start, end) in enumerate(_uncovered(mark, below), start=1):
            yield label, mark._replace(start=start, end=end, id=mark.id if number == 1 else f"{mark.id}.{number}")
    for child in tier.children:
        yield from _labelled(child, own)


def _shared(a: _Mark, b: _Mark) -> int:
    return min(a.end, b.end) - max(a.start, b.start)


def _uncovered(mark: _Mark, others: list[_Mark]) -> Iterator[tuple[int, int]]:
    """What of `mark` no other covers; all of it, where it has no length."""
    position = mark.start
    if mark.start >= mark.end:
        yield mark.start, mark.end
        return
    for other in sorted(others, key=lambda o: o.start):
        if other.end <= position or other.start >= mark.end:
            continue
        if other.start > position:
            yield position, other.start
        position = max(position, other.end)
    if position < mark.end:
        yield position, mark.end
