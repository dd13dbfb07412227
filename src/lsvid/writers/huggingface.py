"""A folder for Hugging Face's datasets: pictures, and metadata.parquet beside them, a row a picture.

    datasets.load_dataset("imagefolder", data_dir=DIR)

    <case>/<clip>/000123.jpg   the picture whose number (from 0) it bears, from the clip's own file
    metadata.parquet           file_name, case, clip, frame, case_frame, time_s, case_time_s, labels (a list of texts)

With --split the same lies in train/, validation/ and test/, which are the loader's names. Rules of the loader
(huggingface/datasets docs/source/image_dataset.mdx, folder_based_builder.py): the column `file_name`, relative to the
metadata file; every picture has a row, and the metadata lies beside or above it.

Pictures are decoded in one pass a clip and told by their PTS, never by counting: one that cannot be decoded is left out
with its row, and told.
"""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid import storage
from lsvid.errors import ClipError, DataError, SettingsError
from lsvid.timebase import FrameIndex
from lsvid.writers.base import Export, Video

QUALITY = 95
PARTS = {"train": "train", "val": "validation", "test": "test"}


def write(export: Export) -> list[str]:
    """Write pictures and metadata; returns the files' names."""
    if len(export.folds) > 1:
        raise SettingsError("--folds means nothing to --format huggingface", "it holds one split: --split train=0.8,…")
    names, videos = export.label_names(), export.videos()
    fold = export.folds[0] if export.folds else {"": list(export.cases())}
    files: list[str] = []
    for part, cases in fold.items():
        folder = f"{PARTS[part]}/" if part else ""
        rows: list[dict[str, object]] = []
        for video in videos:
            if video.case not in cases:
                continue
            labels = _labels(export, video, names)
            written = set(_write_pictures(export, video, folder, export.sampled(video)))
            rows += [row | {"labels": labels[int(str(row["frame"]))]} for row in _rows(video, sorted(written))]
            files += [f"{folder}{_file_name(video, frame)}" for frame in sorted(written)]
            export.on_clip(1)
        name = f"{folder}metadata.parquet"
        pl.DataFrame(rows, schema=_SCHEMA).write_parquet(export.path(name))
        files.append(name)
        export.counts["rows"] += len(rows)
    return files


_SCHEMA = {
    "file_name": pl.String(), "case": pl.String(), "clip": pl.String(), "frame": pl.Int32(), "case_frame": pl.Int32(),
    "time_s": pl.Float64(), "case_time_s": pl.Float64(), "labels": pl.List(pl.String()),
}  # fmt: skip


def _file_name(video: Video, frame: int) -> str:
    clip = video.clips[0].clip
    return f"{clip.case}/{clip.clip}/{frame:06}.jpg"


def _rows(video: Video, frames: Collection[int]) -> Iterator[dict[str, object]]:
    (clip,), (index,) = video.clips, video.indexes
    for frame in frames:
        yield {
            "file_name": _file_name(video, frame),
            "case": clip.clip.case,
            "clip": clip.clip.clip,
            "frame": frame,
            "case_frame": clip.case_frame + frame,
            "time_s": float(index.time_s(frame)),
            "case_time_s": float(clip.case_time_s + index.time_s(frame) - index.start_s),
        }


def _labels(export: Export, video: Video, names: dict[tuple[str, ...], str]) -> list[list[str]]:
    """The labels of every frame, in label order; the background where there are none and it is asked for."""
    labels: list[list[str]] = [[] for _ in range(video.n_frames)]
    segments = video.segments(export.level)
    for path, name in names.items():
        for segment in segments:
            if segment.label == path:
                for frame in range(segment.start, segment.stop):
                    labels[frame].append(name)
    background = export.table.background
    if background is not None and video.clips[0].works:  # where nobody has looked is not background
        labels = [found or [background] for found in labels]
    return labels


def _write_pictures(export: Export, video: Video, folder: str, frames: npt.NDArray[np.int64]) -> Iterator[int]:
    """Write the pictures of `frames`; yields the number of each that is written."""
    import cv2  # noqa: PLC0415 - not needed by other formats

    missing = set(frames.tolist())
    for frame, picture in _pictures(str(video.clips[0].path), video.indexes[0], missing):
        fine, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not fine:
            raise DataError(f"picture {frame} of {video.title} cannot be written as JPEG")
        export.path(f"{folder}{_file_name(video, frame)}").write_bytes(data.tobytes())
        missing.discard(frame)
        yield frame
    for frame in sorted(missing):
        export.findings.leave_out(f"clip {video.title}, frame {frame}", "pictures that cannot be decoded")


def _pictures(path: str, index: FrameIndex, wanted: Collection[int]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """(number, picture in BGR as it is shown) of every wanted picture that can be decoded."""
    import av  # noqa: PLC0415 - not needed by other formats

    try:
        container = av.open(storage.open_media(path), "r")
    except (av.FFmpegError, OSError) as error:
        raise ClipError(
            f"{path} cannot be read: {error.strerror or error}", "check the path, then run it again"
        ) from error
    number_of = {int(pts): number for number, pts in enumerate(index.pts)}
    with container:
        stream = next(s for s in container.streams.video if not s.disposition & s.disposition.attached_pic)
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                continue
            for frame in decoded:
                number = number_of.get(int(frame.pts)) if frame.pts is not None else None
                if number is None or number not in wanted:
                    continue
                picture = frame.to_ndarray(format="bgr24")
                yield number, np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))
