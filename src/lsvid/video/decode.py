"""Decodes exactly the picture with the given number, or none.

A picture is found by its PTS, never by counting or by a player's seeking. Decoding begins at the key picture before it
(measured: as fast as any other way, and right on clips of variable rate). If a clip is damaged, the pictures that
cannot be decoded whole are missing, because a decoder would make them up from their neighbours.
"""

import itertools
import math
import operator
import threading
from collections import Counter, deque
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, SettingsError
from lsvid.files import storage
from lsvid.video.container import only, open_container
from lsvid.video.h264 import Unreferenced
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import as_fraction
from lsvid.workers.ahead import made_ahead
from lsvid.workers.processes import cores

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.sidedata.sidedata import SideData

_NEAR = 8
"""So many pictures are decoded and not skipped: seeking to a key picture costs about as much."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Segment:
    """The pictures with `begin` <= PTS < `end`, from one key picture to the next; `wanted`: PTS to picture number.

    key: which key picture; -1: those before the first. before: PTS of the key picture before it, None if there is
    none.
    """

    key: int
    before: int | None
    begin: int
    end: float
    wanted: dict[int, int]


def segments_of(info: VideoInfo, frames: Sequence[int]) -> list[Segment]:
    """The segments that hold `frames`, in order."""
    all_pts = info.index.pts
    pts = all_pts[np.array(frames, dtype=np.int64)]
    keys = info.key_pts
    which = np.searchsorted(keys, pts, side="right") - 1
    segments = []
    for key in map(int, np.unique(which)):
        wanted: dict[int, int] = {}
        for position in np.flatnonzero(which == key):
            frame = frames[int(position)]
            if frame + 1 == len(all_pts) or all_pts[frame + 1] != pts[position]:  # of two with one PTS: the last
                wanted[int(pts[position])] = frame
        if not wanted:
            continue
        end = int(keys[key + 1]) if key + 1 < len(keys) else math.inf
        before = int(keys[key - 1]) if key > 0 else None
        segments.append(Segment(key, before, int(keys[key]) if key >= 0 else int(pts[0]), end, wanted))
    return segments


def _is_near(info: VideoInfo, segment: Segment, following: Segment) -> bool:
    """Whether it is cheaper to decode on to the following segment than to seek to it."""
    if following.key != segment.key + 1:
        return False
    first, last = np.searchsorted(info.index.pts, [max(segment.wanted), segment.end])
    return int(last - first) <= _NEAR


class CountedError(Exception):
    """No picture of the clip can be left out: its encoder counts those that no other refers to. See h264."""


class DamageError(Exception):
    """A stretch has damage. It is caught inside lsvid."""


class Decoder:
    """Decodes segments of one clip, in ascending order, with one thread (see container.only).

    It leaves out pictures that nobody wants if no other refers to them; in many H.264 clips this is every second one.
    saves: whether it does. without: PTS of such pictures that it leaves out in any case. CountedError is raised before
    the first picture that this would change.
    """

    def __init__(self, path: str, info: VideoInfo, without: Collection[int] = (), *, saves: bool = True) -> None:
        self._path, self._info, self._without, self.saves = path, info, without, saves
        self._seeks_fast = "mp4" in info.container
        self.busy_in: int | None = None  # a thread
        self._closes_later = False
        self._open()

    def _open(self) -> None:
        import av  # noqa: PLC0415 - as in video

        self._av = av
        self._container = open_container(storage.open_media(self._path), self._path)
        self._stream = only(self._container, self._info.stream)
        # MP4 lists every packet. If it lists as many as there are pictures, each packet is a whole picture.
        self.finds_keys = self._seeks_fast and self._stream.frames == self._info.index.n_frames
        context = self._stream.codec_context
        self._unreferenced = Unreferenced(bytes(context.extradata or b"")) if context.codec.name == "h264" else None
        self._packets = self._container.demux(self._stream)
        self._tainted = False
        self._begin_anew()
        self._latest_key: int | None = None
        self._key = -1

    def _begin_anew(self) -> None:
        """Forget what was decoded: the next picture is a key picture."""
        self._next: Packet[VideoStream] | None = None
        self._later: list[VideoFrame] = []  # already decoded pictures of a later segment
        self._fed: dict[int, int] = {}  # PTS to its place in the order of decoding
        self._order: list[int] = []  # the PTS by place
        self._bad: set[int] = set()  # places that are damaged
        self._alone: set[int] = set()  # places that no other picture depends on
        self._came: set[int] = set()  # places whose picture has come out of the decoder
        self._at_once: Counter[int] = Counter()  # pictures that have come, by PTS
        self._settled = 0
        self._left_out: int | None = None  # the frame_num of the picture just left out
        self._goes_on = False

    def close(self) -> None:
        """Close the file; if the garbage collector asks for it amid this thread's own decoding, after that."""
        if self.busy_in == threading.get_ident():
            self._closes_later = True
        else:
            self._container.close()

    def released(self) -> None:
        """The thread that decodes has ended."""
        self.busy_in = None
        if self._closes_later:
            self._container.close()

    def sound(self, segment: Segment, *, go_on: bool) -> "Iterator[tuple[int, VideoFrame]]":
        """(number, picture) of each wanted picture of `segment`, by PTS, as soon as it is known to be undamaged.

        That is when all pictures decoded before it have come, without damage. Raises DamageError if there is damage, or
        a picture does not come.
        """
        waiting: deque[tuple[int, int, VideoFrame]] = deque()
        n_sound = 0
        for arrival in self.wanted(segment, go_on=go_on):
            waiting.append(arrival)
            while waiting and self._is_settled(segment, waiting[0][1]) and self.first_bad(segment) is None:
                number, _, frame = waiting.popleft()
                n_sound += 1
                yield number, frame
        if self.first_bad(segment) is not None or n_sound + len(waiting) < len(segment.wanted):
            raise DamageError
        yield from ((number, frame) for number, _, frame in waiting)

    def key_picture(self, pts: int) -> "VideoFrame | None":
        """The key picture with this PTS, decoded alone; None if it does not come, or comes damaged.

        Call it only if `finds_keys`.
        """
        self._goes_on = False
        self._make_clean()
        self._tainted = True
        try:
            self._container.seek(pts, stream=self._stream)
            self._packets = self._container.demux(self._stream)
            packet = next(self._packets)
            if packet.pts != pts or not packet.is_keyframe or packet.is_corrupt:
                return None
            context = self._stream.codec_context
            frames = context.decode(packet) or context.decode(None)
        except (self._av.FFmpegError, StopIteration, IndexError):  # IndexError: as in packets
            return None
        if len(frames) != 1 or frames[0].pts != pts or frames[0].is_corrupt:
            return None
        self._tainted = False
        return frames[0]

    def wanted(
        self, segment: Segment, *, go_on: bool, from_before: bool = False
    ) -> "Iterator[tuple[int, int, VideoFrame]]":
        """(number, place in the order of decoding, picture) of the wanted pictures of `segment` that come, by PTS."""
        begin = segment.before if from_before and segment.before is not None else segment.begin
        goes_on = self._goes_on and not self._tainted and self._key + 1 == segment.key
        if not goes_on and not self._go_to(begin, segment.key):
            return
        self._goes_on, self._tainted = False, True
        self._settled = self._fed.get(segment.begin, 0)
        for frame in self._frames(segment, go_on=go_on):
            place = self._fed.get(frame.pts) if frame.pts is not None else None
            if place is None:
                continue
            self._came.add(place)
            if frame.is_corrupt or place in self._bad:
                self._bad.add(place)
            elif frame.pts in segment.wanted and self._is_last(frame.pts):
                yield segment.wanted[frame.pts], place, frame
        self._key, self._tainted = segment.key, bool(self._bad)

    def _is_last(self, pts: int) -> bool:
        """Whether the picture that has just come is the last one with this PTS (mostly the only one)."""
        self._at_once[pts] += 1
        times = self._info.index.pts
        return self._at_once[pts] == int(times.searchsorted(pts, side="right") - times.searchsorted(pts))

    def first_bad(self, segment: Segment) -> int | None:
        """The place of the first damage since decoding began, in the order of decoding."""
        # There may be no key picture to begin at: then what is wrong before the wanted pictures does not count.
        first = self._fed.get(segment.begin, 0) if segment.key < 0 else 0
        return min((place for place in self._bad if place >= first), default=None)

    def is_before(self, place: int, segment: Segment) -> bool:
        """Whether what was decoded at `place` lies before `segment`."""
        return place < self._fed.get(segment.begin, 0)

    def bad_alone(self, segment: Segment) -> list[int]:
        """PTS of the damaged pictures that no other refers to, before the first other damage, as decoded."""
        places = sorted(place for place in self._bad if place >= (self.first_bad(segment) or 0))
        return [self._order[place] for place in itertools.takewhile(self._alone.__contains__, places)]

    def _is_settled(self, segment: Segment, place: int) -> bool:
        """Whether all pictures of `segment` up to `place`, in the order of decoding, have come."""
        # Pictures that are stored after a key picture and shown before it do not come if decoding began there. The
        # segment does not depend on them.
        while self._settled in self._came or (
            self._settled < len(self._order) and self._order[self._settled] < segment.begin
        ):
            self._settled += 1
        return place < self._settled

    def _frames(self, segment: Segment, *, go_on: bool) -> "Iterator[VideoFrame]":
        """The pictures before the end of `segment`, by PTS, as long as a wanted picture is still to come."""
        later, self._later = self._later, []
        yield from self._of(segment, later)
        missing = segment.wanted.keys() - self._fed.keys()
        while not self._later:
            packet = self._packet() if missing or go_on else self._rest_of_picture()
            if packet is None:  # all wanted pictures are in the decoder, or the file ends: flush the decoder
                yield from self._of(segment, self._decoded(None))
                self._goes_on = False
                return
            if packet.pts is not None:
                place = self._fed[packet.pts] = len(self._order)
                self._order.append(packet.pts)
                if not self._is_shown(packet.pts):
                    self._came.add(place)
                missing.discard(packet.pts)
                if packet.is_keyframe and packet.pts > segment.end:
                    missing.clear()  # a whole segment later they do not come any more
                if self._is_alone(packet):
                    self._alone.add(place)
                    # The next segment may want a picture that is shown after this one.
                    is_wanted = packet.pts in segment.wanted or packet.pts >= segment.end
                    if (self.saves and not is_wanted) or packet.pts in self._without:
                        self._check_count(packet, is_left_out=True)
                        self._came.add(place)
                        continue
            self._check_count(packet, is_left_out=False)
            if packet.is_corrupt:
                self._bad.add(len(self._order) - 1)
            yield from self._of(segment, self._decoded(packet))
        self._goes_on = True

    def _check_count(self, packet: "Packet[VideoStream]", *, is_left_out: bool) -> None:
        """Raise CountedError if the picture left out before this one was counted, so that this one comes out wrong."""
        if self._unreferenced is None or (self._left_out is None and not is_left_out):
            return
        number = self._unreferenced.frame_number(memoryview(packet))
        if None not in (number, self._left_out) and number != self._left_out:
            raise CountedError
        self._left_out = number if is_left_out else None

    def _is_alone(self, packet: "Packet[VideoStream]") -> bool:
        """Whether no other picture depends on this one, so that it can be left out."""
        finder = self._unreferenced
        return finder is not None and not packet.is_corrupt and finder.is_one(memoryview(packet))

    def _is_shown(self, pts: int) -> bool:
        """Whether a picture of the clip has this PTS. Some packets hold a second field, or are never shown."""
        times = self._info.index.pts
        place = int(times.searchsorted(pts))
        return place < len(times) and int(times[place]) == pts

    def _rest_of_picture(self) -> "Packet[VideoStream] | None":
        """The next packet, if it has no picture of its own, but may belong to the one before; else None."""
        packet = self._packet()
        if packet is None or packet.pts is None or not self._is_shown(packet.pts):
            return packet
        self._next = packet
        return None

    def _of(self, segment: Segment, frames: "Sequence[VideoFrame]") -> "Iterator[VideoFrame]":
        for frame in frames:
            if frame.pts is not None and frame.pts >= segment.end:
                self._later.append(frame)
                if frame.is_corrupt and frame.pts in self._fed:  # the segment's last pictures may refer to it
                    self._bad.add(self._fed[frame.pts])
            else:
                yield frame

    def _decoded(self, packet: "Packet[VideoStream] | None") -> "list[VideoFrame]":
        try:
            return self._stream.codec_context.decode(packet)
        except self._av.FFmpegError:
            if packet is None or packet.pts is None or self._is_shown(packet.pts):  # otherwise it is never shown
                self._bad.add(max(len(self._order) - 1, 0))
            return []

    def _packet(self) -> "Packet[VideoStream] | None":
        """The next packet, None at the end of the file."""
        packet, self._next = self._next, None
        for _ in range(_DEMUX_TRIES):
            try:
                packet = packet or next(self._packets)
            except StopIteration:
                return None
            except (self._av.FFmpegError, IndexError):  # IndexError: as in packets
                continue
            if packet.size == 0:
                return None
            if packet.is_keyframe and packet.pts is not None:
                self._latest_key = packet.pts
            return packet
        return None

    def _go_to(self, begin: int, key: int) -> bool:
        """Make the packet of the key picture with PTS `begin` the next one; False if it cannot be found."""
        self._make_clean()
        near = (
            not self._seeks_fast
            and self._latest_key is not None
            and self._latest_key < begin
            and key - self._key <= _SKIP_KEYS
        )
        self._begin_anew()
        if key < 0:
            self._reopen()
            return True
        if near:
            self._stream.codec_context.flush_buffers()
            if self._skip_to(begin):
                return True
        for back_s in (0, 1, 5, 30):  # in some containers a seek is a guess, and may end too late
            try:
                offset = round(back_s / as_fraction(self._stream.time_base)) if self._stream.time_base else 0
                self._container.seek(begin - offset, stream=self._stream)
            except self._av.FFmpegError:
                break
            self._packets, self._next = self._container.demux(self._stream), None
            if self._skip_to(begin):
                return True
        self._reopen()
        return self._skip_to(begin)

    def _make_clean(self) -> None:
        """Open the clip anew if its decoder has met damage, or may have.

        FFmpeg's decoders keep traces of damage, even over a seek to a key picture (measured: H.264).
        """
        if self._tainted:
            self._reopen()

    def _reopen(self) -> None:
        self._container.close()
        self._open()

    def _skip_to(self, begin: int) -> bool:
        """Read up to the key picture with PTS `begin`; False if reading begins after it."""
        while (packet := self._packet()) is not None:
            if packet.is_keyframe and packet.pts is not None and packet.pts >= begin:
                self._next = packet
                return packet.pts == begin
        return False


_DEMUX_TRIES = 100
_SKIP_KEYS = 2
"""So many key pictures are read and not searched for; but not in MP4, which lists the place of each picture."""


@dataclass(frozen=True)
class Examined:
    """What is undamaged in a segment, and how to decode it. sound: numbers of pictures; without: see Decoder."""

    sound: frozenset[int]
    without: frozenset[int]
    from_before: bool

    @classmethod
    def of(cls, path: str, info: VideoInfo, segment: Segment) -> "Examined":
        """All pictures of `segment` are examined, wanted or not.

        It is decoded from the key picture before, since a container may mark a picture as a key picture that is none;
        and to the segment's end, since some decoders (RealVideo) hold a picture back until the next one comes.
        """
        whole = _whole(info, segment)
        without: set[int] = set()
        from_before, can_leave_out = True, True
        while True:
            with closing(Decoder(path, info, without, saves=False)) as decoder:
                found = decoder.wanted(whole, go_on=True, from_before=from_before)
                try:
                    places = {number: place for number, place, _ in found}
                except CountedError:
                    without, can_leave_out = set(), False
                    continue
                bad = decoder.first_bad(whole)
                if bad is None:
                    return cls(frozenset(places), frozenset(without), from_before)
                # A decoder that has met damage is not to be trusted any more, not even with pictures that do not depend
                # on it: without the damage, it begins again.
                alone = decoder.bad_alone(whole) if can_leave_out else []
                if from_before and decoder.is_before(bad, whole):
                    from_before = False
                elif set(alone) - without:
                    # Those after the first may be sound: with few of them, it is worth to find out.
                    without.update(alone[:1] if len(without) < _ROUNDS else alone)
                else:
                    sound = frozenset(number for number, place in places.items() if place < bad)
                    return cls(sound, frozenset(without), from_before)

    def pictures(self, path: str, info: VideoInfo, segment: Segment) -> "Iterator[tuple[int, VideoFrame]]":
        """(number, picture) of each wanted picture of `segment` that is undamaged, by PTS."""
        wanted = {pts: number for pts, number in segment.wanted.items() if number in self.sound}
        if not wanted:
            return
        with closing(Decoder(path, info, self.without, saves=False)) as decoder:
            some = replace(segment, wanted=wanted)
            for number, _, frame in decoder.wanted(some, go_on=True, from_before=self.from_before):
                yield number, frame


_ROUNDS = 8
"""So many damaged pictures that no other refers to are found one by one."""


def _whole(info: VideoInfo, segment: Segment) -> Segment:
    """The segment with all its pictures wanted."""
    times = info.index.pts
    first = 0 if segment.key < 0 else int(times.searchsorted(segment.begin))
    stop = len(times) if math.isinf(segment.end) else int(times.searchsorted(segment.end))
    return segments_of(info, range(first, stop))[0]


# --- Arrays -----------------------------------------------------------------------------------------------------------

MISSING = ("raise", "skip")
"""What to do about a picture that cannot be decoded."""

_HELD_BYTES = 256 << 20
"""Pictures that may wait in memory until it is their turn."""


def pictures(
    path: str,
    info: VideoInfo,
    frames: Iterable[int],
    *,
    size: tuple[int, int] | None = None,
    short_side: int | None = None,
    missing: str = "raise",
    threads: int | None = None,
) -> Iterator[tuple[int, Image]]:
    """(frame, picture) for each of `frames` (from 0) of the clip at `path`, in the given order.

    A picture is RGB, uint8, shape (height, width, 3), upright. size: (width, height) to stretch it to. short_side: the
    new length of its shorter side. Any order is fast: the pictures between two key pictures are decoded once, if they
    fit into 256 MB. A picture that cannot be decoded whole raises ClipError, or with missing="skip" is left out.
    threads: so many stretches of the clip are decoded at a time; None: one for each core. Raises SettingsError and
    ServerError.
    """
    with closing(Reader(path, info, threads)) as reader:
        yield from reader.pictures(frames, size=size, short_side=short_side, missing=missing)


class Reader:
    """A clip that stays open for reading pictures. Use it in one process, and in one thread at a time.

    threads: so many stretches of the clip, each from a key picture on, are decoded at a time; None: one for each core.
    """

    def __init__(self, path: str, info: VideoInfo, threads: int | None = None) -> None:
        self._path, self._info, self._threads = path, info, threads or cores()
        self._decoders = [Decoder(path, info)]
        self._damaged: dict[int, Examined] = {}  # by the key of the segment

    def close(self) -> None:
        """Close the file."""
        for decoder in self._decoders:
            decoder.close()

    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: tuple[int, int] | None = None,
        short_side: int | None = None,
        missing: str = "raise",
    ) -> Iterator[tuple[int, Image]]:
        """See `pictures` of this module."""
        if missing not in MISSING:
            raise SettingsError(f"missing {missing!r}: choose from {', '.join(MISSING)}")
        check_size(size, short_side)
        wanted = self._checked(frames)
        width, height = size or (self._info.width, self._info.height)
        for some in _in_parts(wanted, limit=max(16, _HELD_BYTES // max(1, 3 * width * height))):
            left = Counter(some)
            held: dict[int, Image | None] = {}
            position = 0
            for read, frame in self.frames(sorted(left)):
                held[read] = None if frame is None else scaled(upright_image(frame, "rgb24"), size, short_side)
                while position < len(some) and some[position] in held:
                    number, position = some[position], position + 1
                    left[number] -= 1
                    image = held[number] if left[number] else held.pop(number)
                    if image is not None:
                        yield number, image.copy() if left[number] else image
                    elif missing == "raise":
                        raise ClipError(
                            f"{self._path}: picture {number} cannot be decoded: the clip is damaged there",
                            "copy the clip again from its source, or leave such pictures out",
                        )

    def _checked(self, frames: Iterable[int]) -> list[int]:
        wanted = [operator.index(frame) for frame in frames]
        n_frames = self._info.index.n_frames
        outside = next((frame for frame in wanted if not 0 <= frame < n_frames), None)
        if outside is not None:
            raise SettingsError(f"{self._path} has no picture {outside}", f"its pictures are 0 to {n_frames - 1}")
        return wanted

    def frames(self, frames: Sequence[int]) -> "Generator[tuple[int, VideoFrame | None]]":
        """(number, picture) of each of `frames` (ascending, each once) in their order; None if it is damaged."""
        decoder = self._decoders[0]
        if not decoder.finds_keys:
            yield from self._read_segments(frames)
            return
        others: list[int] = []  # since the last key picture that is read by itself
        for number, pts in zip(frames, self._lone_keys(frames), strict=True):
            if pts is None:
                others.append(number)
                continue
            if others:
                yield from self._read_segments(others)
                others = []
            frame = decoder.key_picture(pts)
            if frame is None:
                others = [number]
            else:
                yield number, frame
        yield from self._read_segments(others)

    def _lone_keys(self, frames: Sequence[int]) -> list[int | None]:
        """For each of `frames` its PTS if it is a key picture, and no wanted picture follows closely; else None."""
        times, keys = self._info.index.pts, self._info.key_pts
        if not len(keys):
            return [None] * len(frames)
        numbers = np.array(frames, dtype=np.int64)
        pts = times[numbers]
        which = keys.searchsorted(pts, side="right") - 1
        lone = keys[which] == pts  # -1, before the first key, means the last one, which differs
        lone[:-1] &= (np.diff(which) > 0) & (np.diff(numbers) > _NEAR)
        # If two pictures have the same PTS, only the other way finds the last of them.
        lone &= times.searchsorted(pts, side="right") - times.searchsorted(pts) == 1
        return [time if alone else None for time, alone in zip(pts.tolist(), lone.tolist(), strict=True)]

    def _read_segments(self, frames: Sequence[int]) -> "Iterator[tuple[int, VideoFrame | None]]":
        """As `frames`, by decoding from one key picture to the next."""
        left = deque(frames)
        with closing(self._sound(frames)) as sound:
            for number, frame in sound:
                while left[0] < number:
                    yield left.popleft(), None
                yield left.popleft(), frame
        yield from ((number, None) for number in left)

    def _sound(self, frames: Sequence[int]) -> "Generator[tuple[int, VideoFrame]]":
        """(number, picture) of those of `frames` that are undamaged, ascending."""
        runs = _runs(self._info, segments_of(self._info, frames), _LEAST if self._threads > 1 else len(frames))
        n_threads = min(self._threads, len(runs))
        if n_threads <= 1:
            for run in runs:
                yield from self._sound_in(self._decoders[0], run)
            return
        while len(self._decoders) < n_threads:
            self._decoders.append(Decoder(self._path, self._info))
        most = max(2, min(_LEAST, _AHEAD_BYTES // max(1, 2 * self._info.width * self._info.height * n_threads)))
        with closing(made_ahead(runs, self._sound_of, n_threads, most)) as sound:
            yield from sound

    def _sound_of(self, thread: int, run: Sequence[Segment]) -> "Generator[tuple[int, VideoFrame]]":
        """`_sound_in` for one of several threads."""
        decoder = self._decoders[thread]
        decoder.busy_in = threading.get_ident()
        try:
            yield from self._sound_in(decoder, run)
        finally:
            decoder.released()

    def _sound_in(self, decoder: Decoder, run: Sequence[Segment]) -> "Generator[tuple[int, VideoFrame]]":
        """(number, picture) of the wanted pictures of `run` that are undamaged, ascending."""
        for segment, following in zip(run, [*run[1:], None], strict=True):
            done = -1
            if segment.key in self._damaged:
                yield from self._undamaged(segment, done)
                continue
            try:
                for number, frame in self._decoded(decoder, segment, go_on=following is not None):
                    yield number, frame
                    done = number
            except DamageError:
                yield from self._undamaged(segment, done)

    def _decoded(self, decoder: Decoder, segment: Segment, *, go_on: bool) -> "Iterator[tuple[int, VideoFrame]]":
        """`decoder.sound`, by decoding every picture if none of them can be left out."""
        done = -1
        try:
            for number, frame in decoder.sound(segment, go_on=go_on):
                yield number, frame
                done = number
        except CountedError:
            decoder.saves = False
            yield from ((number, frame) for number, frame in decoder.sound(segment, go_on=go_on) if number > done)

    def _undamaged(self, segment: Segment, done: int) -> "Iterator[tuple[int, VideoFrame]]":
        """(number, picture) of the wanted pictures of a damaged segment that are undamaged, after `done`."""
        if segment.key not in self._damaged:
            self._damaged[segment.key] = Examined.of(self._path, self._info, segment)
        for number, frame in self._damaged[segment.key].pictures(self._path, self._info, segment):
            if number > done:
                yield number, frame


_LEAST = 32
"""Wanted pictures that one thread decodes before another goes on, where key pictures are close together."""

_AHEAD_BYTES = 64 << 20
"""Decoded pictures of one run that may wait for their turn."""


def _runs(info: VideoInfo, segments: Sequence[Segment], least: int) -> list[list[Segment]]:
    """`segments` in runs, each decoded without a seek. Another begins at a gap, or after `least` wanted pictures."""
    runs: list[list[Segment]] = []
    n_wanted = 0
    for segment in segments:
        if not runs or n_wanted >= least or not _is_near(info, runs[-1][-1], segment):
            runs.append([])
            n_wanted = 0
        runs[-1].append(segment)
        n_wanted += len(segment.wanted)
    return runs


def _in_parts(frames: Sequence[int], limit: int) -> Iterator[list[int]]:
    """`frames` in parts. In each part at most `limit` pictures wait for one that was asked for before them."""
    part: list[int] = []
    waiting: set[int] = set()
    largest = -1
    for frame in frames:
        if frame < largest:
            waiting.add(frame)
            if len(waiting) > limit:
                yield part
                part, waiting, largest = [], set(), -1
        part.append(frame)
        largest = max(largest, frame)
    if part:
        yield part


_of_thread = threading.local()


def upright_image(frame: "VideoFrame", pixel_format: str = "bgr24") -> Image:
    """The picture, turned as its display matrix says: uint8, BGR (or "rgb24"), shape (height, width, 3)."""
    from av.video.reformatter import VideoReformatter  # noqa: PLC0415 - as in video

    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = VideoReformatter()  # it keeps its tables for the next picture
    # One thread: a forked process would not have the others, and would wait for them for ever.
    image: Image = _of_thread.reformatter.reformat(frame, format=pixel_format, threads=1).to_ndarray()
    try:
        if not len(frame.side_data):
            return image
        matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # PyAV does not know one kind of side data: then only turns are known, not mirrors
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
    if matrix is None:
        return image
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), dtype="<i4")[:5])
    if abs(a) < abs(b):  # x' = a x + c y, y' = b x + d y
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def check_size(size: tuple[int, int] | None, short_side: int | None) -> None:
    """Raise SettingsError if pictures cannot be brought to such a size."""
    if size and short_side:
        raise SettingsError("size and short_side exclude each other", "give one of the two")
    if (size is not None and min(size) < 1) or (short_side is not None and short_side < 1):
        raise SettingsError(f"pictures cannot be of {size or short_side}", "give pixels: 1 or more")


def scaled(image: Image, size: tuple[int, int] | None, short_side: int | None) -> Image:
    """`image` stretched to `size` (width, height), or scaled so that its shorter side is `short_side`; else unchanged.

    If it becomes less than half as large, areas are averaged; otherwise pixels would be left out.
    """
    height, width = image.shape[:2]
    if short_side:
        scale = short_side / min(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size is None or size == (width, height):
        return image
    import cv2  # noqa: PLC0415 - takes a fifth of a second to import

    much = 2 * size[0] < width or 2 * size[1] < height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if much else cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )
