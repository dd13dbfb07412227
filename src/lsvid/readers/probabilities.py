"""A model's probabilities: CASE.npy, .npz or .csv, a row for each time and a column for each class, and classes.txt.

Each file is one case, with all its clips end to end. `classes.txt` beside it names the columns, a name a line (a class
"background" means no label). The user gives the number of rows a second, or `fps` in an .npz file does. The rows are
those of the frame table, in which sampling starts again in each clip; or, if their number fits that instead, those of
sampling the whole case. A CSV file may also name its columns in its first line.

The rows become predictions: spans with a score each, cut at the ends of clips, and a score for each clip.
"""

import csv
import math
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lsvid.annotations.probabilities import (
    FloatArray,
    IntArray,
    certainty,
    faults_of,
    row_frames,
    stretches,
)
from lsvid.annotations.spans import Annotation, Clip, Frames, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.names import readable
from lsvid.findings import Findings
from lsvid.labels.naming import LabelPath
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions, shortened
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


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a file, or a folder of them with a classes.txt."""
    if path.is_dir():
        return (path / CLASSES).is_file() and any(path.glob(f"*{suffix}") for suffix in _SUFFIXES)
    if path.suffix.lower() not in _SUFFIXES:
        return False
    is_array = head.startswith((b"\x93NUMPY", b"PK"))
    return is_array or (path.suffix.lower() == ".csv" and (path.parent / CLASSES).is_file())


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every case in the folder, or of the one file. Raises ExportError if the clips are not known."""
    folder = path if path.is_dir() else path.parent
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
    classes = _classes(folder / CLASSES) if (folder / CLASSES).is_file() else None
    cases = _cases(path, options)
    model = readable(options.probabilities.model or folder.resolve().name)
    for file in files:
        table = _checked(file, classes, options, findings)
        if table is None:
            continue
        clips = cases.get(readable(file.stem))
        if clips is None:
            findings.fault(str(file), f"no clips of a case {file.stem}; there are: {', '.join(cases) or 'none'}")
            continue
        yield from _records(file, table, clips, model, options, findings)


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


def _checked(file: Path, classes: list[str] | None, options: ReadOptions, findings: Findings) -> _Table | None:
    """The file's table, with classes and a rate; None if it has faults, which are reported."""
    try:
        table = _load(file)
    except _UNREADABLE as error:
        findings.fault(str(file), f"cannot be read: {shortened(str(error)) or type(error).__name__}")
        return None
    faults = []
    names = classes or table.classes
    if names is None:
        faults.append(f"its columns have no names: write {CLASSES} beside it, a name a line")
    elif table.classes and classes and table.classes != classes:
        faults.append(f"has other names for its columns than {CLASSES}: {', '.join(table.classes)}")
    rate = options.probabilities.fps or table.fps
    if rate is None:
        faults.append("nothing says how many rows a second it has")
    faults += faults_of(table.values, len(names) if names else table.values.shape[-1] if table.values.ndim else 0)
    for fault in faults:
        findings.fault(str(file), fault)
    return None if faults else _Table(table.values.astype(np.float64), rate, names)


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


def _records(
    file: Path, table: _Table, clips: Sequence[ClipFile], model: str, options: ReadOptions, findings: Findings
) -> Iterator[Record]:
    infos = probe_all([clip.path for clip in clips])
    lost = [info for info in infos if isinstance(info, ClipError)]
    for error in lost:
        findings.fault(str(file), f"its case needs every clip: {error.message}")
    labels = [_label(name, options) for name in table.classes or ()]
    for name, label in zip(table.classes or (), labels, strict=True):
        if label is None:
            findings.fault(str(file), f"class {name!r} is no label")
    if lost or None in labels or table.fps is None:
        return
    indexes = [info.index for info in infos if isinstance(info, VideoInfo)]
    values: FloatArray = table.values.astype(np.float64)
    starts = _row_starts(file, len(values), indexes, table.fps, findings)
    if starts is None:
        return
    chosen = options.probabilities
    found = stretches(values, table.fps, chosen)
    first = 0
    for clip, index in zip(clips, indexes, strict=True):
        last = first + index.n_frames
        rows = slice(max(int(np.searchsorted(starts, first, side="right")) - 1, 0), int(np.searchsorted(starts, last)))
        common: dict[str, Any] = {"case": clip.case, "clip": clip.name, "annotator": options.annotator(model),
                  "status": Status.PREDICTION, "source": SOURCE, "annotation_id": model}  # fmt: skip
        yield Clip(case=clip.case, clip=clip.name, media=clip.path, order=clip.order)
        yield Annotation(**common, score=certainty(values[rows], chosen))
        for one in found:
            start, stop = max(int(starts[one.start]), first), min(int(starts[one.stop]), last)
            label = labels[one.label]
            if label and start < stop:
                inside = values[max(one.start, rows.start) : min(one.stop, rows.stop), one.label]
                yield Span(
                    **common, label=label, region_id=f"row{one.start}-{one.label}", score=float(inside.mean()),
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


def _row_starts(
    file: Path, n_rows: int, indexes: Sequence[FrameIndex], fps: Fraction, findings: Findings
) -> IntArray | None:
    """The frame of the case at which each row begins, then the case's length; None if `n_rows` does not fit."""
    sampled = [sample_frames(index, fps) for index in indexes]
    n_frames = [index.n_frames for index in indexes]
    n_sampled = sum(map(len, sampled))
    if n_rows == n_sampled:
        return row_frames(sampled, n_frames)
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
    return starts
