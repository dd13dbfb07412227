"""Pictures as files: exactly the picture whose number is asked for, or none."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from builders import damaged, read_picture
from clip_kinds import KINDS, clip_of, fully_decoded, number_of, packets_decoded, run_quietly
from factories import VideoFactory, read_burnt_number
from lsvid.errors import ClipError, DataError, SettingsError
from lsvid.video import pictures as images
from lsvid.video.index import probe
from lsvid.video.pictures import (
    PictureOptions,
    Pictures,
    Wanted,
    picture_name,
    write_clip,
    write_pictures,
)
from s3_server import Bucket


def _write(clip: Path, folder: Path, frames: object, threads: int = 2, **options: Any) -> Pictures:
    wanted = Wanted(str(clip), str(folder), np.array(frames, dtype=np.int64))
    return write_clip(images._Job(wanted, PictureOptions(**options), threads), lambda _done: None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_the_one_of_its_number_to_the_pixel(videos: VideoFactory, tmp_path: Path, kind: str) -> None:
    clip = clip_of(videos, tmp_path, kind)
    truth = fully_decoded(clip)
    n_frames = probe(clip).index.n_frames
    assert sorted(truth) == list(range(n_frames))
    first = number_of(truth[0], kind)
    choices = {"all": range(n_frames), "sparse": range(3, n_frames, 17), "last": [n_frames - 1], "runs": [
        0, 1, 2, 13, 14, 30, 31, 32, 33, 44]}  # fmt: skip
    for threads in (1, 2):
        for name, frames in choices.items():
            folder = tmp_path / f"{name}-{threads}"
            done = _write(clip, folder, list(frames), threads, format="png")
            assert done == Pictures(written=len(frames), kept=0, missing=[])
            assert sorted(f.name for f in folder.glob("[!.]*")) == [f"{number:06d}.png" for number in frames]
            for number in frames:
                picture = read_picture(folder / f"{number:06d}.png")
                assert np.array_equal(picture, truth[number]), (name, threads, number)
                assert number_of(picture, kind) == first + number


@pytest.mark.parametrize("kind", ["turned", "mirrored"])
def test_pictures_stand_as_ffmpeg_turns_them(videos: VideoFactory, tmp_path: Path, kind: str) -> None:
    clip = clip_of(videos, tmp_path, kind)
    run_quietly(imageio_ffmpeg.get_ffmpeg_exe(), "-i", clip, "-frames:v", "1", tmp_path / "theirs.png")
    _write(clip, tmp_path / "ours", [0], format="png")
    ours, theirs = read_picture(tmp_path / "ours" / "000000.png"), read_picture(tmp_path / "theirs.png")
    assert ours.shape == theirs.shape == (320, 240, 3)
    assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 3


def test_only_what_is_needed_is_decoded_and_once(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = packets_decoded(monkeypatch)
    clip = videos.make(n_frames=200, gop=20)
    _write(clip, tmp_path / "a", [3, 4, 25, 26, 27, 150])
    assert len(fed) == len(set(fed)) == (4 + 1) + 8 + 11
    fed.clear()
    _write(clip, tmp_path / "b", list(range(200)))
    assert len(fed) == 200, "every packet once"


# --- Damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("parameters", [{}, {"b_frames": 3}, {"codec": "libx265"}], ids=["h264", "b-frames", "hevc"])
def test_a_corrupt_stretch_is_missing_and_the_rest_is_whole(
    videos: VideoFactory, tmp_path: Path, parameters: dict[str, Any], threads: int
) -> None:
    whole = videos.make(n_frames=120, gop=20, **parameters)
    clip = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20, **parameters)
    assert probe(clip).index.n_frames == 120
    truth = fully_decoded(whole)
    done = _write(clip, tmp_path / "out", list(range(120)), threads, format="png")
    assert done.missing, "damage is noticed"
    assert set(done.missing) <= set(range(40, 60)), "only the stretch up to the next key picture"
    assert done.written == 120 - len(done.missing)
    for file in sorted((tmp_path / "out").glob("*.png")):
        assert np.array_equal(read_picture(file), truth[int(file.stem)]), f"picture {file.stem} is its own, and whole"
    assert not {f"{number:06d}.png" for number in done.missing} & {file.name for file in (tmp_path / "out").iterdir()}


def test_pictures_before_the_damage_are_recovered(videos: VideoFactory, tmp_path: Path) -> None:
    clip = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20)
    done = _write(clip, tmp_path / "out", list(range(120)))
    assert done.missing == list(range(47, 60))
    assert _write(clip, tmp_path / "few", [41, 45, 46, 61]).missing == []


def test_a_clip_that_cannot_be_read_fails_alone(videos: VideoFactory, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing" * 100)
    frames = np.arange(3)
    good, failed = write_pictures(
        [Wanted(str(videos.make()), str(tmp_path / "1"), frames), Wanted(str(bad), str(tmp_path / "2"), frames)],
        PictureOptions(),
    )
    assert good == Pictures(3, 0, [])
    assert isinstance(failed, ClipError)
    assert "cannot be read as a video" in failed.message


# --- Files ------------------------------------------------------------------------------------------------------------


def test_a_second_run_writes_only_what_is_missing(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "a.mp4")
    folder = tmp_path / "out"
    assert _write(clip, folder, range(10)) == Pictures(10, 0, [])
    before = (folder / "000004.jpg").stat().st_mtime_ns
    (folder / "000005.jpg").unlink()
    (folder / "000007.jpg").write_bytes(b"")  # what some S3 services keep of an upload that was killed
    gone = subprocess.Popen(["true"])
    gone.wait()
    (folder / f".000005.{os.uname().nodename}-{gone.pid}.part.jpg").write_bytes(b"half")
    others = folder / ".000006.elsewhere-1.part.jpg"
    others.write_bytes(b"half")
    (folder / "notes.txt").write_text("mine")
    assert _write(clip, folder, range(12)) == Pictures(4, 8, [])
    assert (folder / "000004.jpg").stat().st_mtime_ns == before
    assert _write(clip, folder, range(4)) == Pictures(0, 4, [])
    assert sorted(f.name for f in folder.glob("[!.]*")) == [*(f"00000{k}.jpg" for k in range(4)), "notes.txt"]
    assert _write(clip, folder, range(4), quality=50) == Pictures(4, 0, []), "other settings, other pictures"
    videos.make(clip, first_number=9)
    assert _write(clip, folder, range(4), quality=50) == Pictures(4, 0, []), "another clip, other pictures"
    assert read_burnt_number(read_picture(folder / "000001.jpg")) == 10
    assert list(folder.glob(".*.part*")) == [others], "another machine may be at it"


def test_a_killed_run_leaves_only_whole_pictures_and_the_next_goes_on(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(n_frames=3000, gop=50)
    code = f"""if True:
        from lsvid.video import pictures as images
        from lsvid.workers import processes as pool
        import numpy as np
        wanted = images.Wanted({str(clip)!r}, {str(tmp_path / "out")!r}, np.arange(3000))
        images.write_clip(images._Job(wanted, images.PictureOptions(format="png"), 2), lambda done: None)"""
    process = subprocess.Popen([sys.executable, "-c", code])
    while not len(list((tmp_path / "out").glob("[!.]*.png"))) > 200:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = sorted((tmp_path / "out").glob("[!.]*.png"))
    assert 200 < len(there) < 3000
    assert all(read_burnt_number(read_picture(file)) == int(file.stem) for file in there[-60:])
    done = _write(clip, tmp_path / "out", range(3000), format="png")
    assert (done.written, done.kept, done.missing) == (3000 - len(there), len(there), [])


def test_a_full_disk_is_a_clear_error_and_breaks_nothing(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.write_bytes

    def write(self: Path, data: Any) -> int:
        if self.name.startswith(".000030"):
            original(self, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    clip = videos.make(gop=10)
    with pytest.raises(DataError, match=r"cannot write pictures into .*: No space left on device") as caught:
        _write(clip, tmp_path / "out", range(50))
    assert not isinstance(caught.value, ClipError), "it ends the run: the next clip would meet it too"
    assert "free some space" in caught.value.hint
    assert not list((tmp_path / "out").glob(".*.part*"))
    assert all(read_picture(file) is not None for file in (tmp_path / "out").glob("*.jpg"))
    monkeypatch.undo()
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "cache"))
    assert _write(clip, tmp_path / "out", range(50)).missing == []


def test_sizes_and_formats(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make()
    cases: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({"size": (224, 224)}, (224, 224, 3)),
        ({"short_side": 120}, (120, 160, 3)),
        ({"short_side": 480, "format": "png"}, (480, 640, 3)),
        ({"format": "webp", "quality": 80}, (240, 320, 3)),
    ]
    for number, (options, shape) in enumerate(cases):
        _write(clip, tmp_path / str(number), [37], **options)
        picture = read_picture(next((tmp_path / str(number)).glob("000037.*")))
        assert picture.shape == shape
        assert read_burnt_number(picture) == 37
    sizes = {}
    for quality in (30, 95):
        _write(clip, tmp_path / "q", [37], quality=quality)
        sizes[quality] = (tmp_path / "q" / "000037.jpg").stat().st_size
    assert sizes[30] < sizes[95]


def test_options_that_make_no_sense() -> None:
    with pytest.raises(SettingsError, match="PNG is lossless"):
        PictureOptions("png", quality=3)
    with pytest.raises(SettingsError, match="exclude each other"):
        PictureOptions(size=(2, 2), short_side=3)
    with pytest.raises(SettingsError, match="'gif' is no format of pictures"):
        PictureOptions("gif")


def test_names_sort() -> None:
    assert picture_name(123, 15_000, "jpg") == "000123.jpg"
    assert picture_name(123, 2_000_000, "jpg") == "0000123.jpg"


def test_pictures_of_a_clip_in_s3(videos: VideoFactory, tmp_path: Path, bucket: Bucket) -> None:
    clip = videos.make(gop=12, b_frames=2)
    uri = bucket.put("op1/clip_1.mp4", clip)
    wanted = Wanted(uri, str(tmp_path / "s3"), np.array([3, 14, 49]))
    write_clip(images._Job(wanted, PictureOptions(format="png"), 1), lambda _done: None)
    truth = fully_decoded(clip)
    for number in (3, 14, 49):
        assert np.array_equal(read_picture(tmp_path / "s3" / f"{number:06d}.png"), truth[number])
