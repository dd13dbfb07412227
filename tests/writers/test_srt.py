"""SubRip, read with the srt library."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import srt
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed
from lsvid.video.timebase import frames_of_seconds


@settings(max_examples=25, deadline=None)
@given(overlapping())
def test_subtitles_are_the_spans_to_the_frame(spans: list[Labelled]) -> None:
    times = index(60, Fraction(60000, 1001), Fraction(1, 5))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), placed(clip("op1/a", spans, times)), "srt", LABELS)
        found = list(srt.parse(Path(folder, "out/op1/a.srt").read_text(encoding="utf-8"), ignore_errors=False))
    frames = {(s.content, *frames_of_seconds(times, s.start.total_seconds(), s.end.total_seconds())) for s in found}
    assert frames == merged(spans)
    assert [s.index for s in found] == list(range(1, len(found) + 1))


def test_first_and_last_frame(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 1), ("B", 99, 100)])), "srt")
    assert (tmp_path / "out/op1/a.srt").read_text(encoding="utf-8") == (
        "1\n00:00:00,000 --> 00:00:00,040\nA\n\n2\n00:00:03,960 --> 00:00:04,000\nB\n\n"
    )
