"""A video file for each span: its pictures bear their own numbers, first and last included; its sound is kept."""

import csv
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from exports import clip, export, placed
from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.annotations.splits import SplitOptions
from lsvid.errors import DataError
from lsvid.video.index import probe


def numbers_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_burnt_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    "video",
    [
        {"n_frames": 60},
        {"n_frames": 300, "b_frames": 2, "gop": 60},
        {"n_frames": 60, "rate": NTSC, "b_frames": 2, "start_s": Fraction(1, 5)},
        {"n_frames": 60, "gaps": VFR_GAPS},
        {"n_frames": 90, "gop": 25, "cut_s": 0.52},
        {"n_frames": 200, "suffix": ".mkv", "start_s": Fraction(7)},
        {"n_frames": 250, "suffix": ".ts", "codec": "mpeg2video"},
    ],
)
def test_a_file_has_exactly_the_pictures_of_its_span(
    tmp_path: Path, videos: VideoFactory, video: dict[str, Any]
) -> None:
    path = videos.make(**video)
    info = probe(path)
    n = info.index.n_frames
    spans = [("A", 0, 1), ("B / C", 3, 20), ("B / C", 20, n), ("A", 10, n - 1)]
    export(tmp_path / "out", placed(clip("op1/a", spans, info.index, str(path), has_audio=info.has_audio)), "clips")
    with (tmp_path / "out/clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = numbers_of(path)[0]
    assert len(rows) == 4
    for row in rows:
        start, stop = int(row["start_frame"]), int(row["stop_frame"])
        assert numbers_of(tmp_path / "out" / row["path"]) == list(range(first + start, first + stop))
        made = probe(tmp_path / "out" / row["path"]).index
        ours = info.index.times_s()[start:stop] - info.index.times_s()[start]
        assert np.allclose(made.times_s() - made.times_s()[0], ours, atol=1e-9)
    classes = (tmp_path / "out/classes.txt").read_text(encoding="utf-8").splitlines()
    listed = dict(line.split() for line in (tmp_path / "out/train.csv").read_text(encoding="utf-8").splitlines())
    assert {path: classes[int(number)] for path, number in listed.items()} == {
        row["path"]: row["label"] for row in rows
    }


def test_sound_is_kept_and_as_long_as_the_pictures(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=100, audio=True)
    times = probe(path).index
    export(tmp_path / "out", placed(clip("op 1/a", [("A b", 25, 75)], times, str(path), has_audio=True)), "clips")
    made = tmp_path / "out/clips/op_1_a_A_b_00_00_01_000-00_00_03_000.mp4"
    with av.open(str(made)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time is not None
    assert abs(frames[0].time) < 0.03
    seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
    assert abs(seconds - 2) < 0.05


def test_parts_are_by_case(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=20)
    times = probe(path).index
    clips = placed(*(clip(f"op{n}/a", [("A", 0, 5), ("A", 5, 9)], times, str(path)) for n in range(2)))
    shares = {"train": Fraction(1, 2), "test": Fraction(1, 2)}
    export(tmp_path / "out", clips, "clips", splits=SplitOptions(shares=shares))
    parts = [(tmp_path / f"out/{part}.csv").read_text(encoding="utf-8").splitlines() for part in ("train", "test")]
    assert [len(lines) for lines in parts] == [2, 2]
    export(tmp_path / "all", clips, "clips", [("0",), ("A",), ("Z",)])
    assert (tmp_path / "all/classes.txt").read_text(encoding="utf-8").split() == ["0", "A", "Z"]
    assert (tmp_path / "all/train.csv").read_text(encoding="utf-8").split()[1] == "1", "whatever occurs"
    with pytest.raises(DataError, match="there is no span to write a file of"):
        export(tmp_path / "none", placed(clip("op1/a", [], times, str(path))), "clips", [("A",)])
