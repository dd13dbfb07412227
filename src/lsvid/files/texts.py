"""Text and bytes of files that other programs wrote: gzipped or not, in UTF-8, UTF-16 or another encoding.

The first bytes of a file tell its encoding: by a byte order mark, or by the NULs that UTF-16 has in every other place;
otherwise it is UTF-8. Bytes that are not UTF-8 are an error that gives their place. A caller may allow Windows-1252
instead; it then has to warn, so that a person can look at the result.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lsvid.files.inputs import open_input, read_at_most

GZIP = b"\x1f\x8b"
MAX_BYTES = 1 << 30
"""The largest file that is read whole, in bytes after unpacking."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins in the same way
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class TextError(ValueError):
    """Why a file's bytes are not text. Its `str()` begins with the line if that is known ('line 3: …')."""


class Text(NamedTuple):
    """A file's text, and what was guessed: '', or a note on what a person should look at."""

    text: str
    guessed: str = ""


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is gzipped; its name does not matter. Raises OSError."""
    with open_input(path) as file:
        is_packed = file.read(2) == GZIP
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) if is_packed else file as content:
                data = read_at_most(content, MAX_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise OSError(f"not a whole gzip file: {error}") from error
    if len(data) > MAX_BYTES:
        raise OSError(f"over {MAX_BYTES >> 20:,} MB")
    return data


def head_of(path: Path, size: int) -> bytes:
    """The first `size` bytes, unpacked if the file is gzipped. Raises OSError."""
    with open_input(path) as file:
        head = file.read(size)
    if not head.startswith(GZIP):
        return head
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(head)).read1(size)
    except (OSError, EOFError, zlib.error):
        return head


def first_line(head: bytes) -> str:
    """The first line that is not blank, in the beginning of a file."""
    mark, encoding = encoding_of(head) or (b"", "utf-8")
    text = _without_separator(head[len(mark) :].decode(encoding, "replace")).lstrip()
    return re.split(r"[\r\n]", text, maxsplit=1)[0].rstrip()


def encoding_of(data: bytes) -> tuple[bytes, str] | None:
    """The byte order mark and encoding that the beginning of a file tells; None where it tells none."""
    head = data[:200]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return mark, encoding
    n_even, n_odd = head[::2].count(0), head[1::2].count(0)  # NULs: one in each letter of Latin text in UTF-16
    if min(n_even, n_odd) == 0 and (n_even + n_odd) * 3 > len(head) and len(head) > 2:
        return b"", "utf-16-le" if n_odd else "utf-16-be"
    return None


def _without_separator(text: str) -> str:
    """`text` without the line with which a table tells Excel what separates its cells; the lines keep their numbers."""
    return re.sub(r"\Asep=[,;\t](?=[\r\n])", "", text)


def decode(data: bytes, *, windows: bool = False) -> Text:
    """The text in `data`, without its byte order mark.

    windows: read text that is not UTF-8 as Windows-1252, and say so in `guessed`. Raises TextError.
    """
    if told := encoding_of(data):
        mark, encoding = told
        try:
            return Text(_without_nul(_without_separator(data[len(mark) :].decode(encoding))))
        except UnicodeDecodeError as error:
            raise TextError(f"not whole {encoding.upper()[:6]} text: {error.reason}") from error
    if data[:200].count(0) * 3 > len(data[:200]):
        raise TextError("it is UTF-16 without a byte order mark, or no text")
    try:
        return Text(_without_nul(_without_separator(data.decode("utf-8"))))
    except UnicodeDecodeError as error:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
        start = data.rfind(b"\n", 0, error.start) + 1
        try:
            text = data.decode("cp1252")
            shown = data[start:].split(b"\n")[0].decode("cp1252").strip()[:60]
        except UnicodeDecodeError:
            raise TextError(f"line {line}: not UTF-8 text (byte 0x{byte:02x})") from error
        if not windows:
            raise TextError(
                f"line {line}: not UTF-8 text (byte 0x{byte:02x}); as Windows-1252 it would read {shown!r}"
            ) from error
        return Text(
            _without_nul(_without_separator(text)),
            f"not UTF-8 but, it seems, Windows-1252; its line {line} reads {shown!r}",
        )


def csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells without blanks around them) of every row that is not empty.

    The delimiter is the one of , ; and TAB that the first row has most often. Raises TextError.
    """
    csv.field_size_limit(MAX_BYTES)  # csv's default limit is smaller than a cell may be
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in lines.split("\n") if line.strip()), "")
    table = csv.reader(io.StringIO(lines, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        for row in table:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield table.line_num, cells
    except csv.Error as error:
        raise TextError(f"line {table.line_num}: {error}") from error


def read_text(path: Path, *, windows: bool = False) -> Text:
    """`decode` of a file. Raises TextError, also if the file cannot be read."""
    try:
        return decode(read_bytes(path), windows=windows)
    except (OSError, MemoryError) as error:
        raise TextError(str(getattr(error, "strerror", None) or error or "not enough memory")) from error


def _without_nul(text: str) -> str:
    """`text`, which must hold no NUL. Raises TextError."""
    position = text.find("\0")
    if position >= 0:
        raise TextError(f"line {text.count(chr(10), 0, position) + 1}: a NUL character, which no text file has")
    return text
