"""Reads video files: their frame index, and what a browser needs to know about a clip."""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lsvid.errors import ClipError, LsvidError
from lsvid.files import storage
from lsvid.files.paths import absolute, readers_per_core, resolved
from lsvid.progress import Progress, unheard
from lsvid.video.boxes import unneeded
from lsvid.video.container import film_of, metadata, only, open_container, unreadable
from lsvid.video.packets import Packets, read_packets
from lsvid.video.timebase import FrameIndex, PackedFrameIndex, PtsArray, as_fraction, pack_pts, unpack_pts

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from lsvid.workers.processes import Report, Workers  # with multiprocessing behind it

_CACHE_VERSION = 6
_S3_JOBS = 16
_AV_TIME_BASE = 1_000_000
"""FFmpeg gives a container's duration in microseconds."""


@dataclass(frozen=True)
class VideoInfo:
    """The facts of a video file from one pass over its packets, without decoding.

    fingerprint: hex, equal for equal sequences of packet sizes and PTS; identifies the content without hashing it.
    recorded_at: the container's creation time, as written there (ISO 8601), if there is one.
    stream: the number of the stream that is the film. leading: packets before the first picture that can be decoded.
    notes: facts that a person should know; in messages each follows the file's name.
    n_lost: pictures that are missing at the end of a file that was cut off, as far as it is known.
    key_pts: ascending PTS of the key pictures, at which decoding can begin; some may lie before the first one shown.
    """

    index: FrameIndex
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    has_audio: bool
    size: int
    fingerprint: str
    recorded_at: str | None
    n_lost: int = 0
    stream: int = 0
    leading: int = 0
    notes: tuple[str, ...] = ()
    key_pts: PtsArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64), compare=False)


def probe(path: str | Path, *, remember: bool = True) -> VideoInfo:
    """The frame index and format of the video at `path` (of a file, or an `s3://` URI).

    The result is cached by path, size and modification time or ETag. From S3 only the parts that hold the index are
    read. Raises ClipError if it cannot be read, holds no video, or its packets carry no presentation times;
    ServerError.
    """
    path = os.fspath(path)
    stat = storage.stat(path)
    cached = _cache_file(path)
    signature = f"{stat.size}-{stat.signature}"
    known = _from_cache(cached, signature)
    if known is not None:
        return known
    if stat.size == 0:
        raise ClipError(f"{path} is empty (0 bytes)", "copy the clip again from its source")
    import av  # noqa: PLC0415 - not needed where every index is in the cache

    media = storage.open_media(path, stat, unneeded)
    with open_container(media, path) as container:
        try:
            info = _read(container, media, path, stat.size)
        except (av.FFmpegError, OSError) as error:
            raise unreadable(path, error) from error
    info = replace(info, index=PackedFrameIndex.of(info.index))
    if remember:
        _to_cache(cached, signature, info)
    return info


def probe_all(
    paths: Sequence[str | Path], on_done: Progress = unheard, workers: "Workers | None" = None
) -> list[VideoInfo | ClipError]:
    """`probe` of each path, in their order; for an unreadable file, its ClipError.

    Files that are not in this machine's cache are read by `workers` (None: processes of this machine), and then cached.
    `on_done` is called with 1 and the total after each, in the caller's thread. Raises ServerError and SettingsError.
    """
    results: list[VideoInfo | ClipError | None] = []
    with ThreadPoolExecutor(_S3_JOBS) as pool:  # threads, since they wait: for the disk, or for S3
        for result in pool.map(_remembered, paths):
            results.append(result)
            if result is not None:
                on_done(1, len(paths))
    unknown = [position for position, result in enumerate(results) if result is None]
    if unknown:
        from lsvid.workers.processes import Processes, cores  # noqa: PLC0415 - multiprocessing comes with it

        asked = [os.fspath(paths[position]) for position in unknown]
        asked = [absolute(path) for path in asked]
        workers = workers or Processes(readers_per_core(asked[0]) * cores())
        for number, found in workers.run_each(_probe_reported, asked, reads=str):
            if isinstance(found, LsvidError) and not isinstance(found, ClipError):
                raise found  # the next clip would fail in the same way
            results[unknown[number]] = found
            if isinstance(found, VideoInfo) and workers.elsewhere:
                _remember(asked[number], found)
            on_done(1, len(paths))
    return [result for result in results if result is not None]


def _probe_reported(path: str, report: "Report") -> VideoInfo:
    return probe(path)


def _remembered(path: str | Path) -> VideoInfo | ClipError | None:
    """The cached result for the video at `path`; None if the file must be read."""
    path = os.fspath(path)
    try:
        stat = storage.stat(path)
    except ClipError as error:
        return error
    return _from_cache(_cache_file(path), f"{stat.size}-{stat.signature}")


def _remember(path: str, info: VideoInfo) -> None:
    with suppress(ClipError):  # it has disappeared since
        stat = storage.stat(path)
        if stat.size == info.size:
            _to_cache(_cache_file(path), f"{stat.size}-{stat.signature}", info)


def _read(container: "InputContainer", media: "str | storage.S3File", path: str, size: int) -> VideoInfo:
    number, n_films = film_of(container, media, path)
    stream = only(container, number)
    if stream.time_base is None:
        raise ClipError(
            f"{path} has no time base: FFmpeg does not know the times of its pictures", "convert it with ffmpeg"
        )
    time_base = as_fraction(stream.time_base)
    packets = read_packets(container, stream, media, path)
    times = packets.pts
    last_duration = int(packets.durations[-1]) or (int(times[-1] - times[-2]) if len(times) > 1 else 0)
    if last_duration <= 0 and stream.average_rate:
        last_duration = round(1 / (as_fraction(stream.average_rate) * time_base))
    if last_duration <= 0:
        raise ClipError(f"{path} has one picture and no frame rate", "leave it out, or encode it again with a rate")
    index = FrameIndex(
        pts=times,
        time_base=time_base,
        last_duration=last_duration,
        duration_s=Fraction(container.duration, _AV_TIME_BASE)
        if container.duration
        else (int(times[-1]) + last_duration) * time_base,
        container_start_s=_container_start_s(container, int(times[0]) * time_base),
    )
    digest = hashlib.sha256(str(time_base).encode())
    digest.update(times.astype("<i8").tobytes())
    digest.update(packets.sizes.astype("<i8").tobytes())
    context = stream.codec_context
    n_listed = stream.frames if "mp4" in container.format.name else 0  # other containers only estimate it
    n_lost = max(0, n_listed - packets.n_packets) + packets.trailing
    return VideoInfo(
        index=index,
        container=container.format.name,
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        width=context.width,
        height=context.height,
        has_audio=bool(container.streams.audio),
        size=size,
        fingerprint=digest.hexdigest()[:32],
        recorded_at=metadata(container, "com.apple.quicktime.creationdate")
        or metadata(container, "creation_time")
        or None,
        key_pts=np.unique(np.array(packets.keys, dtype=np.int64)),
        n_lost=n_lost,
        stream=number,
        leading=packets.leading,
        notes=tuple(_notes(packets, stream, n_films, n_lost)),
    )


def _container_start_s(container: "InputContainer", first_s: Fraction) -> Fraction:
    """The time at which desktop programs count zero: measured with VLC 3, mpv and ffmpeg. `first_s`: the first PTS."""
    names = container.format.name
    if "mp4" in names or "matroska" in names:
        return Fraction(0)  # their times count from the file's own zero
    # An AVI file holds no times; those that FFmpeg gives it begin with the first of decoding.
    told = names != "avi" and container.start_time is not None
    start_s = Fraction(container.start_time or 0, _AV_TIME_BASE) if told else first_s
    if abs(start_s - first_s) * _AV_TIME_BASE < 1:  # rounded
        start_s = first_s
    return start_s - min(first_s, Fraction(0))


def _notes(packets: Packets, stream: "VideoStream", n_films: int, n_lost: int) -> "Iterator[str]":
    if n_films > 1:
        context = stream.codec_context
        yield (
            f"holds {n_films} streams of pictures: its frames are those of stream {stream.index} "
            f"({context.name}, {context.width}x{context.height})"
        )
    if packets.leading:
        yield (
            "begins in the middle of a recording: what comes before its first whole picture cannot be decoded and has "
            f"no number ({packets.leading} packets)"
        )
    if packets.trouble:
        yield f"cannot be read to its end ({packets.trouble}): its frames are the {len(packets.pts)} before that"
    elif n_lost:
        yield f"was cut off: its last {n_lost} pictures are missing"


# --- The cache: one small file a clip; losing it costs only time ----------------------------------------------------


class _Entry(msgspec.Struct, array_like=True):
    version: int
    signature: str
    pts_deltas: bytes
    key_deltas: bytes
    time_base: tuple[int, int]
    last_duration: int
    duration_s: tuple[int, int]
    container_start_s: tuple[int, int]
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    has_audio: bool
    size: int
    fingerprint: str
    recorded_at: str | None
    n_lost: int
    stream: int
    leading: int
    notes: tuple[str, ...]


def cache_dir() -> Path:
    """The folder of cached frame indexes: LSVID_CACHE_DIR, or lsvid in the user's cache folder; without one, a folder
    that is removed with the process.
    """
    if given := os.environ.get("LSVID_CACHE_DIR"):
        return Path(given)
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "lsvid"
    try:
        return Path.home() / ".cache" / "lsvid"
    except RuntimeError:  # a user without a home, in a container
        return Path(_no_home().name)


@cache
def _no_home() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="lsvid-")


def _cache_file(path: str) -> Path:
    name = hashlib.sha256(os.fsencode(resolved(path))).hexdigest()[:32]
    return cache_dir() / "frame-index" / f"{name}.msgpack"


_DIGEST_BYTES = 16


def _digest(content: bytes) -> bytes:
    """The checksum at the start of an entry: a changed bit on the disk would mean wrong labels on every frame."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _from_cache(file: Path, signature: str) -> VideoInfo | None:
    try:
        content = file.read_bytes()
        if content[:_DIGEST_BYTES] != _digest(content[_DIGEST_BYTES:]):
            return None
        entry = msgspec.msgpack.decode(content[_DIGEST_BYTES:], type=_Entry)
        if entry.version != _CACHE_VERSION or entry.signature != signature:
            return None
        unpack_pts(entry.pts_deltas)  # sound?
        key_pts = unpack_pts(entry.key_deltas)
    except (OSError, msgspec.DecodeError, zlib.error, ValueError):
        return None  # absent, or left by another version or by a full disk
    return VideoInfo(
        index=PackedFrameIndex(
            entry.pts_deltas,
            Fraction(*entry.time_base),
            entry.last_duration,
            Fraction(*entry.duration_s),
            Fraction(*entry.container_start_s),
        ),
        key_pts=key_pts,
        **{name: getattr(entry, name) for name in _PLAIN_FIELDS},
    )


def _to_cache(file: Path, signature: str, info: VideoInfo) -> None:
    index = info.index
    entry = _Entry(
        version=_CACHE_VERSION,
        signature=signature,
        pts_deltas=pack_pts(index.pts),
        key_deltas=pack_pts(info.key_pts),
        time_base=index.time_base.as_integer_ratio(),
        last_duration=index.last_duration,
        duration_s=index.duration_s.as_integer_ratio(),
        container_start_s=index.container_start_s.as_integer_ratio(),
        **{name: getattr(info, name) for name in _PLAIN_FIELDS},
    )
    temporary = file.with_suffix(f".{os.getpid()}.{id(info)}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        content = msgspec.msgpack.encode(entry)
        temporary.write_bytes(_digest(content) + content)
        temporary.replace(file)
    except OSError:  # go on without a cache
        with suppress(OSError):
            temporary.unlink()


_PLAIN_FIELDS = [field for field in VideoInfo.__dataclass_fields__ if field not in ("index", "key_pts")]
