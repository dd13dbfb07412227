"""A project of a first pass and one of a second, on the real server."""

import json
from pathlib import Path
from typing import Any

from click.testing import Result

from builders import run, succeeded
from label_studio_server import LabelStudio
from lsvid.labeling.config import Timeline
from lsvid.labels.tree import REGION_OF_INTEREST

LABELS = "labels:\n- Cut\n- name: Suture\n  id: s\n  children: [{name: Knot, children: [Square, Slip]}, 'A & \"B\"']\n"


class Passes:
    """Three clips, a project of a first pass with them, and one of a second."""

    def __init__(self, server: LabelStudio, folder: Path, name: str, timeline: Timeline) -> None:
        self.server, self.clips = server, folder / "op1"
        self.titles = [f"{name} regions", f"{name} labels"]
        labels = folder / "labels.yaml"
        labels.write_text(LABELS)
        options = ["--timeline", timeline, "--json"]
        self.ids = [
            json.loads(succeeded(run("setup-project", *words, *options)).stdout)["project"]["id"]
            for words in (
                ["--pass", "regions", "--title", self.titles[0], "--storage", self.clips],
                ["--pass", "labels", labels, "--title", self.titles[1]],
            )
        ]
        succeeded(run("import-clips", self.clips, "--project", self.ids[0]))
        self.timeline = timeline

    def bring(self, *options: object) -> Result:
        return run("second-pass", "--from", self.titles[0], "--to", self.titles[1], *options)

    def tasks(self, which: int) -> list[dict[str, Any]]:
        answer = self.server.api("GET", f"/api/tasks?project={self.ids[which]}&fields=all&resolve_uri=false")
        return sorted(answer["tasks"], key=lambda task: int(task["id"]))

    def region(self, region_id: str, start: int, end: int) -> dict[str, Any]:
        """Frames start to end (from 1, both included) at 25 fps, as the editor says it."""
        if self.timeline == "frames":
            value: dict[str, Any] = {"ranges": [{"start": start, "end": end}], "timelinelabels": [REGION_OF_INTEREST]}
            return {"id": region_id, "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}
        value = {"start": (start - 1) / 25, "end": end / 25, "labels": [REGION_OF_INTEREST]}
        return {"id": region_id, "type": "labels", "from_name": "task", "to_name": "audio", "value": value}

    def submit(self, task: dict[str, Any], result: list[dict[str, Any]]) -> None:
        self.server.api("POST", f"/api/tasks/{task['id']}/annotations", {"result": result})
