"""segments.csv: a row for every span, in frames and seconds; clips.csv: a row for every clip and who has worked on it.

Frames are half-open, from 0; `stop_frame - start_frame` is their number. `start_s` and `end_s` are the times of desktop
players, from the container's start (`first_pts_s` is on the presentation timeline, as a browser shows it). The `case_`
columns count from the first picture of the case, over all its clips. `start` and `end` are `start_s` and `end_s` as
clock times.
"""

from collections.abc import Iterator

from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.labels.tree import join_path
from lsvid.writers.base import Export, Made
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "segments.csv, clips.csv",
    holds="every span in frames and seconds, of its clip and of its case; durations; clips with nothing in them",
    loses="scores, status, the source's own values (export-spans keeps them)",
    annotators=True,
    options=options("splits", "spreadsheet_safe"),
)

CLIP_COLUMNS = (
    "case", "clip", "annotator", "path", "frames", "rate", "first_pts_s", "length_s", "case_frame", "case_time_s",
)  # fmt: skip


def write(export: Export) -> Made:
    """Write both files."""
    levels = max((len(path) for path in export.table.labels), default=1)
    header = [
        "case", "clip", "annotator", "region", "label", *(f"level_{n + 1}" for n in range(levels)),
        "start_frame", "stop_frame", "case_start_frame", "case_stop_frame",
        "start_s", "end_s", "case_start_s", "case_end_s", "duration_s", "start", "end",
    ]  # fmt: skip
    rows = (row for clip in export.clips for work in clip.tracks for row in _rows(export, clip, work, levels))
    files = [
        export.write_csv("segments.csv", header, rows),
        export.write_csv("clips.csv", CLIP_COLUMNS, (row for clip in export.clips for row in _clip_rows(clip))),
    ]
    n_rows = sum(len(work.spans) for clip in export.clips for work in clip.tracks)
    return Made(files, counts={"rows": n_rows} if n_rows else {})


def _rows(export: Export, clip: AnnotatedClip, work: Track[LocatedSpan], levels: int) -> Iterator[list[object]]:
    index = clip.index
    rank = {path: number for number, path in enumerate(export.table.labels)}
    for span in sorted(work.spans, key=lambda s: (s.start_frame, s.stop_frame, rank[s.label])):
        start_s, end_s = index.container_time_s(span.start_frame), index.container_time_s(span.stop_frame)
        offset_s = clip.case_time_s - index.container_time_s(0)
        yield [
            clip.case, clip.name, work.annotator, span.region_id, join_path(span.label),
            *span.label, *[""] * (levels - len(span.label)),
            span.start_frame, span.stop_frame, clip.case_frame + span.start_frame, clip.case_frame + span.stop_frame,
            *(f"{float(t):.6f}" for t in (start_s, end_s, start_s + offset_s, end_s + offset_s, end_s - start_s)),
            clock(float(start_s)), clock(float(end_s)),
        ]  # fmt: skip
    export.on_clip(1)


def _clip_rows(clip: AnnotatedClip) -> Iterator[list[object]]:
    index = clip.index
    for annotator in [work.annotator for work in clip.tracks] or [""]:
        yield [
            clip.case, clip.name, annotator, clip.path, index.n_frames, index.rate or "",
            f"{float(index.start_s):.6f}", f"{float(index.length_s):.6f}",
            clip.case_frame, f"{float(clip.case_time_s):.6f}",
        ]  # fmt: skip


def clock(seconds: float, separator: str = ".") -> str:
    """`seconds` as HH:MM:SS.mmm, rounded to the nearest millisecond; a time before zero is zero."""
    total = max(round(seconds * 1000), 0)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}{separator}{total % 1000:03}"
