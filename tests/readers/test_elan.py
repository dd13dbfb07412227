"""ELAN files as people make them in ELAN: parents and children, references, offsets, faults."""

import gzip
import itertools
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import run
from factories import VideoFactory
from lsvid.annotations.spans import DECODER, Annotation, Clip, ContainerSeconds, Record, Span
from lsvid.errors import ExportError, SettingsError
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located

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
        (("Dissection",), ContainerSeconds(0, 1), "a1"),
        (("Dissection",), ContainerSeconds(2, 4), "a1.2"),
        (("Dissection", "Blunt", "Left"), ContainerSeconds(1, 2), "a3"),
    ]


def test_elan_counts_from_the_time_origin(tmp_path: Path) -> None:
    records, _ = read(tmp_path, origin='TIME_ORIGIN="500"')
    assert next(r for r in records if isinstance(r, Span)).basis == ContainerSeconds(0.5, 1.5)


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
    ]
    assert findings.left_out == [
        (f"{file}, tier step, annotation a8",
         "ELAN annotations without a value, whose time stays that of the annotation above"),
    ]  # fmt: skip


# --- Tiers, subdivisions, hostile files: documents made of (tier's attributes, its annotations) -----------------------


def aligned(name: str, first: str, last: str, value: str = "") -> str:
    """An annotation between two time slots."""
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{last}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def refers(name: str, to: str, value: str = "", previous: str = "") -> str:
    """An annotation that refers to another."""
    after = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{to}"{after}>'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def eaf(slots: dict[str, object], *tiers: tuple[str, str], media: str = "", properties: str = "") -> str:
    """A document. slots: TIME_VALUE, or None, of each; tiers: attributes and annotations."""
    times = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"' + (f' TIME_VALUE="{value}"/>' if value is not None else "/>")
        for name, value in slots.items()
    )
    media = media or '<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/op1/a.mp4" MIME_TYPE="video/mp4"/>'
    body = "".join(f'<TIER LINGUISTIC_TYPE_REF="t" {attributes}>{marks}</TIER>' for attributes, marks in tiers)
    return (
        f'<ANNOTATION_DOCUMENT><HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}{properties}</HEADER>'
        f"<TIME_ORDER>{times}</TIME_ORDER>{body}</ANNOTATION_DOCUMENT>"
    )


def spans_of(
    tmp_path: Path, document: str | bytes, options: ReadOptions | None = None, name: str = "a.eaf"
) -> tuple[list[tuple[str, float, float]], Findings]:
    """(label, start_s, end_s) of each span, by time, and the findings."""
    data = document if isinstance(document, bytes) else document.encode()
    (tmp_path / name).write_bytes(data)
    findings = Findings()
    records = list(read_export(str(tmp_path / name), options or ReadOptions(), findings))
    found = [
        (" / ".join(r.label), r.basis.start, r.basis.end)
        for r in records
        if isinstance(r, Span) and isinstance(r.basis, ContainerSeconds) and r.basis.end is not None
    ]
    return sorted(found, key=lambda span: (span[1], span[2], span[0])), findings


SLOTS: dict[str, object] = {"s0": 0, "s1": 1000, "s2": 2000, "s3": 3000, "s4": 4000}
PHASE = ('TIER_ID="phase"', aligned("a1", "s0", "s4", "Suturing"))


def test_parts_without_times_divide_what_they_share_evenly(tmp_path: Path) -> None:
    # Time_Subdivision, as in pympi's own sample: the slots between ts2 and ts5 have no TIME_VALUE.
    slots: dict[str, object] = {"s1": 2000, "s2": 2470, "s3": None, "s4": None, "s5": 5000}
    parts = aligned("b1", "s1", "s2", "Grasp") + aligned("b2", "s2", "s3", "Pierce") + aligned("b3", "s3", "s4", "Pull")
    spans, findings = spans_of(
        tmp_path,
        eaf(
            slots,
            ('TIER_ID="text"', aligned("a1", "s1", "s5", "Suturing")),
            ('TIER_ID="parts" PARENT_REF="text"', parts + aligned("b4", "s4", "s5", "Knot")),
        ),
    )
    assert not findings.faults
    assert spans == [
        ("Suturing / Grasp", 2.0, 2.47),
        ("Suturing / Pierce", 2.47, 3.313),
        ("Suturing / Pull", 3.313, 4.156),
        ("Suturing / Knot", 4.156, 5.0),
    ]


def test_parts_of_parts_go_by_annotation_ref_and_by_their_chain(tmp_path: Path) -> None:
    # Symbolic_Subdivision, out of order in the file, with Symbolic_Association below.
    parts = refers("b3", "a1", "Pull", "b2") + refers("b1", "a1", "Grasp") + refers("b2", "a1", "Pierce", "b1")
    tools = refers("c1", "b2", "needle") + refers("c2", "b3", "forceps")
    spans, findings = spans_of(
        tmp_path,
        eaf(
            {"s1": 2000, "s2": 5000},
            ('TIER_ID="text"', aligned("a1", "s1", "s2", "Suturing")),
            ('TIER_ID="tool" PARENT_REF="parts"', tools),
            ('TIER_ID="parts" PARENT_REF="text"', parts),
        ),
    )
    assert not findings.faults
    assert spans == [
        ("Suturing / Grasp", 2.0, 3.0),
        ("Suturing / Pierce / needle", 3.0, 4.0),
        ("Suturing / Pull / forceps", 4.0, 5.0),
    ]


def test_neighbours_that_touch_keep_their_own_children(tmp_path: Path) -> None:
    # Two parents of the same times on two tiers: only ANNOTATION_REF tells whose child it is.
    spans, _ = spans_of(
        tmp_path,
        eaf(
            SLOTS,
            ('TIER_ID="A"', aligned("a1", "s0", "s1", "x")),
            ('TIER_ID="B"', aligned("a2", "s0", "s1", "y")),
            ('TIER_ID="sub@A" PARENT_REF="A"', refers("a3", "a1", "z")),
        ),
    )
    assert spans == [("A / x / z", 0.0, 1.0), ("B / y", 0.0, 1.0)]


HANDS = eaf(
    SLOTS,
    ('TIER_ID="GlossL S1" PARTICIPANT="S1"', aligned("a1", "s0", "s1", "HOUSE")),
    ('TIER_ID="GlossR S1" PARTICIPANT="S1"', aligned("a2", "s1", "s2", "HOUSE")),
    ('TIER_ID="GlossR S2" PARTICIPANT="S2"', aligned("a3", "s2", "s3", "HOUSE")),
    ('TIER_ID="default"', ""),
)


def test_names_of_tiers_side_by_side_are_a_level(tmp_path: Path) -> None:
    spans, findings = spans_of(tmp_path, HANDS)
    assert [label for label, *_ in spans] == ["GlossL S1 / HOUSE", "GlossR S1 / HOUSE", "GlossR S2 / HOUSE"]
    assert "GlossL S1, GlossR S1, GlossR S2" in findings.warnings[0][0]


def test_names_of_tiers_mean_what_is_asked_for(tmp_path: Path) -> None:
    def labels(meaning: str) -> list[str]:
        return [label for label, *_ in spans_of(tmp_path, HANDS, ReadOptions(tier_names=meaning))[0]]

    assert labels("none") == ["HOUSE"] * 3
    assert labels("participant") == ["S1 / GlossL S1 / HOUSE", "S1 / GlossR S1 / HOUSE", "S2 / HOUSE"]
    one = eaf(SLOTS, PHASE)
    assert spans_of(tmp_path, one)[0] == [("Suturing", 0.0, 4.0)]
    assert spans_of(tmp_path, one, ReadOptions(tier_names="level"))[0] == [("phase / Suturing", 0.0, 4.0)]
    with pytest.raises(SettingsError, match="auto, level, participant, annotator, none"):
        labels("nothing")


def test_a_tier_for_each_annotator(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(HANDS, encoding="utf-8")
    records = list(read_export(str(tmp_path / "a.eaf"), ReadOptions(tier_names="annotator"), Findings()))
    spans = [r for r in records if isinstance(r, Span)]
    assert [(span.annotator, span.label) for span in spans] == [
        ("GlossL S1", ("HOUSE",)), ("GlossR S1", ("HOUSE",)), ("GlossR S2", ("HOUSE",)),
    ]  # fmt: skip


def test_tiers_are_chosen_and_the_others_counted(tmp_path: Path) -> None:
    spans, findings = spans_of(tmp_path, HANDS, ReadOptions(tiers=("GlossL*",)))
    assert spans == [("HOUSE", 0.0, 1.0)]
    assert findings.left_out_counts() == {"annotations on ELAN tiers that were not asked for": 2}
    _, findings = spans_of(tmp_path, HANDS, ReadOptions(tiers=("gesture",)))
    assert "none of its tiers is asked for; it has: GlossL S1, GlossR S1" in findings.faults[0][1]
    # A tier between that is not asked for is passed over: its parent is still the parent.
    deep = eaf(
        SLOTS,
        PHASE,
        ('TIER_ID="step" PARENT_REF="phase"', aligned("a2", "s1", "s2", "Knot")),
        ('TIER_ID="hand" PARENT_REF="step"', refers("a3", "a2", "left")),
    )
    spans, _ = spans_of(tmp_path, deep, ReadOptions(tiers=("phase", "hand")))
    assert spans == [("Suturing", 0.0, 1.0), ("Suturing / left", 1.0, 2.0), ("Suturing", 2.0, 4.0)]


def test_on_tiers_of_speakers_no_value_means_that_somebody_speaks(tmp_path: Path) -> None:
    spans, findings = spans_of(
        tmp_path,
        eaf(
            SLOTS,
            ('TIER_ID="CHI" PARTICIPANT="CHI"', aligned("a1", "s0", "s1")),
            ('TIER_ID="FA1" PARTICIPANT="FA1"', aligned("a2", "s1", "s2")),
            ('TIER_ID="vcm@CHI" PARENT_REF="CHI"', refers("a3", "a1", "V")),
        ),
    )
    assert not findings.faults
    assert spans == [("CHI / V", 0.0, 1.0), ("FA1", 1.0, 2.0)]


def test_an_empty_annotation_takes_nothing_from_its_parent_and_an_empty_parent_is_a_fault(tmp_path: Path) -> None:
    spans, findings = spans_of(
        tmp_path, eaf(SLOTS, PHASE, ('TIER_ID="step" PARENT_REF="phase"', aligned("a2", "s1", "s2")))
    )
    assert spans == [("Suturing", 0.0, 4.0)]
    assert not findings.faults
    assert [place for place, _ in findings.left_out] == [f"{tmp_path / 'a.eaf'}, tier step, annotation a2"]
    spans, findings = spans_of(
        tmp_path,
        eaf(
            SLOTS,
            ('TIER_ID="phase"', aligned("a1", "s0", "s4")),
            ('TIER_ID="step" PARENT_REF="phase"', aligned("a2", "s1", "s2", "Knot")),
        ),
    )
    assert not spans
    assert [reason for _, reason in findings.faults] == ["no label", "lies below a1, which has no label"]


def test_a_child_outside_every_parent_is_a_fault(tmp_path: Path) -> None:
    spans, findings = spans_of(
        tmp_path,
        eaf(
            SLOTS,
            ('TIER_ID="phase"', aligned("a1", "s0", "s1", "x")),
            ('TIER_ID="step" PARENT_REF="phase"', aligned("a2", "s2", "s3", "y")),
        ),
    )
    assert spans == [("x", 0.0, 1.0)]
    assert [reason for _, reason in findings.faults] == ["lies in no annotation of its parent tier, phase"]


def test_a_child_without_an_annotator_is_its_parents(tmp_path: Path) -> None:
    records, _ = read(tmp_path)
    assert {r.annotator for r in records if isinstance(r, Span)} == {"ann"}


@pytest.mark.parametrize(
    ("tiers", "told"),
    [
        ([('TIER_ID="a" PARENT_REF="a"', aligned("a1", "s0", "s1", "x"))], "tier a: is below itself"),
        ([('TIER_ID="a" PARENT_REF="b"', aligned("a1", "s0", "s1", "x")),
          ('TIER_ID="b" PARENT_REF="a"', aligned("a2", "s0", "s1", "x")),
          ('TIER_ID="c" PARENT_REF="b"', "")], "tier b: is below itself"),
        ([('TIER_ID="a" PARENT_REF="gone"', aligned("a1", "s0", "s1", "x"))], "is below tier 'gone', which is"),
    ],
)  # fmt: skip
def test_tiers_that_hang_in_the_air_are_faults(tmp_path: Path, tiers: list[tuple[str, str]], told: str) -> None:
    _, findings = spans_of(tmp_path, eaf(SLOTS, *tiers))
    assert len(findings.faults) == len(tiers)
    assert told in "; ".join(f"{place}: {reason}" for place, reason in findings.faults)


def test_two_tiers_of_one_name_are_both_read_and_told(tmp_path: Path) -> None:
    spans, findings = spans_of(
        tmp_path,
        eaf(
            SLOTS,
            ('TIER_ID="a"', aligned("a1", "s0", "s1", "x")),
            ('TIER_ID="a"', aligned("a2", "s1", "s2", "y")),
            ('TIER_ID="b" PARENT_REF="a"', refers("a3", "a2", "z")),
        ),
    )
    assert spans == [("x", 0.0, 1.0), ("y / z", 1.0, 2.0)]
    assert not findings.faults
    assert "several tiers named a" in findings.warnings[0][0]


def test_packed_and_utf16_files_are_read(tmp_path: Path) -> None:
    document = eaf(SLOTS, PHASE)
    assert spans_of(tmp_path, gzip.compress(document.encode()), name="a.eaf.gz")[0] == [("Suturing", 0.0, 4.0)]
    head = '<?xml version="1.0" encoding="UTF-16"?>'
    assert spans_of(tmp_path, (head + document).encode("utf-16"))[0] == [("Suturing", 0.0, 4.0)]


def test_the_first_video_is_the_clip_and_others_are_told(tmp_path: Path) -> None:
    media = "".join(
        f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/op1/{name}" MIME_TYPE="{kind}" TIME_ORIGIN="{origin}"/>'
        for name, kind, origin in (("a.wav", "audio/x-wav", 0), ("a.mp4", "unknown", 200), ("b.mp4", "video/mp4", 1200))
    )
    spans, findings = spans_of(tmp_path, eaf(SLOTS, PHASE, media=media))
    assert spans == [("Suturing", 0.2, 4.2)]
    assert "links 2 videos: its labels are those of the first, a.mp4" in findings.warnings[0][0]


@pytest.mark.parametrize(
    ("media", "clip_id", "found"),
    [
        ('MEDIA_URL="file:///D:/op7/clip%201.mp4"', "op7/clip 1", "/D:/op7/clip 1.mp4"),
        ('MEDIA_URL="" RELATIVE_MEDIA_URL="./clip_1.mp4"', "op1/clip_1", "FOLDER/op1/clip_1.mp4"),
        ('RELATIVE_MEDIA_URL="../op2/clip_1.mp4"', "op2/clip_1", "FOLDER/op1/../op2/clip_1.mp4"),
        ('MEDIA_URL="clip_1.mp4"', "op1/clip_1", "FOLDER/op1/clip_1.mp4"),
        ("", "op1/a", "FOLDER/op1/a"),
    ],
)
def test_which_clip_it_is(tmp_path: Path, media: str, clip_id: str, found: str) -> None:
    (tmp_path / "op1").mkdir()
    file = tmp_path / "op1" / "a.eaf"
    linked = f"<MEDIA_DESCRIPTOR {media}/>" if media else "<PROPERTY/>"
    file.write_text(eaf(SLOTS, PHASE, media=linked), encoding="utf-8")
    (clip,) = [r for r in read_export(str(file), ReadOptions(), Findings()) if isinstance(r, Clip)]
    assert (clip.clip_id, clip.media) == (clip_id, found.replace("FOLDER", str(tmp_path)))


@pytest.mark.parametrize("value", ["abc", "1.5", "", "9" * 5000, "0x10"])
def test_times_that_are_no_whole_milliseconds_are_told(tmp_path: Path, value: str) -> None:
    _, findings = spans_of(tmp_path, eaf(SLOTS | {"s4": value}, PHASE))
    assert findings.faults[0][0] == f"{tmp_path / 'a.eaf'}, time slot s4"
    assert "is not whole milliseconds" in findings.faults[0][1]
    assert len(findings.faults[0][1]) < 200


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (eaf(SLOTS, media='<MEDIA_DESCRIPTOR MEDIA_URL="a.mp4" TIME_ORIGIN="abc"/>'), "TIME_ORIGIN 'abc' of a.mp4"),
        (eaf(SLOTS, media=f'<MEDIA_DESCRIPTOR MEDIA_URL="a.mp4" TIME_ORIGIN="{"9" * 5000}"/>'), "whole milliseconds"),
        ('<?xml version="1.0" encoding="klingon"?>' + eaf(SLOTS), "an encoding that cannot be read"),
        ('<?xml version="1.0" encoding="UTF-7"?>' + eaf(SLOTS), "an encoding that cannot be read"),
        ('<?xml version="1.0" encoding="GB18030"?>' + eaf(SLOTS), "an encoding that cannot be read"),
        (eaf(SLOTS).replace("milliseconds", "PAL-frames"), "counts time in PAL-frames"),
        (eaf(SLOTS, PHASE)[:-40], "is not whole XML"),
        (eaf(SLOTS, *[(f'TIER_ID="t{n}" PARENT_REF="t{n - 1}"' if n else 'TIER_ID="t0"', "") for n in range(3000)]),
         "more than 64 tiers deep"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_one_clear_error(tmp_path: Path, document: str, told: str) -> None:
    with pytest.raises(ExportError, match=re.escape(told)) as error:
        spans_of(tmp_path, document)
    assert str(tmp_path / "a.eaf") in error.value.message
    assert len(error.value.message) < 300
    assert error.value.hint


def test_a_wild_media_address_is_no_crash(tmp_path: Path) -> None:
    spans, _ = spans_of(tmp_path, eaf(SLOTS, PHASE, media='<MEDIA_DESCRIPTOR MEDIA_URL="http://[z/op1/a.mp4"/>'))
    assert spans == [("Suturing", 0.0, 4.0)]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 5000), st.data())
def test_whatever_is_subdivided_tiles_its_parent(lengths: list[int], start: int, data: st.DataObject) -> None:
    """Neighbours with a time slot between each two, of which any may lack TIME_VALUE, cover their parent exactly."""
    times = [start]
    for length in lengths:
        times.append(times[-1] + length)
    slots: dict[str, object] = {f"s{n}": time for n, time in enumerate(times)}
    for n in range(1, len(lengths)):
        if data.draw(st.booleans()):
            slots[f"s{n}"] = None
    parts = "".join(aligned(f"b{n}", f"s{n}", f"s{n + 1}", f"p{n}") for n in range(len(lengths)))
    document = eaf(
        slots,
        ('TIER_ID="a"', aligned("a1", "s0", f"s{len(lengths)}", "x")),
        ('TIER_ID="b" PARENT_REF="a"', parts),
    )
    with tempfile.TemporaryDirectory() as folder:
        spans, findings = spans_of(Path(folder), document)
    assert not findings.faults
    assert (spans[0][1], spans[-1][2]) == (times[0] / 1000, times[-1] / 1000)
    assert all(before[2] == after[1] for before, after in itertools.pairwise(spans))


def test_the_commands_options_reach_the_readers(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(HANDS, encoding="utf-8")
    boris = Path(__file__).parent.parent / "data" / "boris" / "queued.boris"

    def labels(*arguments: object) -> list[str]:
        result = run("export-spans", *arguments)
        assert result.exit_code == 0, result.output
        records = [DECODER.decode(line) for line in result.stdout.splitlines()]
        return [" / ".join(r.label) for r in records if isinstance(r, Span)]

    assert labels(tmp_path / "a.eaf") == ["GlossL S1 / HOUSE", "GlossR S1 / HOUSE", "GlossR S2 / HOUSE"]
    assert labels(tmp_path / "a.eaf", "--tier-names", "none", "--tiers", "*S1") == ["HOUSE", "HOUSE"]
    assert "Ann / still / Rest" in labels(boris)
    assert "still / Rest" in labels(boris, "--tier-names", "none", "--point-s", "0.5")
    point = next(line for line in run("export-spans", boris, "--point-s", "0.5").stdout.splitlines() if "Call" in line)
    assert '"start":4.0,"end":4.5' in point


def test_the_media_of_the_first_releases_and_of_a_drives_root(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "clips/op7/a.mp4", n_frames=100)
    old = eaf(SLOTS, PHASE, media="<PROPERTY/>").replace('MEDIA_FILE=""', 'MEDIA_FILE="a.mp4"')
    root = eaf(SLOTS, PHASE, media='<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/a.mp4" MIME_TYPE="video/mp4"/>')
    for text in (old, root):
        (tmp_path / "x.eaf").write_text(text, encoding="utf-8")
        request = ReadRequest((str(tmp_path / "x.eaf"),), roots=(str(tmp_path / "clips"),))
        (found,) = read_located(request, Findings()).located.clips
        assert found.id == "op7/a"
