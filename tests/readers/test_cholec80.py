"""Cholec80's phase files become spans. Round trips stand beside MS-TCN's, in test_mstcn.py."""

from pathlib import Path

import pytest

from lsvid.annotations.spans import Clip, Frames, Span
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import CaseRule


def phases(folder: Path, rows: str) -> Path:
    file = folder / "phase_annotations/video01-phase.txt"
    file.parent.mkdir(parents=True)
    file.write_text(f"Frame\tPhase\n{rows}", encoding="utf-8")
    return file


def test_a_folder_and_a_file_say_the_same(tmp_path: Path) -> None:
    file = phases(tmp_path / "cholec80", "0\tPreparation\n1\tPreparation\n2\tDissection\n")
    for path in (tmp_path / "cholec80", file):
        records = list(read_export(str(path), ReadOptions(), Findings()))
        assert [(r.case, r.clip, r.media, r.n_frames) for r in records if isinstance(r, Clip)] == [
            ("video01", "video01", "video01", 3)
        ]
        assert [(r.label, r.basis) for r in records if isinstance(r, Span)] == [
            (("Preparation",), Frames(0, 2)),
            (("Dissection",), Frames(2, 3)),
        ]


def test_a_named_case(tmp_path: Path) -> None:
    file = phases(tmp_path / "cholec80", "0\tPreparation\n")
    records = list(read_export(str(file), ReadOptions(rule=CaseRule.parse(case="op7")), Findings()))
    assert {record.case for record in records} == {"op7"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Frame\tPhase\n0\tPrep\n25\tPrep\n50\tDissection\n", (3, "a row every 25 frames does not tell where")),
        ("Frame\tPhase\n1\tPrep\n2\tPrep\n3\tPrep\n", (2, "its rows count from 1")),
        ("Frame\tPhase\n0\tPrep\n1\n", (3, "'1' is not frame 1 and its phase")),
        ("Frame\tPhase\n0\tPrep\n\n2\tPrep\n", (3, "'' is not frame 1 and its phase")),
        ("Frame\tPhase\n0\tPrep\n" + "9" * 5000 + "\tPrep\n", (3, "is not frame 1")),
    ],
)
def test_rows_that_are_not_of_their_frame_are_a_fault(tmp_path: Path, text: str, told: tuple[int, str]) -> None:
    file = tmp_path / "video01-phase.txt"
    file.write_text(text, encoding="utf-8")
    findings = Findings()
    assert not list(read_export(str(file), ReadOptions(), findings))
    ((place, reason),) = findings.faults
    assert place == f"{file}:{told[0]}"
    assert told[1] in reason
    assert len(reason) < 200


@pytest.mark.parametrize("name", ["video01-phase.txt", "video01.txt", "video01.csv"])
@pytest.mark.parametrize(
    "text",
    [
        "frame\tphase\n0\tPrep\n1\tPrep\n2\tDissection\n",
        "\ufeffFrame,Phase\r\n0,Prep \r\n1,Prep\r\n2,Dissection\r\n\r\n\r\n",
        "Frame Phase\n0 Prep\n1 Prep\n2 Dissection",
    ],
)
def test_files_like_cholec80s(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    findings = Findings()
    records = list(read_export(str(tmp_path / name), ReadOptions(), findings))
    assert not findings.faults
    assert {r.clip for r in records} == {"video01"}
    assert [(r.label, r.basis) for r in records if isinstance(r, Span)] == [
        (("Prep",), Frames(0, 2)),
        (("Dissection",), Frames(2, 3)),
    ]


def test_the_folder_of_the_files_itself(tmp_path: Path) -> None:
    file = phases(tmp_path / "cholec80", "0\tPreparation\n")
    records = list(read_export(str(file.parent), ReadOptions(), Findings()))
    assert [r.basis for r in records if isinstance(r, Span)] == [Frames(0, 1)]


def test_phases_that_are_numbers_are_told(tmp_path: Path) -> None:
    findings = Findings()
    list(read_export(str(phases(tmp_path / "cholec80", "0\t1\n1\t1\n")), ReadOptions(), findings))
    assert "its classes are numbers" in findings.warnings[0][0]


@pytest.mark.parametrize(
    "text", ["0\tPrep\n1\tCut it\n", "Frame\tPhase\n000\tPrep\n001\tCut it\n", 'Frame,Phase\n0.0,Prep\n1.0,"Cut it"\n']
)
def test_rows_as_other_programs_write_them(tmp_path: Path, text: str) -> None:
    file = tmp_path / "phase_annotations/Video01-Phase.TXT"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    records = list(read_export(str(file.parent), ReadOptions(), Findings()))
    assert [(r.clip, r.label, r.basis) for r in records if isinstance(r, Span)] == [
        ("Video01", ("Prep",), Frames(0, 1)),
        ("Video01", ("Cut it",), Frames(1, 2)),
    ]
