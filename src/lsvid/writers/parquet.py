"""Apache Parquet, compressed with zstd."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source


def write(tables: Iterable[pl.DataFrame], schema: Mapping[str, pl.DataType], path: Path) -> None:
    """Write `tables`, one after the other, into the file `path`; they are read as they are written."""

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield from tables

    register_io_source(source, schema=schema).sink_parquet(path, compression="zstd", compression_level=1)
