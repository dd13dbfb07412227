"""The times of a film's pictures, read from its packets and compared with its first pictures from a decoder.

Nearly always the packets are enough. If they are not, the decoder's output is the truth: for packets without a picture
of their own (hidden ones of VP8 and VP9, the second of two fields), for pictures at the beginning that cannot be
decoded, and for times that are missing, or are those of decoding.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from lsvid.errors import ClipError
from lsvid.files.paths import as_word
from lsvid.files.storage import S3File
from lsvid.video.container import only, open_container, unreadable
from lsvid.video.h264 import SecondFields
from lsvid.video.timebase import PtsArray

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import InputContainer

CHECKED = 30
"""Pictures of each clip that are decoded, to be compared with its index."""

_CHECKED_GUESSES = 250
"""The same, if the container holds no presentation times, and FFmpeg computes them from those of decoding."""

_WITHOUT_TIMES = ("avi", "mpeg", "asf", "rm")

_CHECKED_BYTES = 2 << 20
"""Bytes that are fetched and decoded for this comparison, from a file in S3 whose index needs no pictures."""

_BEGINS_AT_KEYS = frozenset({
    "dnxhd", "dvvideo", "ffv1", "flv", "h263", "h264", "hevc", "huffyuv", "jpeg2000", "libdav1d", "mjpeg", "mpeg1video",
    "mpeg2video", "mpeg4", "msmpeg4", "msmpeg4v2", "prores", "rawvideo", "rv10", "rv20", "rv30", "rv40", "theora",
    "vc1", "vp8", "vp9", "vvc", "wmv1", "wmv2", "wmv3",
})  # fmt: skip
"""Codecs whose decoder may begin at each picture that the container calls a key picture. Other codecs, mostly of the
1990s (Cinepak), need earlier pictures even there: their films are decoded from the beginning."""

_AHEAD = 12
"""A decoder may take so many more packets before it shows a picture, since pictures can be stored out of order."""

_FED = 1000
"""Packets after which a clip without a picture is called undecodable."""

_NO_PICTURE_BYTES = 16
"""MPEG-4 has packets that say only that there is no new picture. A packet of at most this size may be one of them."""


@dataclass
class Packets:
    """The facts of a film from its packets. pts: ascending. sizes: bytes. durations: ticks, 0 if unknown.

    pts, sizes and durations are equally long. keys: PTS of key pictures. n_packets: the number of packets that are not
    empty; it counts the pictures that an edit list cuts away, too. leading: the number of packets at the beginning from
    which no decoder makes a picture; they are left out. trailing: the same at the end of a file that was cut off.
    trouble: FFmpeg's error if it could not read on; None if it read to the end.
    """

    pts: PtsArray
    sizes: PtsArray
    durations: PtsArray
    keys: list[int]
    n_packets: int = 0
    leading: int = 0
    trailing: int = 0
    trouble: str | None = None


def read_packets(container: "InputContainer", stream: "VideoStream", media: str | S3File, path: str) -> Packets:
    """The pictures of `stream`, the only one read of `container`, which is `media` opened.

    Raises ClipError if the times of its pictures cannot be told, or nothing of it can be decoded.
    """
    hollow = isinstance(media, S3File) and bool(media.hollow)
    wanted = _CHECKED_GUESSES if container.format.name in _WITHOUT_TIMES else CHECKED
    check = _Check(stream, wanted)
    n_fed = 0 if hollow else wanted + _AHEAD
    found = _read_all(container, stream, check, n_fed, hollow=hollow)
    if isinstance(media, S3File) and hollow and found.pts:
        check = _check_in_s3(stream, media, path)
    elif found.n_packets <= n_fed:
        check.finish()
    elif not check.done:
        check = _decoded(media, path, stream.index, wanted=wanted)
    if container.format.name == "asf":
        found.encrypted = found.encrypted or _is_protected_asf(media)
    if stream.codec_context.codec.name not in _BEGINS_AT_KEYS:
        found.keys.clear()
    packets = _judged(found, check, media, path, stream)
    if found.cut_off or found.trouble:
        packets = _without_end(packets, media, path, stream.index)
    return packets


def _read_all(
    container: "InputContainer", stream: "VideoStream", check: "_Check", n_fed: int, *, hollow: bool
) -> "_Found":
    """The facts in the packets. The first `n_fed` go to `check`. hollow: the packets are read without contents."""
    found = _Found()
    # The contents are zeros, in which FFmpeg's parser finds no key picture. The container has a list of them.
    listed = {entry.timestamp for entry in stream.index_entries if entry.is_keyframe} if hollow else set()
    hides = _HIDES.get(stream.codec_context.codec.name) if not hollow else None
    fed: list[Future[None]] = []
    with ThreadPoolExecutor(1) as decoder:  # it decodes while this thread reads
        for packet in _demuxed(container, stream, found):
            feeds = len(fed) < n_fed
            if feeds:
                fed.append(decoder.submit(check.feed, packet))
            if packet.dts in listed and packet.pts is not None:
                found.keys.append(packet.pts)
            found.add(packet, hides=hides is not None and hides(memoryview(packet)), checked=feeds)
    for one in fed:
        one.result()
    return found


@dataclass
class _Found:
    """The result of one pass over the packets, in the order of decoding."""

    pts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    n_packets: int = 0
    without_time: int = 0
    lacks_time_late: bool = False
    """A packet without a time comes after the pictures that were checked."""
    encrypted: bool = False
    cut_off: bool = False
    """The last packet is not complete."""
    trouble: str | None = None

    def add(self, packet: "Packet[VideoStream]", *, hides: bool, checked: bool) -> None:
        if packet.is_keyframe:
            self.encrypted = self.encrypted or packet.has_sidedata("encryption_info")
            if packet.pts is not None:
                self.keys.append(packet.pts)
        self.cut_off = packet.is_corrupt
        self.n_packets += 1
        if packet.is_discard:  # an edit list removes this picture
            return
        if packet.pts is None:
            self.without_time += 1
            self.lacks_time_late = self.lacks_time_late or not checked
        elif not hides:
            self.pts.append(packet.pts)
            self.sizes.append(packet.size)
            self.durations.append(packet.duration or 0)


def _demuxed(container: "InputContainer", stream: "VideoStream", found: _Found) -> "Iterator[Packet[VideoStream]]":
    """The packets that hold something. If reading fails and cannot go on, the film ends there."""
    import av  # noqa: PLC0415 - not needed where every index is in the cache

    n_read, failed_at, going_on = 0, -1, True
    while going_on:
        try:
            for packet in container.demux(stream):
                if packet.size:  # an empty one is the flush at the end, or says 'no new picture' in an AVI
                    n_read += 1
                    yield packet
            going_on = False
        except av.FFmpegError as error:
            if not isinstance(error, BlockingIOError):  # some demuxers say 'try again' at the end
                found.trouble = error.strerror
            failed_at, going_on = n_read, failed_at != n_read  # the second error in one place ends it
        except IndexError:  # in a damaged transport stream, a stream's number may change: PyAV does not find it then
            found.trouble, going_on = "its streams change while it is read", False


class _Check:
    """The first pictures of a film as a decoder shows them: their PTS, in the order shown."""

    def __init__(self, stream: "VideoStream", wanted: int) -> None:
        import av  # noqa: PLC0415 - as above

        self._error = av.FFmpegError
        self._wanted = wanted
        self._context = stream.codec_context
        self._context.options = {"skip_loop_filter": "all"}  # the pictures themselves are not used
        self._fed = 0
        self.shown: list[int | None] = []
        self.errors = 0
        self.said = ""
        self.whole = False
        """Whether all of the film has been decoded."""

    @property
    def done(self) -> bool:
        return self.whole or len(self.shown) >= self._wanted or self._fed >= max(_FED, self._wanted)

    def feed(self, packet: "Packet[VideoStream] | None") -> None:
        self._fed += 1
        try:
            self.shown += [frame.pts for frame in self._context.decode(packet)]
        except self._error as error:
            self.errors += 1
            self.said = str(error.strerror)

    def finish(self) -> None:
        """Take the pictures that the decoder holds back at the end of the film."""
        self.feed(None)
        self.whole = True


def _check_in_s3(stream: "VideoStream", media: S3File, path: str) -> _Check:
    """Fetch and decode the first pictures of a film whose packets were read without their contents."""
    limit = min(entry.pos for entry in stream.index_entries) + _CHECKED_BYTES
    media.hollow = [(max(start, limit), max(stop, limit)) for start, stop in media.hollow]
    with open_container(media, path) as container:  # a new one: the buffers of the other hold zeros
        again = only(container, stream.index)
        check = _Check(again, CHECKED)
        for packet in _demuxed(container, again, _Found()):
            if packet.pos is None or packet.pos + packet.size > limit or check.done:
                return check
            check.feed(packet)
        check.finish()
    return check


def _judged(found: _Found, check: _Check, media: str | S3File, path: str, stream: "VideoStream") -> Packets:
    """The pictures in `found`, as far as the decoder agrees."""
    codec = stream.codec_context.codec.name
    _raise_unusable(found, check, path)
    packets = _sorted(found)
    if not check.shown:  # in a large film in S3, the first picture alone is bigger than what is fetched for a check
        return packets
    # The unchecked rest may have the same problem, so decode the whole film.
    unsure = found.lacks_time_late or (codec == "mpeg4" and min(found.sizes) <= _NO_PICTURE_BYTES)
    if not unsure and _leading(packets, check) == 0:
        return packets
    if _ascending(check.shown) is None:
        raise _out_of_order(path, codec, lacks_time=None in check.shown)
    if not unsure:
        for some in (packets, _without_second_fields(media, path, stream) if codec == "h264" else None):
            leading = None if some is None else _leading(some, check)
            if some is not None and leading is not None:
                return _without(some, leading)
    if check.errors and not found.lacks_time_late and _mostly_known(packets, check):
        first = np.array(check.shown[:1], dtype=np.int64)
        return _without(packets, int(np.searchsorted(packets.pts, first)[0]))  # damaged pictures keep their numbers
    return _as_decoded(found, check, media, path, stream)


def _leading(packets: Packets, check: _Check) -> int | None:
    """How many of `packets` come before the first picture shown; None if the packets after them do not agree with the
    pictures shown.

    None also if two packets have the same time: perhaps only one of them holds a picture.
    """
    first, n_shown = check.shown[0], len(check.shown)
    leading = int(np.searchsorted(packets.pts, first)) if first is not None else 0
    agrees = check.shown == packets.pts[leading : leading + n_shown].tolist()
    agrees = agrees and (not check.whole or leading + n_shown == len(packets.pts))
    return leading if agrees and (np.diff(packets.pts) > 0).all() else None


def _mostly_known(packets: Packets, check: _Check) -> bool:
    """Whether all pictures shown are among `packets`, and most of them are neighbours there. Then the packets are
    right, and some pictures are damaged.
    """
    shown = np.array(check.shown, dtype=np.int64)
    steps = np.diff(np.searchsorted(packets.pts, shown))
    return bool(np.isin(shown, packets.pts).all()) and 2 * np.count_nonzero(steps == 1) > len(steps)


def _without_second_fields(media: str | S3File, path: str, stream: "VideoStream") -> Packets | None:
    """The packets of an H.264 film that begin a picture; None if that is all of them."""
    if isinstance(media, S3File):
        media.hollow = []
    fields = SecondFields(bytes(stream.codec_context.extradata or b""))
    found = _Found()
    with open_container(media, path) as container:
        n_second = 0
        for packet in _demuxed(container, only(container, stream.index), found):
            second = fields.is_second(memoryview(packet))
            n_second += second
            found.add(packet, hides=second, checked=True)
    if not n_second:
        return None
    packets = _sorted(found)
    return replace(
        packets, durations=np.zeros(len(packets.pts), dtype=np.int64)
    )  # these durations may be those of single fields


def _without_end(packets: Packets, media: str | S3File, path: str, number: int) -> Packets:
    """`packets` without the pictures at the end that no decoder shows, because the file was cut off there."""
    import av  # noqa: PLC0415 - as above

    key = max((key for key in packets.keys if key < packets.pts[-1]), default=None)
    with open_container(media, path) as container:
        stream = only(container, number)
        check = _Check(stream, 1 << 62)
        if key is not None:
            try:
                container.seek(key, stream=stream)
            except av.FFmpegError:
                return packets
        for packet in _demuxed(container, stream, _Found()):
            check.feed(packet)
        check.finish()
    last = max((time for time in check.shown if time is not None), default=None)
    if last is None or (key is not None and last < key):
        return packets
    n_whole = int(np.searchsorted(packets.pts, last, side="right"))
    return replace(
        packets,
        pts=packets.pts[:n_whole],
        sizes=packets.sizes[:n_whole],
        durations=packets.durations[:n_whole],
        trailing=len(packets.pts) - n_whole,
    )


def _sorted(found: _Found) -> Packets:
    order = np.argsort(found.pts, kind="stable")
    pts, sizes, durations = (
        np.array(values, dtype=np.int64)[order] for values in (found.pts, found.sizes, found.durations)
    )
    return Packets(pts, sizes, durations, found.keys, found.n_packets, trouble=found.trouble)


def _without(packets: Packets, leading: int) -> Packets:
    return replace(
        packets,
        pts=packets.pts[leading:],
        sizes=packets.sizes[leading:],
        durations=packets.durations[leading:],
        leading=leading,
    )


def _ascending(shown: Sequence[int | None]) -> PtsArray | None:
    """The times of pictures in the order shown; None if a picture has no time, or is earlier than the one before."""
    times = [time for time in shown if time is not None]
    if len(times) < len(shown) or any(later < earlier for earlier, later in itertools.pairwise(times)):
        return None
    return np.array(times, dtype=np.int64)


def _as_decoded(found: _Found, check: _Check, media: str | S3File, path: str, stream: "VideoStream") -> Packets:
    """All pictures that a decoder shows. This decodes the whole film, which takes time."""
    whole = check if check.whole else _decoded(media, path, stream.index)
    pts = _ascending(whole.shown)
    if pts is None:
        raise _out_of_order(path, stream.codec_context.codec.name, lacks_time=None in whole.shown)
    first = next((time for time in check.shown if time is not None), int(pts[0]))
    pts = pts[pts >= first]
    sizes = dict(
        zip(reversed(found.pts), reversed(found.sizes), strict=True)
    )  # if two pictures have the same PTS, take the size of the first
    return replace(
        _sorted(found),
        pts=pts,
        sizes=np.array([sizes.get(int(time), 0) for time in pts], dtype=np.int64),
        durations=np.zeros(len(pts), dtype=np.int64),
        leading=sum(time < first for time in found.pts),
    )


def _decoded(media: str | S3File, path: str, number: int, *, wanted: int = 1 << 62) -> _Check:
    """What a decoder shows of the stream `number`: the first pictures, or all."""
    if isinstance(media, S3File):
        media.hollow = []
    with open_container(media, path) as container:
        stream = only(container, number)
        check = _Check(stream, wanted)
        for packet in _demuxed(container, stream, _Found()):
            check.feed(packet)
            if check.done:
                return check
        check.finish()
    return check


def _is_protected_asf(media: str | S3File) -> bool:
    """Whether the header of an ASF (WMV) file says that it is encrypted. FFmpeg does not look at this."""
    if isinstance(media, S3File):
        media.seek(0)
        return _ASF_ENCRYPTION in (media.read(_ASF_HEADER) or b"")
    with open(media, "rb") as file:  # noqa: PTH123 - a path as given
        return _ASF_ENCRYPTION in file.read(_ASF_HEADER)


_ASF_HEADER = 64 << 10
_ASF_ENCRYPTION = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
"""The content encryption object's GUID (Advanced Systems Format specification, 3.14)."""


# --- Packets that hold no picture to be shown -------------------------------------------------------------------------


def _vp8_hides(data: memoryview) -> bool:
    return not data[0] >> 4 & 1


def _vp9_hides(data: memoryview) -> bool:
    """Whether no frame of the packet, which may hold several, is shown."""
    return not any(_vp9_shows(frame[0]) for frame in _vp9_frames(data) if len(frame))


def _vp9_frames(data: memoryview) -> Iterator[memoryview]:
    """The frames of a packet: one frame, or those of a superframe. A superframe lists their sizes at its end."""
    marker = data[-1]
    count, width = (marker & 7) + 1, (marker >> 3 & 3) + 1
    length = 2 + count * width
    if marker >> 5 != 0b110 or len(data) < length or data[-length] != marker:
        yield data
        return
    at = 0
    for number in range(count):
        begin = len(data) - length + 1 + number * width
        size = int.from_bytes(data[begin : begin + width], "little")
        yield data[at : at + size]
        at += size


def _vp9_shows(head: int) -> bool:
    """Whether a frame is shown, by its first byte: marker (2 bits), profile (2 bits; 3 bits for profile 3), show
    existing frame, frame type, show frame.
    """
    if head >> 6 != 0b10:
        return True  # not a known VP9 header: let the decoder decide
    bits = head >> 4 & 3 == 3
    shows_existing = head >> (2 if bits else 3) & 1
    return bool(shows_existing or head >> (0 if bits else 1) & 1)


_HIDES: dict[str, Callable[[memoryview], bool]] = {"vp8": _vp8_hides, "vp9": _vp9_hides}
"""By codec: whether a packet holds no picture to be shown (others may be made from what it holds)."""


# --- Errors, and what to do about them --------------------------------------------------------------------------------


def _encode(path: str, before: str = "") -> str:
    """The command that gives each picture of a film its own time."""
    return f"ffmpeg {before}-i {as_word(path)} -c:v libx264 -crf 16 OUT.mp4"


def _raise_unusable(found: _Found, check: _Check, path: str) -> None:
    if not found.pts and not found.without_time:
        if found.trouble is not None:
            raise unreadable(path, ValueError(found.trouble))
        raise ClipError(f"{path} holds no pictures", "leave it out, or copy it again from its source")
    if found.encrypted or (not check.shown and (check.errors or check.done)):
        raise _undecodable(found, check, path)
    if not found.pts:
        raise ClipError(
            f"{path} carries no presentation times: it is a raw stream, or its container holds none",
            f"encode it again at its rate, in pictures a second: {_encode(path, '-r RATE ')}",
        )


def _undecodable(found: _Found, check: _Check, path: str) -> ClipError:
    if found.encrypted:
        return ClipError(
            f"{path} is encrypted: its pictures cannot be decoded",
            f"decrypt it first, if you have its key: ffmpeg -decryption_key KEY -i {as_word(path)} -c copy OUT.mp4",
        )
    said = f" ({check.said})" if check.said else ""
    return ClipError(
        f"{path} is damaged, or cut so that nothing can be decoded: none of its pictures can{said}",
        f"copy it again from its source; see what ffmpeg says of it: ffmpeg -v error -i {as_word(path)} -f null -",
    )


def _out_of_order(path: str, codec: str, *, lacks_time: bool) -> ClipError:
    text = f"{path} ({codec}): its times are not those at which its pictures are shown: frame numbers would be wrong"
    if lacks_time:
        text = f"{path} ({codec}) carries presentation times for some of its pictures only"
    if codec == "mpeg4":
        return ClipError(
            text,
            "some AVI files hold two pictures in one packet; unpack them, without loss: ffmpeg -i "
            f"{as_word(path)} -c copy -bsf:v mpeg4_unpack_bframes OUT.avi; or encode it again: {_encode(path)}",
        )
    return ClipError(text, f"encode it again, which gives each picture its own time: {_encode(path)}")
