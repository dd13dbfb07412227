"""Proxies: small copies of clips with the same pictures at the same times, which browsers play and seek fast."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.files import storage
from lsvid.files.folders import folder_at
from lsvid.files.names import places
from lsvid.files.outputs import claim, release
from lsvid.files.paths import lies_in
from lsvid.files.unfinished import unfinished
from lsvid.video.clips import CaseRule, ClipFile, find_clips
from lsvid.video.container import metadata, open_container
from lsvid.video.index import VideoInfo, probe, probe_all
from lsvid.video.timebase import sample_frames
from lsvid.workers.processes import Processes, Report, Workers, ending_with_us

THREADS = 8
"""Threads of the encoder (libx264, preset veryfast), on any number of cores: its output depends on this number.

Measured: on 2 cores as fast as 3 threads, libx264's own choice there, and as small; 12 threads make 19% more bytes.
"""

_SILENCE_HZ = 8000


@dataclass(frozen=True)
class ProxySettings:
    """height: at most this many pixels. crf: libx264's quality, smaller is better and bigger. audio: keep the sound.

    key_fps: for copies for training. Each picture that sampling at `key_fps` pictures a second keeps is a key picture,
    and the coding is fast to decode: to read such a picture, only one picture is decoded. None: a copy for people.
    """

    height: int = 720
    crf: int = 26
    audio: bool = False
    key_fps: Fraction | None = None


TRAINING_HEIGHT = 256


RECORD = ".proxies.json"
"""The file in the folder of the proxies that lists their names, so that no other file is taken for one."""

_NEW = (99, 0)


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg program and its version. Builds between releases have no version, and count as new."""

    path: str
    version: tuple[int, int]


@dataclass(frozen=True)
class Proxy:
    """A verified proxy. made: whether this run made it, not an earlier one."""

    path: str
    size: int
    fingerprint: str
    made: bool


@dataclass(frozen=True)
class _Job:
    """source: the clip. folder, name: where its proxy goes; both may be in S3."""

    source: str
    folder: str
    name: str
    settings: ProxySettings
    ffmpeg: Ffmpeg | None
    """None: the one on the machine that makes the proxy."""
    threads: int = 1


@dataclass(frozen=True)
class ProxyRequest:
    """The proxies that are wanted: of the clips of `sources` (see `find_clips`), in `folder`/case/name.mp4.

    folder: of this machine, or `s3://BUCKET/PREFIX`. rule: how to find a clip's case.
    """

    sources: Sequence[str]
    folder: str
    settings: ProxySettings = ProxySettings()
    rule: CaseRule = field(default_factory=CaseRule)


@dataclass(frozen=True)
class ProxyReport:
    """The outcome for each clip. results: the proxies, in the order of the clips; for a failed one, its error.

    speed: how many times faster than the clips play.
    """

    folder: str
    clips: Sequence[ClipFile]
    results: Sequence[Proxy | LsvidError]
    speed: float

    def items(self) -> list[dict[str, Any]]:
        """A description of each clip's outcome, for JSON."""
        return [
            {"clip": clip.id, "path": clip.path, "status": "failed", "error": result.message}
            if isinstance(result, LsvidError)
            else {
                "clip": clip.id, "path": clip.path, "status": "made" if result.made else "unchanged",
                "proxy": result.path, "size": result.size,
            }
            for clip, result in zip(self.clips, self.results, strict=True)
        ]  # fmt: skip

    def __str__(self) -> str:
        proxies = [result for result in self.results if isinstance(result, Proxy)]
        n_made = sum(proxy.made for proxy in proxies)
        return (
            f"proxies made {n_made}, there already {len(proxies) - n_made}, failed {len(self.results) - len(proxies)}; "
            f"{sum(proxy.size for proxy in proxies) / 1e6:,.0f} MB in {self.folder}"
            + (f"; {self.speed:.1f} times as fast as the clips play" if n_made else "")
        )

    def raise_failed(self) -> None:
        """Raise DataError with all clips that have no proxy, if there are any."""
        pairs = zip(self.clips, self.results, strict=True)
        bad = [(clip, result) for clip, result in pairs if isinstance(result, LsvidError)]
        if bad:
            lines = [f"{len(bad)} of {len(self.clips)} clips have no proxy:"]
            raise DataError("\n".join([*lines, *(f"  {clip.id}: {e.message}" for clip, e in bad)]), bad[0][1].hint)


def _ignore(*_: object, **__: object) -> None:
    pass


def _no_progress(_label: str, _total: int) -> AbstractContextManager[Callable[..., None]]:
    return nullcontext(_ignore)


def make_proxies(
    request: ProxyRequest,
    workers: Workers | None = None,
    *,
    warn: Callable[[str], object] = _ignore,
    progress: Callable[[str, int], AbstractContextManager[Callable[..., None]]] = _no_progress,
    on_done: Callable[[ClipFile, Proxy | LsvidError], object] = _ignore,
) -> ProxyReport:
    """The outcome for each clip: its proxy, or its error.

    Names that cannot be names of files are changed, see `lsvid.files.names`. In S3, each proxy is made in a temporary
    folder and uploaded. A record in the folder, `.proxies.json`, lists the proxies. A proxy is there only if it has
    been verified: as many pictures as the clip, at exactly the same times. Those of an earlier run with the same
    settings are kept.

    warn: gets what a person should know of a clip. progress: makes a progress bar from its label and its length; the
    bar gets the steps done since the last call, and perhaps a note. on_done: gets each clip and its outcome at once.
    Raises SettingsError, also where a file is in a proxy's place that no earlier run made; ServerError; and DataError
    if the disk is full.
    """
    for source in request.sources:
        if lies_in(request.folder, source):
            raise SettingsError(
                f"{request.folder} lies in {source}: proxies there would be taken for clips",
                "give -o a folder outside it",
            )
    clips = find_clips(request.sources, request.rule)
    with progress("Reading clips", len(clips)) as step:
        infos = probe_all([clip.path for clip in clips], step, workers)
    for clip, info in zip(clips, infos, strict=True):
        for note in info.notes if isinstance(info, VideoInfo) else ():
            warn(f"{clip.id}: {clip.path} {note}")
    lengths_s = [float(info.index.length_s) if isinstance(info, VideoInfo) else 0.0 for info in infos]
    with progress("Making proxies", round(sum(lengths_s))) as step:
        meter = _Meter(lengths_s, step)

        def finished(position: int, result: Proxy | LsvidError) -> None:
            meter.finished(position)
            on_done(clips[position], result)

        results = _make_each(clips, request, workers or Processes(), meter.reached, finished)
    return ProxyReport(request.folder, clips, results, meter.speed)


class _Meter:
    """Adds up the seconds of clips that are done, and shows them on a progress bar."""

    def __init__(self, lengths_s: Sequence[float], step: Callable[..., None]) -> None:
        self._lengths_s, self._step = lengths_s, step
        self._done_s = [0.0] * len(lengths_s)
        self._made_s, self._shown = 0.0, 0
        self._begin = time.monotonic()

    @property
    def speed(self) -> float:
        """Seconds of clips that were made in a second."""
        return self._made_s / max(time.monotonic() - self._begin, 1e-9)

    def reached(self, position: int, seconds: float) -> None:
        """So many seconds of a clip are done."""
        self._made_s += max(seconds - self._done_s[position], 0.0)
        self._show(position, seconds, note=f"({self.speed:.1f} x real time)")

    def finished(self, position: int) -> None:
        """A clip is done."""
        self._show(position, self._lengths_s[position])

    def _show(self, position: int, seconds: float, **note: str) -> None:
        self._done_s[position] = seconds
        now = round(sum(self._done_s))
        self._step(max(now - self._shown, 0), **note)
        self._shown = max(now, self._shown)


def _make_each(
    clips: Sequence[ClipFile],
    request: ProxyRequest,
    workers: Workers,
    on_progress: Callable[[int, float], None],
    on_done: Callable[[int, Proxy | LsvidError], None],
) -> list[Proxy | LsvidError]:
    """The outcome for each clip, in their order.

    `on_progress` gets a clip's position and the seconds of it that are done, `on_done` its position and its outcome.
    """
    inside = [clip.path for clip in clips if lies_in(clip.path, request.folder)]
    if inside:
        raise SettingsError(
            f"{inside[0]} lies in {request.folder}, where proxies are to be written",
            "give -o a folder of their own, outside that of the clips",
        )
    ffmpeg = None if workers.elsewhere else find_ffmpeg()
    threads = workers.threads(len(clips), THREADS)
    output = folder_at(request.folder)
    names = proxy_names(clips)
    claim(output, RECORD, names, lambda name: bool(_description(output.where(name))))
    work = [
        _Job(clip.path, output.address, name, request.settings, ffmpeg, threads)
        for clip, name in zip(clips, names, strict=True)
    ]
    results: dict[int, Proxy | LsvidError] = {}
    for position, result in workers.run_each(
        make_proxy, work, on_progress, useful=THREADS, reads=_source, writes=_target_folder
    ):
        if isinstance(result, LsvidError) and not isinstance(result, ClipError):
            raise result  # the next clip would fail by it as well
        results[position] = result
        on_done(position, result)
    release(output, RECORD, (names[position] for position, one in results.items() if isinstance(one, LsvidError)))
    return [results[position] for position in range(len(clips))]


def _source(job: _Job) -> str:
    return job.source


def _target_folder(job: _Job) -> str:
    return folder_at(job.folder).inner(job.name.rpartition("/")[0]).address


def proxy_names(clips: Sequence[ClipFile]) -> list[str]:
    """The name of each clip's proxy in the folder of the proxies: 'case/name.mp4', where these can name files."""
    found = places((clip.case, clip.name) for clip in clips)
    return [f"{found[clip.case, clip.name]}.mp4" for clip in clips]


def proxy_paths(folder: str, clips: Sequence[ClipFile]) -> list[str]:
    """The path of each clip's proxy below `folder` (absolute), or below `s3://BUCKET/PREFIX`."""
    output = folder_at(folder)
    return [output.where(name) for name in proxy_names(clips)]


def check_proxy(original: VideoInfo, proxy: VideoInfo, path: str) -> None:
    """Raise ClipError unless the proxy at `path` has as many pictures as the original, at exactly the same times."""
    ours, theirs = original.index, proxy.index
    if ours.n_frames != theirs.n_frames:
        raise ClipError(
            f"{path} has {theirs.n_frames} pictures, its original {ours.n_frames}",
            "the original may be damaged, or it has changed since: see what ffmpeg says of it: "
            "ffmpeg -v error -i ORIGINAL -f null -",
        )
    # In Python's integers: exact, however fine the time bases.
    ratio = ours.time_base / theirs.time_base
    our_ticks, their_ticks = ours.pts.astype(object) - ours.zero, theirs.pts.astype(object) - theirs.zero
    differs = our_ticks * ratio.numerator != their_ticks * ratio.denominator
    if differs.any():
        frame = int(np.flatnonzero(differs)[0])
        shift_ms = float(theirs.time_s(frame) - ours.time_s(frame)) * 1000
        raise ClipError(
            f"{path}: its picture {frame} is {shift_ms:+.3f} ms from its original's",
            "lsvid make-proxies makes copies that agree to the tick, with ffmpeg 5 or later",
        )


def check_made_from(original: VideoInfo, path: str) -> None:
    """Raise ClipError if the proxy at `path` says that it was made from another video.

    A copy that lsvid did not make says nothing, and passes.
    """
    fingerprint = _description(path).get("of")
    if fingerprint not in (None, original.fingerprint):
        raise ClipError(
            f"{path} was made from another video than the original given", "make it again: lsvid make-proxies"
        )


@dataclass(frozen=True)
class Copy:
    """A copy of a clip with the same pictures at the same times, for reading pictures: its path and its facts."""

    path: str
    info: VideoInfo


def copies_in(folder: str | Path, clips: Sequence[tuple[str, str, VideoInfo]]) -> list[Copy | None]:
    """The copy of each of `clips` (case, name, original) in `folder`, where make_proxies puts it; None: there is none.

    Each is checked against its original: made from it, as many pictures, at exactly the same times. Raises DataError
    that lists all that differ; and ServerError.
    """
    output = folder_at(folder)
    named = places((case, name) for case, name, _ in clips)
    paths = [output.where(f"{named[case, name]}.mp4") for case, name, _ in clips]
    found: list[Copy | None] = [None] * len(paths)
    faults = []
    there = [position for position, path in enumerate(paths) if storage.exists(path)]
    for position, info in zip(there, probe_all([paths[position] for position in there]), strict=True):
        original = clips[position][2]
        try:
            if isinstance(info, ClipError):
                raise info
            check_made_from(original, paths[position])
            check_proxy(original, info, paths[position])
            found[position] = Copy(paths[position], info)
        except ClipError as error:
            faults.append(error.message)
    if faults:
        raise DataError(
            "\n".join(["copies that are not those of their clips:", *(f"  {fault}" for fault in faults)]),
            "make them again: lsvid make-proxies",
        )
    return found


def make_proxy(job: _Job, report: Report) -> Proxy:
    """Make and verify one proxy, unless it is there. Reports the seconds done.

    Raises ClipError, SettingsError, DataError, ServerError.
    """
    original = probe(job.source)
    description = _describe(original, job.settings)

    def check(original: VideoInfo, proxy: VideoInfo, path: str) -> None:
        check_proxy(original, proxy, path)
        if job.settings.key_fps is not None:
            check_keys(original, proxy, path, job.settings.key_fps)

    folder = folder_at(job.folder)
    target = folder.where(job.name)
    comment = " ".join(f"{name}={value}" for name, value in description.items())
    case, _, name = job.name.rpartition("/")
    with folder.inner(case).workshop("a proxy") as work:
        if storage.exists(target) and _description(target) == description:
            with suppress(ClipError):
                proxy = probe(target)
                check(original, proxy, target)
                return Proxy(target, proxy.size, proxy.fingerprint, made=False)
        made = unfinished(work / name)
        try:
            with storage.local_file(job.source, work) as source:  # ffmpeg does not read S3
                _encode(job, source, made, comment, original, report)
            proxy = probe(made, remember=False)
            check(original, proxy, target)
            folder.put(made, job.name)
        finally:
            made.unlink(missing_ok=True)
    return Proxy(target, proxy.size, proxy.fingerprint, made=True)


def _encode(job: _Job, source: str, target: Path, comment: str, original: VideoInfo, report: Report) -> None:
    # Without -copyts, -enc_time_base -1 and passthrough, ffmpeg moves offsets, rounds times, and adds pictures to clips
    # of variable rate or drops some (all measured). yuv420p needs even sizes. If a clip says that its pictures lie on
    # their side, ffmpeg turns them by itself.
    ffmpeg = job.ffmpeg or find_ffmpeg()
    version = ffmpeg.version
    passthrough = ["-vsync", "0"] if version < (5, 1) else ["-fps_mode", "passthrough"]
    time_base = "-1" if version < (7, 0) else "demux"  # both mean: the time base of the clip
    # MP4 writes the time before the first picture in units of its own, by default milliseconds. Use the clip's units.
    denominator = original.index.time_base.denominator
    scale = denominator * -(-1000 // denominator)
    movie_scale = ["-movie_timescale", str(scale)] if scale < 1 << 31 and version >= (5, 0) else []
    if job.settings.audio and original.has_audio:
        nothing: list[str] = []
        sound = ["-map", "0:a:0", "-c:a", "aac", "-b:a", "64k", "-ac", "1"]
        if original.index.zero:  # the sound moves with the pictures
            sound += ["-af", f"asetpts=PTS+{float(-original.index.zero * original.index.time_base)}/TB"]
    else:  # Write silence. Without a sound track, Firefox 153 does not show the waveform (measured).
        nothing = ["-f", "lavfi", "-i", f"anullsrc=r={_SILENCE_HZ}:cl=mono"]
        length = int((original.index.end_s - original.index.zero * original.index.time_base) * _SILENCE_HZ)
        # The sound must not be longer than the pictures, or the waveform strip would be longer than the video.
        sound = ["-map", "1:a", "-c:a", "aac", "-b:a", "16k", "-af", f"atrim=end_sample={length}"]
    # Without out_range, a newer ffmpeg keeps the full range of colours of an MJPEG.
    size = f"scale=-2:'max(2,trunc(min({job.settings.height},ih)/2)*2)':out_range=tv"
    command = [
        ffmpeg.path, "-v", "error", "-nostdin", "-y", "-progress", "pipe:1", "-threads", str(job.threads), "-i", source,
        *nothing, "-map", f"0:{original.stream}",
        "-vf", ",".join([*_timing(original), size]),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", str(job.settings.crf), "-profile:v", "main",
        "-threads:v", str(THREADS), "-pix_fmt", "yuv420p", *_keys(job.settings), *passthrough,
        "-enc_time_base", time_base, "-copyts", *sound, "-map_metadata", "-1", "-map_chapters", "-1",
        "-metadata", f"comment={comment}",
        "-movflags", "+faststart", *movie_scale, str(target),
    ]  # fmt: skip
    total, n_frames = float(original.index.length_s), original.index.n_frames
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ending_with_us(command), stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", errors="replace"
        )
        try:
            for line in process.stdout or ():
                name, _, value = line.partition("=")
                if name == "frame" and value.strip().isdigit():
                    report(min(int(value) / n_frames, 1.0) * total)
            code = process.wait()
        finally:
            process.kill()
            process.communicate()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    if code != 0 and any("No space left on device" in line for line in said):
        raise DataError(
            f"the disk is full: cannot write to {job.folder}",
            "free some space and run the same command again: it goes on where it stopped",
        )
    if code != 0:
        last = said[-1] if said else f"exit code {code}"
        raise ClipError(
            f"ffmpeg cannot make a proxy of {job.source}: {last}",
            "see what it says of the clip: ffmpeg -i CLIP -f null -",
        )


def _keys(settings: ProxySettings) -> list[str]:
    """The ffmpeg options that place key pictures."""
    if settings.key_fps is None:
        return ["-g", "25"]
    gap = 1 / settings.key_fps
    # ffmpeg computes `t` as a floating-point number, from the first picture on. The microsecond corrects its rounding;
    # without it, the picture after the right one could become the key picture. If several steps fall into one gap of a
    # clip, the pictures after the gap become key pictures, too.
    at = f"expr:gte(t+0.000001,n_forced*{gap.numerator}/{gap.denominator})"
    return ["-force_key_frames", at, "-g", "250", "-sc_threshold", "0", "-tune", "fastdecode"]


def check_keys(original: VideoInfo, copy: VideoInfo, path: str, key_fps: Fraction) -> None:
    """Raise ClipError unless every picture that sampling at `key_fps` keeps is a key picture of the copy at `path`."""
    missing = np.setdiff1d(copy.index.pts[sample_frames(original.index, key_fps)], copy.key_pts)
    if len(missing):
        raise ClipError(
            f"{path}: {len(missing)} of the pictures that {key_fps} fps keep are no key pictures",
            "make it again, with another ffmpeg",
        )


def _timing(original: VideoInfo) -> list[str]:
    """Filters that keep the pictures with a frame number, and give them their times on the presentation timeline."""
    index = original.index
    first = int(index.pts[0])
    # If a clip begins in the middle of a recording, ffmpeg may show pictures that cannot be decoded whole: cut them
    # off.
    filters = [f"trim=start_pts={first}"] if original.leading else []
    # A proxy cannot hold times below zero, and an AVI has no times of its own. In both cases set the first time here.
    if index.zero or original.container == "avi":
        filters.append(f"setpts=PTS-STARTPTS+{first - index.zero}")
    return filters


def find_ffmpeg() -> Ffmpeg:
    """The ffmpeg on PATH, else that of the Python package imageio-ffmpeg. Raises SettingsError."""
    path = shutil.which("ffmpeg")
    if path is None:
        with suppress(ImportError, RuntimeError):  # RuntimeError: the package has no program for this machine
            import imageio_ffmpeg  # noqa: PLC0415 - optional

            path = imageio_ffmpeg.get_ffmpeg_exe()
    if path is None:
        raise SettingsError(
            "there is no ffmpeg on this machine",
            "install it (apt install ffmpeg, brew install ffmpeg), or: pip install 'lsvid[ffmpeg]'",
        )
    try:
        said = subprocess.run(
            [path, "-version"], check=True, capture_output=True, encoding="utf-8", errors="replace"
        ).stdout
        encoders = subprocess.run(
            [path, "-v", "error", "-encoders"], check=True, capture_output=True, encoding="utf-8", errors="replace"
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SettingsError(f"{path} does not run: {error}", "install ffmpeg again") from error
    if " libx264 " not in encoders:
        raise SettingsError(
            f"{path} was built without libx264", "pip install 'lsvid[ffmpeg]', and remove this one from PATH"
        )
    match = re.match(r"ffmpeg version n?(\d+)\.(\d+)", said)
    return Ffmpeg(path, (int(match[1]), int(match[2])) if match else _NEW)


# --- What a proxy says of itself, in its comment ----------------------------------------------------------------------


def _describe(original: VideoInfo, settings: ProxySettings) -> dict[str, str]:
    return {
        "lsvid-proxy": "1",
        "of": original.fingerprint,
        "height": str(settings.height),
        "crf": str(settings.crf),
        "audio": "1" if settings.audio else "empty",
        **({} if settings.key_fps is None else {"key_fps": str(settings.key_fps)}),
    }


def _description(path: str) -> dict[str, str]:
    """The description that `make_proxy` wrote into the proxy at `path`; empty if `make_proxy` did not make it."""
    try:
        with open_container(storage.open_media(path), path) as container:
            comment = metadata(container, "comment")
    except (LsvidError, OSError):
        return {}
    words = dict(word.partition("=")[::2] for word in comment.split())
    return words if "lsvid-proxy" in words else {}
