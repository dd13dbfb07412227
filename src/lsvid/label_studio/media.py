"""How a project serves a clip: the storage that holds it, the address for its task, and whether that address works."""

from collections.abc import Sequence
from functools import cached_property
from urllib.parse import quote

from lsvid.errors import ServerError, SettingsError
from lsvid.files.paths import is_s3
from lsvid.label_studio.client import Server
from lsvid.label_studio.project import StorageFolder, as_pure_path, document_root, parse_folder, storage_folders
from lsvid.label_studio.s3 import (
    PRESIGN_MINUTES,
    S3Storage,
    check_resolved,
    cors_hint,
    parse_s3_storage,
    s3_storages,
)

Storage = StorageFolder | S3Storage


def kind_of(path: str) -> type[StorageFolder] | type[S3Storage]:
    """The kind of storage that serves what lies at `path`. Only this function tells the two kinds apart by a text."""
    return S3Storage if is_s3(path) else StorageFolder


def parse_storage(text: str, *, presign: bool = True, minutes: int = PRESIGN_MINUTES) -> Storage:
    """The storage in `DIR`, `DIR=SERVER_DIR` or `s3://BUCKET/PREFIX`. Raises SettingsError."""
    if kind_of(text) is S3Storage:
        return parse_s3_storage(text, presign=presign, minutes=minutes)
    return parse_folder(text)


def parse_mapping(text: str) -> StorageFolder:
    """The folder in `DIR=SERVER_DIR`. Raises SettingsError, also for a prefix in S3, which needs no mapping."""
    found = parse_storage(text)
    if isinstance(found, StorageFolder):
        return found
    raise SettingsError(
        f"<<storage={text}>>: what lies in S3 has the same name everywhere",
        "leave it out; lsvid setup-project LABELS --project ID --storage s3://BUCKET/PREFIX connects it",
    )


class Media:
    """The storages of a project, and what they serve.

    mappings: folders of this machine that the server sees elsewhere. root: the server's document root, if it is given.
    """

    def __init__(
        self, server: Server, project_id: int, mappings: Sequence[StorageFolder] = (), root: str | None = None
    ) -> None:
        self._server, self._project_id, self._given_root = server, project_id, root
        folders = with_mappings(storage_folders(server, project_id), mappings)
        self.storages: list[Storage] = [*folders, *s3_storages(server, project_id)]

    @cached_property
    def _root(self) -> str:
        return document_root(self._server, self._project_id, self._given_root)

    def holders(self, paths: Sequence[str]) -> list[Storage]:
        """The storage that holds each of `paths`. Raises SettingsError, which lists those that none holds."""
        found = [next((one for one in self.storages if one.on_server(path)), None) for path in paths]
        outside = [path for path, holder in zip(paths, found, strict=True) if holder is None]
        if outside:
            known = ", ".join(one.local for one in self.storages) or "it has none"
            kind = f"{len(outside)} clips lie outside the storages of project {self._project_id} ({known}):"
            raise SettingsError(
                "\n".join([kind, *(f"  {path}" for path in outside)]),
                f"connect their folder: lsvid setup-project LABELS --project {self._project_id} --storage DIR, or "
                "s3://BUCKET/PREFIX; if the server sees the folder under another path (a container): "
                "<<storage=DIR=SERVER_DIR>>",
            )
        return [holder for holder in found if holder is not None]

    def url(self, path: str, holder: Storage) -> str:
        """The address of the clip at `path` for its task. Label Studio itself signs the URI of an object in S3."""
        place = str(holder.on_server(path))
        return place if isinstance(holder, S3Storage) else local_files_url(place, self._root)

    def check(self, path: str, size: int, holder: Storage) -> tuple[str, str] | None:
        """Ask for the first bytes of the clip at `path`, as a browser does. Raises ServerError unless they come.

        Returns what prevents it from being played all the same, and a hint; or None. size: of the file, in bytes.
        """
        if isinstance(holder, S3Storage):
            fault = check_resolved(self._server, self._project_id, path, size)
            return (fault, cors_hint(self._server, path)) if fault else None
        check_served(self._server, self.url(path, holder), str(holder.on_server(path)), size)
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
            "give the document root as the server has it: <<document_root=DIR>>",
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
                "if the server sees the folder under another path (a container): <<storage=DIR=SERVER_DIR>>",
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
        "(lsvid setup-project LABELS --project ID --storage DIR); in a container the path may differ: "
        "<<storage=DIR=SERVER_DIR>>",
    }
    raise ServerError(
        f"Label Studio does not give out {server_path}: status {status}",
        hints.get(status, "see the server's log"),
    )
