"""Several annotators become one, level by level; ties and agreement are told."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import VideoFactory
from lsvid.annotations.merge import MERGES, MergeOptions, merge
from lsvid.annotations.spans import Annotation, Clip, Frames, Span, Status
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.cli import cli
from lsvid.findings import Findings
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import FrameIndex

N = 12
INDEX = FrameIndex(np.arange(N, dtype=np.int64), Fraction(1, 25), 1, Fraction(N, 25))
INFO = VideoInfo(
    index=INDEX, size=1, container="mp4", codec="h264", pixel_format="yuv420p", width=1, height=1, has_audio=False,
    fingerprint="x", recorded_at=None,
)  # fmt: skip

Marks = dict[str, list[tuple[str, int, int]]]


def clip_of(marks: Marks) -> AnnotatedClip:
    """A clip of N frames with what each annotator marked: (label, start frame, stop frame)."""
    works = []
    for who, ones in marks.items():
        names: dict[str, Any] = {"case": "op1", "clip": "a", "annotator": who, "status": Status.ACCEPTED, "source": "x",
                                 "annotation_id": who}  # fmt: skip
        spans = tuple(
            Span(**names, label=tuple(label.split("/")), region_id=str(n), basis=Frames(start, stop)).located(INDEX)
            for n, (label, start, stop) in enumerate(ones)
        )
        works.append(Track(Annotation(**names), spans, who))
    return AnnotatedClip(Clip(case="op1", clip="a", media="a.mp4"), tuple(works), "a.mp4", INFO)


def merged(
    marks: Marks, how: str, order: tuple[str, ...] = ("a", "b", "c")
) -> list[tuple[str, int | None, int | None]]:
    (clip,), _ = merge([clip_of(marks)], MergeOptions(how, order), Findings())
    (work,) = clip.tracks
    assert work.annotator == how
    return [("/".join(span.label), span.start_frame, span.stop_frame) for span in work.spans]


THREE: Marks = {
    "a": [("S/knot", 0, 6), ("C", 6, 12)],
    "b": [("S/run", 0, 8), ("C", 8, 12)],
    "c": [("S", 2, 7)],
}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("majority", [("S", 0, 7), ("C", 8, 12)]),
        ("union", [("S/knot", 0, 6), ("S/run", 0, 8), ("C", 6, 12)]),
        ("intersection", [("S", 2, 6)]),
        ("priority", [("S/knot", 0, 6), ("C", 6, 12)]),
    ],
)
def test_three_annotators(how: str, expected: list[tuple[str, int, int]]) -> None:
    assert sorted(merged(THREE, how)) == sorted(expected)


def test_priority_goes_level_by_level() -> None:
    assert sorted(merged(THREE, "priority", ("c", "b", "a"))) == [
        ("C", 8, 12), ("S/run", 0, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("how", MERGES)
def test_one_annotator_stays_as_he_is(how: str) -> None:
    assert merged({"a": [("S/knot", 0, 6), ("C", 4, 12)]}, how) == [("S/knot", 0, 6), ("C", 4, 12)]


def test_nobody_marked_anything() -> None:
    assert merged({"a": [], "b": []}, "majority") == []


def test_ties_and_agreement_are_told() -> None:
    findings = Findings()
    _, report = merge(
        [clip_of({"a": [("S/knot", 0, 6)], "b": [("S/run", 0, 3), ("C", 6, 9)]})], MergeOptions("majority"), findings
    )
    assert report["clips"] == [
        {
            "case": "op1",
            "clip": "a",
            "annotators": ["a", "b"],
            "levels": [
                {"level": 1, "agreement": 0.5, "kappa": pytest.approx(0.2), "tied_frames": 6, "undecided_frames": 0},
                {"level": 2, "agreement": 0.5, "kappa": pytest.approx(0.2), "tied_frames": 3, "undecided_frames": 0},
            ],
        }
    ]
    assert findings.warnings == [
        (
            "9 frames (counted at each level) had exactly half of the annotators for a label: no majority",
            "these frames do not get the label; manifest.json names the clips; merge=priority would decide",
        )
    ]


def test_three_who_disagree_are_undecided() -> None:
    marks: Marks = {"a": [("S", 0, 6)], "b": [("C", 0, 6)], "c": []}
    _, report = merge([clip_of(marks)], MergeOptions("majority"), Findings())
    assert [level["undecided_frames"] for level in report["clips"][0]["levels"]] == [6]
    assert [level["tied_frames"] for level in report["clips"][0]["levels"]] == [0]


def test_agreement_where_all_is_one() -> None:
    everything: Marks = {"a": [("S", 0, N)], "b": [("S", 0, N)]}
    nothing: Marks = {"a": [], "b": []}
    for marks in (everything, nothing):
        _, report = merge([clip_of(marks)], MergeOptions("union"), Findings())
        (level,) = report["clips"][0]["levels"]
        assert (level["agreement"], level["kappa"]) == (1.0, None)


marks_of_one = st.lists(
    st.tuples(st.sampled_from(["S", "S/knot", "S/run", "C", "C/x/y"]), st.integers(0, N - 1), st.integers(1, N)).map(
        lambda one: (one[0], one[1], min(one[1] + one[2], N))
    ),
    max_size=4,
)


@settings(deadline=None)
@given(st.lists(marks_of_one, min_size=1, max_size=4), st.sampled_from(["majority", "union", "intersection"]))
def test_every_frame_gets_what_the_votes_say(marks: list[Any], how: str) -> None:
    by_frame: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(N)]
    for ones in marks:
        said: list[set[tuple[str, ...]]] = [set() for _ in range(N)]
        for label, start, stop in ones:
            path = tuple(label.split("/"))
            for frame in range(start, stop):
                said[frame] |= {path[:n] for n in range(1, len(path) + 1)}
        for frame in range(N):
            by_frame[frame].update(said[frame])
    needed = {"majority": len(marks) // 2 + 1, "union": 1, "intersection": len(marks)}[how]
    spans = merged({str(n): ones for n, ones in enumerate(marks)}, how)
    for frame in range(N):
        chosen = {path for path, number in by_frame[frame].items() if number >= needed}
        lowest = {p for p in chosen if not any(q[: len(p)] == p and q != p for q in chosen)}
        found = [tuple(label.split("/")) for label, start, stop in spans if (start or 0) <= frame < (stop or 0)]
        assert sorted(found) == sorted(lowest)


# --- In the command ---------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def export_file(tmp_path: Path, videos: VideoFactory) -> Path:
    videos.make(tmp_path / "op1" / "a.mp4", n_frames=50)
    lines = [
        {"path": "op1/a.mp4", "_session_id": who, "answer": "accept",
         "audio_spans": [{"start": s, "end": e, "label": "Cut"}]}
        for who, s, e in (("ds-anna", 0, 1), ("ds-ben", 0, 0.6), ("ds-cem", 0.2, 1))
    ]  # fmt: skip
    path = tmp_path / "out.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def test_merge_in_the_manifest(export_file: Path, tmp_path: Path) -> None:
    result = run("export-frames", export_file, "--clips", tmp_path, "-o", tmp_path / "out", "--merge", "majority")
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["annotators"] == ["majority"]
    assert manifest["counts"]["rows"] == 50
    assert manifest["merge"]["how"] == "majority"
    assert manifest["merge"]["clips"][0]["annotators"] == ["ds-anna", "ds-ben", "ds-cem"]
    assert manifest["merge"]["clips"][0]["levels"][0]["agreement"] == pytest.approx((40 + 45 + 35) / 150)
    rows = (tmp_path / "out" / "frames.csv").read_text().splitlines()[1:]
    assert [",Cut," in row + "," for row in rows] == [True] * 25 + [False] * 25


def test_priority_wants_an_order(export_file: Path, tmp_path: Path) -> None:
    result = run("export-frames", export_file, "--clips", tmp_path, "-o", tmp_path / "out", "--merge", "priority")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --merge priority does not know whose word counts first\n"
        "hint: name all annotators in that order: --annotator ANNA --annotator BEN\n"
    )
    order = ["--annotator", "ds-ben", "--annotator", "ds-anna"]
    result = run(
        "export-frames", export_file, "--clips", tmp_path, "-o", tmp_path / "out", "--merge", "priority", *order
    )
    assert result.exit_code == 0
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["merge"]["order"] == ["ds-ben", "ds-anna"]


def test_merge_of_all_annotations(export_file: Path, tmp_path: Path) -> None:
    result = run("export-frames", export_file, "-o", tmp_path / "out", "--merge", "union", "--all-versions")
    assert result.exit_code == 2
    assert "--merge counts each annotator once: not with all their annotations" in result.stderr
