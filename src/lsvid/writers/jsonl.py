"""JSON Lines: one object a row."""

from pathlib import Path

from lsvid.writers.base import Export
from lsvid.writers.tables import Schema, Tables, write_tables


def write(export: Export) -> list[str]:
    """Write the frame table; returns the files' names."""
    return write_tables(export, ".jsonl", _write_one)


def _write_one(tables: Tables, schema: Schema, path: Path) -> None:
    with path.open("wb") as file:
        for table in tables:
            table.write_ndjson(file)
