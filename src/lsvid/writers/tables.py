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
        for clip in clips:
            table = frame_tables.table(clip)
            export.counts["rows"] += len(table)
            yield pictures.with_column(clip, table) if pictures else table
            export.on_clip(1)

    files = {f"frames{suffix}": list(export.clips)}
    if export.split_by == "case":
        files = {f"frames_{case}{suffix}": clips for case, clips in export.cases().items()}
    for name, clips in files.items():
        write_one(_batches(tables(clips)), schema, export.folder / name)
    return list(files)


def _batches(tables: Tables) -> Iterator[pl.DataFrame]:
    """The same rows in fewer, larger tables: a call of a writer costs more than the rows of a clip."""
    batch: list[pl.DataFrame] = []
    for table in tables:
        batch.append(table)
        if sum(map(len, batch)) >= _ROWS_AT_ONCE:
            yield pl.concat(batch, rechunk=False)
            batch = []
    if batch:
        yield pl.concat(batch, rechunk=False)


_ROWS_AT_ONCE = 200_000
