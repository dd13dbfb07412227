"""JSON Lines: one object a row."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl


def write(tables: Iterable[pl.DataFrame], schema: Mapping[str, pl.DataType], path: Path) -> None:
    """Write `tables`, one after the other, into the file `path`."""
    with path.open("wb") as file:
        for table in tables:
            table.write_ndjson(file)
