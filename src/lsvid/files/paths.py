"""Paths of files on this machine (which may be Windows), and names of objects in S3 (`s3://BUCKET/KEY`), as texts.

Each function works for both, so that no other module has to ask which of the two a text is. A path from an export may
be any text. Nothing here talks to S3.
"""

import ntpath
import os
import posixpath
import re
import shlex
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import quote

from lsvid.errors import ClipError, SettingsError
from lsvid.files.names import readable

SCHEME = "s3://"

_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_s3(path: str | os.PathLike[str]) -> bool:
    """Whether `path` names something in S3."""
    return os.fspath(path).startswith(SCHEME)


# --- Parts ------------------------------------------------------------------------------------------------------------


def parts_of(path: str) -> list[str]:
    """The folders and the file name in a path, or in an `s3://` URI."""
    if _WINDOWS_PATH.match(path):
        path = path.replace("\\", "/")
    return [part for part in path.split("/") if part not in ("", ".")]


def file_name(path: str) -> str:
    """The file name in a path of this or another machine, or in an `s3://` URI; empty if there is none."""
    return parts_of(path)[-1] if parts_of(path) else ""


def split_suffix(name: str) -> tuple[str, str]:
    """A file's name without its ending, and the ending ('.mp4'), which may be empty."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if suffix and stem.strip(".") else (name, "")


def stem(path: str) -> str:
    """The name in the path of a file without its ending, as text that can be encoded (`names.readable`)."""
    return readable(split_suffix(file_name(path) or path)[0])


def brief(path: str) -> str:
    """A path for a message, not much longer than a line."""
    return path if len(path) <= 200 else f"{path[:100]}…{path[-60:]}"


def with_slashes(path: str) -> str:
    """`path` of any machine with slashes between its parts. In S3 a backslash is a letter like any other."""
    return path if is_s3(path) else path.replace("\\", "/")


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of an `s3://` URI. Raises SettingsError if there is no bucket."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise SettingsError(f"{uri} names no bucket", "it is s3://BUCKET/PREFIX")
    return bucket, key


def folder_uri(uri: str) -> str:
    """`uri` as a folder: a bucket, or a prefix that ends with a slash."""
    return uri if uri.endswith("/") else uri + "/"


# --- Where they are ---------------------------------------------------------------------------------------------------


def is_file(path: str) -> bool:
    """Whether `path` names a file on this machine. It never raises an error."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, a loop of links, no permission; a NUL
        return False


def is_folder(path: str) -> bool:
    """Whether `path` names a folder on this machine. It never raises an error."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file_in_sight(path: str) -> bool:
    """Whether this machine sees the file `path`. True for everything in S3: only a request would say what exists."""
    return is_s3(path) or is_file(path)


def is_in_sight(path: str) -> bool:
    """The same for a file or a folder."""
    return is_file_in_sight(path) or is_folder(path)


def absolute(path: str) -> str:
    """`path` for a process with another working folder; a URI stays unchanged."""
    return path if is_s3(path) else str(Path(path).absolute())


def resolved(path: str, folder: Path = Path()) -> str:
    """The absolute path of a file, with links followed; a relative one starts at `folder`. A URI stays unchanged.

    Raises ClipError if it cannot be a path.
    """
    if is_s3(path):
        return path
    file = folder / path
    try:
        return str(file.resolve())
    except RuntimeError:  # links in a circle, up to Python 3.12: reading it will say so
        return str(file.absolute())
    except (OSError, ValueError) as error:
        raise ClipError(f"{brief(str(file))!r} is not a path: {error}", "correct the path") from error


def parent_of(path: str) -> str:
    """The folder that holds the file or object `path`."""
    return path.rpartition("/")[0] if is_s3(path) else str(Path(path).parent)


def lies_in(path: str, folder: str) -> bool:
    """Whether the file or folder `path` is `folder` or lies below it, both on this machine or both in S3."""
    if is_s3(path) or is_s3(folder):
        return is_s3(path) and folder_uri(path).startswith(folder_uri(folder))
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def common_folder(folders: Iterable[str]) -> Path | None:
    """The folder that holds all those of `folders` that are on this machine; None if none is."""
    local = [folder for folder in folders if not is_s3(folder)]
    return Path(os.path.commonpath(local)) if local else None


def readers_per_core(path: str) -> int:
    """The best number of processes per core to read such files: two for S3, since half of the time they wait."""
    return 2 if is_s3(path) else 1


# --- For other programs -----------------------------------------------------------------------------------------------


def as_word(path: str) -> str:
    """`path` as one word of a shell command; for an object in S3 only its name, since ffmpeg cannot read S3."""
    return shlex.quote(PurePosixPath(path).name if is_s3(path) else path)


def addresses(path: str | PurePath, folder: PurePath | None) -> tuple[str, str | None]:
    """The address (URL) of the file at an absolute path, and the one relative to `folder`; None if there is none.

    An object in S3 has its URI only.
    """
    if isinstance(path, str):
        if is_s3(path):
            return path, None
        path = Path(path)
    if not isinstance(path, PureWindowsPath):
        return f"file://{_quoted(path)}", None if folder is None else _quoted(posixpath.relpath(path, folder))
    start = "file:" if path.drive.startswith("\\\\") else "file:///"  # \\server\share is file://server/share
    address = start + quote(path.as_posix(), safe="/:")
    if folder is None:
        return address, None
    try:
        return address, _quoted(PureWindowsPath(ntpath.relpath(path, folder)).as_posix())
    except ValueError:
        return address, None


def _quoted(path: str | PurePath) -> str:
    return quote(os.fsencode(path))
