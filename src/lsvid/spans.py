"""The one schema that every reader makes and every writer takes: spans, and the clips and annotations they belong to.

As JSON Lines (`lsvid export-spans`) each line is one record, and `record` says which of three kinds:

clip        a video file of a case: where it is, its place in the case, its number of frames and its rate
annotation  that somebody has worked through a clip: kept apart, so that "annotated, nothing happens here" is not lost
span        one labelled interval

A span keeps its source's own values verbatim, with their kind (`basis`); its frames are always computed from those,
and its seconds from its frames, so that the way back is exact.
"""

from enum import StrEnum
from fractions import Fraction
from typing import Any

import msgspec

from lsvid.timebase import (
    SECONDS_TOLERANCE,
    FrameIndex,
    frames_of_range,
    frames_of_seconds,
    parse_rate,
    seconds_of_frames,
)

SCHEMA_VERSION = 1

LABEL_SEPARATOR = " / "
"""Joins a label path where it has to be one string."""


class Status(StrEnum):
    """What became of a piece of work. Only `accepted` reaches frames unless asked."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IGNORED = "ignored"
    SKIPPED = "skipped"
    DRAFT = "draft"
    PREDICTION = "prediction"


class _Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    def frames(self, index: FrameIndex) -> tuple[int, int]:
        raise NotImplementedError


class LsFrames(_Basis, frozen=True, tag="ls_frames"):
    """A range on Label Studio's timeline, from 1, both ends included, and the rate its editor used (a decimal)."""

    start: int
    end: int
    ls_fps: str

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames `[start_frame, stop_frame)`. Raises OutsideClipError."""
        return frames_of_range(index, parse_rate(self.ls_fps), self.start, self.end)


class Seconds(_Basis, frozen=True, tag="seconds"):
    """Seconds `[start, end)` on the presentation timeline; boundaries may lie `tolerance` before their picture."""

    start: float
    end: float
    tolerance: float = float(SECONDS_TOLERANCE)

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames `[start_frame, stop_frame)`. Raises OutsideClipError."""
        tolerance_s = Fraction(self.tolerance).limit_denominator(1_000_000)
        return frames_of_seconds(index, self.start, self.end, tolerance_s)


class Frames(_Basis, frozen=True, tag="frames"):
    """Frames `[start, stop)`, counted from 0."""

    start: int
    stop: int

    def frames(self, index: FrameIndex) -> tuple[int, int]:
        """The frames themselves, cut to the clip."""
        return min(self.start, index.n_frames), min(self.stop, index.n_frames)


Basis = LsFrames | Seconds | Frames


class _Record(msgspec.Struct, kw_only=True, tag_field="record"):
    version: int = SCHEMA_VERSION
    case: str
    clip: str

    @property
    def clip_id(self) -> str:
        """`case/clip`, which tells a clip from all others."""
        return f"{self.case}/{self.clip}"


class Clip(_Record, kw_only=True, tag="clip"):
    """A video file of a case. `order` sorts the case's clips (a late one may lie between two); `rate` is exact."""

    media: str
    order: float | None = None
    n_frames: int | None = None
    rate: str | None = None
    duration_s: float | None = None
    fingerprint: str | None = None
    task_id: int | None = None


class Annotation(_Record, kw_only=True, tag="annotation"):
    """That `annotator` has worked through a clip, whether or not there was anything to mark.

    `ground_truth` and `updated_at` (ISO 8601 or Unix seconds, as the source has it) choose among several.
    """

    annotator: str
    status: Status
    source: str
    annotation_id: str
    ground_truth: bool = False
    updated_at: str = ""
    score: float | None = None


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

    def locate(self, index: FrameIndex) -> None:
        """Compute the frames from `basis` and the seconds from the frames. Raises OutsideClipError."""
        self.start_frame, self.stop_frame = self.basis.frames(index)
        self.start_s, self.end_s = seconds_of_frames(index, self.start_frame, self.stop_frame)


Record = Clip | Annotation | Span

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def to_json_line(record: Record) -> bytes:
    """`record` as one line of JSON, newline included."""
    return _encoder.encode(record) + b"\n"


def from_json_line(line: bytes | str) -> Record:
    """The record in one line of JSON. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(line)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of one line."""
    return msgspec.json.schema(Record)
