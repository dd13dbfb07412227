"""Pictures of clips as image files, each whole or not at all; a clip is decoded once, while others encode."""

import json
import os
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.files import storage
from lsvid.files.unfinished import remove_leftovers, unfinished, unfinished_folder
from lsvid.video.decode import Decoder, Image, decode_carefully, is_near, segments_of, upright_image
from lsvid.video.index import probe
from lsvid.video.timebase import pack_pts, unpack_pts
from lsvid.workers.processes import Processes, Report, Workers

if TYPE_CHECKING:
    from av import VideoFrame

FORMATS = ("jpg", "png", "webp")
_DEFAULT_QUALITY = {"jpg": 95, "webp": 90}
_STATE = ".pictures.json"
_PICTURE = re.compile(r"\d{6,}\.(?:jpg|png|webp)")


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
                    segments = segments_of(info, todo)
                    with closing(Decoder(path, info, job.threads)) as decoder:
                        for segment, following in zip(segments, [*segments[1:], None], strict=False):
                            sound = decoder.decode(segment, writer.take, go_on=is_near(info, segment, following))
                            if sound is None:
                                writer.forget()
                                sound = decode_carefully(path, info, segment, writer.take)
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
