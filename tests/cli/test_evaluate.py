"""`lsvid evaluate` as a person meets it, on clips that are there."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from builders import run, succeeded
from factories import VideoFactory
from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span, Status, to_json_line


def spans_file(path: Path, media: Path, marked: list[tuple[str, float, float]], status: Status, who: str) -> Path:
    names: dict[str, Any] = {"case": media.parent.name, "clip": media.stem}
    common = names | {"annotator": who, "status": status, "source": "test", "annotation_id": who}
    records: list[Record] = [Clip(**names, media=str(media)), Annotation(**common)]
    for number, (label, start, end) in enumerate(marked):
        records.append(Span(**common, label=(label,), region_id=str(number), basis=Seconds(start, end)))
    path.write_bytes(b"".join(to_json_line(record) for record in records))
    return path


@pytest.fixture
def files(tmp_path: Path, videos: VideoFactory) -> tuple[Path, Path]:
    (tmp_path / "op1").mkdir()
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4", n_frames=40, rate=Fraction(5))
    truth = spans_file(tmp_path / "truth.jsonl", clip, [("Cut", 0, 4), ("Tie", 4, 8)], Status.ACCEPTED, "anna")
    said = spans_file(tmp_path / "said.jsonl", clip, [("Cut", 0, 5), ("Tie", 5, 8)], Status.PREDICTION, "net")
    return truth, said


def test_evaluate(tmp_path: Path, files: tuple[Path, Path]) -> None:
    result = succeeded(run("evaluate", *files, "-o", tmp_path / "out", "--json"))
    document = json.loads(result.stdout)
    assert document["accuracy"]["mean"] == 87.5
    assert document["frames"] == {"op1": 8}  # 1 a second
    assert (tmp_path / "out" / "evaluation.html").exists()
    assert "unrelaxed       87.5" in result.stderr
    assert "relaxed 10 s    100.0" in result.stderr
    assert "one case: there is no SD over cases" in result.stderr
    every = json.loads(run("evaluate", *files, "-o", tmp_path / "out", "--sample-fps", 5, "--json").stdout)
    assert every["frames"] == {"op1": 40}


def test_what_does_not_fit_is_listed(tmp_path: Path, files: tuple[Path, Path]) -> None:
    other = files[1].read_bytes().replace(b'"Tie"', b'"Sew"')
    files[1].write_bytes(other)
    result = run("evaluate", *files, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "label Sew: in the predictions, but not among the labels" in result.stderr
    assert "--common-only" in result.stderr
    assert not (tmp_path / "out").exists()
    succeeded(run("evaluate", *files, "-o", tmp_path / "out", "--common-only"))


def test_two_sides_are_needed(tmp_path: Path, files: tuple[Path, Path]) -> None:
    result = run("evaluate", files[0], "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "name TRUTH and PREDICTIONS" in result.stderr
