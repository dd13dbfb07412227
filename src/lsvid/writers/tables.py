"""The frame table as files. Shared by csv, jsonl and parquet."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from lsvid.annotations.frames import FrameTables
from lsvid.annotations.stages import AnnotatedClip
from lsvid.writers.base import Export, Made

IMAGE = "image"
"""The column that names the pictures, if they are wanted."""


def write_tables(export: Export, suffix: str, write_one: Callable[[pl.LazyFrame, BinaryIO], object]) -> Made:
    """Write the frame table of the export, in one file or one a case.

    The rows of the frame that `write_one` gets are made as they are read, those of some clips at a time, in order.
    """
    frame_tables = FrameTables(export.clips, export.table)
    pictures, n_rows = export.pictures, 0
    schema = frame_tables.schema | ({IMAGE: pl.String()} if pictures else {})

    def tables(clips: Iterable[AnnotatedClip]) -> Iterator[pl.DataFrame]:
        nonlocal n_rows
        for some in _groups(clips, 1 if pictures else _ROWS_AT_ONCE):
            table = frame_tables.table(some)
            n_rows += len(table)
            yield _with_pictures(table, pictures.paths(some[0])) if pictures else table
            export.on_clip(len(some))

    files = {f"frames{suffix}": list(export.clips)}
    if export.options.split_by == "case":
        names = export.case_paths()
        files = {f"frames_{names[case]}{suffix}": clips for case, clips in export.cases().items()}
    for name, clips in files.items():

        def source(*_: object, clips: Iterable[AnnotatedClip] = clips) -> Iterator[pl.DataFrame]:
            return tables(clips)

        try:
            # opened here: polars takes no path whose bytes are no UTF-8
            with (export.folder / name).open("wb") as file:
                write_one(register_io_source(source, schema=schema), file)
        except pl.exceptions.ComputeError as error:
            _, is_io, why = str(error).rpartition("IO error: ")
            if not is_io:
                raise
            raise OSError(why) from error  # which polars says itself of the other formats
    return Made(list(files), counts={"rows": n_rows})


def _with_pictures(table: pl.DataFrame, paths: Mapping[int, str]) -> pl.DataFrame:
    """`table`, that of one clip, with the column `IMAGE`: the path of the frame's picture; null if it has none."""
    frames, row = np.unique(table["frame"].to_numpy(), return_inverse=True)
    named = pl.Series(IMAGE, [paths.get(frame) for frame in frames.tolist()], dtype=pl.String())
    return table.with_columns(named[row.astype(np.uint32)])


def _groups(clips: Iterable[AnnotatedClip], n_rows: int) -> Iterator[list[AnnotatedClip]]:
    """The same clips, as many at a time as have some `n_rows` rows."""
    group: list[AnnotatedClip] = []
    rows = 0
    for clip in clips:
        group.append(clip)
        rows += clip.index.n_frames * max(1, len(clip.tracks))
        if rows >= n_rows:
            yield group
            group, rows = [], 0
    if group:
        yield group


_ROWS_AT_ONCE = 200_000
"""A call of a writer costs more than the rows of a clip."""
