"""Decoding: exactly the picture whose number is asked for, or none.

A picture is told by its PTS, never by counting or by a player's seeking. Decoding begins at the key picture before it
(measured: as fast as any other way, and right on clips of variable rate). Where a clip is damaged, the pictures that
cannot be made from it whole are missing: what a decoder shows in their place is made up from their neighbours.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError
from lsvid.files import storage
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import as_fraction

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.sidedata.sidedata import SideData

# Never set PyAV's log level: with frame threads its log callback deadlocks against a decoder that is being closed.

_NEAR = 8
"""Pictures that are rather decoded than skipped: beginning anew at a key picture costs about as much."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Segment:
    """The pictures with `begin` <= PTS < `end`, from one key picture to the next; `wanted`: PTS to picture number.

    key: which key picture; -1: those before the first. before: PTS of the key picture before it, None where there is
    none.
    """

    key: int
    before: int | None
    begin: int
    end: float
    wanted: dict[int, int]


def segments_of(info: VideoInfo, frames: Sequence[int]) -> list[Segment]:
    """The segments that hold `frames`, in order."""
    pts = info.index.pts[np.array(frames, dtype=np.int64)]
    keys = info.key_pts
    which = np.searchsorted(keys, pts, side="right") - 1
    segments = []
    for key in map(int, np.unique(which)):
        wanted: dict[int, int] = {}
        for position in np.flatnonzero(which == key):
            wanted.setdefault(int(pts[position]), frames[int(position)])  # of two with the same PTS nobody knows which
        end = int(keys[key + 1]) if key + 1 < len(keys) else math.inf
        before = int(keys[key - 1]) if key > 0 else None
        segments.append(Segment(key, before, int(keys[key]) if key >= 0 else int(pts[0]), end, wanted))
    return segments


def is_near(info: VideoInfo, segment: Segment, following: Segment | None) -> bool:
    """Whether it is cheaper to decode on to the following segment than to begin anew there."""
    if following is None or following.key != segment.key + 1:
        return False
    first, last = np.searchsorted(info.index.pts, [max(segment.wanted), segment.end])
    return int(last - first) <= _NEAR


class Decoder:
    """Decodes segments of one clip, in ascending order."""

    def __init__(self, path: str, threads: int) -> None:
        self._path, self._threads = path, threads
        self._open()

    def _open(self) -> None:
        import av  # noqa: PLC0415 - as in video

        self._av = av
        try:
            self._container = av.open(storage.open_media(self._path), "r")
        except av.FFmpegError as error:
            raise ClipError(
                f"{self._path} cannot be read as a video: {error.strerror}", "see what ffprobe says"
            ) from error
        self._stream = next(s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic)
        self._stream.codec_context.thread_count = self._threads
        self._stream.thread_type = "AUTO" if self._threads > 1 else "NONE"
        self._packets = self._container.demux(self._stream)
        self._begin_anew()
        self._latest_key: int | None = None
        self._key = -1

    def _begin_anew(self) -> None:
        """Forget what was decoded: what comes next is a key picture."""
        self._next: Packet[VideoStream] | None = None
        self._later: list[VideoFrame] = []  # decoded already, of a later segment
        self._fed: dict[int, int] = {}  # PTS to its place in the order of decoding
        self._bad: set[int] = set()  # places in the order of decoding
        self._goes_on = False

    def close(self) -> None:
        self._container.close()

    def decode(
        self, segment: Segment, take: Callable[[int, "VideoFrame"], None], *, go_on: bool, from_before: bool = False
    ) -> set[int] | None:
        """Give each picture wanted in `segment` to `take`; returns the numbers of those that are sound.

        None where several threads met damage, and so cannot tell what it spoilt. go_on: the next segment follows
        closely. from_before: begin a key picture earlier.
        """
        begin = segment.before if from_before and segment.before is not None else segment.begin
        if not (self._goes_on and self._key + 1 == segment.key) and not self._go_to(begin, segment.key):
            return set()
        arrived: dict[int, int] = {}
        for frame in self._frames(segment, go_on=go_on):
            place = self._fed.get(frame.pts) if frame.pts is not None else None
            if place is None or frame.pts not in segment.wanted:
                if frame.is_corrupt and place is not None:
                    self._bad.add(place)
                continue
            if frame.is_corrupt:
                self._bad.add(place)
            else:
                arrived[segment.wanted[frame.pts]] = place
                take(segment.wanted[frame.pts], frame)
        self._key = segment.key
        first = self._fed.get(segment.begin, 0)
        bad = min((place for place in self._bad if place >= first), default=None)
        if bad is None and len(arrived) == len(segment.wanted):
            return set(arrived)
        if self._threads > 1 or not from_before:
            return None
        # Whatever was decoded after the damage, up to the next key picture, may be made from it.
        return {number for number, place in arrived.items() if bad is None or place < bad}

    def _frames(self, segment: Segment, *, go_on: bool) -> "Iterator[VideoFrame]":
        """The pictures before the end of `segment`, in the order of their PTS, as long as any wanted is to come."""
        later, self._later = self._later, []
        yield from self._of(segment, later)
        missing = segment.wanted.keys() - self._fed.keys()
        while not self._later:
            packet = self._packet() if missing or go_on else None
            if packet is None:  # all wanted are in the decoder, or the file ends: it gives what it holds back
                yield from self._of(segment, self._decoded(None))
                self._goes_on = False
                return
            if packet.pts is not None:
                self._fed[packet.pts] = len(self._fed)
                missing.discard(packet.pts)
                if packet.is_keyframe and packet.pts > segment.end:
                    missing.clear()  # a whole segment on: they do not come any more
            if packet.is_corrupt:
                self._bad.add(len(self._fed) - 1)
            yield from self._of(segment, self._decoded(packet))
        self._goes_on = True

    def _of(self, segment: Segment, frames: "Sequence[VideoFrame]") -> "Iterator[VideoFrame]":
        for frame in frames:
            if frame.pts is not None and frame.pts >= segment.end:
                self._later.append(frame)
            else:
                yield frame

    def _decoded(self, packet: "Packet[VideoStream] | None") -> "list[VideoFrame]":
        try:
            return self._stream.codec_context.decode(packet)
        except self._av.FFmpegError:
            self._bad.add(max(len(self._fed) - 1, 0))
            return []

    def _packet(self) -> "Packet[VideoStream] | None":
        """The next packet, None at the end of the file."""
        packet, self._next = self._next, None
        for _ in range(_DEMUX_TRIES):
            try:
                packet = packet or next(self._packets)
            except StopIteration:
                return None
            except self._av.FFmpegError:
                continue
            if packet.size == 0:
                return None
            if packet.is_keyframe and packet.pts is not None:
                self._latest_key = packet.pts
            return packet
        return None

    def _go_to(self, begin: int, key: int) -> bool:
        """Make the packet of the key picture with PTS `begin` the next one; False where it cannot be found."""
        near = self._latest_key is not None and self._latest_key < begin and key - self._key <= _SKIP_KEYS
        self._begin_anew()
        if key < 0:
            self._reopen()
            return True
        if near:
            self._stream.codec_context.flush_buffers()
            if self._skip_to(begin):
                return True
        for back_s in (0, 1, 5, 30):  # some containers are searched by guessing, and then land late
            try:
                offset = round(back_s / as_fraction(self._stream.time_base)) if self._stream.time_base else 0
                self._container.seek(begin - offset, stream=self._stream)
            except self._av.FFmpegError:
                break
            self._packets = self._container.demux(self._stream)
            if self._skip_to(begin):
                return True
        self._reopen()
        return self._skip_to(begin)

    def _reopen(self) -> None:
        self.close()
        self._open()

    def _skip_to(self, begin: int) -> bool:
        """Read up to the key picture with PTS `begin`; False where reading begins after it."""
        while (packet := self._packet()) is not None:
            if packet.is_keyframe and packet.pts is not None and packet.pts >= begin:
                self._next = packet
                return packet.pts == begin
        return False


_DEMUX_TRIES = 100
_SKIP_KEYS = 2
"""Key pictures that are rather read over than searched for."""


def decode_carefully(
    path: str, info: VideoInfo, segment: Segment, take: Callable[[int, "VideoFrame"], None]
) -> set[int]:
    """What `Decoder.decode` gives from one thread, packet by packet, from the key picture before.

    One thread, so that an error belongs to the packet just given; from before, since a container may call a picture a
    key picture that is none.
    """
    with closing(Decoder(path, threads=1)) as decoder:
        return decoder.decode(segment, take, go_on=False, from_before=True) or set()


_of_thread = threading.local()


def upright_image(frame: "VideoFrame") -> Image:
    """The picture as it is to be seen: BGR, shape (height, width, 3), turned as its display matrix says."""
    from av.video.reformatter import VideoReformatter  # noqa: PLC0415 - as in video

    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = VideoReformatter()  # keeps its tables from picture to picture
    image: Image = _of_thread.reformatter.reformat(frame, format="bgr24").to_ndarray()
    matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return image
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), dtype="<i4")[:5])
    if abs(a) < abs(b):  # x' = a x + c y, y' = b x + d y
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
