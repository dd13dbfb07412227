"""`--spreadsheet-safe`: texts that a spreadsheet would run get an apostrophe; without it they stay, and are told."""

import csv
from pathlib import Path

import pytest

from builders import annotation, export, region, run, task
from factories import VideoFactory

FORMULAS = ["=1+1", "+A", "-A", "@A"]


@pytest.mark.parametrize(("name", "file"), [("csv", "frames.csv"), ("segments", "segments.csv")])
def test_formulas_are_made_text_on_request(name: str, file: str, videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "clips/op1/clip_1.mp4", n_frames=12)
    regions = [region(2 * k + 1, 2 * k + 2, label, f"r{k}") for k, label in enumerate([*FORMULAS, "-1.5"])]
    source = export(tmp_path, task(1, "clip_1", annotation(1, 5, *regions)))
    command = ["export-frames", source, "--clips", tmp_path / "clips", "--format", name]

    def labels(folder: Path) -> set[str]:
        with (folder / file).open(encoding="utf-8", newline="") as table:
            return {row["label"] for row in csv.DictReader(table)} - {""}

    plain = run(*command, "-o", tmp_path / "plain")
    assert plain.exit_code == 0, plain.output
    assert "--spreadsheet-safe" in plain.stderr
    assert labels(tmp_path / "plain") == {*FORMULAS, "-1.5"}
    safe = run(*command, "-o", tmp_path / "safe", "--spreadsheet-safe")
    assert safe.exit_code == 0, safe.output
    assert labels(tmp_path / "safe") == {*(f"'{label}" for label in FORMULAS), "-1.5"}
