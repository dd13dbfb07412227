"""A table of segments: lsvid's own (`--format segments`), or anybody's: CSV, TSV, or with semicolons, with a header.

It needs these columns, by these names in upper or lower case, or by another of the names listed in this module:
- clip (path, video, media, file …): the clip. For a bare name, the place where the file is found tells the case;
- label (action, behavior, …), or level_1, level_2 and so on. `label` is the path from the root, as
  labels.tree.split_path reads it;
- start_frame and stop_frame (from 0, half-open); or start_s and end_s (start and end, onset and offset …): seconds, or
  a clock's HH:MM:SS.mmm; or start_ms and end_ms: as desktop programs count them, from the start of the container.
  If there are frames and seconds, frames are taken. Decimal commas are read too.
Optional columns: case, annotator (or rater, observer), region. Other columns are ignored.

Text is UTF-8, or UTF-16 with a byte order mark; other text is read as Windows-1252, with a warning.
`clips.csv` beside it, which lsvid writes, names the clips in which nothing is labelled.

EPIC-KITCHENS' tables have a column `narration_id`. Their frames count from 1, at a rate of their own; so their
timestamps (in centiseconds) are read instead (epic-kitchens/epic-kitchens-100-annotations, README).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lsvid.annotations.spans import Annotation, Basis, Clip, ContainerSeconds, Frames, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.paths import split_suffix
from lsvid.files.texts import TextError, decode, first_line, read_bytes
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions, parse_seconds
from lsvid.video.clips import VIDEO_SUFFIXES
from lsvid.video.lookup import clip_name, media_path
from lsvid.video.timebase import CENTISECONDS_TOLERANCE, SECONDS_TOLERANCE

SOURCE = "segments"

_MEDIA = (
    "path", "video", "media", "file", "filename", "clip", "file_name", "video_path", "video_file", "video_name",
    "media_file", "media_file_name", "clip_name", "clip_path", "video_id",
)  # fmt: skip
_LABEL = (
    "label", "labels", "action", "activity", "behavior", "behaviour", "annotation", "class", "event", "phase", "step",
    "gesture", "tag", "name", "category", "value", "narration",
)  # fmt: skip
_ANNOTATOR = ("annotator", "rater", "coder", "observer")
_FRAMES = (("start_frame", "stop_frame"),)
_SECONDS = (
    ("start_s", "end_s"), ("start_s", "stop_s"), ("start_time", "end_time"), ("start_time", "stop_time"),
    ("start_timestamp", "stop_timestamp"), ("start_timestamp", "end_timestamp"), ("start", "end"), ("start", "stop"),
    ("begin", "end"), ("begin_time", "end_time"), ("onset", "offset"), ("start_sec", "end_sec"),
    ("start_seconds", "end_seconds"), ("from", "to"),
)  # fmt: skip
_MILLISECONDS = (("start_ms", "end_ms"), ("onset_ms", "offset_ms"), ("start_ms", "stop_ms"))

_NEEDS = (
    "it needs a clip (clip, path, video, file …), a label (label, action, behavior …, or level_1, level_2 …), and "
    "start_frame with stop_frame (from 0, the second not included), start_s with end_s, or start_ms with end_ms"
)
_EPIC = "narration_id"
_LABEL_STUDIO = {"annotation_id", "annotator", "lead_time"}


@dataclass(frozen=True)
class _Columns:
    """The columns that are used: those of the clip, the label's (or one a level), and the times."""

    clips: Sequence[str]
    label: str
    levels: Sequence[str]
    times: Sequence[tuple[str, str, str]]  # start, stop, kind
    is_epic: bool

    @classmethod
    def of(cls, header: Sequence[str]) -> "_Columns":
        """The columns in `header`."""
        is_epic = _EPIC in header
        kinds = (("frames", () if is_epic else _FRAMES), ("seconds", _SECONDS), ("milliseconds", _MILLISECONDS))
        times = [(*pair, kind) for kind, pairs in kinds for pair in pairs if {*pair} <= {*header}]
        levels = sorted(
            (name for name in header if re.fullmatch(r"level_\d{1,3}", name)), key=lambda name: int(name[6:])
        )
        label = next((name for name in _LABEL if name in header), "")
        return cls([name for name in _MEDIA if name in header], label, levels, times, is_epic)

    @property
    def read(self) -> list[str]:
        """The names of all of them."""
        return [
            *self.clips,
            self.label,
            *self.levels,
            *(name for start, stop, _ in self.times for name in (start, stop)),
        ]

    def missing(self) -> list[str]:
        """What the table lacks, in words for people."""
        there = {"a clip": self.clips, "a label": self.label or self.levels, "the times": self.times}
        return [what for what, columns in there.items() if not columns]


class _Place(NamedTuple):
    """The clip of a row, and its annotator."""

    case: str
    clip: str
    media: str
    annotator: str


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file begins with the header of such a table. A file named .csv, .tsv or .txt may lack one thing."""
    is_named_so = Path(path.name.lower().removesuffix(".gz")).suffix in (".csv", ".tsv", ".txt")
    line = first_line(head)
    try:
        header = _names(next(csv.reader([line], delimiter=_delimiter(line)), []))
    except csv.Error:
        return False
    if _LABEL_STUDIO.issubset(header):  # it may have a column `label`, but its rows are annotations, not segments
        return False
    return len(header) > 1 and len(_Columns.of(header).missing()) <= is_named_so


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every row, and of the clips in `clips.csv` beside it."""
    seen: set[_Place] = set()
    clips_file = path.with_name("clips.csv")
    paths: dict[tuple[str, str], str] = {}
    if clips_file.is_file() and clips_file != path:
        header, rows = _table(clips_file, findings)
        if {"case", "clip", "path"} <= {*header}:  # another program may use this name for something else
            for number, row in rows:
                place = _place(row, header, options, f"{clips_file}:{number}", findings, {})
                if place is not None:
                    paths[place.case, place.clip] = place.media
                    yield from _first_time(place, seen, annotated=bool(_first(row, _ANNOTATOR)))
    header, rows = _table(path, findings)
    columns = _Columns.of(header)
    _check(columns, header, path)
    whole = columns.times[0][:2] in (("start", "end"), ("start", "stop"), ("from", "to"))
    for number, row in rows:
        where = f"{path}:{number}"
        place = _place(row, columns.clips, options, where, findings, paths)
        if place is None:
            continue
        yield from _first_time(place, seen)
        basis = _basis(row, columns)
        levels = tuple(row[name] for name in columns.levels if row.get(name))
        label = split_path(row.get(columns.label, "")) if columns.label else levels
        fault = basis if isinstance(basis, str) else basis.fault() if label else "no label"
        if isinstance(basis, str) or fault:
            findings.fault(where, str(fault))
            continue
        whole = whole and isinstance(basis, ContainerSeconds) and (basis.end or 0) > 1 and all(
            row[name].isdecimal() for name in columns.times[0][:2]
        )  # fmt: skip
        yield Span(
            case=place.case, clip=place.clip, label=label, annotator=place.annotator, status=Status.ACCEPTED,
            source=SOURCE, annotation_id="", region_id=row.get("region") or f"row {number}", basis=basis,
        )  # fmt: skip
    if whole and rows:
        start, stop, _ = columns.times[0]
        findings.warn(
            f"{path}: {start} and {stop} are read as seconds, though all are whole numbers",
            "if they are frames, name the columns start_frame and stop_frame; if milliseconds, start_ms and end_ms",
        )


def _check(columns: _Columns, header: Sequence[str], path: Path) -> None:
    """Raise ExportError where `header` lacks a column that is needed, or has it twice."""
    if missing := columns.missing():
        boris = "in BORIS export the aggregated events, or name the project (.boris)"
        raise ExportError(
            f"{path} is a table, but no column says {' or '.join(missing)}; it has: {', '.join(header)[:300]}",
            boris if {"behavior", "behavior_type", "time"} <= {*header} else _NEEDS,
        )
    if twice := next((name for name in columns.read if header.count(name) > 1), None):
        raise ExportError(f"{path} has two columns named {twice}", "rename the one that is not meant")


def _first_time(place: _Place, seen: set[_Place], *, annotated: bool = True) -> Iterator[Record]:
    if place not in seen:
        yield Clip(case=place.case, clip=place.clip, media=place.media)
        if annotated:
            seen.add(place)
            yield Annotation(
                case=place.case, clip=place.clip, annotator=place.annotator, status=Status.ACCEPTED, source=SOURCE,
                annotation_id="",
            )  # fmt: skip


def _place(
    row: Mapping[str, str],
    columns: Sequence[str],
    options: ReadOptions,
    where: str,
    findings: Findings,
    paths: Mapping[tuple[str, str], str],
) -> _Place | None:
    media = _first(row, [name for name in _MEDIA if name in columns])
    if not media:
        findings.fault(where, "no clip is named")
        return None
    path = media_path(media)
    case, clip = row.get("case", ""), row.get("clip") or (clip_name(path) if "." in path else path)
    if not case or options.rule is not None:
        known = paths.get((case, clip))
        try:
            case, found = (options.case_of(media_path(known)), clip) if known else options.identify(media)
        except ClipError as error:
            findings.fault(where, error.message, error.hint)
            return None
        clip = clip if row.get("clip") and split_suffix(clip)[1].lower() not in VIDEO_SUFFIXES else found
    name = _first(row, _ANNOTATOR) or SOURCE
    media = media if "." in media or "/" in media else f"{case}/{media}"
    return _Place(case, clip, paths.get((case, clip), media), options.annotator(name))


def _basis(row: Mapping[str, str], columns: _Columns) -> Basis | str:
    """The row's own values, or a text that says what is wrong with them."""
    for start, stop, kind in columns.times:
        if row.get(start) and row.get(stop):
            try:
                if kind == "frames":
                    return Frames(_frame(row[start]), _frame(row[stop]))
                tolerance = CENTISECONDS_TOLERANCE if columns.is_epic else SECONDS_TOLERANCE
                unit = 1000 if kind == "milliseconds" else 1
                return ContainerSeconds(
                    parse_seconds(row[start]) / unit, parse_seconds(row[stop]) / unit, float(tolerance)
                )
            except ValueError:
                are = "whole numbers" if kind == "frames" else "numbers, nor times as HH:MM:SS.mmm"
                return f"{start} {row[start][:40]!r}, {stop} {row[stop][:40]!r}: not {are}"
    wanted = dict.fromkeys(f"{start} and {stop}" for start, stop, _ in columns.times)
    return f"no times: neither {' nor '.join(wanted)}" if len(wanted) > 1 else f"no times: no {next(iter(wanted))}"


def _frame(text: str) -> int:
    """The frame number in '25', or in '25.0', which tables of floats have. Raises ValueError."""
    match = re.fullmatch(r"([+-]?\d{1,18})(?:[.,]0*)?", text)
    if match is None:
        raise ValueError(text)
    return int(match[1])


def _first(row: Mapping[str, str], names: Sequence[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _table(path: Path, findings: Findings) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header, in lower case, and each row with its line number. Raises ExportError."""
    try:
        text, guessed = decode(read_bytes(path), windows=True)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror or error}", "it should be a CSV file") from error
    except TextError as error:
        raise ExportError(f"{path}: {error}", "save it again as CSV in UTF-8") from error
    if guessed:
        findings.warn(f"{path} is {guessed}", "if it is read wrongly, save it again as CSV in UTF-8")
    first = next((line for line in re.split(r"[\r\n]", text) if line.strip()), "")
    table = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first))
    header: list[str] = []
    is_ours = False
    rows = []
    try:
        for row in table:
            cells = [cell.strip() for cell in row]
            if not header:
                header = _names(cells)
                is_ours = "case_start_frame" in header
            elif any(cells):
                values = dict(zip(header, cells, strict=False))
                if is_ours and "label" in values:
                    values["label"] = row[header.index("label")]  # every blank as it was written
                rows.append((table.line_num, values))
    except csv.Error as error:
        raise ExportError(f"{path}:{table.line_num}: {error}", "it should be a CSV file in UTF-8") from error
    return header, rows


def _names(header: Sequence[str]) -> list[str]:
    """The names as lsvid looks for them: 'Start (s)' becomes start_s."""
    return [re.sub(r"[^\w.]+", "_", name.strip().lower()).strip("_") for name in header]


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)
