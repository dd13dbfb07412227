"""BORIS's project: what is written comes back, and BORIS's own code opens it and finds nothing wrong."""

import csv
import json
import subprocess
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

import hostile
from environments import boris_environment
from exports import LABELS, Labelled, clip, export, index, merged, placed, read_back, tilings
from lsvid.annotations.spans import Annotation
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions

PROJECT = "annotations.boris"


@settings(max_examples=25, deadline=None)
@given(tilings(), tilings())
def test_round_trip(first: list[Labelled], second: list[Labelled]) -> None:
    times = index(60, Fraction(30000, 1001), Fraction(1, 2))
    clips = placed(clip("op 1/a", first, times), clip("op 1/b", second, index(60)), clip("op2/a", []))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "boris", LABELS)
        found, _ = read_back(Path(folder, "out", PROJECT), clips)
    assert {key: merged(list(spans)) for key, spans in found.items()} == {
        "op 1/a": merged(first), "op 1/b": merged(second), "op2/a": set(),
    }  # fmt: skip


def test_several_annotators_come_back(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", {"x": [("A", 0, 5)], "y": []}), clip("op1/b", None))
    export(tmp_path / "out", clips, "boris")
    records = list(read_export(str(tmp_path / "out" / PROJECT), ReadOptions(), Findings()))
    assert [(r.clip_id, r.annotator) for r in records if isinstance(r, Annotation)] == [("op1/a", "x"), ("op1/a", "y")]


def test_keys_and_modifiers(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("op1/a", [("Suturing / Knot", 0, 5)])), "boris", LABELS)
    behaviours = json.loads((tmp_path / "out" / PROJECT).read_text(encoding="utf-8"))["behaviors_conf"]
    assert [(one["code"], one["key"]) for one in behaviours.values()] == [("Dissection", "1"), ("Suturing", "2")]
    assert [one["modifiers"]["0"]["values"] for one in behaviours.values()] == [["Blunt", "Sharp"], ["Knot"]]


def test_spans_of_one_label_that_overlap_are_one_and_told(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 10), ("A", 5, 20), ("B", 5, 10)]))
    _, findings = export(tmp_path / "out", clips, "boris")
    assert read_back(tmp_path / "out" / PROJECT, clips)[0] == {"op1/a": {("A", 0, 20), ("B", 5, 10)}}
    assert any("clip op1/a: spans of A that overlap are one in BORIS" in text for text, _ in findings.warnings)


@pytest.mark.server
def test_boris_opens_it(tmp_path: Path) -> None:
    """Hostile names, 120 clips, overlapping labels, clips with nothing in them."""
    clips = [one for one in hostile.clips() if one.id.isprintable()]  # its CSV holds control characters as they are
    export(tmp_path / "out", clips, "boris", hostile.labels(), include_unannotated=True)
    said = opened_by_boris(tmp_path / "out" / PROJECT)
    assert said["wrong"] == ""
    with (tmp_path / "events.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(said["table"])
    found, _ = read_back(tmp_path / "events.csv", clips)
    expected, _ = read_back(tmp_path / "out" / PROJECT, clips)
    assert found == {key: spans for key, spans in expected.items() if spans}


@pytest.mark.server
def test_borises_table_of_the_project_that_is_kept_is_the_one_that_is_kept() -> None:
    data = Path(__file__).parent.parent / "data" / "boris"
    with (data / "queued.csv").open(encoding="utf-8", newline="") as file:
        kept = [row[:21] for row in csv.reader(file)]  # what follows differs by version, and is not read
    assert [row[:21] for row in opened_by_boris(data / "queued.boris")["table"]] == kept


def opened_by_boris(project: Path) -> Any:
    script = Path(__file__).parent.parent / "boris_code.py"
    python = boris_environment() / "bin" / "python"
    done = subprocess.run([str(python), str(script), str(project)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
