"""Spans and a frame index become the frame table: for every frame of every clip, what was being done."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid.dataset import AnnotatedClip, Work
from lsvid.spans import LABEL_SEPARATOR, Span
from lsvid.timebase import sample_frames

IntArray = npt.NDArray[np.int64]

LabelPath = tuple[str, ...]


@dataclass(frozen=True)
class TableOptions:
    """What the frame table looks like.

    labels: every label path, in the order in which they are to stand.
    wide: one row per (frame, annotator) and a 0/1 column per label, instead of one row per (frame, active label).
    sample_fps: keep the first picture at or after every 1/sample_fps seconds of each clip; None: every picture.
    background: the label of a frame that has none, in clips that somebody annotated; None: it stays empty.
    """

    labels: Sequence[LabelPath]
    wide: bool = False
    sample_fps: Fraction | None = None
    background: str | None = None

    @property
    def depth(self) -> int:
        """The number of `level_*` columns."""
        return max((len(path) for path in self.labels), default=1)


def schema(options: TableOptions) -> dict[str, pl.DataType]:
    """The columns of the frame table and their types, in order."""
    columns: dict[str, pl.DataType] = {
        "case": pl.String(),
        "clip": pl.String(),
        "frame": pl.Int32(),
        "case_frame": pl.Int32(),
        "time_s": pl.Float64(),
        "case_time_s": pl.Float64(),
        "annotator": pl.String(),
    }
    if options.wide:
        names = [LABEL_SEPARATOR.join(path) for path in options.labels]
        if options.background is not None:
            names.append(options.background)
        return columns | {name: pl.UInt8() for name in names}
    columns |= {"region": pl.String(), "label": pl.String()}
    return columns | {f"level_{level}": pl.String() for level in range(1, options.depth + 1)}


def frame_table(clip: AnnotatedClip, options: TableOptions) -> pl.DataFrame:
    """The rows of one clip, sorted by annotator, frame and label order, with the columns of `schema`.

    Long: one row per (frame, active label), and one with an empty label for a frame that has none. A clip without
    annotations is there once, for the annotator "". The clip must have been found, and its spans located.
    """
    assert clip.info is not None  # noqa: S101 - the caller's business
    index = clip.info.index
    kept = None if options.sample_fps is None else sample_frames(index, options.sample_fps)
    times_s = index.times_s()
    case_times_s = _case_times_s(clip)
    tables = []
    for work in clip.works or [Work.nobody()]:
        spans = [span for span in work.spans if span.start_frame is not None]
        frames, which = _active(spans, index.n_frames, {path: n for n, path in enumerate(options.labels)})
        if kept is not None:
            mask = np.isin(frames, kept)
            frames, which = frames[mask], which[mask]
        background = options.background if clip.works else None  # where nobody has looked is not background
        if options.wide:
            frames, columns = _wide_rows(frames, which, spans, options, background)
        else:
            columns = _long_columns(which, spans, options, background)
        tables.append(
            pl.DataFrame(
                [
                    _constant("case", clip.clip.case, len(frames)),
                    _constant("clip", clip.clip.clip, len(frames)),
                    pl.Series("frame", frames.astype(np.int32)),
                    pl.Series("case_frame", (frames + clip.case_frame).astype(np.int32)),
                    pl.Series("time_s", times_s[frames]),
                    pl.Series("case_time_s", case_times_s[frames]),
                    _constant("annotator", work.annotator, len(frames)),
                    *columns,
                ]
            )
        )
    return tables[0] if len(tables) == 1 else pl.concat(tables, rechunk=False)


def _active(spans: Sequence[Span], n_frames: int, rank: Mapping[LabelPath, int]) -> tuple[IntArray, IntArray]:
    """(frame, position in `spans`) of every row, by frame, then label rank; position `len(spans)` where nothing is
    active.

    A label that two spans give one frame stands there once, with the span that began first.
    """
    starts = np.array([span.start_frame for span in spans], dtype=np.int64)
    stops = np.array([span.stop_frame for span in spans], dtype=np.int64)
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], stops[order]
    nothing = len(spans)
    if not len(order) or (starts[1:] >= stops[:-1]).all():
        # No overlap: the clip is a row of segments, span and gap in turn.
        borders = np.zeros(2 * nothing + 2, dtype=np.int64)
        borders[1:-1:2], borders[2:-1:2], borders[-1] = starts, stops, n_frames
        inside = np.full(2 * nothing + 1, nothing, dtype=np.int64)
        inside[1::2] = order
        return np.arange(n_frames, dtype=np.int64), np.repeat(inside, np.diff(borders))
    lengths = stops - starts
    first_row = np.cumsum(lengths) - lengths
    frames = np.arange(lengths.sum(), dtype=np.int64) - np.repeat(first_row - starts, lengths)
    which = np.repeat(order, lengths)
    ranks = np.array([rank[span.label] for span in spans], dtype=np.int64)
    covered = np.zeros(n_frames, dtype=bool)
    covered[frames] = True
    empty = np.flatnonzero(~covered)
    frames = np.concatenate([frames, empty])
    which = np.concatenate([which, np.full(len(empty), nothing)])
    key = frames * (len(rank) + 1) + np.append(ranks, len(rank))[which]
    rows = np.argsort(key, kind="stable")
    key = key[rows]
    rows = rows[np.append(True, key[1:] != key[:-1])]
    return frames[rows], which[rows]


def _long_columns(
    which: IntArray, spans: Sequence[Span], options: TableOptions, background: str | None
) -> list[pl.Series]:
    nothing = () if background is None else (background,)
    paths = [*(span.label for span in spans), nothing]
    picked = pl.Series(which.astype(np.uint32))
    values = {"region": [*(span.region_id for span in spans), ""], "label": [LABEL_SEPARATOR.join(p) for p in paths]}
    for level in range(options.depth):
        values[f"level_{level + 1}"] = [path[level] if level < len(path) else "" for path in paths]
    return [pl.Series(name, column, dtype=pl.String).gather(picked) for name, column in values.items()]


def _wide_rows(
    frames: IntArray, which: IntArray, spans: Sequence[Span], options: TableOptions, background: str | None
) -> tuple[IntArray, list[pl.Series]]:
    kept, row = np.unique(frames, return_inverse=True)
    column = {path: n for n, path in enumerate(options.labels)}
    names = list(schema(options))[7:]
    table = np.zeros((len(names), len(kept)), dtype=np.uint8)
    nothing = -1 if background is None else len(options.labels)
    of_span = np.array([*(column[span.label] for span in spans), nothing], dtype=np.int64)[which]
    table[of_span[of_span >= 0], row[of_span >= 0]] = 1
    return kept, [pl.Series(name, values) for name, values in zip(names, table, strict=True)]


def _case_times_s(clip: AnnotatedClip) -> npt.NDArray[np.float64]:
    """The case time of every picture in seconds: each the double nearest to the exact fraction."""
    assert clip.info is not None  # noqa: S101 - the caller's business
    index, offset = clip.info.index, clip.case_time_s
    denominator = math.lcm(offset.denominator, index.time_base.denominator)
    step = index.time_base.numerator * (denominator // index.time_base.denominator)
    begin = offset.numerator * (denominator // offset.denominator)
    ticks = index.pts - index.pts[0]
    if begin + step * int(ticks[-1]) < 1 << 53:  # both operands of the division are exact doubles
        return np.asarray((begin + ticks * step) / denominator, dtype=np.float64)
    return np.array([float(offset + int(tick) * index.time_base) for tick in ticks])


def _constant(name: str, value: str, length: int) -> pl.Series:
    return pl.Series(name, [value], dtype=pl.String).new_from_index(0, length)
