"""Apache Parquet, compressed with zstd."""

from lsvid.writers.base import Export, Made
from lsvid.writers.formats import TABLE_HOLDS, TABLE_OPTIONS, Format
from lsvid.writers.tables import write_tables

FORMAT = Format("frames.parquet", holds=TABLE_HOLDS, loses="nothing", annotators=True, options=TABLE_OPTIONS)


def write(export: Export) -> Made:
    """Write the frame table."""
    return write_tables(
        export, ".parquet", lambda frame, file: frame.sink_parquet(file, compression="zstd", compression_level=1)
    )
