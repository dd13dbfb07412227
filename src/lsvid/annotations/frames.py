"""Makes the frame table from spans and a frame index: for every frame of every clip, its labels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.errors import SettingsError
from lsvid.labels.tree import join_path
from lsvid.video.clips import natural_key
from lsvid.video.timebase import sample_frames

IntArray = npt.NDArray[np.int32]

LabelPath = tuple[str, ...]


@dataclass(frozen=True)
class TableOptions:
    """The form of the frame table.

    labels: every label path, in the order of the table.
    wide: one row per (frame, annotator) and a 0/1 column per label, instead of one row per (frame, active label).
    sample_fps: keep the first picture at or after every 1/sample_fps seconds of each clip; None: every picture.
    background: the label of a frame that has none, in clips that somebody annotated; None: it stays empty.
    """

    labels: Sequence[LabelPath]
    wide: bool = False
    sample_fps: Fraction | None = None
    background: str | None = None


@dataclass(frozen=True)
class _Rows:
    """The rows of one annotation: their frames, and the positions of their spans; `len(work.spans)` stands for no
    span.
    """

    clip: AnnotatedClip
    work: Track[LocatedSpan]
    frames: IntArray
    spans: IntArray


class FrameTables:
    """The frame table of `clips`. It is made for a few clips at a time, so that memory does not grow with their number.

    schema: its columns and their types, in order. Texts are categories (dictionary-encoded in Parquet), all known here.
    Raises SettingsError if a label's name cannot be a column, or the background's name is a label.
    """

    def __init__(self, clips: Sequence[AnnotatedClip], options: TableOptions) -> None:
        self.options = options
        self._rank = {path: rank for rank, path in enumerate(options.labels)}
        names = [join_path(path) for path in options.labels]
        if options.background is not None:
            if options.background in names:
                raise SettingsError(
                    f"<<background={options.background!r}>> is the name of a label", "choose another name"
                )
            names.append(options.background)
        annotators = sorted({work.annotator for clip in clips for work in clip.tracks}, key=natural_key)
        self.schema: dict[str, pl.DataType] = {
            "case": _categories(clip.case for clip in clips),
            "clip": _categories(clip.name for clip in clips),
            "frame": pl.Int32(),
            "case_frame": pl.Int32(),
            "time_s": pl.Float64(),
            "case_time_s": pl.Float64(),
            "annotator": _categories(annotators),
        }
        if options.wide:
            if taken := self.schema.keys() & set(names):
                raise SettingsError(
                    f"the label {min(taken)!r} has the name of a column of the frame table",
                    "rename the label, or leave out <<layout=wide>>",
                )
            self.schema |= {name: pl.UInt8() for name in names}
            return
        # The rows are the ranks of labels, then the background (unused if there is none), then no label.
        paths = [*options.labels, (options.background or "",), ()]
        self.schema |= {"region": pl.String(), "label": _categories(names)}
        texts = {"label": [join_path(path) or None for path in paths]}
        for level in range(max((len(path) for path in options.labels), default=1)):
            parts = texts[f"level_{level + 1}"] = [path[level] or None if level < len(path) else None for path in paths]
            self.schema[f"level_{level + 1}"] = _categories(part for part in parts if part)
        self._labels = {name: pl.Series(column, dtype=self.schema[name]) for name, column in texts.items()}

    def table(self, clips: Sequence[AnnotatedClip]) -> pl.DataFrame:
        """The rows of `clips`, in their order; within a clip they are sorted by annotator, frame and label order.

        Long: one row per (frame, active label), and one with no label (null) for a frame that has none. Each frame of a
        clip without annotations has one row, without an annotator.
        """
        rows = [self._rows(clip, work) for clip in clips for work in clip.tracks or (Track[LocatedSpan].nobody(),)]
        # Make each column for all clips at once: a call of polars costs more than the rows of a clip.
        if self.options.wide:
            rows, labels = self._wide(rows)
        else:
            labels = self._long(rows)
        texts: dict[str, list[str | None]] = {
            "case": [row.clip.case for row in rows],
            "clip": [row.clip.name for row in rows],
            "annotator": [row.work.annotator or None for row in rows],
        }
        which = pl.Series(np.repeat(np.arange(len(rows), dtype=np.uint32), [len(row.frames) for row in rows]))
        columns = {name: pl.Series(values, dtype=self.schema[name])[which] for name, values in texts.items()}
        columns |= _times(rows) | labels
        return pl.DataFrame({name: columns[name] for name in self.schema})

    def _rows(self, clip: AnnotatedClip, work: Track[LocatedSpan]) -> _Rows:
        frames, spans = _active(work.spans, clip.index.n_frames, self._rank)
        if self.options.sample_fps is not None:
            mask = np.isin(frames, sample_frames(clip.index, self.options.sample_fps))
            frames, spans = frames[mask], spans[mask]
        return _Rows(clip, work, frames, spans)

    def _ranks(self, row: _Rows) -> npt.NDArray[np.uint32]:
        """The rank of each span's label, then the rank for no label: that of the background, or one more."""
        has_background = self.options.background is not None and row.clip.tracks  # not for clips that nobody annotated
        nothing = len(self._rank) + (not has_background)
        return np.array([*(self._rank[span.label] for span in row.work.spans), nothing], dtype=np.uint32)

    def _long(self, rows: Sequence[_Rows]) -> dict[str, pl.Series]:
        """The label columns of `rows`."""
        regions: list[str | None] = []
        spans = []
        for row in rows:
            spans.append(row.spans + np.int32(len(regions)))
            regions += [*(span.region_id for span in row.work.spans), None]
        span = np.concatenate(spans).view(np.uint32)
        rank = pl.Series(np.concatenate([self._ranks(row) for row in rows])[span])
        columns = {name: column[rank] for name, column in self._labels.items()}
        return columns | {"region": pl.Series(regions, dtype=pl.String)[pl.Series(span)]}

    def _wide(self, rows: Sequence[_Rows]) -> tuple[list[_Rows], dict[str, pl.Series]]:
        """`rows` with each frame once, and their 0/1 columns."""
        names = [name for name, dtype in self.schema.items() if dtype == pl.UInt8]
        kept, tables = [], []
        for row in rows:
            frames, position = np.unique(row.frames, return_inverse=True)
            table = np.zeros((len(names), len(frames)), dtype=np.uint8)
            rank = self._ranks(row)[row.spans]
            named = rank < len(names)
            table[rank[named], position[named]] = 1
            kept.append(replace(row, frames=frames))
            tables.append(table)
        columns = np.concatenate(tables, axis=1)
        return kept, {name: pl.Series(values) for name, values in zip(names, columns, strict=True)}


def _times(rows: Sequence[_Rows]) -> dict[str, pl.Series]:
    """The columns that give the place of each of `rows` in its clip and in its case."""
    n = sum(len(row.frames) for row in rows)
    # One block: new memory costs more than filling it, unless it comes in huge pages (from 4 MB on).
    block = np.empty(24 * n, dtype=np.uint8)
    time_s, case_time_s = block[: 8 * n].view(np.float64), block[8 * n : 16 * n].view(np.float64)
    frame, case_frame = block[16 * n : 20 * n].view(np.int32), block[20 * n :].view(np.int32)
    stop = 0
    for row in rows:
        start, stop = stop, stop + len(row.frames)
        frame[start:stop] = row.frames
        case_frame[start:stop] = row.frames + row.clip.case_frame
        row.clip.index.times_s().take(row.frames, out=time_s[start:stop], mode="clip")  # unbuffered
        _case_times_s(row.clip).take(row.frames, out=case_time_s[start:stop], mode="clip")
    columns: dict[str, npt.NDArray[Any]] = {
        "frame": frame,
        "case_frame": case_frame,
        "time_s": time_s,
        "case_time_s": case_time_s,
    }
    return {name: pl.Series(values) for name, values in columns.items()}


def _categories(texts: Iterable[str]) -> pl.Enum:
    return pl.Enum(list(dict.fromkeys(text for text in texts if text)))


def _active(spans: Sequence[LocatedSpan], n_frames: int, rank: Mapping[LabelPath, int]) -> tuple[IntArray, IntArray]:
    """(frame, position in `spans`) of every row, by frame, then label rank; `len(spans)` means no label.

    If two spans give a frame the same label, it has one row, with the span that began first.
    """
    starts = np.array([span.start_frame for span in spans], dtype=np.int32)
    stops = np.array([span.stop_frame for span in spans], dtype=np.int32)
    order = np.argsort(starts, kind="stable").astype(np.int32)
    starts, stops = starts[order], stops[order]
    nothing = len(spans)
    if not len(order) or (starts[1:] >= stops[:-1]).all():
        # No overlap: the clip is a sequence of segments, each a span or a gap.
        borders = np.zeros(2 * nothing + 2, dtype=np.int32)
        borders[1:-1:2], borders[2:-1:2], borders[-1] = starts, stops, n_frames
        inside = np.full(2 * nothing + 1, nothing, dtype=np.int32)
        inside[1::2] = order
        return np.arange(n_frames, dtype=np.int32), np.repeat(inside, np.diff(borders))
    lengths = stops - starts
    first_row = np.cumsum(lengths) - lengths
    frames = np.arange(lengths.sum(), dtype=np.int32) - np.repeat(first_row - starts, lengths).astype(np.int32)
    which = np.repeat(order, lengths)
    ranks = np.array([rank[span.label] for span in spans], dtype=np.int64)
    covered = np.zeros(n_frames, dtype=bool)
    covered[frames] = True
    empty = np.flatnonzero(~covered).astype(np.int32)
    frames = np.concatenate([frames, empty])
    which = np.concatenate([which, np.full(len(empty), nothing, dtype=np.int32)])
    key = frames * np.int64(len(rank) + 1) + np.append(ranks, len(rank))[which]
    rows = np.argsort(key, kind="stable")
    key = key[rows]
    rows = rows[np.append(True, key[1:] != key[:-1])]
    return frames[rows], which[rows]


def _case_times_s(clip: AnnotatedClip) -> npt.NDArray[np.float64]:
    """The case time of every picture in seconds: the double that is nearest to the exact fraction."""
    index, offset = clip.index, clip.case_time_s
    denominator = math.lcm(offset.denominator, index.time_base.denominator)
    step = index.time_base.numerator * (denominator // index.time_base.denominator)
    begin = offset.numerator * (denominator // offset.denominator)
    ticks = index.pts - index.pts[0]
    if begin + step * int(ticks[-1]) < 1 << 53:  # both operands of the division are exact doubles
        return np.asarray((begin + ticks * step) / denominator, dtype=np.float64)
    return np.array([float(offset + int(tick) * index.time_base) for tick in ticks])
