"""The synthetic clips hold what they say: the other tests take their numbers and times for the truth."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from factories import NTSC, VFR_GAPS, Video, VideoFactory, draw_number, read_burnt_number


@pytest.mark.parametrize("number", [0, 1, 255, 256, 43690, 65535])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_number_drawn_is_read_again(number: int, scale: int) -> None:
    image = draw_number(number).repeat(scale, axis=0).repeat(scale, axis=1)
    assert read_burnt_number(image) == number
    assert read_burnt_number(np.ascontiguousarray(image[:, :, 0])) == number


@pytest.mark.parametrize(
    "parameters",
    [
        {"rate": Fraction(25)},
        {"rate": NTSC, "n_frames": 300},
        {"gaps": VFR_GAPS, "n_frames": 100},
        {"start_s": Fraction(3, 2)},
        {"b_frames": 2, "audio": True},
        {"codec": "mpeg4", "suffix": ".avi"},
    ],
    ids=str,
)
def test_pictures_are_decoded_with_their_numbers_and_times(videos: VideoFactory, parameters: dict[str, Any]) -> None:
    video = Video(**parameters)
    with av.open(str(videos.make(**parameters))) as container:
        pictures = [
            (read_burnt_number(frame.to_ndarray(format="rgb24")), (frame.pts or 0) * (frame.time_base or 0))
            for frame in container.decode(video=0)
        ]
    assert pictures == list(enumerate(video.times_s))


def test_a_cut_hides_the_pictures_before_it(videos: VideoFactory) -> None:
    with av.open(str(videos.make(n_frames=200, cut_s=3.3, b_frames=2))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        discarded = [packet for packet in packets if packet.is_discard]
        container.seek(0)
        numbers = [read_burnt_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert len(packets) > len(numbers)
    assert len(discarded) == len(packets) - len(numbers)
    assert numbers == list(range(83, 200))  # 3.3 s lies within picture 82


def test_the_same_parameters_are_encoded_once(videos: VideoFactory) -> None:
    assert videos.make(n_frames=50) == videos.make(n_frames=50)
