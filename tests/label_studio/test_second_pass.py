"""Two passes: regions first, their labels afterwards; the result is spans with full paths."""

import json
from pathlib import Path

import pytest

from builders import run, succeeded
from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.labeling.config import Timeline
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labeling.second_pass import second_pass_config
from lsvid.labels.files import parse_labels_text
from passes import LABELS, Passes

TREE = parse_labels_text(LABELS, "labels.yaml")


@pytest.mark.parametrize("timeline", ["frames", "waveform"])
def test_the_labels_of_a_second_pass_can_be_read_from_its_configuration(timeline: Timeline) -> None:
    xml = second_pass_config(TREE, timeline)
    assert LabelingConfig.parse(xml).is_second_pass
    assert LabelingConfig.parse(xml).tree.paths() == TREE.paths()
    assert [label.id for _, label in LabelingConfig.parse(xml).tree.walk()] == [label.id for _, label in TREE.walk()]


def test_pass_regions_takes_no_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Cut\n")
    for words in (["--pass", "regions"], ["--pass", "regions", "--title", "x", tmp_path / "labels.txt"]):
        result = run("setup-project", *words)
        assert result.exit_code == 2
        assert "error: --pass regions takes no LABELS, and needs a --title (or --project)" in result.stderr
    result = run("setup-project", "--pass", "labels")
    assert result.exit_code == 2
    assert "error: Missing argument 'LABELS'." in result.stderr


@pytest.fixture(params=["frames", "waveform"])
def passes(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, request: pytest.FixtureRequest
) -> Passes:
    for number, name in enumerate(("1", "2", "10")):
        videos.make(media_folder / "op1" / f"{name}.mp4", n_frames=50, first_number=number)
    return Passes(server_environment, media_folder, f"{request.node.name[:20]} {request.param}", request.param)


@pytest.mark.server
def test_two_passes_end_in_spans_with_full_paths(passes: Passes) -> None:
    first, second, _ = passes.tasks(0)
    passes.submit(first, [passes.region("a", 1, 10), passes.region("b", 11, 30)])
    passes.submit(second, [])
    assert "clips: would add 2, updated 0, unchanged 0" in succeeded(passes.bring("--dry-run")).stderr
    assert not passes.tasks(1)
    result = succeeded(passes.bring())
    assert "clips: added 2, updated 0, unchanged 0" in result.stderr
    assert "left out 1 clips whose regions nobody has submitted: clip op1/10" in result.stderr
    assert "clips: added 0, updated 0, unchanged 2" in succeeded(passes.bring()).stderr

    tasks = passes.tasks(1)
    assert [task["data"]["clip"] for task in tasks] == ["1", "2"]
    ((prediction,), (nothing,)) = (task["predictions"] for task in tasks)
    assert nothing["result"] == []
    assert [one["value"] for one in prediction["result"]] == [passes.region(*one)["value"] for one in
                                                              (("a", 1, 10), ("b", 11, 30))]  # fmt: skip
    assert passes.server.api("GET", f"/api/projects/{passes.ids[1]}")["model_version"] == "first pass"

    named = []
    for region, path in zip(prediction["result"], (["Cut"], ["s", "Knot", "Slip"]), strict=True):
        value = {name: region["value"][name] for name in ("ranges", "start", "end") if name in region["value"]}
        named += [region, {**region, "type": "taxonomy", "from_name": "label", "value": {**value, "taxonomy": [path]}}]
    passes.submit(tasks[0], named)
    result = succeeded(run("export-spans", "--project", passes.ids[1], "--clips", passes.clips))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    spans = [(one["label"], one["start_frame"], one["stop_frame"]) for one in records if one["record"] == "span"]
    assert spans == [(["Cut"], 0, 10), (["Suture", "Knot", "Slip"], 10, 30)]


@pytest.mark.server
@pytest.mark.parametrize("passes", ["frames"], indirect=True)
def test_regions_that_changed_are_brought_again(passes: Passes) -> None:
    first, *_ = passes.tasks(0)
    passes.submit(first, [passes.region("a", 1, 10)])
    succeeded(passes.bring())
    passes.submit(first, [passes.region("a", 1, 20)])
    assert "clips: added 0, updated 1, unchanged 0" in succeeded(passes.bring()).stderr
    ((prediction,),) = (task["predictions"] for task in passes.tasks(1))
    assert prediction["result"][0]["value"]["ranges"] == [{"start": 1, "end": 20}]


@pytest.mark.server
@pytest.mark.parametrize("passes", ["frames"], indirect=True)
def test_a_project_that_is_no_second_pass(passes: Passes) -> None:
    result = run("second-pass", "--from", passes.titles[0], "--to", passes.titles[0])
    assert result.exit_code == 2
    assert f"is not a second pass for project {passes.ids[0]} ({passes.titles[0]}), whose timeline is frames" in (
        result.stderr
    )
    assert (
        "hint: make it with: lsvid setup-project LABELS --pass labels --timeline frames --title TITLE" in result.stderr
    )
