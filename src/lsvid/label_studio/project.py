"""Projects: how to find one, and the storage folders from which it serves clips."""

import difflib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import ClassVar

import msgspec

from lsvid.errors import NotFoundError, ServerError, SettingsError
from lsvid.label_studio.client import Server
from lsvid.label_studio.failures import same_page_again

PROBE_PATH = "/"
"""A path that no server can serve: asking for it makes the server name its document root."""

_ROOT_IN_TEXT = re.compile(r'LOCAL_FILES_DOCUMENT_ROOT="(.*?)" by security reasons')
_LOCAL_NOTE = "lsvid: on the researcher's machine this folder is "


@dataclass(frozen=True)
class Project:
    """A project as it is on the server now."""

    id: int
    title: str
    label_config: str
    instruction: str
    shows_instruction: bool
    sampling: str
    n_tasks: int
    n_predictions: int
    annotations_per_clip: int = 1


# The parts of the server's answers that are read here. Reading needs no SDK, whose import takes two seconds.


class _ProjectAnswer(msgspec.Struct):
    id: int
    title: str | None = None
    label_config: str | None = None
    expert_instruction: str | None = None
    show_instruction: bool | None = None
    sampling: str | None = None
    task_number: int | None = None
    total_predictions_number: int | None = None
    maximum_annotations: int | None = None


class _ProjectPage(msgspec.Struct):
    results: list[_ProjectAnswer]
    next: str | None = None


class _StorageAnswer(msgspec.Struct):
    path: str | None = None
    description: str | None = None


class _UserAnswer(msgspec.Struct):
    id: int
    email: str


@dataclass(frozen=True)
class StorageFolder:
    """A folder of clips: `path` on the server, `local` on this machine."""

    read_whole: ClassVar[bool] = True
    """Label Studio reads a file whole before it answers any request for a part of it."""

    path: str
    local: str

    @cached_property
    def _roots(self) -> tuple[Path, Path]:
        local = Path(self.local)
        return local, local.resolve()  # the paths of clips have links resolved, those of folders are as written

    def on_server(self, path: str) -> str | None:
        """The server's path of the file that this machine has at `path`, or None if the folder does not hold it."""
        file = Path(path)
        for root in self._roots:
            if file.is_relative_to(root):
                return str(as_pure_path(self.path).joinpath(*file.relative_to(root).parts))
        return None


def show_predictions(server: Server, project_id: int, model_version: str) -> None:
    """Let the project's annotators start from the predictions of `model_version`.

    Label Studio 1.23.2 shows predictions only if the project asks for them and names their version; "Uncertainty
    sampling" then uses their scores. Raises ServerError.
    """
    with server.errors(f"updating project {project_id}"):
        server.sdk.projects.update(id=project_id, model_version=model_version, show_collab_predictions=True)


def find_project(server: Server, wanted: str) -> Project:
    """The project that `wanted` names: an id if it has digits only, else a title.

    Raises NotFoundError, and SettingsError if several projects have the title.
    """
    if wanted.isdecimal():
        return get_project(server, int(wanted))
    titles = _titles(server)
    project_id = _only_id(titles, wanted)
    if project_id is None:
        near = difflib.get_close_matches(wanted, sorted(set(titles.values())), n=3, cutoff=0.5)
        known = f"; there is {', '.join(repr(title) for title in near)}" if near else ""
        raise NotFoundError(
            f"Label Studio at {server.url} has no project titled {wanted!r}{known}",
            "make it with: lsvid setup-project LABELS --title TITLE",
        )
    return get_project(server, project_id)


def find_by_title(server: Server, title: str) -> Project | None:
    """The project of this title, None if there is none. Raises SettingsError if several have it."""
    project_id = _only_id(_titles(server), title)
    return None if project_id is None else get_project(server, project_id)


def get_project(server: Server, project_id: int) -> Project:
    """The project of this id. Raises NotFoundError."""
    try:
        found = server.get_json(f"api/projects/{project_id}/", "looking the project up", _ProjectAnswer)
    except NotFoundError as error:
        raise NotFoundError(
            f"Label Studio at {server.url} has no project {project_id}",
            "a number means a project's id; the addresses of your projects show their ids",
        ) from error
    return Project(
        id=found.id,
        title=found.title or "",
        label_config=found.label_config or "",
        instruction=found.expert_instruction or "",
        shows_instruction=found.show_instruction or False,
        sampling=found.sampling or "",
        n_tasks=found.task_number or 0,
        n_predictions=found.total_predictions_number or 0,
        annotations_per_clip=found.maximum_annotations or 1,
    )


def _titles(server: Server) -> dict[int, str]:
    titles: dict[int, str] = {}
    page = 1
    while True:
        params = {"include": "id,title", "page": page, "page_size": 1000}
        answer = server.get_json("api/projects/", "listing the projects", _ProjectPage, params)
        known = len(titles)
        titles |= {entry.id: entry.title or "" for entry in answer.results}
        if answer.next is None:
            return titles
        if len(titles) == known:
            raise same_page_again(server.url, "listing the projects")
        page += 1


def _only_id(titles: dict[int, str], wanted: str) -> int | None:
    ids = sorted(project_id for project_id, title in titles.items() if title == wanted)
    if len(ids) > 1:
        raise SettingsError(
            f"{len(ids)} projects are titled {wanted!r}: ids {', '.join(map(str, ids))}",
            f"name one by its id: <<project={ids[0]}>>",
        )
    return ids[0] if ids else None


# --- Storage folders --------------------------------------------------------------------------------------------------


def storage_folders(server: Server, project_id: int) -> list[StorageFolder]:
    """The local storages of a project, in the order they were made."""
    storages = server.get_json(
        "api/storages/localfiles/", "listing the project's storages", list[_StorageAnswer], {"project": project_id}
    )
    folders = []
    for storage in storages:
        path = storage.path or ""
        note = storage.description or ""
        local = note.removeprefix(_LOCAL_NOTE) if note.startswith(_LOCAL_NOTE) else path
        folders.append(StorageFolder(path, local))
    return folders


def add_storage(server: Server, project_id: int, folder: StorageFolder) -> None:
    """Let the server serve the files below `folder`. The storage is never synchronised, since that would make tasks.

    Raises ServerError, with what to repair, if the server does not accept it.
    """
    note = _LOCAL_NOTE + folder.local if folder.local != folder.path else ""
    try:
        with server.errors(f"connecting the storage folder {folder.path}"):
            server.sdk.import_storage.local.create(
                project=project_id,
                path=folder.path,
                title=as_pure_path(folder.path).name,
                description=note,
                use_blob_urls=True,
            )
    except ServerError as error:
        raise storage_error(error, folder) from error


def check_storage(server: Server, project_id: int, folder: StorageFolder) -> None:
    """Raise ServerError, with what to repair, if the server would not accept `folder`. Changes nothing."""
    try:
        with server.errors(f"checking the storage folder {folder.path}"):
            server.sdk.import_storage.local.validate(project=project_id, path=folder.path, use_blob_urls=True)
    except ServerError as error:
        raise storage_error(error, folder) from error


def storage_error(error: ServerError, folder: StorageFolder) -> ServerError:
    """`error`, with what to repair if the server's text is a known one (1.23.2)."""
    path, said = folder.path, error.message
    root = document_root_in(said)
    if "cannot be the same as LOCAL_FILES_DOCUMENT_ROOT" in said:
        return ServerError(
            f"the storage folder {path} is Label Studio's document root itself",
            f"name a folder below it, such as {as_pure_path(path) / 'clips'}, or start Label Studio with "
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the folder above",
        )
    if "must be a subdirectory of" in said:
        return ServerError(
            f"the storage folder {path} does not lie below Label Studio's document root {root}",
            f"move the clips below {root}, or start Label Studio with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to a "
            f"folder above {path}; if the server sees the folder under another path (a container): "
            f"<<storage={folder.local}=SERVER_DIR>>",
        )
    if "does not exist" in said:
        return ServerError(
            f"Label Studio does not see the storage folder {path}",
            "make the folder readable for the server; if it sees it under another path (a container): "
            f"<<storage={folder.local}=SERVER_DIR>>",
        )
    if "LOCAL_FILES_SERVING_ENABLED" in said:
        return ServerError(
            "Label Studio does not serve local files: that is switched off",
            "start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT "
            f"set to a folder above {path}",
        )
    return error


def check_below_root(folder: StorageFolder, document_root: str) -> None:
    """Raise SettingsError unless `folder` lies strictly below the server's document root."""
    path, root = as_pure_path(folder.path), as_pure_path(document_root)
    if root not in path.parents:
        raise SettingsError(
            f"the storage folder {folder.path} does not lie strictly below the document root {document_root}",
            f"name a folder such as {root / 'clips'}; if the server sees it under another path (a container): "
            f"<<storage={folder.local}=SERVER_DIR>>",
        )


def parse_folder(text: str) -> StorageFolder:
    """The folder in `DIR` or `DIR=SERVER_DIR`, DIR made absolute. Raises SettingsError."""
    local, equals, path = text, "", ""
    if not os.path.isdir(text):  # noqa: PTH112 - a folder may have '=' in its name, so look for the whole text
        local, equals, path = text.rpartition("=")
    if not equals:
        local = text
    if not local or (equals and not path):
        raise SettingsError(
            f"<<storage={text}>>: neither DIR nor DIR=SERVER_DIR", "such as <<storage=/data/clips=/media/clips>>"
        )
    absolute = os.path.abspath(local)  # noqa: PTH100 - links stay: the server uses the path as it is written
    if not os.path.isdir(absolute):  # noqa: PTH112
        raise SettingsError(f"<<storage={text}>>: there is no folder {absolute}", "check the path")
    return StorageFolder(path=path.rstrip("/") or absolute, local=absolute)


def as_pure_path(path: str) -> PurePath:
    """`path` as a path of the server's system, which may be Windows while lsvid runs on another."""
    is_windows = re.match(r"[A-Za-z]:[\\/]|\\\\[^\\]", path)  # C:\clips, \\server\share
    return PureWindowsPath(path) if is_windows else PurePosixPath(path)


def document_root(server: Server, project_id: int, given: str | None = None) -> str:
    """The folder below which the server serves files: `given`, else what the server says, else the environment.

    Raises ServerError if none of them says it.
    """
    if given:
        return given.rstrip("/") or given
    said = ""

    def ask() -> None:
        with server.errors("asking for the document root"):
            server.sdk.import_storage.local.validate(project=project_id, path=PROBE_PATH, use_blob_urls=True)

    try:
        server.repeated(ask)
    except ServerError as error:
        said = error.message
    root = document_root_in(said) or os.environ.get("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT")
    if not root:
        raise ServerError(
            "Label Studio does not say below which folder it serves files" + (f": {said}" if said else ""),
            "give it with <<document_root>> or LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, as the server has it",
        )
    return root.rstrip("/") or root


def document_root_in(text: str) -> str | None:
    """The document root that the server names when it refuses a storage folder, or None."""
    match = _ROOT_IN_TEXT.search(text)
    return match[1] if match else None


def checked_title(title: str) -> str:
    """`title`, if Label Studio accepts it. Raises SettingsError."""
    title = title.strip()
    if not 3 <= len(title) <= 50:
        raise SettingsError(
            f"a project's title has 3 to 50 characters; {title!r} has {len(title)}", "give another with <<title>>"
        )
    return title


def annotators(server: Server) -> dict[int, str]:
    """E-mail by user id, for everybody who has worked on this server."""
    return {user.id: user.email for user in server.get_json("api/users/", "listing the users", list[_UserAnswer])}
