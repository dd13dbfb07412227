"""A folder for Hugging Face's datasets: pictures, and metadata.parquet beside them, a row a picture.

    datasets.load_dataset("imagefolder", data_dir=DIR)

    <case>/<clip>/000123.jpg   the picture whose number (from 0) it bears, from the clip's own file
    metadata.parquet           file_name, case, clip, frame, case_frame, time_s, case_time_s, labels (a list of texts)

With --split the same lies in train/, validation/ and test/, which are the loader's names. Rules of the loader
(huggingface/datasets docs/source/image_dataset.mdx, folder_based_builder.py): the column `file_name`, relative to the
metadata file; every picture has a row, and the metadata lies beside or above it.

Pictures are those of lsvid.video.pictures: told by their PTS, never by counting. One that cannot be decoded is left
out with
its row, and told.
"""

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from lsvid.errors import LsvidError, SettingsError
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, write_pictures
from lsvid.writers.base import Export, Video

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
        members = [video for video in videos if video.case in cases]
        for video, written in zip(members, _write_pictures(export, members, folder), strict=True):
            labels = _labels(export, video, names)
            rows += [
                row | {"labels": labels[frame]}
                for frame, row in zip(written, _rows(export, video, written), strict=True)
            ]
            files += [f"{folder}{_file_name(export, video, frame)}" for frame in written]
        name = f"{folder}metadata.parquet"
        pl.DataFrame(rows, schema=_SCHEMA).write_parquet(export.path(name))
        files.append(name)
        export.counts["rows"] += len(rows)
    return files


_SCHEMA = {
    "file_name": pl.String(), "case": pl.String(), "clip": pl.String(), "frame": pl.Int32(), "case_frame": pl.Int32(),
    "time_s": pl.Float64(), "case_time_s": pl.Float64(), "labels": pl.List(pl.String()),
}  # fmt: skip


def _file_name(export: Export, video: Video, frame: int) -> str:
    return f"{export.places[video.clips[0].id]}/{picture_name(frame, video.n_frames, 'jpg')}"


def _rows(export: Export, video: Video, frames: Collection[int]) -> Iterator[dict[str, object]]:
    (clip,), (index,) = video.clips, video.indexes
    for frame in frames:
        yield {
            "file_name": _file_name(export, video, frame),
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


def _write_pictures(export: Export, videos: Sequence[Video], folder: str) -> list[list[int]]:
    """Write the pictures of `videos`; returns the numbers of those that are written, for each video."""
    wanted = []
    for video in videos:
        place = export.path(f"{folder}{export.places[video.clips[0].id]}/").absolute()
        wanted.append(Wanted(str(video.clips[0].path), str(place), export.sampled(video)))
    written = []
    results = write_pictures(wanted, PictureOptions(), export.workers)
    for video, one, pictures in zip(videos, wanted, results, strict=True):
        if isinstance(pictures, LsvidError):
            raise pictures
        for frame in pictures.missing:
            export.findings.leave_out(f"clip {video.title}, frame {frame}", "pictures that cannot be decoded")
        written.append([int(frame) for frame in one.frames if frame not in pictures.missing])
        export.on_clip(1)
    return written
