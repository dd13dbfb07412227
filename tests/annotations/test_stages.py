"""Records become clips on frames: what is cut, what keeps its hint, and why nothing is left."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from builders import run
from exports import index
from factories import VideoFactory
from lsvid.annotations.spans import Basis, Frames, LsFrames, Seconds, Span, Status
from lsvid.annotations.stages import raise_faults
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.video.timebase import OutsideClipError


def span(basis: Basis) -> Span:
    return Span(
        case="op1", clip="a", label=("A",), annotator="anna", status=Status.ACCEPTED, source="test",
        annotation_id="1", region_id="r", basis=basis,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("basis", "frames"),
    [
        (Seconds(2.0, 9.5), (50, 100)),
        (Seconds(-9.0, 2.0), (0, 50)),
        (Seconds(-9.0, 99.0), (0, 100)),
        (LsFrames(51, 999, "25"), (50, 100)),
        (Frames(50, 999), (50, 100)),
    ],
)
def test_what_overruns_its_clip_is_cut_only_where_that_is_asked_for(basis: Basis, frames: tuple[int, int]) -> None:
    times = index(100)
    with pytest.raises(OutsideClipError):
        span(basis).located(times)
    located = span(basis).located(times, cut_overrun=True)
    assert (located.start_frame, located.stop_frame) == frames
    assert located.basis == basis  # as the source has it
    assert basis.is_cut(times)


@pytest.mark.parametrize("basis", [Seconds(9.0, 9.5), Seconds(-9.5, -9.0), LsFrames(201, 999, "25"), Frames(100, 101)])
def test_what_lies_all_outside_is_never_cut(basis: Basis) -> None:
    with pytest.raises(OutsideClipError):
        span(basis).located(index(100), cut_overrun=True)


def test_a_span_far_before_a_clip_that_starts_late_is_an_error() -> None:
    late = index(100, start_s=Fraction(3600))
    with pytest.raises(OutsideClipError, match=r"lies outside the clip \(3600.000 to 3604.000 s\)"):
        span(Seconds(5.0, 9.0)).located(late)
    assert span(Seconds(3601.0, 3602.0)).located(late).start_frame == 25
    assert span(Seconds(0.0, 3602.0)).located(late).stop_frame == 50  # players show the first picture until then


def test_each_fault_keeps_its_hint() -> None:
    findings = Findings()
    findings.fault("a", "cannot be found", "name its folder")
    findings.fault("b", "cannot be found", "name its folder")
    findings.fault("c", "no label")
    with pytest.raises(ExportError) as caught:
        raise_faults(findings, "x.json", skip_bad=False)
    assert caught.value.hint.startswith("name its folder; correct them at their source and export again; ")


@pytest.fixture
def clips(videos: VideoFactory, tmp_path: Path) -> Path:
    videos.make(tmp_path / "clips/op1/a.mp4", n_frames=50)
    return tmp_path / "clips"


def export(folder: Path, video: str, start: float, end: float) -> Path:
    result = {"id": "r", "type": "labels", "value": {"start": start, "end": end, "labels": ["A"]}}
    file = folder / "export.json"
    task: dict[str, Any] = {"id": 1, "data": {"video": video}, "annotations": [{"id": 1, "result": [result]}]}
    file.write_text(json.dumps([task]))
    return file


def test_a_span_that_overruns_its_clip(clips: Path, tmp_path: Path) -> None:
    arguments = ("export-frames", export(tmp_path, "op1/a.mp4", 1.0, 9.0), "--clips", clips, "-o", tmp_path / "out")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "9.000 s lies outside the clip (0.000 to 2.000 s)" in result.stderr
    assert "hint: --cut-overrun cuts what overruns its clip to the clip's end, and counts it" in result.stderr
    result = run(*arguments, "--cut-overrun")
    assert result.exit_code == 0, result.stderr
    assert "warning: cut 1 spans that reached past their clip: " in result.stderr
    assert json.loads((tmp_path / "out/manifest.json").read_text())["counts"]["cut"] == 1


def test_skipping_what_is_bad_does_not_hide_why_nothing_is_left(clips: Path, tmp_path: Path) -> None:
    for video, reason in (("op1/nowhere.mp4", "cannot find the clip op1/nowhere.mp4"), ("op1/a.mp4", "lies outside")):
        file = export(tmp_path, video, 99.0, 100.0)
        result = run("export-frames", file, "--clips", clips, "-o", tmp_path / "out", "--skip-bad")
        if video == "op1/a.mp4":
            assert result.exit_code == 0  # annotated, and nothing of it is sound: told, and all frames are there
            assert "left out 1 bad data: " in result.stderr
            assert reason in result.stderr
            continue
        assert result.exit_code == 1
        assert "there is nothing to export" in result.stderr
        assert reason in result.stderr


def test_the_case_of_a_bare_name_is_that_of_its_file(clips: Path, tmp_path: Path) -> None:
    for video in ("a.mp4", "a", "/data/upload/3/1d2f3e4a-a.mp4"):
        file = export(tmp_path, video, 0.0, 1.0)
        data = {"clip_file": video} if "." not in video else {"video": video}
        task = json.loads(file.read_text())[0] | {"data": {"video": video, **data}}
        file.write_text(json.dumps([task]))
        result = run("export-spans", file, "--clips", clips)
        assert result.exit_code == 0, result.stderr
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert {(record["case"], record["clip"]) for record in records} == {("op1", "a")}
        assert records[-1]["stop_frame"] == 25


def test_a_presigned_address_is_in_no_file_and_no_message(clips: Path, tmp_path: Path) -> None:
    address = "https://user:pw@host/op1/{}.mp4?X-Amz-Signature=5E3CRET&X-Amz-Expires=3600"
    for name, code in (("a", 0), ("b", 1)):
        file = export(tmp_path, address.format(name), 0.0, 1.0)
        result = run("export-frames", file, "--clips", clips, "-o", tmp_path / "out", "--json")
        assert result.exit_code == code, result.stderr
        spans = run("export-spans", file, "--clips", clips)
        written = "".join(path.read_text() for path in (tmp_path / "out").glob("*"))
        for secret in ("5E3CRET", "Amz", "user:pw"):
            assert secret not in result.output + spans.output + written


def test_one_file_is_not_taken_for_two_clips(clips: Path, tmp_path: Path) -> None:
    """op2 is not there: the clip of the same name in op1 is not its."""
    file = tmp_path / "mine.csv"
    file.write_text("video,label,start_s,end_s\n/d/op1/a.mp4,A,0,1\n/d/op2/a.mp4,B,1,2\n")
    arguments = ("export-frames", file, "--clips", clips, "-o", tmp_path / "out")
    result = run(*arguments)
    assert result.exit_code == 1
    assert f"clip op2/a: {clips / 'op1/a.mp4'} is found for it and for op1/a" in result.stderr
    assert "there is nothing to export" in run(*arguments, "--skip-bad").stderr


def test_what_was_left_out_is_told_where_nothing_is_left(clips: Path, tmp_path: Path) -> None:
    file = tmp_path / "live.boris"
    project: dict[str, Any] = {"behaviors_conf": {}, "observations": {"o": {"type": "LIVE", "events": []}}}
    file.write_text(json.dumps(project))
    result = run("export-frames", file, "--clips", clips, "-o", tmp_path / "out")
    assert "error: there is nothing to export: no clip is annotated in " in result.stderr
    assert "hint: left out 1 observations of BORIS without a video" in result.stderr
