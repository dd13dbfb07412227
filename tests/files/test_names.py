"""Names as parts of paths: whatever they are, they stay in their folder, on every system, and apart."""

import ntpath
import re
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.files.names import fold, path_part, path_parts, places, readable


def _is_reserved(name: str) -> bool:
    """Whether Windows reserves `name`. ntpath has the function since Python 3.13; pathlib had it before."""
    if hasattr(ntpath, "isreserved"):
        return bool(ntpath.isreserved(name))
    return PureWindowsPath(name).is_reserved()


NAMES = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(
    [
        "..",
        ".",
        "",
        "../../x",
        "/etc/passwd",
        "C:\\x",
        "NUL",
        "con.txt",
        "COM¹",
        "Lpt9.tar.gz",
        "CON .x",
        "a.",
        "a ",
        "a\0b",
    ]
)


@pytest.mark.parametrize(
    "name", ["op1", "clip_1", "Op 1 (Montag)", "clip.v2", "Ü", "手术1", "e\u0301", "a,b;c&d'e", "com10", "x" * 180]
)
def test_a_name_that_can_be_stays(name: str) -> None:
    assert path_part(name) == name


@given(NAMES)
def test_every_name_becomes_one_part_of_a_path_on_every_system(name: str) -> None:
    part = path_part(name)
    assert part == path_part(name)
    assert 0 < len(part.encode()) <= 180
    assert Path(f"/folder/{part}").parent == Path("/folder")
    assert Path(f"/folder/{part}").resolve().parent == Path("/folder")
    assert PureWindowsPath(f"C:/folder/{part}").parts == ("C:\\", "folder", part)
    assert not re.search(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]', part)
    assert not part.startswith((".", " "))
    assert not part.endswith((".", " "))
    for whole in (part, f"{part}.vtt", f"frames_{part}.parquet"):
        assert not _is_reserved(whole)
        assert ntpath.basename(whole) == whole


@given(st.lists(NAMES, max_size=12))
def test_names_side_by_side_stay_apart_where_case_and_spelling_do_not_count(names: list[str]) -> None:
    parts = path_parts(names)
    assert set(parts) == set(names)
    alike = {unicodedata.normalize("NFD", part).casefold() for part in parts.values()}
    assert len(alike) == len({fold(part) for part in parts.values()}) == len(set(names))
    assert all(path_part(part) == part for part in parts.values())


def test_of_two_names_that_collide_the_first_stays() -> None:
    parts = path_parts(["clip_1", "CLIP_1", "é", "e\u0301"])
    assert (parts["clip_1"], parts["é"]) == ("clip_1", "é")
    assert re.fullmatch(r"CLIP_1-[0-9a-f]{8}", parts["CLIP_1"])
    assert path_part("a:b") != path_part("a?b")


def test_the_same_case_is_one_folder() -> None:
    found = places([("op1", "a"), ("OP1", "a"), ("op1", "A"), ("op1", "b")])
    assert [found["op1", "a"], found["op1", "b"]] == ["op1/a", "op1/b"]
    assert found["op1", "A"].startswith("op1/A-")
    assert found["OP1", "a"].startswith("OP1-")


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_readable_text_can_be_encoded(text: str) -> None:
    readable(text).encode()


def test_a_name_of_other_bytes_is_read_as_far_as_it_can_be() -> None:
    assert readable("op 1") == "op 1"
    assert readable(b"caf\xe9".decode("utf-8", "surrogateescape")) == r"caf\xe9"
    assert readable("Ü".encode().decode("ascii", "surrogateescape")) == "Ü", "where the locale knows ASCII only"
