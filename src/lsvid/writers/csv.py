"""Comma-separated values, with a header: UTF-8, LF, quoted where needed; a null is nothing between commas."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl


def write(tables: Iterable[pl.DataFrame], schema: Mapping[str, pl.DataType], path: Path) -> None:
    """Write `tables`, one after the other, into the file `path`."""
    with path.open("wb") as file:
        pl.DataFrame(schema=schema).write_csv(file)
        for table in tables:
            table.write_csv(file, include_header=False)
