"""Proxies: the same pictures at the same times, whole or not there, and made once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
from click.testing import CliRunner, Result

from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.cli import cli
from lsvid.errors import ClipError, DataError, SettingsError
from lsvid.video import proxies
from lsvid.video.clips import ClipFile
from lsvid.video.index import probe
from lsvid.video.proxies import Ffmpeg, ProxySettings, check_made_from, check_proxy, find_ffmpeg, make_proxy
from lsvid.video.timebase import as_fraction
from s3_server import Bucket

KINDS: dict[str, dict[str, Any]] = {
    "cfr": {},
    "ntsc": {"rate": NTSC},
    "vfr": {"gaps": VFR_GAPS},
    "offset": {"start_s": Fraction(3, 2)},
    "edit-list": {"cut_s": 0.62, "n_frames": 60},
    "b-frames": {"b_frames": 3, "rate": NTSC, "start_s": Fraction(1, 2)},
    "mkv-vfr": {"gaps": VFR_GAPS, "suffix": ".mkv", "start_s": Fraction(1)},
    "webm": {"codec": "libvpx-vp9", "suffix": ".webm"},
    "ts": {"suffix": ".ts", "rate": NTSC, "b_frames": 2},
    "mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p", "suffix": ".avi"},
    "sound": {"audio": True},
}


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["make-proxies", *map(str, arguments)])


def _pictures(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_every_kind_of_clip_gets_the_same_pictures_at_the_same_times(videos: VideoFactory, tmp_path: Path) -> None:
    for name, parameters in KINDS.items():
        path = tmp_path / "op1" / f"{name}{parameters.get('suffix', '.mp4')}"
        videos.make(path, **parameters)
    result = _run(tmp_path / "op1", "-o", tmp_path / "proxies", "--jobs", 2, "--json", "--height", 120)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["items"][0]["status"] == "made"
    for name, parameters in KINDS.items():
        original = tmp_path / "op1" / f"{name}{parameters.get('suffix', '.mp4')}"
        proxy = tmp_path / "proxies" / "op1" / f"{name}.mp4"
        ours, theirs = probe(original), probe(proxy)
        check_proxy(ours, theirs, name)
        assert np.array_equal(ours.index.times_s(), theirs.index.times_s()), name
        assert (theirs.codec, theirs.pixel_format, theirs.width, theirs.height) == ("h264", "yuv420p", 160, 120), name
        assert theirs.has_audio, "an empty track: Firefox shows no waveform without"
        for end_s in (theirs.index.duration_s, _sound_s(proxy)):
            assert abs(end_s - theirs.index.end_s) < Fraction(1, 1000), f"{name}: as long as the pictures"
        numbers = [read_burnt_number(picture) for picture in _pictures(proxy)]
        assert numbers == [read_burnt_number(picture) for picture in _pictures(original)], name
        assert numbers == list(range(numbers[0], numbers[0] + len(ours.index.pts))), name
        assert theirs.index.rate == ours.index.rate, name


def test_a_second_run_makes_only_what_is_missing_or_different(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "clips" / "op1" / "a.mp4")
    videos.make(tmp_path / "clips" / "op1" / "b.mp4", first_number=7)
    target = tmp_path / "proxies"
    assert _run(tmp_path / "clips", "-o", target).exit_code == 0
    before = {file: file.stat().st_mtime_ns for file in target.rglob("*.mp4")}
    again = _run(tmp_path / "clips", "-o", target)
    assert "proxies made 0, there already 2, failed 0" in again.stderr
    assert {file: file.stat().st_mtime_ns for file in target.rglob("*.mp4")} == before
    videos.make(tmp_path / "clips" / "op1" / "b.mp4", first_number=9)  # the same times, other pictures
    assert "op1/b: made" in _run(tmp_path / "clips", "-o", target).stderr
    assert "made 2, there already 0" in _run(tmp_path / "clips", "-o", target, "--crf", "30").stderr
    assert sorted(file.name for file in (target / "op1").iterdir()) == ["a.mp4", "b.mp4"]


def _sound_s(path: Path) -> Fraction:
    """When the sound of a proxy ends, as its player tells; nothing but silence is in it."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        assert not any(frame.to_ndarray().any() for frame in container.decode(stream))
        assert stream.duration is not None
        assert stream.time_base is not None
        return stream.duration * as_fraction(stream.time_base)


def test_sound_is_kept_on_request(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "op1" / "a.mp4", audio=True)
    assert _run(tmp_path / "op1", "-o", tmp_path / "p", "--audio").exit_code == 0
    assert probe(tmp_path / "p" / "op1" / "a.mp4").has_audio


def test_clips_on_their_side_stand_upright_and_odd_sizes_are_made_even(videos: VideoFactory, tmp_path: Path) -> None:
    source = videos.make()
    (tmp_path / "op1").mkdir()
    _ffmpeg("-display_rotation", "90", "-i", source, "-c", "copy", tmp_path / "op1" / "side.mp4")
    _ffmpeg("-i", source, "-vf", "crop=201:101", "-c:v", "ffv1", tmp_path / "op1" / "odd.mkv")
    assert _run(tmp_path / "op1", "-o", tmp_path / "p").exit_code == 0
    side, odd = (probe(tmp_path / "p" / "op1" / f"{name}.mp4") for name in ("side", "odd"))
    assert (side.width, side.height) == (240, 320)
    assert (odd.width % 2, odd.height) == (0, 100)
    picture = _pictures(tmp_path / "p" / "op1" / "side.mp4")[37]
    assert read_burnt_number(np.rot90(picture, -1)) == 37


def _ffmpeg(*arguments: object) -> None:
    before, arguments = (arguments[:2], arguments[2:]) if arguments[0] == "-display_rotation" else ((), arguments)
    # -display_rotation is an option of newer releases than some machines have.
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe() if before else "ffmpeg"
    subprocess.run([ffmpeg, "-y", "-v", "error", "-nostdin", *map(str, (*before, *arguments))], check=True)


def test_one_clip_that_fails_leaves_the_others(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "op1" / "good.mp4")
    (tmp_path / "op1" / "noise.mp4").write_bytes(b"no video" * 1000)
    result = _run(tmp_path / "op1", "-o", tmp_path / "p")
    assert result.exit_code == 1
    assert "error: 1 of 2 clips have no proxy:\n  op1/noise:" in result.stderr
    assert "cannot be read as a video" in result.stderr
    assert sorted(file.name for file in (tmp_path / "p" / "op1").iterdir()) == ["good.mp4"]


def test_pictures_that_got_lost_are_noticed(videos: VideoFactory, tmp_path: Path) -> None:
    original = videos.make(tmp_path / "a.mp4", n_frames=100, gop=10)
    data = bytearray(original.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 3000] = bytes(3000)
    original.write_bytes(data)
    result = _run(original, "-o", tmp_path / "p", "--case", "op1")
    assert result.exit_code == 1
    assert "pictures, its original 100" in result.stderr
    assert "hint: the original may be damaged" in result.stderr
    assert list((tmp_path / "p" / "op1").iterdir()) == []


def test_a_copy_of_other_times_or_of_another_video_is_refused(videos: VideoFactory, tmp_path: Path) -> None:
    original = probe(videos.make())
    with pytest.raises(ClipError, match=r"x\.mp4 has 49 pictures, its original 50"):
        check_proxy(original, probe(videos.make(n_frames=49)), "x.mp4")
    with pytest.raises(ClipError, match=r"x\.mp4: its picture 1 is -6\.633 ms from its original's"):
        check_proxy(original, probe(videos.make(rate=NTSC)), "x.mp4")
    videos.make(tmp_path / "op1" / "a.mp4")
    assert _run(tmp_path / "op1", "-o", tmp_path / "p").exit_code == 0
    check_made_from(original, str(tmp_path / "p" / "op1" / "a.mp4"))
    with pytest.raises(ClipError, match="was made from another video than the original given"):
        check_made_from(probe(videos.make(first_number=5)), str(tmp_path / "p" / "op1" / "a.mp4"))
    check_made_from(original, str(videos.make()))  # made elsewhere: it says nothing


def test_proxies_and_clips_do_not_share_a_folder(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "clips" / "op1" / "a.mp4")
    inside = _run(tmp_path / "clips", "-o", tmp_path / "clips" / "proxies")
    assert (inside.exit_code, "proxies there would be taken for clips" in inside.stderr) == (2, True)
    same = _run(clip, "-o", tmp_path / "clips")
    assert (same.exit_code, "where proxies are to be written" in same.stderr) == (2, True)


def test_a_killed_run_leaves_nothing_visible_and_the_next_one_clears_up(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "op1" / "a.mp4", n_frames=2000, rate=Fraction(50), gop=50)
    target = tmp_path / "p" / "op1"
    command = [sys.executable, "-m", "lsvid", "make-proxies", str(tmp_path / "op1"), "-o", str(tmp_path / "p")]
    command += ["--height", "240", "--crf", "1"]
    process = subprocess.Popen([*command, "-q"])
    for _ in range(600):
        if target.exists() and list(target.iterdir()):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [file.name for file in target.glob("[!.]*")] == []
    deadline = time.monotonic() + 20  # its worker notices at its next report, ends ffmpeg and removes the file
    while list(target.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(target.iterdir()) == []
    gone = subprocess.Popen(["true"])
    gone.wait()
    leftover = target / f".a.{os.uname().nodename}-{gone.pid}.part.mp4"
    leftover.write_bytes(b"half")
    subprocess.run([*command, "-q"], check=True)
    assert [file.name for file in target.iterdir()] == ["a.mp4"]


@pytest.mark.server
def test_proxies_are_put_into_s3_and_not_made_again(
    bucket: Bucket, videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    clip = videos.make(tmp_path / "clips" / "op 1" / "a ü#%.mp4", gaps=VFR_GAPS, start_s=Fraction(3, 2), b_frames=2)
    uri = bucket.put("clips/op 1/b.mkv", videos.make(suffix=".mkv", rate=NTSC))
    command = (tmp_path / "clips", uri, "-o", f"{bucket.uri}/proxies", "--height", 120)
    first = _run(*command, "--json")
    assert first.exit_code == 0, first.stderr
    items = json.loads(first.stdout)["items"]
    assert [item["proxy"] for item in items] == [f"{bucket.uri}/proxies/op 1/{name}.mp4" for name in ("a ü#%", "b")]
    assert bucket.keys() == [
        "clips/op 1/b.mkv",
        "proxies/.proxies.json",
        "proxies/op 1/a ü#%.mp4",
        "proxies/op 1/b.mp4",
    ]
    assert list((tmp_path / "tmp").iterdir()) == []
    for item in items:
        check_proxy(probe(item["path"]), probe(item["proxy"]), item["proxy"])
        check_made_from(probe(item["path"]), item["proxy"])
    assert probe(items[0]["proxy"]).height == 120
    assert "proxies made 0, there already 2, failed 0" in _run(*command).stderr

    videos.make(clip, first_number=3, gaps=VFR_GAPS, start_s=Fraction(3, 2), b_frames=2)  # other pictures
    bucket.put("proxies/op 1/b.mp4", videos.make(n_frames=20))  # not a proxy of it
    with pytest.raises(ClipError, match="was made from another video"):
        check_made_from(probe(clip), items[0]["proxy"])
    assert "proxies made 2, there already 0" in _run(*command).stderr
    check_made_from(probe(clip), items[0]["proxy"])

    inside = _run(bucket.uri, "-o", f"{bucket.uri}/proxies")
    assert (inside.exit_code, "proxies there would be taken for clips" in inside.stderr) == (2, True)
    missing = _run(clip, "-o", "s3://no-such-bucket-at-all/p")
    assert (missing.exit_code, "S3 has no such bucket" in missing.stderr) == (3, True)


def _stub(folder: Path, script: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_ffmpeg_is_found_on_the_path_or_in_the_wheel_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_ffmpeg().path == shutil.which("ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "imageio" in find_ffmpeg().path
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SettingsError, match="there is no ffmpeg on this machine") as caught:
        find_ffmpeg()
    assert "pip install 'lsvid[ffmpeg]'" in caught.value.hint
    for shown, version in (("4.4.2-0ubuntu0.22", (4, 4)), ("n7.1-12-gabc", (7, 1)), ("N-120000-gabcdef", (99, 0))):
        _stub(tmp_path, f'case "$1" in -version) echo "ffmpeg version {shown}";; *) echo " V libx264 H.264";; esac')
        assert find_ffmpeg().version == version
    _stub(tmp_path, "echo ffmpeg version 6.0")
    with pytest.raises(SettingsError, match="was built without libx264"):
        find_ffmpeg()
    _stub(tmp_path, "exit 1")
    with pytest.raises(SettingsError, match="does not run"):
        find_ffmpeg()


def test_older_and_newer_ffmpeg_are_told_in_their_own_words(videos: VideoFactory, tmp_path: Path) -> None:
    said = tmp_path / "said"
    _stub(tmp_path, f'echo "$@" > {said}; exit 1')
    for version, words in (
        ((4, 4), "-vsync 0 -enc_time_base -1"),
        ((5, 1), "-fps_mode passthrough -enc_time_base -1"),
        ((7, 1), "-fps_mode passthrough -enc_time_base demux"),
    ):
        job = proxies._Job(
            str(videos.make()), str(tmp_path), "op1/p.mp4", ProxySettings(), Ffmpeg(str(tmp_path / "ffmpeg"), version)
        )
        with pytest.raises(ClipError, match=r"ffmpeg cannot make a proxy of .*: exit code 1"):
            make_proxy(job, lambda _done: None)
        assert words in said.read_text()


def test_what_an_ffmpeg_says_need_be_no_text(videos: VideoFactory, tmp_path: Path) -> None:
    _stub(tmp_path, r"printf 'frame=\377\376\nframe=x\n'; printf '\377 broken\n' >&2; exit 1")
    job = proxies._Job(
        str(videos.make()), str(tmp_path), "op1/p.mp4", ProxySettings(), Ffmpeg(str(tmp_path / "ffmpeg"), (7, 1))
    )
    with pytest.raises(ClipError, match=r"ffmpeg cannot make a proxy of .*: \ufffd broken"):
        make_proxy(job, lambda _done: None)


def test_the_sound_of_a_timeline_below_zero_moves_with_its_pictures(videos: VideoFactory, tmp_path: Path) -> None:
    wrapped = tmp_path / "wrap.ts"
    _ffmpeg("-i", videos.make(n_frames=50, audio=True), "-c", "copy", "-output_ts_offset", "95442", wrapped)
    job = proxies._Job(str(wrapped), str(tmp_path), "op1/p.mp4", ProxySettings(audio=True), find_ffmpeg())
    made, original = _ends_s(Path(make_proxy(job, lambda _done: None).path)), _ends_s(wrapped)
    assert made["video"] - made["audio"] == pytest.approx(original["video"] - original["audio"], abs=0.15)


def _ends_s(clip: Path) -> dict[str, float]:
    """The time of the last packet of the pictures, and of the sound."""
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux() if packet.size and packet.pts is not None]
        return {str(p.stream.type): float((p.pts or 0) * (p.time_base or 0)) for p in packets}


def test_a_full_disk_ends_the_run_with_a_clear_error(videos: VideoFactory, tmp_path: Path) -> None:
    _stub(tmp_path, 'echo "av_interleaved_write_frame(): No space left on device" >&2; exit 1')
    job = proxies._Job(
        str(videos.make()), str(tmp_path), "op1/p.mp4", ProxySettings(), Ffmpeg(str(tmp_path / "ffmpeg"), (7, 1))
    )
    with pytest.raises(DataError, match="the disk is full: cannot write") as caught:
        make_proxy(job, lambda _done: None)
    assert not isinstance(caught.value, ClipError)
    assert "free some space" in caught.value.hint


def test_both_ffmpegs_make_exact_proxies(videos: VideoFactory, tmp_path: Path) -> None:
    newer = imageio_ffmpeg.get_ffmpeg_exe()
    source = videos.make(gaps=VFR_GAPS, start_s=Fraction(3, 2), b_frames=2)
    job = proxies._Job(str(source), str(tmp_path), "op1/p.mp4", ProxySettings(), Ffmpeg(newer, (99, 0)))
    assert make_proxy(job, lambda _done: None).made
    check_proxy(probe(source), probe(tmp_path / "op1/p.mp4"), "p.mp4")


def test_where_a_proxy_lies() -> None:
    clip = ClipFile("op1", "clip.01", "/x/op1/clip.01.mts")
    assert proxies.proxy_paths("/p", [clip]) == ["/p/op1/clip.01.mp4"]
    assert proxies.proxy_paths("s3://b/p q", [clip]) == ["s3://b/p q/op1/clip.01.mp4"]
    assert proxies.proxy_paths("s3://b", [clip]) == ["s3://b/op1/clip.01.mp4"]
