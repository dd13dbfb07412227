"""The example of the page 'Train on it' runs as it stands there; and once through a real Label Studio."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from builders import run, succeeded
from label_studio_server import LabelStudio

DOCS = Path(__file__).parent.parent.parent / ".github" / "docs"
SCRIPT = DOCS / "examples" / "train_on_it.py"
COLOURS = {"": (30, 30, 30), "Cut": (200, 60, 60), "Tie": (60, 60, 200)}
LABELS = "Cut\nTie\n"

Marked = list[tuple[str, int]]  # label and seconds, one after the other


def write_clip(path: Path, marked: Marked, rate: int = 5) -> None:
    """A clip whose colour tells what is done, with a little noise."""
    generator = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for label, seconds in marked:
            for _ in range(seconds * rate):
                picture = np.clip(generator.normal(COLOURS[label], 20, (64, 96, 3)), 0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def regions(marked: Marked, rate: int = 5) -> list[dict[str, Any]]:
    found, at = [], 0
    for number, (label, seconds) in enumerate(marked):
        value = {"ranges": [{"start": at * rate + 1, "end": (at + seconds) * rate}], "timelinelabels": [label]}
        names = {"from_name": "task", "to_name": "video", "type": "timelinelabels"}
        if label:
            found.append({"id": f"r{number}", **names, "value": value})
        at += seconds
    return found


CASES: dict[str, list[Marked]] = {
    "op1": [[("Cut", 6), ("", 2)], [("Tie", 8)]],
    "op2": [[("", 3), ("Tie", 5)], [("Cut", 7), ("", 2)]],
    "op3": [[("Cut", 5), ("Tie", 4)], [("Tie", 3), ("", 4), ("Cut", 3)]],
}


def make(folder: Path) -> tuple[Path, Path]:
    """Clips, and an export in which they are annotated."""
    tasks: list[dict[str, Any]] = []
    for case, clips in CASES.items():
        for number, marked in enumerate(clips, start=1):
            write_clip(folder / "clips" / case / f"clip_{number}.mp4", marked)
            data = {"video": f"/data/local-files/?d=clips/{case}/clip_{number}.mp4", "fps": "5"}
            annotations = [{"id": len(tasks), "completed_by": 1, "result": regions(marked)}]
            tasks.append({"id": len(tasks), "data": data, "annotations": annotations})
    export = folder / "annotated.json"
    export.write_text(json.dumps(tasks))
    (folder / "labels.txt").write_text(LABELS)
    return export, folder / "clips"


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_on_it", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs(tmp_path: Path, example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    export, clips = make(tmp_path)
    found = example.main(export, clips, tmp_path / "labels.txt", tmp_path / "out").as_dict()
    assert list(found["frames"].items()) == [("op3", 19)]
    assert found["accuracy"]["mean"] > 90
    assert found["detections"]["thumos"]["average_mAP"] > 0.5
    assert "unrelaxed" in capsys.readouterr().out
    assert (tmp_path / "out" / "evaluation" / "evaluation.html").exists()
    assert np.load(tmp_path / "out" / "net" / "op3.npy").shape == (19, 3)
    assert (tmp_path / "out" / "net" / "classes.txt").read_text() == "Cut\nTie\nbackground\n"


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (DOCS / "train-on-it.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown == SCRIPT.read_text(encoding="utf-8")


@pytest.mark.server
def test_through_label_studio(
    server_environment: LabelStudio, media_folder: Path, tmp_path: Path, example: ModuleType
) -> None:
    """Predictions go in with their scores, a person corrects them, and they are evaluated once more."""
    export, clips = make(media_folder)
    labels, net, title = media_folder / "labels.txt", tmp_path / "out" / "net", "train on it"
    example.main(export, clips, labels, tmp_path / "out")
    succeeded(run("setup-project", labels, "--title", title, "--storage", clips, "--order", "uncertain"))
    spans = ("--spans", net, "--probability-fps", 1, "--min-duration", 2)
    assert "added 6" in succeeded(run("import-clips", clips, "--project", title, *spans)).stderr

    project = json.loads(run("setup-project", labels, "--title", title, "--json").stdout)["project"]["id"]
    first = server_environment.api("POST", f"/api/dm/actions/?id=next_task&project={project}")
    (prediction,) = first["predictions"]
    assert all(0 < region["score"] <= 1 for region in prediction["result"])
    for task in server_environment.api("GET", f"/api/tasks?project={project}&fields=all&resolve_uri=false")["tasks"]:
        data = task["data"]
        corrected = regions(CASES[data["case"]][int(data["clip"].removeprefix("clip_")) - 1])
        server_environment.api("POST", f"/api/tasks/{task['id']}/annotations", {"result": corrected})

    options = ("--probability-fps", 1, "--min-duration", 2, "-o", tmp_path / "again", "--json")
    document = json.loads(succeeded(run("evaluate", "--project", title, net, *options)).stdout)
    assert set(document["frames"]) == set(CASES)
    assert document["accuracy"]["mean"] > 85
