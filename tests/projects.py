"""Projects on the real server, as the tests of several packages need them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from label_studio_server import LabelStudio
from lsvid.cli import cli

CONFIG = (
    '<View><Video name="video" value="$video" frameRate="$fps"/>'
    '<TimelineLabels name="task" toName="video"><Label value="Cut"/></TimelineLabels></View>'
)


@dataclass
class Project:
    """A project of the test's own with a storage folder, into which clips are imported."""

    server: LabelStudio
    id: int
    folder: Path
    title: str

    def run(self, *arguments: object) -> Result:
        words = ["import-clips", *map(str, arguments), "--project", str(self.id)]
        return CliRunner().invoke(cli, words)

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks' data, in the order of their ids."""
        answer = self.server.api("GET", f"/api/tasks?project={self.id}&page_size=1000&resolve_uri=false")
        return [task["data"] | {"task": task["id"]} for task in sorted(answer["tasks"], key=lambda task: task["id"])]

    def clips(self) -> list[str]:
        return [data["id"] for data in self.tasks()]


@pytest.fixture
def project(server_environment: LabelStudio, media_folder: Path, request: pytest.FixtureRequest) -> Project:
    title = request.node.name[:50]
    made = server_environment.api("POST", "/api/projects", {"title": title, "label_config": CONFIG})
    storage = {"project": made["id"], "path": str(media_folder), "use_blob_urls": True}
    server_environment.api("POST", "/api/storages/localfiles/", storage)
    return Project(server_environment, made["id"], media_folder, title)
