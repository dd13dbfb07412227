"""Comma-separated values, with a header: UTF-8, LF, quoted where needed; a null is nothing between commas."""

from lsvid.writers.base import Export
from lsvid.writers.formats import TABLE_HOLDS, TABLE_OPTIONS, Format
from lsvid.writers.tables import write_tables

FORMAT = Format("frames.csv", holds=TABLE_HOLDS, loses="the types of columns", annotators=True, options=TABLE_OPTIONS)


def write(export: Export) -> list[str]:
    """Write the frame table; returns the files' names."""
    return write_tables(export, ".csv", lambda frame, path: frame.sink_csv(path))
