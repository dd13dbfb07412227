"""Shared by the subtitle formats: the cues of every clip."""

from collections.abc import Iterator

from lsvid.writers.base import Export

Cue = tuple[int, int, str]
"""Start and end in whole milliseconds, and the text."""


def cues(export: Export, *, for_browsers: bool) -> Iterator[tuple[str, list[Cue]]]:
    """For each clip (<case>/<clip>, its cues by start); a cue lasts a millisecond at least.

    for_browsers: times on the presentation timeline; otherwise as desktop players count, from the container's start.
    """
    names = export.lines_of(export.label_names())
    paths = export.clip_paths()
    for video in export.videos():
        (clip,), (index,) = video.clips, video.indexes
        time_s = index.time_s if for_browsers else index.container_time_s
        found = []
        for segment in video.segments(export.level):
            start_ms = max(round(time_s(segment.start) * 1000), 0)
            end_ms = max(round(time_s(segment.stop) * 1000), start_ms + 1)
            found.append((start_ms, end_ms, names[segment.label]))
        export.on_clip(1)
        yield paths[clip.id], found
