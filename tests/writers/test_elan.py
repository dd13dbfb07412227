"""ELAN files, read by an independent reader of the documented form: XML, time slots, tiers."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from exports import LABELS, Labelled, clip, export, index, overlapping, placed, read_back, vfr_index
from lsvid.files.paths import addresses
from lsvid.video.timebase import FrameIndex


class Mark(NamedTuple):
    start_ms: int
    end_ms: int
    value: str


def read_eaf(file: Path) -> dict[str, tuple[str | None, str | None, list[Mark]]]:
    """Of every tier: its parent, its annotator, and its annotations by time."""
    root = ET.parse(file).getroot()  # noqa: S314 - made here
    slots = {e.attrib["TIME_SLOT_ID"]: int(e.attrib["TIME_VALUE"]) for e in root.iterfind("TIME_ORDER/TIME_SLOT")}
    types = {e.attrib["LINGUISTIC_TYPE_ID"]: e.get("CONSTRAINTS") for e in root.iterfind("LINGUISTIC_TYPE")}
    tiers = {}
    for tier in root.iterfind("TIER"):
        parent = tier.get("PARENT_REF")
        assert types[tier.attrib["LINGUISTIC_TYPE_REF"]] == ("Included_In" if parent else None)
        marks = [
            Mark(slots[e.attrib["TIME_SLOT_REF1"]], slots[e.attrib["TIME_SLOT_REF2"]], e[0].text or "")
            for e in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION")
        ]
        tiers[tier.attrib["TIER_ID"]] = (parent, tier.get("ANNOTATOR"), sorted(marks))
    return tiers


TIMES = st.sampled_from(
    [
        index(60),
        index(60, Fraction(30000, 1001), Fraction(1, 5)),
        index(60, Fraction(60000, 1001)),
        vfr_index([40, 33, 17, 80] * 15),
    ]
)


@settings(max_examples=30, deadline=None)
@given(overlapping(), TIMES)
def test_tiers_hold_the_spans_as_elan_wants_them(spans: list[Labelled], times: FrameIndex) -> None:
    clips = placed(clip("op1/a", spans, times))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "elan", LABELS)
        tiers = read_eaf(Path(folder, "out/op1_a.eaf"))
        back, _ = read_back(Path(folder, "out/op1_a.eaf"), clips)
    assert back == {"op1/a": set(spans)}
    found = []
    for parent, _, marks in tiers.values():
        assert all(before.end_ms <= after.start_ms for before, after in pairwise(marks))
        if parent is None:
            found += [(mark.start_ms, mark.end_ms, mark.value) for mark in marks]
        else:
            around = tiers[parent][2]
            assert all(any(p.start_ms <= m.start_ms and m.end_ms <= p.end_ms for p in around) for m in marks)
    info = clips[0].info
    assert info is not None
    assert sorted(found) == sorted(
        (round(info.index.time_s(start) * 1000), round(info.index.time_s(stop) * 1000), name.split(" / ")[0])
        for name, start, stop in spans
    )


def test_two_annotators_have_tiers_of_their_own(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", {"x@h": [("Dissection / Blunt", 0, 25)], "y@h": []}))
    export(tmp_path / "out", clips, "elan", LABELS)
    assert read_eaf(tmp_path / "out/op1_a.eaf") == {
        "level_1@x@h": (None, "x@h", [Mark(0, 1000, "Dissection")]),
        "level_2@x@h": ("level_1@x@h", "x@h", [Mark(0, 1000, "Blunt")]),
        "level_1@y@h": (None, "y@h", []),
        "level_2@y@h": ("level_1@y@h", "y@h", []),
    }


def test_tiers_of_annotators_with_odd_names_are_their_own(tmp_path: Path) -> None:
    people: dict[str, Sequence[Labelled]] = {
        "x": [("A", 0, 25), ("A", 10, 35)],
        "x (2)": [("A", 50, 75)],
        "y\x00": [("A", 0, 5)],
        "y\x01": [("A", 5, 9)],
    }
    export(tmp_path / "out", placed(clip("op1/a", people)), "elan")
    tiers = read_eaf(tmp_path / "out/op1_a.eaf")
    assert sorted(len(marks) for _, _, marks in tiers.values()) == [1] * 5
    assert [who for _, who, _ in tiers.values()] == ["x", "x", "x (2)", "y\ufffd", "y\ufffd_2"]


def test_the_clip_is_linked(tmp_path: Path) -> None:
    video = tmp_path / "my clips" / "a.mp4"
    export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)], path=str(video))), "elan")
    root = ET.parse(tmp_path / "out/op1_a.eaf").getroot()  # noqa: S314 - made here
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib == {
        "MEDIA_URL": f"file://{tmp_path}/my%20clips/a.mp4",
        "RELATIVE_MEDIA_URL": "../my%20clips/a.mp4",
        "MIME_TYPE": "video/mp4",
    }


def test_the_same_again_is_the_same_file(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 5)]))
    export(tmp_path / "out", clips, "elan")
    first = (tmp_path / "out/op1_a.eaf").read_bytes()
    export(tmp_path / "out", clips, "elan")
    assert (tmp_path / "out/op1_a.eaf").read_bytes() == first


def test_addresses_of_media_on_windows() -> None:
    folder = PureWindowsPath(r"C:\work\out")
    assert addresses(PureWindowsPath(r"C:\work\op 1\a.mp4"), folder) == (
        "file:///C:/work/op%201/a.mp4", "../op%201/a.mp4",
    )  # fmt: skip
    assert addresses(PureWindowsPath(r"D:\op1\a.mp4"), folder) == ("file:///D:/op1/a.mp4", None)
    assert addresses(PureWindowsPath(r"\\server\share\op1\a.mp4"), folder) == (
        "file://server/share/op1/a.mp4", None,
    )  # fmt: skip
    assert addresses(PurePosixPath("/v/ö/a.mp4"), PurePosixPath("/out")) == (
        "file:///v/%C3%B6/a.mp4", "../v/%C3%B6/a.mp4",
    )  # fmt: skip
    assert addresses("s3://bucket/op 1/a.mp4", PurePosixPath("/out")) == ("s3://bucket/op 1/a.mp4", None)
