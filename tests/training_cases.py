"""Cases for training: each picture carries its number in the case; and what windows of them should hold."""

from fractions import Fraction
from typing import Any

from factories import NTSC, VFR_GAPS, VideoFactory
from lsvid.training.clips import TrainingClip
from lsvid.video.index import probe

LABELS = [("A",), ("B", "x"), ("B", "y"), ("C",)]

MIXED: list[dict[str, Any]] = [
    {"n_frames": 70, "b_frames": 3, "gop": 25},
    {"n_frames": 100, "rate": NTSC, "gop": 30, "start_s": Fraction(1, 2)},
    {"n_frames": 60, "gaps": VFR_GAPS, "b_frames": 2, "gop": 12},
]
"""Clips of one case at three kinds of rate, two of them with B-frames."""

Spans = tuple[tuple[tuple[str, ...], int, int], ...]


def training_case(
    videos: VideoFactory,
    clips: list[dict[str, Any]],
    spans: list[Spans | None],
    case: str = "op1",
) -> list[TrainingClip]:
    """A case of `clips` (see factories.Video); the number burnt into a picture is its number in the case."""
    made, first = [], 0
    for number, (video, marked) in enumerate(zip(clips, spans, strict=True), start=1):
        path = videos.make(**video, first_number=first)
        info = probe(path)
        made.append(TrainingClip(case, f"clip_{number}", str(path), info, first, marked))
        first += info.index.n_frames
    return made


def sampled_plainly(clip: TrainingClip, fps: Fraction) -> list[int]:
    """The frames that sampling keeps, straight from its definition."""
    index = clip.info.index
    times = [index.time_s(frame) for frame in range(index.n_frames)]
    kept, step = [], 0
    while times[0] + step / fps <= times[-1]:
        kept.append(next(frame for frame, time_s in enumerate(times) if time_s >= times[0] + step / fps))
        step += 1
    return sorted(set(kept))


def label_plainly(clip: TrainingClip, frame: int) -> list[int]:
    """The 0/1 labels of a picture in the order of LABELS; 255 where nobody has looked."""
    if clip.spans is None:
        return [255] * len(LABELS)
    active = {path for path, start, stop in clip.spans if start <= frame < stop}
    return [int(path in active) for path in LABELS]
