"""Results as files and folders: they appear whole or not at all, and take no file's place that is somebody else's.

A folder of results holds a manifest, a JSON document whose `files` names the others, so that the next run knows which
are its own to replace or to remove.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lsvid.errors import DataError, SettingsError
from lsvid.files import storage

Publish = Callable[[Sequence[str]], None]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write into; it takes `path`'s place at the end, or vanishes if anything goes wrong."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}", "choose another place with -o") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, manifest: str) -> Iterator[tuple[Path, Publish]]:
    """A folder beside `folder` to write into, and a function that moves the named files from it into place.

    What an earlier run left in `folder`, by its `manifest`, and this one did not write again is removed. Raises
    SettingsError where a file would be overwritten that no earlier run wrote, and DataError where the disk is full.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    except OSError as error:
        raise SettingsError(f"cannot write to {folder}: {error.strerror}", "choose another folder with -o") from error

    def publish(names: Sequence[str]) -> None:
        old = _listed_in(folder / manifest)
        _check_free(folder, set(names) - old - {manifest})
        folder.mkdir(exist_ok=True)
        (folder / manifest).unlink(missing_ok=True)  # so that it never describes files that are not there yet
        for name in sorted(names, key=lambda name: name == manifest):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(folder / name)
        for name in old - set(names):
            (folder / name).unlink(missing_ok=True)
            _remove_empty((folder / name).parent, folder)

    try:
        yield staging, publish
    except OSError as error:
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}", "free some space, then run it again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_ours(folder: Path, manifest: str, pattern: str) -> None:
    """Raise SettingsError where `folder` is a file, or holds files like `pattern` and no manifest.

    Said before the work begins; what would be overwritten is known at its end.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file", "give -o a folder")
    taken = sorted(path.name for path in folder.glob(pattern) if path.is_file()) if folder.is_dir() else []
    if taken and not (folder / manifest).exists():
        raise SettingsError(
            f"{folder} holds {taken[0]}, but no {manifest} of an earlier run: it would be overwritten",
            "choose another folder with -o, or remove the file",
        )


@contextmanager
def output_folder(target: str, manifest: str, pattern: str) -> Iterator[Path]:
    """The folder to write results into. For an `s3://` prefix it is a temporary one, which is uploaded at the end.

    The manifest goes last, and an earlier one first away, so that it never describes files that are not there. Raises
    SettingsError where the prefix holds files like `pattern` that no earlier run wrote, and ServerError.
    """
    if not storage.is_s3(target):
        yield Path(target)
        return
    prefix = storage.folder_uri(target)
    before = storage.read_bytes(prefix + manifest)
    old = _listed(before or b"")

    def check_free(would_be_written: Callable[[str], bool]) -> None:
        for uri, _ in storage.list_objects(prefix):
            name = uri.removeprefix(prefix)
            if would_be_written(name) and name not in old and name != manifest:
                raise SettingsError(
                    f"{prefix} holds {name}, which no {manifest} of an earlier run names: it would be overwritten",
                    "choose another prefix with -o, or remove the object",
                )

    check_free(lambda name: fnmatchcase(name, pattern))
    with tempfile.TemporaryDirectory(prefix="lsvid-") as folder:
        local = Path(folder) / "out"
        yield local
        names = sorted(path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
        check_free({name for name in names if "/" not in name}.__contains__)
        if before is not None:
            storage.remove(prefix + manifest)
        for name in sorted(names, key=lambda name: name == manifest):
            storage.upload(local / name, prefix + name)
        for name in old - set(names):
            storage.remove(prefix + name)


@contextmanager
def output_file(target: str) -> Iterator[Path]:
    """The file to write to. For an `s3://` URI it is a temporary one, which is uploaded at the end."""
    if not storage.is_s3(target):
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="lsvid-") as folder:
        local = Path(folder) / "out"
        yield local
        storage.upload(local, target)


def _check_free(folder: Path, names: Collection[str]) -> None:
    """Raise SettingsError where one of `names` is there already."""
    taken = sorted(name for name in names if (folder / name).exists())
    if taken:
        raise SettingsError(
            f"{folder} holds {taken[0]}, which no earlier run wrote: it would be overwritten",
            "choose another folder with -o, or remove the file",
        )


def _remove_empty(inner: Path, folder: Path) -> None:
    """Remove `inner`, and what is around it, as far as `folder`, where nothing is left in it."""
    while inner != folder and inner.is_dir() and not any(inner.iterdir()):
        inner.rmdir()
        inner = inner.parent


def _listed_in(manifest: Path) -> set[str]:
    try:
        return _listed(manifest.read_bytes())
    except OSError:
        return set()


def _listed(manifest: bytes) -> set[str]:
    """The names of the files that a manifest lists; none where it is no manifest."""
    try:
        files = json.loads(manifest)["files"]
        names = {PurePosixPath(file["name"] if isinstance(file, dict) else file) for file in files}
    except (ValueError, KeyError, TypeError):
        return set()
    return {str(name) for name in names if not name.is_absolute() and ".." not in name.parts}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
