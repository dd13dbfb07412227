"""What packets of H.264 tell by their headers; FFmpeg's own decoder is asked for the same."""

from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import VideoFactory
from lsvid.video.h264 import SecondFields, Unreferenced
from paff import write_fields


def unreferenced(clip: Path) -> tuple[set[int | None], set[int | None]]:
    """PTS of all pictures, and of those that no other refers to."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        finder = Unreferenced(bytes(stream.codec_context.extradata or b""))
        packets = [packet for packet in container.demux(stream) if packet.size]
        found = {packet.pts for packet in packets if finder.is_one(memoryview(packet))}
        return {packet.pts for packet in packets}, found


def left_out_by_ffmpeg(clip: Path) -> set[int | None]:
    """PTS of the pictures that FFmpeg's decoder leaves out if it is to show only those that others refer to."""
    shown = []
    for skipped in ("DEFAULT", "NONREF"):
        with av.open(str(clip)) as container:
            container.streams.video[0].codec_context.skip_frame = skipped
            shown.append({frame.pts for frame in container.decode(video=0)})
    return shown[0] - shown[1]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("parameters", [{"b_frames": 0}, {"b_frames": 1}, {"b_frames": 3}], ids=str)
def test_pictures_that_no_other_refers_to_are_those_that_ffmpeg_leaves_out(
    videos: VideoFactory, tmp_path: Path, parameters: dict[str, Any], suffix: str
) -> None:
    clip = videos.make(tmp_path / f"a{suffix}", n_frames=60, gop=20, **parameters)
    every, found = unreferenced(clip)
    assert found == left_out_by_ffmpeg(clip)
    assert bool(found) == bool(parameters["b_frames"])
    assert len(found) < len(every)


def test_fields_are_never_left_out(tmp_path: Path) -> None:
    clip = write_fields(tmp_path / "a.ts", 12)
    data = bytearray(clip.read_bytes())
    for reference in (b"\0\0\1\x21", b"\0\0\1\x41", b"\0\0\1\x61"):  # slices now say that nothing refers to them
        data = data.replace(reference, b"\0\0\1\x01")
    clip.write_bytes(data)
    every, found = unreferenced(clip)
    assert every
    assert not found


def test_parameter_sets_in_a_packet_keep_it(videos: VideoFactory) -> None:
    with av.open(str(videos.make(n_frames=60, b_frames=2))) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        finder = Unreferenced(extradata)
        one = next(bytes(packet) for packet in container.demux(stream) if finder.is_one(memoryview(packet)))
    size = int.from_bytes(extradata[6:8], "big")
    parameters = size.to_bytes(4, "big") + extradata[8 : 8 + size]
    assert finder.is_one(memoryview(one))
    assert not finder.is_one(memoryview(parameters + one))
    assert not Unreferenced(b"").is_one(memoryview(one)), "nothing says that pictures are whole frames"


@given(extradata=st.binary(max_size=80), avcc=st.booleans(), packet=st.binary(max_size=200))
def test_any_bytes_are_read(extradata: bytes, avcc: bool, packet: bytes) -> None:
    extradata = b"\1" + extradata if avcc else b"\0\0\1\x67" + extradata
    assert Unreferenced(extradata).is_one(memoryview(packet)) in (True, False)
    assert SecondFields(extradata).is_second(memoryview(packet)) in (True, False)
