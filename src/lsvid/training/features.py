"""Features: a function of the user computes them for every sampled picture of a case; they are as long as its labels.

`features/CASE.npy`    float32, shape (D, T), as MS-TCN, ASFormer, DiffAct and LTContext read them
`features/CASE.json`   their sources, so that a second run makes only what is missing or different
`features.hdf5`        if asked for: all of them in one file, see write_hdf5

T is the number of pictures that the frame table has for the case at the same rate, over all its clips.
"""

import importlib
import io
import itertools
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from glob import escape
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.files.folders import Folder, folder_at, writing
from lsvid.files.outputs import as_json
from lsvid.labels.naming import safe_ids
from lsvid.progress import Progress, unheard
from lsvid.training.clips import TrainingClip
from lsvid.training.windows import check_fps
from lsvid.video.decode import Image, Reader, check_size
from lsvid.video.timebase import PackedFrameIndex, sample_frames
from lsvid.workers.processes import Processes, Report, Workers, cores

FeatureArray = npt.NDArray[np.float32]
Extractor = Callable[[Image], Any]
"""A function from pictures, uint8 (B, H, W, 3), RGB, to features, float (B, D)."""

MISSING = ("raise", "repeat")
FORMATS = ("npy", "hdf5")


@dataclass(frozen=True)
class FeatureOptions:
    """How pictures are sampled and given to the extractor.

    fps: pictures a second, sampled as in the frame table. batch: pictures that the extractor gets at a time. size,
    short_side: see lsvid.video.decode.pictures. missing: with "raise", a picture that cannot be decoded raises
    ClipError; with "repeat", it gets the features of the picture before it, or else after it, and is counted. format:
    "npy", or "hdf5" for one more file with all cases.
    """

    fps: float | str | Fraction = 1
    batch: int = 32
    size: tuple[int, int] | None = None
    short_side: int | None = None
    missing: str = "raise"
    format: str = "npy"

    def __post_init__(self) -> None:
        check_fps(self.fps)
        if self.format not in FORMATS:
            raise SettingsError(f"format {self.format!r}: choose from {', '.join(FORMATS)}")
        check_size(self.size, self.short_side)
        if self.batch < 1:
            raise SettingsError(f"batch {self.batch}: 1 or more")
        if self.missing not in MISSING:
            raise SettingsError(f"missing {self.missing!r}: choose from {', '.join(MISSING)}")


@dataclass(frozen=True)
class CaseFeatures:
    """The features of a case: the file `path`, for n_frames (T) pictures, with `dimensions` (D) values each.

    missing: how many pictures could not be decoded. made: whether this run made them, not an earlier one.
    """

    case: str
    path: str
    n_frames: int
    dimensions: int
    missing: int
    made: bool


@dataclass(frozen=True)
class _Job:
    case: str
    name: str
    clips: tuple[TrainingClip, ...]
    extractor: Extractor | str
    options: FeatureOptions
    folder: str
    places: tuple[str, ...]
    """Folders in which Python looks for the extractor's module."""
    threads: int


def write_features(
    clips: Sequence[TrainingClip],
    extractor: Extractor | str,
    folder: str | Path,
    options: FeatureOptions,
    workers: Workers | None = None,
    on_progress: Progress = unheard,
) -> list[CaseFeatures | LsvidError]:
    """Write the features of each case into `folder`/features (or below an S3 prefix); a failed case gives its error.

    extractor: a function (see Extractor), which runs in this process; or its name, "module:function", which runs in
    `workers`. Cases that an earlier run made with the same options, clips and name are kept. on_progress gets the
    pictures done since its last call, and the total. If `folder` holds labels of these cases in the format mstcn, there
    must be as many. Raises SettingsError, DataError, ServerError.
    """
    target = folder_at(folder)
    cases = cases_of(clips)
    if not cases:
        raise DataError("there is no clip to make features of", "name exports with annotated clips")
    named = isinstance(extractor, str)
    if options.format == "hdf5":
        _h5py()  # reported before hours of work
    if isinstance(extractor, str):
        load_extractor(extractor, (str(Path.cwd()),))  # so that a typing error is reported at once
    workers = workers or Processes(None if named else 1)
    names = safe_ids(cases)
    jobs = [
        _Job(case, name, tuple(map(_packed, cases[case])), extractor, options, target.inner("features").address,
             (str(Path.cwd()),), workers.threads(len(cases)))
        for case, name in zip(cases, names, strict=True)
    ]  # fmt: skip
    for job in jobs:
        _check_labels(target, job)
    total, done = sum(sum(map(len, sampled_frames(job.clips, options.fps))) for job in jobs), [0] * len(jobs)

    def on_case(position: int, count: float) -> None:
        on_progress(max(int(count) - done[position], 0), total)
        done[position] = max(int(count), done[position])

    results: dict[int, CaseFeatures | LsvidError] = {}
    for position, result in _run(jobs, workers if named else None, on_case):
        if isinstance(result, LsvidError) and not isinstance(result, ClipError):
            raise result  # the next case would fail in the same way
        results[position] = _with_traceback(result)
    in_order = [results[position] for position in range(len(jobs))]
    made = [result for result in in_order if isinstance(result, CaseFeatures)]
    if options.format == "hdf5" and len(made) == len(in_order):
        with writing(target.uri), target.scratch() as scratch:
            write_hdf5(made, cases, target.inner("features"), scratch / HDF5, options)
            target.put(scratch / HDF5, HDF5)
    return in_order


HDF5 = "features.hdf5"


def features(
    clips: Sequence[TrainingClip],
    extractor: Extractor | str,
    options: FeatureOptions,
    on_progress: Progress = unheard,
) -> dict[str, FeatureArray]:
    """The features of each case, float32, shape (D, T), computed in this process. See write_features.

    Raises ClipError, DataError, SettingsError, ServerError.
    """
    function = load_extractor(extractor, (str(Path.cwd()),)) if isinstance(extractor, str) else extractor
    frames = {case: sampled_frames(members, options.fps) for case, members in cases_of(clips).items()}
    total, done = sum(len(some) for of_case in frames.values() for some in of_case), 0
    made = {}
    for case, members in cases_of(clips).items():
        job = _Job(case, case, tuple(members), extractor, options, "", (), cores())
        begin = done

        def report(count: float, begin: int = begin) -> None:
            nonlocal done
            on_progress(begin + int(count) - done, total)
            done = begin + int(count)

        values, _ = _features(job, function, frames[case], report)
        made[case] = np.ascontiguousarray(values.T)
    return made


def _run(
    jobs: Sequence[_Job], workers: Workers | None, on_progress: Callable[[int, float], None]
) -> Iterator[tuple[int, CaseFeatures | LsvidError]]:
    if workers is not None:
        yield from workers.run_each(write_case, jobs, on_progress, reads=_first_clip, writes=_folder_of)
        return
    for position, job in enumerate(jobs):
        try:
            yield position, write_case(job, partial(on_progress, position))
        except ClipError as error:
            yield position, error


def _first_clip(job: _Job) -> str:
    return job.clips[0].path


def _folder_of(job: _Job) -> str:
    return job.folder


def _packed(clip: TrainingClip) -> TrainingClip:
    return replace(clip, info=replace(clip.info, index=PackedFrameIndex.of(clip.info.index)), spans=None)


def cases_of(clips: Sequence[TrainingClip]) -> dict[str, list[TrainingClip]]:
    """The clips of each case, in order."""
    cases: dict[str, list[TrainingClip]] = {}
    for clip in clips:
        cases.setdefault(clip.case, []).append(clip)
    return cases


def sampled_frames(clips: Sequence[TrainingClip], fps: float | str | Fraction) -> list[npt.NDArray[np.int64]]:
    """The frames that are sampled from each of `clips`."""
    rate = check_fps(fps)
    return [sample_frames(clip.info.index, rate) for clip in clips]


def _check_labels(target: Folder, job: _Job) -> None:
    """Raise DataError if the folder holds labels of the case, and not as many as features."""
    n_frames = sum(map(len, sampled_frames(job.clips, job.options.fps)))
    for inner in ("groundTruth", "level_1/groundTruth"):
        content = target.read(f"{inner}/{job.name}.txt")
        if content is None:
            continue
        n_labels = content.count(b"\n")
        if n_labels != n_frames:
            raise DataError(
                f"case {job.case}: {n_frames} pictures at {check_fps(job.options.fps)} fps, but {n_labels} labels in "
                f"{target.where(f'{inner}/{job.name}.txt')}",
                "write both at the same rate and from the same clips: the table's sample_fps is the features' fps",
            )


def write_case(job: _Job, report: Report) -> CaseFeatures:
    """Make the features of a case, unless they exist. Raises ClipError, DataError, SettingsError, ServerError."""
    folder = folder_at(job.folder)
    file, record = f"{job.name}.npy", f"{job.name}.json"
    frames = sampled_frames(job.clips, job.options.fps)
    n_frames = sum(map(len, frames))
    made_from = json.loads(as_json(_made_from(job)))
    known = _known(folder.read(record))
    if known.get("made_from") == made_from and _is_whole(folder, file, int(known["dimensions"]), n_frames):
        report(n_frames)
        return CaseFeatures(
            job.case, folder.where(file), n_frames, int(known["dimensions"]), int(known["missing"]), made=False
        )
    extractor = job.extractor if callable(job.extractor) else load_extractor(job.extractor, job.places)
    values, missing = _features(job, extractor, frames, report)
    with writing(job.folder), folder.scratch() as scratch:
        np.save(scratch / file, np.ascontiguousarray(values.T))
        folder.remove([record])  # a file without its record does not count
        folder.put(scratch / file, file)
    document = {"version": 1, "case": job.case, "frames": n_frames, "dimensions": values.shape[1], "missing": missing}
    folder.write((as_json(document | {"made_from": made_from}) + "\n").encode(), record)
    return CaseFeatures(job.case, folder.where(file), n_frames, values.shape[1], missing, made=True)


def _known(content: bytes | None) -> dict[str, Any]:
    """What an earlier run wrote down; empty if there is nothing, or not all of it."""
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"dimensions", "missing"} <= found.keys() else {}


def _is_whole(folder: Folder, file: str, dimensions: int, n_frames: int) -> bool:
    """Whether the file is as long as np.save makes it: a killed upload may leave it empty, a full disk cut."""
    header = io.BytesIO()
    content = {"descr": "<f4", "fortran_order": False, "shape": (dimensions, n_frames)}
    np.lib.format.write_array_header_1_0(header, content)  # type: ignore[no-untyped-call]
    return folder.matching(escape(file)).get(file) == header.tell() + 4 * dimensions * n_frames


def _made_from(job: _Job) -> dict[str, Any]:
    options = job.options
    return {
        "extractor": _extractor_name(job), "fps": str(check_fps(options.fps)), "batch": options.batch,
        "size": options.size, "short_side": options.short_side,
        "clips": [[clip.name, clip.info.fingerprint] for clip in job.clips],
        "when_missing": options.missing,
    }  # fmt: skip


def _extractor_name(job: _Job) -> str:
    extractor = job.extractor
    if isinstance(extractor, str):
        return extractor
    return f"{getattr(extractor, '__module__', '')}:{getattr(extractor, '__qualname__', type(extractor).__qualname__)}"


def _features(
    job: _Job, extractor: Extractor, frames: Sequence[npt.NDArray[np.int64]], report: Report
) -> tuple[FeatureArray, int]:
    """The features of a case, float32, shape (T, D), and how many of its pictures could not be decoded."""
    n_frames = sum(map(len, frames))
    values: FeatureArray | None = None
    whole = np.zeros(n_frames, dtype=bool)
    for some in _batched(_pictures(job, frames), job.options.batch):
        rows = np.array([row for row, _ in some])
        found = _checked(_called(extractor, np.stack([picture for _, picture in some]), job), len(some), job)
        if values is None:
            values = np.zeros((n_frames, found.shape[1]), dtype=np.float32)
        if found.shape[1] != values.shape[1]:
            raise DataError(
                f"the extractor gave {found.shape[1]} values for each picture, and {values.shape[1]} before",
                "it has to return the same number for every batch",
            )
        values[rows], whole[rows] = found, True
        report(int(rows[-1]) + 1)
    if values is None:
        raise ClipError(f"case {job.case}: none of its sampled pictures can be decoded", "copy its clips again")
    latest = np.maximum.accumulate(np.where(whole, np.arange(n_frames), -1))
    return values[np.where(latest < 0, int(np.argmax(whole)), latest)], int(np.count_nonzero(~whole))


def _pictures(job: _Job, frames: Sequence[npt.NDArray[np.int64]]) -> Iterator[tuple[int, Image]]:
    """(place among the sampled pictures of the case, picture) of all that can be decoded, in order."""
    options, first = job.options, 0
    for clip, wanted in zip(job.clips, frames, strict=True):
        place = {int(frame): first + position for position, frame in enumerate(wanted)}
        reader, n_read = Reader(clip.path, clip.info, job.threads), 0
        try:
            for frame, picture in reader.pictures(
                wanted, size=options.size, short_side=options.short_side, missing="skip"
            ):
                if options.missing == "raise" and frame != wanted[n_read]:
                    break
                n_read += 1
                yield place[frame], picture
            if options.missing == "raise" and n_read < len(wanted):
                raise ClipError(
                    f"{clip.path}: picture {wanted[n_read]} cannot be decoded: the clip is damaged there",
                    "copy the clip again from its source, or give such a picture the features of the one before: "
                    "<<missing=repeat>>",
                )
        finally:
            reader.close()
        first += len(wanted)


def _batched(pictures: Iterator[tuple[int, Image]], size: int) -> Iterator[list[tuple[int, Image]]]:
    """Batches of up to `size` pictures of the same shape: clips of a case may differ in shape."""
    for _, alike in itertools.groupby(pictures, key=lambda one: one[1].shape):
        while some := list(itertools.islice(alike, size)):
            yield some


class _FunctionError(ClipError):
    """The user's function failed. traceback: where in it; '' if it is not known."""

    traceback = ""


def _called(extractor: Extractor, pictures: Image, job: _Job) -> Any:  # noqa: ANN401 - the result of a user's function
    """What the extractor returns. Raises _FunctionError for whatever it raises."""
    try:
        return extractor(pictures)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        failed = _FunctionError(
            f"case {job.case}: your function {_extractor_name(job)} failed: {type(error).__name__}: {text}",
            "lsvid only calls this function; to see where it fails, run the same again after: export LSVID_DEBUG=1",
        )
        below = error.__traceback__.tb_next if error.__traceback__ else None  # without this function
        failed.traceback = "".join(traceback.format_exception(type(error), error, below)).rstrip()
        raise failed from error


def _with_traceback(result: CaseFeatures | LsvidError) -> CaseFeatures | LsvidError:
    """The same, but with LSVID_DEBUG=1 an error of the user's function, maybe in a worker, shows its traceback."""
    if isinstance(result, _FunctionError) and os.environ.get("LSVID_DEBUG") == "1":
        return ClipError(f"{result.message}\n{result.traceback}", result.hint)
    return result


def _checked(found: Any, n_pictures: int, job: _Job) -> FeatureArray:  # noqa: ANN401 - the result of a user's function
    """The extractor's result as float32, shape (n_pictures, D). Raises DataError."""
    values = np.asarray(found)
    hint = f"it gets uint8 ({n_pictures}, height, width, 3) and has to return numbers of shape ({n_pictures}, D)"
    if values.ndim != 2 or len(values) != n_pictures or not values.shape[1] or values.dtype.kind not in "fiub":
        raise DataError(
            f"case {job.case}: the extractor gave {values.dtype} of shape {values.shape} for {n_pictures} pictures",
            hint,
        )
    values = values.astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(
            f"case {job.case}: the extractor gave values that are not finite for {len(bad)} of {n_pictures} pictures",
            hint,
        )
    return values


@lru_cache
def load_extractor(name: str, places: tuple[str, ...]) -> Extractor:
    """The function named "module:function"; modules are looked for in `places` too. Raises SettingsError."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise SettingsError(f"{name!r} names no function", "write module:function, as in my_model:features")
    sys.path[:] = [*(place for place in places if place not in sys.path), *sys.path]
    try:
        found: Any = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"cannot load the extractor {name}: {error}", f"is {module}.py in {places[-1]}, or installed?"
        ) from error
    except Exception as error:
        raise SettingsError(
            f"cannot load the extractor {name}: {module} fails: {type(error).__name__}: {error}",
            "it is your module; to see where it fails, run the same again after: export LSVID_DEBUG=1",
        ) from error
    if not callable(found):
        raise SettingsError(f"{name} is no function, but {type(found).__name__}", "write module:function")
    return found  # type: ignore[no-any-return]


def write_hdf5(
    results: Sequence[CaseFeatures],
    cases: Mapping[str, Sequence[TrainingClip]],
    folder: Folder,
    path: Path,
    options: FeatureOptions,
) -> None:
    """Write one HDF5 file with all cases: video_id (from 1, in order), frame_id (in the case), embeddings (N, D).

    They are int64, int64, float32, as CAMMA-public/SelfSupSurg reads features (downstream_phase_tcn/data_loader.py).
    The attribute `videos` lists the cases by video_id. folder: the one of the cases' files. Raises SettingsError if
    h5py is not installed.
    """
    h5py = _h5py()
    total, dimensions = sum(result.n_frames for result in results), {result.dimensions for result in results}
    if len(dimensions) != 1:
        raise DataError(
            f"cases have features of different length: {sorted(dimensions)}", "make them all with one extractor"
        )
    with h5py.File(path, "w") as file:
        file.attrs["videos"] = [result.case for result in results]
        videos = file.create_dataset("video_id", (total,), dtype="int64")
        numbers = file.create_dataset("frame_id", (total,), dtype="int64")
        embeddings = file.create_dataset("embeddings", (total, *dimensions), dtype="float32")
        begin = 0
        for video, result in enumerate(results, start=1):
            end, clips = begin + result.n_frames, cases[result.case]
            frames = sampled_frames(clips, options.fps)
            videos[begin:end] = video
            numbers[begin:end] = np.concatenate(
                [clip.case_frame + some for clip, some in zip(clips, frames, strict=True)]
            )
            embeddings[begin:end] = np.load(io.BytesIO(folder.read(PurePath(result.path).name) or b"")).T
            begin = end


def _h5py() -> Any:  # noqa: ANN401 - it has no types
    try:
        import h5py  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise SettingsError("HDF5 needs the package h5py", "pip install 'lsvid[hdf5]'") from error
    return h5py
