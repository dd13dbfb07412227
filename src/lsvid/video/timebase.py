"""Every conversion between times and frames. Pure; nothing else in lsvid converts.

Inside lsvid an interval is half-open: frames `[start_frame, stop_frame)`, counted from 0; seconds `[start_s, end_s)`
on the clip's presentation timeline, which is what a browser's `currentTime` shows: the PTS, which need not begin at
zero. Only if the first PTS is negative, the timeline begins with it (`FrameIndex.zero`).

The truth about a clip is its `FrameIndex`: the PTS (presentation timestamp) of each of its pictures. Nothing is
computed from `count / fps`, and nothing from a header's frame count.
"""

import math
import re
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

PtsArray = npt.NDArray[np.int64]

SECONDS_TOLERANCE = Fraction(1, 1000)
"""How many seconds a boundary may lie before its picture, because formats and players round to milliseconds."""

CENTISECONDS_TOLERANCE = Fraction(6, 1000)
"""The same for formats that round to hundredths of a second."""

OUTSIDE_TOLERANCE_S = Fraction(1)
"""How many seconds a boundary may lie outside its clip, because players report last frames that do not exist."""

EDITOR_STEP_S = Fraction(2, 1000)
"""The editor seeks to multiples of this time."""

MAX_EDITOR_RATE = Fraction(120)
"""The highest rate that lsvid gives the editor for a clip of variable rate."""

_STANDARD_RATES = [
    *(Fraction(n) for n in (1, 5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
    *(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120, 240)),
]


class Rational(Protocol):
    """PyAV's type for rates and time bases: a Fraction up to version 18, its own type from 19."""

    @property
    def numerator(self) -> int: ...

    @property
    def denominator(self) -> int: ...


def as_fraction(rational: Rational) -> Fraction:
    """The same number as a Fraction. Every rate and time base from PyAV goes through this function."""
    return Fraction(rational.numerator, rational.denominator)


class OutsideClipError(ValueError):
    """A boundary lies more than `OUTSIDE_TOLERANCE_S` outside its clip."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The presentation times of a clip's pictures.

    pts: int64, shape (n_frames,), ascending, in ticks of `time_base` seconds. At least one. last_duration: the number
    of ticks for which the last picture is shown. duration_s: the container's duration in seconds, which players report;
    if unknown, the end of the pictures. container_start_s: the time, on the presentation timeline, at which desktop
    programs (ELAN, BORIS, VLC) count zero: 0 in MP4 and Matroska files, half a second in most MPEG program streams,
    anything up to 26 h in transport streams. A browser counts from 0.
    """

    pts: PtsArray
    time_base: Fraction
    last_duration: int
    duration_s: Fraction
    container_start_s: Fraction = Fraction(0)

    @cached_property
    def n_frames(self) -> int:
        """The number of pictures."""
        return len(self.pts)

    @cached_property
    def zero(self) -> int:
        """The tick at which the presentation timeline begins: 0, or the first picture's PTS if that is negative.

        No player shows a time below zero, and an MP4 file, such as a proxy, cannot hold one.
        """
        return min(0, int(self.pts[0]))

    @property
    def start_s(self) -> Fraction:
        """The time of the first picture, in seconds."""
        return (int(self.pts[0]) - self.zero) * self.time_base

    @property
    def end_s(self) -> Fraction:
        """The time at which the last picture ends, in seconds."""
        return (int(self.pts[-1]) + self.last_duration - self.zero) * self.time_base

    @property
    def length_s(self) -> Fraction:
        """The time that the pictures cover, in seconds. The clip adds this to its case's time."""
        return self.end_s - self.start_s

    @cached_property
    def rate(self) -> Fraction | None:
        """The clip's constant rate in frames a second; None if its rate varies. See `constant_rate`."""
        return constant_rate(self.pts, self.time_base, self.last_duration)

    @cached_property
    def editor_rate(self) -> Fraction:
        """The rate to give the editor: the constant rate, or for a variable one 1 / the shortest gap, at most 120.

        The shortest gap counts in whole steps of the 2 ms to which the editor rounds its times: a number for every
        picture needs numbers that lie evenly, and at a gap of 33.3 ms they would lie 32 to 34 ms apart.
        """
        if self.rate is not None:
            return self.rate
        gaps = np.diff(self.pts)
        shortest = int(gaps[gaps > 0].min(initial=np.iinfo(np.int64).max)) * self.time_base
        steps = shortest // EDITOR_STEP_S
        return min(1 / (steps * EDITOR_STEP_S), MAX_EDITOR_RATE) if steps else MAX_EDITOR_RATE

    def time_s(self, frame: int) -> Fraction:
        """The time of picture `frame`, in seconds; for `n_frames`, the time at which the last picture ends."""
        return self.end_s if frame == self.n_frames else (int(self.pts[frame]) - self.zero) * self.time_base

    def container_time_s(self, frame: int) -> Fraction:
        """The same time as desktop programs count it, from the container's start."""
        return self.time_s(frame) - self.container_start_s

    def times_s(self) -> npt.NDArray[np.float64]:
        """The time of every picture in seconds: float64, shape (n_frames,)."""
        ticks = (self.pts - self.zero) * self.time_base.numerator
        return np.asarray(ticks / self.time_base.denominator, dtype=np.float64)

    def first_at_or_after(self, time_s: Fraction) -> int:
        """The first picture at or after `time_s`; `n_frames` if there is none."""
        ticks = -(-time_s.numerator * self.time_base.denominator // (time_s.denominator * self.time_base.numerator))
        return int(np.searchsorted(self.pts, ticks + self.zero, side="left"))


class PackedFrameIndex(FrameIndex):
    """A FrameIndex that keeps its PTS packed and unpacks them when they are asked for, so that thousands of clips fit
    into memory: at a constant rate some 100 bytes instead of 120 kB for ten minutes.
    """

    def __init__(
        self,
        packed: bytes,
        time_base: Fraction,
        last_duration: int,
        duration_s: Fraction,
        container_start_s: Fraction = Fraction(0),
    ) -> None:
        self.__dict__.update(packed=packed, time_base=time_base, last_duration=last_duration, duration_s=duration_s)
        self.__dict__.update(container_start_s=container_start_s)

    @classmethod
    def of(cls, index: FrameIndex) -> "PackedFrameIndex":
        """The same index, packed."""
        return cls(pack_pts(index.pts), index.time_base, index.last_duration, index.duration_s, index.container_start_s)

    @property
    def pts(self) -> PtsArray:
        """As in FrameIndex. Do not change it."""
        return unpack_pts(self.__dict__["packed"])


def pack_pts(pts: PtsArray) -> bytes:
    """`pts` in a short form for `unpack_pts`."""
    return zlib.compress(np.diff(pts, prepend=0).astype("<i8").tobytes(), level=1)


@lru_cache(maxsize=64)  # a clip is asked many things in a row; clips of one constant rate and length pack alike
def unpack_pts(packed: bytes) -> PtsArray:
    """The PTS in what `pack_pts` made. Raises zlib.error and ValueError for anything else."""
    pts = np.cumsum(np.frombuffer(zlib.decompress(packed), dtype="<i8"), dtype=np.int64)
    pts.flags.writeable = False
    return pts


def constant_rate(pts: PtsArray, time_base: Fraction, last_duration: int) -> Fraction | None:
    """The rate F in frames a second for which every PTS lies within one tick, or 1 ms, of PTS_0 + k/F; None if there
    is none.

    A standard rate is preferred to one with larger numbers that fits as well, but only if it fits to within a tick.
    """
    n = len(pts)
    if n == 1:
        return 1 / (last_duration * time_base) if last_duration > 0 else None
    span = int(pts[-1] - pts[0])
    if span <= 0:
        return None
    estimate = (n - 1) / (span * time_base)
    tick = Fraction(1 if estimate * time_base < Fraction(1, 4) else 0)  # in a coarse time base a tick may be a picture
    tolerance = max(tick, Fraction(1, 1000) / time_base)
    # A clip of a few pictures fits several standard rates: the closest to the estimate comes first.
    roughly = [r for r in _STANDARD_RATES if abs(float(r) / float(estimate) - 1) < 0.021]  # fractions take long
    near = sorted((r for r in roughly if abs(r / estimate - 1) < Fraction(1, 50)), key=lambda r: abs(r - estimate))
    for limit, candidates in ((tick, near), (tolerance, [*near, estimate.limit_denominator(1001), estimate])):
        for rate in candidates:
            if _worst_error(pts, 1 / (rate * time_base)) <= limit:
                return rate
    return None


def _worst_error(pts: PtsArray, gap: Fraction) -> Fraction:
    """The largest distance, in ticks, between a PTS and the grid PTS_0 + k * gap."""
    k = np.arange(len(pts), dtype=np.int64)
    # k * numerator stays below 2**63 for any clip whose rate has a sane denominator; Python integers are the way out.
    if gap.numerator > (1 << 62) // max(len(pts), 1) or gap.denominator > (1 << 62) // max(
        abs(int(pts[-1] - pts[0])), 1
    ):
        return max(abs(int(p - pts[0]) - i * gap) for i, p in enumerate(pts))
    scaled = (pts - pts[0]) * gap.denominator - k * gap.numerator
    return Fraction(int(np.abs(scaled).max()), gap.denominator)


# --- Label Studio's numbers -------------------------------------------------------------------------------------------
# Its timeline counts from 1 and includes both ends. A number means the picture that the editor shows for it
# (Label Studio 1.23.2, VideoCanvas: `seek` and `length`), and this is computed here.


def last_number(index: FrameIndex, rate: Fraction) -> int:
    """The last number on the editor's timeline at `rate`: the container's duration * rate, rounded, halves up."""
    return _round_half_up(float(index.duration_s) * float(rate))


def shown(index: FrameIndex, rate: Fraction, number: int) -> int:
    """The picture that the editor shows at `number` (from 1), counted from 0.

    The editor seeks to t = round(((number - 1) / rate) / 2 ms) * 2 ms + 2 ms and the browser shows the last picture
    with PTS <= t, or the first picture if there is none. `n_frames` after the end of the timeline or last picture.
    """
    return _shown(index, float(rate), last_number(index, rate), number)


def _shown(index: FrameIndex, rate: float, last: int, number: int) -> int:
    # In doubles, like the editor: on a tie between two multiples of 2 ms, their rounding errors decide.
    time_ms = 2 * _round_half_up(((number - 1) / rate) / 0.002) + 2
    pts = index.pts
    ticks = time_ms * index.time_base.denominator // (1000 * index.time_base.numerator) + index.zero
    if number > last or ticks >= int(pts[-1]) + index.last_duration:
        return len(pts)
    return max(int(pts.searchsorted(ticks, side="right")) - 1, 0)


def frames_of_range(index: FrameIndex, rate: Fraction, start: int, end: int) -> tuple[int, int]:
    """The frames `[start_frame, stop_frame)` of the editor's range `start`..`end` (from 1, both included).

    A picture belongs to the range that holds the last number showing it, so that adjacent ranges share no picture and
    leave none out, at any rate. May be empty. Raises OutsideClipError if the range lies over a second past the clip.
    """
    last, in_doubles = last_number(index, rate), float(rate)  # once: an export has hundreds of thousands of ranges
    if max(start, end) > max(last, 1) and max(start, end) > max(last, 1) + rate * OUTSIDE_TOLERANCE_S:
        raise OutsideClipError(
            f"number {max(start, end)} lies past the clip's last, {max(last, 1)} at {in_doubles:g} fps"
        )
    return _shown(index, in_doubles, last, start), _shown(index, in_doubles, last, end + 1)


def range_of_frames(index: FrameIndex, rate: Fraction, start_frame: int, stop_frame: int) -> tuple[int, int] | None:
    """The editor's range that `frames_of_range` reads as `[start_frame, stop_frame)`, or the nearest that it can hold.

    None if no number shows any of these pictures, which a rate below the clip's own can bring about.
    """
    start, stop = _number_showing(index, rate, start_frame), _number_showing(index, rate, stop_frame)
    return (start, stop - 1) if stop > start else None


def _number_showing(index: FrameIndex, rate: Fraction, frame: int) -> int:
    """The first number n with shown(n) >= frame."""
    low, high = 1, last_number(index, rate) + 1  # shown(high) is n_frames
    while low < high:
        middle = (low + high) // 2
        if shown(index, rate, middle) >= frame:
            high = middle
        else:
            low = middle + 1
    return low


def _round_half_up(value: float) -> int:
    """JavaScript's Math.round."""
    floor = math.floor(value)
    return floor + 1 if value - floor >= 0.5 else floor


# --- Seconds ----------------------------------------------------------------------------------------------------------


def frames_of_seconds(
    index: FrameIndex, start_s: float, end_s: float, tolerance_s: Fraction = SECONDS_TOLERANCE
) -> tuple[int, int]:
    """The frames `[start_frame, stop_frame)` of the interval `[start_s, end_s)` on the presentation timeline.

    A boundary is the first picture with PTS >= boundary - tolerance, at both ends alike: adjacent intervals tile.
    May be empty. Raises OutsideClipError if an end lies over a second outside the clip. (A start may lie anywhere
    from 0 on: players show the first picture of a clip that starts late from there. The end may not.)
    """
    latest = max(index.end_s, index.duration_s) + OUTSIDE_TOLERANCE_S
    if start_s < -OUTSIDE_TOLERANCE_S or end_s < index.start_s - OUTSIDE_TOLERANCE_S or max(start_s, end_s) > latest:
        raise OutsideClipError(
            f"{start_s:.3f} to {end_s:.3f} s lies outside the clip ({float(index.start_s):.3f} to "
            f"{float(index.end_s):.3f} s)"
        )
    return (
        index.first_at_or_after(Fraction(start_s) - tolerance_s),
        index.first_at_or_after(Fraction(end_s) - tolerance_s),
    )


def seconds_of_frames(index: FrameIndex, start_frame: int, stop_frame: int) -> tuple[float, float]:
    """The interval `[start_s, end_s)` of frames `[start_frame, stop_frame)`: first PTS to next PTS."""
    return _time_s(index, start_frame), _time_s(index, stop_frame)


def _time_s(index: FrameIndex, frame: int) -> float:
    """`index.time_s(frame)` as the nearest double, which Python's division of integers gives."""
    ticks = index.pts[-1] + index.last_duration if frame == index.n_frames else index.pts[frame]
    return (int(ticks) - index.zero) * index.time_base.numerator / index.time_base.denominator


# --- Sampling, rates --------------------------------------------------------------------------------------------------


def sample_frames(index: FrameIndex, fps: Fraction, phase: Fraction = Fraction(0)) -> npt.NDArray[np.int64]:
    """The frames kept by sampling at `fps`: the first with PTS >= PTS_0 + (i + phase) / fps, i = 0, 1, …; each once."""
    step = 1 / (fps * index.time_base)  # ticks
    length = int(index.pts[-1]) - int(index.pts[0])
    count = max(math.floor(length / step - phase) + 1, 0)
    # (i + phase) * step, rounded up, in whole numbers
    begin, gap = phase.numerator * step.numerator, phase.denominator * step.numerator
    ticks = phase.denominator * step.denominator
    exact = np.int64 if begin + count * gap + ticks < 1 << 63 else object
    wanted = -((-begin - np.arange(count, dtype=exact) * gap) // ticks)
    kept = np.unique(np.searchsorted(index.pts, wanted.astype(np.int64) + index.pts[0], side="left"))
    return np.asarray(kept, dtype=np.int64)


_MOST_SECONDS = 10**9
_LOWEST_RATE, _HIGHEST_RATE = Fraction(1, 1_000_000), Fraction(1_000_000)
_LONG_EXPONENT = re.compile(r"e[+-]?0*[1-9]\d{3}", re.IGNORECASE)


def exact(value: object) -> Fraction:
    """The number that `value` (25, '29.97', '30000/1001', '1e-3') writes, exactly.

    Raises ValueError if it is not a number, or too long: 1e999999999 would fill the memory.
    """
    text = str(value).strip()
    if len(text) > 40 or _LONG_EXPONENT.search(text):
        raise ValueError(f"{text[:40]!r}… is too long for a number")
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError(f"{text!r} divides by zero") from error


@lru_cache(maxsize=256)
def parse_rate(value: object) -> Fraction:
    """The exact rate that `value` (25, '25', '29.97', '30000/1001') writes.

    Raises ValueError if it is not a rate, or below one frame in 11 days, or above a million a second.
    """
    try:
        rate = exact(value)
    except ValueError:
        rate = Fraction(0)
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise ValueError(f"{str(value)[:40]!r} is not a rate in frames a second")
    return rate


def exact_seconds(value: object) -> Fraction:
    """The exact seconds in `value` (2, '0.5', '1/3'). Raises ValueError if it is not a number from 0 to 10^9."""
    try:
        found = exact(value)
    except ValueError:
        found = Fraction(-1)
    if not 0 <= found <= _MOST_SECONDS:
        raise ValueError(f"{str(value)[:40]!r} is not a number of seconds")
    return found


def format_rate(rate: Fraction) -> str:
    """`rate` as a decimal that Label Studio's editor parses (it takes '30000/1001' for 24, silently)."""
    return str(rate.numerator) if rate.denominator == 1 else repr(float(rate))
