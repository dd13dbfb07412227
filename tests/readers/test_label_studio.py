"""Label Studio's JSON: every form that a task, an annotation and a region can take."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.annotations.spans import Annotation, Clip, LsFrames, Record, Seconds, Span, Status
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.labeling.config import control_name
from lsvid.labels.tree import Label, LabelTree
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import CaseRule
from lsvid.video.timebase import FrameIndex, format_rate, parse_rate, range_of_frames, seconds_of_frames

DATA = {"video": "/data/local-files/?d=op1/clip_1.mp4", "fps": "25"}

TREE = LabelTree(
    (
        Label("Suturing", (Label("Knot", (Label("Square"), Label("Slip"))), Label("Running")), id="sut"),
        Label("Clipping", (Label("Clip", (Label("Artery"), Label("Duct"))), Label("Tie")), multiple=True),
        Label("Dissection"),
    )
)


def region(start: Any, end: Any, *labels: str, region_id: str = "r1") -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": list(labels)}
    return {"id": region_id, "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}


def choices(*chosen: Any, region_id: str = "r1", from_name: str = "sub", kind: str = "choices") -> dict[str, Any]:
    return {"id": region_id, "type": kind, "from_name": from_name, "to_name": "video", "value": {kind: list(chosen)}}


def task(*results: dict[str, Any], data: dict[str, Any] | None = None, **annotation: Any) -> dict[str, Any]:
    work = {"id": 11, "completed_by": 5, "result": list(results)} | annotation
    return {"id": 1, "data": DATA if data is None else data, "annotations": [work]}


def read(tmp_path: Path, *tasks: Any, **options: Any) -> tuple[list[Record], Findings]:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(list(tasks)), encoding="utf-8")
    findings = Findings()
    return list(read_export(str(file), ReadOptions(**options), findings)), findings


def spans(records: list[Record]) -> list[Span]:
    return [record for record in records if isinstance(record, Span)]


def labels(tmp_path: Path, *results: dict[str, Any], **options: Any) -> list[str]:
    records, findings = read(tmp_path, task(*results), **options)
    assert not findings.faults
    return [" / ".join(span.label) for span in spans(records)]


# --- clips, annotations ---


def test_a_clip_of_somebody_elses_project(tmp_path: Path) -> None:
    records, _ = read(tmp_path, task(region(5, 12, "Dissection")))
    clip, annotation, span = records
    assert isinstance(clip, Clip)
    assert isinstance(annotation, Annotation)
    assert isinstance(span, Span)
    assert (clip.case, clip.clip, clip.task_id) == ("op1", "clip_1", 1)
    assert (annotation.annotator, annotation.status, annotation.annotation_id) == ("5", Status.ACCEPTED, "11")
    assert (span.label, span.basis, span.region_id) == (("Dissection",), LsFrames(5, 12, "25.0"), "r1")


def test_a_clip_that_lsvid_imported_keeps_its_case_order_and_rate(tmp_path: Path) -> None:
    data = DATA | {"case": "op9", "clip": "b", "order": 2.5, "frames": 50, "duration_s": 2.0, "fps_exact": "25",
                   "fingerprint": "abc", "path": "/originals/b.mp4"}  # fmt: skip
    records, _ = read(tmp_path, task(data=data))
    assert records[0] == Clip(
        case="op9", clip="b", media="/originals/b.mp4", order=2.5, n_frames=50, rate="25", duration_s=2.0,
        fingerprint="abc", task_id=1,
    )  # fmt: skip
    records, _ = read(tmp_path, task(data=data), rule=CaseRule.parse("mine"))
    assert records[0].case == "mine"


def test_one_task_a_line_and_one_object_are_read_too(tmp_path: Path) -> None:
    one = task(region(5, 12, "Dissection"))
    file = tmp_path / "export.jsonl"
    for text in (json.dumps(one) + "\n\n" + json.dumps(one), json.dumps(one, indent=2), "\ufeff" + json.dumps([one])):
        file.write_text(text, encoding="utf-8")
        assert spans(list(read_export(str(file), ReadOptions(), Findings())))


def test_skipped_drafts_and_predictions_have_their_status(tmp_path: Path) -> None:
    one = task(was_cancelled=True) | {
        "drafts": [{"id": 21, "user": "anna@x.org", "result": [region(1, 2, "A")]}],
        "predictions": [
            {
                "id": 31,
                "model_version": "v3",
                "score": 0.5,
                "result": [region(3, 4, "A"), region(5, 6, "A", region_id="r2") | {"score": 0.25}],
            },
            32,
        ],
    }
    records, findings = read(tmp_path, one, annotators={"5": "eve@x.org"})
    found = {(r.annotator, r.status) for r in records if isinstance(r, Annotation)}
    assert found == {("eve@x.org", Status.SKIPPED), ("anna@x.org", Status.DRAFT), ("v3", Status.PREDICTION)}
    assert [(span.status, span.score) for span in spans(records)] == [
        (Status.DRAFT, None),
        (Status.PREDICTION, 0.5),  # of the whole prediction
        (Status.PREDICTION, 0.25),  # of the region
    ]
    assert findings.left_out == [("task 1, prediction 32", "a prediction of which the export gives only the id")]


def test_an_annotator_may_be_a_record(tmp_path: Path) -> None:
    records, _ = read(tmp_path, task(completed_by={"id": 5, "email": "eve@x.org"}))
    assert isinstance(records[1], Annotation)
    assert records[1].annotator == "eve@x.org"


# --- labels ---


def test_choices_flat_nested_and_taxonomy(tmp_path: Path) -> None:
    assert labels(tmp_path, region(1, 2, "A"), choices("x")) == ["A / x"]
    assert labels(tmp_path, region(1, 2, "A"), choices("x", "y")) == ["A / x", "A / y"]
    assert labels(tmp_path, region(1, 2, "A"), choices(["x", "y"])) == ["A / x / y"]
    assert labels(tmp_path, region(1, 2, "A"), choices(["x", "y"], kind="taxonomy")) == ["A / x / y"]
    assert labels(tmp_path, region(1, 2, "A"), choices()) == ["A"]


def test_a_clicked_parent_means_the_parent_where_one_may_be_chosen(tmp_path: Path) -> None:
    clicked = choices(["Knot"], ["Knot", "Square"], ["Knot", "Slip"])
    assert labels(tmp_path, region(1, 2, "A"), clicked) == ["A / Knot"]
    assert labels(tmp_path, region(1, 2, "sut"), clicked, tree=TREE) == ["Suturing / Knot"]
    only_child = choices(["Knot"], ["Knot", "Square"])
    assert labels(tmp_path, region(1, 2, "A"), only_child) == ["A / Knot / Square"]
    deep = choices(["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "d"])
    assert labels(tmp_path, region(1, 2, "A"), deep) == ["A / a / b"]
    both = choices(["a"], ["a", "b"], ["a", "c"], ["a", "c", "d"], ["a", "c", "e"])
    assert labels(tmp_path, region(1, 2, "A"), both) == ["A / a"]


def test_where_several_may_be_chosen_each_leaf_is_a_label(tmp_path: Path) -> None:
    ticked = choices(["Clip"], ["Clip", "Artery"], ["Clip", "Duct"], ["Tie"])
    expected = ["Clipping / Clip / Artery", "Clipping / Clip / Duct", "Clipping / Tie"]
    assert labels(tmp_path, region(1, 2, "Clipping"), ticked, tree=TREE) == expected


def test_ids_become_names(tmp_path: Path) -> None:
    assert labels(tmp_path, region(1, 2, "sut"), choices(["Knot", "Slip"]), tree=TREE) == ["Suturing / Knot / Slip"]


def test_several_labels_and_ranges_in_one_region(tmp_path: Path) -> None:
    one = region(1, 2, "A", "B")
    one["value"]["ranges"].append({"start": 5, "end": 6})
    chosen = choices("x", from_name=control_name(("B",)))
    assert labels(tmp_path, one, chosen) == ["A", "B / x", "A", "B / x"]
    records, findings = read(tmp_path, task(one, choices("x", from_name="whose")))
    assert [span.label for span in spans(records)] == [("A",), ("B",), ("A",), ("B",)]
    assert findings.left_out[0][1] == "a choice of which the export does not say to which label it belongs"


def test_what_marks_no_time_is_counted(tmp_path: Path) -> None:
    rectangle = {"id": "v", "type": "videorectangle", "value": {"sequence": []}}
    _, findings = read(tmp_path, task(rectangle, choices("x", region_id="lost")))
    assert findings.left_out_counts() == {
        "a result of type 'videorectangle', which marks no time": 1,
        "a choice that belongs to no region in time": 1,
    }


# --- rates ---


def test_audio_regions_are_in_seconds_and_need_no_rate(tmp_path: Path) -> None:
    value = {"start": 1.25, "end": 200, "channel": 0, "labels": ["A"]}
    records, _ = read(tmp_path, task({"id": "a", "type": "labels", "value": value}, data={"video": "op/1.mp4"}))
    assert spans(records)[0].basis == Seconds(1.25, 200.0)


def test_without_a_rate_ls_fps_is_asked_for(tmp_path: Path) -> None:
    bare = task(region(1, 2, "A"), data={"video": "op/1.mp4"})
    _, findings = read(tmp_path, bare)
    assert findings.faults == [
        (
            "task 1, annotation 11, region r1",
            "the export does not say which frame rate the editor used (no 'fps' in the task): give it, ls_fps",
        )
    ]
    records, _ = read(tmp_path, bare, ls_fps="12.5")
    assert spans(records)[0].basis == LsFrames(1, 2, "12.5")
    records, _ = read(tmp_path, task(region(1, 2, "A")), ls_fps="12.5")  # a task's own rate is what the editor used
    assert spans(records)[0].basis == LsFrames(1, 2, "25.0")


@pytest.mark.parametrize(
    ("attribute", "data", "rate"),
    [
        ("$rate", {"rate": "50"}, "50.0"),
        ("$fps", {"fps": 29.97}, "29.97"),
        ("30", {"fps": "25"}, "30.0"),
        ("$fps", {"fps": 0.04}, "25.0"),
    ],
)
def test_the_rate_that_the_projects_configuration_gave_the_editor(
    tmp_path: Path, attribute: str, data: dict[str, Any], rate: str
) -> None:
    config = f'<View><Video name="v" value="$file" frameRate="{attribute}"/></View>'
    records, findings = read(tmp_path, task(region(1, 2, "A"), data={"file": "op/1.mp4"} | data), label_config=config)
    assert spans(records)[0].basis == LsFrames(1, 2, rate)
    assert not findings.warnings


@pytest.mark.parametrize("fps", ["30000/1001", "", None, "fast"])
def test_a_rate_that_the_editor_cannot_parse_is_24_with_a_warning(tmp_path: Path, fps: str | None) -> None:
    config = '<View><Video name="v" value="$video" frameRate="$fps"/></View>'
    records, findings = read(tmp_path, task(region(1, 2, "A"), data=DATA | {"fps": fps}), label_config=config)
    assert spans(records)[0].basis == LsFrames(1, 2, "24.0")
    assert f"the rate {fps!r} is no decimal: the editor takes 24 fps" in findings.warnings[0][0]


# --- bad data ---


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (region(0, 3, "A"), "frame 0 is below 1"),
        (region(9, 3, "A"), "reversed: frames 9 to 3"),
        (region(1.5, 3, "A"), "not whole frame numbers: 1.5 to 3"),
        (region(None, 3, "A"), "not whole frame numbers: None to 3"),
        (region("one", 3, "A"), "not whole frame numbers: 'one' to 3"),
        (region(True, 3, "A"), "not whole frame numbers: True to 3"),
        (region(1, 3), "no label"),
        ({"id": "r1", "type": "timelinelabels", "value": {"timelinelabels": ["A"]}}, "no ranges"),
        ({"id": "r1", "type": "labels", "value": {"labels": ["A"], "start": 3, "end": 1}}, "reversed: 3.0 to 1.0 s"),
        ({"id": "r1", "type": "labels", "value": {"labels": ["A"]}}, "no times: start None, end None"),
    ],
)
def test_a_bad_region_is_a_fault_with_task_region_and_value(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    records, findings = read(tmp_path, task(bad, region(1, 2, "A", region_id="good")))
    assert findings.faults == [("task 1, annotation 11, region r1", reason)]
    assert [span.region_id for span in spans(records)] == ["good"]


def test_a_whole_float_is_a_frame_number(tmp_path: Path) -> None:
    assert labels(tmp_path, region(1.0, 3.0, "A")) == ["A"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"id": 1, "data": {}, "annotations": []}, "no clip: its data name no video"),
        ({"id": 1, "data": {"video": "1.mp4"}, "annotations": []}, "1.mp4 has no folder to name its case"),
        ({"id": 1, "data": [], "annotations": []}, "not a Label Studio task: Expected `object`, got `array`"),
    ],
)
def test_a_bad_task_is_a_fault(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    _, findings = read(tmp_path, task(), bad)
    assert len(findings.faults) == 1
    assert reason in findings.faults[0][1]


def test_the_only_value_that_names_a_video_is_the_video(tmp_path: Path) -> None:
    records, _ = read(tmp_path, task(data={"name": "first", "file": "https://host/op1/a.mp4?sig=1"}))
    assert records[0].clip_id == "op1/a"


# --- files that are not exports ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds nothing"),
        ("[]", "holds nothing"),
        ("[1, 2]", "item 1 is not a JSON object"),
        ('{"a": 1}', "is none of the exports that lsvid reads (lsvid spans, Label Studio JSON, Prodigy JSONL, "),
        ('[{"id": 1, "data"', "is not whole JSON"),
        ("\x00\x01\x02", "it looks like text in another encoding than UTF-8, or no text"),
        ('[{"id":1,"annotation_id":1,"annotator":1,"lead_time":2.0,"video":"x"}]', "is Label Studio's JSON_MIN"),
    ],
)
def test_a_file_that_is_no_export_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "export.json"
    file.write_text(content)
    with pytest.raises(ExportError) as caught:
        list(read_export(str(file), ReadOptions(), Findings()))
    assert str(file) in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint


def test_a_line_that_was_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(json.dumps(task()) + "\n" + json.dumps(task())[:40])
    with pytest.raises(ExportError, match=r"export\.jsonl:2 is not JSON"):
        list(read_export(str(file), ReadOptions(), Findings()))


# --- there and back ---


@given(
    st.lists(st.integers(5, 200), min_size=1, max_size=40),
    st.booleans(),
    st.data(),
)
def test_spans_to_label_studio_and_back_keep_every_frame(
    tmp_path_factory: pytest.TempPathFactory, gaps_ms: list[int], even: bool, data: st.DataObject
) -> None:
    """A clip of constant or variable rate; its spans as ranges and, in a second region, as seconds."""
    pts = np.cumsum([0, *(gaps_ms[:1] * len(gaps_ms) if even else gaps_ms)]).astype(np.int64)
    # The last picture stays, so that the editor's last number, which is rounded, does not come before it.
    index = FrameIndex(pts, Fraction(1, 1000), 500, Fraction(int(pts[-1]) + 500, 1000))
    start = data.draw(st.integers(0, index.n_frames - 1))
    stop = data.draw(st.integers(start + 1, index.n_frames))
    fps = format_rate(index.editor_rate)
    regions = []
    if min(gaps_ms) >= 10:  # the editor has a number for each of these pictures
        numbers = range_of_frames(index, parse_rate(fps), start, stop)
        assert numbers is not None
        regions.append(region(*numbers, "A"))
    start_s, end_s = seconds_of_frames(index, start, stop)
    regions.append({"id": "s", "type": "labels", "value": {"start": start_s, "end": end_s, "labels": ["A"]}})
    folder = tmp_path_factory.mktemp("export")
    records, findings = read(folder, task(*regions, data=DATA | {"fps": fps}))
    assert not findings.faults
    for span in spans(records):
        located = span.located(index)
        assert (located.start_frame, located.stop_frame) == (start, stop)
