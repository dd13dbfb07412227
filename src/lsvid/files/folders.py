"""`folder_at` gives a folder for results, on this machine or in S3, with one interface.

Names are relative to the folder, with '/' between their parts. Nothing outside the folder is written or removed,
neither by '..' nor by a link that leads out of it.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Protocol

from lsvid.errors import DataError, LsvidError, SettingsError
from lsvid.files import storage
from lsvid.files.paths import folder_uri, is_s3, split_uri
from lsvid.files.unfinished import remove_leftovers, unfinished, unfinished_folder

_AT_ONCE = 16
"""Requests to S3 at the same time."""


class Folder(Protocol):
    """Where results go: whole files, each in one step.

    All raise SettingsError, DataError (the disk is full), and ServerError.
    """

    @property
    def uri(self) -> str:
        """Its name in messages."""
        ...

    @property
    def address(self) -> str:
        """Its name for other processes: an absolute path without links, or the URI."""
        ...

    @property
    def path(self) -> Path | None:
        """Its path on this machine; None in S3."""
        ...

    def inner(self, name: str) -> "Folder":
        """The folder `name` in this one."""
        ...

    def where(self, name: str) -> str:
        """The path, or the URI, of the file `name`."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content of a small file; None if there is no such file."""
        ...

    def there(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that exist already."""
        ...

    def matching(self, pattern: str) -> dict[str, int]:
        """The files directly in the folder whose names match `pattern`, sorted, and their sizes in bytes."""
        ...

    def named(self, name: str, depth: int) -> list[str]:
        """The files called `name` that lie `depth` folders deep in this one, sorted."""
        ...

    def put(self, file: Path, name: str) -> None:
        """Move `file`, which was made in `scratch`, to its place."""
        ...

    def putting(self) -> AbstractContextManager[Callable[[Path, str], None]]:
        """A `put` for many small files. It may move them later, but before the end."""
        ...

    def write(self, content: bytes, name: str) -> None:
        """Write a small file."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, and the folders that are empty without them. Missing files are no error."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder on this machine in which to make files for `put`. It is removed afterwards."""
        ...

    def workshop(self, what: str) -> AbstractContextManager[Path]:
        """The same for large or many files: the folder itself, or a temporary folder for S3.

        Its files get their names from `unfinished`. The caller removes them.
        """
        ...


def folder_at(target: str | os.PathLike[str]) -> Folder:
    """The folder at a path, or at `s3://BUCKET/PREFIX`. Raises SettingsError if it is a file."""
    if is_s3(target):
        return S3Folder(os.fspath(target))
    return LocalFolder(Path(target))


def check_name(name: str) -> None:
    """Raise SettingsError if `name` holds a NUL, which no file name can."""
    if "\0" in name:
        raise SettingsError(f"{name!r} holds a NUL: no file can have that name", "choose another name")


@contextmanager
def writing(place: str | os.PathLike[str], what: str = "") -> Iterator[None]:
    """Turn the system's errors into lsvid's if `what` cannot be written to `place`."""
    try:
        yield
    except OSError as error:
        raise write_error(place, error, what) from error


def write_error(place: str | os.PathLike[str], error: OSError, what: str = "") -> LsvidError:
    """The error of lsvid for `error`: DataError if the disk is full or fails, else SettingsError."""
    message = f"cannot write {f'{what} in' if what else ''}to {os.fspath(place)}: {error.strerror or error}"
    if getattr(error, "winerror", None) in _IN_USE:
        return DataError(message, f"close {error.filename2 or error.filename} in other programs, then run it again")
    if error.errno in _NO_PLACE:
        return SettingsError(message, "choose another place to write to, or correct its permissions")
    return DataError(message, "free some space, then run it again")


_IN_USE = (5, 32, 33)
"""Windows's error numbers for a file that another program holds open."""
_NO_PLACE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ETXTBSY, errno.EXDEV,
)  # fmt: skip


class LocalFolder:
    """A folder of this machine. See Folder."""

    def __init__(self, path: Path, uri: str = "") -> None:
        check_name(str(path))
        self.uri = uri or str(path)
        with writing(path):
            try:
                self.path: Path = path.resolve()
            except RuntimeError as error:  # a link that leads to itself, before Python 3.13
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
            if os.path.lexists(self.path) and not self.path.is_dir():
                raise SettingsError(f"{path} is a file", "name a folder to write into")
        self.address = str(self.path)
        self._sound: set[Path] = set()

    def _at(self, name: str) -> Path:
        """The path of `name` inside the folder. Raises SettingsError if it lies outside."""
        relative = PurePosixPath(name)
        place = self.path.joinpath(*relative.parts)
        if relative.is_absolute() or ".." in relative.parts or not place.is_relative_to(self.path):
            raise SettingsError(f"{name!r} would lie outside {self.uri}", "nothing is written there")
        if place.parent not in self._sound:
            with writing(place):
                for above in [*reversed(place.relative_to(self.path).parents)][1:]:
                    link = self.path / above
                    if link.is_symlink() and not link.resolve().is_relative_to(self.path):
                        raise SettingsError(
                            f"{link} is a link that leads out of {self.uri}: nothing is written or removed there",
                            "remove the link, or choose the folder that it leads to",
                        )
            self._sound.add(place.parent)
        return place

    def inner(self, name: str) -> "LocalFolder":
        """See Folder."""
        place = self._at(f"{name}/x").parent
        return LocalFolder(place, os.path.join(self.uri, name))  # noqa: PTH118 - as it was given

    def where(self, name: str) -> str:
        """See Folder."""
        return str(self._at(name))

    def read(self, name: str) -> bytes | None:
        """See Folder."""
        try:
            return self._at(name).read_bytes()
        except OSError:
            return None

    def there(self, names: Iterable[str]) -> set[str]:
        """See Folder."""
        with writing(self.uri):
            return {name for name in names if self._is_taken(self._at(name))}

    def _is_taken(self, place: Path) -> bool:
        """Whether the name exists, or a file has the place of one of its folders."""
        if os.path.lexists(place):
            return True
        above = place.parent
        while above != self.path and not above.exists():
            above = above.parent
        return above.exists() and not above.is_dir()

    def matching(self, pattern: str) -> dict[str, int]:
        """See Folder."""
        if not self.path.is_dir():
            return {}
        with writing(self.path):
            sizes = [(e.name, e.stat(follow_symlinks=False).st_size) for e in os.scandir(self.path) if not e.is_dir()]
        return {name: size for name, size in sorted(sizes) if fnmatchcase(name, pattern)}

    def named(self, name: str, depth: int) -> list[str]:
        """See Folder."""
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.glob("*/" * depth + name))

    def put(self, file: Path, name: str) -> None:
        """See Folder."""
        place = self._at(name)
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)  # noqa: PTH105 - tests count it

    @contextmanager
    def putting(self) -> Iterator[Callable[[Path, str], None]]:
        """See Folder."""
        yield self.put

    def write(self, content: bytes, name: str) -> None:
        """See Folder."""
        place = self._at(name)
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(place.parent, place.stem)
            temporary = unfinished(place)
            try:
                temporary.write_bytes(content)
                os.replace(temporary, place)  # noqa: PTH105 - as above
            finally:
                temporary.unlink(missing_ok=True)

    def remove(self, names: Iterable[str]) -> None:
        """See Folder."""
        for name in names:
            place = self._at(name)
            with writing(place):
                place.unlink(missing_ok=True)
            _remove_empty(place.parent, self.path)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See Folder. It lies beside the folder, so that a move is one step; or in the folder, if that is not
        possible.
        """
        with writing(self.uri):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = not os.path.ismount(self.path) and os.access(self.path.parent, os.W_OK)
            parent = self.path.parent if beside else self.path
            with unfinished_folder(parent, self.path.name) as folder:
                yield folder

    @contextmanager
    def workshop(self, what: str) -> Iterator[Path]:
        """See Folder."""
        with writing(self.uri, what):
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path)
            try:
                yield self.path
            finally:
                remove_leftovers(self.path)  # of a process that was still about to end


class S3Folder:
    """A prefix in S3. See Folder."""

    path = None

    def __init__(self, uri: str) -> None:
        split_uri(uri)
        self.uri = self.address = uri.rstrip("/")
        self._prefix = folder_uri(uri)

    def inner(self, name: str) -> "S3Folder":
        """See Folder."""
        return S3Folder(self.where(name))

    def where(self, name: str) -> str:
        """See Folder."""
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise SettingsError(f"{name!r} would lie outside {self.uri}", "nothing is written there")
        return self._prefix + name

    def read(self, name: str) -> bytes | None:
        """See Folder."""
        return storage.read_bytes(self.where(name))

    def there(self, names: Iterable[str]) -> set[str]:
        """See Folder."""
        names = set(names)
        if len(names) <= _AT_ONCE:
            return {name for name in names if storage.exists(self.where(name))}
        return names & {uri.removeprefix(self._prefix) for uri, _ in storage.list_objects(self._prefix)}

    def matching(self, pattern: str) -> dict[str, int]:
        """See Folder."""
        found = storage.list_objects(self._prefix, in_folders=False)
        sizes = ((uri.removeprefix(self._prefix), stat.size) for uri, stat in found)
        return {name: size for name, size in sorted(sizes) if fnmatchcase(name, pattern)}

    def named(self, name: str, depth: int) -> list[str]:
        """See Folder."""
        names = (uri.removeprefix(self._prefix) for uri, _ in storage.list_objects(self._prefix))
        return sorted(one for one in names if one.count("/") == depth and one.rpartition("/")[2] == name)

    def put(self, file: Path, name: str) -> None:
        """See Folder."""
        storage.upload(file, self.where(name))
        file.unlink()

    @contextmanager
    def putting(self) -> Iterator[Callable[[Path, str], None]]:
        """See Folder. Files are uploaded while others are still made."""
        uploads: deque[Future[None]] = deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:

            def put(file: Path, name: str) -> None:
                uploads.append(pool.submit(self._put_small, file, name))
                if len(uploads) > 4 * _AT_ONCE:
                    uploads.popleft().result()

            yield put
            while uploads:
                uploads.popleft().result()

    def _put_small(self, file: Path, name: str) -> None:
        self.write(file.read_bytes(), name)
        file.unlink()

    def write(self, content: bytes, name: str) -> None:
        """See Folder."""
        storage.write_bytes(content, self.where(name))

    def remove(self, names: Iterable[str]) -> None:
        """See Folder."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(storage.remove, [self.where(name) for name in names]))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See Folder."""
        with writing("the folder for temporary files"), unfinished_folder() as folder:
            yield folder

    def workshop(self, what: str) -> AbstractContextManager[Path]:
        """See Folder."""
        return self.scratch()


def _remove_empty(inner: Path, folder: Path) -> None:
    """Remove `inner` and the folders around it, up to `folder`, as far as they are empty.

    A run that was killed may have removed some of them already.
    """
    with suppress(OSError):  # something is in it again, or it is somebody else's
        while inner != folder:
            if inner.is_dir():
                inner.rmdir()
            inner = inner.parent
