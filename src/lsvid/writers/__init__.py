"""Writers: the frame tables of an export become files. One file a format.

To add a format: write `writers/<name>.py` with `write(tables, schema, path)`, add its line to WRITERS, and its tests to
`tests/test_writer_<name>.py`. A writer gets the tables one clip at a time, in their order, and must not hold them all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lsvid.writers import csv, jsonl, parquet

Tables = Iterable[pl.DataFrame]
Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class Writer:
    """suffix: of its files. write: the tables into one file, which does not exist yet."""

    suffix: str
    write: Callable[[Tables, Schema, Path], None]


WRITERS: dict[str, Writer] = {
    "csv": Writer(".csv", csv.write),
    "jsonl": Writer(".jsonl", jsonl.write),
    "parquet": Writer(".parquet", parquet.write),
}
