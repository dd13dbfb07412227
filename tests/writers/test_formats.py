"""What every format owes, and `lsvid formats`."""

import csv
import importlib
import json
import re
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner, Result

from exports import clip, export, placed
from factories import VideoFactory
from lsvid.cli import cli
from lsvid.errors import DataError
from lsvid.readers import FILE_READERS, READERS
from lsvid.video.index import probe
from lsvid.writers import WRITERS, all_formats, fiftyone, format_of

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("name", WRITERS)
def test_a_format_is_one_file_one_line_and_one_test_file(name: str) -> None:
    module = importlib.import_module(f"lsvid.writers.{name}")
    assert callable(module.write)
    assert module.__doc__
    if not format_of(name).is_table:
        assert (TESTS / "writers" / f"test_{name}.py").exists()


@pytest.mark.parametrize("name", WRITERS)
def test_the_registry_tells_the_truth_about_overlaps_and_annotators(
    name: str, tmp_path: Path, videos: VideoFactory
) -> None:
    labels = [("A",), ("B",)]
    path = videos.make(n_frames=30)
    times = probe(path).index
    flavour = "plstitch" if format_of(name).flavours else None
    overlap = placed(clip("video01/a", [("A", 0, 20), ("B", 10, 30)], times, str(path)))
    several = placed(clip("video01/a", {"x": [("A", 0, 20)], "y": [("B", 10, 30)]}, times, str(path)))
    for clips, able in ((overlap, format_of(name).overlaps), (several, format_of(name).annotators)):
        if able:
            manifest, _ = export(tmp_path / "out", clips, name, labels, flavour=flavour)
            assert manifest["format"]["name"] == name
            assert all((tmp_path / "out" / file["name"]).is_file() for file in manifest["files"])
        else:
            with pytest.raises(DataError, match=f"format={name} holds one"):
                export(tmp_path / "out", clips, name, labels, flavour=flavour)


def test_formats_lists_what_is_written_and_read() -> None:
    result = CliRunner().invoke(cli, ["formats"])
    assert result.exit_code == 0
    for name, known in all_formats().items():
        assert f"{name}\n  writes      {known.files}\n  holds       {known.holds}" in result.stdout
    assert all(reader.name in result.stdout for reader in READERS)
    assert all(reader.name in result.stdout for reader in FILE_READERS)


def test_the_page_of_formats_names_each_format_and_flavour() -> None:
    page = (TESTS.parent / ".github/docs/formats.md").read_text(encoding="utf-8")
    for name, known in all_formats().items():
        assert re.search(rf"^\|[^|]*`{name}`[^|]*\|", page, re.MULTILINE), name
        assert all(f"| `{flavour}` |" in page for flavour in known.flavours)
    calls = [
        re.findall(r"fiftyone\.Dataset\.from_dir\((.*?)\)", text, re.DOTALL) for text in (page, fiftyone.__doc__ or "")
    ]
    shown, run = ("".join(call.split()) for (call,) in calls)  # which test_real_readers runs
    assert shown == run


def test_formats_as_json() -> None:
    result = CliRunner().invoke(cli, ["formats", "--json"])
    document = json.loads(result.stdout)
    assert list(document["write"]) == list(WRITERS)
    assert document["write"]["mstcn"]["overlapping_labels"] is False
    assert "Prodigy JSONL" in document["read"]


def test_files_that_are_not_of_an_export_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/segments.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(Exception, match=r"segments\.csv, which no earlier run wrote"):
        export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)])), "segments")
    assert (tmp_path / "out/segments.csv").read_text(encoding="utf-8") == "mine"


SPANS = """\
path,label,start_frame,stop_frame
clips/op1/a.mp4,Dissection / Blunt,0,20
clips/op1/b.mp4,Dissection / Blunt,0,10
clips/op1/b.mp4,Suturing,10,50
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def frames(folder: Path) -> list[tuple[str, ...]]:
    """The frame table of `folder`, without who annotated and how the region was called."""
    with (folder / "frames.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[name] for name in ("case", "clip", "frame", "case_time_s", "label")) for row in rows]


@pytest.mark.parametrize("name", ["segments", "mstcn", "cholec80", "elan"])
def test_any_to_any_on_the_command_line(name: str, tmp_path: Path, videos: VideoFactory) -> None:
    for clip_name in "ab":
        videos.make(tmp_path / f"clips/op1/{clip_name}.mp4", n_frames=50)
    (tmp_path / "mine.csv").write_text(SPANS, encoding="utf-8")
    clips = ["--clips", tmp_path / "clips"]
    first = run("export-frames", tmp_path / "mine.csv", *clips, "-o", tmp_path / "first")
    assert first.exit_code == 0, first.stderr
    made = run("export-frames", tmp_path / "mine.csv", *clips, "-o", tmp_path / name, "--format", name)
    assert made.exit_code == 0, made.stderr
    sources = {"segments": [tmp_path / name / "segments.csv"], "elan": sorted((tmp_path / name).glob("*.eaf"))}
    again = run("export-frames", *sources.get(name, [tmp_path / name]), *clips, "-o", tmp_path / "again")
    assert again.exit_code == 0, again.stderr
    assert frames(tmp_path / "again") == frames(tmp_path / "first")
    manifest = json.loads((tmp_path / "again/manifest.json").read_text(encoding="utf-8"))
    assert all(len(source["sha256"]) == 64 for source in manifest["exports"])


def test_splits_on_the_command_line(tmp_path: Path, videos: VideoFactory) -> None:
    rows = ["path,label,start_frame,stop_frame"]
    for number in range(4):
        videos.make(tmp_path / f"clips/op{number}/a.mp4", n_frames=10)
        rows.append(f"clips/op{number}/a.mp4,A,0,10")
    (tmp_path / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    source = [tmp_path / "mine.csv", "--clips", tmp_path / "clips", "-o", tmp_path / "out"]
    result = run("export-frames", *source, "--format", "activitynet", "--split", "train=0.75,test=0.25")
    assert result.exit_code == 0, result.stderr
    assert "3 files for 40 frames of 4 clips" in result.stderr
    splits = (tmp_path / "out/splits.csv").read_text(encoding="utf-8").splitlines()
    assert splits[0] == "split,part,case"
    assert sorted(line.split(",")[2] for line in splits[1:]) == ["op0", "op1", "op2", "op3"]
    both = run("export-frames", *source, "--format", "mstcn", "--split", "train=0.5,test=0.5", "--folds", "2")
    assert both.exit_code == 2
    assert "give --split or --folds, not both" in both.stderr
    table = run("export-frames", *source, "--folds", "2")
    assert table.exit_code == 2
    assert "--split is not for --format csv" in table.stderr


def test_overlaps_and_annotators_are_settled_by_the_options_that_the_errors_name(
    tmp_path: Path, videos: VideoFactory
) -> None:
    videos.make(tmp_path / "clips/op1/a.mp4", n_frames=30)
    (tmp_path / "mine.csv").write_text(
        "path,label,start_frame,stop_frame,annotator\n"
        "clips/op1/a.mp4,A,0,20,x\nclips/op1/a.mp4,B,10,30,x\nclips/op1/a.mp4,A,0,20,y\n",
        encoding="utf-8",
    )
    command = ["export-frames", tmp_path / "mine.csv", "--clips", tmp_path / "clips", "--format", "mstcn"]
    several = run(*command, "-o", tmp_path / "out")
    assert several.exit_code == 1
    assert "make one with --merge" in several.stderr
    overlapping = run(*command, "-o", tmp_path / "out", "--annotator", "x")
    assert overlapping.exit_code == 1
    assert "--overlap priority" in overlapping.stderr
    settled = run(*command, "-o", tmp_path / "out", "--annotator", "x", "--overlap", "priority")
    assert settled.exit_code == 0, settled.stderr
    assert len((tmp_path / "out/groundTruth/op1.txt").read_text(encoding="utf-8").split()) == 30
    merged = run(*command, "-o", tmp_path / "merged", "--merge", "intersection")
    assert merged.exit_code == 0, merged.stderr
    lines = (tmp_path / "merged/groundTruth/op1.txt").read_text(encoding="utf-8").split()
    assert lines == ["A"] * 20 + ["background"] * 10


def test_options_of_formats_on_the_command_line(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "clips/op1/a.mp4", n_frames=30)
    (tmp_path / "mine.csv").write_text(
        "path,label,start_frame,stop_frame\n"
        "clips/op1/a.mp4,Phases / Prep,0,30\nclips/op1/a.mp4,Tools / Hook,0,20\nclips/op1/a.mp4,Tools / Clip,10,30\n",
        encoding="utf-8",
    )
    command = ["export-frames", tmp_path / "mine.csv", "--clips", tmp_path / "clips"]
    tools = run(*command, "-o", tmp_path / "c80", "--format", "cholec80", "--phases", "Phases", "--tools", "Tools")
    assert tools.exit_code == 0, tools.stderr
    lines = (tmp_path / "c80/tool_annotations/video01-tool.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["Frame\tClip\tHook", "0\t0\t1", "25\t1\t0"]
    surgical = ["--format", "surgical", "--flavour", "autolaparo", "--phases", "Phases"]
    asks = run(*command, "-o", tmp_path / "laparo", *surgical)
    assert (asks.exit_code, "--base 1 or --base 0" in asks.stderr) == (2, True)
    done = run(*command, "-o", tmp_path / "laparo", *surgical, "--base", "1", "--size", "32x24")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "laparo/labels/label_01.txt").read_text(encoding="utf-8") == "Frame\tPhase\n1\t1\n2\t1\n"
    picture = cv2.imread(str(tmp_path / "laparo/frames/01/0002.jpg"))
    assert picture is not None
    assert picture.shape == (24, 32, 3)
