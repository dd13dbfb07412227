"""The frame index against what decoding and ffprobe say, and what an unreadable file is met with."""

import json
import os
import pickle
import signal
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import lsvid.video.index
from builders import Steps
from factories import NTSC, VFR_GAPS, VideoFactory
from lsvid.errors import ClipError
from lsvid.video.index import VideoInfo, probe, probe_all
from lsvid.video.timebase import frames_of_seconds, seconds_of_frames, shown
from lsvid.workers.processes import Report

KINDS: dict[str, dict[str, Any]] = {
    "25 fps": {"n_frames": 120},
    "NTSC": {"n_frames": 120, "rate": NTSC},
    "variable rate": {"n_frames": 100, "gaps": VFR_GAPS},
    "late start": {"n_frames": 60, "start_s": Fraction(3, 2)},
    "B-frames, audio": {"n_frames": 120, "b_frames": 2, "audio": True},
    "edit list": {"n_frames": 200, "cut_s": 3.3, "b_frames": 2},
    "Matroska": {"n_frames": 120, "rate": NTSC, "suffix": ".mkv"},
    "MPEG-TS": {"n_frames": 120, "b_frames": 2, "suffix": ".ts"},
    "MPEG-4 in AVI": {"n_frames": 60, "codec": "mpeg4", "suffix": ".avi"},
}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def clip(request: pytest.FixtureRequest, videos: VideoFactory) -> Path:
    return videos.make(**request.param)


def test_the_index_is_what_decoding_shows(clip: Path) -> None:
    with av.open(str(clip)) as container:
        decoded = sorted(frame.pts for frame in container.decode(video=0) if frame.pts is not None)
    assert probe(clip).index.pts.tolist() == decoded


def test_the_index_is_what_ffprobe_says(clip: Path) -> None:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_frames", "-of", "json",
               "-show_entries", "frame=best_effort_timestamp:stream=time_base:format=duration", str(clip)]  # fmt: skip
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    index = probe(clip).index
    assert index.pts.tolist() == sorted(int(frame["best_effort_timestamp"]) for frame in shown["frames"])
    assert str(index.time_base) == shown["streams"][0]["time_base"]
    if index.start_s == 0:  # for a late start FFmpeg's releases differ
        assert index.duration_s == Fraction(shown["format"]["duration"])


@pytest.mark.parametrize("start_s", [0, 100])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mpg", ".avi"])
def test_the_time_at_which_desktop_programs_count_zero(videos: VideoFactory, suffix: str, start_s: int) -> None:
    """As VLC and mpv were seen to do: MP4 and Matroska count from their own zero, others from where they start."""
    codec = {".mpg": "mpeg1video", ".avi": "mpeg4"}.get(suffix, "libx264")
    clip = videos.make(n_frames=10, suffix=suffix, start_s=Fraction(start_s), codec=codec, b_frames=2)
    command = ["ffprobe", "-v", "error", "-show_entries", "format=start_time", "-of", "csv=p=0", str(clip)]
    said = Fraction(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    first, second = probe(clip).index, probe(clip).index
    expected = {".mp4": Fraction(0), ".mkv": Fraction(0), ".avi": first.start_s}.get(suffix, said)
    assert first.container_start_s == second.container_start_s
    assert abs(first.container_start_s - expected) < Fraction(1, 1_000_000)


def test_a_timeline_that_begins_below_zero_is_moved_to_zero(videos: VideoFactory, tmp_path: Path) -> None:
    clip = tmp_path / "wrap.ts"  # its times run over the 33 bits that they have
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", videos.make(n_frames=50), "-c", "copy", "-output_ts_offset", "95442", clip],
        check=True,
    )
    index = probe(clip).index
    assert index.pts[0] < 0
    assert index.start_s == index.container_start_s == 0
    assert index.time_s(10) == Fraction(10, 25)
    assert index.times_s()[10] == 0.4
    assert index.first_at_or_after(Fraction(10, 25)) == 10
    assert shown(index, Fraction(25), 11) == 10
    assert frames_of_seconds(index, 0.4, 1.2) == (10, 30)
    assert seconds_of_frames(index, 10, 50) == (0.4, 2.0)


def test_the_duration_of_a_late_start_is_the_one_that_a_browser_reports(videos: VideoFactory) -> None:
    """Measured in Chromium 156: pictures from 1.5 s to 3.9 s, and `video.duration` is 2.4."""
    assert probe(videos.make(**KINDS["late start"])).index.duration_s == Fraction("2.4")


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        ("25 fps", Fraction(25)),
        ("NTSC", NTSC),
        ("Matroska", NTSC),
        ("edit list", Fraction(25)),
        ("variable rate", None),
    ],
)
def test_the_rate(videos: VideoFactory, kind: str, rate: Fraction | None) -> None:
    assert probe(videos.make(**KINDS[kind])).index.rate == rate


def test_a_second_look_comes_from_the_cache(videos: VideoFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = videos.make(**KINDS["variable rate"])
    first = probe(clip)
    monkeypatch.setattr(lsvid.video.index, "_read", None)
    second = probe(clip)
    assert second.index.pts.tolist() == first.index.pts.tolist()
    assert (second.index.time_base, second.index.duration_s) == (first.index.time_base, first.index.duration_s)
    assert second.key_pts.tolist() == first.key_pts.tolist()
    plain = [name for name in VideoInfo.__dataclass_fields__ if name not in ("index", "key_pts")]
    assert [getattr(second, name) for name in plain] == [getattr(first, name) for name in plain]


def test_a_changed_file_is_read_again(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "clip.mp4", n_frames=50)
    first = probe(clip)
    os.utime(clip, ns=(1, 1))
    assert probe(clip).fingerprint == first.fingerprint
    videos.make(clip, n_frames=60)
    assert probe(clip).index.n_frames == 60
    assert probe(clip).fingerprint != first.fingerprint


@pytest.mark.parametrize("content", [b"", b"\x00", b"garbage" * 100])
def test_a_broken_cache_is_only_slow(videos: VideoFactory, content: bytes) -> None:
    clip = videos.make(n_frames=50)
    probe(clip)
    for file in (lsvid.video.index.cache_dir() / "frame-index").iterdir():
        file.write_bytes(content)
    assert probe(clip).index.n_frames == 50


def test_no_bit_of_the_cache_can_turn_over_unseen(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path))
    clip = videos.make(n_frames=50)
    probe(clip)
    (file,) = (lsvid.video.index.cache_dir() / "frame-index").iterdir()
    whole = file.read_bytes()
    signature = f"{clip.stat().st_size}-{clip.stat().st_mtime_ns}"
    assert lsvid.video.index._from_cache(file, signature) is not None
    for bit in range(8 * len(whole)):
        turned = bytearray(whole)
        turned[bit // 8] ^= 1 << bit % 8
        file.write_bytes(turned)
        assert lsvid.video.index._from_cache(file, signature) is None


def test_a_user_without_a_home_has_a_cache_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LSVID_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert lsvid.video.index.cache_dir().is_dir()


def test_a_cache_that_cannot_be_written_is_no_error(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "file"))
    assert probe(videos.make(n_frames=50)).index.n_frames == 50


def test_unreadable_files_fail_by_name_and_alone(videos: VideoFactory, tmp_path: Path) -> None:
    good = videos.make(tmp_path / "good.mp4", n_frames=50)
    whole = good.read_bytes()
    bad = {
        "empty.mp4": (b"", "is empty (0 bytes)"),
        "text.mp4": (b"this is no video" * 50, "cannot be read as a video: Invalid data found"),
        "headless.mp4": (whole.replace(b"moov", b"xxxx"), "cannot be read as a video"),
    }
    for name, (content, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "sound.m4a").write_bytes(_sound(tmp_path / "sound.mp4"))
    paths = [good, *(tmp_path / name for name in bad), tmp_path / "gone.mp4", tmp_path / "sound.m4a"]
    steps = Steps()
    results = probe_all(paths, on_done=steps)
    assert sum(steps.done) == len(paths)
    assert isinstance(results[0], VideoInfo)
    errors = [result for result in results[1:] if isinstance(result, ClipError)]
    assert len(errors) == len(paths) - 1
    for error, path in zip(errors, paths[1:], strict=True):
        assert str(path) in error.message
        assert error.hint
    for error, (_, text) in zip(errors, bad.values(), strict=False):
        assert text in error.message
    assert "No such file or directory" in errors[3].message
    assert "holds no video stream" in errors[4].message


def _probe_of_a_decoder_that_crashes(path: str, report: Report) -> VideoInfo:
    if Path(path).stem == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    return probe(path)


def test_a_clip_that_crashes_the_reader_fails_alone(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsvid.video.index._probe_reported", _probe_of_a_decoder_that_crashes)
    paths = [videos.make(tmp_path / f"{name}.mp4", n_frames=25) for name in ("one", "crash", "two")]
    first, crashed, last = probe_all(paths)
    assert isinstance(first, VideoInfo)
    assert isinstance(last, VideoInfo)
    assert isinstance(crashed, ClipError)
    assert "died 2 times (signal SIGSEGV)" in crashed.message


def test_a_file_that_was_cut_off_says_how_many_pictures_are_lost(videos: VideoFactory, tmp_path: Path) -> None:
    whole = videos.make(n_frames=200)
    assert probe(whole).n_lost == 0
    assert probe(videos.make(**KINDS["edit list"])).n_lost == 0
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    info = probe(cut)
    assert info.n_lost > 0
    assert info.index.n_frames + info.n_lost == 200


def test_a_raw_stream_without_times_is_refused(videos: VideoFactory, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h264"
    subprocess.run(["ffmpeg", "-v", "error", "-i", videos.make(n_frames=50), "-c", "copy", raw], check=True)
    with pytest.raises(ClipError, match="carries no presentation times") as caught:
        probe(raw)
    assert "encode it again at its rate" in caught.value.hint


def test_an_error_survives_the_trip_out_of_a_worker() -> None:
    error = pickle.loads(pickle.dumps(ClipError("what", "hint")))  # noqa: S301 - our own
    assert (error.message, error.hint, error.exit_code) == ("what", "hint", 1)


def test_times_are_the_nearest_doubles(videos: VideoFactory) -> None:
    index = probe(videos.make(**KINDS["NTSC"])).index
    exact = [float(index.time_s(frame)) for frame in range(index.n_frames)]
    assert np.array_equal(index.times_s(), exact)


def _sound(path: Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "1", str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()
