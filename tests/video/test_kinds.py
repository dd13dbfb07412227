"""Every kind of clip that turned up in the wild, made anew: exact, or refused with a hint that works.

The oracles: numbers burnt into the pictures, ffprobe's times of every frame, a decoder of one thread.
"""

import re
import shlex
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import av
import pytest

from factories import VideoFactory, read_burnt_number
from lsvid.errors import ClipError
from lsvid.video.decode import pictures
from lsvid.video.index import VideoInfo, probe
from lsvid.video.proxies import Ffmpeg, ProxySettings, check_proxy, find_ffmpeg, make_proxy
from lsvid.video.proxies import _Job as Job
from paff import read_grey_number, write_fields

N = 60
"""Pictures of the clip that the others are made from."""

H264 = "-c:v libx264 -preset veryfast -crf 20"
B_FRAMES = f"{H264} -bf 3 -x264-params b-adapt=0:scenecut=0"
KEY = "76a6c65c5ea762046bd749a2e632ccbb"

EXACT = {
    "b frames.mp4": B_FRAMES,
    "no edit list.mp4": f"{B_FRAMES} -use_editlist 0",
    "fragments.mp4": f"{B_FRAMES} -movflags frag_keyframe+empty_moov",
    "b frames.mkv": B_FRAMES,
    "b frames.flv": B_FRAMES,
    "b frames.ts": B_FRAMES,
    "wrap.ts": f"{B_FRAMES} -output_ts_offset 95442",
    "late.ts": f"{B_FRAMES} -output_ts_offset 40000",
    "open gop.ts": f"{H264} -bf 2 -x264-params open-gop=1:keyint=15:scenecut=0",
    "hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params log-level=0:keyint=15:bframes=3",
    "no b frames.avi": f"{H264} -bf 0",
    "mpeg-4.avi": "-c:v mpeg4 -bf 2 -q:v 3",
    "mpeg-2.mpg": "-c:v mpeg2video -bf 2 -q:v 3",
    "mpeg-1.mpg": "-c:v mpeg1video -bf 2 -q:v 3",
    "dvd.vob": "-c:v mpeg2video -bf 2 -q:v 3 -f vob",
    "mpeg-2.mxf": "-c:v mpeg2video -bf 2 -q:v 3",
    "mpeg-2.avi": "-c:v mpeg2video -bf 2 -q:v 3",
    "dv.avi": "-c:v dvvideo -s 720x576 -pix_fmt yuv420p",
    "wmv.wmv": "-c:v wmv2 -q:v 3",
    "theora.ogv": "-c:v libtheora -q:v 8",
    "mjpeg.mov": "-c:v mjpeg -q:v 3",
    "mjpeg.avi": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p",
    "prores.mov": "-c:v prores",
    "dnxhd.mxf": "-c:v dnxhd -s 1280x720 -b:v 60M -pix_fmt yuv422p",
    "timecode.mov": f"{H264} -timecode 01:00:00:00",
    "raw.nut": "-c:v rawvideo",
    "ffv1.mkv": "-c:v ffv1",
    "animation.gif": "-vf fps=25",
    "h263.3gp": "-c:v h263 -s 352x288",
    "real.rm": "-c:v rv10 -s 352x288",
    "av1.webm": "-c:v libaom-av1 -cpu-used 8 -row-mt 1",
    "two films.mkv": f"-map 0:v -map 0:v {H264} -s:v:0 160x120 -disposition:v:1 0",
}
"""By file name: what ffmpeg is told to do with the first clip."""

REFUSED = {
    "b frames.avi": (B_FRAMES, "are not those at which its pictures are shown"),
    "b frames.asf": (B_FRAMES, "are not those at which its pictures are shown"),
    "raw.h264": (B_FRAMES, "carries no presentation times"),
    "encrypted.mp4": (
        f"{H264} -encryption_scheme cenc-aes-ctr -encryption_key {KEY} -encryption_kid {KEY[::-1]}",
        "is encrypted",
    ),
}
"""The same, and what is said of it."""


@pytest.fixture(scope="module")
def source(videos: VideoFactory) -> Path:
    return videos.make(n_frames=N, gop=30)


def run(command: str, *, folder: Path, **names: Path) -> None:
    """Run an ffmpeg command line, in which {name} stands for a file."""
    words = [word.format(**names) for word in shlex.split(command)]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *words], check=True, cwd=folder)


def numbers(clip: Path, info: VideoInfo, read: Callable[[Any], int] = read_burnt_number) -> list[int]:
    """What is burnt into a third of the pictures, read from the last to the first."""
    asked = range(info.index.n_frames - 1, -1, -3)
    return [read(image) for _, image in pictures(str(clip), info, asked, threads=2)][::-1]


def times_by_ffprobe(clip: Path, stream: int) -> list[int | None]:
    """The best effort of every frame, in units of the stream; None where it has none."""
    command = ["ffprobe", "-v", "error", "-select_streams", str(stream), "-of", "csv=p=0"]
    command += ["-show_entries", "frame=best_effort_timestamp", str(clip)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [None if line.startswith("N/A") else int(line.strip(",")) for line in said]


def made_proxy(clip: Path, folder: Path) -> Path:
    job = Job(str(clip), str(folder), f"proxies/{clip.stem}.mp4", ProxySettings(height=240), ffmpeg(), threads=2)
    return Path(make_proxy(job, lambda _seconds: None).path)


@cache
def ffmpeg() -> Ffmpeg:
    return find_ffmpeg()


def assert_exact(clip: Path, folder: Path, first: int = 0) -> VideoInfo:
    """The clip's pictures are numbered as they are shown, from `first`, by ffprobe, when read, and in its proxy."""
    info = probe(clip)
    index = info.index
    shown = times_by_ffprobe(clip, info.stream)
    assert index.n_frames == len(shown)
    # ffprobe 5 gives the last picture of an MPEG program stream no time, and an AVI's time begins anywhere.
    shift = index.pts[0] - (shown[0] or 0) if info.container == "avi" else 0
    told = [(mine, theirs) for mine, theirs in zip(index.pts.tolist(), shown, strict=True) if theirs is not None]
    if info.container != "dv":  # of another time base in another FFmpeg
        assert [mine - shift for mine, _ in told] == [theirs for _, theirs in told]
        assert len(told) >= index.n_frames - 1
    burnt = list(range(first, first + index.n_frames))
    assert numbers(clip, info) == burnt[::-3][::-1]
    proxy = made_proxy(clip, folder)
    check_proxy(info, probe(proxy, remember=False), str(proxy))
    assert numbers(proxy, probe(proxy, remember=False)) == burnt[::-3][::-1]
    return info


@pytest.mark.parametrize("name", EXACT)
def test_a_kind_that_tells_its_times_is_exact(source: Path, tmp_path: Path, name: str) -> None:
    clip = tmp_path / name
    run("-i {source} " + EXACT[name] + " {clip}", folder=tmp_path, source=source, clip=clip)
    info = assert_exact(clip, tmp_path)
    assert info.index.n_frames == N
    assert bool(info.notes) == (name == "two films.mkv")


@pytest.mark.parametrize("name", REFUSED)
def test_a_kind_that_does_not_is_refused_with_a_command_that_mends_it(source: Path, tmp_path: Path, name: str) -> None:
    clip = tmp_path / name
    options, said = REFUSED[name]
    run("-i {source} " + options + " {clip}", folder=tmp_path, source=source, clip=clip)
    assert_mended(clip, said, tmp_path)


def assert_mended(clip: Path, said: str, folder: Path) -> None:
    """The clip is refused, in words that name it, and what the first command of the hint makes of it is exact."""
    with pytest.raises(ClipError, match=said) as caught:
        probe(clip)
    assert str(clip) in caught.value.message
    commands = re.findall(r"ffmpeg (.*?OUT\.\w+)", caught.value.hint)
    assert commands
    for command in commands:
        (folder / "mended").mkdir(exist_ok=True)
        filled = command.replace("RATE", "25").replace("KEY", KEY).replace("OUT", str(folder / "mended" / "out"))
        run(filled, folder=folder)
        assert assert_exact(Path(shlex.split(filled)[-1]), folder).index.n_frames == N


def test_two_pictures_in_one_packet(source: Path, tmp_path: Path) -> None:
    """DivX's packed bitstream: a picture that depends on a later one travels with it, and leaves an empty packet."""
    unpacked, packed = tmp_path / "unpacked.avi", tmp_path / "packed.avi"
    run("-i {source} -c:v mpeg4 -bf 2 -q:v 3 -g 30 {clip}", folder=tmp_path, source=source, clip=unpacked)
    _pack(unpacked, packed)
    assert_mended(packed, "are not those at which its pictures are shown", tmp_path)


def _pack(unpacked: Path, packed: Path) -> None:
    """Join the packets of an AVI as DivX does, in a copy."""
    with av.open(str(unpacked)) as container, av.open(str(packed), "w") as out:
        stream: Any = out.add_stream_from_template(container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        data = [bytes(packet).replace(_VOP, _DIVX + _VOP, int(packet.is_keyframe)) for packet in packets]
        kinds = [chunk[chunk.index(_VOP) + 4] >> 6 for chunk in data]  # 2 is a B-picture
        joined: list[bytes] = []
        waiting: list[int] = []
        for chunk, kind in zip(data, kinds, strict=True):
            if kind == 2 and not waiting:
                joined[-1] += chunk
                waiting.append(0)
            elif kind == 2:
                joined.append(chunk)
            else:
                if waiting:
                    joined.append(_NOT_CODED)
                    waiting.clear()
                joined.append(chunk)
        if waiting:
            joined.append(_NOT_CODED)
        assert len(joined) == len(data)
        for number, chunk in enumerate(joined):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base, packet.dts = stream, stream.time_base, number
            packet.pts, packet.is_keyframe = number, kinds[number] == 0
            out.mux_one(packet)


_VOP = b"\0\0\1\xb6"
_NOT_CODED = _VOP + b"\x7f"
_DIVX = b"\0\0\1\xb2DivX503b1393p"
"""By the last letter a decoder knows that packets hold two pictures."""


@pytest.mark.parametrize("suffix", ["ts", "mp4", "mkv"])
def test_fields_in_packets_of_their_own_are_one_picture(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsvid.video.packets._as_decoded", None)  # their headers tell, without decoding everything
    clip = stream = write_fields(tmp_path / "fields.ts", 45)
    if suffix != "ts":
        clip = tmp_path / f"fields.{suffix}"
        run("-i {stream} -c copy -copyts {clip}", folder=tmp_path, stream=stream, clip=clip)
    info = probe(clip)
    assert info.index.pts.tolist() == times_by_ffprobe(clip, 0)
    assert info.index.times_s().tolist() == [(25 + number) / 25 for number in range(45)]
    assert numbers(clip, info, read_grey_number) == list(range(2, 45, 3))
    proxy = made_proxy(clip, tmp_path)
    assert numbers(proxy, probe(proxy), read_grey_number) == list(range(2, 45, 3))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_packets_that_are_never_shown_do_not_count(videos: VideoFactory, tmp_path: Path, codec: str) -> None:
    source = videos.make(n_frames=N, gop=N)
    encode = f"-c:v {codec} -auto-alt-ref 1 -lag-in-frames 25 -b:v 60k -deadline good -cpu-used 2"
    run("-i {source} " + encode + " -pass 1 -f null -", folder=tmp_path, source=source)
    made, clip = tmp_path / "made.webm", tmp_path / "clip.webm"
    run("-i {source} " + encode + " -pass 2 {made}", folder=tmp_path, source=source, made=made)
    split = "-bsf:v vp9_superframe_split,setts=pts=DTS -fflags -autobsf " if codec == "libvpx-vp9" else ""
    run("-i {made} -c copy " + split + "{clip}", folder=tmp_path, made=made, clip=clip)
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    packets = int(subprocess.run([*command, str(clip)], check=True, capture_output=True, text=True).stdout)
    assert packets > N, "there are hidden packets"
    assert assert_exact(clip, tmp_path).index.n_frames == N


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_pictures_at_the_beginning_that_nobody_can_decode_have_no_number(
    source: Path, tmp_path: Path, suffix: str
) -> None:
    """Cut by copying at a key picture of an open group, before which the pictures between it and the last one lie."""
    whole, clip = tmp_path / "whole.mp4", tmp_path / f"cut.{suffix}"
    encode = "-c:v libx265 -preset ultrafast -x265-params log-level=0:open-gop=1:keyint=20:min-keyint=20:bframes=3"
    run("-i {source} " + encode + " {whole}", folder=tmp_path, source=source, whole=whole)
    run("-ss 0.9 -i {whole} -c copy {clip}", folder=tmp_path, whole=whole, clip=clip)
    info = assert_exact(clip, tmp_path, first=20)
    assert info.index.n_frames == N - 20
    assert bool(info.notes) == (suffix == "ts")  # a Matroska file gives those no times at all


def test_a_stream_recorded_from_its_middle_begins_with_the_first_whole_picture(source: Path, tmp_path: Path) -> None:
    whole, clip = tmp_path / "whole.ts", tmp_path / "cut.ts"
    run("-i {source} " + H264 + " -g 20 -bf 0 {whole}", folder=tmp_path, source=source, whole=whole)
    data = whole.read_bytes()
    clip.write_bytes(data[: 3 * 188] + data[len(data) // 3 // 188 * 188 :])
    info = assert_exact(clip, tmp_path, first=probe_first(clip))
    assert 0 < info.index.n_frames < N
    assert "middle of a recording" in info.notes[0]


def probe_first(clip: Path) -> int:
    """The number burnt into the first picture that ffmpeg shows of a clip."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "NONE"
        return read_burnt_number(next(container.decode(video=0)).to_ndarray(format="gray"))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_still_picture_before_the_film_is_not_the_film(source: Path, tmp_path: Path, suffix: str) -> None:
    clip = tmp_path / f"still.{suffix}"
    still = "-f lavfi -i testsrc=s=640x480:r=1:d=1 -i {source} -map 0:v -map 1:v -c:v:0 mjpeg -c:v:1 copy {clip}"
    run(still, folder=tmp_path, source=source, clip=clip)
    info = assert_exact(clip, tmp_path)
    assert (info.stream, info.index.n_frames) == (1, N)
    assert info.notes == ("holds 2 streams of pictures: its frames are those of stream 1 (h264, 320x240)",)


def test_sound_that_ends_early_does_not_end_the_pictures(videos: VideoFactory, tmp_path: Path) -> None:
    """The table of the sound points behind the end of the file."""
    clip = videos.make(tmp_path / "clip.mp4", n_frames=N, audio=True)
    data = bytearray(clip.read_bytes())
    table = data.rindex(b"stco")
    assert table > data.index(b"soun")
    count = int.from_bytes(data[table + 8 : table + 12], "big")
    for number in range(count // 2, count):
        at = table + 12 + 4 * number
        data[at : at + 4] = (len(data) + 1000).to_bytes(4, "big")
    clip.write_bytes(data)
    assert assert_exact(clip, tmp_path).index.n_frames == N


@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4", "avi", "flv"])
def test_a_file_that_was_cut_off_has_the_pictures_that_are_there(source: Path, tmp_path: Path, suffix: str) -> None:
    whole, clip = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    encode = "-c:v mpeg4 -q:v 3 -g 10" if suffix == "avi" else f"{H264} -g 10 -bf 0 -flags +global_header"
    options = "-movflags +faststart" if suffix == "mp4" else ""
    run(f"-i {{source}} {encode} {options} {{whole}}", folder=tmp_path, source=source, whole=whole)
    clip.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    info = probe(clip)
    shown = times_by_ffprobe(clip, info.stream)
    assert info.index.pts.tolist() == shown
    assert 10 < info.index.n_frames < N


def test_of_two_pictures_at_one_time_the_last_can_be_read(source: Path, tmp_path: Path) -> None:
    clip = tmp_path / "tie.mkv"
    tie = r"-c copy -bsf:v 'setts=pts=PTS-eq(N\,20)*40:dts=DTS-eq(N\,20)*40'"
    whole = tmp_path / "whole.mkv"
    run("-i {source} " + H264 + " -bf 0 {whole}", folder=tmp_path, source=source, whole=whole)
    run("-i {whole} " + tie + " {clip}", folder=tmp_path, whole=whole, clip=clip)
    info = probe(clip)
    assert info.index.pts.tolist() == times_by_ffprobe(clip, 0)
    assert info.index.pts[19] == info.index.pts[20]
    read = [(frame, read_burnt_number(image)) for frame, image in pictures(str(clip), info, range(N), missing="skip")]
    assert read == [(frame, frame) for frame in range(N) if frame != 19]


def test_damaged_clips_are_called_so(source: Path, tmp_path: Path) -> None:
    whole = source.read_bytes()
    garbage, headless = tmp_path / "garbage.mp4", tmp_path / "headless.mp4"
    at = whole.index(b"mdat")
    garbage.write_bytes(whole[: at + 4] + bytes(range(256)) * ((len(whole) - at) // 256 + 1))
    headless.write_bytes(whole[: whole.index(b"moov")] + whole[at - 4 :] if whole.index(b"moov") < at else whole[:at])
    with pytest.raises(ClipError, match="is damaged, or cut so that nothing can be decoded"):
        probe(garbage)
    with pytest.raises(ClipError, match=r"its index \(moov\), which a recorder writes last, is missing"):
        probe(headless)


def test_a_title_in_another_encoding_is_no_error(source: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    run("-i {source} -c copy -metadata title=QQQQQQQQ {clip}", folder=tmp_path, source=source, clip=clip)
    clip.write_bytes(clip.read_bytes().replace(b"QQQQQQQQ", "Größe".encode("latin-1") + b"\xfe\xff\xfe"))
    assert probe(clip).index.n_frames == N


def test_a_date_in_another_encoding_is_no_error(source: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    date = "-metadata com.apple.quicktime.creationdate=QQQQQQQQ -movflags use_metadata_tags"
    run(f"-i {{source}} -c copy {date} {{clip}}", folder=tmp_path, source=source, clip=clip)
    clip.write_bytes(clip.read_bytes().replace(b"QQQQQQQQ", b"M\xe4rz 202"))
    first, remembered = probe(clip), probe(clip)
    assert (first.recorded_at or "").encode() == "M\N{REPLACEMENT CHARACTER}rz 202".encode()
    assert remembered.recorded_at == first.recorded_at


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "mpg"])
def test_damage_anywhere_is_told_or_read_around(source: Path, tmp_path: Path, suffix: str) -> None:
    """Bits turned over, stretches of zeros, ends cut off: an index whose pictures can be asked for, or a ClipError."""
    whole, clip = tmp_path / f"whole.{suffix}", tmp_path / f"clip.{suffix}"
    encode = f"{B_FRAMES} -g 10" if suffix in ("mp4", "mkv", "ts") else "-c:v mpeg4 -g 10"
    encode = "-c:v mpeg2video -g 10" if suffix == "mpg" else encode
    run("-i {source} -s 64x48 " + encode + " {whole}", folder=tmp_path, source=source, whole=whole)
    random = Random(suffix)
    data = whole.read_bytes()
    for _ in range(25):
        damaged = bytearray(data[: random.choice([len(data), random.randrange(1, len(data))])])
        for _ in range(random.choice([1, 10, 100])):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        at = random.randrange(len(damaged))
        damaged[at : at + 200] = bytes(len(damaged[at : at + 200]))
        clip.write_bytes(damaged)
        try:
            info = probe(clip, remember=False)
        except ClipError:
            continue
        asked = list(range(0, info.index.n_frames, 7))
        given = [frame for frame, _ in pictures(str(clip), info, asked, missing="skip")]
        assert given == sorted(set(given).intersection(asked))
