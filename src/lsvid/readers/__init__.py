"""Readers turn an annotation export into spans. Each format has one file.

To add a format of JSON documents: write `readers/<name>.py` with `recognises(keys)` and `read(documents, options,
findings)`, add its line to READERS, and its tests to `tests/readers/test_<name>.py`. For any other kind of file, or for
a folder: `recognises(path, head)` and `read(path, options, findings)`, and a line in FILE_READERS, which are asked
first. A reader turns what it finds into records (lsvid.annotations.spans) and reports what is wrong or unused to
`findings`. It never opens a video: frames are computed later, from each span's own values.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lsvid.annotations.spans import Record
from lsvid.errors import ExportError
from lsvid.files.paths import is_file, is_folder
from lsvid.files.texts import head_of
from lsvid.findings import Findings
from lsvid.readers import (
    boris,
    cholec80,
    elan,
    label_studio,
    losslesscut,
    mstcn,
    probabilities,
    prodigy,
    prodigy_database,
    segments,
    spans,
    subtitles,
    unknown,
    via,
)
from lsvid.readers.documents import (
    BadDocumentError,
    Document,
    NotJsonError,
    ReadOptions,
    decode,
    iter_documents,
    shortened,
)


@dataclass(frozen=True)
class Reader:
    """A format of JSON documents.

    recognises: whether a document with these keys is of this format. read: the records of all documents.
    """

    name: str
    recognises: Callable[[frozenset[str]], bool]
    read: Callable[[Iterable[Document], ReadOptions, Findings], Iterator[Record]]


@dataclass(frozen=True)
class FileReader:
    """A format of files or folders.

    recognises: whether a folder (with an empty `head`), or a file that begins with `head`, is of this format.
    """

    name: str
    recognises: Callable[[Path, bytes], bool]
    read: Callable[[Path, ReadOptions, Findings], Iterator[Record]]


FILE_READERS = [
    # Label Studio's own database is not read: its tables change from version to version.
    FileReader("Prodigy database", prodigy_database.recognises, prodigy_database.read),
    FileReader("BORIS project or events", boris.recognises, boris.read),
    FileReader("LosslessCut project or segments", losslesscut.recognises, losslesscut.read),
    FileReader("subtitles (WebVTT, SubRip)", subtitles.recognises, subtitles.read),
    FileReader("segments CSV", segments.recognises, segments.read),
    FileReader("ELAN (.eaf)", elan.recognises, elan.read),
    FileReader("MS-TCN folder", mstcn.recognises, mstcn.read),
    FileReader("probabilities (NumPy, CSV)", probabilities.recognises, probabilities.read),
    FileReader("Cholec80 phases", cholec80.recognises, cholec80.read),
]

READERS = [
    Reader("lsvid spans", spans.recognises, spans.read),
    Reader("Label Studio JSON", label_studio.recognises, label_studio.read),
    Reader("Prodigy JSONL", prodigy.recognises, prodigy.read),
    Reader("VIA 3 project", via.recognises, via.read),
]


def read_export(path: str, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of the export at `path` ('-' for standard input).

    It is read by the first of FILE_READERS that recognises it, else by the one of READERS that recognises its first
    document. Faults of single annotations go to `findings`. Raises ExportError if no reader knows the file.
    """
    if is_file(path) or is_folder(path):  # otherwise a pipe, which can be read only once and holds documents
        head = _head(Path(path))
        for file_reader in FILE_READERS:
            if file_reader.recognises(Path(path), head):
                return file_reader.read(Path(path), options, findings)
        if is_folder(path):
            raise unknown.unknown_folder(path, ", ".join(names()))
    documents = iter_documents(path)
    try:
        first = next(documents, None)
    except NotJsonError as error:
        raise unknown.unknown_file(path, error) from error
    if first is None:
        raise ExportError(f"{path} holds nothing", "export it again; Label Studio: Export, JSON")
    keys = _keys(first)
    for reader in READERS:
        if reader.recognises(keys):
            return reader.read(_chain(first, documents), options, findings)
    if {"annotation_id", "annotator", "lead_time"} <= keys:
        raise ExportError(
            f"{path} is Label Studio's JSON_MIN, which does not say which sub label belongs to which region",
            "export it again as JSON",
        )
    raise ExportError(
        f"{path} is none of the exports that lsvid reads ({', '.join(names())})",
        f"its first document has the keys: {shortened(', '.join(sorted(keys))) or 'none'}",
    )


def names() -> list[str]:
    """The names of the formats that are read, for people."""
    return [reader.name for reader in READERS] + [reader.name for reader in FILE_READERS]


def _head(path: Path) -> bytes:
    """The first kilobytes of a file, unpacked; empty for a folder or if it cannot be read (its reader reports that)."""
    try:
        return head_of(path, _HEAD_SIZE)
    except (OSError, ValueError):
        return b""


_HEAD_SIZE = 4096


_keys_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _keys(document: Document) -> frozenset[str]:
    try:
        found = decode(_keys_decoder, document.raw)
    except BadDocumentError as error:
        raise ExportError(
            f"{document.place} is not a JSON object: {error}", "is this an export of annotations?"
        ) from error
    return frozenset(found)


def _chain(first: Document, rest: Iterable[Document]) -> Iterator[Document]:
    yield first
    yield from rest
