"""Writers turn the labelled clips of an export into files of a format, and spans into other tools' annotations.

To add a format: write `writers/<name>.py` with `FORMAT`, which says what it is, and `write(export)`, which writes into
`export.folder` and returns a `Made`: the names of the files, and what the manifest says of them. Add its name to
WRITERS, and test it with the format's own reader in `tests/writers/test_<name>.py`. What writers share (levels,
stitching a case, one label a frame, names) is in `writers/base.py`.

Importing this package is quick: a writer is imported only when it is used, or when its facts are needed.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsvid.annotations.spans import Record
    from lsvid.findings import Findings
    from lsvid.writers.base import Export, Made
    from lsvid.writers.formats import Format

WRITERS = (
    "csv",
    "jsonl",
    "parquet",
    "segments",
    "mstcn",
    "cholec80",
    "surgical",
    "activitynet",
    "mmaction",
    "fiftyone",
    "charades",
    "clips",
    "huggingface",
    "webvtt",
    "srt",
    "elan",
    "boris",
)


def format_of(name: str) -> "Format":
    """The Format of the format `name`."""
    known: Format = importlib.import_module(f"lsvid.writers.{name}").FORMAT
    return known


def all_formats() -> "dict[str, Format]":
    """The Format of every format, by name."""
    return {name: format_of(name) for name in WRITERS}


def writer(name: str) -> "Callable[[Export], Made]":
    """The `write` of the format `name`."""
    write: Callable[[Export], Made] = importlib.import_module(f"lsvid.writers.{name}").write
    return write


SPAN_WRITERS = ("spans", "prodigy")
"""What `export-spans` writes: `writers/<name>.py` with `lines(records, separator, findings)`."""


def span_writer(name: str) -> "Callable[[Iterable[Record], str, Findings], Iterator[bytes]]":
    """The `lines` of the format `name`. Its second argument joins a label path that has to be one text."""
    lines: Callable[[Iterable[Record], str, Findings], Iterator[bytes]]
    lines = importlib.import_module(f"lsvid.writers.{name}").lines
    return lines
