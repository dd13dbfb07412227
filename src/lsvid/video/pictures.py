"""Writes pictures of clips as image files, each whole or not at all. One thread decodes a clip once, while others
encode.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, LsvidError, SettingsError
from lsvid.files.folders import Folder, folder_at
from lsvid.files.unfinished import unfinished
from lsvid.video.decode import Image, Reader, upright_image
from lsvid.video.index import VideoInfo, probe
from lsvid.video.timebase import pack_pts, unpack_pts
from lsvid.workers.processes import Processes, Report, Workers

if TYPE_CHECKING:
    from av import VideoFrame

FORMATS = ("jpg", "png", "webp")
_DEFAULT_QUALITY = {"jpg": 95, "webp": 90}
_RECORD = ".pictures.json"
_MOST_FRAMES = 100_000_000
_PICTURE = re.compile(r"\d{6,}\.(?:jpg|png|webp)")


@dataclass(frozen=True)
class PictureOptions:
    """The form of picture files.

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
            raise SettingsError("PNG is lossless: it has no quality", "leave <<quality>> out, or choose jpg or webp")
        if self.size and self.short_side:
            raise SettingsError("<<size>> and <<short_side>> exclude each other", "give one of the two")


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
    """The result for a clip's pictures. written: now. kept: from an earlier run. missing: they cannot be decoded."""

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
    """Write the pictures of each clip. Returns a result for each, in order; for a clip that fails, its error.

    Files appear whole or not at all. Those of an earlier run with the same options are kept, and those that are not
    wanted any more are removed. `on_progress` gets a clip's position and how many of its pictures are done.
    Raises DataError if the disk is full, SettingsError, and ServerError.
    """
    workers = workers or Processes()
    work = [_Job(one, options, workers.threads(len(wanted))) for one in wanted]
    results: dict[int, Pictures | LsvidError] = {}
    for position, result in workers.run_each(write_clip, work, on_progress, reads=_clip_of, writes=_folder_of):
        if isinstance(result, LsvidError) and not isinstance(result, ClipError):
            raise result  # the next clip would fail in the same way
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
    """Write the pictures of one clip; threads encode while others decode.

    Raises ClipError, DataError, and ServerError.
    """
    path, folder = job.wanted.path, folder_at(job.wanted.folder)
    info = probe(path)
    record = _Record.of(info, job.wanted.frames, job.options)
    names = dict(zip(map(int, job.wanted.frames), record.names, strict=True))
    there = _prepare(folder, record)
    todo = [frame for frame in sorted(names) if names[frame] not in there]
    report(len(there))
    with folder.workshop("pictures") as work, folder.putting() as put, ThreadPoolExecutor(job.threads) as pool:
        writer = _Writer(work, put, names, job.options, pool, 2 * job.threads + 2)
        try:
            with closing(Reader(path, info, job.threads)) as reader, closing(reader.frames(todo)) as frames:
                for number, frame in frames:
                    if frame is not None:
                        writer.take(number, frame)
                    if len(writer.written) % _REPORTED == 0:
                        report(len(there) + len(writer.written))
            writer.finish()
            report(len(there) + len(writer.written))
        finally:
            writer.abandon()
    return Pictures(len(writer.written), len(there), [frame for frame in todo if frame not in writer.written])


# --- Which pictures are ours ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Record:
    """The record beside a clip's pictures: from which video they are, how they were made, and their names.

    It is written before the pictures, so a killed run leaves no picture that is not listed.
    """

    made: dict[str, Any]
    frames: list[tuple[int, int]]
    """The numbers of the pictures as half-open ranges."""

    @classmethod
    def of(cls, info: VideoInfo, frames: npt.NDArray[np.int64], options: PictureOptions) -> "_Record":
        made = {"fingerprint": info.fingerprint, "n_frames": info.index.n_frames} | asdict(options)
        return cls(json.loads(json.dumps(made)), stretches(map(int, frames)))

    @classmethod
    def read(cls, folder: Folder, present: Collection[str]) -> "_Record | None":
        """The record in `folder`; None if there is none of lsvid."""
        try:
            found = json.loads(folder.read(_RECORD) or b"")
            if found.pop("version") == 1:  # a run of that version removed all other files
                numbers = sorted(int(name.partition(".")[0]) for name in present if name.endswith(found["format"]))
                return cls(found | {"n_frames": 0}, stretches(numbers))
            frames = [(int(start), int(stop)) for start, stop in found.pop("frames")]
            if all(0 <= start < stop <= int(found["n_frames"]) <= _MOST_FRAMES for start, stop in frames):
                return cls(found | {"format": str(found["format"])}, frames)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        return None

    @property
    def names(self) -> list[str]:
        """The names of the pictures."""
        n_frames, ending = self.made["n_frames"], self.made["format"]
        return [picture_name(frame, n_frames, ending) for start, stop in self.frames for frame in range(start, stop)]

    def as_json(self) -> bytes:
        return json.dumps({"version": 2} | self.made | {"frames": self.frames}).encode()


def _prepare(folder: Folder, record: _Record) -> set[str]:
    """The names of the pictures of `record` that exist already, made in the same way. Other pictures of an earlier run
    are removed. Raises SettingsError if a picture would replace a file that is not lsvid's.
    """
    sizes = {name: size for name, size in folder.matching("[0-9]*").items() if _PICTURE.fullmatch(name)}
    present = set(sizes)
    wanted, old = set(record.names), _Record.read(folder, present)
    ours = set(old.names) if old else set()
    if taken := (present & wanted) - ours:
        raise SettingsError(
            f"{folder.uri} holds {min(taken)}, which no earlier run wrote: it would be overwritten",
            "choose another place to write to, or remove the file",
        )
    kept = ours & wanted if old and old.made == record.made else set()
    folder.remove(sorted((ours - kept) & present))
    if old != record:
        folder.write(record.as_json(), _RECORD)
    # Some S3 services keep an empty object of an upload that was killed (SeaweedFS 4.48).
    return {name for name in kept & present if sizes[name]}


def remove_unwanted(folder: Folder, wanted: Collection[str]) -> None:
    """Remove the pictures that an earlier run left in `folder`/case/clip, except in `wanted` folders (case/clip)."""
    for name in folder.named(_RECORD, 2):
        inner = name.rpartition("/")[0]
        if inner in wanted:
            continue
        place = folder.inner(inner)
        present = set(place.matching("[0-9]*"))
        record = _Record.read(place, present)
        if record is not None:
            folder.remove(f"{inner}/{one}" for one in sorted(present & set(record.names)))
            folder.remove([name])


def stretches(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers in `frames`, ascending, as half-open ranges."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return runs


_REPORTED = 16
"""A clip's progress is told after so many pictures."""


class _Writer:
    """Encodes pictures in threads into hidden files, and then gives these their names."""

    def __init__(
        self,
        work: Path,
        put: Callable[[Path, str], None],
        names: Mapping[int, str],
        options: PictureOptions,
        pool: ThreadPoolExecutor,
        limit: int,
    ) -> None:
        self._work, self._put, self._names, self._options = work, put, names, options
        self._pool, self._limit = pool, limit
        self._taken: deque[tuple[int, Future[None]]] = deque()
        self.written: set[int] = set()

    def take(self, number: int, frame: "VideoFrame") -> None:
        """Begin to encode picture `number`; waits if too many are under way."""
        while self._taken and (len(self._taken) >= self._limit or self._taken[0][1].done()):
            self._publish()
        self._taken.append((number, self._pool.submit(self._write, self._unfinished(number), frame)))

    def finish(self) -> None:
        """Wait until all pictures are written."""
        while self._taken:
            self._publish()

    def abandon(self) -> None:
        """Drop all that has not been published."""
        for number, future in self._taken:
            future.cancel()
            wait([future])
            self._unfinished(number).unlink(missing_ok=True)
        self._taken.clear()

    def _publish(self) -> None:
        number, future = self._taken[0]
        future.result()
        self._put(self._unfinished(number), self._names[number])
        self._taken.popleft()
        self.written.add(number)

    def _unfinished(self, number: int) -> Path:
        return unfinished(self._work / self._names[number])

    def _write(self, file: Path, frame: "VideoFrame") -> None:
        data = encode(resized(upright_image(frame), self._options), self._options)
        file.write_bytes(data)


def resized(image: Image, options: PictureOptions) -> Image:
    """`image` in the wanted size."""
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
