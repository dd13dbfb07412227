"""How the server serves a clip: the address for its task, and whether that address works."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from lsvid.errors import ServerError, SettingsError
from lsvid.label_studio.client import Server
from lsvid.label_studio.project import StorageFolder, as_pure_path


def path_on_server(path: str, folders: Sequence[StorageFolder]) -> str | None:
    """The server's path of the file that this machine has at `path`, or None if no storage folder holds it."""
    file = Path(path)
    for folder in folders:
        local = Path(folder.local)
        # The paths of clips have links resolved, those of storage folders are as they were written.
        for root in (local, local.resolve()):
            if file.is_relative_to(root):
                return str(as_pure_path(folder.path).joinpath(*file.relative_to(root).parts))
    return None


def with_mappings(storages: Sequence[StorageFolder], mappings: Sequence[StorageFolder]) -> list[StorageFolder]:
    """The storages of a project, with their folders on this machine as `mappings` (DIR=SERVER_DIR) say.

    Raises SettingsError if a mapping's folder lies in none of the storages.
    """
    mapped = []
    for mapping in mappings:
        if not any(as_pure_path(mapping.path).is_relative_to(as_pure_path(storage.path)) for storage in storages):
            raise SettingsError(
                f"the project has no storage folder that holds {mapping.path}",
                f"connect it: lsvid setup-project LABELS --project ID --storage {mapping.local}={mapping.path}",
            )
        mapped.append(mapping)
    return [*mapped, *storages]


def local_files_url(server_path: str, document_root: str) -> str:
    """The address of a file below the server's document root, for a task's data.

    Label Studio 1.23.2 takes the path relative to the root, percent-encoded except slashes. Raises SettingsError if
    the file does not lie below the root.
    """
    path, root = as_pure_path(server_path), as_pure_path(document_root)
    if not path.is_relative_to(root):
        raise SettingsError(
            f"{server_path} does not lie below the server's document root {document_root}",
            "give the document root as the server has it: --document-root DIR",
        )
    return "/data/local-files/?d=" + quote(path.relative_to(root).as_posix())


def check_served(server: Server, url: str, server_path: str, size: int) -> None:
    """Ask for the first bytes of the file at `url`. Raises ServerError, with what to repair, unless they come.

    size: bytes of the file on this machine.
    """
    response = server.get(url, "asking for a clip", headers={"Range": "bytes=0-1"}, stream=True)
    status = response.status_code
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    response.close()
    if status == 206:
        if total.isdecimal() and int(total) != size:
            raise ServerError(
                f"Label Studio has another file at {server_path}: {total} bytes, on this machine {size}",
                "where the server sees the folder under another path (a container): --storage DIR=SERVER_DIR",
            )
        return
    if status == 200:
        raise ServerError(
            f"the server gives out {server_path} without byte ranges (status 200, not 206): seeking will not work",
            "let the proxy in front of Label Studio pass on the headers Range and Content-Range",
        )
    hints = {
        403: "start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true",
        404: "check that the server sees this file and may read it, and that the project has a storage for its folder "
        "(lsvid setup-project LABELS --project ID --storage DIR); in a container the path may differ: --storage "
        "DIR=SERVER_DIR",
    }
    raise ServerError(
        f"Label Studio does not give out {server_path}: status {status}",
        hints.get(status, "see the server's log"),
    )
