"""LosslessCut: its projects (CLIP-proj.llc) and its CSV and TSV of segments; a segment's name is its label.

A project names its video; a table is named after its video (clip_1.mp4.csv). The video lies beside the file, or is
found by its name. Times are those of the player, from the start of the container. A segment without an end is a marker,
that is, a moment (see `ReadOptions.point_s`); in projects of version 1, and in the tables without a header of older
releases, it goes on to the end of the clip. LosslessCut writes seconds, clocks and frame numbers under the same header:
a table with only whole numbers may hold seconds or frames, so it is refused.

The format: mifi/lossless-cut, src/renderer/src/types.ts, edlStore.ts, edlFormats.ts (JSON5; its header is of 2026).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.texts import TextError, decode, first_line, read_bytes
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions, parse_seconds

SOURCE = "losslesscut"

_SUFFIXES = (".csv", ".tsv", ".txt")
_HEADER = ("start", "end", "name")
_TIME = re.compile(r"(?:\d{1,6}:){0,2}\d{1,9}(?:\.\d{1,12})?")
_MOST_BYTES = 10 << 20  # json5 is slow; a segment takes a hundred bytes
_HINT = "save it again in LosslessCut (File, Export project)"


class _CutSegment(msgspec.Struct):
    name: str = ""
    start: float | None = None
    end: float | None = None
    tags: dict[str, Any] | None = None


class _Project(msgspec.Struct):
    cutSegments: list[_CutSegment]  # noqa: N815 - LosslessCut's names
    version: int = 1
    mediaFileName: str | None = None  # noqa: N815


class _Segment(NamedTuple):
    place: str
    name: str
    start_s: float | None
    end_s: float | None


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is a project, or begins like a table of LosslessCut."""
    name = path.name.lower()
    if name.endswith(".llc"):
        return path.is_file()
    if not name.endswith(_SUFFIXES):
        return False
    cells = _cells(first_line(head))
    if tuple(cell.lower() for cell in cells[:3]) == _HEADER:
        return True
    times = [cell for cell in cells[:2] if cell]
    return len(cells) == 3 and bool(times) and all(map(_TIME.fullmatch, times)) and not _TIME.fullmatch(cells[2])


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of one file: a clip, an annotation, and a span for each segment."""
    try:
        text = decode(read_bytes(path)).text
    except (OSError, TextError) as error:
        raise ExportError(f"cannot read {path}: {error}", _HINT) from error
    is_project = path.name.lower().endswith(".llc")
    media, segments, is_open = _project(path, text, findings) if is_project else _table(path, text)
    try:
        case, clip, media = options.identify_beside(media, path)
    except ClipError as error:
        findings.fault(str(path), error.message, error.hint)
        return
    annotator = options.annotator(SOURCE)
    yield Clip(case=case, clip=clip, media=media)
    yield Annotation(case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE, annotation_id="")
    markers = ends = 0
    for number, segment in enumerate(segments, start=1):
        start_s, end_s = segment.start_s or 0.0, segment.end_s
        if end_s is None and not is_open:
            markers += 1
            end_s = start_s + (options.point_s or 0.0)
        ends += end_s is None
        basis = ContainerSeconds(start_s, end_s)
        label = split_path(segment.name.strip())
        fault = basis.fault() if label else "no name, so no label"
        if fault:
            findings.fault(segment.place, fault)
            continue
        yield Span(
            case=case, clip=clip, label=label, annotator=annotator, status=Status.ACCEPTED, source=SOURCE,
            annotation_id="", region_id=f"segment {number}", basis=basis,
        )  # fmt: skip
    if markers and options.point_s is None:
        findings.warn(
            f"{path}: {markers} markers: a moment labels no picture",
            "say how long one lasts (<<point_s=S>>) to make spans of them",
        )
    if ends:
        findings.warn(f"{path}: {ends} segments without an end are read as reaching to the end of the clip")


def _project(path: Path, text: str, findings: Findings) -> tuple[str, Iterable[_Segment], bool]:
    """(media, segments, whether a segment without an end goes on to the end of the clip)."""
    import json5  # noqa: PLC0415 - only this format needs it

    if len(text) > _MOST_BYTES:
        raise ExportError(f"{path} is {len(text) >> 20} MB long, too long for a project of LosslessCut", _HINT)
    try:
        project = msgspec.convert(json5.loads(text), _Project)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ExportError(f"{path} is not a whole project of LosslessCut: {str(error)[:200]}", _HINT) from error
    if any(segment.tags for segment in project.cutSegments):
        findings.warn(f"{path}: the tags of its segments are not read, only their names")
    places = (f"{path}, segment {number}" for number in range(1, len(project.cutSegments) + 1))
    segments = [
        _Segment(place, one.name, one.start, one.end) for place, one in zip(places, project.cutSegments, strict=True)
    ]
    return project.mediaFileName or _media_of(path), segments, project.version < 2


def _media_of(path: Path) -> str:
    """The video after which a file is named: clip_1.mp4.csv, clip_1-proj.llc, clip_1-llc-edl.csv."""
    name = re.sub(r"\.(llc|csv|tsv|txt)$", "", path.name, flags=re.IGNORECASE)
    return re.sub(r"(-proj|-llc-edl)$", "", name)


def _table(path: Path, text: str) -> tuple[str, Iterable[_Segment], bool]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first))
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise ExportError(f"{path}:{reader.line_num}: {error}", _HINT) from error
    has_header = tuple(cell.lower() for cell in rows[0][1][:3]) == _HEADER
    segments, faults = [], []
    for number, cells in rows[has_header:]:
        start, end, name = (*cells, "", "", "")[:3]
        try:
            times = [parse_seconds(cell) if cell else None for cell in (start, end)]
        except ValueError:
            faults.append(f"{path}:{number}: start {start[:40]!r}, end {end[:40]!r}: no such times")
            continue
        segments.append(_Segment(f"{path}:{number}", name, *times))
    if faults:
        raise ExportError(f"{path} has times that cannot be read:", _HINT, faults)
    written = [cell for _, cells in rows[has_header:] for cell in cells[:2] if cell]
    if written and all(cell.isdecimal() for cell in written):
        raise ExportError(
            f"{path} holds whole numbers only, which may be seconds or frames: LosslessCut writes both in the same way",
            "export it as CSV with clock times (HH:MM:SS.mmm), or name the project file (-proj.llc)",
        )
    return _media_of(path), segments, not has_header


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=_delimiter(line)), [])]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return max(",\t", key=line.count)
