"""The pictures of an exported frame table: which frames get one, and how they are written. `tables` names them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import LsvidError, SettingsError
from lsvid.files.folders import Folder
from lsvid.findings import Findings, some
from lsvid.progress import Progress, unheard
from lsvid.video.pictures import (
    PictureOptions,
    Pictures,
    Wanted,
    picture_name,
    remove_unwanted,
    stretches,
    write_pictures,
)
from lsvid.video.timebase import sample_frames
from lsvid.workers.processes import Workers
from lsvid.writers.tables import IMAGE

IMAGES = "images"


@dataclass(frozen=True)
class ImageRequest:
    """Which frames get a picture: those with a label, or (`all_frames`) every one that has a row."""

    options: PictureOptions = PictureOptions()  # noqa: RUF009 - frozen
    all_frames: bool = False


@dataclass(frozen=True, eq=False)
class PlannedPictures:
    """The pictures that are wanted of a clip. place: its folder in `IMAGES`. frames: from 0, ascending."""

    clip: AnnotatedClip
    place: str
    frames: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExportedPictures:
    """The pictures of an export after writing.

    planned, results: by the clip's id. A result is an error if the clip has no picture at all.
    """

    request: ImageRequest
    planned: Mapping[str, PlannedPictures]
    results: Mapping[str, Pictures | LsvidError]

    @property
    def failed(self) -> dict[str, LsvidError]:
        """The clips without any picture, by id, and why."""
        return {clip_id: result for clip_id, result in self.results.items() if isinstance(result, LsvidError)}

    def paths(self, clip: AnnotatedClip) -> dict[int, str]:
        """The path of each picture of `clip` from the export's folder, by frame."""
        planned, missing = self.planned[clip.id], set(self.missing(clip.id))
        start, n_frames, ending = f"{IMAGES}/{planned.place}/", clip.index.n_frames, self.request.options.format
        frames = [frame for frame in planned.frames.tolist() if frame not in missing]
        return {frame: start + picture_name(frame, n_frames, ending) for frame in frames}

    def missing(self, clip_id: str) -> list[int]:
        """The wanted frames of a clip that have no picture."""
        result = self.results[clip_id]
        return self.planned[clip_id].frames.tolist() if isinstance(result, LsvidError) else result.missing


def plan_pictures(
    clips: Sequence[AnnotatedClip], table: TableOptions, places: Mapping[str, str], request: ImageRequest
) -> list[PlannedPictures]:
    """The pictures that the frame table of each of `clips` will name. places: 'case/clip' by the clip's id.

    They follow from the spans: tables are larger, and are made only while they are written. Raises SettingsError if
    the table cannot be made, or a label has the column's name.
    """
    if IMAGE in FrameTables(clips, table).schema:
        raise SettingsError(
            f"the label {IMAGE!r} has the name of a column of the frame table",
            "rename the label, or leave out <<layout=wide>>",
        )
    return [
        PlannedPictures(clip, places[clip.id], _wanted_frames(clip, table, all_frames=request.all_frames))
        for clip in clips
    ]


def _wanted_frames(clip: AnnotatedClip, table: TableOptions, *, all_frames: bool) -> npt.NDArray[np.int64]:
    """The frames of a clip that get a picture, ascending."""
    has_background = table.background is not None and bool(clip.tracks)  # then it is the label of all other frames
    wanted: npt.NDArray[np.bool_] = np.full(clip.index.n_frames, all_frames or has_background)
    for work in clip.tracks:
        for span in work.spans:
            wanted[span.start_frame : span.stop_frame] = True
    if table.sample_fps is None:
        return np.flatnonzero(wanted)
    sampled = sample_frames(clip.index, table.sample_fps)
    kept: npt.NDArray[np.int64] = sampled[wanted[sampled]]
    return kept


def make_pictures(
    planned: Sequence[PlannedPictures],
    output: Folder,
    request: ImageRequest,
    workers: Workers | None = None,
    on_progress: Progress = unheard,
) -> ExportedPictures:
    """Write the planned pictures into images/case/clip/ of the folder `output`.

    `on_progress` gets the pictures done since its last call, and the total. Raises DataError if the disk is full.
    """
    total, done, shown = sum(len(one.frames) for one in planned), [0] * len(planned), 0

    def report(position: int, count: float) -> None:
        nonlocal shown
        done[position] = int(count)
        on_progress(max(sum(done) - shown, 0), total)
        shown = max(sum(done), shown)

    folder = output.inner(IMAGES)
    wanted = [Wanted(str(one.clip.path), folder.inner(one.place).address, one.frames) for one in planned]
    results = write_pictures(wanted, request.options, workers, report)
    ids = [one.clip.id for one in planned]
    return ExportedPictures(request, dict(zip(ids, planned, strict=True)), dict(zip(ids, results, strict=True)))


def tell_missing(pictures: ExportedPictures, findings: Findings) -> None:
    """Warn of each damaged clip of which single pictures are missing."""
    for clip_id, result in pictures.results.items():
        if isinstance(result, Pictures) and result.missing:
            findings.warn(
                f"clip {clip_id} is damaged: {len(result.missing)} pictures cannot be decoded, frames "
                f"{_stretches_text(result.missing)}; they have no image",
                "copy the clip again from its source, if that is whole, and run the same command again",
            )


def clear_up(pictures: ExportedPictures, output: Folder) -> None:
    """Remove the pictures that an earlier run left in `output` for clips that are no longer exported."""
    remove_unwanted(output.inner(IMAGES), {one.place for one in pictures.planned.values()})


def images_manifest(pictures: ExportedPictures) -> dict[str, Any]:
    """The manifest's entry about the pictures."""
    made = [result for result in pictures.results.values() if isinstance(result, Pictures)]
    missing = {clip_id: pictures.missing(clip_id) for clip_id in pictures.planned}
    return {
        "folder": IMAGES,
        "frames": "all" if pictures.request.all_frames else "labelled",
        **asdict(pictures.request.options),
        "count": sum(one.written + one.kept for one in made),
        "missing": [
            {"clip": clip_id, "frames": [list(run) for run in stretches(frames)]}
            for clip_id, frames in missing.items()
            if frames
        ],
        "failed": [{"clip": clip_id, "error": error.message} for clip_id, error in pictures.failed.items()],
    }


def _stretches_text(frames: Sequence[int]) -> str:
    runs = [str(start) if stop == start + 1 else f"{start} to {stop - 1}" for start, stop in stretches(frames)]
    return some(runs, 5)
