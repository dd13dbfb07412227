"""Exports of the real tools, kept as files, and the frames that each labels on a clip of 500 pictures at 25 fps."""

from pathlib import Path

import pytest

from factories import VideoFactory
from lsvid.findings import Findings
from lsvid.reading import ReadRequest, read_located

EXPORTS = Path(__file__).parent / "data" / "exports"

EXPECTED = {
    "label-studio-frames.json": [
        ("Dissection / Sharp", 4, 12),
        ("Übernähen & Knoten / Knot / Square", 24, 25),
    ],
    "label-studio-waveform.json": [
        ("Suturing / Knot / Square", 46, 117),  # 1.8283 s is past picture 45 (1.80 s); 4.6567 s past 116 (4.64 s)
        ("Dissection / Blunt", 250, 305),
    ],
    "prodigy.jsonl": [
        ("LABEL_A", 7, 41),
        ("LABEL_B", 55, 88),
        ("LABEL_A", 97, 131),
        ("LABEL_B", 134, 153),
    ],
}


def test_every_export_has_its_frames() -> None:
    assert {path.name for path in EXPORTS.iterdir()} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_frames_of_an_export(name: str, videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "clips" / "v25.mp4", n_frames=500)
    findings = Findings()
    request = ReadRequest((str(EXPORTS / name),), roots=(str(tmp_path),))
    (clip,) = read_located(request, findings).located.clips
    (work,) = clip.tracks
    assert [(" / ".join(s.label), s.start_frame, s.stop_frame) for s in work.spans] == EXPECTED[name]
    assert not findings.left_out
    assert not findings.warnings
