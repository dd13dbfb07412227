"""Makers of clips that are found and located, without video files: what writers get."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.spans import Annotation, Clip, Frames, LocatedSpan, Span, Status
from lsvid.annotations.stages import AnnotatedClip, FoundClip, Stage, Track, gather, label_order, locate
from lsvid.errors import LsvidError
from lsvid.findings import Findings
from lsvid.labels.tree import join_path, split_path
from lsvid.progress import unheard
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import FrameIndex
from lsvid.writers.export import WriteOptions, WriteRequest, write
from lsvid.writers.formats import FormatOptions

Labelled = tuple[str, int, int]
"""A label as `join_path` writes it ('Dissection / Blunt'), and its frames [start, stop)."""

LABELS = [("Dissection",), ("Dissection", "Blunt"), ("Dissection", "Sharp"), ("Suturing",), ("Suturing", "Knot")]


def index(n_frames: int, rate: Fraction = Fraction(25), start_s: Fraction = Fraction(0)) -> FrameIndex:
    """The frame index of a clip of constant rate."""
    time_base = 1 / (rate * 512)
    pts = np.arange(n_frames, dtype=np.int64) * 512 + int(start_s / time_base)
    return FrameIndex(pts, time_base, 512, start_s + n_frames / rate)


def vfr_index(gaps_ms: Sequence[int]) -> FrameIndex:
    """The frame index of a clip of variable rate."""
    pts = np.concatenate([[0], np.cumsum(gaps_ms[:-1])]).astype(np.int64)
    return FrameIndex(pts, Fraction(1, 1000), gaps_ms[-1], Fraction(sum(gaps_ms), 1000))


def work(annotator: str, spans: Sequence[Labelled], *, case: str, clip: str, times: FrameIndex) -> Track[LocatedSpan]:
    """One person's located spans of a clip."""
    annotation = Annotation(
        case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source="test", annotation_id=annotator
    )
    located = []
    for number, (label, start, stop) in enumerate(spans):
        span = Span(
            case=case, clip=clip, label=split_path(label), annotator=annotator, status=Status.ACCEPTED,
            source="test", annotation_id=annotator, region_id=f"r{number}", basis=Frames(start, stop),
        )  # fmt: skip
        located.append(span.located(times))
    return Track(annotation, tuple(located), annotator)


def clip(
    clip_id: str = "op1/a",
    spans: Sequence[Labelled] | dict[str, Sequence[Labelled]] | None = (),
    times: FrameIndex | None = None,
    path: str = "",
    *,
    has_audio: bool = False,
) -> AnnotatedClip:
    """A clip with one person's spans, several people's (a dict), or nobody's (None)."""
    case, _, name = clip_id.rpartition("/")
    times = times or index(100)
    people = {} if spans is None else spans if isinstance(spans, dict) else {"ann": spans}
    works = tuple(work(person, theirs, case=case, clip=name, times=times) for person, theirs in people.items())
    path = path or f"/videos/{case}/{name}.mp4"
    info = VideoInfo(
        times,
        "mov,mp4",
        "h264",
        "yuv420p",
        320,
        240,
        has_audio=has_audio,
        size=1,
        fingerprint=clip_id,
        recorded_at=None,
    )
    record = Clip(case=case, clip=name, media=path, n_frames=times.n_frames)
    return AnnotatedClip(record, works, path, info)


def placed(*clips: AnnotatedClip) -> list[AnnotatedClip]:
    """The clips with their places in their cases."""
    frames: dict[str, int] = {}
    times: dict[str, Fraction] = {}
    made = []
    for clip in clips:
        one = replace(clip, case_frame=frames.get(clip.case, 0), case_time_s=times.get(clip.case, Fraction(0)))
        frames[one.case] = one.case_frame + one.index.n_frames
        times[one.case] = one.case_time_s + one.index.length_s
        made.append(one)
    return made


class InThisProcess:
    """Workers that are this very process: starting others costs more than a short clip. (The commands' tests do.)"""

    elsewhere = False

    def threads(self, n_items: int, useful: int = 1) -> int:
        return 2

    def run_each(
        self, function: Callable[[Any, Any], Any], items: Sequence[Any], *_: Any, **__: Any
    ) -> Iterator[tuple[int, Any]]:
        for position, item in enumerate(items):
            try:
                yield position, function(item, lambda _: None)
            except LsvidError as error:
                yield position, error


def export(
    folder: Path,
    clips: list[AnnotatedClip],
    file_format: str,
    labels: Sequence[tuple[str, ...]] = (),
    sample_fps: Fraction | None = None,
    background: str | None = None,
    **options: Any,
) -> tuple[dict[str, Any], Findings]:
    """(manifest, findings) of writing `clips` into `folder`; `options`: of FormatOptions, or of WriteOptions."""
    findings = Findings()
    names = {each.name for each in fields(FormatOptions)} & options.keys()
    asked = FormatOptions(**{name: options.pop(name) for name in names})
    on_clip = options.pop("on_clip", unheard)
    options |= {"format": file_format, "sample_fps": sample_fps, "background": background, "of_format": asked}
    paths = list(labels) or label_order(clips, None)
    request = WriteRequest(Stage(tuple(clips)), paths, WriteOptions(**options))
    return write(request, folder, findings, workers=InThisProcess(), on_clip=on_clip).manifest, findings


def frame_table(clips: list[AnnotatedClip], labels: Sequence[tuple[str, ...]] = ()) -> pl.DataFrame:
    """The frame table, which every format is held against."""
    tables = FrameTables(clips, TableOptions(list(labels) or label_order(clips, None)))
    return tables.table(clips)


def level_rows(
    clips: list[AnnotatedClip],
    case: str,
    level: int,
    labels: Sequence[tuple[str, ...]] = (),
    nothing: str = "background",
) -> list[str]:
    """The label of every frame of a case on one level, as the frame table has it."""
    table = frame_table(clips, labels).filter(pl.col("case") == case).sort("case_frame", maintain_order=True)
    column = f"level_{level}"
    # One region may stand in two rows of a frame only where labels overlap, which single-label formats refuse.
    rows = table.group_by("case_frame", maintain_order=True).agg(pl.col(column).cast(pl.String).drop_nulls().first())
    return [name or nothing for name in rows[column]]


@st.composite
def tilings(draw: st.DrawFn, n_frames: int = 60) -> list[Labelled]:
    """Spans of one clip that do not overlap, gaps and touching neighbours included."""
    borders = sorted(draw(st.sets(st.integers(0, n_frames), min_size=0, max_size=8)))
    names = [" / ".join(path) for path in LABELS]
    spans = []
    for start, stop in pairwise(borders):
        name = draw(st.sampled_from([None, *names]))
        if name:
            spans.append((name, start, stop))
    return spans


@st.composite
def overlapping(draw: st.DrawFn, n_frames: int = 60) -> list[Labelled]:
    """Spans of one clip in any position."""
    names = [" / ".join(path) for path in LABELS]
    spans = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, n_frames - 1))
        spans.append((draw(st.sampled_from(names)), start, draw(st.integers(start + 1, n_frames))))
    return spans


def read_back(path: Path, clips: list[AnnotatedClip], **options: Any) -> tuple[dict[str, set[Labelled]], Findings]:
    """What lsvid reads from `path`, for each clip: its spans located in the very clips, and the findings."""
    findings = Findings()
    records = list(read_export(str(path), ReadOptions(**options), findings))
    gathered = gather(records, findings)
    known = {one.id: one for one in clips}
    clips_there = [FoundClip(one.clip, one.tracks, known[one.id].path, known[one.id].info) for one in gathered]
    located = locate(Stage(tuple(clips_there)), findings)
    assert not findings.faults
    found: dict[str, set[Labelled]] = {}
    for one in located.clips:
        found[one.id] = {
            (join_path(span.label), span.start_frame, span.stop_frame) for each in one.tracks for span in each.spans
        }
    return found, findings


def merged(spans: list[Labelled]) -> set[Labelled]:
    """The runs of frames of each label."""
    runs = set()
    for name in {name for name, _, _ in spans}:
        stretches: list[list[int]] = []
        for start, stop in sorted((start, stop) for other, start, stop in spans if other == name):
            if stretches and start < stretches[-1][1]:
                stretches[-1][1] = max(stretches[-1][1], stop)
            else:
                stretches.append([start, stop])
        runs |= {(name, start, stop) for start, stop in stretches}
    return runs
