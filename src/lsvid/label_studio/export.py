"""Download a project's annotations into a temporary file, a task a line, with little memory here and on the server."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lsvid.files.unfinished import unfinished_folder
from lsvid.label_studio import project as projects
from lsvid.label_studio.client import Server
from lsvid.label_studio.media import Media
from lsvid.label_studio.tasks import task_ids
from lsvid.progress import Progress, unheard

_TASKS_PER_REQUEST = 300
"""So few that the address stays below the 8 KB that proxies accept, and that no gateway times out."""


@dataclass(frozen=True)
class ProjectExport:
    """A project's tasks with annotations and drafts in full, as Label Studio exports them, one a line in `path`.

    annotators: e-mail by user id. storages: the folders of its storages as this machine sees them, and its prefixes in
    S3. document_root: the folder below which the server serves files, if it says so.
    """

    id: int
    url: str
    title: str
    path: Path
    n_tasks: int
    label_config: str
    annotators: dict[int, str]
    storages: list[str]


@contextmanager
def download_export(server: Server, wanted: str, on_task: Progress = unheard) -> Iterator[ProjectExport]:
    """The export of the project `wanted` (id or title), in a temporary file that is removed at the end of the context.

    `on_task` is called with the number of tasks that have arrived since its last call.
    Raises NotFoundError, ServerError, and SettingsError if several projects have the title.
    """
    project = projects.find_project(server, wanted)
    doing = f"downloading project {project.id}"
    predictions = _predictions(server, project.id, doing) if project.n_predictions else {}
    ids = task_ids(server, project.id)
    with unfinished_folder() as folder:
        path = folder / f"project-{project.id}.jsonl"
        with path.open("wb") as file:
            for start in range(0, len(ids), _TASKS_PER_REQUEST):
                wanted_ids = ids[start : start + _TASKS_PER_REQUEST]
                tasks = server.get_json(
                    f"api/projects/{project.id}/export",
                    doing,
                    list[msgspec.Raw],
                    params={"exportType": "JSON", "download_all_tasks": "true", "ids[]": wanted_ids},
                )
                for task in tasks:
                    file.write(msgspec.json.format(_with_predictions(task, predictions), indent=-1) + b"\n")
                on_task(len(wanted_ids), len(ids))
        yield ProjectExport(
            id=project.id,
            url=server.url,
            title=project.title,
            path=path,
            n_tasks=len(ids),
            label_config=project.label_config,
            annotators=projects.annotators(server),
            storages=[one.local for one in Media(server, project.id).storages],
        )


def _predictions(server: Server, project_id: int, doing: str) -> dict[int, list[msgspec.Raw]]:
    """Predictions by task, in full: an export has only their ids (measured on 1.23.2)."""
    by_task: defaultdict[int, list[msgspec.Raw]] = defaultdict(list)
    for raw in server.get_json("api/predictions/", doing, list[msgspec.Raw], params={"project": project_id}):
        by_task[msgspec.json.decode(raw, type=_Prediction).task].append(raw)
    return by_task


class _Prediction(msgspec.Struct):
    task: int


class _Task(msgspec.Struct):
    id: int


def _with_predictions(task: msgspec.Raw, predictions: dict[int, list[msgspec.Raw]]) -> bytes | msgspec.Raw:
    found = predictions.get(msgspec.json.decode(task, type=_Task).id) if predictions else None
    if not found:
        return task
    fields: dict[str, Any] = msgspec.json.decode(task, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**fields, "predictions": found})
