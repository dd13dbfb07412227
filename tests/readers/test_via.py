"""VIA 3's projects: segments in time, and all that is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from lsvid.annotations.spans import Clip, Record, Seconds, Span
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions

ACTION = {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "", "options": {"0": "Cut", "1": "Sew"}}


def segment(*times_s: float, **more: Any) -> dict[str, Any]:
    return {"vid": "1", "flg": 0, "z": list(times_s), "xy": [], "av": {"1": "0"}} | more


def read(folder: Path, *segments: dict[str, Any], options: ReadOptions | None = None, **more: Any) -> Any:
    """The records and findings of a project with these segments; more: what else is otherwise."""
    project = {
        "project": {"pid": "x", "pname": "p", "vid_list": ["1"]},
        "config": {},
        "attribute": {"1": ACTION},
        "file": {"1": {"fid": 1, "fname": "a.mp4", "type": 4, "loc": 2, "src": "https://example.org/op1/a.mp4"}},
        "metadata": {f"1_{number}": one for number, one in enumerate(segments)},
        "view": {"1": {"fid_list": ["1"]}},
    } | more
    file = folder / "project.json"
    file.write_text(json.dumps(project), encoding="utf-8")
    findings = Findings()
    return list(read_export(str(file), options or ReadOptions(), findings)), findings


def spans(records: list[Record]) -> list[tuple[str, object]]:
    return [(" / ".join(r.label), r.basis) for r in records if isinstance(r, Span)]


def test_a_project(tmp_path: Path) -> None:
    records, findings = read(tmp_path, segment(1.5, 2.25), segment(3.0, 4.0, av={"1": "1"}))
    assert [r.clip_id for r in records if isinstance(r, Clip)] == ["op1/a"]
    assert spans(records) == [("Cut", Seconds(1.5, 2.25)), ("Sew", Seconds(3, 4))]
    assert not findings.faults


def test_of_several_attributes_the_name_is_a_level(tmp_path: Path) -> None:
    attributes = {
        "1": ACTION,
        "2": {"aname": "hand", "type": 2, "options": {"l": "left", "r": "right"}},
        "3": {"aname": "note", "type": 1, "options": {}},
    }
    one = segment(1.0, 2.0, av={"1": "0", "2": "l,r", "3": ""})
    records, _ = read(tmp_path, one, attribute=attributes)
    assert [label for label, _ in spans(records)] == ["action / Cut", "hand / left", "hand / right"]
    assert len({r.region_id for r in records if isinstance(r, Span)}) == 1
    records, _ = read(tmp_path, segment(1.0, 2.0, av={"3": "as I / wrote it"}), attribute=attributes)
    assert [label for label, _ in spans(records)] == ["as I / wrote it"]


def test_moments_are_told_or_last_as_long_as_is_asked_for(tmp_path: Path) -> None:
    records, findings = read(tmp_path, segment(1.5))
    assert spans(records) == [("Cut", Seconds(1.5, 1.5))]
    assert "1 segments of one time: a moment labels no picture" in findings.warnings[0][0]
    records, _ = read(tmp_path, segment(1.5), options=ReadOptions(point_s=0.5))
    assert spans(records) == [("Cut", Seconds(1.5, 2.0))]


def test_what_is_no_segment_is_counted(tmp_path: Path) -> None:
    records, findings = read(
        tmp_path, segment(), segment(1.0, xy=[2, 1, 2, 3, 4]), view={"1": {"fid_list": [1]}, "2": {"fid_list": [1, 2]}}
    )
    assert not spans(records)
    assert findings.left_out_counts() == {
        "annotations of VIA that are no segments in time": 2,
        "views of VIA that show several files, or none": 1,
    }


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (segment(2.0, 1.0), "reversed: 2.0 to 1.0 s"),
        (segment(1.0, 2.0, 3.0), "3 times"),
        (segment(1.0, 2.0, av={}), "no label"),
        (segment(1.0, 2.0, z=["x"]), "not a whole project of VIA 3"),
        (segment(1.0, 1e300), ""),
    ],
)
def test_faults_name_the_segment(tmp_path: Path, one: dict[str, Any], told: str) -> None:
    _, findings = read(tmp_path, one)
    assert told in " ".join(reason for _, reason in findings.faults)
    assert all("project.json" in place for place, _ in findings.faults)


@pytest.mark.parametrize(
    ("value", "told"),
    [("7", "attribute action has no option 7"), ({"0": True}, "the value of attribute 1 is no text: {")],
)
def test_a_value_that_is_no_option_is_no_label(tmp_path: Path, value: object, told: str) -> None:
    records, findings = read(tmp_path, segment(1.0, 2.0, av={"1": value}))
    assert not spans(records)
    assert told in findings.faults[0][1]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    _, findings = read(tmp_path, segment(1.0, 2.0), view={"1": {"fid_list": ["7"]}})
    assert [reason for _, reason in findings.faults] == ["shows file 7, which is not there"]
