"""lsvid's own spans, as `lsvid export-spans` writes them: one record a line. Lossless."""

from collections.abc import Iterable, Iterator

from lsvid.annotations.spans import DECODER, SCHEMA_VERSION, Clip, Record, Span, is_plausible
from lsvid.findings import Findings
from lsvid.readers.documents import BadDocumentError, Document, ReadOptions, decode, shown


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a record of lsvid."""
    return {"record", "version", "case", "clip"} <= keys


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records, unchanged."""
    for document in documents:
        try:
            record = decode(DECODER, document.raw)
        except BadDocumentError as error:
            findings.fault(document.place, f"not a record of lsvid spans version {SCHEMA_VERSION}: {error}")
            continue
        if record.version > SCHEMA_VERSION:
            findings.fault(document.place, f"spans of version {record.version}; this lsvid reads {SCHEMA_VERSION}")
            continue
        if not record.case.strip() or not record.clip.strip():
            findings.fault(document.place, "names no case or no clip")
            continue
        if isinstance(record, Clip) and not is_plausible(record):
            findings.fault(
                document.place,
                f"a clip of {shown(record.n_frames)} frames and {shown(record.duration_s)} s, "
                f"which is the {shown(record.order)}th of its case",
            )
            continue
        if isinstance(record, Span):
            fault = record.basis.fault() if record.label and all(record.label) else "no label"
            if fault:
                findings.fault(f"{document.place}, region {record.region_id}", fault)
                continue
        yield record
