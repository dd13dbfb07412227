"""Tasks: read those of a project, and import clips in order, each only once."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from lsvid.errors import AuthError, NotFoundError, UnclearError
from lsvid.label_studio.client import Server
from lsvid.label_studio.failures import same_page_again
from lsvid.progress import Progress, unheard

_PAGE_SIZE = 1000
_BATCH_SIZE = 500
"""Tasks in one request: Label Studio writes so many at a time, in a fifth of a second on SQLite (measured)."""
_IMPORT_TIMEOUT_S = 600
_IDS_PER_REQUEST = 300
_ATTEMPTS = 4
_SETTLE_S = (1.0, 2.0, 4.0, 8.0)
"""How long to wait, after an unclear answer, before looking what has arrived: the server may still be working."""


TASK_KEYS = (
    "video", "case", "clip", "order", "duration_s", "frames", "fps", "fps_exact", "id", "fingerprint", "path",
    "proxy_path", "proxy_fingerprint", "proxy_duration_s",
)  # fmt: skip
"""The keys that `import_clips` writes into a task's data, in the order in which the Data Manager shows them."""


class TaskData(msgspec.Struct):
    """The part of a task's data that identifies its clip; None if lsvid did not make the task."""

    id: str | None = None
    case: str | None = None
    clip: str | None = None
    order: float | None = None
    fingerprint: str | None = None
    video: str | None = None


class Task(msgspec.Struct):
    """A task of a project."""

    id: int
    data: TaskData


class _Page(msgspec.Struct):
    total: int
    tasks: list[msgspec.Raw]


class _TaskId(msgspec.Struct):
    id: int


def read_tasks(server: Server, project_id: int) -> list[Task]:
    """The tasks of a project, in ascending order of id, with the data that identify their clips.

    If a task has values of another kind under lsvid's names, lsvid did not make it, and its data is empty.
    """
    return sorted((_task(raw) for raw in _pages(server, project_id, "id,data")), key=lambda task: task.id)


def task_ids(server: Server, project_id: int) -> list[int]:
    """The ids of a project's tasks, ascending."""
    return sorted(msgspec.json.decode(raw, type=_TaskId).id for raw in _pages(server, project_id, "id"))


def _task(raw: msgspec.Raw) -> Task:
    try:
        return msgspec.json.decode(raw, type=Task)
    except msgspec.ValidationError:
        return Task(msgspec.json.decode(raw, type=_TaskId).id, TaskData())


def _pages(server: Server, project_id: int, fields: str) -> list[msgspec.Raw]:
    doing = "reading the project's tasks"
    tasks: dict[int, msgspec.Raw] = {}
    page = 1
    while True:
        params = {
            "project": project_id,
            "page": page,
            "page_size": _PAGE_SIZE,
            "include": fields,
            "resolve_uri": "false",
        }
        answer = server.get_json("api/tasks/", doing, _Page, params=params)
        known = len(tasks)
        with server.errors(doing):
            tasks |= {msgspec.json.decode(raw, type=_TaskId).id: raw for raw in answer.tasks}
        if len(tasks) >= answer.total or not answer.tasks:
            return list(tasks.values())
        if len(tasks) == known:
            raise same_page_again(server.url, doing)
        page += 1


def import_tasks(
    server: Server, project_id: int, datas: Sequence[dict[str, Any]], on_done: Progress = unheard
) -> list[int]:
    """The ids of the tasks that are made of `datas`, in the same order.

    Each of `datas` has a unique `id`. `on_done` is called with the number of tasks that have arrived since its last
    call. If a request gets no clear answer, the project is read first, and only missing tasks are sent again. Raises
    ServerError if the server refuses, and UnclearError if the result stays unclear.
    """
    ids: list[int] = []
    for start in range(0, len(datas), _BATCH_SIZE):
        arrived = _import_batch(server, project_id, datas[start : start + _BATCH_SIZE])
        ids += arrived
        on_done(len(arrived), len(datas))
    return ids


def _import_batch(server: Server, project_id: int, batch: Sequence[dict[str, Any]]) -> list[int]:
    arrived: dict[str, int] = {}
    for attempt in range(_ATTEMPTS):
        missing = [data for data in batch if data["id"] not in arrived]
        try:
            try:
                ids = _post(server, project_id, missing)
            except AuthError:  # refused, so nothing was done: try with a new token
                if not server.renew():
                    raise
                ids = _post(server, project_id, missing)
        except UnclearError:
            if attempt == _ATTEMPTS - 1:
                raise
            arrived = _arrived(server, project_id, batch)
        else:
            if len(ids) == len(missing):
                arrived.update(zip((data["id"] for data in missing), ids, strict=True))
            else:  # some answers hold no ids, so read the project
                arrived = _arrived(server, project_id, batch)
        if len(arrived) == len(batch):
            return [arrived[data["id"]] for data in batch]
    raise UnclearError(
        f"{len(batch) - len(arrived)} of {len(batch)} clips did not arrive in project {project_id}, though Label "
        "Studio said that they had",
        "run the same command again: it sends what is missing",
    )


def _post(server: Server, project_id: int, datas: Sequence[dict[str, Any]]) -> list[int]:
    with server.errors(f"importing {len(datas)} clips"):
        answer = server.sdk.projects.import_tasks(
            id=project_id,
            request=[{"data": data} for data in datas],
            return_task_ids=True,
            request_options={"max_retries": 0, "timeout": _IMPORT_TIMEOUT_S},
        )
        return list(getattr(answer, "task_ids", None) or [])


def _arrived(server: Server, project_id: int, batch: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Task id by clip id for the tasks of `batch` that have arrived; looks until no more come."""
    wanted = {data["id"] for data in batch}
    found: dict[str, int] = {}
    for wait_s in _SETTLE_S:
        time.sleep(wait_s)
        found = {}
        for task in read_tasks(server, project_id):
            if task.data.id in wanted:
                found.setdefault(str(task.data.id), task.id)
        if len(found) == len(wanted):
            break
    return found


# --- Clips that arrived twice -----------------------------------------------------------------------------------------


class _Worked(msgspec.Struct):
    id: int
    annotations: list[msgspec.Raw]
    drafts: list[msgspec.Raw]
    predictions: list[msgspec.Raw]


def remove_doubles(server: Server, project_id: int, tasks: Sequence[Task]) -> tuple[list[Task], list[str]]:
    """The tasks that remain of `tasks` (ascending by id), and the clips whose doubles were deleted.

    A clip arrives twice if a request was given up while the server was still working on it (the program was killed, or
    a proxy did not wait), and the clip was sent again. Of tasks with the same clip and fingerprint, the first that
    somebody has worked on stays, or else the first; the others are deleted only if they have no annotations, drafts or
    predictions.
    """
    by_content: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.data.id is not None and task.data.fingerprint is not None:
            by_content[task.data.id, task.data.fingerprint].append(task)
    doubled = [group for group in by_content.values() if len(group) > 1]
    if not doubled:
        return list(tasks), []
    worked_on = _worked_on(server, project_id, [task.id for group in doubled for task in group])
    deleted: set[int] = set()
    clips = []
    for group in doubled:
        kept = next((task for task in group if task.id in worked_on), group[0])
        surplus = [task.id for task in group if task is not kept and task.id not in worked_on]
        for task_id in surplus:
            _delete(server, task_id)
        deleted.update(surplus)
        if surplus:
            clips.append(str(kept.data.id))
    return [task for task in tasks if task.id not in deleted], clips


def _worked_on(server: Server, project_id: int, ids: Sequence[int]) -> set[int]:
    """The tasks that have work, by the export: other answers leave out the drafts of other people (1.23.2)."""
    found: set[int] = set()
    for start in range(0, len(ids), _IDS_PER_REQUEST):
        params = {"exportType": "JSON", "download_all_tasks": "true", "ids[]": ids[start : start + _IDS_PER_REQUEST]}
        doing = "looking at clips that arrived twice"
        for task in server.get_json(f"api/projects/{project_id}/export", doing, list[_Worked], params):
            if task.annotations or task.drafts or task.predictions:
                found.add(task.id)
    return found


def _delete(server: Server, task_id: int) -> None:
    try:
        with server.errors(f"deleting task {task_id}, a double"):
            server.sdk.tasks.delete(id=str(task_id), request_options={"max_retries": 0})
    except NotFoundError:
        pass  # it is gone already
