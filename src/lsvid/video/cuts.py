"""Cuts stretches of a clip into video files, with exactly the wanted pictures, at their times, with their sound."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lsvid.errors import ClipError, DataError, LsvidError
from lsvid.files import storage
from lsvid.files.unfinished import unfinished, unfinished_folder
from lsvid.video.index import VideoInfo, probe
from lsvid.video.proxies import Ffmpeg, find_ffmpeg
from lsvid.workers.processes import Processes, Report, Workers, ending_with_us

MARGIN_S = 5
"""Seconds to decode before a cut, since pictures after a key picture may need some before it."""

_CRF = 18
"""Quality of libx264."""


@dataclass(frozen=True)
class Cut:
    """The frames `[start, stop)` of a clip, and the file that they become: MP4, H.264 and AAC."""

    start: int
    stop: int
    target: str


@dataclass(frozen=True)
class _Job:
    path: str
    cuts: Sequence[Cut]
    ffmpeg: Ffmpeg | None
    """None: the one on the machine that does the work."""


def make_cuts(clips: Sequence[tuple[str, Sequence[Cut]]], workers: Workers | None = None) -> None:
    """Write the cuts of each clip (its path, here or in S3). Their folders are there.

    Pictures are encoded again, since a stream can be cut without loss only at its key pictures. Every file is verified:
    it has the same pictures, at the same times from the first. Raises ClipError, DataError, SettingsError.
    """
    workers = workers or Processes()
    ffmpeg = None if workers.elsewhere else find_ffmpeg()
    jobs = [_Job(path, tuple(cuts), ffmpeg) for path, cuts in clips]
    for _, result in workers.run_each(make_cuts_of, jobs, reads=_path_of, writes=_folder_of):
        if isinstance(result, LsvidError):
            raise result


def _path_of(job: _Job) -> str:
    return job.path


def _folder_of(job: _Job) -> str:
    return str(Path(job.cuts[0].target).parent)


def make_cuts_of(job: _Job, report: Report) -> int:
    """Write and verify the cuts of one clip; returns how many there are. Raises ClipError, DataError."""
    info = probe(job.path)
    ffmpeg = job.ffmpeg or find_ffmpeg()
    with unfinished_folder() as folder, storage.local_file(job.path, folder) as source:
        for number, cut in enumerate(job.cuts, start=1):
            made = unfinished(Path(cut.target))  # a name of its own: another worker may still write the same cut
            try:
                _encode(str(source), made, info, cut, job, ffmpeg)
                _check(info, made, cut, job.path)
                made.replace(cut.target)
            finally:
                made.unlink(missing_ok=True)
            report(number)
    return len(job.cuts)


def _encode(source: str, target: Path, info: VideoInfo, cut: Cut, job: _Job, ffmpeg: Ffmpeg) -> None:
    index = info.index
    first = int(index.pts[cut.start])
    end = f":end_pts={int(index.pts[cut.stop])}" if cut.stop < index.n_frames else ""
    start_s, end_s = float(index.time_s(cut.start)), float(index.time_s(cut.stop))
    passthrough = ["-vsync", "0"] if ffmpeg.version < (5, 1) else ["-fps_mode", "passthrough"]
    sound: list[str] = []
    if info.has_audio:
        trim = f"atrim=start={start_s:.9f}:end={end_s:.9f},asetpts=PTS-{start_s:.9f}/TB"
        sound = ["-map", "0:a:0", "-af", trim, "-c:a", "aac", "-b:a", "128k"]
    command = [
        ffmpeg.path, "-v", "error", "-nostdin", "-y", "-threads", "2", "-copyts", "-noaccurate_seek",
        "-seek_timestamp", "1", "-ss", f"{start_s - MARGIN_S:.6f}", "-i", source,
        # The filters work in the stream's own time base: pictures are found by their PTS, never by counting.
        "-map", "0:V:0", "-vf", f"trim=start_pts={first}{end},setpts=PTS-{first},scale=trunc(iw/2)*2:trunc(ih/2)*2",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", str(_CRF), "-pix_fmt", "yuv420p", *passthrough,
        "-enc_time_base", "-1" if ffmpeg.version < (7, 0) else "demux", *sound,
        "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", str(target),
    ]  # fmt: skip
    if start_s < MARGIN_S + float(index.start_s):  # from the beginning, since some containers cannot seek before it
        at = command.index("-noaccurate_seek")
        del command[at : at + 5]
    done = subprocess.run(ending_with_us(command), check=False, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = done.stderr.strip().splitlines()
        if any("No space left on device" in line for line in said):
            raise DataError(f"the disk is full: cannot write {cut.target}", "free some space and run it again")
        raise ClipError(
            f"ffmpeg cannot cut {job.path}: {said[-1] if said else f'exit code {done.returncode}'}",
            "see what it says of the clip: ffmpeg -v error -i CLIP -f null -",
        )


def _check(info: VideoInfo, file: Path, cut: Cut, path: str) -> None:
    """Raise ClipError unless the file has the pictures of the cut, at their times."""
    ours, made = info.index, probe(file, remember=False).index
    wanted = ours.pts[cut.start : cut.stop] - ours.pts[cut.start]
    if made.n_frames != len(wanted):
        raise ClipError(
            f"{path}: frames {cut.start} to {cut.stop - 1} cannot be cut out: {made.n_frames} pictures came of "
            f"{len(wanted)}",
            "the clip may be damaged there: see what ffmpeg -v error -i CLIP -f null - says",
        )
    ratio = ours.time_base / made.time_base
    times = (made.pts - made.pts[0]).astype(object) * ratio.denominator
    if np.any(times != wanted.astype(object) * ratio.numerator):
        raise ClipError(f"{path}: frames {cut.start} to {cut.stop - 1} came out at other times", "try a newer ffmpeg")
