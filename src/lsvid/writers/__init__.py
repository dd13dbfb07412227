"""Writers: the frame tables of an export become files; spans become other tools' annotations. One file a format.

To add a format: write `writers/<name>.py` with `write(tables, schema, path)`, add its line to WRITERS, and its tests to
`tests/test_writer_<name>.py`. A writer gets the tables one clip at a time, in their order, and must not hold them all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lsvid.findings import Findings
from lsvid.spans import Record, to_json_line
from lsvid.writers import csv, jsonl, parquet, prodigy

Tables = Iterable[pl.DataFrame]
Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class Writer:
    """suffix: of its files. write: the tables into one file, which does not exist yet."""

    suffix: str
    write: Callable[[Tables, Schema, Path], None]


WRITERS: dict[str, Writer] = {
    "csv": Writer(".csv", csv.write),
    "jsonl": Writer(".jsonl", jsonl.write),
    "parquet": Writer(".parquet", parquet.write),
}


def _span_lines(records: Iterable[Record], separator: str, findings: Findings) -> Iterator[bytes]:
    return map(to_json_line, records)


SPAN_WRITERS: dict[str, Callable[[Iterable[Record], str, Findings], Iterator[bytes]]] = {
    # name: the lines of a file for the records of an export, given what joins a label path that has to be one text
    "spans": _span_lines,
    "prodigy": prodigy.lines,
}
