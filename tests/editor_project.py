"""What the editor's tests share: a project and its clips made by lsvid's own commands, and its export read again."""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from click.testing import CliRunner

from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from label_studio_server import LabelStudio
from lsvid.cli import cli

LABELS = """\
Dissection
-- Blunt
-- Sharp
Suturing
-- Knot
---- Square
---- Surgeon
-- Running
Clipping
"""

CLIPS: dict[str, dict[str, Any]] = {
    "constant_25": {"n_frames": 75},
    "constant_ntsc": {"n_frames": 75, "rate": NTSC, "b_frames": 2},
    "variable": {"n_frames": 50, "gaps": VFR_GAPS},
    "cut": {"n_frames": 120, "cut_s": 1.3, "b_frames": 2},  # an edit list hides the first pictures
    # The first picture at 0.6 s, the sound at 0. (Without sound the MP4's duration leaves the 0.6 s out, and Chromium
    # corrects it once it has read to the end: the editor's last number would then depend on when it asked.)
    "late": {"n_frames": 50, "start_s": Fraction(3, 5), "audio": True},
}


@dataclass(frozen=True)
class Clip:
    """A clip of the project: the number burnt into each picture, in order, and its task."""

    name: str
    burnt: list[int]
    times_s: list[float]
    task: int

    def frame(self, burnt: int) -> int:
        """The frame, from 0, of the picture with this number."""
        return self.burnt.index(burnt)


@dataclass(frozen=True)
class Project:
    """A project on the real server."""

    id: int
    server: LabelStudio
    clips: dict[str, Clip]
    folder: Path

    def exported(self, clip: str, output: Path) -> dict[str, set[int]]:
        """The frames of a clip by label, as `lsvid export-frames` writes them; those without a label under ''."""
        lsvid(self.server, "export-frames", "--project", str(self.id), "--clips", str(self.folder), "-o", str(output))
        frames = defaultdict(set)
        with (output / "frames.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["clip"] == clip:
                    frames[row["label"]].add(int(row["frame"]))
        return dict(frames)


def lsvid(server: LabelStudio, *arguments: str) -> dict[str, Any]:
    """What an lsvid command answers with --json; it must succeed."""
    result = CliRunner().invoke(cli, [*arguments, "--json"], env=server.environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def make_project(server: LabelStudio, videos: VideoFactory, timeline: str) -> Project:
    """A project for `timeline` with CLIPS in it, made by setup-project and import-clips."""
    folder = server.document_root / f"editor-{timeline}" / "case"
    for name, parameters in CLIPS.items():
        videos.make(folder / f"{name}.mp4", **parameters)
    labels = folder.parent / "labels.txt"
    labels.write_text(LABELS)
    title = f"Editor {timeline}"
    lsvid(server, "setup-project", str(labels), "--title", title, "--timeline", timeline, "--storage", str(folder))
    lsvid(server, "import-clips", str(folder), "--project", title)
    projects = server.api("GET", "/api/projects/?page_size=100")["results"]
    project = next(project["id"] for project in projects if project["title"] == title)
    tasks = server.api("GET", f"/api/tasks?project={project}&fields=all&page_size=100")["tasks"]
    by_name = {task["data"]["clip"]: task["id"] for task in tasks}
    assert sorted(by_name) == sorted(CLIPS)
    clips = {name: Clip(name, *_pictures(folder / f"{name}.mp4"), by_name[name]) for name in CLIPS}
    return Project(project, server, clips, folder)


def _pictures(path: Path) -> tuple[list[int], list[float]]:
    """The burnt number and the time of every picture, by decoding: independent of lsvid's own frame index."""
    with av.open(str(path)) as container:
        pictures = [(read_burnt_number(f.to_ndarray(format="rgb24")), f.time or 0.0) for f in container.decode(video=0)]
    return [number for number, _ in pictures], [time for _, time in pictures]
