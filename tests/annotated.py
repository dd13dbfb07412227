"""Annotated clips without files, as `read_located` gives them, made from a line for each annotator and clip."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from lsvid.annotations.spans import Annotation, Clip, Frames, LocatedSpan, Span, Status
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.video.clips import natural_key
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import FrameIndex

Marked = Sequence[tuple[str, int, int]]
"""("Suturing / Knot", start_frame, stop_frame), one for each region."""


def annotated_case(
    clips: Sequence[tuple[int, Mapping[str, Marked]]],
    *,
    case: str = "case01",
    rate: Fraction = Fraction(25),
    predictions: Sequence[str] = (),
) -> list[AnnotatedClip]:
    """A case: for each clip its number of frames, and what each annotator marked in it."""
    made, frames, time_s = [], 0, Fraction(0)
    for number, (n_frames, works) in enumerate(clips, start=1):
        info = _info(n_frames, rate)
        name = f"{number:03}"
        record = Clip(case=case, clip=name, media=f"{name}.mp4", n_frames=n_frames, task_id=100 + number)
        by_annotator = tuple(
            _work(
                case, name, annotator, Status.PREDICTION if annotator in predictions else Status.ACCEPTED,
                works[annotator], info.index,
            )
            for annotator in sorted(works, key=natural_key)
        )  # fmt: skip
        made.append(AnnotatedClip(record, by_annotator, f"/data/{case}/{name}.mp4", info, frames, time_s))
        frames, time_s = frames + n_frames, time_s + info.index.length_s
    return made


def _work(
    case: str, clip: str, annotator: str, status: Status, marked: Marked, index: FrameIndex
) -> Track[LocatedSpan]:
    annotation_id = f"{annotator}-{clip}"
    annotation = Annotation(
        case=case, clip=clip, annotator=annotator, status=status, source="test", annotation_id=annotation_id
    )
    spans = []
    for number, (label, start, stop) in enumerate(marked):
        span = Span(
            case=case, clip=clip, label=tuple(label.split(" / ")), annotator=annotator, status=status, source="test",
            annotation_id=annotation_id, region_id=f"r{number}", basis=Frames(start, stop),
        )  # fmt: skip
        spans.append(span.located(index))
    return Track(annotation, tuple(spans), annotator)


def _info(n_frames: int, rate: Fraction) -> VideoInfo:
    # Its presentation times do not begin at 0, as those of a clip cut by a recorder need not.
    step, time_base = int(90000 / rate), Fraction(1, 90000)
    index = FrameIndex(np.arange(n_frames, dtype=np.int64) * step + 1800, time_base, step, n_frames * step * time_base)
    return VideoInfo(
        index, "mp4", "h264", "yuv420p", 320, 240, has_audio=False, size=1, fingerprint="0", recorded_at=None
    )
