"""ELAN files as people make them in ELAN: parents and children, references, offsets, faults."""

from pathlib import Path

from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///data/op1/sound.wav" MIME_TYPE="audio/x-wav"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///data/op1/clip%201.mp4" MIME_TYPE="video/mp4" ORIGIN/>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="4000"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts5"/>
    </TIME_ORDER>
    <TIER ANNOTATOR="ann" LINGUISTIC_TYPE_REF="t" TIER_ID="phase">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
            <ANNOTATION_VALUE>Dissection</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    </TIER>
    <TIER ANNOTATOR="ann" LINGUISTIC_TYPE_REF="s" PARENT_REF="phase" TIER_ID="step">
        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
            <ANNOTATION_VALUE>Blunt</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
        MORE
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="r" PARENT_REF="step" TIER_ID="hand">
        <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a2">
            <ANNOTATION_VALUE>Left</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
    </TIER>
</ANNOTATION_DOCUMENT>
"""


def read(tmp_path: Path, more: str = "", origin: str = "") -> tuple[list[Record], Findings]:
    """The records of EAF, with `more` in its tier of steps."""
    file = tmp_path / "a.eaf"
    file.write_text(EAF.replace("MORE", more).replace("ORIGIN", origin), encoding="utf-8")
    findings = Findings()
    return list(read_export(str(file), ReadOptions(), findings)), findings


def test_children_are_sub_labels_and_the_rest_stays_the_parents(tmp_path: Path) -> None:
    records, findings = read(tmp_path)
    assert not findings.faults
    assert [(r.case, r.clip, r.media) for r in records if isinstance(r, Clip)] == [
        ("op1", "clip 1", "/data/op1/clip 1.mp4")
    ]
    assert [r.annotator for r in records if isinstance(r, Annotation)] == ["ann"]
    assert [(r.label, r.basis, r.region_id) for r in records if isinstance(r, Span)] == [
        (("Dissection",), Seconds(0, 1), "a1"),
        (("Dissection",), Seconds(2, 4), "a1.2"),
        (("Dissection", "Blunt", "Left"), Seconds(1, 2), "a3"),
    ]


def test_elan_counts_from_the_time_origin(tmp_path: Path) -> None:
    records, _ = read(tmp_path, origin='TIME_ORIGIN="500"')
    assert next(r for r in records if isinstance(r, Span)).basis == Seconds(0.5, 1.5)


def test_faults_name_tier_and_annotation(tmp_path: Path) -> None:
    unaligned = (
        '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a7" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5">'
        "<ANNOTATION_VALUE>Sharp</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        '<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a8" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts2">'
        "<ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>"
        '<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a9" ANNOTATION_REF="a77">'
        "<ANNOTATION_VALUE>x</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )
    _, findings = read(tmp_path, unaligned)
    file = tmp_path / "a.eaf"
    assert findings.faults == [
        (f"{file}, tier step, annotation a7", "has no time of its own in ELAN"),
        (f"{file}, tier step, annotation a9", "refers to a77, which has no time or is not there"),
        (f"{file}, tier step, annotation a8", "no label"),
    ]
