"""Pictures as arrays: exactly those asked for, in the order asked for; nothing is made up."""

import gc
import multiprocessing
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from builders import damaged
from clip_kinds import KINDS, clip_of, fully_decoded, number_of, packets_decoded
from factories import VideoFactory, read_burnt_number
from lsvid.errors import ClipError, SettingsError
from lsvid.video import decode
from lsvid.video.decode import Reader, pictures
from lsvid.video.h264 import Unreferenced, _Bits
from lsvid.video.index import probe
from s3_server import Bucket


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_in_any_order_is_the_one_of_its_number_to_the_pixel(
    videos: VideoFactory, tmp_path: Path, kind: str
) -> None:
    clip = clip_of(videos, tmp_path, kind)
    info, truth = probe(clip), fully_decoded(clip)
    first = number_of(truth[0], kind)
    mixed = list(range(0, info.index.n_frames, 3)) * 2
    random.Random(kind).shuffle(mixed)
    for threads in (1, 2):
        for frames in (list(range(info.index.n_frames)), [40, 3, 3, 39, 0], mixed):
            shown = list(pictures(str(clip), info, frames, threads=threads))
            assert [number for number, _ in shown] == frames
            for number, picture in shown:
                assert picture.dtype == np.uint8
                assert np.array_equal(picture[..., ::-1], truth[number]), (threads, number)
                assert number_of(picture, kind) == first + number


def test_one_picture_asked_for_twice_is_two_arrays(videos: VideoFactory) -> None:
    clip = videos.make()
    (_, one), (_, other) = pictures(str(clip), probe(clip), [7, 7])
    one[:] = 0
    assert read_burnt_number(other) == 7


def test_a_reader_goes_on_after_half_a_request(videos: VideoFactory) -> None:
    clip = videos.make(n_frames=100, gop=10, b_frames=2)
    reader = Reader(str(clip), probe(clip), threads=2)
    for start in (0, 15, 12, 90, 3, 4, 35, 38):
        asked = reader.pictures(range(start, start + 10))
        assert [read_burnt_number(next(asked)[1]) for _ in range(3)] == [start, start + 1, start + 2]
    reader.close()


def test_sizes(videos: VideoFactory) -> None:
    clip = videos.make()
    for options, shape in (
        ({"size": (224, 200)}, (200, 224, 3)),
        ({"short_side": 120}, (120, 160, 3)),
        ({"short_side": 100}, (100, 133, 3)),
        ({"short_side": 480}, (480, 640, 3)),
        ({}, (240, 320, 3)),
    ):
        ((_, picture),) = pictures(str(clip), probe(clip), [37], **options)
        assert picture.shape == shape
        assert read_burnt_number(picture) == 37


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": (2, 2), "short_side": 3}, "exclude each other"),
        ({"short_side": 0}, "cannot be of 0"),
        ({"missing": "leave"}, "choose from raise, skip"),
        ({"frames": [3, 50]}, "has no picture 50"),
        ({"frames": [-1]}, "has no picture -1"),
    ],
)
def test_what_cannot_be_asked_for(videos: VideoFactory, options: dict[str, Any], said: str) -> None:
    clip = videos.make()
    with pytest.raises(SettingsError, match=said):
        list(pictures(str(clip), probe(clip), **{"frames": [0], **options}))


def test_what_lies_between_two_key_pictures_is_decoded_once_for_any_order(
    videos: VideoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = packets_decoded(monkeypatch)
    clip = videos.make(n_frames=200, gop=20)
    list(pictures(str(clip), probe(clip), [150, 27, 4, 26, 25, 3, 4]))
    assert len(fed) == len(set(fed)) == (4 + 1) + 8 + 11


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_that_nothing_needs_are_not_decoded(
    videos: VideoFactory, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    clip = videos.make(n_frames=200, gop=100, b_frames=3)
    info, truth = probe(clip), fully_decoded(clip)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        finder = Unreferenced(bytes(stream.codec_context.extradata or b""))
        needless = {packet.pts for packet in container.demux(stream) if finder.is_one(memoryview(packet))}
    assert needless
    fed = packets_decoded(monkeypatch)
    rng = random.Random(threads)
    for n_wanted in (1, 5, 20, 60):
        fed.clear()
        frames = sorted(rng.sample(range(200), n_wanted))
        for number, picture in pictures(str(clip), info, frames, threads=threads):
            assert np.array_equal(picture[..., ::-1], truth[number])
        assert len(fed) == len(set(fed))
        assert needless & set(fed) <= {int(info.index.pts[frame]) for frame in frames}


def test_few_pictures_wait_in_memory(videos: VideoFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_HELD_BYTES", 0)  # so 16
    clip = videos.make(n_frames=100, gop=50)
    backwards = list(range(99, -1, -1))
    assert [read_burnt_number(picture) for _, picture in pictures(str(clip), probe(clip), backwards)] == backwards
    assert [len(part) for part in decode._in_parts(backwards, 16)] == [17, 17, 17, 17, 17, 15]
    assert [len(part) for part in decode._in_parts(range(1000), 16)] == [1000], "ascending, none has to wait"


def test_a_picture_is_given_before_its_whole_segment_is_decoded(videos: VideoFactory) -> None:
    clip = videos.make(n_frames=200, gop=200, b_frames=2)
    for threads in (1, 2):
        reader = Reader(str(clip), probe(clip), threads)
        asked = reader.pictures(range(200))
        next(asked)
        assert len(reader._decoders[0]._order) < 20
        reader.close()


def _collect_garbage() -> None:
    gc.collect()


@pytest.mark.skipif(os.name == "nt", reason="no fork there")
def test_a_forked_process_does_not_wait_for_decoders_of_its_parent(videos: VideoFactory) -> None:
    clip = videos.make()
    context = multiprocessing.get_context("fork")
    gc.disable()
    try:
        reader = Reader(str(clip), probe(clip), threads=2)
        next(reader.pictures([30]))
        reader.close()
        cycle: list[Any] = [reader]  # such as an exception and its frames make
        cycle.append(cycle)
        del reader, cycle  # garbage now, with the threads of its decoder
        process = context.Process(target=_collect_garbage)
        process.start()
    finally:
        gc.enable()
    process.join(timeout=30)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0


# --- Damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("parameters", [{}, {"b_frames": 3}, {"codec": "libx265"}], ids=["h264", "b-frames", "hevc"])
def test_a_damaged_picture_is_left_out_or_raises(
    videos: VideoFactory, tmp_path: Path, parameters: dict[str, Any], threads: int
) -> None:
    whole = fully_decoded(videos.make(n_frames=120, gop=20, **parameters))
    clip = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20, **parameters)
    shown = dict(pictures(str(clip), probe(clip), range(120), missing="skip", threads=threads))
    left_out = set(range(120)) - shown.keys()
    assert left_out
    assert left_out <= set(range(40, 60)), "only up to the next key picture"
    for number, picture in shown.items():
        assert np.array_equal(picture[..., ::-1], whole[number])
    backwards = pictures(str(clip), probe(clip), range(119, -1, -1), missing="skip", threads=threads)
    assert {number for number, _ in backwards} == shown.keys()
    for number in range(40, 60):  # what else is asked for makes no difference
        alone = dict(pictures(str(clip), probe(clip), [number], missing="skip", threads=threads))
        assert (number in alone) == (number in shown), number
    with pytest.raises(ClipError, match=f"a.mp4: picture {min(left_out)} cannot be decoded"):
        list(pictures(str(clip), probe(clip), range(120), threads=threads))


@pytest.mark.parametrize("threads", [1, 2])
def test_damage_to_a_picture_that_no_other_refers_to_stays_in_it(
    videos: VideoFactory, tmp_path: Path, threads: int
) -> None:
    parameters: dict[str, Any] = {"n_frames": 120, "gop": 40, "b_frames": 3}
    whole = fully_decoded(videos.make(**parameters))
    with av.open(str(videos.make(**parameters))) as container:
        stream = container.streams.video[0]
        finder = Unreferenced(bytes(stream.codec_context.extradata or b""))
        packets = [packet for packet in container.demux(stream) if packet.size]
        alone = [place for place, packet in enumerate(packets) if finder.is_one(memoryview(packet))]
    some = [place for place in alone if 40 <= place < 80][1::4]
    clip = damaged(videos, tmp_path / "a.mp4", some, **parameters)
    info = probe(clip)
    numbers = {int(info.index.pts.searchsorted(packets[place].pts or 0)) for place in some}
    shown = dict(pictures(str(clip), info, range(120), missing="skip", threads=threads))
    assert set(range(120)) - shown.keys() == numbers
    for number, picture in shown.items():
        assert np.array_equal(picture[..., ::-1], whole[number]), number


def test_damage_is_told_alike_every_time_and_by_any_number_of_threads(videos: VideoFactory, tmp_path: Path) -> None:
    # With threads of FFmpeg, a picture was now and then shown that it had made up.
    for seed in range(6):
        rng = random.Random(seed)
        places = sorted(rng.sample(range(100), 3))
        clip = damaged(videos, tmp_path / f"{seed}.mp4", places, n_frames=100, gop=25, b_frames=3)
        info = probe(clip)
        frames = sorted(rng.sample(range(100), 60))
        first = dict(pictures(str(clip), info, frames, missing="skip", threads=1))
        for threads in (2, 2, 4, 1):
            again = dict(pictures(str(clip), info, frames, missing="skip", threads=threads))
            assert again.keys() == first.keys(), (seed, threads)
            assert all(np.array_equal(again[number], first[number]) for number in first)


def test_a_reader_that_met_damage_reads_the_rest_exactly(videos: VideoFactory, tmp_path: Path) -> None:
    # Decoders of FFmpeg keep traces of damage over a seek: later pictures differed a little, without an error.
    whole_clip, clip = videos.make(n_frames=100, gop=25, b_frames=3), tmp_path / "a.mp4"
    info, whole, data = probe(whole_clip), fully_decoded(whole_clip), whole_clip.read_bytes()
    with av.open(str(whole_clip)) as container:
        position, size = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size][21]
    for offset in range(8, size, 7):
        damage = bytearray(data)
        damage[position + offset] ^= 1 << offset % 8
        clip.write_bytes(damage)
        reader = Reader(str(clip), info, threads=1)
        list(reader.pictures(range(25), missing="skip"))
        for number, picture in reader.pictures([30, 34]):
            assert np.array_equal(picture[..., ::-1], whole[number]), (offset, number)
        reader.close()


def test_pictures_that_the_encoder_counts_are_not_left_out(videos: VideoFactory, tmp_path: Path) -> None:
    # Not as H.264 says: frame_num goes on after unreferenced pictures, too. FFmpeg invents what is missing then.
    source, clip = videos.make(n_frames=60, gop=30, b_frames=1), tmp_path / "a.mp4"
    with av.open(str(source)) as given, av.open(str(clip), "w") as counted:
        stream = given.streams.video[0]
        finder = Unreferenced(bytes(stream.codec_context.extradata or b""))
        sequence = finder._sequence
        assert sequence is not None
        copied = counted.add_stream_from_template(stream)
        number = 0
        for packet in given.demux(stream):
            if packet.size:
                number = 0 if packet.is_keyframe else number
                changed = av.Packet(
                    with_frame_number(bytes(packet), number % (1 << sequence.frame_number_bits), finder)
                )
                number += 1
                changed.stream, changed.time_base, changed.is_keyframe = copied, packet.time_base, packet.is_keyframe
                changed.pts, changed.dts = packet.pts, packet.dts
                counted.mux_one(changed)
    info, truth = probe(clip), fully_decoded(clip)
    for threads in (1, 2):
        frames = list(range(0, 60, 6))
        shown = dict(pictures(str(clip), info, frames, threads=threads))
        assert list(shown) == frames
        for number, picture in shown.items():
            assert np.array_equal(picture[..., ::-1], truth[number]), number


def with_frame_number(packet: bytes, number: int, finder: Unreferenced) -> bytes:
    """A packet of MP4 whose slices have another frame_num."""
    changed, at, sequence = b"", 0, finder._sequence
    assert sequence is not None
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        unit, at = packet[at + 4 : at + 4 + size], at + 4 + size
        if unit[0] & 31 in (1, 5):
            bits = _Bits(unit[:64])
            for _ in range(3):
                bits.ue()
            text = "".join(f"{byte:08b}" for byte in unit[1:].replace(b"\0\0\3", b"\0\0"))
            text = (
                text[: bits._at]
                + f"{number:0{sequence.frame_number_bits}b}"
                + text[bits._at + sequence.frame_number_bits :]
            )
            body = bytes(int(text[k : k + 8], 2) for k in range(0, len(text), 8))
            unit = unit[:1] + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", body)
        changed += len(unit).to_bytes(4, "big") + unit
    return changed


def test_few_pictures_are_decoded_ahead(videos: VideoFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = packets_decoded(monkeypatch)
    monkeypatch.setattr(decode, "_LEAST", 2)
    clip = videos.make(n_frames=200, gop=5)
    shown = pictures(str(clip), probe(clip), range(0, 200, 5), threads=2)
    next(shown)
    time.sleep(0.5)
    assert len(fed) < 40, "not the whole clip"
    assert [number for number, _ in shown] == list(range(5, 200, 5))


def test_requests_that_the_garbage_collector_ends(videos: VideoFactory) -> None:
    # It may run in a thread that decodes for this very request.
    clip = videos.make(n_frames=200, gop=20, b_frames=2)
    info, before = probe(clip), gc.get_threshold()
    gc.set_threshold(50)
    try:
        for _ in range(30):
            holder: list[Any] = []
            holder.append([pictures(str(clip), info, range(0, 200, 3), threads=3), holder])
            next(holder[0][0])
            del holder
    finally:
        gc.set_threshold(*before)
        gc.collect()


def test_pictures_of_a_clip_in_s3(videos: VideoFactory, bucket: Bucket) -> None:
    clip = videos.make(gop=12, b_frames=2)
    uri = bucket.put("op1/clip_1.mp4", clip)
    assert [read_burnt_number(picture) for _, picture in pictures(uri, probe(uri), [49, 3, 14])] == [49, 3, 14]
