"""Apache Parquet, compressed with zstd."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from lsvid.writers.base import Export
from lsvid.writers.tables import Schema, Tables, write_tables


def write(export: Export) -> list[str]:
    """Write the frame table; returns the files' names. Tables are read as they are written."""
    return write_tables(export, ".parquet", _write_one)


def _write_one(tables: Tables, schema: Schema, path: Path) -> None:
    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield from tables

    register_io_source(source, schema=schema).sink_parquet(path, compression="zstd", compression_level=1)
