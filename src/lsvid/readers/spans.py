"""lsvid's own spans, as `lsvid export-spans` writes them: one record a line. Lossless."""

from collections.abc import Iterable, Iterator

import msgspec

from lsvid.annotations.spans import SCHEMA_VERSION, Record, Span, from_json_line
from lsvid.findings import Findings
from lsvid.readers.documents import Document, ReadOptions


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a record of lsvid."""
    return {"record", "version", "case", "clip"} <= keys


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records as they stand."""
    for document in documents:
        try:
            record = from_json_line(bytes(document.raw))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            findings.fault(document.place, f"not a record of lsvid spans version {SCHEMA_VERSION}: {error}")
            continue
        if record.version > SCHEMA_VERSION:
            findings.fault(document.place, f"spans of version {record.version}; this lsvid reads {SCHEMA_VERSION}")
            continue
        if isinstance(record, Span):
            fault = record.basis.fault() if record.label and all(record.label) else "no label"
            if fault:
                findings.fault(f"{document.place}, region {record.region_id}", fault)
                continue
        yield record
