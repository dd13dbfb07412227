"""Pictures of stitched cases, to be put under names of a format's own."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lsvid.errors import LsvidError, SettingsError
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, write_pictures
from lsvid.writers.base import Export, Video


@contextmanager
def case_pictures(
    export: Export, wanted: Sequence[tuple[Video, Collection[int]]], image: str
) -> Iterator[list[dict[int, Path]]]:
    """For each video the files of the pictures of the frames, which count over all its clips; they go in the end.

    image: the ending that a format needs. A picture that cannot be decoded is not there, and reported as left out.
    Raises LsvidError if a clip cannot be read.
    """
    asked = export.options.picture or PictureOptions()
    if asked.format not in ("jpg", image):
        raise SettingsError(f"<<format={export.format}>> has pictures in {image}", f"leave {asked.format} out")
    options = replace(asked, format=image)
    with TemporaryDirectory(prefix=".pictures-", dir=export.folder) as folder:
        jobs: list[Wanted] = []
        owners: list[tuple[int, int, int]] = []  # of each clip: the video's place, its first frame there, its length
        for place, (video, frames) in enumerate(wanted):
            ordered = np.array(sorted(set(frames)), dtype=np.int64)
            for clip, (first, _), (end, _) in zip(video.clips, video.starts, video.starts[1:], strict=False):
                inside = ordered[(ordered >= first) & (ordered < end)] - first
                if len(inside):
                    one = Path(folder, str(len(jobs))).absolute()
                    one.mkdir()
                    jobs.append(Wanted(clip.path, str(one), inside))
                    owners.append((place, first, clip.index.n_frames))
        made: list[dict[int, Path]] = [{} for _ in wanted]
        results = write_pictures(jobs, options, export.workers)
        for job, (place, first, n_frames), pictures in zip(jobs, owners, results, strict=True):
            if isinstance(pictures, LsvidError):
                raise pictures
            lost = set(pictures.missing)
            for frame in map(int, job.frames):
                if frame in lost:
                    title = wanted[place][0].title
                    export.findings.leave_out(f"{title}, frame {first + frame}", "pictures that cannot be decoded")
                else:
                    made[place][first + frame] = Path(job.folder, picture_name(frame, n_frames, image))
        yield made


def put_pictures(export: Export, files: dict[int, Path], names: Sequence[tuple[int, str]]) -> list[str]:
    """Put the pictures of the frames under the names; one frame may have several. Returns the names."""
    there: dict[int, Path] = {}
    for frame, name in names:
        target = export.path(name)
        if frame in there:
            target.write_bytes(there[frame].read_bytes())
        else:
            there[frame] = files[frame].replace(target)
    return [name for _, name in names]
