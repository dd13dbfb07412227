"""Where a format's seconds count from: a clip's own zero for browsers, the container's start for desktop programs.

Every format that holds seconds is read back on clips that start at 0, at 0.54 s (MPEG), 26 hours on, and below zero.
"""

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import Labelled, clip, export, index, merged, placed, read_back, tilings
from factories import VideoFactory
from lsvid.annotations.spans import ContainerSeconds, Seconds
from lsvid.findings import Findings
from lsvid.reading import ReadRequest, read_located
from lsvid.video.timebase import FrameIndex, OutsideClipError

STARTS = [Fraction(0), Fraction(54, 100), Fraction(95443717688, 10**6), Fraction(-1, 2)]


@st.composite
def origins(draw: st.DrawFn) -> FrameIndex:
    """A clip of 60 frames whose first picture comes with the container's start, or a little later."""
    start_s, late_s = draw(st.sampled_from(STARTS)), draw(st.sampled_from([Fraction(0), Fraction(8, 100)]))
    rate = draw(st.sampled_from([Fraction(25), Fraction(60000, 1001)]))
    return replace(index(60, rate, start_s + late_s), container_start_s=start_s)


@settings(max_examples=25, deadline=None)
@given(origins(), tilings())
def test_what_is_written_in_seconds_comes_back_on_the_same_frames(times: FrameIndex, spans: list[Labelled]) -> None:
    clips = placed(clip("op1/a", spans, times))
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file_format in ("elan", "segments", "srt", "webvtt"):
            export(folder / file_format, clips, file_format)
        found, _ = read_back(folder / "elan/op1_a.eaf", clips)
        assert found.get("op1/a", set()) == set(spans)
        seconds_only(folder / "segments/segments.csv", folder / "seconds.csv")
        if spans:
            assert read_back(folder / "seconds.csv", clips)[0] == {"op1/a": set(spans)}
        cues = srt.parse((folder / "srt/op1/a.srt").read_text(encoding="utf-8"))
        found_frames = [
            ContainerSeconds(cue.start.total_seconds(), cue.end.total_seconds()).frames(times) for cue in cues
        ]
        assert set(found_frames) == {(start, stop) for _, start, stop in merged(spans)}
        captions = webvtt.read(folder / "webvtt/op1/a.vtt").captions
        if times.start_s >= 0:  # a browser shows nothing before zero
            on_timeline = {Seconds(clock(cue.start), clock(cue.end)).frames(times) for cue in captions}
            assert on_timeline == {(start, stop) for _, start, stop in merged(spans)}


def clock(text: str) -> float:
    """The seconds of HH:MM:SS.mmm."""
    hours, minutes, seconds = text.split(":")
    return float((int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds))


def seconds_only(table: Path, to: Path) -> None:
    """A copy of a table of segments that knows no frames."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [
            {name: row[name] for name in ("case", "clip", "label", "start_s", "end_s")} for row in csv.DictReader(file)
        ]
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["case", "clip", "label", "start_s", "end_s"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("start_s", STARTS[:3])
def test_seconds_far_outside_are_told_on_both_sides(start_s: Fraction) -> None:
    times = replace(index(60, start_s=start_s), container_start_s=start_s)
    for basis in (ContainerSeconds(-1.1, 1), ContainerSeconds(1, 3.5), ContainerSeconds(90000, 90001)):
        with pytest.raises(OutsideClipError):
            basis.frames(times)
    assert ContainerSeconds(-0.9, 2.9).frames(times) == (0, 60)
    assert ContainerSeconds(0.5, 3.1).is_cut(times)
    cut = ContainerSeconds(1, 99).cut(times)
    assert cut is not None
    assert cut.frames(times) == (25, 60)


@pytest.mark.parametrize("name", ["a.mp4", "a.mpg", "a.ts"])
def test_the_first_second_of_a_desktop_program_is_the_films(tmp_path: Path, videos: VideoFactory, name: str) -> None:
    codec = "mpeg2video" if name == "a.mpg" else "libx264"
    start_s = Fraction(3600 if name == "a.ts" else 0)
    video = videos.make(
        tmp_path / "clips/op1" / name, n_frames=50, suffix=Path(name).suffix, codec=codec, start_s=start_s
    )
    table = tmp_path / "mine.csv"
    table.write_text(f"video,label,start_s,end_s\nop1/{name},A,0,1\n", encoding="utf-8")
    request = ReadRequest((str(table),), roots=(str(video.parent),))
    (found,) = read_located(request, Findings()).located.clips
    (span,) = found.tracks[0].spans
    assert (span.start_frame, span.stop_frame) == (0, 25)
    assert (found.info.index.container_start_s > Fraction(1, 4)) == (name != "a.mp4")
