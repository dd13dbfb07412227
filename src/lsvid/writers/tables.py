"""The frame table as files: what csv, jsonl and parquet share."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl

from lsvid.dataset import AnnotatedClip
from lsvid.frames import FrameTables
from lsvid.writers.base import Export

Tables = Iterable[pl.DataFrame]
Schema = Mapping[str, pl.DataType]


def write_tables(export: Export, suffix: str, write_one: Callable[[Tables, Schema, Path], None]) -> list[str]:
    """Write the frame table of the export, in one file or one a case; returns the files' names.

    `write_one` gets the tables of some clips at a time, in their order, and must not hold them all.
    """
    frame_tables = FrameTables(export.clips, export.table)
    pictures = export.made_pictures = export.pictures(frame_tables) if export.pictures else None
    schema = pictures.schema if pictures else frame_tables.schema

    def tables(clips: Iterable[AnnotatedClip]) -> Iterator[pl.DataFrame]:
        for some in _groups(clips, 1 if pictures else _ROWS_AT_ONCE):
            table = frame_tables.table(some)
            export.counts["rows"] += len(table)
            yield pictures.with_column(some[0], table) if pictures else table
            export.on_clip(len(some))

    files = {f"frames{suffix}": list(export.clips)}
    if export.split_by == "case":
        files = {f"frames_{case}{suffix}": clips for case, clips in export.cases().items()}
    for name, clips in files.items():
        write_one(tables(clips), schema, export.folder / name)
    return list(files)


def _groups(clips: Iterable[AnnotatedClip], n_rows: int) -> Iterator[list[AnnotatedClip]]:
    """The same clips, as many at a time as have some `n_rows` rows."""
    group: list[AnnotatedClip] = []
    rows = 0
    for clip in clips:
        assert clip.info is not None  # noqa: S101 - the caller's business
        group.append(clip)
        rows += clip.info.index.n_frames * max(1, len(clip.works))
        if rows >= n_rows:
            yield group
            group, rows = [], 0
    if group:
        yield group


_ROWS_AT_ONCE = 200_000
"""A call of a writer costs more than the rows of a clip."""
