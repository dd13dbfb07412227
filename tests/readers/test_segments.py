"""Segments in CSV: lsvid's own come back as they were; other people's are read by their columns."""

import contextlib
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import Labelled, clip, export, index, overlapping, placed, read_back
from factories import VideoFactory
from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Frames, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located


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
        ("op1", "a", ("Suturing", "Knot"), ContainerSeconds(1.5, 2.0))
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
        ("op1/a.mp4,A,1,", "no times: no start_frame and stop_frame"),
        ("op1/a.mp4,A,1.5,2", "start_frame '1.5', stop_frame '2': not whole numbers"),
        ("op1/a.mp4,A,1_0,20", "start_frame '1_0', stop_frame '20': not whole numbers"),
        (f"op1/a.mp4,A,1,{'9' * 5000}", f"start_frame '1', stop_frame '{'9' * 40}': not whole numbers"),
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


def spans_of(file: Path, options: ReadOptions | None = None) -> list[Span]:
    findings = Findings()
    records = list(read_export(str(file), options or ReadOptions(), findings))
    assert not findings.faults
    return [record for record in records if isinstance(record, Span)]


@pytest.mark.parametrize(
    ("columns", "values", "basis"),
    [
        ("start_s,end_s", "1.5,2", ContainerSeconds(1.5, 2.0)),
        ("start_s,end_s", "00:00:01.500,00:01:02", ContainerSeconds(1.5, 62.0)),
        ("start_s,end_s", '"00:00:01,500","1:02,25"', ContainerSeconds(1.5, 62.25)),
        ("start_s,end_s", '"1,5","2,25"', ContainerSeconds(1.5, 2.25)),
        ("Start (s),Stop (s)", "1.5,2", ContainerSeconds(1.5, 2.0)),
        ("start,end", "1.5,2", ContainerSeconds(1.5, 2.0)),
        ("Onset,Offset", "1.5,2", ContainerSeconds(1.5, 2.0)),
        ("begin_time,end_time", "1.5,2", ContainerSeconds(1.5, 2.0)),
        ("start_ms,end_ms", "1500,2000", ContainerSeconds(1.5, 2.0)),
        ("start_frame,stop_frame", "25.0,50.", Frames(25, 50)),
        ("start_s,end_s,start_frame,stop_frame", "9,9,25,50", Frames(25, 50)),
        ("narration_id,start_frame,stop_frame,start_timestamp,stop_timestamp", "x,1,113,00:00:00.00,00:00:01.89",
         ContainerSeconds(0.0, 1.89, 0.006)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_times_and_encodings(
    tmp_path: Path, columns: str, values: str, basis: object, encoding: str, end: str
) -> None:
    file = tmp_path / "mine.csv"
    bom = "\ufeff" if encoding == "utf-16-le" else ""
    file.write_bytes(f"{bom}Video,Label,{columns}{end}op1/a.mp4,Nähen,{values}{end}{end}".encode(encoding))
    assert [(span.clip_id, span.label, span.basis) for span in spans_of(file)] == [("op1/a", ("Nähen",), basis)]


def test_windows_1252_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes("video;label;start_s;end_s\nop1/a.mp4;Nähen;1,5;2\n".encode("cp1252"))
    findings = Findings()
    (span,) = [r for r in read_export(str(file), ReadOptions(), findings) if isinstance(r, Span)]
    assert (span.label, span.basis) == (("Nähen",), ContainerSeconds(1.5, 2.0))
    assert "it seems, Windows-1252; its line 2 reads 'op1/a.mp4;Nähen;1,5;2'" in findings.warnings[0][0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "video,label,t_start,t_end\na.mp4,D0X,1,100\n",
            "no column says the times; it has: video, label, t_start, t_end",
        ),
        ("label,start_s,end_s\nA,1,2\n", "no column says a clip; it has: label, start_s, end_s"),
        ("video,begin,end\na.mp4,1,2\n", "no column says a label"),
        ("video,label,start_s,end_s\na.mp4,A,1,2\n\0\n", "line 3: a NUL character"),
    ],
)
def test_tables_that_lack_something_say_what_and_where(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ExportError, match=told) as error:
        list(read_export(str(file), ReadOptions(), Findings()))
    assert error.value.message.startswith(str(file))
    assert error.value.hint


def test_a_column_for_each_level(tmp_path: Path) -> None:
    file = tmp_path / "mine.tsv"
    file.write_text("clip\tlevel_1\tlevel_2\tstart_s\tend_s\nop1/a.mp4\tA / B\tC\t1\t2\n", encoding="utf-8")
    assert [span.label for span in spans_of(file)] == [("A / B", "C")]


def test_whole_numbers_that_may_be_frames_are_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("video,label,start,end\nop1/a.mp4,A,1,100\nop1/a.mp4,A,101,172\n", encoding="utf-8")
    findings = Findings()
    list(read_export(str(file), ReadOptions(), findings))
    assert "start and end are read as seconds, though all are whole numbers" in findings.warnings[0][0]


def test_a_bare_name_takes_its_case_from_where_the_clip_is(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "clips/op7/clip_1.mp4", n_frames=50)
    file = tmp_path / "mine.csv"
    file.write_text("clip,label,start_s,end_s\nclip_1,A,0,1\nclip_1.mp4,A,1,2\n", encoding="utf-8")
    request = ReadRequest((str(file),), roots=(str(tmp_path / "clips"),))
    (found,) = read_located(request, Findings()).located.clips
    assert found.id == "op7/clip_1"
    assert len(found.tracks[0].spans) == 2


@pytest.mark.parametrize(
    "value", ["1e400", "nan", "inf", "-1e400", "9" * 41, "1:2:3:4", "00:61", "1,2,3", "1.5.2", "x"]
)
def test_numbers_that_are_none_are_faults(tmp_path: Path, value: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f'video,label,start_s,end_s\nop1/a.mp4,A,0,"{value}"\n', encoding="utf-8")
    findings = Findings()
    assert not [r for r in read_export(str(file), ReadOptions(), findings) if isinstance(r, Span)] or value == "00:61"
    assert bool(findings.faults) != (value == "00:61")


@given(st.binary(max_size=400))
def test_any_bytes_after_the_header_are_read_or_told(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "mine.csv")
        file.write_bytes(b"video,label,start_s,end_s\nop1/a.mp4,A,0,1\n" + data)
        with contextlib.suppress(ExportError):
            list(read_export(str(file), ReadOptions(), Findings()))


def test_label_studios_own_csv_is_no_table_of_segments(tmp_path: Path) -> None:
    file = tmp_path / "project-3.csv"
    file.write_text("annotation_id,annotator,id,label,lead_time,video\n5,1,11,[],12.3,/d/op1/a.mp4\n", encoding="utf-8")
    with pytest.raises(ExportError, match="Label Studio's own CSV"):
        list(read_export(str(file), ReadOptions(), Findings()))


def test_a_whole_table_is_one_whatever_its_name(tmp_path: Path) -> None:
    for name in ("mine", "mine.tab", "mine.dat"):
        (tmp_path / name).write_text("video,label,start_s,end_s\nop1/a.mp4,Knot,1,2\n", encoding="utf-8")
        assert [span.label for span in spans_of(tmp_path / name)] == [("Knot",)]
    (tmp_path / "mine.dat").write_text("video,label,start_s\nop1/a.mp4,Knot,1\n", encoding="utf-8")
    with pytest.raises(ExportError, match="it looks like a table with the columns video, label, start_s"):
        spans_of(tmp_path / "mine.dat")


def test_two_columns_of_one_name_are_not_chosen_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("video,label,Label,start_s,end_s,note,note\nop1/a.mp4,A,B,1,2,,\n", encoding="utf-8")
    with pytest.raises(ExportError, match="has two columns named label"):
        spans_of(file)


def test_tabular_events_of_boris_are_named(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("Observation id,Subject,Behavior,Behavior type,Time,Media file name\no,,s,START,1,a.mp4\n")
    with pytest.raises(ExportError) as caught:
        spans_of(file)
    assert "aggregated events" in caught.value.hint
