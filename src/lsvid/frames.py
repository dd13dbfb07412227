"""Spans and a frame index become the frame table: for every frame of every clip, what was being done."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid.dataset import AnnotatedClip, Work
from lsvid.errors import SettingsError
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


class FrameTables:
    """The frame table of `clips`, a clip at a time, so that memory does not grow with their number.

    schema: its columns and their types, in order. Texts are categories (dictionary-encoded in Parquet), all known here.
    Raises SettingsError where a label's name cannot be a column, or the background's name is a label.
    """

    def __init__(self, clips: Sequence[AnnotatedClip], options: TableOptions) -> None:
        self.options = options
        self._rank = {path: rank for rank, path in enumerate(options.labels)}
        names = [LABEL_SEPARATOR.join(path) for path in options.labels]
        if options.background is not None:
            if options.background in names:
                raise SettingsError(
                    f"--background {options.background!r} is the name of a label", "choose another name"
                )
            names.append(options.background)
        annotators = {work.annotator for clip in clips for work in clip.works}
        self.schema: dict[str, pl.DataType] = {
            "case": _categories(clip.clip.case for clip in clips),
            "clip": _categories(clip.clip.clip for clip in clips),
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
                    "rename the label, or leave out --layout wide",
                )
            self.schema |= {name: pl.UInt8() for name in names}
            return
        # Row by label: each rank, the background's (if there is none, nobody asks for it), and nothing at all.
        paths = [*options.labels, (options.background or "",), ()]
        self.schema |= {"region": pl.String(), "label": _categories(names)}
        texts = {"label": [LABEL_SEPARATOR.join(path) or None for path in paths]}
        for level in range(max((len(path) for path in options.labels), default=1)):
            parts = texts[f"level_{level + 1}"] = [path[level] or None if level < len(path) else None for path in paths]
            self.schema[f"level_{level + 1}"] = _categories(part for part in parts if part)
        self._labels = {name: pl.Series(column, dtype=self.schema[name]) for name, column in texts.items()}

    def table(self, clip: AnnotatedClip) -> pl.DataFrame:
        """The rows of one clip, sorted by annotator, frame and label order.

        Long: one row per (frame, active label), and one with no label (null) for a frame that has none. A clip without
        annotations is there once, without an annotator. The clip must have been found, and its spans located.
        """
        assert clip.info is not None  # noqa: S101 - the caller's business
        index, sample_fps = clip.info.index, self.options.sample_fps
        kept = None if sample_fps is None else sample_frames(index, sample_fps)
        times_s, case_times_s = index.times_s(), _case_times_s(clip)
        background = self.options.background if clip.works else None  # where nobody has looked is not background
        tables = []
        for work in clip.works or [Work.nobody()]:
            frames, which = _active(work.spans, index.n_frames, self._rank)
            if kept is not None:
                mask = np.isin(frames, kept)
                frames, which = frames[mask], which[mask]
            if self.options.wide:
                frames, labels = self._wide_labels(frames, which, work.spans, background)
            else:
                labels = self._long_labels(work.spans, which, background)
            names = {"case": clip.clip.case, "clip": clip.clip.clip, "annotator": work.annotator or None}
            columns = {name: pl.Series([text], dtype=self.schema[name]) for name, text in names.items()}
            columns = {name: column.new_from_index(0, len(frames)) for name, column in columns.items()}
            columns |= {
                "frame": pl.Series(frames.astype(np.int32)),
                "case_frame": pl.Series((frames + clip.case_frame).astype(np.int32)),
                "time_s": pl.Series(times_s[frames]),
                "case_time_s": pl.Series(case_times_s[frames]),
            }
            columns |= labels
            tables.append(pl.DataFrame({name: columns[name] for name in self.schema}))
        return tables[0] if len(tables) == 1 else pl.concat(tables, rechunk=False)

    def _long_labels(self, spans: Sequence[Span], which: IntArray, background: str | None) -> dict[str, pl.Series]:
        """The label columns of rows whose span is `which`; `len(spans)` where nothing is active."""
        nothing = len(self._rank) + (background is None)
        of_span = np.array([*(self._rank[span.label] for span in spans), nothing], dtype=np.uint32)
        regions = pl.Series([*(span.region_id for span in spans), None], dtype=pl.String)
        picked = pl.Series(of_span[which])  # a column at a time: polars' threads cost more than they save
        columns = {name: column[picked] for name, column in self._labels.items()}
        return {"region": regions[pl.Series(which.astype(np.uint32))], **columns}

    def _wide_labels(
        self, frames: IntArray, which: IntArray, spans: Sequence[Span], background: str | None
    ) -> tuple[IntArray, dict[str, pl.Series]]:
        """The frames, each once, and their 0/1 columns."""
        kept, row = np.unique(frames, return_inverse=True)
        names = [name for name, dtype in self.schema.items() if dtype == pl.UInt8]
        table = np.zeros((len(names), len(kept)), dtype=np.uint8)
        nothing = -1 if background is None else len(self._rank)
        of_row = np.array([*(self._rank[span.label] for span in spans), nothing], dtype=np.int64)[which]
        table[of_row[of_row >= 0], row[of_row >= 0]] = 1
        return kept, {name: pl.Series(values) for name, values in zip(names, table, strict=True)}


def _categories(texts: Iterable[str]) -> pl.Enum:
    return pl.Enum(list(dict.fromkeys(text for text in texts if text)))


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
