"""The pictures of an export: which frames get one, its path, and which pictures could not be made."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid.annotations.frames import FrameTables
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import LsvidError, SettingsError
from lsvid.files.folders import Folder
from lsvid.findings import Findings, some
from lsvid.progress import Progress, unheard
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, remove_unwanted, stretches, write_pictures
from lsvid.workers.processes import Workers

IMAGES = "images"
COLUMN = "image"


@dataclass(frozen=True)
class ImageRequest:
    """Which frames get a picture: those with a label, or (`all_frames`) every one that has a row."""

    options: PictureOptions = PictureOptions()  # noqa: RUF009 - frozen
    all_frames: bool = False


class ExportedImages:
    """The pictures of `clips`, written into images/case/clip/ of the folder `output` when this is made.

    places: 'case/clip' for every clip's id, as names of folders.
    failed: clips without any picture, and why. Single missing pictures of a damaged clip give a warning in `findings`.
    `on_progress` gets the pictures done since its last call, and the total.
    Raises DataError if the disk is full, and SettingsError if a label has the column's name.
    """

    def __init__(
        self,
        clips: Sequence[AnnotatedClip],
        tables: FrameTables,
        output: Folder,
        places: Mapping[str, str],
        request: ImageRequest,
        findings: Findings,
        workers: Workers | None = None,
        on_progress: Progress = unheard,
    ) -> None:
        if COLUMN in tables.schema:
            raise SettingsError(
                f"the label {COLUMN!r} has the name of a column of the frame table",
                "rename the label, or leave out <<layout=wide>>",
            )
        self.schema = dict(tables.schema) | {COLUMN: pl.String()}
        self._request = request
        self._folder, self._places = output.inner(IMAGES), places
        self._clips = list(clips)
        self._positions = {clip.id: position for position, clip in enumerate(self._clips)}
        self._frames = [_wanted_frames(tables.table([clip]), all_frames=request.all_frames) for clip in clips]
        total, done, shown = sum(map(len, self._frames)), [0] * len(self._clips), 0

        def report(position: int, count: float) -> None:
            nonlocal shown
            done[position] = int(count)
            on_progress(max(sum(done) - shown, 0), total)
            shown = max(sum(done), shown)

        wanted = [
            Wanted(str(clip.path), self._folder.inner(places[clip.id]).address, frames)
            for clip, frames in zip(self._clips, self._frames, strict=True)
        ]
        results = write_pictures(wanted, request.options, workers, report)
        self.failed: dict[str, LsvidError] = {}
        self._missing: dict[str, list[int]] = {}
        self.written = self.kept = 0
        for clip, frames, result in zip(self._clips, self._frames, results, strict=True):
            if isinstance(result, LsvidError):
                self.failed[clip.id] = result
                self._missing[clip.id] = [int(frame) for frame in frames]
                continue
            self.written, self.kept = self.written + result.written, self.kept + result.kept
            self._missing[clip.id] = result.missing
            if result.missing:
                findings.warn(
                    f"clip {clip.id} is damaged: {len(result.missing)} pictures cannot be decoded, frames "
                    f"{_stretches_text(result.missing)}; they have no image",
                    "copy the clip again from its source, if that is whole, and run the same command again",
                )

    def with_column(self, clip: AnnotatedClip, table: pl.DataFrame) -> pl.DataFrame:
        """`table` with the column `image`: the picture's path from the export's folder; null where there is none."""
        position = self._positions[clip.id]
        n_frames, picture_format = clip.index.n_frames, self._request.options.format
        there = set(self._frames[position].tolist()) - set(self._missing[clip.id])
        frames, row = np.unique(table["frame"].to_numpy(), return_inverse=True)
        start = f"{IMAGES}/{self._places[clip.id]}/"
        paths = [start + picture_name(f, n_frames, picture_format) if f in there else None for f in frames.tolist()]
        return table.with_columns(pl.Series(COLUMN, paths, dtype=pl.String())[row.astype(np.uint32)])

    def clear_up(self) -> None:
        """Remove the pictures that an earlier run left for clips that are no longer exported."""
        remove_unwanted(self._folder, {self._places[clip.id] for clip in self._clips})

    def manifest(self) -> dict[str, Any]:
        """The manifest's entry about the pictures."""
        return {
            "folder": IMAGES,
            "frames": "all" if self._request.all_frames else "labelled",
            **asdict(self._request.options),
            "count": self.written + self.kept,
            "missing": [
                {"clip": clip_id, "frames": [list(run) for run in stretches(missing)]}
                for clip_id, missing in self._missing.items()
                if missing
            ],
            "failed": [{"clip": clip_id, "error": error.message} for clip_id, error in self.failed.items()],
        }


def _wanted_frames(table: pl.DataFrame, *, all_frames: bool) -> npt.NDArray[np.int64]:
    """The frames of a clip's table that get a picture, ascending."""
    if not all_frames:
        labels = [pl.col("label").is_not_null()] if "label" in table.columns else [pl.col(pl.UInt8) == 1]
        table = table.filter(pl.any_horizontal(labels))
    return table["frame"].unique().sort().to_numpy().astype(np.int64)


def _stretches_text(frames: Sequence[int]) -> str:
    runs = [str(start) if stop == start + 1 else f"{start} to {stop - 1}" for start, stop in stretches(frames)]
    return some(runs, 5)
