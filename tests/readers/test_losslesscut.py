"""LosslessCut's projects and tables: markers, open ends, and times that may be frames."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import VideoFactory
from lsvid.annotations.spans import Clip, ContainerSeconds, Record, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located

PROJECT = """{
  version: 2,
  mediaFileName: 'clip 1.mp4',
  cutSegments: [
    { start: 1.5, end: 2.5, name: 'Suturing / Knot', tags: {}, selected: true, },
    { start: 3, name: 'a moment', selected: false }, // a marker
  ],
}
"""


def read(file: Path, text: str, **options: Any) -> tuple[list[Record], Findings]:
    file.write_text(text, encoding="utf-8")
    findings = Findings()
    return list(read_export(str(file), ReadOptions(**options), findings)), findings


def spans(records: list[Record]) -> list[tuple[str, object]]:
    return [(" / ".join(r.label), r.basis) for r in records if isinstance(r, Span)]


def test_a_project(tmp_path: Path) -> None:
    folder = tmp_path / "op1"
    folder.mkdir()
    records, findings = read(folder / "clip 1-proj.llc", PROJECT)
    assert [(r.clip_id, r.media) for r in records if isinstance(r, Clip)] == [
        ("op1/clip 1", str(folder / "clip 1.mp4"))
    ]
    assert spans(records) == [("Suturing / Knot", ContainerSeconds(1.5, 2.5)), ("a moment", ContainerSeconds(3, 3))]
    assert "1 markers: a moment labels no picture" in findings.warnings[0][0]
    records, findings = read(folder / "clip 1-proj.llc", PROJECT, point_s=0.5)
    assert spans(records)[1] == ("a moment", ContainerSeconds(3, 3.5))
    assert not findings.warnings


def test_in_old_projects_no_end_is_the_clips_end(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "op1/a.mp4", n_frames=50)
    project = tmp_path / "op1/a.mp4-proj.llc"
    project.write_text("{version: 1, cutSegments: [{end: 1, name: 'A'}, {start: 1, name: 'B'}]}", encoding="utf-8")
    findings = Findings()
    (found,) = read_located(ReadRequest((str(project),)), findings).located.clips
    located = [(span.label, span.start_frame, span.stop_frame) for span in found.tracks[0].spans]
    assert located == [(("A",), 0, 25), (("B",), 25, 50)]
    assert not findings.cuts
    assert "1 segments without an end are read as reaching to the end of the clip" in findings.warnings[0][0]


@pytest.mark.parametrize(
    "text",
    [
        "Start,End,Name\n104.612,189.053,label 1\n,10.5,label 2\n",
        "Start,End,Name,colour\n00:01:44.612,00:03:09.053,label 1,red\n00:00:00.000,00:00:10.500,label 2,\n",
        "104.612,189.053,label 1\n,10.5,label 2\n",
        "00:01:44.612\t00:03:09.053\tlabel 1\n00:00:00.000\t00:00:10.500\tlabel 2\n",
    ],
)
@pytest.mark.parametrize("name", ["clip 1.mp4.csv", "clip 1.mp4.tsv", "clip 1.mp4-llc-edl.csv"])
def test_tables(tmp_path: Path, text: str, name: str) -> None:
    records, findings = read(tmp_path / name, text)
    assert spans(records) == [("label 1", ContainerSeconds(104.612, 189.053)), ("label 2", ContainerSeconds(0, 10.5))]
    assert [r.media for r in records if isinstance(r, Clip)] == [str(tmp_path / "clip 1.mp4")]
    assert not findings.faults


def test_no_end_in_a_table_is_a_marker_where_it_has_a_header_and_the_clips_end_where_not(tmp_path: Path) -> None:
    records, _ = read(tmp_path / "a.mp4.csv", "Start,End,Name\n1.5,,A\n")
    assert spans(records) == [("A", ContainerSeconds(1.5, 1.5))]
    records, _ = read(tmp_path / "a.mp4.csv", "1.5,,A\n")
    assert spans(records) == [("A", ContainerSeconds(1.5, None))]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.mp4.csv", "Start,End,Name\n10,20,A\n", "whole numbers only, which may be seconds or frames"),
        ("a.mp4.csv", "Start,End,Name\n1.5,x,A\n1,2.5,B\ny,2,C\n", "end 'x': no such times"),
        ("a-proj.llc", "{version: 2, cutSegments: [", "is not a whole project of LosslessCut"),
        ("a-proj.llc", "{version: 2}", "is not a whole project of LosslessCut"),
        ("a-proj.llc", "{version: 2, cutSegments: [{start: 'x', name: 'A'}]}", "is not a whole project"),
        ("a-proj.llc", "[" * 100_000, "is not a whole project of LosslessCut"),
        ("a-proj.llc", "", "is not a whole project of LosslessCut"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(ExportError, match=told) as error:
        read(tmp_path / name, text)
    assert str(tmp_path / name) in error.value.message
    assert error.value.hint


def test_a_segment_without_a_name_and_tags_are_told(tmp_path: Path) -> None:
    text = (
        "{version: 2, cutSegments: [{start: 1, end: 2.5, name: '', tags: {who: 'x'}}, {start: 5, end: 2, name: 'A'}]}"
    )
    _, findings = read(tmp_path / "a-proj.llc", text)
    assert [reason for _, reason in findings.faults] == ["no name, so no label", "reversed: 5.0 to 2.0 s"]
    assert "the tags of its segments are not read" in findings.warnings[0][0]


@given(st.text(alphabet="{}[]:,'\"0159.eE+-nulNaIfity \n/*", max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_told(text: str) -> None:
    with TemporaryDirectory() as folder:
        for name in ("a-proj.llc", "a.mp4.csv"):
            with contextlib.suppress(ExportError):
                read(Path(folder, name), text if name.endswith("llc") else f"Start,End,Name\n{text}")
