"""Shared by all readers: the JSON documents of a file, one after the other, and the options for reading."""

import gzip
import mmap
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypedDict, TypeVar

import msgspec

from lsvid.annotations.probabilities import ProbabilityOptions
from lsvid.errors import ClipError, ExportError, SettingsError, check_choice, check_kind
from lsvid.files import texts
from lsvid.files.inputs import open_input, read_at_most
from lsvid.files.paths import parts_of
from lsvid.labels.tree import LabelTree
from lsvid.video.clips import CaseRule, ClipFile
from lsvid.video.lookup import ClipFinder, clip_name, is_upload, media_path
from lsvid.video.timebase import exact_seconds

T = TypeVar("T")

TIER_NAMES = ("auto", "level", "participant", "annotator", "none")
"""What the name of an ELAN tier may mean. auto: a level of the labels, if tiers are side by side. level: the same;
for a root tier always. participant: the first level is the tier's PARTICIPANT, and the name is a second level if the
participant has several tiers. annotator: the name of a root tier is the annotator. none: nothing."""


class Document(NamedTuple):
    """One JSON object of an export, not decoded, and its place in the file."""

    place: str
    raw: msgspec.Raw


class FurtherOptions(TypedDict, total=False):
    """The fields of ReadOptions that `lsvid.read` takes as they are. One name may stand for a tuple of it."""

    datasets: str | tuple[str, ...]
    tiers: str | tuple[str, ...]
    tier_names: Literal["auto", "level", "participant", "annotator", "none"]
    point_s: float | Fraction | None
    cut_overrun: bool
    probabilities: ProbabilityOptions | Mapping[str, Any]


OTHER_CASES = "cases that are not asked for"
"""The reason that is given for cases that are left out."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read an export.

    rule: how to find a clip's case; None: by what the export says, else the parent folder.
    tree: the label tree, if it is known; maps ids back to names and orders labels.
    label_config: the XML of the Label Studio project, if it is known.
    ls_fps: the rate that Label Studio's editor used, for tasks that do not hold it.
    annotators: annotator in the export -> name to write.
    datasets: for a Prodigy database, the datasets to read.
    tiers: for ELAN files, the tiers to read (patterns such as 'gloss*'); empty: all.
    tier_names: what the names of ELAN's tiers, or BORIS's subjects, mean: one of TIER_NAMES.
    point_s: how many seconds a moment lasts, for formats that have moments; None: it holds no picture.
    decode_media: unpack a clip that the export holds as base64 data, if the export does not say where its file is.
    cut_overrun: cut a span that ends more than a second after its clip, instead of reporting a fault.
    finder: finds the clips' files, whose place tells the case if the export does not.
    clips: every clip of every case, in order, if known; for exports of whole cases.
    cases: the cases to read, the others are left out and counted; None: all.
    probabilities: how a model's probabilities become spans: ProbabilityOptions, or its fields in a dict.
    """

    rule: CaseRule | None = None
    tree: LabelTree | None = None
    label_config: str | None = None
    ls_fps: str | None = None
    annotators: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    tier_names: str = "auto"
    point_s: float | None = None
    decode_media: bool = False
    cut_overrun: bool = False
    finder: ClipFinder | None = None
    clips: Sequence[ClipFile] | None = None
    cases: Collection[str] | None = None
    probabilities: ProbabilityOptions = field(default_factory=ProbabilityOptions)

    def __post_init__(self) -> None:
        """Check the values, and make ProbabilityOptions of a dict, a tuple of one name. Raises SettingsError."""
        for name in ("datasets", "tiers"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, (value,))
        check_choice("tier_names", self.tier_names, TIER_NAMES)
        if self.point_s is not None:
            check_kind("point_s", self.point_s, (int, float, Fraction), "a number of seconds")
            try:
                exact_seconds(self.point_s)
            except ValueError as error:
                raise SettingsError(f"point_s: {error}") from error
        given: object = self.probabilities
        if isinstance(given, Mapping):
            try:
                object.__setattr__(self, "probabilities", ProbabilityOptions(**given))
            except TypeError as error:
                names = ", ".join(field.name for field in fields(ProbabilityOptions))
                raise SettingsError(f"probabilities: {error}", f"choose from {names}") from error
        check_kind(
            "probabilities", self.probabilities, ProbabilityOptions, "a ProbabilityOptions or a dict of its fields"
        )

    def leaves_out(self, case: str) -> bool:
        """Whether `case` is not to be read."""
        return self.cases is not None and case not in self.cases

    def case_of(self, path: str) -> str:
        """The case of the clip at `path`. Raises ClipError."""
        return (self.rule or CaseRule()).case_of(path)

    def identify(self, media: str) -> tuple[str, str]:
        """Case and name of the clip whose file an export names as `media`, if the export does not say them.

        For a name without a folder, or an upload of Label Studio, both come from the file that the finder finds.
        Raises ClipError.
        """
        path = media_path(media)
        is_bare = len([part for part in parts_of(path) if not part.endswith(":")]) < 2  # or in the root of a drive
        if self.finder is not None and self.finder.roots and (is_bare or is_upload(path)):
            try:
                path = self.finder.find(media)
            except ClipError:
                if is_bare and (self.rule is None or self.rule.name is None):
                    raise
        return self.case_of(path), clip_name(path)

    def identify_beside(self, media: str, file: Path) -> tuple[str, str, str]:
        """Case, name and media of the clip that `file` names as `media`. A bare name means a file beside `file`.

        Raises ClipError.
        """
        if re.search(r"[/\\]", media):
            return *self.identify(media), media
        if self.finder is not None and self.finder.roots:
            try:
                return *self.identify(media), media
            except ClipError:
                pass
        full = str(file.absolute().parent / media)
        return *self.identify(full), full

    def annotator(self, name: str) -> str:
        """The name to write for `name`."""
        return self.annotators.get(name, name)


def parse_seconds(text: str) -> float:
    """The seconds in 90.5, 90,5, 1:30.5 or 00:01:30,500. Raises ValueError."""
    clock = re.fullmatch(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2}(?:[.,]\d{1,12})?)", text)
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        return (int(hours or 0) * 60 + int(minutes)) * 60 + float(seconds.replace(",", "."))
    if "_" in text or len(text) > 40:  # Python reads 1_000
        raise ValueError(text)
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


MAX_DOCUMENT_BYTES = 256 << 20
"""The longest line that is read whole. In a longer line, media as base64 data are skipped."""
_IN_MEMORY_BYTES = 512 << 20
"""The largest export that is held in memory. A larger one is copied and mapped: the process would be killed if somebody
shortened a mapped file."""

_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


class NotJsonError(ExportError):
    """The file does not begin as JSON: it is of another kind."""


class BadDocumentError(ValueError):
    """What is wrong with one JSON document, for people."""


def decode(decoder: msgspec.json.Decoder[T], raw: bytes | memoryview | msgspec.Raw) -> T:
    """One document, decoded. Raises BadDocumentError for anything that can be wrong with it."""
    try:
        return decoder.decode(raw)
    except RecursionError as error:
        raise BadDocumentError("nested too deep") from error
    except UnicodeDecodeError as error:
        raise BadDocumentError(_not_utf8(bytes(raw))) from error
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise BadDocumentError(str(error)) from error


def _not_utf8(raw: bytes) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        around = raw[max(error.start - 20, 0) : error.start + 20].decode("cp1252", "replace")
        return (
            f"not UTF-8 text (byte 0x{raw[error.start]:02x} at {error.start}; as Windows-1252 it would read {around!r}:"
            " save the file as UTF-8)"
        )
    return "not UTF-8 text"


def iter_documents(path: str) -> Iterator[Document]:
    """The objects of a JSON array or of JSON Lines at `path` ('-' for standard input). Gzip is unpacked.

    Raises ExportError, with the place, if the file cannot be read or is not JSON; NotJsonError if it does not begin
    as JSON.
    """
    content = _as_utf8(path, _content(path))
    start = 3 if content[:3] == b"\xef\xbb\xbf" else 0
    start = _after_blanks(content, start)
    if start == len(content):
        return
    if content[start : start + 1] == b"[":
        yield from _array(path, memoryview(content)[start:])
    else:
        yield from _lines(path, content, start)


def _array(path: str, content: memoryview) -> Iterator[Document]:
    try:
        items = decode(msgspec.json.Decoder(list[msgspec.Raw]), content)
    except BadDocumentError as error:
        raise NotJsonError(f"{path} is not whole JSON: {error}", "it may have been cut off: export it again") from error
    for number, raw in enumerate(items, start=1):
        yield Document(f"{path}, item {number}", raw)


def _lines(path: str, content: bytes | mmap.mmap, position: int) -> Iterator[Document]:
    first = position
    number = 1 + content[:position].count(b"\n")
    while position < len(content):
        end = content.find(b"\n", position)
        end = len(content) if end < 0 else end
        line = content[position:end] if end - position <= MAX_DOCUMENT_BYTES else _without_data(content, position, end)
        if len(line) > MAX_DOCUMENT_BYTES:
            raise ExportError(
                f"{path}:{number} is {len(line) >> 20:,} MB long; lsvid reads lines of up to "
                f"{MAX_DOCUMENT_BYTES >> 20} MB",
                "an export has one annotated clip a line: is this one?",
            )
        try:
            raw = decode(_raw_decoder, line.strip())
        except BadDocumentError as error:
            if position == first and (whole := _one_object(content, first)) is not None:  # one object on many lines
                yield Document(path, whole)
                return
            kind = NotJsonError if position == first else ExportError
            raise kind(f"{path}:{number} is not JSON: {error}", "it may have been cut off: export it again") from error
        yield Document(f"{path}:{number}", raw)
        position = _after_blanks(content, end)
        number += content[end:position].count(b"\n")


_BLANKS = re.compile(rb"[ \t\r\n]*")


def _after_blanks(content: bytes | mmap.mmap, position: int) -> int:
    found = _BLANKS.match(content, position)
    return found.end() if found else position


def _without_data(content: bytes | mmap.mmap, start: int, stop: int) -> bytes:
    """The bytes of `content` from `start` to `stop` without the payloads of data URIs, which are never copied."""
    parts = []
    while (found := content.find(b'"data:', start, stop)) >= 0:
        payload = content.find(b",", found, stop) + 1
        end = content.find(b'"', found + 1, stop)  # base64 and media types have no quotation marks
        if not found < payload <= end:
            break
        parts.append(content[start:payload])
        start = end
    if stop - start > MAX_DOCUMENT_BYTES:
        return content[start : start + MAX_DOCUMENT_BYTES + 1]
    return b"".join([*parts, content[start:stop]])


def _one_object(content: bytes | mmap.mmap, start: int) -> msgspec.Raw | None:
    if len(content) - start > MAX_DOCUMENT_BYTES:
        return None
    try:
        return decode(_raw_decoder, content[start:])
    except BadDocumentError:
        return None


_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")
"""How JSON in UTF-16 begins: with a byte order mark, as PowerShell writes it, or without."""


def _as_utf8(path: str, content: bytes | mmap.mmap) -> bytes | mmap.mmap:
    head = content[:_HEAD]
    if not head.startswith(_UTF16):
        # Old Macs end lines with \r, which is a blank in JSON.
        return content[:].replace(b"\r", b"\n") if b"\r" in head and content.find(b"\n") < 0 else content
    mark = {b"{\0": b"\xff\xfe", b"[\0": b"\xff\xfe", b"\0{": b"\xfe\xff", b"\0[": b"\xfe\xff"}.get(head[:2], b"")
    try:
        return texts.decode(mark + content[:]).text.encode()
    except texts.TextError as error:
        raise NotJsonError(f"{path} cannot be read as text: {error}", "save it as UTF-8") from error


_HEAD = 4096


def _content(path: str) -> bytes | mmap.mmap:
    """The bytes of the file: in memory, or mapped if there are many, so that an export of any size can be read."""
    try:
        with open_input(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            is_packed = stream.read(2) == texts.GZIP
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) if is_packed else stream as source:
                begun = source.read(_HEAD)
                if begun and not begun.strip(b"\0"):
                    raise NotJsonError(f"{path} begins with nothing but NUL bytes", "copy it again: it was not written")
                content = begun + read_at_most(source, _IN_MEMORY_BYTES + 1 - len(begun))
                if len(content) > _IN_MEMORY_BYTES:
                    return _mapped(content, source)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ExportError(
            f"cannot read {shortened(path)}: not a whole gzip file: {error}", "copy it again from its source"
        ) from error
    except (OSError, MemoryError) as error:
        raise ExportError(
            f"cannot read {shortened(path)}: {_reason(error)}", "check the path; an export is a file"
        ) from error
    if not is_packed and len(content) < size:
        raise ExportError(f"{path} was cut while it was read", "run the same command again when it is whole")
    return content


def _mapped(begun: bytes, rest: BinaryIO | gzip.GzipFile) -> mmap.mmap:
    with tempfile.TemporaryFile(prefix="lsvid-") as copy:
        copy.write(begun)
        shutil.copyfileobj(rest, copy)
        copy.flush()
        return mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ)


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    return str(getattr(error, "strerror", None) or error)


def shortened(text: str) -> str:
    """`text` for a message, shortened to about a line."""
    return text if len(text) <= 200 else f"{text[:120]}…{text[-40:]} ({len(text):,} characters)"


def shown(value: object) -> str:
    """`value` for a message, as Python writes it, shortened to about a line."""
    return shortened(repr(value))


# --- Values -----------------------------------------------------------------------------------------------------------


MAX_FRAME = 2**53
"""Whole numbers above this are not exact in JSON. No video has so many frames."""


def as_seconds(value: object) -> float | None:
    """`value`, a number or a text such as '2.5', as seconds; infinite if out of range; None if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except ValueError:
        return None


def as_frame(value: object) -> int | None:
    """`value` (25, 25.0 or '25') as a frame number; None if it is not a whole number."""
    if isinstance(value, str) and len(value) < 30:
        value = as_seconds(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_FRAME else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= MAX_FRAME else None
