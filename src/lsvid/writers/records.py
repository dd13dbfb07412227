"""Formats of `lsvid export-spans`: what records become, in one file."""

from collections.abc import Callable, Iterable, Iterator

from lsvid.findings import Findings
from lsvid.spans import Record, to_json_line
from lsvid.writers import prodigy


def _span_lines(records: Iterable[Record], separator: str, findings: Findings) -> Iterator[bytes]:
    return map(to_json_line, records)


SPAN_WRITERS: dict[str, Callable[[Iterable[Record], str, Findings], Iterator[bytes]]] = {
    # name: the lines of a file for the records of an export, given what joins a label path that has to be one text
    "spans": _span_lines,
    "prodigy": prodigy.lines,
}
