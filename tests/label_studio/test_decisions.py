"""Where two people differ a third decides, on the real server."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from annotators import Annotator
from builders import region, run, succeeded
from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.label_studio.setup import ORDERS

LABELS = "Cut\nTie\n--Knot\n"


class Decision:
    """A project in which two people annotated three clips, and one in which a third decides."""

    def __init__(self, server: LabelStudio, folder: Path, name: str) -> None:
        self.server, self.clips, self.labels = server, folder / "op1", folder / "labels.txt"
        self.labels.write_text(LABELS)
        self.titles = [f"{name} both", f"{name} decided"]
        self.ids = [
            json.loads(
                succeeded(run("setup-project", self.labels, "--title", title, "--json", *storage)).stdout
            )["project"]["id"]
            for title, storage in ((self.titles[0], ("--storage", self.clips)), (self.titles[1], ()))
        ]  # fmt: skip
        succeeded(run("import-clips", self.clips, "--project", self.ids[0]))

    def tasks(self, which: int) -> dict[str, dict[str, Any]]:
        answer = self.server.api("GET", f"/api/tasks?project={self.ids[which]}&fields=all&resolve_uri=false")
        return {task["data"]["clip"]: task for task in answer["tasks"]}

    def bring(self, *options: object) -> str:
        names = ("--from", self.titles[0], "--to", self.titles[1])
        return succeeded(run("second-pass", *names, "--disagreements", *options)).stderr


@pytest.mark.server
def test_a_third_decides(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, tmp_path: Path
) -> None:
    server = server_environment
    for number in (1, 2, 10):
        videos.make(media_folder / "op1" / f"{number}.mp4", n_frames=50, first_number=number)
    decision = Decision(server, media_folder, "differ")
    ben = Annotator(server, "ben-differs@example.org")
    versions = {
        "1": ([region(1, 25, "Cut")], [region(1, 30, "Cut")]),  # 0.2 s apart
        "2": ([region(1, 25, "Cut")], [region(1, 25, "Tie")]),  # 1 s apart
        "10": ([region(1, 10, "Cut")], None),
    }
    tasks = decision.tasks(0)
    for clip, (one, other) in versions.items():
        server.api("POST", f"/api/tasks/{tasks[clip]['id']}/annotations", {"result": one})
        if other is not None:
            assert isinstance(ben.post(f"/api/tasks/{tasks[clip]['id']}/annotations/", {"result": other}), dict)

    said = decision.bring("--more-than", 0.5, "--dry-run")
    assert "clips: would add 1, updated 0, unchanged 0, agreed on 1" in said
    assert "left out 1 clips that only one person has submitted: clip op1/10" in said
    assert not decision.tasks(1)
    assert "added 1, updated 0, unchanged 0, agreed on 1" in decision.bring("--more-than", 0.5)
    assert "added 0, updated 0, unchanged 1, agreed on 1" in decision.bring("--more-than", 0.5)
    assert "added 1, updated 0, unchanged 1, agreed on 0" in decision.bring()

    brought = decision.tasks(1)
    assert list(brought) == ["2", "1"]
    shown = {one["model_version"]: one["result"][0]["value"] for one in brought["2"]["predictions"]}
    assert shown["ben-differs@example.org"] == versions["2"][1][0]["value"]  # type: ignore[index]
    assert len(shown) == 2
    views = server.api("GET", f"/api/dm/views/?project={decision.ids[1]}")
    assert [view["data"]["title"] for view in views] == ["Case op1"]

    cleo = Annotator(server, "cleo-decides@example.org")
    cleo.post(f"/api/tasks/{brought['2']['id']}/annotations/", {"result": [region(1, 20, "Tie")]})
    options = ("--clips", decision.clips, "--annotations", "ground-truth", "-o", tmp_path / "frames")
    succeeded(run("export-frames", "--project", decision.ids[1], *options))
    with (tmp_path / "frames" / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["clip"] for row in rows} == {"2"}  # nobody has decided the other
    assert [row["label"] for row in rows] == ["Tie"] * 20 + [""] * 30

    statuses = ("--status", "accepted", "--status", "prediction")
    succeeded(
        run("report", "--project", decision.ids[1], "--clips", decision.clips, *statuses, "-o", tmp_path / "report")
    )
    pairs = json.loads((tmp_path / "report" / "agreement.json").read_text())["pairs"]
    assert len([pair for pair in pairs if pair["level"] == 1]) == 3  # both versions, and each with what was decided


@pytest.mark.server
def test_the_projects_have_the_same_labels(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory
) -> None:
    videos.make(media_folder / "op1" / "1.mp4", n_frames=25)
    decision = Decision(server_environment, media_folder, "other labels")
    decision.labels.write_text("Sew\n")
    succeeded(run("setup-project", decision.labels, "--project", decision.ids[1]))
    result = run("second-pass", "--from", decision.ids[0], "--to", decision.ids[1], "--disagreements")
    assert result.exit_code == 2
    assert "does not have the labels and the timeline of project" in result.stderr


@pytest.mark.server
def test_predictions_are_shown_and_the_least_certain_come_first(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, tmp_path: Path
) -> None:
    """From probabilities to what an annotator gets, and back."""
    server = server_environment
    certain = {"1": 0.9, "2": 0.4, "10": 0.6}
    for clip in certain:
        videos.make(media_folder / "op1" / f"{clip}.mp4", n_frames=50, first_number=int(clip))
    (tmp_path / "labels.txt").write_text(LABELS)
    title = "uncertain first"
    made = run(
        "setup-project", tmp_path / "labels.txt", "--title", title, "--storage", media_folder / "op1", "--json",
        "--order", "uncertain",
    )  # fmt: skip
    project = json.loads(succeeded(made).stdout)["project"]["id"]
    net = tmp_path / "net-v1"
    net.mkdir()
    (net / "classes.txt").write_text("background\nCut\nTie\n")
    rows = [[0.1, p, 0.05] for p in certain.values() for _ in range(2)]
    (net / "op1.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    arguments = ("import-clips", media_folder / "op1", "--project", project, "--spans", net, "--probability-fps", 1)
    assert "predictions: added 3, there already: 0" in succeeded(run(*arguments)).stderr
    assert "predictions: added 0, there already: 3" in succeeded(run(*arguments)).stderr

    told = server.api("GET", f"/api/projects/{project}")
    assert (told["model_version"], told["show_collab_predictions"]) == ("net-v1", True)
    assert told["sampling"] == ORDERS["uncertain"]
    assert "unchanged" in succeeded(run("setup-project", tmp_path / "labels.txt", "--project", project)).stderr
    served = server.api("POST", f"/api/dm/actions/?id=next_task&project={project}")
    assert served["data"]["clip"] == "2"
    assert served["predictions"][0]["result"][0]["score"] == pytest.approx(0.4)
    views = [view["data"] for view in server.api("GET", f"/api/dm/views/?project={project}")]
    assert [view["title"] for view in views if view.get("ordering") == ["tasks:predictions_score"]] == [
        "Least certain first"
    ]

    result = succeeded(
        run("export-spans", "--project", project, "--clips", media_folder / "op1", "--status", "prediction")
    )
    records = [json.loads(line) for line in result.stdout.splitlines()]
    spans = {one["clip"]: one for one in records if one["record"] == "span"}
    assert {clip: one["score"] for clip, one in spans.items()} == pytest.approx(certain)
    assert all((one["start_frame"], one["stop_frame"]) == (0, 50) for one in spans.values())
