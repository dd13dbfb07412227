"""Clips of every kind that cameras, recorders and programs write, and every picture of them, decoded plainly."""

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.video.decode import Decoder, upright_image
from lsvid.video.index import probe

_KINDS: dict[str, dict[str, Any]] = {
    "cfr": {},
    "29.97": {"rate": NTSC, "gop": 12},
    "vfr": {"gaps": VFR_GAPS, "gop": 12},
    "offset": {"start_s": Fraction(3, 2), "gop": 12},
    "edit list": {"cut_s": 0.62, "n_frames": 90, "gop": 30},
    "b-frames": {"b_frames": 3, "rate": NTSC, "gop": 15, "start_s": Fraction(1, 2)},
    "b-frames, edit list": {"b_frames": 3, "cut_s": 0.7, "n_frames": 90, "gop": 30},
    "hevc": {"codec": "libx265", "b_frames": 3, "gop": 12},
    "vp9": {"codec": "libvpx-vp9", "suffix": ".webm", "gop": 12},
    "vp8": {"codec": "libvpx", "suffix": ".webm", "gop": 12},
    "mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p", "suffix": ".avi"},
    "mpeg-4": {"codec": "mpeg4", "gop": 12, "b_frames": 2},
    "ts": {"suffix": ".ts", "rate": NTSC, "b_frames": 2, "gop": 12},
    "mkv": {"suffix": ".mkv", "gaps": VFR_GAPS, "start_s": Fraction(1), "b_frames": 2, "gop": 12},
    "one picture a gop": {"gop": 1},
}
KINDS = [*_KINDS, "open gop", "turned", "mirrored"]


def clip_of(videos: VideoFactory, tmp_path: Path, kind: str) -> Path:
    """A clip of this kind."""
    if kind == "open gop":
        clip = tmp_path / "open.mp4"
        run_quietly("ffmpeg", "-i", videos.make(n_frames=90), "-c:v", "libx264", "-bf", "3", "-g", "15", "-x264-params",
             "open-gop=1:scenecut=0", clip)  # fmt: skip
        return clip
    if kind in ("turned", "mirrored"):
        clip = tmp_path / f"{kind}.mp4"
        how = ("-display_rotation", "90") if kind == "turned" else ("-display_rotation", "-90", "-display_hflip")
        run_quietly(imageio_ffmpeg.get_ffmpeg_exe(), *how, "-i", videos.make(gop=12), "-c", "copy", clip)
        return clip
    return videos.make(**_KINDS[kind])


def run_quietly(program: str, *arguments: object) -> None:
    """Run ffmpeg, which overwrites files and says nothing."""
    subprocess.run([program, "-y", "-v", "error", "-nostdin", *map(str, arguments)], check=True)


def fully_decoded(clip: Path) -> dict[int, npt.NDArray[Any]]:
    """Every picture by number, from one decode from beginning to end, in one thread."""
    pts = probe(clip).index.pts
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "NONE"
        return {
            int(np.searchsorted(pts, frame.pts)): upright_image(frame)
            for frame in container.decode(video=0)
            if frame.pts is not None
        }


def number_of(picture: npt.NDArray[Any], kind: str) -> int:
    """The number burnt into a picture of a clip of this kind."""
    if kind == "turned":
        picture = np.rot90(picture, -1)
    if kind == "mirrored":
        picture = np.rot90(picture[:, ::-1] if picture.shape[0] > picture.shape[1] else picture)
    return read_burnt_number(picture)


def packets_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list to which, from now on, the PTS of each packet is added that lsvid gives to a decoder."""
    fed: list[int] = []
    original = Decoder._decoded

    def count(self: Decoder, packet: Any) -> Any:
        fed.extend([packet.pts] if packet is not None else [])
        return original(self, packet)

    monkeypatch.setattr(Decoder, "_decoded", count)
    return fed
