"""`lsvid import-clips --spans` against the real server: a Prodigy dataset moves, and its frames stay the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from factories import NTSC, VFR_GAPS, VideoFactory
from label_studio_server import LabelStudio
from lsvid.cli import cli
from lsvid.labeling.config import Timeline, labeling_config
from lsvid.labels.files import parse_labels_text

pytestmark = pytest.mark.server

LABELS = "Cut\n--Blunt\n--Sharp\nSuture\n--Knot\n----Square\n----Slip\n--Running\nIdle\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def succeeded(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


class Move:
    """Clips of three rates, a Prodigy dataset about them, and a project."""

    def __init__(self, server: LabelStudio, folder: Path, title: str, timeline: Timeline) -> None:
        self.server, self.folder, self.clips = server, folder, folder / "op1"
        self.clips.mkdir()
        self.labels = folder / "labels.txt"
        self.labels.write_text(LABELS)
        self.dataset = folder / "annotated.jsonl"
        xml = labeling_config(parse_labels_text(LABELS, "labels.txt"), timeline)
        made = server.api("POST", "/api/projects", {"title": title, "label_config": xml})
        server.api(
            "POST", "/api/storages/localfiles/", {"project": made["id"], "path": str(self.clips), "use_blob_urls": True}
        )
        self.id = made["id"]

    def bring(self, *options: object) -> Result:
        """Import clips and spans."""
        return run("import-clips", self.clips, "--project", self.id, "--spans", self.dataset, *options)

    def frames(self, *source: object, status: str = "accepted") -> list[dict[str, Any]]:
        """The frame table of the annotations of one status, without what tells regions apart."""
        out = self.folder / "frames"
        command = ["export-frames", *source, "--clips", self.clips, "--labels", self.labels, "--status", status]
        succeeded(run(*command, "-o", out, "--format", "jsonl"))
        return [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]

    def task(self, clip: str) -> dict[str, Any]:
        tasks = self.server.api("GET", f"/api/tasks?project={self.id}&fields=all&resolve_uri=false")["tasks"]
        return next(dict(task) for task in tasks if task["data"]["clip"] == clip)


def regions(*ones: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"label": label, "start": start, "end": end, "id": f"{label}-{start}"} for label, start, end in ones]


@pytest.fixture(params=["frames", "waveform"])
def move(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, request: pytest.FixtureRequest
) -> Move:
    one = Move(server_environment, media_folder, request.node.name[:50], request.param)
    for name, parameters in (("1", {}), ("2", {"rate": NTSC}), ("3", {"gaps": VFR_GAPS})):
        videos.make(one.clips / f"{name}.mp4", n_frames=60, **parameters)
    answers: list[dict[str, Any]] = [
        {"path": "1.mp4", "who": "anna", "regions": regions(("Cut - Blunt", 0.1, 0.73), ("Suture", 0.73, 1.9))},
        {"path": "1.mp4", "who": "ben", "regions": regions(("Square", 0.4, 1.11), ("Idle", 1, 2.41))},
        {"path": "2.mp4", "who": "anna", "regions": regions(("Suture - Knot - Slip", 0.333, 1.001))},
        {"path": "2.mp4", "who": "ben", "regions": regions(("Idle", 0.2, 0.4)), "answer": "reject"},
        {"path": "3.mp4", "who": "anna", "regions": regions(("Cut", 0.05, 3.3), ("Running", 0.5, 0.9))},
        {"path": "3.mp4", "who": "ben", "regions": []},  # annotated: nothing happens here
        {"path": "1.mp4", "who": "cem", "regions": [], "answer": "ignore"},
    ]
    lines = [
        {"path": f"op1/{a['path']}", "_session_id": f"ds-{a['who']}", "audio_spans": a["regions"],
         "answer": a.get("answer", "accept"), "_task_hash": n, "_timestamp": 1676036417 + n}
        for n, a in enumerate(answers)
    ]  # fmt: skip
    one.dataset.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return one


def test_a_prodigy_dataset_moves_with_one_command_and_its_frames_stay(move: Move) -> None:
    result = succeeded(move.bring("--as", "annotations"))
    assert "annotations: added 7, there already: 0" in result.stderr
    for status in ("accepted", "rejected", "ignored"):
        before = move.frames(move.dataset, status=status)
        after = move.frames("--project", move.id, status=status)
        assert after == before
        assert {row["annotator"] for row in after} == {
            "accepted": {"ds-anna", "ds-ben"}, "rejected": {"ds-ben"}, "ignored": {"ds-cem"},
        }[status]  # fmt: skip
    assert {row["clip"] for row in move.frames("--project", move.id) if row["annotator"] == "ds-ben"} == {"1", "3"}

    again = succeeded(move.bring("--as", "annotations"))
    assert "annotations: added 0, there already: 7" in again.stderr
    assert len(move.task("1")["annotations"]) == 3

    back = move.folder / "back.jsonl"
    options = ["--clips", move.clips, "--labels", move.labels, "--all", "--format", "prodigy", "-o", back]
    succeeded(run("export-spans", "--project", move.id, *options))
    for status in ("accepted", "rejected", "ignored"):
        assert without_regions(move.frames(back, status=status)) == without_regions(
            move.frames(move.dataset, status=status)
        )


def without_regions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "region"} for row in rows]


def test_as_predictions(move: Move) -> None:
    result = succeeded(move.bring())
    assert "predictions: added 5, there already: 0" in result.stderr
    assert "left out 1 annotations that are rejected" in result.stderr
    before = move.frames(move.dataset)
    assert move.frames("--project", move.id, status="prediction") == before
    assert "predictions: added 0, there already: 5" in succeeded(move.bring()).stderr
    assert sorted(one["model_version"] for one in move.task("1")["predictions"]) == ["ds-anna", "ds-ben"]


@pytest.mark.parametrize("move", ["frames"], indirect=True)
def test_lsvid_spans_and_label_studio_exports_are_taken_too(move: Move) -> None:
    spans = move.folder / "spans.jsonl"
    succeeded(run("export-spans", move.dataset, "--clips", move.clips, "--labels", move.labels, "--all", "-o", spans))
    expected = move.frames(move.dataset)
    move.dataset = spans
    succeeded(move.bring("--as", "annotations"))
    assert move.frames("--project", move.id) == expected
    export = move.folder / "export.json"
    tasks = move.server.api("GET", f"/api/projects/{move.id}/export?exportType=JSON&download_all_tasks=true")
    export.write_text(json.dumps(tasks))
    move.dataset = export
    assert "annotations: would add 7" in succeeded(move.bring("--as", "annotations", "--dry-run")).stderr


@pytest.mark.parametrize("move", ["frames"], indirect=True)
def test_an_annotation_submitted_again_here_is_no_longer_rejected(move: Move) -> None:
    succeeded(move.bring("--as", "annotations"))
    (rejected,) = (one for one in move.task("2")["annotations"] if one["was_cancelled"])
    move.server.api("PATCH", f"/api/annotations/{rejected['id']}", {"was_cancelled": False})
    assert {row["annotator"] for row in move.frames("--project", move.id) if row["clip"] == "2"} == {
        "ds-anna",
        "ds-ben",
    }


@pytest.mark.parametrize("move", ["frames"], indirect=True)
def test_faults_and_what_is_left_out(move: Move) -> None:
    lines = [
        {"path": "op1/1.mp4", "audio_spans": regions(("Cutt", 0, 1)), "answer": "accept"},
        {"path": "op9/9.mp4", "audio_spans": [], "answer": "accept"},
    ]
    move.dataset.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = move.bring()
    assert result.exit_code == 1
    assert "label 'Cutt' (1 span): not among the labels; the nearest is 'Cut': --rename 'Cutt=Cut'" in result.stderr
    result = succeeded(move.bring("--rename", "Cutt=Cut"))
    assert "left out 1 annotations of clips that are not among those imported: clip op9/9, prodigy" in result.stderr
    assert "predictions: added 1, there already: 0" in result.stderr
