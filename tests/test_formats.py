"""What every format owes, and `lsvid formats`."""

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from exports import clip, export, placed
from factories import VideoFactory
from lsvid.cli import cli
from lsvid.errors import DataError
from lsvid.readers import FILE_READERS, READERS
from lsvid.video import probe
from lsvid.writers import WRITERS

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", WRITERS)
def test_a_format_is_one_file_one_line_and_one_test_file(name: str) -> None:
    module = importlib.import_module(f"lsvid.writers.{name}")
    assert callable(module.write)
    assert module.__doc__
    if not WRITERS[name].is_table:
        assert (TESTS / f"test_writer_{name}.py").exists()


@pytest.mark.parametrize("name", WRITERS)
def test_the_registry_tells_the_truth_about_overlaps_and_annotators(
    name: str, tmp_path: Path, videos: VideoFactory
) -> None:
    labels = [("A",), ("B",)]
    path = videos.make(n_frames=30)
    times = probe(path).index
    overlap = placed(clip("video01/a", [("A", 0, 20), ("B", 10, 30)], times, str(path)))
    several = placed(clip("video01/a", {"x": [("A", 0, 20)], "y": [("B", 10, 30)]}, times, str(path)))
    for clips, able in ((overlap, WRITERS[name].overlaps), (several, WRITERS[name].annotators)):
        if able:
            manifest, _ = export(tmp_path / "out", clips, name, labels)
            assert manifest["format"]["name"] == name
            assert all((tmp_path / "out" / file["name"]).is_file() for file in manifest["files"])
        else:
            with pytest.raises(DataError, match=f"--format {name} holds one"):
                export(tmp_path / "out", clips, name, labels)


def test_formats_lists_what_is_written_and_read() -> None:
    result = CliRunner().invoke(cli, ["formats"])
    assert result.exit_code == 0
    for name, known in WRITERS.items():
        assert f"{name}\n  writes      {known.files}\n  holds       {known.holds}" in result.stdout
    assert all(reader.name in result.stdout for reader in READERS)
    assert all(reader.name in result.stdout for reader in FILE_READERS)


def test_formats_as_json() -> None:
    result = CliRunner().invoke(cli, ["formats", "--json"])
    document = json.loads(result.stdout)
    assert list(document["write"]) == list(WRITERS)
    assert document["write"]["mstcn"]["overlapping_labels"] is False
    assert "Prodigy JSONL" in document["read"]


def test_files_that_are_not_of_an_export_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/segments.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(Exception, match=r"segments\.csv, which no earlier export wrote"):
        export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)])), "segments")
    assert (tmp_path / "out/segments.csv").read_text(encoding="utf-8") == "mine"
