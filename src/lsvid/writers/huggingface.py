"""A folder for Hugging Face's datasets: pictures, and metadata.parquet with a row for each picture.

    datasets.load_dataset("imagefolder", data_dir=DIR)

    train/<case>/<clip>/000123.jpg   picture 123 of the clip, counted from 0
    train/metadata.parquet           file_name, case, clip, frame, case_frame, time_s, case_time_s, labels (texts)

With the option splits there are train/, validation/ and test/, as the loader calls them. The loader has these rules
(huggingface/datasets docs/source/image_dataset.mdx, folder_based_builder.py, data_files.py):
- Each picture has a row. The column `file_name` is its path from the metadata file, which lies beside or above it.
- If the name of a folder, at any depth, has a word such as train or test, its pictures belong to that split. So a case
  called "test op" would be lost from train. Therefore the split always has a folder, and such words get a '=' in the
  names of folders, with a warning. The column `case` has the case's own name.
- The loader ignores folders whose names begin with '.' or '__'. So these get a '=' in front, too.

Pictures come from lsvid.video.pictures, which finds them by their PTS and never by counting. If a picture cannot be
decoded, its row is left out, and it is reported.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from lsvid.errors import LsvidError, SettingsError
from lsvid.labels.naming import distinct, tell_changed
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, write_pictures
from lsvid.writers.base import Export, Made, Video
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "train/<case>/<clip>/<frame>.jpg, train/metadata.parquet (validation/, test/ too with splits)",
    holds="the pictures themselves, with all their labels, for datasets.load_dataset('imagefolder')",
    loses="regions; levels, unless joined in the name",
    options=options("sample_fps", "background", "level", "splits", "picture"),
)

PARTS = {"train": "train", "val": "validation", "test": "test"}

_TAKEN_BY_THE_LOADER = re.compile(
    r"^(?=\.|__)|(?:^|(?<=[-._ 0-9]))"
    r"(?=(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?:$|[-._ 0-9]))",
    re.IGNORECASE,
)
"""The places in a folder's name that the loader reads: datasets/data_files.py, SPLIT_KEYWORDS and NON_WORDS_CHARS."""


def write(export: Export) -> Made:
    """Write pictures and metadata."""
    if len(export.folds) > 1:
        raise SettingsError("<<folds>> is not for <<format=huggingface>>", "it holds one split: <<splits=train=0.8,…>>")
    names, videos = export.label_names(), export.videos()
    places, look = _places(export), export.options.picture or PictureOptions()
    fold = export.folds[0] if export.folds else {"train": list(export.cases())}
    files: list[str] = []
    n_rows = 0
    for part, cases in fold.items():
        folder = f"{PARTS[part]}/"
        rows: list[dict[str, object]] = []
        members = [video for video in videos if video.case in cases]
        folders = [f"{folder}{places[video.title]}" for video in members]
        for video, written in zip(members, _write_pictures(export, members, folders, look), strict=True):
            labels = _labels(export, video, names)
            for row in _rows(video, written, places[video.title], look.format):
                rows.append(row | {"labels": labels[row["frame"]]})
                files.append(f"{folder}{row['file_name']}")
        name = f"{folder}metadata.parquet"
        with export.path(name).open("wb") as file:  # polars takes no path whose bytes are no UTF-8
            pl.DataFrame(rows, schema=_SCHEMA).write_parquet(file)
        files.append(name)
        n_rows += len(rows)
    return Made(files, videos, {"rows": n_rows})


_SCHEMA = {
    "file_name": pl.String(), "case": pl.String(), "clip": pl.String(), "frame": pl.Int32(), "case_frame": pl.Int32(),
    "time_s": pl.Float64(), "case_time_s": pl.Float64(), "labels": pl.List(pl.String()),
}  # fmt: skip


def _places(export: Export) -> dict[str, str]:
    """The folder of each clip's pictures, by the clip's id: `case/clip`, without words that mean a split."""
    paths = export.clip_paths()
    places = ["/".join(_TAKEN_BY_THE_LOADER.sub("=", part) for part in path.split("/")) for path in paths.values()]
    tell_changed(
        export.findings, "folders that the loader would take for a split", zip(paths.values(), places, strict=True)
    )
    return dict(zip(paths, distinct(places), strict=True))


def _rows(video: Video, frames: Collection[int], place: str, ending: str) -> Iterator[dict[str, Any]]:
    (clip,), (index,) = video.clips, video.indexes
    for frame in frames:
        yield {
            "file_name": f"{place}/{picture_name(frame, video.n_frames, ending)}",
            "case": clip.case,
            "clip": clip.name,
            "frame": frame,
            "case_frame": clip.case_frame + frame,
            "time_s": float(index.time_s(frame)),
            "case_time_s": float(clip.case_time_s + index.time_s(frame) - index.start_s),
        }


def _labels(export: Export, video: Video, names: dict[tuple[str, ...], str]) -> list[list[str]]:
    """The labels of each frame, in label order. A frame without a label gets the background, if the user named one."""
    labels: list[list[str]] = [[] for _ in range(video.n_frames)]
    order = {path: number for number, path in enumerate(names)}
    for segment in sorted(video.segments(export.level), key=lambda segment: order[segment.label]):
        for frame in range(segment.start, segment.stop):
            labels[frame].append(names[segment.label])
    background = export.table.background
    if background is not None and video.clips[0].tracks:  # nobody knows what is in a clip without annotations
        labels = [found or [background] for found in labels]
    return labels


def _write_pictures(
    export: Export, videos: Sequence[Video], folders: Sequence[str], look: PictureOptions
) -> list[list[int]]:
    """Write the pictures of each of `videos` into its folder. Returns the numbers of the written ones."""
    wanted = []
    for video, folder in zip(videos, folders, strict=True):
        place = export.path(f"{folder}/").absolute()
        wanted.append(Wanted(str(video.clips[0].path), str(place), export.sampled(video)))
    written = []
    results = write_pictures(wanted, look, export.workers)
    for video, one, pictures in zip(videos, wanted, results, strict=True):
        if isinstance(pictures, LsvidError):
            raise pictures
        for frame in pictures.missing:
            export.findings.leave_out(f"clip {video.title}, frame {frame}", "pictures that cannot be decoded")
        written.append([int(frame) for frame in one.frames if frame not in pictures.missing])
        export.on_clip(1)
    return written
