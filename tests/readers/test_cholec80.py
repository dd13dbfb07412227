"""Cholec80's phase files become spans. Round trips stand beside MS-TCN's, in test_mstcn.py."""

from pathlib import Path

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


def test_sampled_rows_are_a_fault(tmp_path: Path) -> None:
    file = phases(tmp_path / "cholec80", "0\tPreparation\n25\tPreparation\n")
    findings = Findings()
    assert not list(read_export(str(file), ReadOptions(), findings))
    assert findings.faults == [(f"{file}:3", "'25\\tPreparation' is not frame 1 and its phase")]
