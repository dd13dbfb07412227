"""A model's probabilities: CASE.npy, .npz or .csv, a row for each time and a column for each class, and classes.txt.

Each file is one case, with all its clips end to end. `classes.txt` beside it names the columns, a name a line (a class
"background" means no label). The user gives the number of rows a second, or `fps` in an .npz file does. The rows are
those of the frame table, in which sampling starts again in each clip; or, if their number fits that instead, those of
sampling the whole case. A CSV file may name its columns in its first line, with or without a classes.txt.

The rows become predictions: spans with a score each, cut at the ends of clips, and a score for each clip.
"""

import csv
import itertools
import math
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.probabilities import (
    FloatArray,
    IntArray,
    RowTimes,
    certainty,
    faults_of,
    row_frames,
    stretches,
)
from lsvid.annotations.spans import Annotation, Clip, Frames, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.names import readable
from lsvid.files.texts import head_of
from lsvid.findings import Findings
from lsvid.labels.naming import LabelPath
from lsvid.labels.tree import split_path
from lsvid.readers.documents import OTHER_CASES, ReadOptions, shortened
from lsvid.readers.framewise import BACKGROUND, lines_of, names_of_tree
from lsvid.video.clips import CaseRule, ClipFile, find_clips
from lsvid.video.index import VideoInfo, probe_all
from lsvid.video.timebase import FrameIndex, sample_frames

SOURCE = "probabilities"
CLASSES = "classes.txt"
_SUFFIXES = (".npy", ".npz", ".csv")
_NUMBERED = re.compile(r"^(\d+)\s+(.+)$")


class _Table(NamedTuple):
    """The contents of a file. fps, classes: None if the file does not say them."""

    values: npt.NDArray[np.generic]
    fps: Fraction | None = None
    classes: list[str] | None = None


class _Rows(NamedTuple):
    """The rows of a case without faults. labels: of each column. starts: the frame of the case at which each begins."""

    values: FloatArray
    labels: list[LabelPath]
    clips: list[ClipFile]
    indexes: list[FrameIndex]
    starts: IntArray
    times: RowTimes


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a file, or a folder of them; without a classes.txt, a CSV file must name its columns."""
    if path.is_dir():
        files = _files(path)
        return bool(files) and ((path / CLASSES).is_file() or any(map(_names_its_columns, files)))
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return (path.parent / CLASSES).is_file() or _names_its_columns(path)
    return suffix in _SUFFIXES and head.startswith((b"\x93NUMPY", b"PK"))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)


def _names_its_columns(file: Path) -> bool:
    """Whether `file` is a CSV file with a line of names and below it, in as many columns, numbers."""
    if file.suffix.lower() != ".csv":
        return False
    try:
        lines = head_of(file, _HEAD_SIZE).decode("utf-8-sig", errors="replace").splitlines()
        names, numbers = itertools.islice(filter(None, csv.reader(lines)), 2)
    except (OSError, ValueError, csv.Error):
        return False
    return len(names) == len(numbers) and not any(map(_is_number, names)) and all(map(_is_number, numbers))


_HEAD_SIZE = 1 << 18
"""Bytes: two lines of thousands of columns."""


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every case in the folder, or of the one file. Raises ExportError if the clips are not known."""
    folder = path if path.is_dir() else path.parent
    files = _files(path) if path.is_dir() else [path]
    classes = _classes(folder / CLASSES) if (folder / CLASSES).is_file() else None
    cases = _cases(path, options)
    model = readable(options.probabilities.model or folder.resolve().name)
    labels = _Labels(options, findings)
    if classes:
        labels.of(classes, folder / CLASSES)
    of_case: dict[str, list[Path]] = {}
    for file in files:
        of_case.setdefault(readable(file.stem), []).append(file)
    for case, several in of_case.items():
        if options.leaves_out(case):
            findings.leave_out(f"case {case}", OTHER_CASES)
            continue
        if len(several) > 1:
            names = ", ".join(readable(file.name) for file in several)
            findings.fault(str(folder), f"{len(several)} files of case {case}: {names}")
        if case not in cases:
            findings.fault(
                str(several[0]), f"no clips of a case {case} are known; known cases: {', '.join(cases) or 'none'}"
            )
        for file in several:
            rows = _checked(file, classes, cases.get(case, []), labels, options, findings)
            if rows is not None and len(several) == 1:
                yield from _records(rows, model, options)


@dataclass
class _Labels:
    """The labels of classes. The faults of the same classes are told once, however many files have them."""

    options: ReadOptions
    findings: Findings
    found: dict[tuple[str, ...], list[LabelPath] | None] = field(default_factory=dict)

    def of(self, classes: Sequence[str], place: Path) -> list[LabelPath] | None:
        """The label path of each class, empty for the background; None if there are faults, which are reported."""
        key = tuple(classes)
        if key not in self.found:
            paths = [_label(name, self.options) for name in classes]
            names: dict[LabelPath, list[str]] = {}
            for name, path in zip(classes, paths, strict=True):
                names.setdefault((name,) if path is None else path, []).append(name)
            unknown = dict.fromkeys(name for name, path in zip(classes, paths, strict=True) if path is None)
            faults = [f"class {name!r} is no label" for name in unknown]
            twice = (", ".join(map(repr, same)) for same in names.values() if len(same) > 1)
            faults += [f"several classes are one label: {same}" for same in twice]
            for fault in faults:
                self.findings.fault(str(place), fault)
            self.found[key] = None if faults else [path for path in paths if path is not None]
        return self.found[key]


def _classes(file: Path) -> list[str]:
    """The names of the columns in classes.txt, in order; the form of MS-TCN's mapping.txt ('0 name') is read too."""
    names = [line for line in lines_of(file) if line]
    numbered = [_NUMBERED.match(name) for name in names]
    if all(numbered) and [int(one[1]) for one in numbered if one] == list(range(len(names))):
        return [one[2] for one in numbered if one]
    return names


def _cases(path: Path, options: ReadOptions) -> dict[str, list[ClipFile]]:
    """The clips of each case, in order."""
    clips = options.clips
    if clips is None and options.finder is not None and options.finder.roots:
        clips = find_clips(options.finder.roots, options.rule or CaseRule())
    if clips is None:
        raise ExportError(
            f"{path} holds rows of whole cases, and the clips of these cases are not known",
            "name the folder of the clips",
        )
    cases: dict[str, list[ClipFile]] = {}
    for clip in clips:
        cases.setdefault(clip.case, []).append(clip)
    return cases


# --- Files ------------------------------------------------------------------------------------------------------------


def _checked(
    file: Path, classes: list[str] | None, clips: list[ClipFile], labels: _Labels, options: ReadOptions,
    findings: Findings,
) -> _Rows | None:  # fmt: skip
    """The file's rows; None if there is any fault. Every fault is reported: a person should see all of them at once."""
    before = len(findings.faults)
    infos = probe_all([clip.path for clip in clips])
    indexes = [info.index for info in infos if isinstance(info, VideoInfo)]
    for error in infos:
        if isinstance(error, ClipError):
            findings.fault(str(file), f"its case needs every clip: {error.message}")
    try:
        table = _load(file)
    except _UNREADABLE as error:
        findings.fault(str(file), f"cannot be read: {shortened(str(error)) or type(error).__name__}")
        return None
    values = table.values
    names, of_names = classes or table.classes, None
    if names is None:
        findings.fault(str(file), f"its columns have no names: write {CLASSES} beside it, a name a line")
    else:
        of_names = labels.of(names, file)
    if table.classes and classes and table.classes != classes:
        findings.fault(str(file), f"has other names for its columns than {CLASSES}: {', '.join(table.classes)}")
    rate = _rate(file, table.fps, options.probabilities.fps, findings)
    for fault in faults_of(values, len(names) if names else values.shape[-1] if values.ndim else 0):
        findings.fault(str(file), fault)
    placed = None
    if rate is not None and values.ndim == 2 and clips and len(indexes) == len(clips):
        placed = _placed(file, len(values), indexes, rate, findings)
    if of_names is None or placed is None or len(findings.faults) > before:
        return None
    return _Rows(values.astype(np.float64), of_names, clips, indexes, *placed)


def _rate(file: Path, own: Fraction | None, given: Fraction | None, findings: Findings) -> Fraction | None:
    """The rows a second: `given`, or the file's own; None, and a fault, if nobody says it."""
    if own is not None and given is not None and abs(own - given) > given / 10_000:  # 29.97 is 30000/1001
        findings.fault(str(file), f"says itself that it has {float(own):g} rows a second; you gave {float(given):g}")
    if own is None and given is None:
        hint = 'say how many: <<probabilities={"fps": R}>>'
        findings.fault(str(file), "nothing says how many rows a second it has", hint)
    return given or own


_UNREADABLE = (
    OSError, ValueError, TypeError, EOFError, ArithmeticError, LookupError, RuntimeError, SyntaxError, MemoryError,
    struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy, zipfile and csv raise on damaged files: a header of .npy is a Python expression (seen with NumPy 2.2)."""


def _load(file: Path) -> _Table:
    """The file's table. Raises _UNREADABLE. Arrays of objects are refused: they can run code."""
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return _Table(np.load(file, allow_pickle=False))
    if suffix == ".npz":
        # NumPy leaves a file open that it opened itself and cannot read.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            names = [name for name in archive.files if name != "fps"]
            name = "probabilities" if "probabilities" in names else names[0] if len(names) == 1 else None
            if name is None:
                raise ValueError(f"it holds {', '.join(names) or 'nothing'}; call the array 'probabilities'")
            fps = Fraction(str(archive["fps"].item())) if "fps" in archive.files else None
            if fps is not None and fps <= 0:
                raise ValueError(f"it has {fps} rows a second")
            return _Table(archive[name], fps)
    rows = [row for row in csv.reader(lines_of(file)) if row]
    head = None
    if rows and not _is_number(rows[0][0]):
        head, rows = [name.strip() for name in rows[0]], rows[1:]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(f"its lines have {min(lengths)} to {max(lengths)} columns")
    return _Table(np.array([[float(value) for value in row] for row in rows], dtype=np.float64), None, head)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- Records ----------------------------------------------------------------------------------------------------------


def _records(rows: _Rows, model: str, options: ReadOptions) -> Iterator[Record]:
    chosen, starts = options.probabilities, rows.starts
    found = stretches(rows.values, rows.times, chosen)
    first = 0
    for clip, index in zip(rows.clips, rows.indexes, strict=True):
        last = first + index.n_frames
        inside = slice(
            max(int(np.searchsorted(starts, first, side="right")) - 1, 0), int(np.searchsorted(starts, last))
        )
        common: dict[str, Any] = {"case": clip.case, "clip": clip.name, "annotator": options.annotator(model),
                  "status": Status.PREDICTION, "source": SOURCE, "annotation_id": model}  # fmt: skip
        yield Clip(case=clip.case, clip=clip.name, media=clip.path, order=clip.order)
        yield Annotation(**common, score=certainty(rows.values[inside], chosen))
        for one in found:
            start, stop = max(int(starts[one.start]), first), min(int(starts[one.stop]), last)
            label = rows.labels[one.label]
            if label and start < stop:
                scored = rows.values[max(one.start, inside.start) : min(one.stop, inside.stop), one.label]
                yield Span(
                    **common, label=label, region_id=f"row{one.start}-{one.label}", score=float(scored.mean()),
                    basis=Frames(start - first, stop - first),
                )  # fmt: skip
        first = last


def _label(name: str, options: ReadOptions) -> LabelPath | None:
    """The label path of a class; empty for the background; None if the label file has no such label."""
    if options.tree is None:
        return () if name == BACKGROUND else split_path(name)
    known = names_of_tree(options.tree)
    path = known.get(name, split_path(name))
    if path in known.values() or path in options.tree.paths():
        return path
    return () if name == BACKGROUND else None


def _placed(
    file: Path, n_rows: int, indexes: Sequence[FrameIndex], fps: Fraction, findings: Findings
) -> tuple[IntArray, RowTimes] | None:
    """The frame of the case at which each row begins, then the case's length; and the rows' times.

    None, and a fault, if `n_rows` does not fit.
    """
    sampled = [sample_frames(index, fps) for index in indexes]
    n_frames = [index.n_frames for index in indexes]
    n_sampled = sum(map(len, sampled))
    if n_rows == n_sampled:
        return row_frames(sampled, n_frames), RowTimes.sampled(sampled, indexes, fps)
    length_s = sum((index.length_s for index in indexes), Fraction(0))
    n_times = math.ceil(length_s * fps)
    if abs(n_rows - n_times) > 1:
        findings.fault(
            str(file),
            f"has {n_rows} rows; its {len(indexes)} clips have {n_sampled} pictures at {float(fps):g} a second"
            + (f", or {n_times} by the time of the whole case" if n_times != n_sampled else ""),
        )
        return None
    starts = np.zeros(n_rows + 1, dtype=np.int64)
    before_s, first, row = Fraction(0), 0, 0
    for index in indexes:
        while row < n_rows and row / fps < before_s + index.length_s:
            starts[row] = first + index.first_at_or_after(index.start_s + row / fps - before_s)
            row += 1
        before_s, first = before_s + index.length_s, first + index.n_frames
    starts[row:] = first
    return starts, RowTimes.evenly(n_rows, fps)
