"""Comma-separated values, with a header: UTF-8, LF, quoted where needed; a null is nothing between commas."""

from pathlib import Path

import polars as pl

from lsvid.writers.base import Export
from lsvid.writers.tables import Schema, Tables, write_tables


def write(export: Export) -> list[str]:
    """Write the frame table; returns the files' names."""
    return write_tables(export, ".csv", _write_one)


def _write_one(tables: Tables, schema: Schema, path: Path) -> None:
    with path.open("wb") as file:
        pl.DataFrame(schema=schema).write_csv(file)
        for table in tables:
            table.write_csv(file, include_header=False)
