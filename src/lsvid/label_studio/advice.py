"""Warnings about clips that are hard to annotate in a browser, and what to do about them. Pure."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lsvid.files.paths import parent_of
from lsvid.findings import Findings
from lsvid.label_studio.media import kind_of
from lsvid.labeling.config import Timeline
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import MAX_EDITOR_RATE, format_rate

BIG_BYTES = 200_000_000
"""A local file of this size or more is slow: Label Studio reads it whole for every seek. Measured: 705 MB took 14 to
19 s to the first picture and 1 GB of the server's memory; 5 GB took 5 to 23 s for each seek."""

MAX_BITS_PER_S = 10_000_000
LONG_S = 120
_LATE_S = 0.001

_PLAYABLE = {  # FFmpeg's name of a container: codecs, and their pixel formats, that current browsers play
    "mp4": ({"h264"}, {"yuv420p", "yuvj420p"}),
    "webm": ({"vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9", "libaom-av1"}, {"yuv420p"}),
}


@dataclass(frozen=True)
class ProbedClip:
    """A clip to import: its id, its path, and what is in the file."""

    id: str
    path: str
    info: VideoInfo


def proxy_command(path: str, project: int | None = None) -> str:
    """The command that makes small copies, with the same frames at the same times, of all clips beside `path`."""
    folder = shlex.quote(parent_of(path))
    return (
        f"lsvid make-proxies {folder} -o PROXIES, then "
        f"lsvid import-clips {folder} --project {_named(project)} --proxies PROXIES"
    )


def _named(project: int | None) -> str:
    return "PROJECT" if project is None else str(project)


def plays_in_browsers(path: str, info: VideoInfo) -> bool:
    """Whether current browsers play the clip: 8-bit H.264 in MP4, or VP8, VP9 or AV1 in WebM."""
    names = info.container.split(",")
    # FFmpeg has one name for Matroska and WebM; browsers and servers go by the suffix.
    container = "mp4" if "mp4" in names else "webm" if "webm" in names and path.lower().endswith(".webm") else ""
    codecs, pixel_formats = _PLAYABLE.get(container, (set(), set()))
    return info.codec in codecs and info.pixel_format in pixel_formats


def advise(
    clips: Sequence[ProbedClip], timeline: Timeline | None, findings: Findings, project: int | None = None
) -> None:
    """Warnings about what makes `clips` hard to annotate on this timeline, one of each kind.

    project: the id that the hints name.
    """

    def warn(fits: Callable[[ProbedClip], bool], text: str, hint: Callable[[ProbedClip], str]) -> None:
        found = [clip for clip in clips if fits(clip)]
        if found:
            names = ", ".join(clip.id for clip in found[:3]) + (", …" if len(found) > 3 else "")
            findings.warn(f"{len(found)} of {len(clips)} clips {text}: {names}", hint(found[0]))

    warn(
        lambda clip: not plays_in_browsers(clip.path, clip.info),
        "hold video that browsers may not play (they play 8-bit H.264 in MP4, and VP8, VP9 or AV1 in WebM)",
        lambda clip: (
            f"{_describe(clip.info)}; give annotators copies with the same frames: {proxy_command(clip.path, project)}"
        ),
    )
    warn(
        _is_slow,
        "are over 200 MB, which Label Studio reads whole from a local folder for every seek",
        lambda clip: f"give annotators small copies with the same frames: {proxy_command(clip.path, project)}",
    )
    warn(
        lambda clip: not _is_slow(clip) and _bits_per_s(clip.info) > MAX_BITS_PER_S,
        "have over 10 Mbit/s, which stalls on slow networks",
        lambda clip: (
            f"if that happens, give annotators small copies with the same frames: {proxy_command(clip.path, project)}"
        ),
    )
    warn(
        lambda clip: clip.info.index.rate is None,
        "have a variable frame rate",
        _advice_on_variable_rate,
    )
    warn(
        lambda clip: clip.info.index.start_s > _LATE_S,
        "start late: their first picture comes after time zero",
        lambda clip: (
            f"nothing to do: exports are exact ({clip.id} starts at {float(clip.info.index.start_s):.3f} s, and "
            "players show its first picture until then)"
        ),
    )
    if timeline == "frames":
        warn(
            lambda clip: clip.info.index.length_s > LONG_S,
            "are over two minutes, which is long for a timeline of single frames",
            lambda _: (
                "for spans of minutes use the zoomable strip, while nothing is annotated: "
                f"lsvid setup-project LABELS --project {_named(project)} --timeline waveform"
            ),
        )
    elif timeline is not None:
        warn(
            lambda clip: not clip.info.has_audio,
            "have no sound track: Firefox shows no waveform of them, Chrome and Chromium do",
            lambda clip: f"copies get an empty one: {proxy_command(clip.path, project)}",
        )


def _is_slow(clip: ProbedClip) -> bool:
    return clip.info.size >= BIG_BYTES and kind_of(clip.path).read_whole


def _bits_per_s(info: VideoInfo) -> float:
    return info.size * 8 / float(info.index.length_s)


def _describe(info: VideoInfo) -> str:
    return f"this is {info.codec} {info.pixel_format} in {info.container.split(',')[0]}"


def _advice_on_variable_rate(clip: ProbedClip) -> str:
    index = clip.info.index
    rate = format_rate(index.editor_rate)
    text = f"nothing to do: exports are exact; the timeline of {clip.id} counts {float(rate):g} frames a second"
    if index.editor_rate < MAX_EDITOR_RATE:
        return f"{text}, some of which show the same picture"
    return f"{text}, and pictures closer together than that cannot be told apart on it"
