"""Errors for files that no reader knows: what the file looks like, and what to do with it."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lsvid.errors import ExportError
from lsvid.files import texts
from lsvid.files.inputs import is_stream
from lsvid.readers.documents import shortened
from lsvid.video.clips import VIDEO_SUFFIXES

_HEAD_BYTES = 64 << 10

_MAGIC: Sequence[tuple[int, bytes, str]] = [
    (4, b"ftyp", "a video"), (0, b"\x1aE\xdf\xa3", "a video"), (0, b"OggS", "a video or a sound"),
    (0, b"\0\0\1\xba", "a video"), (0, b"\x47\x40", "a video"), (0, b"0&\xb2u\x8ef\xcf\x11", "a video"),
    (0, b"FLV\1", "a video"), (8, b"AVI ", "a video"), (8, b"WAVE", "a sound"), (0, b"ID3", "a sound"),
    (0, b"fLaC", "a sound"), (0, b"\xff\xd8\xff", "a picture"), (0, b"\x89PNG", "a picture"), (0, b"%PDF", "a PDF"),
    (0, b"PK\3\4", "a ZIP archive, or a workbook of Excel"), (0, b"\xd0\xcf\x11\xe0", "an old file of Excel or Word"),
    (0, b"Rar!", "an archive"), (0, b"7z\xbc\xaf", "an archive"), (0, b"PAR1", "a Parquet table"),
    (0, b"\x89HDF", "an HDF5 file"), (0, b"\x93NUMPY", "a NumPy array"), (0, b"\x80\x04", "a Python pickle"),
    (0, texts.GZIP, "gzip data"), (257, b"ustar", "a tar archive"),
]  # fmt: skip
_HINTS = {
    "a video": "name its annotations here, and the folder of the clips with <<clips>>",
    "a ZIP archive, or a workbook of Excel": "unpack it, or save the sheet as CSV in UTF-8",
    "an old file of Excel or Word": "save the sheet as CSV in UTF-8",
}

_LABEL_STUDIO_CSV = {"annotation_id", "annotator", "lead_time"}
_MS_TCN_FOLDER = "groundTruth"

_WHAT_A_TABLE_NEEDS = (
    "a table of segments needs the columns clip (or path, video, file), label, and start_s with end_s, or start_frame "
    "with stop_frame"
)


def unknown_folder(path: str, known: str) -> ExportError:
    """The error for a folder that no reader knows."""
    folder = Path(path)
    names = sorted(entry.name for entry in folder.iterdir()) if _can_be_listed(folder) else []
    suffixes = Counter(Path(name).suffix.lower() for name in names)
    hint = "name an export file"
    if deeper := [name for name in names if (folder / name / _MS_TCN_FOLDER).is_dir()]:
        hint = f"name the folder inside that holds {_MS_TCN_FOLDER}: {folder / deeper[0]}"
    elif videos := sum(count for suffix, count in suffixes.items() if suffix in VIDEO_SUFFIXES):
        hint = f"it holds {videos} videos: name it with <<clips>>, and here an export file"
    elif exports := [name for name in names if Path(name).suffix.lower() in (".json", ".jsonl", ".eaf", ".csv")]:
        hint = f"name the files in it: {', '.join(str(folder / name) for name in exports[:3])}"
    return ExportError(f"{path} is a folder of no format that lsvid reads ({known})", hint)


def _can_be_listed(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except OSError:
        return False
    return True


def unknown_file(path: str, why: ExportError) -> ExportError:
    """The error for a file that no reader knows; `why` says where it stops being JSON."""
    if is_stream(path):
        return why
    try:
        head = texts.head_of(Path(path), _HEAD_BYTES)
    except OSError:
        return why
    if not head.strip(b"\0"):
        return why
    what, hint = _look(head)
    return ExportError(f"{path} is no export that lsvid reads: it looks like {what}", hint) if what else why


def _look(head: bytes) -> tuple[str, str]:
    """What a file that begins with `head` looks like, and a hint; both '' if it looks like nothing known."""
    for offset, magic, what in _MAGIC:
        if head[offset:].startswith(magic):
            return what, _HINTS.get(what, "name an export of annotations")
    try:
        if told := texts.encoding_of(head):
            mark, encoding = told
            text = head[len(mark) :].decode(encoding, "replace")
        else:
            text = texts.decode(head[: head.rfind(b"\n") + 1] or head).text
    except texts.TextError as error:
        return f"text in another encoding than UTF-8, or no text ({error})", "save it as UTF-8"
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0].strip() if lines else ""
    if first[:1] in "{[":
        return "", ""  # damaged JSON
    if first.startswith("<"):
        return _xml(text)
    return _table(lines)


def _xml(text: str) -> tuple[str, str]:
    root = next(iter(re.findall(r"<([A-Za-z_][\w.:-]*)", text)), "")
    if root.lower() in ("html", "head"):
        return "a web page", "was it saved before logging in? Download the export again"
    if root == "View":
        return "a labelling configuration of Label Studio", "export the annotations: Label Studio, Export, JSON"
    return f"XML whose first element is <{shortened(root)}>", "of XML, lsvid reads ELAN's .eaf"


def _table(lines: Sequence[str]) -> tuple[str, str]:
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    try:
        columns = next(csv.reader([lines[0]], delimiter=delimiter), []) if lines else []
    except csv.Error:
        columns = []
    columns = [column.strip() for column in columns]
    if set(columns) >= _LABEL_STUDIO_CSV:
        return (
            "Label Studio's own CSV, which has lost which sub label belongs to which region",
            "export it again as JSON",
        )
    if len(columns) > 1:
        found = shortened(", ".join(columns))
        return f"a table with the columns {found}", _WHAT_A_TABLE_NEEDS
    if any(re.match(r"\s*\d+\s*[-\s]\s*\d+\s+\S", line) for line in lines[:3]):
        return f"segments without a header, such as {shortened(lines[0].strip())!r}", _WHAT_A_TABLE_NEEDS
    if len(lines) > len(set(lines)):
        return (
            "one label a frame",
            f"put such files into a folder named {_MS_TCN_FOLDER}, and name the folder that holds it",
        )
    return "text of no format that lsvid reads", _WHAT_A_TABLE_NEEDS
