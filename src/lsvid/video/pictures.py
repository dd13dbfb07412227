"""Pictures of clips as image files: exactly the picture whose number is asked for, or none.

A picture is told by its PTS, never by counting or by a player's seeking. Decoding begins at the key picture before it
(measured: as fast as any other way, and right on clips of variable rate), and a clip is decoded once. Where a clip is
damaged, the pictures that cannot be made from it whole are reported as missing: what a decoder shows in their place is
made up from their neighbours.
"""

import json
import math
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.files import storage
from lsvid.files.unfinished import remove_leftovers, unfinished, unfinished_folder
from lsvid.video.index import VideoInfo, probe
from lsvid.video.timebase import as_fraction, pack_pts, unpack_pts
from lsvid.workers.processes import Processes, Report, Workers

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.sidedata.sidedata import SideData

# Never set PyAV's log level: with frame threads its log callback deadlocks against a decoder that is being closed.

FORMATS = ("jpg", "png", "webp")
_DEFAULT_QUALITY = {"jpg": 95, "webp": 90}
_STATE = ".pictures.json"
_PICTURE = re.compile(r"\d{6,}\.(?:jpg|png|webp)")
_NEAR = 8
"""Pictures that are rather decoded than skipped: beginning anew at a key picture costs about as much."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PictureOptions:
    """What picture files look like.

    quality: 1 to 100, for jpg and webp; None: 95 and 90. size: (width, height) to stretch each picture to.
    short_side: the length to bring its shorter side to; the other follows. Neither: as large as in the clip.
    """

    format: str = "jpg"
    quality: int | None = None
    size: tuple[int, int] | None = None
    short_side: int | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise SettingsError(f"{self.format!r} is no format of pictures", f"choose from {', '.join(FORMATS)}")
        if self.quality is not None and self.format == "png":
            raise SettingsError("PNG is lossless: it has no quality", "leave --quality out, or choose jpg or webp")
        if self.size and self.short_side:
            raise SettingsError("--size and --short-side exclude each other", "give one of the two")


@dataclass(frozen=True)
class Wanted:
    """The pictures `frames` (from 0, ascending) of the clip `path`, to be written into `folder`. Both may be in S3."""

    path: str
    folder: str
    frames: npt.NDArray[np.int64]

    def __reduce__(self) -> tuple[object, ...]:  # a few bytes on the way to a worker: frames mostly follow one another
        return _unpacked, (self.path, self.folder, pack_pts(self.frames))


def _unpacked(path: str, folder: str, frames: bytes) -> Wanted:
    return Wanted(path, folder, unpack_pts(frames))


@dataclass(frozen=True)
class Pictures:
    """What became of a clip's pictures. written: now. kept: from an earlier run. missing: cannot be decoded."""

    written: int
    kept: int
    missing: list[int]


@dataclass(frozen=True)
class _Job:
    wanted: Wanted
    options: PictureOptions
    threads: int


def write_pictures(
    wanted: Sequence[Wanted],
    options: PictureOptions,
    workers: Workers | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> list[Pictures | LsvidError]:
    """Write the pictures of each clip; in the clips' order, with an error in the place of a clip that fails.

    Files appear whole or not at all. Those that an earlier run with the same options left are kept, and those that it
    left and nobody wants now are removed. `on_progress` gets a clip's position and how many of its pictures are done.
    Raises DataError where the disk is full, SettingsError, and ServerError.
    """
    workers = workers or Processes()
    work = [_Job(one, options, workers.threads(len(wanted))) for one in wanted]
    results: dict[int, Pictures | LsvidError] = {}
    for position, result in workers.run_each(write_clip, work, on_progress, reads=_clip_of, writes=_folder_of):
        if isinstance(result, LsvidError) and not isinstance(result, ClipError):
            raise result  # the next clip would fail by it as well
        results[position] = result
    return [results[position] for position in range(len(wanted))]


def _clip_of(job: _Job) -> str:
    return job.wanted.path


def _folder_of(job: _Job) -> str:
    return job.wanted.folder


def picture_name(frame: int, n_frames: int, picture_format: str) -> str:
    """The file name of picture `frame` of a clip of `n_frames`: six digits or more, so that names sort."""
    return f"{frame:0{max(6, len(str(n_frames - 1)))}d}.{picture_format}"


def write_clip(job: _Job, report: Report) -> Pictures:
    """Write the pictures of one clip, several threads encoding while one decodes.

    Raises ClipError, DataError, and ServerError.
    """
    path, folder = job.wanted.path, job.wanted.folder
    info = probe(path)
    names = {int(f): picture_name(int(f), info.index.n_frames, job.options.format) for f in job.wanted.frames}
    state = json.dumps({"version": 1, "fingerprint": info.fingerprint} | asdict(job.options))
    try:
        with _in_s3(folder) if storage.is_s3(folder) else nullcontext(_Folder(Path(folder))) as place:
            there = place.prepare(set(names.values()), state)
            todo = [frame for frame in sorted(names) if names[frame] not in there]
            report(len(there))
            with ThreadPoolExecutor(job.threads) as pool:
                writer = _Writer(place, names, job.options, pool, 2 * job.threads + 2)
                try:
                    segments = _segments(info, todo)
                    with closing(_Decoder(path, job.threads)) as decoder:
                        for segment, following in zip(segments, [*segments[1:], None], strict=False):
                            sound = decoder.decode(segment, writer.take, go_on=_is_near(info, segment, following))
                            if sound is None:
                                writer.forget()
                                sound = _decode_carefully(path, info, segment, writer.take)
                            writer.keep(sound)
                            report(len(there) + len(writer.written))
                    writer.finish()
                finally:
                    writer.abandon()
    except OSError as error:
        raise DataError(
            f"cannot write pictures into {folder}: {error.strerror or error}",
            "free some space and run the same command again: it goes on where it stopped",
        ) from error
    return Pictures(len(writer.written), len(there), [frame for frame in todo if frame not in writer.written])


# --- Where pictures go ------------------------------------------------------------------------------------------------


class _Place(Protocol):
    """Where the pictures of a clip go, each whole or not at all. work: the folder for unfinished ones."""

    work: Path

    def prepare(self, wanted: set[str], state: str) -> set[str]:
        """The names of the pictures wanted that are there, made by the same `state`; all others are removed."""
        ...

    def publish(self, unfinished: Path, name: str) -> None:
        """Move a picture that is done to its place."""
        ...

    def finish(self) -> None:
        """Wait until all published are there."""
        ...


class _Folder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.work = folder

    def prepare(self, wanted: set[str], state: str) -> set[str]:
        self.work.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.work)
        file = self.work / _STATE
        known = file.read_text(encoding="utf-8") if file.exists() else None
        _remove_pictures(self.work, keep=wanted if known == state else set())
        if known != state:
            file.unlink(missing_ok=True)
            temporary = unfinished(file)
            temporary.write_text(state, encoding="utf-8")
            temporary.replace(file)
        return {entry.name for entry in os.scandir(self.work) if entry.name in wanted}

    def publish(self, unfinished: Path, name: str) -> None:
        unfinished.replace(self.work / name)

    def finish(self) -> None:
        pass


@contextmanager
def _in_s3(uri: str) -> "Iterator[_Prefix]":
    with unfinished_folder() as work, ThreadPoolExecutor(_UPLOADS) as pool:
        yield _Prefix(storage.folder_uri(uri), work, pool)


_UPLOADS = 16


class _Prefix:
    """A prefix in S3; pictures are uploaded while others are made."""

    def __init__(self, uri: str, work: Path, pool: ThreadPoolExecutor) -> None:
        self.work, self._uri, self._pool = work, uri, pool
        self._uploads: deque[Future[None]] = deque()

    def prepare(self, wanted: set[str], state: str) -> set[str]:
        known = storage.read_bytes(self._uri + _STATE)
        names = {uri.removeprefix(self._uri) for uri, _ in storage.list_objects(self._uri)}
        pictures = {name for name in names if _PICTURE.fullmatch(name)}
        there = pictures & wanted if known == state.encode() else set()
        deque(self._pool.map(storage.remove, [self._uri + name for name in pictures - there]), maxlen=0)
        if known != state.encode():
            storage.write_bytes(state.encode(), self._uri + _STATE)
        return there

    def publish(self, unfinished: Path, name: str) -> None:
        self._uploads.append(self._pool.submit(self._upload, unfinished, name))
        if len(self._uploads) > 4 * _UPLOADS:
            self._uploads.popleft().result()

    def _upload(self, unfinished: Path, name: str) -> None:
        storage.write_bytes(unfinished.read_bytes(), self._uri + name)
        unfinished.unlink()

    def finish(self) -> None:
        while self._uploads:
            self._uploads.popleft().result()


def _remove_pictures(folder: Path, keep: Collection[str] = ()) -> None:
    with suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if _PICTURE.fullmatch(entry.name) and entry.name not in keep:
                Path(entry.path).unlink(missing_ok=True)


def remove_unwanted(folder: str, wanted: Collection[str]) -> None:
    """Remove the pictures that an earlier run left in `folder`/case/clip, but for the folders `wanted`."""
    if storage.is_s3(folder):
        names = [uri.removeprefix(storage.folder_uri(folder)) for uri, _ in storage.list_objects(folder)]
        ours = {name.rpartition("/")[0] for name in names if name.count("/") == 2 and name.endswith(f"/{_STATE}")}
        for name in names:
            inner, _, file = name.rpartition("/")
            unwanted = inner in ours and f"{storage.folder_uri(folder)}{inner}" not in wanted
            if unwanted and (file == _STATE or _PICTURE.fullmatch(file)):
                storage.remove(storage.folder_uri(folder) + name)
        return
    for state in list(Path(folder).glob(f"*/*/{_STATE}")):
        if state.parent not in {Path(one) for one in wanted}:
            _remove_pictures(state.parent)
            state.unlink()
            with suppress(OSError):  # it holds what somebody else put there
                state.parent.rmdir()


# --- Decoding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    """The pictures with `begin` <= PTS < `end`, from one key picture to the next; `wanted`: PTS to picture number.

    key: which key picture; -1: those before the first. before: PTS of the key picture before it, None where there is
    none.
    """

    key: int
    before: int | None
    begin: int
    end: float
    wanted: dict[int, int]


def _segments(info: VideoInfo, frames: Sequence[int]) -> list[_Segment]:
    """The segments that hold `frames`, in order."""
    pts = info.index.pts[np.array(frames, dtype=np.int64)]
    keys = info.key_pts
    which = np.searchsorted(keys, pts, side="right") - 1
    segments = []
    for key in map(int, np.unique(which)):
        wanted: dict[int, int] = {}
        for position in np.flatnonzero(which == key):
            wanted.setdefault(int(pts[position]), frames[position])  # of two with the same PTS nobody knows which
        end = int(keys[key + 1]) if key + 1 < len(keys) else math.inf
        before = int(keys[key - 1]) if key > 0 else None
        segments.append(_Segment(key, before, int(keys[key]) if key >= 0 else int(pts[0]), end, wanted))
    return segments


def _is_near(info: VideoInfo, segment: _Segment, following: _Segment | None) -> bool:
    """Whether it is cheaper to decode on to the following segment than to begin anew there."""
    if following is None or following.key != segment.key + 1:
        return False
    first, last = np.searchsorted(info.index.pts, [max(segment.wanted), segment.end])
    return int(last - first) <= _NEAR


class _Decoder:
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
        self, segment: _Segment, take: Callable[[int, "VideoFrame"], None], *, go_on: bool, from_before: bool = False
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

    def _frames(self, segment: _Segment, *, go_on: bool) -> "Iterator[VideoFrame]":
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

    def _of(self, segment: _Segment, frames: "Sequence[VideoFrame]") -> "Iterator[VideoFrame]":
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


def _decode_carefully(
    path: str, info: VideoInfo, segment: _Segment, take: Callable[[int, "VideoFrame"], None]
) -> set[int]:
    """What `_Decoder.decode` gives from one thread, packet by packet, from the key picture before.

    One thread, so that an error belongs to the packet just given; from before, since a container may call a picture a
    key picture that is none.
    """
    with closing(_Decoder(path, threads=1)) as decoder:
        return decoder.decode(segment, take, go_on=False, from_before=True) or set()


# --- Writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    """Encodes pictures in threads into files that nobody sees, until they are known to be sound."""

    def __init__(
        self, place: _Place, names: Mapping[int, str], options: PictureOptions, pool: ThreadPoolExecutor, limit: int
    ) -> None:
        self._place, self._names, self._options, self._pool, self._limit = place, names, options, pool, limit
        self._taken: dict[int, Future[None]] = {}
        self._kept: deque[tuple[int, Future[None]]] = deque()
        self.written: set[int] = set()

    def take(self, number: int, frame: "VideoFrame") -> None:
        """Begin to encode picture `number`; waits where too many are under way."""
        running = [*(future for _, future in self._kept), *self._taken.values()]
        if sum(not future.done() for future in running) >= self._limit:
            next(future for future in running if not future.done()).result()
        self._taken[number] = self._pool.submit(self._write, number, frame)

    def keep(self, sound: Collection[int]) -> None:
        """Of the pictures taken since, the `sound` ones get their names; the others are forgotten."""
        self._kept.extend((number, self._taken.pop(number)) for number in sorted(sound))
        self.forget()
        while self._kept and self._kept[0][1].done():
            self._publish()

    def finish(self) -> None:
        """Wait for all that are to be kept."""
        while self._kept:
            self._publish()
        self._place.finish()

    def abandon(self) -> None:
        """Drop all that has not been published."""
        self._taken.update(self._kept)
        self._kept.clear()
        self.forget()

    def forget(self) -> None:
        """Drop the pictures taken and not kept."""
        for number, future in self._taken.items():
            future.cancel()
            wait([future])
            self._unfinished(number).unlink(missing_ok=True)
        self._taken.clear()

    def _publish(self) -> None:
        number, future = self._kept[0]
        future.result()
        self._place.publish(self._unfinished(number), self._names[number])
        self._kept.popleft()
        self.written.add(number)

    def _unfinished(self, number: int) -> Path:
        return unfinished(self._place.work / self._names[number])

    def _write(self, number: int, frame: "VideoFrame") -> None:
        data = encode(resized(upright_image(frame), self._options), self._options)
        self._unfinished(number).write_bytes(data)


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


def resized(image: Image, options: PictureOptions) -> Image:
    """`image` in the size asked for."""
    import cv2  # noqa: PLC0415 - takes a fifth of a second to import

    height, width = image.shape[:2]
    if options.size:
        target = options.size
    elif options.short_side:
        scale = options.short_side / min(width, height)
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
    else:
        return image
    smaller = target[0] * target[1] < width * height
    return cv2.resize(image, target, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR).astype(np.uint8)


def encode(image: Image, options: PictureOptions) -> bytes:
    """The bytes of an image file of `image`."""
    import cv2  # noqa: PLC0415

    quality = options.quality or _DEFAULT_QUALITY.get(options.format, 0)
    parameters = {
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 1],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }
    done, data = cv2.imencode(f".{options.format}", image, parameters[options.format])
    if not done:
        raise ClipError(f"a picture of {image.shape[1]}x{image.shape[0]} cannot be written as {options.format}")
    return data.tobytes()
