"""Shared by the subtitle formats: the cues of every clip."""

from collections.abc import Callable, Sequence

from lsvid.writers.base import Export, Made

Cue = tuple[int, int, str]
"""Start and end in whole milliseconds, and the text."""


def write_cues(
    export: Export, suffix: str, lines_of: Callable[[Export, Sequence[Cue]], list[str]], *, for_browsers: bool
) -> Made:
    """Write a file <case>/<clip> for each clip: the lines of its cues, which are sorted by start.

    A cue lasts a millisecond at least. for_browsers: times on the presentation timeline; otherwise as desktop players
    count, from the container's start.
    """
    names = export.lines_of(export.label_names())
    paths = export.clip_paths()
    files, videos = [], export.videos()
    for video in videos:
        (clip,), (index,) = video.clips, video.indexes
        time_s = index.time_s if for_browsers else index.container_time_s
        found = []
        for segment in video.segments(export.level):
            start_ms = max(round(time_s(segment.start) * 1000), 0)
            end_ms = max(round(time_s(segment.stop) * 1000), start_ms + 1)
            found.append((start_ms, end_ms, names[segment.label]))
        export.on_clip(1)
        files.append(export.write_text(f"{paths[clip.id]}{suffix}", lines_of(export, found)))
    return Made(files, videos)
