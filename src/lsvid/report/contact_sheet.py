"""A contact sheet: one page with the first, middle and last picture of every span, to see whether labels are right."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip, Source, Track, nothing_counts, task_url
from lsvid.clock import clock
from lsvid.errors import DataError, LsvidError
from lsvid.files.outputs import whole_file
from lsvid.files.unfinished import unfinished_folder
from lsvid.findings import Findings
from lsvid.labels.colours import PALETTE
from lsvid.labels.tree import join_path
from lsvid.progress import Progress, unheard
from lsvid.report.templates import template
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, write_pictures
from lsvid.workers.processes import Processes


def write_contact_sheet(
    clips: Sequence[AnnotatedClip],
    path: str | Path,
    labels: Sequence[tuple[str, ...]],
    findings: Findings,
    *,
    inputs: Iterable[str] = (),
    sources: Sequence[Source] = (),
    project_url: str | None = None,
    short_side: int = 180,
    jobs: int | None = None,
    on_progress: Progress = unheard,
) -> int:
    """Write one self-contained HTML page with a row for each span of `clips`; returns the number of rows.

    sources: the sources of the clips, for the title. project_url: the address of the project, for links to its tasks.
    Spans are in the order of their clips, then by time. If a picture cannot be decoded, the page says so.
    `on_progress` gets the pictures done since its last call, and the total. `path` may be in S3. Raises DataError if
    there is no span, or the disk is full; SettingsError if `path` exists and is not a contact sheet, or is one of
    `inputs`.
    """
    shown = [clip for clip in clips if any(work.spans for work in clip.tracks)]
    if not shown:
        if any(clip.tracks for clip in clips):
            raise DataError("there is no span to show: in the clips that are annotated, nothing is marked")
        raise nothing_counts("there is no span to show", clips, sources, findings)
    frames = [sorted({frame for _, span in _spans(clip) for frame in _three(span)}) for clip in shown]
    total, done = sum(map(len, frames)), [0] * len(shown)

    def report(position: int, count: float) -> None:
        on_progress(max(int(count) - done[position], 0), total)
        done[position] = int(count)

    colours = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(dict.fromkeys(label[0] for label in labels))}
    rows = sum(len(work.spans) for clip in shown for work in clip.tracks)
    with whole_file(path, _is_sheet, inputs) as page, unfinished_folder() as temporary:
        folders = [Path(temporary, str(position)) for position in range(len(shown))]
        wanted = [
            Wanted(str(clip.path), str(folder), np.array(numbers, dtype=np.int64))
            for clip, folder, numbers in zip(shown, folders, frames, strict=True)
        ]
        results = write_pictures(wanted, PictureOptions(quality=80, short_side=short_side), Processes(jobs), report)
        for clip, result in zip(shown, results, strict=True):
            if isinstance(result, LsvidError):
                findings.warn(f"no pictures of clip {clip.id}: {result.message}", result.hint)
            elif result.missing:
                findings.warn(f"clip {clip.id} is damaged: {len(result.missing)} of its pictures cannot be decoded")
        with page.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            page_clips = (
                {
                    "id": clip.id,
                    "url": task_url(project_url, clip.clip),
                    "rows": (
                        _row(clip, work, span, folder, colours.get(span.label[0], "#888"))
                        for work, span in _spans(clip)
                    ),
                }
                for clip, folder in zip(shown, folders, strict=True)
            )
            stream = template("contact_sheet.html").stream(
                title=f"{rows:,} spans of {len(shown):,} clips", sources=", ".join(one.name for one in sources),
                labels=[join_path(label) for label in labels], clips=page_clips,
            )  # fmt: skip
            file.writelines(stream)
    return rows


def _is_sheet(start: bytes) -> bool:
    """Whether a file begins as a contact sheet does."""
    return (
        re.match(rb'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>[\d,]+ spans of', start)
        is not None
    )


def _spans(clip: AnnotatedClip) -> Iterator[tuple[Track[LocatedSpan], LocatedSpan]]:
    """The spans of a clip, each with its annotation, by time."""
    spans = [(work, span) for work in clip.tracks for span in work.spans]
    yield from sorted(spans, key=lambda one: (one[1].start_frame or 0, one[1].stop_frame or 0, one[0].annotator))


def _three(span: LocatedSpan) -> tuple[int, int, int]:
    """The first, the middle and the last frame."""
    first, last = span.start_frame, span.stop_frame - 1
    return first, (first + last) // 2, last


def _row(clip: AnnotatedClip, work: Track[LocatedSpan], span: LocatedSpan, folder: Path, colour: str) -> dict[str, Any]:
    """The row of a span, for the template."""
    index = clip.index
    first, middle, last = _three(span)
    pictures = []
    for name, frame in (("first", first), ("middle", middle), ("last", last)):
        file = folder / picture_name(frame, index.n_frames, "jpg")
        jpeg = base64.b64encode(file.read_bytes()).decode() if file.exists() else ""
        time = clock(float(index.time_s(frame)), 3)
        pictures.append({"name": name, "frame": f"{frame:,}", "time": time, "jpeg": jpeg})
    return {
        "label": join_path(span.label),
        "colour": colour,
        "first": f"{first:,}",
        "last": f"{last:,}",
        "start": clock(float(index.time_s(first)), 3),
        "length": f"{float(index.time_s(last + 1) - index.time_s(first)):.2f} s",
        "annotator": work.annotator,
        "pictures": pictures,
    }
