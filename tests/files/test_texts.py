"""What a file's text is: byte order marks, packed files, and bytes that are none."""

import contextlib
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.files.texts import Text, TextError, decode, first_line, head_of, read_bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_text_with_or_without_a_byte_order_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == Text(text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_byte_order_mark_is_known_by_its_nuls(encoding: str) -> None:
    text = "label;start\r\nNähen;1\r\n"
    assert decode(text.encode(encoding)) == Text(text)
    assert first_line(text.encode(encoding)) == "label;start"


def test_the_line_that_tells_excel_the_separator_is_no_text() -> None:
    assert decode(b"\xef\xbb\xbfsep=;\r\na;b\r\n") == Text("\r\na;b\r\n")
    assert first_line(b"sep=;\na;b\n") == "a;b"


def test_windows_1252_is_read_where_that_is_asked_for_and_told() -> None:
    data = "eins\nNähen: fertig\n".encode("cp1252")
    text, guessed = decode(data, windows=True)
    assert text == "eins\nNähen: fertig\n"
    assert "its line 2 reads 'Nähen: fertig'" in guessed
    with pytest.raises(TextError, match=r"line 2: not UTF-8 text \(byte 0xe4\); as Windows-1252 it would read 'Nähen"):
        decode(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\nb\0c", "line 2: a NUL character"),
        (b"PK\3\4\0\0\0\0a\0\0\0", "UTF-16 without a byte order mark, or no text"),
        (b"\xff\xfea", "not whole UTF-16 text"),
        (b"a\n\x81\x8d", r"line 2: not UTF-8 text \(byte 0x81\)$"),
    ],
)
def test_what_is_no_text_is_told_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(TextError, match=told):
        decode(data, windows=True)


@given(st.binary())
def test_any_bytes_are_text_or_a_text_error(data: bytes) -> None:
    with contextlib.suppress(TextError):
        decode(data, windows=True)


def test_packed_files_are_unpacked_whatever_their_name(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    data = bytes(range(256)) * 400
    file.write_bytes(gzip.compress(data))
    assert read_bytes(file) == data
    assert data.startswith(head_of(file, 4096))
    assert head_of(file, 4096)
    file.write_bytes(gzip.compress(data)[:-20])
    with pytest.raises(OSError, match="not a whole gzip file"):
        read_bytes(file)
    file.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(OSError, match="gzip"):
        read_bytes(file)
    assert head_of(file, 4096) == b"\x1f\x8bnonsense"
    file.write_bytes(data)
    assert (read_bytes(file), head_of(file, 10)) == (data, data[:10])
