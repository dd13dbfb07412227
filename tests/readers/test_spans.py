"""lsvid's own spans: what is written is read back, and nothing else is taken for it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.annotations.spans import (
    DECODER,
    Annotation,
    Clip,
    Frames,
    LsFrames,
    Record,
    Seconds,
    Span,
    Status,
    to_json_line,
)
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
SECONDS = st.floats(0, 1e5, allow_nan=False)
BASES = st.one_of(
    st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)).map(lambda t: LsFrames(t[0], t[0] + t[1], "25.0")),
    st.tuples(SECONDS, SECONDS).map(lambda t: Seconds(min(t), max(t))),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(lambda t: Frames(t[0], t[0] + t[1])),
)
WHO = {"case": TEXT, "clip": TEXT}
WORK = {"annotator": TEXT, "status": st.sampled_from(Status), "source": TEXT, "annotation_id": TEXT}
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(Clip, **WHO, media=TEXT, order=st.none() | SECONDS),
    st.builds(Annotation, **WHO, **WORK, ground_truth=st.booleans(), score=st.none() | SECONDS),
    st.builds(
        Span, **WHO, **WORK, label=st.lists(TEXT, min_size=1, max_size=4).map(tuple), region_id=TEXT, basis=BASES
    ),
)


@given(RECORDS)
def test_a_record_is_read_back_as_it_was(record: Record) -> None:
    line = to_json_line(record)
    assert line.count(b"\n") == 1
    assert DECODER.decode(line) == record


def read(tmp_path: Path, *lines: Any) -> tuple[list[Record], Findings]:
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    findings = Findings()
    return list(read_export(str(file), ReadOptions(), findings)), findings


def a_span(**changes: Any) -> Any:
    span = Span(
        case="op1", clip="a", label=("A",), annotator="eve", status=Status.ACCEPTED, source="x", annotation_id="1",
        region_id="r", basis=Frames(0, 5),
    )  # fmt: skip
    return msgspec.json.decode(to_json_line(span)) | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": []}, "no label"),
        ({"basis": {"kind": "frames", "start": 9, "stop": 5}}, "reversed: frames 9 to 5"),
        ({"basis": {"kind": "frames", "start": -1, "stop": 5}}, "frame -1 is below 0"),
        ({"basis": {"kind": "seconds", "start": 9, "end": 5}}, "reversed: 9.0 to 5.0 s"),
        ({"status": "great"}, "not a record of lsvid spans version 1: Invalid enum value 'great' - at `$.status`"),
        ({"version": 2}, "spans of version 2; this lsvid reads 1"),
    ],
)
def test_a_bad_record_is_a_fault_and_the_others_are_read(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    records, findings = read(tmp_path, a_span(), a_span(**changes), a_span())
    assert len(records) == 2
    assert [fault for _, fault in findings.faults] == [reason]
    assert "spans.jsonl:2" in findings.faults[0][0]
