"""What all readers share: the JSON documents of a file, one after the other, and the options of reading."""

import gzip
import mmap
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from lsvid.annotations.probabilities import ProbabilityOptions
from lsvid.errors import ClipError, ExportError
from lsvid.labels.tree import LabelTree
from lsvid.video.clips import CaseRule, ClipFile
from lsvid.video.lookup import ClipFinder, clip_name, is_upload, media_path


class Document(NamedTuple):
    """One JSON object of an export, undecoded, and where it stands."""

    place: str
    raw: msgspec.Raw


@dataclass(frozen=True)
class ReadOptions:
    """How to read an export.

    rule: how a clip's case is told; None: what the export itself says, else the parent folder.
    tree: the label tree, where it is known; maps ids back to names and orders labels.
    label_config: the Label Studio project's XML, where it is known.
    ls_fps: the rate Label Studio's editor used, for tasks that do not carry it.
    annotators: annotator as the export names them -> name to write.
    datasets: of a Prodigy database, the datasets to read.
    tiers: of ELAN files, the tiers to read (patterns such as 'gloss*'); none: all.
    tier_names: of ELAN files, what the names of tiers mean: one of lsvid.readers.elan.TIER_NAMES.
    decode_media: where an export holds a clip itself, as base64 data, and does not say where its file is: unpack it.
    cut_overrun: cut a span that overruns its clip by more than a second to the clip, instead of calling it a fault.
    finder: finds the clips' files, for exports that do not tell the case of a clip: its file's place does.
    clips: every clip of every case, in order, where that is known, for exports of whole cases.
    probabilities: how a model's probabilities become spans.
    """

    rule: CaseRule | None = None
    tree: LabelTree | None = None
    label_config: str | None = None
    ls_fps: str | None = None
    annotators: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    tier_names: str = "auto"
    decode_media: bool = False
    cut_overrun: bool = False
    finder: ClipFinder | None = None
    clips: Sequence[ClipFile] | None = None
    probabilities: ProbabilityOptions = field(default_factory=ProbabilityOptions)

    def case_of(self, path: str) -> str:
        """The case of the clip at `path`. Raises ClipError."""
        return (self.rule or CaseRule()).case_of(path)

    def identify(self, media: str) -> tuple[str, str]:
        """Case and name of the clip that an export names as `media`, where it names neither itself.

        A name without a folder, and an upload of Label Studio, take both from the file that is found for them.
        Raises ClipError.
        """
        path = media_path(media)
        is_bare = "/" not in path
        if self.finder is not None and self.finder.roots and (is_bare or is_upload(path)):
            try:
                path = self.finder.find(media)
            except ClipError:
                if is_bare and (self.rule is None or self.rule.name is None):
                    raise
        return self.case_of(path), clip_name(path)

    def annotator(self, name: str) -> str:
        """The name to write for `name`."""
        return self.annotators.get(name, name)


MAX_DOCUMENT_BYTES = 256 << 20
"""The longest line that is read whole. Of a longer one, the media that it holds as base64 data are passed over."""

_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


def iter_documents(path: str) -> Iterator[Document]:
    """The objects of a JSON array, or of JSON Lines, at `path` ('-' for standard input; .gz is unpacked).

    Raises ExportError where the file cannot be read or is not JSON, naming the place.
    """
    content = memoryview(_content(path))
    start = 3 if bytes(content[:3]) == b"\xef\xbb\xbf" else 0
    while start < len(content) and content[start] in b" \t\r\n":
        start += 1
    if start == len(content):
        return
    if content[start] == ord("["):
        yield from _array(path, content[start:])
    else:
        yield from _lines(path, content[start:])


def _array(path: str, content: memoryview) -> Iterator[Document]:
    try:
        items = msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise ExportError(f"{path} is not whole JSON: {error}", "it may have been cut off: export it again") from error
    for number, raw in enumerate(items, start=1):
        yield Document(f"{path}, item {number}", raw)


def _lines(path: str, content: memoryview) -> Iterator[Document]:
    buffer = content.obj
    assert isinstance(buffer, mmap.mmap)  # noqa: S101 - the caller's business
    position = len(buffer) - len(content)
    number = 0
    while position < len(buffer):
        end = buffer.find(b"\n", position)
        end = len(buffer) if end < 0 else end
        number += 1
        line = buffer[position:end] if end - position <= MAX_DOCUMENT_BYTES else _without_data(buffer, position, end)
        position = end + 1
        if len(line) > MAX_DOCUMENT_BYTES:
            raise ExportError(
                f"{path}:{number} is {len(line) >> 20:,} MB long; lsvid reads lines of up to "
                f"{MAX_DOCUMENT_BYTES >> 20} MB",
                "an export has one annotated clip a line: is this one?",
            )
        line = line.strip()
        if not line:
            continue
        try:
            raw = _raw_decoder.decode(line)
        except msgspec.DecodeError as error:
            if number == 1 and (whole := _one_object(content)) is not None:  # one object over many lines
                yield Document(path, whole)
                return
            raise ExportError(
                f"{path}:{number} is not JSON: {error}", "it may have been cut off: export it again"
            ) from error
        yield Document(f"{path}:{number}", raw)


def _without_data(buffer: mmap.mmap, start: int, stop: int) -> bytes:
    """The bytes of `buffer` from `start` to `stop` without the payloads of its data URIs: never held whole."""
    parts = []
    while (found := buffer.find(b'"data:', start, stop)) >= 0:
        payload = buffer.find(b",", found, stop) + 1
        end = buffer.find(b'"', found + 1, stop)  # neither base64 nor a media type has a quotation mark
        if not found < payload <= end:
            break
        parts.append(buffer[start:payload])
        start = end
    if stop - start > MAX_DOCUMENT_BYTES:
        return buffer[start : start + MAX_DOCUMENT_BYTES + 1]
    return b"".join([*parts, buffer[start:stop]])


def _one_object(content: memoryview) -> msgspec.Raw | None:
    if len(content) > MAX_DOCUMENT_BYTES:
        return None
    try:
        return _raw_decoder.decode(content)
    except msgspec.DecodeError:
        return None


def _content(path: str) -> bytes | mmap.mmap:
    """The bytes of the file, mapped, not read: documents are decoded one at a time, so an export of any size can be."""
    try:
        if path == "-" or Path(path).suffix == ".gz":
            with tempfile.TemporaryFile(prefix="lsvid-") as copy:
                if path == "-":
                    shutil.copyfileobj(sys.stdin.buffer, copy)
                else:
                    with gzip.open(path) as packed:
                        shutil.copyfileobj(packed, copy)
                copy.flush()
                return mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) if copy.tell() else b""
        with Path(path).open("rb") as stream:
            if Path(path).stat().st_size == 0:
                return b""
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"cannot read {path}: {error}", "check the path; an export is a file") from error
