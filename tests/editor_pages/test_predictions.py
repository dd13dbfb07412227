"""A model's guesses as an annotator meets them: they are there to start from, each region with its score."""

import json
from pathlib import Path

import pytest

from builders import run, succeeded
from editor import Editor
from factories import VideoFactory
from label_studio_server import LabelStudio

pytestmark = pytest.mark.browser


def test_scores_are_in_the_list_of_regions(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, editor: Editor, tmp_path: Path
) -> None:
    videos.make(media_folder / "op1" / "1.mp4", n_frames=100)
    labels, net = tmp_path / "labels.txt", tmp_path / "net"
    labels.write_text("Cut\nTie\n")
    net.mkdir()
    (net / "classes.txt").write_text("Cut\nTie\n")
    (net / "op1.csv").write_text("Cut,Tie\n0.83,0.17\n0.83,0.17\n0.38,0.62\n0.38,0.62\n")
    made = run("setup-project", labels, "--title", "Scores", "--storage", media_folder / "op1", "--json")
    project = json.loads(succeeded(made).stdout)["project"]["id"]
    spans = ("--spans", net / "op1.csv", "--probability-fps", 1)
    succeeded(run("import-clips", media_folder / "op1", "--project", project, *spans))
    (task,) = server_environment.api("GET", f"/api/tasks?project={project}&fields=all&resolve_uri=false")["tasks"]

    editor.open_task(project, task["id"])
    rows = editor.page.locator(".lsf-outliner-item, .lsf-outliner-item__content")
    rows.first.wait_for()
    assert "0.83" in editor.page.locator("body").inner_text()
    assert "0.62" in editor.page.locator("body").inner_text()
    editor.screenshot("prediction-scores")
    editor.submit()

    result = succeeded(run("export-spans", "--project", project, "--clips", media_folder / "op1"))
    spans_back = [one for one in map(json.loads, result.stdout.splitlines()) if one["record"] == "span"]
    assert [(one["label"], one["start_frame"], one["stop_frame"], one["score"]) for one in spans_back] == [
        (["Cut"], 0, 50, 0.83),
        (["Tie"], 50, 100, 0.62),
    ]
