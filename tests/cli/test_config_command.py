"""`lsvid config`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lsvid.cli import cli
from lsvid.labeling.config import labeling_config
from lsvid.labels.files import read_labels


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.yaml"
    file.write_text("- Übernähen: [Knoten]\n- {name: Clip, timeline: frames}\n", encoding="utf-8")
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["config", *map(str, arguments)])


def test_the_xml_goes_to_standard_output(labels: Path) -> None:
    result = run(labels)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == labeling_config(read_labels(labels))


@pytest.mark.parametrize("timeline", ["frames", "waveform", "both"])
def test_the_xml_goes_into_a_file(timeline: str, labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "labels.xml"
    result = run(labels, "--timeline", timeline, "-o", file)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"3 labels -> {file}\n"
    assert file.read_bytes().decode() == labeling_config(read_labels(labels), timeline)  # type: ignore[arg-type] # one of the three
    assert list(file.parent.iterdir()) == [file]


def test_labels_of_a_text_file_for_the_frames(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("Cut\nClip\nSew\n")
    result = run(file, "--timeline", "both", "--frames", "Clip", "--frames", "Cut")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == labeling_config(read_labels(file).on_frames(["Clip", "Cut"]), "both")
    wrong = run(file, "--timeline", "both", "--frames", "Clap")
    assert wrong.exit_code == 2
    assert "'Clap'" in wrong.stderr


def test_json(labels: Path, tmp_path: Path) -> None:
    document = json.loads(run(labels, "--json").stdout)
    assert document["config"] == labeling_config(read_labels(labels))
    assert (document["command"], document["timeline"], document["labels"]) == ("config", "frames", 3)
    written = json.loads(run(labels, "--json", "-o", tmp_path / "x.xml").stdout)
    assert written["file"] == str(tmp_path / "x.xml")
    assert "config" not in written


def test_a_label_file_with_faults(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("A\nA\n----B\n")
    result = run(file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"error: {file} has 2 faults:",
        f'  {file}:2: "A" is there already (line 1)',
        f"  {file}:3: jumps to level 3 right after level 1",
        "hint: one label a line; '--' in front for each level down; a line that begins with '#' is a comment",
    ]


def test_a_missing_label_file(tmp_path: Path) -> None:
    result = run(tmp_path / "none.txt")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}/none.txt: there is no such file\nhint: give the path of a label file\n"


def test_both_without_marks_is_a_wrong_command(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("A\n")
    result = run(file, "--timeline", "both")
    assert result.exit_code == 2
    assert "error: --timeline both: no label is marked for the frames" in result.stderr


def test_an_unknown_timeline(labels: Path) -> None:
    result = run(labels, "--timeline", "audio")
    assert result.exit_code == 2
    assert "'audio' is not one of 'frames', 'waveform', 'both'" in result.stderr
