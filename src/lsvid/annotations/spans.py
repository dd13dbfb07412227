"""The schema that every reader makes and every writer takes: spans, with their clips and annotations.

As JSON Lines (`lsvid export-spans`) each line is one record, and `record` says which of three kinds:

clip        a video file of a case: where it is, its place in the case, its number of frames and its rate
annotation  somebody has worked through a clip; a record of its own, so that "annotated, nothing happens here" is kept
span        one labelled interval

A span keeps the exact values of its source, with their kind (`basis`). Its frames are always computed from these
values, and its seconds from its frames, so the way back is exact.
"""

import math
from enum import StrEnum
from fractions import Fraction

import msgspec

from lsvid.files.names import readable
from lsvid.redaction import public_address
from lsvid.video.timebase import (
    OUTSIDE_TOLERANCE_S,
    SECONDS_TOLERANCE,
    FrameIndex,
    OutsideClipError,
    frames_of_range,
    frames_of_seconds,
    last_number,
    parse_rate,
    seconds_of_frames,
    shown,
)

SCHEMA_VERSION = 1

MOST_FRAMES = 100_000_000
"""A clip of 11 days at 100 fps has so many frames. As seconds they are three years. A larger number is wrong."""


class Status(StrEnum):
    """The state of an annotation. Only `accepted` ones become frames, unless others are asked for."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IGNORED = "ignored"
    SKIPPED = "skipped"
    DRAFT = "draft"
    PREDICTION = "prediction"


class LsFrames(msgspec.Struct, frozen=True, tag_field="kind", tag="ls_frames"):
    """A range on Label Studio's timeline, from 1, both ends included, and the rate its editor used (a decimal)."""

    start: int
    end: int
    ls_fps: str

    def fault(self) -> str | None:
        """What is wrong with these values, for any clip; None if nothing is."""
        if self.start < 1:
            return f"frame {self.start} is below 1"
        if self.end > MOST_FRAMES:
            return f"frame {str(self.end)[:20]} is more than a clip can have"
        try:
            parse_rate(self.ls_fps)
        except ValueError as error:
            return str(error)
        return f"reversed: frames {self.start} to {self.end}" if self.end < self.start else None

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames `[start_frame, stop_frame)`. Raises OutsideClipError."""
        return frames_of_range(index, parse_rate(self.ls_fps), self.start, self.end)

    def is_cut(self, index: FrameIndex) -> bool:
        """Whether it reaches past the clip's last picture."""
        return shown(index, parse_rate(self.ls_fps), self.end) == index.n_frames

    def cut(self, index: FrameIndex) -> "LsFrames | None":
        """The part of it that lies in the clip; None if there is none."""
        last = max(last_number(index, parse_rate(self.ls_fps)), 1)
        return LsFrames(self.start, min(self.end, last), self.ls_fps) if self.start <= last else None


class Seconds(msgspec.Struct, frozen=True, tag_field="kind", tag="seconds"):
    """Seconds `[start, end)` on the presentation timeline; boundaries may lie `tolerance` before their picture."""

    start: float
    end: float
    tolerance: float = float(SECONDS_TOLERANCE)

    def fault(self) -> str | None:
        """What is wrong with these values, for any clip; None if nothing is."""
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            return f"not finite: {self.start} to {self.end} s"
        if not 0 <= self.tolerance <= 1:
            return f"a tolerance of {self.tolerance} s"
        return f"reversed: {self.start} to {self.end} s" if self.end < self.start else None

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames `[start_frame, stop_frame)`. Raises OutsideClipError."""
        tolerance_s = Fraction(self.tolerance).limit_denominator(1_000_000)
        return frames_of_seconds(index, self.start, self.end, tolerance_s)

    def is_cut(self, index: FrameIndex) -> bool:
        """Whether it ends after the last picture's end by more than the tolerance, or begins long before the first."""
        return (
            self.end > index.end_s + Fraction(self.tolerance)
            or self.start < min(index.start_s, Fraction(0)) - OUTSIDE_TOLERANCE_S
        )

    def cut(self, index: FrameIndex) -> "Seconds | None":
        """The part of it that lies in the clip; None if there is none."""
        start, end = max(self.start, float(index.start_s)), min(self.end, float(index.end_s))
        return Seconds(start, end, self.tolerance) if start < end else None


class ContainerSeconds(msgspec.Struct, frozen=True, tag_field="kind", tag="container_seconds"):
    """Seconds `[start, end)` as desktop programs count them, from the container's start; otherwise like Seconds.

    In an MP4 file both are the same. An MPEG program stream starts at half a second, a transport stream anywhere up to
    26 hours; browsers show these times, and desktop programs begin at zero. `end` None: the end of the clip.
    """

    start: float
    end: float | None
    tolerance: float = float(SECONDS_TOLERANCE)

    def fault(self) -> str | None:
        """What is wrong with these values, for any clip; None if nothing is."""
        return Seconds(self.start, self.start if self.end is None else self.end, self.tolerance).fault()

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames `[start_frame, stop_frame)`. Raises OutsideClipError."""
        if self.start < -OUTSIDE_TOLERANCE_S:
            raise OutsideClipError(f"{self.start:.3f} s lies before the clip")
        return self._on_timeline(index).frames(index)

    def is_cut(self, index: FrameIndex) -> bool:
        """As for Seconds."""
        return self._on_timeline(index).is_cut(index)

    def cut(self, index: FrameIndex) -> Seconds | None:
        """Its part inside the clip, on the presentation timeline; None if nothing lies inside."""
        return self._on_timeline(index).cut(index)

    def _on_timeline(self, index: FrameIndex) -> Seconds:
        start_s = float(index.container_start_s)
        end_s = float(index.end_s) if self.end is None else self.end + start_s
        return Seconds(self.start + start_s, end_s, self.tolerance)


class Frames(msgspec.Struct, frozen=True, tag_field="kind", tag="frames"):
    """Frames `[start, stop)`, counted from 0."""

    start: int
    stop: int

    def fault(self) -> str | None:
        """What is wrong with these values, for any clip; None if nothing is."""
        if self.start < 0:
            return f"frame {self.start} is below 0"
        if self.stop > MOST_FRAMES:
            return f"frame {str(self.stop)[:20]} is more than a clip can have"
        return f"reversed: frames {self.start} to {self.stop}" if self.stop < self.start else None

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames themselves. Raises OutsideClipError if they do not lie in the clip."""
        if self.stop > index.n_frames:
            raise OutsideClipError(f"frame {self.stop} lies past the clip's {index.n_frames} frames")
        return self.start, self.stop

    def is_cut(self, index: FrameIndex) -> bool:
        """Whether it reaches past the clip's last frame."""
        return self.stop > index.n_frames

    def cut(self, index: FrameIndex) -> "Frames | None":
        """The part of it that lies in the clip; None if there is none."""
        return Frames(self.start, min(self.stop, index.n_frames)) if self.start < index.n_frames else None


Basis = LsFrames | Seconds | ContainerSeconds | Frames


class _Record(msgspec.Struct, kw_only=True, tag_field="record"):
    version: int = SCHEMA_VERSION
    case: str
    clip: str

    @property
    def clip_id(self) -> str:
        """`case/clip`, which is different for each clip."""
        return f"{self.case}/{self.clip}"


class Proxy(msgspec.Struct, frozen=True):
    """The copy of a clip that annotators saw. It has the same pictures at the same times. Players report its
    duration.
    """

    path: str
    fingerprint: str
    duration_s: float


class Clip(_Record, kw_only=True, tag="clip"):
    """A video file of a case. `order` sorts the case's clips (a late one may lie between two); `rate` is exact."""

    media: str
    order: float | None = None
    n_frames: int | None = None
    rate: str | None = None
    duration_s: float | None = None
    fingerprint: str | None = None
    task_id: int | None = None
    proxy: Proxy | None = None

    def __post_init__(self) -> None:
        """Remove the secrets of a presigned address: from here they would reach every file and message."""
        self.media = public_address(self.media)


def is_plausible(clip: Clip) -> bool:
    """Whether the numbers in a clip's record can be those of a clip: frames, seconds, and its place in its case."""
    numbers = (clip.n_frames, clip.duration_s, clip.order)
    return all(number is None or 0 <= number <= MOST_FRAMES for number in numbers)


class Annotation(_Record, kw_only=True, tag="annotation"):
    """Says that `annotator` has worked through a clip, also if there was nothing to mark.

    `ground_truth` and `updated_at` choose among several. `updated_at` is ISO 8601 or Unix seconds, as in the source, or
    '#' and the place in the export if the source has no time. `part` names the part of the clip that was worked through
    (a chunk, a region), if it was not all of it: each part has its own versions.
    """

    annotator: str
    status: Status
    source: str
    annotation_id: str
    ground_truth: bool = False
    updated_at: str = ""
    score: float | None = None
    part: str = ""


class Span(_Record, kw_only=True, tag="span"):
    """One labelled interval. `label` is the path from the root; the times are None until a frame index is known."""

    label: tuple[str, ...]
    annotator: str
    status: Status
    source: str
    annotation_id: str
    region_id: str
    basis: Basis
    score: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    start_frame: int | None = None
    stop_frame: int | None = None

    def located(self, index: FrameIndex, *, cut_overrun: bool = False) -> "LocatedSpan":
        """The span on the frames that `basis` means, with seconds computed from these frames.

        Raises OutsideClipError; with `cut_overrun` only if no part of it lies in the clip.
        """
        try:
            start_frame, stop_frame = self.basis.frames(index)
        except OutsideClipError:
            inside = self.basis.cut(index) if cut_overrun else None
            if inside is None:
                raise
            start_frame, stop_frame = inside.frames(index)
        start_s, end_s = seconds_of_frames(index, start_frame, stop_frame)
        return LocatedSpan(
            version=self.version, case=self.case, clip=self.clip, label=self.label, annotator=self.annotator,
            status=self.status, source=self.source, annotation_id=self.annotation_id, region_id=self.region_id,
            basis=self.basis, score=self.score, start_s=start_s, end_s=end_s, start_frame=start_frame,
            stop_frame=stop_frame,
        )  # fmt: skip


class LocatedSpan(Span, kw_only=True, tag="span"):
    """A span on the frames `[start_frame, stop_frame)` of its clip, which last from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    start_frame: int
    stop_frame: int


Record = Clip | Annotation | Span

_encoder = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def to_json_line(record: Record) -> bytes:
    """`record` as one line of JSON, with its newline."""
    try:
        return _encoder.encode(record) + b"\n"
    except UnicodeEncodeError:  # a path that is not UTF-8
        if not isinstance(record, Clip):
            raise
        return _encoder.encode(msgspec.structs.replace(record, media=readable(record.media))) + b"\n"
