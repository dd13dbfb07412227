"""Makers of synthetic clips whose every picture carries its own number, so that a test can read off what was shown.

The number (from 0) stands in 16 squares in two rows of eight at the top of a 320x240 picture: low bit first, white = 1.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 320, 240
_CELL = 40

NTSC = Fraction(30000, 1001)
VFR_GAPS = (Fraction(1, 25), Fraction(1, 25), Fraction(2, 25), Fraction(3, 25))
"""Gaps of a clip of variable rate: the seconds from a picture to the next, over and over."""


def draw_number(number: int) -> npt.NDArray[np.uint8]:
    """An RGB picture, shape (240, 320, 3), with `number` burnt in."""
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    image[: 2 * _CELL] = 0
    for bit in range(16):
        if number >> bit & 1:
            x, y = bit % 8 * _CELL, bit // 8 * _CELL
            image[y : y + _CELL, x : x + _CELL] = 255
    # Something that moves, so that the pictures are not all the same to an encoder or to a person.
    x = number * 4 % (WIDTH - _CELL)
    image[160:200, x : x + _CELL] = (220, 60, 40)
    return image


def read_burnt_number(image: npt.NDArray[Any]) -> int:
    """The number burnt into `image` (grey, or three channels in any order), at any size of the same shape."""
    height, width = image.shape[:2]
    grey = image.reshape(height, width, -1).mean(axis=2)
    number = 0
    for bit in range(16):
        x = (bit % 8 * _CELL + _CELL // 2) * width // WIDTH
        y = (bit // 8 * _CELL + _CELL // 2) * height // HEIGHT
        number |= int(grey[y, x] > 127) << bit
    return number


@dataclass(frozen=True)
class Video:
    """What a synthetic clip is made from.

    n_frames: pictures. rate: frames a second, unless `gaps` (seconds between pictures, over and over) are given.
    start_s: PTS of the first picture. first_number: the number burnt into it. b_frames: pictures are stored out of
    order. cut_s: afterwards cut by stream copy at this time, as recorders and `ffmpeg -ss T -c copy` do: an edit list
    hides the pictures from the key picture before. gop: pictures from one key picture to the next. audio: with a
    silent track.
    """

    n_frames: int = 50
    rate: Fraction = Fraction(25)
    gaps: tuple[Fraction, ...] = ()
    start_s: Fraction = Fraction(0)
    first_number: int = 0
    b_frames: int = 0
    cut_s: float = 0
    gop: int = 50
    audio: bool = False
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    suffix: str = ".mp4"

    @property
    def times_s(self) -> list[Fraction]:
        """The PTS of every picture as it is written (before a cut)."""
        times = [self.start_s]
        for k in range(self.n_frames - 1):
            times.append(times[-1] + (self.gaps[k % len(self.gaps)] if self.gaps else 1 / self.rate))
        return times


class VideoFactory:
    """Writes synthetic clips; one of the same parameters is encoded once and then copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def make(self, path: Path | None = None, **parameters: Any) -> Path:
        """A clip of these parameters (see Video), at `path` where given; else a file that is not to be changed."""
        made = self.write(Video(**parameters))
        if path is None:
            return made
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(made, path))

    def write(self, video: Video) -> Path:
        """The file of `video`, encoded now unless it is there already."""
        name = hashlib.sha256(repr(video).encode()).hexdigest()[:16]
        path = self._folder / f"{name}{video.suffix}"
        if not path.exists():
            making = self._folder / f"making-{os.getpid()}-{name}{video.suffix}"
            if video.cut_s:
                _cut(self.write(replace(video, cut_s=0)), making, video.cut_s)
            else:
                _encode(video, making)
            making.replace(path)
        return path


def _encode(video: Video, path: Path) -> None:
    times = video.times_s
    # Every PTS is a whole number of ticks.
    time_base = Fraction(1, _common_denominator([*times, 1 / video.rate, *video.gaps]))
    options = {"movflags": "+faststart"} if video.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(video.codec, rate=video.rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, video.pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = video.gop
        stream.codec_context.max_b_frames = video.b_frames
        stream.codec_context.thread_count = 1  # the same bytes every time
        if video.codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "18", "bf": str(video.b_frames), "sc_threshold": "0"}
        silence: Any = container.add_stream("aac", rate=8000) if video.audio else None
        for k, time_s in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw_number(video.first_number + k), format="rgb24")
            frame.pts, frame.time_base = int(time_s / time_base), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if silence is not None:
            _mux_silence(container, silence, float(times[-1] + 1 / video.rate))


def _mux_silence(container: Any, stream: Any, duration_s: float) -> None:
    size = 1024
    for start in range(0, int(duration_s * 8000) // size * size, size):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, size), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _cut(source: Path, path: Path, start_s: float) -> None:
    subprocess.run(
        ["ffmpeg", "-y", "-v", "error", "-nostdin", "-ss", str(start_s), "-i", source, "-c", "copy", path], check=True
    )


def _common_denominator(values: Sequence[Fraction]) -> int:
    return int(np.lcm.reduce([value.denominator for value in values]))
