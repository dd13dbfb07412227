"""Segments in CSV: lsvid's own come back as they were; other people's are read by their columns."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from exports import Labelled, clip, export, index, overlapping, placed, read_back
from lsvid.annotations.spans import Annotation, Clip, Seconds, Span
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions


@settings(max_examples=25, deadline=None)
@given(overlapping(), overlapping())
def test_round_trip(first: list[Labelled], second: list[Labelled]) -> None:
    clips = placed(clip("op1/a", first, index(60, Fraction(60000, 1001))), clip("op2/a", second, index(60)))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "segments")
        found, _ = read_back(Path(folder, "out/segments.csv"), clips)
    assert found == {"op1/a": set(first), "op2/a": set(second)}


def test_several_annotators_come_back(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", {"x": [("A", 0, 5)], "y": []}))
    export(tmp_path / "out", clips, "segments")
    records = list(read_export(str(tmp_path / "out/segments.csv"), ReadOptions(), Findings()))
    assert [record.annotator for record in records if isinstance(record, Annotation)] == ["x", "y"]
    assert [record.media for record in records if isinstance(record, Clip)][:1] == ["/videos/op1/a.mp4"]


def test_somebody_elses_table(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\ufeffVideo;Label;Start_s;End_s\nop1/a.mp4;Suturing / Knot;1.5;2\n", encoding="utf-8")
    findings = Findings()
    spans = [r for r in read_export(str(file), ReadOptions(), findings) if isinstance(r, Span)]
    assert [(s.case, s.clip, s.label, s.basis) for s in spans] == [
        ("op1", "a", ("Suturing", "Knot"), Seconds(1.5, 2.0))
    ]
    assert not findings.faults


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("op1/a.mp4,A,x,2", "start_frame 'x', stop_frame '2': not whole numbers"),
        ("op1/a.mp4,A,5,2", "reversed: frames 5 to 2"),
        ("op1/a.mp4,,1,2", "no label"),
        (",A,1,2", "no clip is named"),
        ("a.mp4,A,1,2", "a.mp4 has no folder to name its case"),
        ("op1/a.mp4,A,1,", "no times: neither start_frame and stop_frame nor start_s and end_s"),
    ],
)
def test_faults_name_their_line(tmp_path: Path, row: str, fault: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"path,label,start_frame,stop_frame\n{row}\n", encoding="utf-8")
    findings = Findings()
    list(read_export(str(file), ReadOptions(), findings))
    assert findings.faults == [(f"{file}:2", fault)]


def test_a_table_made_on_windows(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("video,label,start_s,end_s\nC:\\Videos\\op1\\a.mp4,Knot,1,2\n\\\\nas\\or\\op2\\b.mp4,Knot,1,2\n")
    spans = [r for r in read_export(str(file), ReadOptions(), Findings()) if isinstance(r, Span)]
    assert [(s.case, s.clip) for s in spans] == [("op1", "a"), ("op2", "b")]
