"""A label 'A / B' beside a label B below A: told apart in every table, and read back as what it was."""

from pathlib import Path

import polars as pl
import pytest

from exports import clip, export, placed, read_back
from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.stages import AnnotatedClip

SPANS = [(r"A \/ B", 0, 10), ("A / B", 20, 30), (r"A / \/ B", 40, 50)]
LABELS = [("A / B",), ("A", "B"), ("A", "/ B")]


def clips() -> list[AnnotatedClip]:
    return placed(clip("op1/a", SPANS))


def read_table(folder: Path, file_format: str) -> pl.DataFrame:
    if file_format == "csv":
        return pl.read_csv(folder / "frames.csv")
    return (
        pl.read_ndjson(folder / "frames.jsonl")
        if file_format == "jsonl"
        else pl.read_parquet(folder / "frames.parquet")
    )


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_in_the_long_table(tmp_path: Path, file_format: str) -> None:
    export(tmp_path / "out", clips(), file_format, LABELS)
    rows = read_table(tmp_path / "out", file_format).filter(pl.col("label").is_not_null())
    first = rows.cast({"label": pl.String}).group_by("label").agg(pl.col("frame").min()).sort("frame")
    assert first["label"].to_list() == [name for name, _, _ in SPANS]
    assert rows.filter(pl.col("frame") == 40)["level_2"].cast(pl.String).to_list() == ["/ B"]


def test_in_the_wide_table() -> None:
    table = FrameTables(clips(), TableOptions(LABELS, wide=True)).table(clips())
    for name, start, stop in SPANS:
        assert table.filter(pl.col(name) == 1)["frame"].to_list() == list(range(start, stop))


@pytest.mark.parametrize(("file_format", "file"), [("segments", "segments.csv"), ("elan", "op1_a.eaf")])
def test_what_is_read_back_is_what_was_written(tmp_path: Path, file_format: str, file: str) -> None:
    export(tmp_path / "out", clips(), file_format, LABELS)
    back, _ = read_back(tmp_path / "out" / file, clips())
    assert back == {"op1/a": set(SPANS)}
