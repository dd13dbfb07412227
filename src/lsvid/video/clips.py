"""Finds clips and their cases, and puts them in order. (video.lookup finds the clips that an export names.)"""

import difflib
import glob
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import natsort

from lsvid.errors import ClipError, DataError, SettingsError, check_kind
from lsvid.files import storage, texts
from lsvid.files.names import readable
from lsvid.files.paths import brief, is_file, is_file_in_sight, is_folder, is_in_sight, parts_of, resolved, stem

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .wmv .mxf .ogv .3gp .3g2 .flv .vob .asf .dv".split()  # noqa: SIM905
)
"""The suffixes of videos in a folder. A file that is named directly may have any suffix."""


@dataclass(frozen=True)
class ClipFile:
    """A video file, its case, and its place in the case (from 1; None before it is put in order)."""

    case: str
    name: str
    path: str
    order: float | None = None

    @property
    def id(self) -> str:
        """`case/name`, which is different for each clip."""
        return f"{self.case}/{self.name}"


@dataclass(frozen=True)
class CaseRule:
    """How to find a clip's case: `name` for all clips, else `pattern` in the path, else the folder `parents` levels
    up.
    """

    name: str | None = None
    pattern: Any = None
    """Of the package regex, which can end a search that takes too long."""
    parents: int = 1

    @classmethod
    def parse(cls, case: str | None = None, case_from: str = "parent") -> "CaseRule":
        """The rule of --case and --case-from. Raises SettingsError."""
        if case is not None:
            return cls(name=_checked_case(case, "<<case>>"))
        if case_from in ("parent", "grandparent"):
            return cls(parents=1 if case_from == "parent" else 2)
        import regex  # noqa: PLC0415 - few need it

        try:
            pattern = regex.compile(case_from)
        except regex.error as error:
            raise SettingsError(
                f"<<case_from={case_from!r}>> is not a regular expression: {error}", _CASE_HINT
            ) from error
        if "case" not in pattern.groupindex:
            raise SettingsError(f"<<case_from={case_from!r}>> has no group named 'case'", _CASE_HINT)
        return cls(pattern=pattern)

    def case_of(self, path: str) -> str:
        """The case of the clip at `path` (a path or a URI), as text that can be encoded (`names.readable`).

        Raises ClipError if the rule finds none.
        """
        return readable(self._case_of(path))

    def _case_of(self, path: str) -> str:
        if self.name is not None:
            return self.name
        posix = path.replace("\\", "/")
        if self.pattern is not None:
            try:
                match = self.pattern.search(posix, timeout=_SEARCH_TIMEOUT_S)
            except TimeoutError as error:
                raise SettingsError(
                    f"<<case_from={self.pattern.pattern!r}>> takes more than {_SEARCH_TIMEOUT_S} s on {path}",
                    "a repeated repetition, such as (a+)+, may take very long: write a simpler expression",
                ) from error
            if match is None or not match["case"]:
                raise ClipError(f"no case found in {path} by <<case_from={self.pattern.pattern!r}>>", _CASE_HINT)
            return _checked_case(match["case"], f"<<case_from>> on {path}")
        parts = parts_of(posix)[:-1]
        if len(parts) < self.parents or parts[-self.parents].endswith(":"):  # s3:, or a drive
            raise ClipError(f"{path} has no folder to name its case", "name the case: <<case=NAME>>")
        return parts[-self.parents]


_SEARCH_TIMEOUT_S = 2
_CASE_HINT = "use parent, grandparent, or an expression such as '(?P<case>op[0-9]+)'; or <<case=NAME>>"


def _checked_case(case: str, source: str) -> str:
    check_kind(source, case, str, "a name")
    if not case.strip() or "/" in case or case in (".", ".."):
        raise SettingsError(f"{source} gives {case!r}, which cannot name a case", "a case is one name without '/'")
    return case


# --- Finding ----------------------------------------------------------------------------------------------------------


def find_clips(sources: Sequence[str], rule: CaseRule) -> list[ClipFile]:
    """The clips in `sources`, by case, then clip, in natural order.

    A source is a folder, file or glob, a prefix or object in S3 (`s3://…`), or a CSV or JSONL manifest of files. If a
    manifest gives an order, it decides before the names. Each clip's `order` counts from 1 in its case. Raises
    ClipError if a source holds no video; DataError if two different files would be the same clip; ServerError.
    """
    found: dict[str, ClipFile] = {}
    for source in sources:
        clips = list(_clips_of(source, rule))
        if not clips:
            raise ClipError(f"{source} holds no video", f"video files end in {', '.join(sorted(VIDEO_SUFFIXES))}")
        for clip in clips:
            found.setdefault(clip.path, clip)
    by_id = defaultdict(list)
    for clip in found.values():
        by_id[clip.id].append(clip.path)
    doubled = [f"  {clip_id}: {', '.join(paths)}" for clip_id, paths in by_id.items() if len(paths) > 1]
    if doubled:
        raise DataError(
            "\n".join(["several files would be the same clip (case/name):", *doubled]),
            "tell their cases apart with <<case_from>>, or name clips in a manifest (case, clip, path, order)",
        )
    return number_clips(sorted(found.values(), key=_place))


def number_clips(clips: Iterable[ClipFile]) -> list[ClipFile]:
    """The same clips in the same order; `order` counts from 1 in each case."""
    counts: defaultdict[str, int] = defaultdict(int)
    numbered = []
    for clip in clips:
        counts[clip.case] += 1
        numbered.append(replace(clip, order=float(counts[clip.case])))
    return numbered


def natural_key(text: str) -> tuple[object, ...]:
    """A sort key that puts clip_2 before clip_10, in every locale. The text itself decides ties."""
    return (_natural(text), text)


def clip_key(name: str) -> tuple[object, ...]:
    """A sort key for the names of a case's clips. The order is natural, except for a GoPro's files: their names put the
    chapter before the number of the recording, so GH010155, GH020155, GH010156 are in order.
    """
    chapter = _gopro_chapter(name)
    return natural_key(name if chapter is None else f"G{chapter.recording} {chapter.number:02} {name}")


class _Chapter(NamedTuple):
    """The parts of a GoPro's file name: GH020155 is chapter 2 of recording 0155. GP010155 is the chapter after
    GOPR0155.
    """

    kind: str
    recording: str
    number: int


def _gopro_chapter(name: str) -> _Chapter | None:
    # GoPro: 'Camera file naming convention': GH (AVC), GX (HEVC), and GOPR with GP up to the HERO5; GS is the 360's.
    match = re.fullmatch(r"(?:(GOPR)|(G[HXPSL])(\d\d))(\d{4})", name, re.IGNORECASE)
    if match is None:
        return None
    kind = "GP" if match[1] else match[2].upper()
    return _Chapter(kind, match[4], int(match[3] or 0))


def recorded_time(text: str | None) -> datetime | None:
    """The time of recording that a container gives (ISO 8601; UTC if it names no zone), or None."""
    try:
        when = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def recorded_later(clips: Iterable[tuple[str, str | None]]) -> tuple[str, str] | None:
    """The first two neighbours in `clips` (name, time of recording) whose times contradict their order; None if there
    are none.
    """
    timed = [(name, when) for name, text in clips if (when := recorded_time(text)) is not None]
    return next(((a, b) for (a, first), (b, second) in pairwise(timed) if second < first), None)


_natural = natsort.natsort_keygen(alg=natsort.ns.IGNORECASE)


def _place(clip: ClipFile) -> tuple[object, ...]:
    return (natural_key(clip.case), clip.order if clip.order is not None else 0.0, clip_key(clip.name))


def _clips_of(source: str, rule: CaseRule) -> Iterator[ClipFile]:
    if is_file(source) and Path(source).suffix.lower() in (".csv", ".jsonl"):
        yield from _manifest(Path(source), rule)
    elif is_in_sight(source):
        yield from (_clip(path, rule) for path in storage.files_below(source, VIDEO_SUFFIXES))
    elif glob.has_magic(source):
        for match in sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if is_folder(match) or Path(match).suffix.lower() in VIDEO_SUFFIXES:
                yield from (_clip(path, rule) for path in storage.files_below(match, VIDEO_SUFFIXES))
    else:
        raise ClipError(f"there is no {brief(source)}", "check the path; quote a pattern with * in it")


def _clip(path: str, rule: CaseRule) -> ClipFile:
    return ClipFile(rule.case_of(path), stem(path), path)


class _ManifestRow(msgspec.Struct):
    path: str
    case: str | None = None
    clip: str | None = None
    order: float | None = None


_PATH_COLUMNS = ("path", "video", "file", "filename", "media")
_OTHER_COLUMNS = ("case", "clip", "order")


def _manifest(file: Path, rule: CaseRule) -> Iterator[ClipFile]:
    """The clips in a CSV or JSONL file. Relative paths start at the file's own folder.

    Upper and lower case of column names are the same. Other columns are ignored.
    """
    faults = []
    clips = []
    for number, row in _manifest_rows(file):
        place = f"{file}:{number}"
        try:
            entry = msgspec.convert(row, _ManifestRow, strict=False) if isinstance(row, dict) else None
        except msgspec.ValidationError as error:
            faults.append(f"{place}: {error}")
            continue
        if entry is None or not math.isfinite(entry.order or 0.0):
            faults.append(f"{place}: {brief(str(row))}" if entry is None else f"{place}: order {entry.order}")
            continue
        try:
            video = resolved(entry.path, file.parent)
        except ClipError as error:
            faults.append(f"{place}: {error.message}")
            continue
        if not is_file_in_sight(video):
            faults.append(f"{place}: there is no {brief(video)}")
            continue
        case = entry.case or rule.case_of(video)
        clips.append(ClipFile(case, entry.clip or stem(video), video, entry.order))
    if faults:
        raise DataError("\n".join([f"{file} has faults:", *(f"  {fault}" for fault in faults)]), _MANIFEST_HINT)
    yield from clips


_MANIFEST_HINT = "a manifest has the columns path, and if you like case, clip and order"


def _manifest_rows(file: Path) -> Iterator[tuple[int, object]]:
    """For each row: its line number, and the row as a dict by column in lower case, or what is wrong with it. Raises
    DataError.
    """
    try:
        text = texts.read_text(file).text
        if file.suffix.lower() == ".csv":
            yield from _manifest_table(file, text)
            return
    except texts.TextError as error:
        raise DataError(
            f"cannot read {file}: {error}", f"{_MANIFEST_HINT}; it is a CSV or JSONL file in UTF-8"
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                yield number, f"no JSON: {error}"
                continue
            yield number, _by_column(file, row) if isinstance(row, dict) else "no JSON object"


def _manifest_table(file: Path, text: str) -> Iterator[tuple[int, object]]:
    columns: list[str] = []
    for number, cells in texts.csv_rows(text):
        if not columns:
            columns = cells
        elif len(cells) > len(columns):
            yield number, f"{len(cells)} cells under {len(columns)} columns"
        else:
            yield number, _by_column(file, dict(zip(columns, cells, strict=False)))


def _by_column(file: Path, row: dict[str, object]) -> dict[str, object]:
    """The cells of known columns. Raises DataError if a column's name looks like a misspelled known one."""
    found: dict[str, object] = {}
    for name, value in row.items():
        column = name.strip().lower()
        if column in (*_PATH_COLUMNS, *_OTHER_COLUMNS):
            if value not in ("", None):
                found.setdefault("path" if column in _PATH_COLUMNS else column, value)
        elif meant := difflib.get_close_matches(column, (*_PATH_COLUMNS, *_OTHER_COLUMNS), n=1, cutoff=0.75):
            raise DataError(f"{file}: the column {name!r} is not known; is it {meant[0]!r}?", _MANIFEST_HINT)
    return found


def videos_of_root(root: str) -> Iterator[str]:
    """The paths of the videos under a folder or prefix in S3, or of the one file of this name. Raises ClipError."""
    if not is_in_sight(root):
        raise ClipError(f"there is no {root} to look for clips in", "check the folder given with <<clips>>")
    return storage.files_below(root, VIDEO_SUFFIXES)


def missing_numbers(names: Iterable[str]) -> list[str]:
    """The numbers that a numbered sequence of clip names lacks between its first and its last, as they would be
    written.

    The number is the last run of digits in a name; names that differ otherwise are sequences of their own. Of a
    GoPro's, the chapters of each recording: its recordings are numbered across all that was filmed.
    """
    names = list(names)
    chapters: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for chapter in filter(None, map(_gopro_chapter, names)):
        chapters[chapter.kind, chapter.recording].add(chapter.number)
    sequences: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        if match and _gopro_chapter(name) is None:
            sequences[match[1], match[3]][int(match[2])] = len(match[2])
    missing = []
    for (head, tail), numbers in sequences.items():
        width = min(numbers.values())
        if max(numbers) - min(numbers) > 10 * len(numbers) + 10:
            continue  # time stamps, not counts
        for before, after in pairwise(sorted(numbers)):
            missing += [f"{head}{number:0{width}d}{tail}" for number in range(before + 1, after)]
    for (kind, recording), there in chapters.items():
        for number in sorted({*range(kind != "GP", max(there))} - there):
            missing.append(f"{kind}{number:02}{recording}" if number else f"GOPR{recording}")
    return missing
