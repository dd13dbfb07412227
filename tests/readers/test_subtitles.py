"""WebVTT and SubRip: what lsvid writes comes back exactly; anybody's subtitles are labels."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed, read_back
from factories import VideoFactory
from lsvid.annotations.spans import Clip, ContainerSeconds, Seconds, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located


@settings(max_examples=25, deadline=None)
@given(overlapping())
@pytest.mark.parametrize(("file_format", "suffix"), [("webvtt", "vtt"), ("srt", "srt")])
def test_round_trip(file_format: str, suffix: str, spans: list[Labelled]) -> None:
    clips = placed(clip("op1/a", spans, index(60, Fraction(60000, 1001), Fraction(1, 5))))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, file_format, LABELS)
        found, _ = read_back(Path(folder, f"out/op1/a.{suffix}"), clips)
    assert found == {"op1/a": merged(spans)}


def test_labels_with_what_needs_escapes_come_back(tmp_path: Path) -> None:
    spans = [("A --> B & <C>", 0, 5), ("&amp; / <5 mm", 5, 9), (r"A \/ B", 9, 12), ("<b>x</b>", 12, 15)]
    clips = placed(clip("op1/a", spans))
    export(tmp_path / "vtt", clips, "webvtt")
    assert read_back(tmp_path / "vtt/op1/a.vtt", clips)[0] == {"op1/a": set(spans)}
    export(tmp_path / "srt", clips, "srt")
    spans[0] = ("A → B & <C>", 0, 5)
    assert read_back(tmp_path / "srt/op1/a.srt", clips)[0] == {"op1/a": set(spans)}


def test_subtitles_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "op1").mkdir()
    web, rip = tmp_path / "op1/a.vtt", tmp_path / "op1/b.srt"
    web.write_text(
        "\ufeffWEBVTT - made by hand\n\nSTYLE\n::cue { color: red }\n\nNOTE 00:01.000 --> 00:02.000\nnothing\n\n"
        "first\n00:01.500 --> 00:02.000 align:start\n<v Ann>Cut <i>it</i></v>\n\n"
        "01:00:00.000 --> 01:00:01.000\nTwo\nlines",
        encoding="utf-8",
    )
    rip.write_bytes(
        "1\r\n00:00:01,500 --> 00:00:02,000\r\nNähen\r\n\r\n2\r\n0:0:3,5 --> 00:00:04.000\r\nEnd".encode("cp1252")
    )
    found = {}
    for file in (web, rip):
        findings = Findings()
        records = list(read_export(str(file), ReadOptions(), findings))
        found[file] = [(" / ".join(r.label), r.basis) for r in records if isinstance(r, Span)]
        assert [r.clip_id for r in records if isinstance(r, Clip)] == [f"op1/{file.stem}"]
        assert not findings.faults
    assert found[web] == [("Cut it", Seconds(1.5, 2.0)), ("Two lines", Seconds(3600, 3601))]
    assert found[rip] == [("Nähen", ContainerSeconds(1.5, 2.0)), ("End", ContainerSeconds(3.5, 4.0))]


def test_the_clip_of_the_same_name(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "clips/op7/a.mp4", n_frames=50)
    (tmp_path / "a.txt").write_text("1\n00:00:00,400 --> 00:00:00,800\nCut\n")
    request = ReadRequest((str(tmp_path / "a.txt"),), roots=(str(tmp_path / "clips"),))
    (found,) = read_located(request, Findings()).located.clips
    assert found.id == "op7/a"
    assert [(s.label, s.start_frame, s.stop_frame) for s in found.tracks[0].spans] == [(("Cut",), 10, 20)]


def test_faults_name_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(
        "1\n00:00:01 --> x\nA\n\n2\n00:00:03,0 --> 00:00:02,0\nB\n\n3\n00:00:03,0 --> 00:00:04,0\n\n"
        "4\n00:00:05,0 --> 00:00:06,0\nA\n5\n00:00:07,0 --> 00:00:08,0\nB\n"
    )
    findings = Findings()
    list(read_export(str(tmp_path / "a.srt"), ReadOptions(), findings))
    assert [(place.rpartition(":")[2], reason.partition(":")[0]) for place, reason in findings.faults] == [
        ("2", "no such times"), ("6", "reversed"), ("10", "no label"),
        ("13", "there is no blank line between this and the next one"),
    ]  # fmt: skip
    (tmp_path / "a.srt").write_text("only words\n")
    with pytest.raises(ExportError, match="holds no subtitles"):
        list(read_export(str(tmp_path / "a.srt"), ReadOptions(), Findings()))
