"""Copies for training: every picture of the original, and a key picture wherever sampling keeps one."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import damaged, run, succeeded
from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.errors import ClipError, DataError
from lsvid.video.decode import Decoder, Reader, pictures
from lsvid.video.index import VideoInfo, probe
from lsvid.video.proxies import copies_in
from lsvid.video.timebase import sample_frames

KINDS: dict[str, dict[str, Any]] = {
    "cfr": {"n_frames": 130, "gop": 250},
    "29.97, b-frames": {"n_frames": 130, "rate": NTSC, "b_frames": 3, "start_s": Fraction(1, 2)},
    "vfr": {"n_frames": 130, "gaps": VFR_GAPS},
    "long gaps": {"n_frames": 40, "gaps": (Fraction(1, 10), Fraction(5, 2))},
}


def _original(videos: VideoFactory, tmp_path: Path, name: str, **video: Any) -> tuple[str, str, VideoInfo]:
    return "op1", name, probe(videos.make(tmp_path / "clips" / "op1" / f"{name}.mp4", **video))


@pytest.mark.parametrize("fps", ["1", "2.5"])
def test_a_sampled_picture_costs_the_decoding_of_one(videos: VideoFactory, tmp_path: Path, fps: str) -> None:
    originals = [_original(videos, tmp_path, f"clip_{k}", **video) for k, video in enumerate(KINDS.values())]
    arguments = ["make-proxies", tmp_path / "clips", "-o", tmp_path / "copies", "--for-training", "--fps", fps]
    assert "made 4, there already 0" in succeeded(run(*arguments)).stderr
    assert "made 0, there already 4" in succeeded(run(*arguments)).stderr
    for (_, name, original), copy in zip(originals, copies_in(tmp_path / "copies", originals), strict=True):
        assert copy is not None
        sampled = sample_frames(original.index, Fraction(fps))
        assert set(copy.info.index.pts[sampled]) <= set(copy.info.key_pts), name
        assert (copy.info.height, copy.info.pixel_format) == (240, "yuv420p"), "no larger than the original"
        for frame, picture in pictures(copy.path, copy.info, range(original.index.n_frames)):
            assert read_burnt_number(picture) == frame
    again = run("make-proxies", tmp_path / "clips", "-o", tmp_path / "copies", "--for-training", "--fps", "5")
    assert "made 4, there already 0" in succeeded(again).stderr, "other key pictures"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_key_picture_is_read_by_itself(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    alone: list[bool] = []
    read_alone = Decoder.key_picture

    def counted(decoder: Decoder, pts: int) -> Any:
        frame = read_alone(decoder, pts)
        alone.append(frame is not None)
        return frame

    monkeypatch.setattr(Decoder, "key_picture", counted)
    path = videos.make(tmp_path / "clip.mp4", n_frames=120, gop=20, b_frames=3)
    asked = [100, 0, 41, 60, 21, 40, 61, 20, 119, 0]
    with closing(Reader(str(path), probe(path), threads)) as reader:
        read = [(frame, read_burnt_number(picture)) for frame, picture in reader.pictures(asked)]
        assert read == [(frame, frame) for frame in asked]
        assert alone == [True], "0: of the other segments two pictures are asked each"
        alone.clear()
        keys = [100, 60, 0, 40, 20, 80]
        assert [read_burnt_number(picture) for _, picture in reader.pictures(keys)] == keys
        assert alone == [True] * 6

    bad = damaged(videos, tmp_path / "bad.mp4", [40], n_frames=120, gop=20)
    with closing(Reader(str(bad), probe(bad), threads)) as reader:
        assert [frame for frame, _ in reader.pictures([0, 20, 40, 60], missing="skip")] == [0, 20, 60]
        with pytest.raises(ClipError, match="picture 40 cannot be decoded"):
            list(reader.pictures([20, 40]))


def test_copies_of_other_clips_are_refused(videos: VideoFactory, tmp_path: Path) -> None:
    one = _original(videos, tmp_path, "clip_1", n_frames=50)
    other = _original(videos, tmp_path, "clip_2", n_frames=60)
    succeeded(run("make-proxies", tmp_path / "clips", "-o", tmp_path / "copies", "--for-training", "--height", "120"))
    first, second, none = copies_in(tmp_path / "copies", [one, other, ("op1", "clip_3", one[2])])
    assert first is not None
    assert second is not None
    assert none is None
    assert np.array_equal(first.info.index.pts, probe(first.path).index.pts)
    Path(first.path).rename(tmp_path / "kept.mp4")
    Path(second.path).rename(first.path)
    with pytest.raises(DataError, match=r"(?s)copies that are not those of their clips:.*clip_1.mp4 was made from"):
        copies_in(tmp_path / "copies", [one, other])


@pytest.mark.parametrize("arguments", [["--fps", "1"], ["--for-training", "--fps", "fast"]])
def test_wrong_options(videos: VideoFactory, tmp_path: Path, arguments: list[str]) -> None:
    _original(videos, tmp_path, "clip_1")
    assert run("make-proxies", tmp_path / "clips", "-o", tmp_path / "copies", *arguments).exit_code == 2
