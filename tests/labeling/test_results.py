"""Spans as Label Studio's results, and read back: the same labels on the same frames, at any rate and timeline."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import NTSC, VFR_GAPS
from lsvid.annotations.spans import Basis, Frames, LocatedSpan, LsFrames, Seconds, Span, Status
from lsvid.errors import SettingsError
from lsvid.findings import Findings
from lsvid.labeling.config import Timeline, labeling_config
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labeling.results import Controls
from lsvid.labels.files import parse_labels_text
from lsvid.labels.tree import LabelTree
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.timebase import FrameIndex, format_rate, parse_rate

LABELS = """
labels:
  - name: Cut
    id: cut
    timeline: frames
    children: [{name: "Blunt, wide", id: blunt}, Sharp]
  - name: Suture
    children: [{name: Knot, children: [Square, Slip]}, Running]
  - name: Hold
    multiple: true
    children: [Left, Right]
  - Idle
"""
TREE = parse_labels_text(LABELS, "labels.yaml")


def index_of(gaps: list[Fraction], start_s: Fraction = Fraction(0), n: int = 60) -> FrameIndex:
    times = [start_s]
    for k in range(n):
        times.append(times[-1] + gaps[k % len(gaps)])
    base = Fraction(1, 90000)
    pts = np.array([round(time / base) for time in times], dtype=np.int64)
    return FrameIndex(pts[:-1], base, int(pts[-1] - pts[-2]), int(pts[-1]) * base)


INDEXES = {
    "25": index_of([Fraction(1, 25)]),
    "29.97": index_of([1 / NTSC]),
    "vfr": index_of(list(VFR_GAPS)),
    "late": index_of([Fraction(1, 25)], Fraction(1, 10)),
}


def span(label: tuple[str, ...], basis: Basis, region_id: str, score: float | None = None) -> Span:
    return Span(
        case="op1", clip="a", label=label, annotator="anna", status=Status.ACCEPTED, source="x", annotation_id="1",
        region_id=region_id, basis=basis, score=score,
    )  # fmt: skip


def read_back(results: list[dict[str, Any]], xml: str, tree: LabelTree, index: FrameIndex, folder: Path) -> list[Span]:
    task = {
        "id": 7,
        "data": {"video": "/data/op1/a.mp4", "fps": format_rate(index.editor_rate)},
        "annotations": [{"id": 1, "completed_by": 1, "result": results}],
    }
    path = folder / "export.json"
    path.write_text(json.dumps([task]))
    findings = Findings()
    records = list(read_export(str(path), ReadOptions(tree=tree, label_config=xml), findings))
    assert not findings.faults
    assert not findings.left_out
    return [record for record in records if isinstance(record, Span)]


def editor_rate(index: FrameIndex) -> Fraction:
    return parse_rate(str(float(index.editor_rate)))


@st.composite
def bases(draw: st.DrawFn, index: FrameIndex) -> Basis:
    start = draw(st.integers(0, index.n_frames - 1))
    stop = draw(st.integers(start + 1, index.n_frames))
    rate = draw(st.sampled_from([float(index.editor_rate), 24.0]))
    time = st.floats(float(index.start_s), float(index.end_s))
    start_s, end_s = sorted((draw(time), draw(time)))
    seconds: list[Basis] = [Seconds(start_s, end_s), Seconds(start_s, end_s, 0.006)]
    return draw(st.sampled_from([Frames(start, stop), LsFrames(start + 1, stop, str(rate)), *seconds]))


@pytest.mark.parametrize("timeline", ["frames", "waveform", "both"])
@pytest.mark.parametrize("name", INDEXES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_same_labels_on_the_same_frames(
    tmp_path_factory: pytest.TempPathFactory, timeline: Timeline, name: str, data: st.DataObject
) -> None:
    index = INDEXES[name]
    xml = labeling_config(TREE, timeline)
    tree = LabelingConfig.parse(xml).tree
    labels = data.draw(st.lists(st.sampled_from(tree.paths()), max_size=5))
    scores = st.sampled_from([None, 0.0, 0.4217])
    spans = [
        span(label, data.draw(bases(index)), f"r{n}", data.draw(scores)).located(index)
        for n, label in enumerate(labels)
    ]
    spans = [one for one in spans if one.start_frame != one.stop_frame]
    results, faults = Controls(LabelingConfig.parse(xml)).results(spans, index, editor_rate(index))
    assert not faults
    back = [one.located(index) for one in read_back(results, xml, tree, index, tmp_path_factory.getbasetemp())]

    def told(ones: list[LocatedSpan]) -> list[tuple[Any, ...]]:
        return [(one.region_id, one.label, one.start_frame, one.stop_frame, one.score) for one in ones]

    assert told(back) == told(spans)


def test_values_of_the_same_kind_stay_as_they_are(tmp_path: Path) -> None:
    index = INDEXES["25"]
    kept: dict[Timeline, Basis] = {"frames": LsFrames(3, 9, "25.0"), "waveform": Seconds(0.123456, 1.5)}
    for timeline, basis in kept.items():
        xml = labeling_config(TREE, timeline)
        spans = [span(("Idle",), basis, "r").located(index)]
        results, _ = Controls(LabelingConfig.parse(xml)).results(spans, index, editor_rate(index))
        assert read_back(results, xml, TREE, index, tmp_path)[0].basis == basis


def test_sub_labels_of_one_region_stay_one_where_several_may_hold(tmp_path: Path) -> None:
    index = INDEXES["25"]
    xml = labeling_config(TREE)
    for top, sub_labels, n_regions in (("Hold", ("Left", "Right"), 1), ("Cut", ("Blunt, wide", "Sharp"), 2)):
        spans = [span((top, sub), Frames(0, 5), "r").located(index) for sub in sub_labels]
        tree = LabelingConfig.parse(xml).tree
        results, _ = Controls(LabelingConfig.parse(xml)).results(spans, index, editor_rate(index))
        assert sum(result["type"] == "timelinelabels" for result in results) == n_regions
        back = read_back(results, xml, tree, index, tmp_path)
        assert [one.label for one in back] == [(top, sub) for sub in sub_labels]
        assert len({one.region_id for one in back}) == n_regions


def test_what_cannot_be_drawn() -> None:
    index = INDEXES["25"]
    xml = labeling_config(TREE)
    spans = [
        span(("Saw",), Frames(0, 5), "a").located(index),
        span(("Cut", "Saw"), Frames(0, 5), "b").located(index),
        span(("Idle",), Frames(1, 2), "c").located(index),
    ]
    _, faults = Controls(LabelingConfig.parse(xml)).results(spans, index, Fraction(1))
    assert [(one.region_id, reason) for one, reason in faults] == [
        ("a", "the project has no Saw"),
        ("b", "the project has no Cut / Saw"),
        ("c", "no number of the editor's timeline at 1 fps shows its pictures"),
    ]


def test_project_without_labels_in_time() -> None:
    with pytest.raises(SettingsError, match="the project has no labels in time: neither TimelineLabels nor Labels"):
        Controls(LabelingConfig.parse('<View><Video name="video" value="$video"/></View>'))
