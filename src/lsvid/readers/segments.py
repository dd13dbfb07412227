"""A CSV of segments: lsvid's own (`--format segments`), or anybody's with a header and these columns.

clip (or path, video, media, file, filename), label, and start_frame with stop_frame (from 0, half-open) or start_s with
end_s (seconds on the clip's presentation timeline). Frames go before seconds where both are there. Also, where known:
case, annotator (or rater), region. `label` is the path from the root, names joined by " / " (labels.tree.split_path).

`clips.csv` beside it, as lsvid writes it, tells of clips in which nothing is labelled.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lsvid.annotations.spans import Annotation, Basis, Clip, Frames, Record, Seconds, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import file_name, split_suffix
from lsvid.video.lookup import media_path

SOURCE = "segments"

_MEDIA = ("path", "video", "media", "file", "filename", "clip")
_ANNOTATOR = ("annotator", "rater")
_TIMES = (("start_frame", "stop_frame"), ("start_s", "end_s"))


class _Place(NamedTuple):
    """The clip that a row is about, and who has worked on it."""

    case: str
    clip: str
    media: str
    annotator: str


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file begins with a header of such a table."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return False
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].decode("utf-8", "replace")
    columns = _names(next(csv.reader([line], delimiter=_delimiter(line)), []))
    return "label" in columns and bool({*_MEDIA} & {*columns}) and any({*pair} <= {*columns} for pair in _TIMES)


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every row, and of the clips in `clips.csv` beside it."""
    seen: set[_Place] = set()
    clips_file = path.with_name("clips.csv")
    paths: dict[tuple[str, str], str] = {}
    if clips_file.is_file() and clips_file != path:
        for number, row in _rows(clips_file):
            place = _place(row, options, f"{clips_file}:{number}", findings, paths)
            if place is None:
                continue
            paths[place.case, place.clip] = place.media
            yield from _first_time(place, seen, annotated=bool(_first(row, _ANNOTATOR)))
    for number, row in _rows(path):
        where = f"{path}:{number}"
        place = _place(row, options, where, findings, paths)
        if place is None:
            continue
        yield from _first_time(place, seen)
        basis = _basis(row)
        label = split_path(row.get("label", ""))
        fault = basis if isinstance(basis, str) else basis.fault() if label else "no label"
        if isinstance(basis, str) or fault:
            findings.fault(where, str(fault))
            continue
        yield Span(
            case=place.case, clip=place.clip, label=label, annotator=place.annotator, status=Status.ACCEPTED,
            source=SOURCE, annotation_id="", region_id=row.get("region") or f"row {number}", basis=basis,
        )  # fmt: skip


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
    options: ReadOptions,
    where: str,
    findings: Findings,
    paths: Mapping[tuple[str, str], str],
) -> _Place | None:
    media = _first(row, _MEDIA)
    if not media:
        findings.fault(where, "no clip is named")
        return None
    case, clip = row.get("case", ""), split_suffix(file_name(media_path(media)))[0] if "." in media else media
    clip = row.get("clip") or clip
    if not case or options.rule is not None:
        try:
            case = options.case_of(media_path(paths.get((case, clip), media)))
        except ClipError as error:
            findings.fault(where, error.message)
            return None
    name = _first(row, _ANNOTATOR) or SOURCE
    media = media if "." in media or "/" in media else f"{case}/{media}"
    return _Place(case, clip, paths.get((case, clip), media), options.annotator(name))


def _basis(row: Mapping[str, str]) -> Basis | str:
    """The row's own values; a text says what is wrong with them."""
    for (start, stop), is_frames in zip(_TIMES, (True, False), strict=True):
        if row.get(start) and row.get(stop):
            try:
                if is_frames:
                    return Frames(int(row[start]), int(row[stop]))
                return Seconds(float(row[start]), float(row[stop]))
            except ValueError:
                kind = "whole numbers" if is_frames else "numbers"
                return f"{start} {row[start]!r}, {stop} {row[stop]!r}: not {kind}"
    return "no times: neither start_frame and stop_frame nor start_s and end_s"


def _first(row: Mapping[str, str], names: Sequence[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its line number; columns by lower-case name."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            table = csv.reader(file, delimiter=_delimiter(first))
            header = _names(next(table, []))
            for row in table:
                if row:
                    yield table.line_num, {n: v.strip() for n, v in zip(header, row, strict=False)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ExportError(f"cannot read {path}: {error}", "it should be a CSV file in UTF-8") from error


def _names(header: Sequence[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)
