"""Cut a video into clips, like a camera that sometimes begins a new file. No sound; each picture is in one clip.

usage: cut_clips.py VIDEO FOLDER COUNT    writes FOLDER/clip_1.mp4 …
"""

import itertools
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType

from lsvid.video.timebase import as_fraction


def cut(source: Path, folder: Path, count: int) -> None:
    """Write `count` clips, H.264 with picture k at k / rate, so that any browser plays and seeks them."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        per_clip = -(-stream.frames // count)
        assert stream.average_rate is not None
        rate = as_fraction(stream.average_rate)
        pictures = container.decode(stream)
        for number in range(1, count + 1):
            path = folder / f"clip_{number}.mp4"
            making = path.with_suffix(".part.mp4")
            _write(making, itertools.islice(pictures, per_clip), stream.width, stream.height, rate)
            making.replace(path)


def _write(path: Path, pictures: Iterable[av.VideoFrame], width: int, height: int, rate: Fraction) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "26", "g": "30"}
        for k, picture in enumerate(pictures):
            picture.pts, picture.time_base, picture.pict_type = k, 1 / rate, PictureType.NONE
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
