"""BORIS's projects and tables of aggregated events: what BORIS's own code makes of a project is what is read."""

import gzip
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Record, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions

DATA = Path(__file__).parent.parent / "data" / "boris"


def read(path: Path, **options: Any) -> tuple[list[Record], Findings]:
    findings = Findings()
    return list(read_export(str(path), ReadOptions(**options), findings)), findings


def spans(path: Path, **options: Any) -> list[tuple[str, str, float, float]]:
    """(clip, label, start_s, end_s) by time."""
    records, findings = read(path, **options)
    assert not findings.faults
    return sorted(
        (r.clip_id, " / ".join(r.label), r.basis.start, r.basis.end)
        for r in records
        if isinstance(r, Span) and isinstance(r.basis, ContainerSeconds) and r.basis.end is not None
    )


QUEUED = [
    ("day1/clip_1", "Ann / Walk / fast / left", 2.5, 3.0),
    ("day1/clip_1", "Ann / Walk / fast / right", 2.5, 3.0),
    ("day1/clip_1", "Call", 4.0, 4.0),
    ("day1/clip_1", "Walk", 9.0, 10.0),  # goes on over the end of the first file
    ("day1/clip_1", "still / Rest", 1.0, 8.0),
    ("day1/clip_2", "Ann / still / Rest", 2.0, 2.5),
    ("day1/clip_2", "Walk", 0.0, 3.0),
]


@pytest.mark.parametrize("name", ["queued.boris", "queued.csv"])
def test_a_project_and_its_aggregated_events_say_the_same(name: str) -> None:
    assert spans(DATA / name) == QUEUED
    records, findings = read(DATA / name)
    assert {r.annotator for r in records if not isinstance(r, Clip)} == {"bob"}  # of a variable named Observer
    assert [r.clip_id for r in records if isinstance(r, Annotation)] == ["day1/clip_1", "day1/clip_2"]
    assert findings.left_out_counts() == {"observations of BORIS without a video (live, or of pictures)": 1}
    assert "1 point events: a moment labels no picture" in findings.warnings[-1][0]


def test_points_become_spans_and_subjects_annotators_where_that_is_asked_for() -> None:
    assert ("day1/clip_1", "Call", 4.0, 4.5) in spans(DATA / "queued.boris", point_s=0.5)
    assert "point events" not in str(read(DATA / "queued.boris", point_s=0.5)[1].warnings)
    assert ("day1/clip_2", "still / Rest", 2.0, 2.5) in spans(DATA / "queued.boris", tier_names="none")
    records, _ = read(DATA / "queued.boris", tier_names="annotator")
    assert {(r.annotator, r.label) for r in records if isinstance(r, Span) and r.clip == "clip_2"} == {
        ("Ann", ("still", "Rest")), ("bob", ("Walk",)),
    }  # fmt: skip


def project(**observation: Any) -> dict[str, Any]:
    """A project of one observation: the state 's' from 1 to 2 s of /d/op1/a.mp4, and what else is given."""
    about = {"type": "MEDIA", "file": {"1": ["/d/op1/a.mp4"]}, "events": [[1.0, "", "s", "", ""], [2, "", "s", "", ""]]}
    return {
        "time_format": "s",
        "behaviors_conf": {"0": {"code": "s", "type": "State event"}, "1": {"code": "p", "type": "Point event"}},
        "observations": {"one": about | observation},
    }


def saved(folder: Path, document: Any, name: str = "a.boris") -> Path:
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return folder / name


def test_times_count_from_the_offset(tmp_path: Path) -> None:
    assert spans(saved(tmp_path, project())) == [("op1/a", "s", 1.0, 2.0)]
    shifted = project(events=[[101.0, "", "s", "", ""], [102.5, "", "s", "", ""]], **{"time offset": 100.0})
    assert spans(saved(tmp_path, shifted)) == [("op1/a", "s", 1.0, 2.5)]


def test_a_packed_project_and_one_known_by_its_keys(tmp_path: Path) -> None:
    (tmp_path / "a.boris.gz").write_bytes(gzip.compress(json.dumps(project()).encode()))
    assert spans(tmp_path / "a.boris.gz") == spans(saved(tmp_path, project(), "renamed.json"))


def test_a_file_without_a_folder_lies_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "op7").mkdir()
    records, _ = read(saved(tmp_path / "op7", project(file={"1": ["a.mp4"]})))
    assert [(r.clip_id, r.media) for r in records if isinstance(r, Clip)] == [("op7/a", str(tmp_path / "op7/a.mp4"))]


def test_two_observations_of_a_clip_are_told(tmp_path: Path) -> None:
    document = project()
    document["observations"]["two"] = document["observations"]["one"]
    _, findings = read(saved(tmp_path, document))
    assert "observation two is of the same clip as observation one" in findings.warnings[0][0]


@pytest.mark.parametrize(
    ("observation", "told"),
    [
        ({"events": [[1.0, "", "s", "", ""]]}, "event 1: s starts at 1.000 s and does not stop"),
        ({"events": [[1.0, "Ann", "s", "x", ""], [2, "", "s", "", ""], [3, "", "s", "", ""]]},
         "event 1: s (x) of Ann starts at 1.000 s and does not stop"),
        ({"events": [[1.0, "", "gone", "", ""]]}, "event 1: the behaviour 'gone' is not defined"),
        ({"events": [["x", "", "s", "", ""]]}, "event 1: no time: ['x']"),
        ({"events": [[]]}, "event 1: the behaviour '' is not defined"),
        ({"file": {"1": ["/d/op1/a.mp4", "/d/op1/b.mp4"]}}, "the length of /d/op1/a.mp4 is not known"),
        ({"file": {"1": ["/d/op1/a.mp4", "/d/op1/b.mp4"]}, "media_info": {"length": {"/d/op1/a.mp4": -1}}},
         "the length of /d/op1/a.mp4 is not known"),
        ({"media_creation_date_as_offset": True}, "counts time from the creation of its files"),
    ],
)  # fmt: skip
def test_faults_name_observation_and_event(tmp_path: Path, observation: dict[str, Any], told: str) -> None:
    _, findings = read(saved(tmp_path, project(**observation)))
    assert any(f"{place}: {reason}".endswith(told) or told in reason for place, reason in findings.faults)
    assert all("observation one" in place for place, _ in findings.faults)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"observations": 5}', "{" * 5000, '{"time_format": ' + "[" * 100000, '{"observations": {}}',
     json.dumps(project(events={})), json.dumps(project()).replace("1.0", "9" * 5000)],
)  # fmt: skip
def test_what_is_no_project_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExportError, match=re.escape(str(tmp_path / "a.boris"))) as error:
        read(saved(tmp_path, text))
    assert len(error.value.message) < 500


@given(st.lists(st.lists(st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.sampled_from("sp")))))
@settings(max_examples=50, deadline=None)
def test_any_events_are_read_or_told(events: list[list[Any]]) -> None:
    with TemporaryDirectory() as folder:
        read(saved(Path(folder), project(events=events)))


def test_an_old_table_of_aggregated_events(tmp_path: Path) -> None:
    table = (
        "Observation id\tObservation date\tMedia file\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\t"
        "Behavior type\tStart (s)\tStop (s)\tDuration (s)\n"
        "obs1\t2024-01-01\t/d/op1/a.mp4\t10\t25\tNo focal subject\tWalk\t\tSTATE\t1.0\t3,0\t2.0\n"
        "obs1\t2024-01-01\t/d/op1/a.mp4\t10\t25\tNo focal subject\tWalk\t\tSTATE\t4\tNA\tNA\n"
    )
    records, findings = read(saved(tmp_path, table, "events.tsv"))
    assert [(r.label, r.basis) for r in records if isinstance(r, Span)] == [(("Walk",), ContainerSeconds(1, 3))]
    assert findings.faults == [(f"{tmp_path / 'events.tsv'}, row 3", "start '4', stop 'NA': no such times")]
