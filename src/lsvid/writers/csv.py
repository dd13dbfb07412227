"""Comma-separated values, with a header: UTF-8, LF, quoted if needed; a null is an empty cell."""

import polars as pl
from polars import selectors

from lsvid.files.spreadsheets import FORMULA, NUMBER, as_text
from lsvid.writers.base import Export, Made
from lsvid.writers.formats import TABLE_HOLDS, TABLE_OPTIONS, Format, options
from lsvid.writers.tables import write_tables

FORMAT = Format(
    "frames.csv",
    holds=TABLE_HOLDS,
    loses="the types of columns",
    annotators=True,
    options=TABLE_OPTIONS | options("spreadsheet_safe"),
)


def write(export: Export) -> Made:
    """Write the frame table."""
    export.tell_formulas()
    safe = _safe if export.options.spreadsheet_safe else lambda frame: frame
    return write_tables(export, ".csv", lambda frame, file: safe(frame).sink_csv(file))


def _safe(frame: pl.LazyFrame) -> pl.LazyFrame:
    """`frame` with an apostrophe before all texts that a spreadsheet would run, names of columns among them."""
    text = selectors.by_dtype(pl.String, pl.Categorical, pl.Enum).cast(pl.String)
    is_formula = text.str.contains(FORMULA) & ~text.str.contains(NUMBER)
    marked = frame.with_columns(pl.when(is_formula).then("'" + text).otherwise(text).name.keep())
    return marked.rename(lambda name: str(as_text(name)))
