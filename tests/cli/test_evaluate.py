"""`lsvid evaluate` as a person meets it, on clips that are there."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
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


def test_cases_that_the_truth_lacks_are_left_out(tmp_path: Path, files: tuple[Path, Path]) -> None:
    """Whatever form the predictions have: spans of a clip that is not here, or probabilities of its whole case."""
    other = spans_file(tmp_path / "other.jsonl", Path("op2/clip_1.mp4"), [("Cut", 0, 4)], Status.PREDICTION, "net")
    files[1].write_bytes(files[1].read_bytes() + other.read_bytes())
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "classes.txt").write_text("Cut\nTie\n")
    np.save(tmp_path / "net" / "op1.npy", np.eye(2)[[0] * 5 + [1] * 3])
    np.save(tmp_path / "net" / "op2.npy", np.eye(2))
    for predictions in (files[1], tmp_path / "net"):
        command = ("evaluate", files[0], predictions, "--probability-fps", "1", "-o", tmp_path / "out")
        failed = run(*command)
        assert failed.exit_code == 1, failed.stderr
        assert "case op2: only in the predictions" in failed.stderr
        assert "--common-only" in failed.stderr
        document = json.loads(succeeded(run(*command, "--common-only", "--json")).stdout)
        assert document["accuracy"]["mean"] == 87.5
        left_out = [text for text in document["warnings"] if "cases that only the predictions have" in text]
        assert left_out, document["warnings"]
        written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
        assert "left out 1 cases that only the predictions have" in written["warnings"]


def test_hints_name_the_option_that_helps(tmp_path: Path, files: tuple[Path, Path]) -> None:
    truth, said = files
    media = tmp_path / "op1" / "clip_1.mp4"
    truth.write_bytes(
        truth.read_bytes() + spans_file(tmp_path / "b", media, [("Cut", 0, 8)], Status.ACCEPTED, "ben").read_bytes()
    )
    result = run("evaluate", truth, said, "-o", tmp_path / "out")
    assert "hint: choose one person's truth: --annotator NAME\n" in result.stderr
    succeeded(run("evaluate", truth, said, "-o", tmp_path / "out", "--annotator", "anna"))
    said.write_bytes(
        said.read_bytes() + spans_file(tmp_path / "b", media, [("Cut", 0, 8)], Status.PREDICTION, "net2").read_bytes()
    )
    result = run("evaluate", truth, said, "-o", tmp_path / "out", "--annotator", "anna")
    assert "hint: choose one model's predictions: --model MODEL\n" in result.stderr
    succeeded(run("evaluate", truth, said, "-o", tmp_path / "out", "--annotator", "anna", "--model", "net"))


def test_probabilities_without_a_rate(tmp_path: Path, files: tuple[Path, Path]) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "classes.txt").write_text("Cut\nTie\n")
    np.save(tmp_path / "net" / "op1.npy", np.eye(2)[[0] * 5 + [1] * 3])
    result = run("evaluate", files[0], tmp_path / "net", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "--probability-fps R" in result.stderr


def test_two_sides_are_needed(tmp_path: Path, files: tuple[Path, Path]) -> None:
    result = run("evaluate", files[0], "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "name TRUTH and PREDICTIONS" in result.stderr
