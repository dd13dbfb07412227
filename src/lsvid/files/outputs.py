"""Outputs. They appear whole or not at all, and never replace a file of somebody else.

The one rule, on this machine and in S3: only files that a manifest of lsvid names are overwritten or removed. A folder
holds its manifest, a JSON document whose `files` names the other files. Before the first file is moved into place, the
manifest lists the files of the earlier run and of this one, with the state "unfinished"; the finished manifest is
written last. So a run may be killed at any moment: the next run knows every file that it left.

A single file is replaced if it is empty or of the same kind. A device, a pipe or an open descriptor is written to.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lsvid import __version__
from lsvid.errors import SettingsError
from lsvid.files import storage
from lsvid.files.folders import Folder, check_name, folder_at, writing
from lsvid.files.paths import is_s3
from lsvid.files.unfinished import remove_leftovers, unfinished, unfinished_folder

UNFINISHED = "unfinished"
"""The `state` in the manifest while files are moved into the folder; it stays if the run is killed meanwhile."""

Target = str | os.PathLike[str]


@dataclass(frozen=True)
class Staging:
    """A new output folder. folder: write into this one. output: its final place.

    publish: moves the named files into place, the manifest among them.
    """

    folder: Path
    output: Folder
    publish: Callable[[Sequence[str]], None]


@contextmanager
def whole_folder(target: Target, manifest: str, expected: str = "", inputs: Iterable[Target] = ()) -> Iterator[Staging]:
    """A folder to write into. When its `publish` is called, it becomes `target`: a folder, or a prefix in S3.

    Files of an earlier run (its `manifest` names them) that this run did not write again are removed. Raises
    SettingsError if a file is there that no earlier run wrote (at once if its name matches `expected`, else before
    anything is changed), and if an output would replace one of `inputs`; DataError if the disk is full; ServerError.
    """
    folder = folder_at(target)
    old = _listed(folder, manifest)
    taken = [name for name in folder.matching(expected) if name not in old]
    _check_free(taken, folder, manifest, expected=True)
    _check_inputs(folder, old, inputs)

    with folder.scratch() as staging:

        def publish(names: Sequence[str]) -> None:
            new = set(names) - {manifest}
            _check_free(folder.there(new - old), folder, manifest)
            _check_inputs(folder, new, inputs)
            folder.write(_journal(new | old), manifest)
            for name in names:
                if name != manifest:
                    folder.put(staging / name, name)
            folder.remove(sorted(old - new))
            folder.put(staging / manifest, manifest)

        yield Staging(staging, folder, publish)


def _journal(names: Iterable[str], state: str | None = UNFINISHED) -> bytes:
    document = {"lsvid": __version__, **({"state": state} if state else {}), "files": sorted(names)}
    return (json.dumps(document, indent=1) + "\n").encode()


def _check_free(taken: Collection[str], folder: Folder, manifest: str, *, expected: bool = False) -> None:
    if not taken:
        return
    which = "which no earlier run wrote"
    if folder.path is None:
        which = f"which no {manifest} of an earlier run names"
    elif expected and not folder.there([manifest]):
        which = f"but no {manifest} of an earlier run"
    raise SettingsError(
        f"{folder.uri} holds {min(taken)}, {which}: it would be overwritten",
        "choose another place to write to, or remove the file",
    )


def _check_inputs(folder: Folder, names: Collection[str], inputs: Iterable[Target]) -> None:
    """Raise SettingsError if one of `names` in `folder` is one of `inputs`, or lies in one of them."""
    here = folder.path
    if here is None:
        return
    for one in inputs:
        real = Path(os.path.realpath(one))
        inner = f"{real.relative_to(here).as_posix()}/" if real.is_relative_to(here) else None
        contains = here.is_relative_to(real)
        if names and (contains or (inner and any(f"{name}/".startswith(inner) for name in names))):
            raise SettingsError(
                f"{one} is read, and would be overwritten: it lies in {folder.uri}", "choose another place to write to"
            )


def claim(folder: Folder, record: str, names: Collection[str], is_ours: Callable[[str], bool]) -> set[str]:
    """Add `names`, which will be written now, to those that `record` lists; returns all of them.

    is_ours: says whether an existing file is lsvid's, if there is no record. Raises SettingsError if one is not.
    """
    old = _listed(folder, record)
    taken = folder.there(set(names) - old)
    if not folder.there([record]):
        taken = {name for name in taken if not is_ours(name)}
    _check_free(taken, folder, record)
    folder.write(_journal(old | set(names), None), record)
    return old | set(names)


def release(folder: Folder, record: str, names: Iterable[str]) -> None:
    """Remove from `record` those of `names` that were not written and do not exist."""
    listed_now, names = _listed(folder, record), set(names)
    if gone := names - folder.there(names):
        folder.write(_journal(listed_now - gone, None), record)


def _listed(folder: Folder, manifest: str) -> set[str]:
    """The names that the manifest of an earlier run lists. Raises SettingsError if the manifest is not lsvid's."""
    content = folder.read(manifest)
    if content is None:
        _check_free(folder.there([manifest]), folder, manifest)
        return set()
    names = listed(content) if content else set()  # an upload that was killed may leave it empty
    if names is None:
        raise SettingsError(
            f"{folder.uri} holds a {manifest} that no earlier run wrote: it would be overwritten",
            "choose another place to write to, or remove the file",
        )
    return {name for name in names if name != manifest}


def listed(manifest: bytes) -> set[str] | None:
    """The names of the files that a manifest of lsvid lists; None if it is not one."""
    try:
        document = json.loads(manifest)
        _ = document["lsvid"]
        names = {PurePosixPath(file["name"] if isinstance(file, dict) else file) for file in document["files"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return {str(name) for name in names if name.name and not name.is_absolute() and ".." not in name.parts}


# --- Single files -----------------------------------------------------------------------------------------------------


@contextmanager
def whole_file(target: Target, is_ours: Callable[[bytes], bool], inputs: Iterable[Target] = ()) -> Iterator[Path]:
    """A file to write into. At the end it replaces `target`; if anything goes wrong, it is removed.

    target: a path, or `s3://BUCKET/KEY`. A device, a pipe and an open descriptor (/dev/stdout) are written to. If it is
    a link, the file to which it leads is replaced. is_ours: whether a file that begins with these bytes is of the kind
    that is written here. Raises SettingsError if another file is there, or one of `inputs`, or if nothing can be
    written; DataError if the disk is full; ServerError.
    """
    name = os.fspath(target)
    check_name(name)
    for one in inputs:
        if _is_same(name, os.fspath(one)):
            raise SettingsError(f"{name} is read, and would be overwritten", "choose another file to write to")
    if is_s3(name):
        _check_ours(name, storage.read_start(name, _LOOKED_AT), is_ours)
        with unfinished_folder() as folder, writing("the folder for temporary files"):
            yield folder / "out"
            storage.upload(folder / "out", name)
        return
    with writing(name):
        stream = _stream(name)
        if stream is not None:
            with stream, unfinished_folder() as folder:
                yield folder / "out"
                with (folder / "out").open("rb") as file:
                    shutil.copyfileobj(file, stream)
            return
        path = Path(os.path.realpath(name))
        if os.path.lexists(path):
            with path.open("rb") as file:
                _check_ours(name, file.read(_LOOKED_AT), is_ours)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, path.stem)
        temporary = unfinished(path)
        try:
            yield temporary
            os.replace(temporary, path)  # noqa: PTH105 - tests count it
        finally:
            temporary.unlink(missing_ok=True)


_LOOKED_AT = 4096


def _check_ours(name: str, start: bytes | None, is_ours: Callable[[bytes], bool]) -> None:
    if start and not is_ours(start):
        raise SettingsError(
            f"{name} exists, and this command did not write it: it would be overwritten",
            "choose another file to write to, or remove it",
        )


def _is_same(a: str, b: str) -> bool:
    if is_s3(a) or is_s3(b):
        return a == b
    try:
        return Path(a).samefile(b)
    except (OSError, ValueError):
        return False


def _stream(name: str) -> IO[bytes] | None:
    """What to write to if `name` is not a file: an open descriptor, a pipe, a character device. Raises OSError."""
    known = {"/dev/stdout": 1, "/dev/stderr": 2}
    match = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
    number = int(match[1]) if match else known.get(name)
    if number is not None and os.name == "posix":
        return os.fdopen(os.dup(number), "wb")
    try:
        mode = os.stat(name).st_mode  # noqa: PTH116 - as it was given
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return open(name, "wb")  # noqa: PTH123 - the caller closes it
    raise SettingsError(
        f"{name} is a {'folder' if stat.S_ISDIR(mode) else 'device'}, not a file", "name a file to write to"
    )


def write_text(path: Path, text: str) -> None:
    """Write `text` into `path` in UTF-8, with LF at the end of lines. Characters that cannot be encoded are escaped."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def as_json(document: Any, indent: int = 2) -> str:  # noqa: ANN401 - any value that JSON has
    """`document` as JSON, ended by LF."""
    return json.dumps(document, indent=indent, ensure_ascii=False) + "\n"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
