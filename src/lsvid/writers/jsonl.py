"""One JSON object a line, for each row of the frame table."""

from lsvid.writers.base import Export, Made
from lsvid.writers.formats import TABLE_HOLDS, TABLE_OPTIONS, Format
from lsvid.writers.tables import write_tables

FORMAT = Format("frames.jsonl", holds=TABLE_HOLDS, loses="nothing", annotators=True, options=TABLE_OPTIONS)


def write(export: Export) -> Made:
    """Write the frame table."""
    return write_tables(export, ".jsonl", lambda frame, file: frame.sink_ndjson(file))
