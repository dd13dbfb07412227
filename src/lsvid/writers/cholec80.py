"""Cholec80's layout: the phase of every frame, and 0/1 for every label once a second; TAB-separated, with a header.

    phase_annotations/video01-phase.txt   Frame, Phase: a row a frame at native rate, counted from 0
    tool_annotations/video01-tool.txt     Frame, <label>, …: a row a second, at frames 0, 25, 50, …

If there are several levels, each has its own folder. Phases are the labels below those that the option phases names
(none: all); one phase holds at a time. Tools are the labels below those that the option tools names (none: all that are
no phases, or all); several tools may hold at once. A video is a case with its clips stitched in order, since row k of
the phase file must be frame k of the video. videos.csv says of which case and clips a video is made.

Rules of the readers (YuemingJin/TMRNet 6a0db47, get_paths_labels.py; isyangshu/Surgformer 21a9578,
generate_labels_ch80.py):
- `line.split()`: no blank in a phase's name;
- `filename[5:7]` and `video_name.replace("video", "")`: videos are called video01, video02, …: cases of other names
  are numbered in their order. Files are sorted as text and folders of pictures as numbers, then paired: so all numbers
  have one width, from 100 videos on three digits, of which TMRNet's reader takes the first two: warned about;
- `int(row[0]) == k` for row k, and `frame % 25 == 0` or `frame % fps == 0`: every frame is there, and a rate that is
  no whole number cannot be sampled once a second: warned about, as is any rate but 25.
Readers have lists of classes of their own, in two orders: names are written, never ids.
"""

import re
from collections import Counter
from dataclasses import replace

from lsvid.labels.naming import without_blanks
from lsvid.writers.base import Export, Level, Made, Video
from lsvid.writers.formats import Format, options
from lsvid.writers.mstcn import BACKGROUND, class_names, classes_by_folder, tell_unlabelled

FORMAT = Format(
    "phase_annotations/*-phase.txt, tool_annotations/*-tool.txt; a folder per level",
    holds="one label a frame and level, of a case, at native rate; 0/1 for every label once a second",
    loses="times, several labels at once (except in the 0/1 files), borders between regions of one label",
    overlaps=False,
    options=options("background", "level", "unit", "splits", "phases", "tools"),
    unit="case",
)

RATE = 25


def write(export: Export) -> Made:
    """Write all levels."""
    levels, tools = export.phases_and_tools()
    videos = _numbered(export, export.videos())
    background = "_".join((export.table.background or BACKGROUND).split())
    names = {level.number: class_names(export, level) for level in levels}
    files: list[str] = []
    unlabelled: Counter[int] = Counter()
    for video in videos:
        _check_rate(export, video)
        for level, used, track in zip(levels, tools, export.tracks(video, levels), strict=True):
            classes = [*(names[level.number][path] for path in level.paths), background]  # -1 is the last
            lines = [f"{frame}\t{classes[label]}" for frame, label in enumerate(track)]
            unlabelled[level.number] += int((track < 0).sum())
            name = f"{level.folder}phase_annotations/{video.name}-phase.txt"
            files += [export.write_text(name, ["Frame\tPhase", *lines]), _tools(export, video, used, level.folder)]
        export.on_clip(len(video.clips))
    rows = [
        (video.name, video.case, " ".join(clip.name for clip in video.clips), video.n_frames, video.rate or "")
        for video in videos
    ]
    files.append(export.write_csv("videos.csv", ("video", "case", "clips", "frames", "rate"), rows))
    tell_unlabelled(export, names, unlabelled, background)
    facts = {"classes": classes_by_folder(levels, names), "background": background}
    return Made(files, videos, facts=facts)


def _numbered(export: Export, videos: list[Video]) -> list[Video]:
    """The videos with names that the readers can take a number from."""
    width = max(2, len(str(len(videos))))
    if not all(re.fullmatch(rf"video\d{{{width}}}", video.name) for video in videos):
        videos = [replace(video, name=f"video{number:0{width}}") for number, video in enumerate(videos, start=1)]
        export.findings.warn(
            "Cholec80's readers take a number from names such as video01: the videos are numbered in their order",
            "videos.csv tells which is which",
        )
    if width > 2:
        export.findings.warn(
            f"{len(videos)} videos have numbers of {width} digits; TMRNet's reader takes the first two of them",
            "change filename[5:7] in its get_paths_labels.py",
        )
    return videos


def _check_rate(export: Export, video: Video) -> None:
    if video.rate is None or video.rate.denominator != 1:
        export.findings.warn(
            f"{video.title}: a rate that is not one whole number of frames a second, which Surgformer's and TMRNet's "
            "readers cannot sample once a second",
            "tool_annotations have the first frame of every second; for training, <<format=csv>> <<sample_fps=1>> is "
            "exact",
        )
    elif video.rate != RATE:
        export.findings.warn(f"{video.title}: {video.rate} frames a second; TMRNet's and SAIIL's readers expect {RATE}")


def _tools(export: Export, video: Video, tools: Level, folder: str) -> str:
    """Write 0/1 for every label of `tools` at the first frame of every second; labels may hold at once."""
    frames, active = sorted(set(video.seconds())), export.active(video, tools)
    rows = zip(frames, active[:, frames].T.tolist(), strict=True)
    header = ["Frame", *without_blanks(tools.names).values()]
    lines = ["\t".join(header), *("\t".join(map(str, [frame, *bits])) for frame, bits in rows)]
    return export.write_text(f"{folder}tool_annotations/{video.name}-tool.txt", lines)
