"""The two short examples that the page on Python links run, and give what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from builders import annotation, export, region, task
from factories import VideoFactory

EXAMPLES = Path(__file__).parent.parent.parent / ".github" / "docs" / "examples"
ANN, BOB = (
    {"completed_by": {"id": 1, "email": "ann@example.com"}},
    {"completed_by": {"id": 2, "email": "bob@example.com"}},
)


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_an_export_to_a_training_table(videos: VideoFactory, tmp_path: Path) -> None:
    tasks = []
    for number, case in enumerate(("op1", "op2", "op3"), start=1):
        videos.make(tmp_path / "clips" / case / "clip_1.mp4", n_frames=50)
        one = task(number, "clip_1", annotation(number, 1, region(1, 12, "Cut"), region(15, 30, "Tie", "r2")))
        one["data"]["video"] = f"/data/local-files/?d=clips/{case}/clip_1.mp4"
        tasks.append(one)
    table = example("export_to_training_table").main(export(tmp_path, *tasks), tmp_path / "clips", tmp_path / "table")
    assert table.equals(pl.read_parquet(tmp_path / "table" / "frames.parquet"))
    assert table["case", "part"].unique(maintain_order=True).rows() == [
        ("op1", "train"), ("op2", "train"), ("op3", "test"),
    ]  # fmt: skip
    rows = table.filter(pl.col("case") == "op1")["frame", "Cut", "Tie", "none"].rows()
    assert rows == [(0, 1, 0, 0), (25, 0, 1, 0)]


def test_two_annotators_compared(videos: VideoFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos.make(tmp_path / "clips" / "op1" / "clip_1.mp4", n_frames=50)
    ann = annotation(1, 1, region(1, 20, "Cut"), region(21, 50, "Tie", "r2"), **ANN)
    bob = annotation(2, 2, region(1, 30, "Cut"), region(31, 50, "Tie", "r2"), **BOB)
    file = export(tmp_path, task(1, "clip_1", ann, bob))
    agreement = example("two_annotators").main(file, tmp_path / "clips", tmp_path / "report")
    accuracy = agreement.filter(pl.col("case").is_null())["accuracy"].to_list()
    assert accuracy == [pytest.approx(0.8)]
    assert "op1/clip_1: ann@example.com and bob@example.com differ for 0.40 s from 0.80 s" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_a_page_links_each_example(script: Path) -> None:
    assert any(f"examples/{script.name}" in page.read_text(encoding="utf-8") for page in EXAMPLES.parent.glob("*.md"))
