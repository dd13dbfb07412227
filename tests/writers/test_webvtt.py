"""WebVTT, read with webvtt-py."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import webvtt
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed
from lsvid.video.timebase import frames_of_seconds


@settings(max_examples=25, deadline=None)
@given(overlapping())
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(60000, 1001)])
def test_cues_are_the_spans_to_the_frame(rate: Fraction, spans: list[Labelled]) -> None:
    times = index(60, rate, Fraction(1, 5))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), placed(clip("op1/a", spans, times)), "webvtt", LABELS)
        cues = list(webvtt.read(str(Path(folder, "out/op1/a.vtt"))))
    found = {(cue.text, *frames_of_seconds(times, seconds(cue.start), seconds(cue.end))) for cue in cues}
    assert found == merged(spans)
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_first_and_last_frame_and_what_needs_escapes(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A --> B & <C>", 0, 1), ("D", 99, 100)]), clip("op1/b", []))
    export(tmp_path / "out", clips, "webvtt")
    assert (tmp_path / "out/op1/a.vtt").read_text(encoding="utf-8") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.040\nA --&gt; B &amp; &lt;C&gt;\n\n00:00:03.960 --> 00:00:04.000\nD\n\n"
    )
    assert not list(webvtt.read(str(tmp_path / "out/op1/b.vtt")))


def test_one_level(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Dissection / Blunt", 0, 5), ("Suturing", 5, 9)]))
    export(tmp_path / "out", clips, "webvtt", level=2)
    assert [cue.text for cue in webvtt.read(str(tmp_path / "out/op1/a.vtt"))] == ["Blunt"]
