"""What is said about clips that are hard to annotate."""

import re
import shlex
from dataclasses import replace
from fractions import Fraction

import click
import numpy as np
import pytest

from lsvid.cli import cli
from lsvid.cli.output import Output
from lsvid.findings import Findings
from lsvid.label_studio.advice import ProbedClip, advise, plays_in_browsers, proxy_command
from lsvid.labeling.config import Timeline
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import FrameIndex


def info(**changes: object) -> VideoInfo:
    index = FrameIndex(np.arange(250, dtype=np.int64), Fraction(1, 25), 1, Fraction(10))
    plain = VideoInfo(
        index=index,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        pixel_format="yuv420p",
        width=320,
        height=240,
        has_audio=True,
        size=1000,
        fingerprint="f",
        recorded_at=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def index_of(*pts: int, time_base: Fraction = Fraction(1, 25)) -> FrameIndex:
    return FrameIndex(np.array(pts, dtype=np.int64), time_base, 1, (pts[-1] + 1) * time_base)


def advice(*infos: VideoInfo, timeline: Timeline = "frames", suffix: str = ".mp4") -> list[tuple[str, str]]:
    findings = Findings()
    clips = [ProbedClip(f"op1/clip_{k}", f"/clips/op1/clip_{k}{suffix}", one) for k, one in enumerate(infos, start=1)]
    advise(clips, timeline, findings, 7)
    return findings.warnings


def test_a_good_clip_gets_no_advice() -> None:
    assert advice(info()) == []


@pytest.mark.parametrize(
    ("path", "container", "codec", "pixel_format", "plays"),
    [
        ("a.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p", True),
        ("a.mov", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuvj420p", True),
        ("a.webm", "matroska,webm", "vp9", "yuv420p", True),
        ("a.WEBM", "matroska,webm", "libdav1d", "yuv420p", True),
        ("a.mkv", "matroska,webm", "vp9", "yuv420p", False),
        ("a.mkv", "matroska,webm", "h264", "yuv420p", False),
        ("a.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "hevc", "yuv420p", False),
        ("a.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p10le", False),
        ("a.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv422p", False),
        ("a.ts", "mpegts", "h264", "yuv420p", False),
        ("a.avi", "avi", "mjpeg", "yuvj422p", False),
    ],
)
def test_what_browsers_play(path: str, container: str, codec: str, pixel_format: str, plays: bool) -> None:
    assert plays_in_browsers(path, info(container=container, codec=codec, pixel_format=pixel_format)) is plays


def test_a_codec_that_does_not_play() -> None:
    ((text, hint),) = advice(info(codec="hevc"), info())
    assert text == (
        "1 of 2 clips hold video that browsers may not play (they play 8-bit H.264 in MP4, and VP8, VP9 or AV1 in "
        "WebM): op1/clip_1"
    )
    assert hint.startswith(
        "this is hevc yuv420p in mov; give annotators copies with the same frames: lsvid make-proxies"
    )


@pytest.mark.parametrize(("size", "warned"), [(199_999_999, False), (200_000_000, True)])
def test_from_200_mb_the_hint_gives_the_command_for_a_copy(size: int, warned: bool) -> None:
    long = FrameIndex(np.arange(25 * 600, dtype=np.int64), Fraction(1, 25), 1, Fraction(600))
    found = advice(info(size=size, index=long), timeline="waveform")
    if not warned:
        assert found == []
        return
    ((text, hint),) = found
    assert text == (
        "1 of 1 clips are over 200 MB, which Label Studio reads whole from a local folder for every seek: op1/clip_1"
    )
    assert hint == (
        "give annotators small copies with the same frames: lsvid make-proxies /clips/op1 -o PROXIES, then lsvid "
        "import-clips /clips/op1 --project 7 --proxies PROXIES"
    )


def test_what_lies_in_s3_is_not_read_whole() -> None:
    long = FrameIndex(np.arange(25 * 600, dtype=np.int64), Fraction(1, 25), 1, Fraction(600))
    findings = Findings()
    advise([ProbedClip("op1/a", "s3://b/op1/a.mp4", info(size=500_000_000, index=long))], "waveform", findings)
    assert findings.warnings == []


@pytest.mark.parametrize("timeline", ["frames", "waveform", "both"])
def test_clips_without_sound_on_a_waveform(timeline: Timeline) -> None:
    """Firefox 153: "Error while loading audio" in the place of the strip."""
    found = advice(info(has_audio=False), info(), timeline=timeline)
    if timeline == "frames":
        assert found == []
        return
    ((text, hint),) = found
    assert (
        text
        == "1 of 2 clips have no sound track: Firefox shows no waveform of them, Chrome and Chromium do: op1/clip_1"
    )
    assert hint.startswith("copies get an empty one: lsvid make-proxies /clips/op1 -o PROXIES, then lsvid import-clips")


def test_the_command_names_a_prefix_in_s3_as_it_is() -> None:
    expected = (
        "lsvid make-proxies 's3://b/op 1' -o PROXIES, then lsvid import-clips 's3://b/op 1' --project PROJECT "
        "--proxies PROXIES"
    )
    assert proxy_command("s3://b/op 1/a.mp4") == expected


def test_a_high_bit_rate() -> None:
    ((text, hint),) = advice(info(size=13_000_000))  # 10 s
    assert text == "1 of 1 clips have over 10 Mbit/s, which stalls on slow networks: op1/clip_1"
    assert hint.startswith("if that happens, give annotators small copies with the same frames: lsvid make")


def test_a_variable_rate() -> None:
    ((text, hint),) = advice(info(index=index_of(0, 1, 3, 6, 7)))
    assert text == "1 of 1 clips have a variable frame rate: op1/clip_1"
    assert hint == (
        "nothing to do: exports are exact; the timeline of op1/clip_1 counts 25 frames a second, some of which "
        "show the same picture"
    )


def test_a_variable_rate_too_fast_for_the_editor() -> None:
    ((_, hint),) = advice(info(index=index_of(0, 1, 30, 90, 91, time_base=Fraction(1, 1000))))
    assert hint.endswith(
        "counts 120 frames a second, and pictures closer together than that cannot be told apart on it"
    )


def test_a_late_start() -> None:
    ((text, hint),) = advice(info(index=index_of(*range(5, 30))))
    assert text == "1 of 1 clips start late: their first picture comes after time zero: op1/clip_1"
    assert hint == (
        "nothing to do: exports are exact (op1/clip_1 starts at 0.200 s, and players show its first picture until then)"
    )


@pytest.mark.parametrize(("timeline", "warned"), [("frames", True), ("waveform", False), ("both", False)])
def test_long_clips_on_a_timeline_of_frames(timeline: Timeline, warned: bool) -> None:
    found = advice(*[info(index=index_of(*range(3001)))] * 5, timeline=timeline)
    assert bool(found) is warned
    if warned:
        ((text, hint),) = found
        assert text == (
            "5 of 5 clips are over two minutes, which is long for a timeline of single frames: op1/clip_1, op1/clip_2, "
            "op1/clip_3, …"
        )
        assert hint == (
            "for spans of minutes use the zoomable strip, while nothing is annotated: lsvid setup-project LABELS "
            "--project 7 --timeline waveform"
        )


def test_lsvid_takes_the_commands_that_hints_print() -> None:
    long = FrameIndex(np.arange(25 * 600, dtype=np.int64), Fraction(1, 25), 1, Fraction(600))
    found = advice(info(codec="hevc", size=2_000_000_000, index=long), timeline="frames")
    commands = [command for _, hint in found for command in re.findall(r"lsvid ([a-z-]+ .*?)(?=,|$)", hint)]
    assert {command.split()[0] for command in commands} == {"make-proxies", "import-clips", "setup-project"}
    for command in commands:
        name, *arguments = shlex.split(command)
        context = click.Context(cli, obj=Output())
        known = cli.get_command(context, name)
        assert known is not None
        assert not known.make_context(name, arguments, parent=context).args
