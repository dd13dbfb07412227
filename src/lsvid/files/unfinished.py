"""Files that are not finished. Their names say which process writes them, so the leftovers of a killed process can be
found. On a cluster they also say for which item of which run: the machine that waits for the item does not know which
processes run on the others.
"""

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_ELSEWHERE_S = 7 * 24 * 3600
"""After this time without a change, leftovers of another machine's (or a container's) process are removed."""


_item: ContextVar[str] = ContextVar("item", default="")


@contextmanager
def made_for(item: str) -> Iterator[None]:
    """The unfinished files that this thread makes within bear the name of `item`: see `remove_leftovers`."""
    before = _item.set(item)
    try:
        yield
    finally:
        _item.reset(before)


def item_name(run: str, position: int) -> str:
    """The name of an item in names of files. run: hexadecimal digits, different for each run."""
    return f"item-{run}-{position}"


_AN_ITEM = r"(?:\.item-[0-9a-f]+-\d+)?"


def _name(stem: str) -> str:
    item = _item.get()
    return f".{_short(stem)}{item and '.'}{item}.{platform.node()}-{os.getpid()}.part"


def unfinished(target: Path) -> Path:
    """The path at which this process writes the future `target`: beside it, hidden, and different for each process
    and item.
    """
    return target.with_name(_name(target.stem) + target.suffix)


@contextmanager
def unfinished_folder(parent: Path | None = None, of: str = "lsvid") -> Iterator[Path]:
    """A folder for this process alone, in `parent` (default: the folder of temporary files). It is removed afterwards.

    Leftovers of killed processes with the same name, `of`, are removed first.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_leftovers(parent, of)
    folder = parent / f"{_name(of)}.{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(mode=0o700)  # within the try: a signal may come right after it
        yield folder
    finally:
        _remove_folder(folder)


def _remove_folder(folder: Path) -> None:
    """Remove `folder` as far as the system lets us, even if a signal comes meanwhile."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def remove_leftovers(folder: Path, of: str | None = None, item: str | None = None) -> None:
    """Remove the unfinished files of killed processes in `folder`: those of the file with the stem `of`, or all.

    This machine does not know which processes run on others. So their files are removed only after a week without a
    change. Those of `item` are removed at once: its result is there. A file that cannot be removed stays.
    """
    stem = ".*" if of is None else re.escape(_short(of)) + _AN_ITEM
    ours, of_any_machine = (
        re.compile(rf"\.{stem}\.{host}-(\d{{1,9}})\.part(?:\..+)?", re.DOTALL)
        for host in (re.escape(platform.node()), ".+")
    )
    for entry in list(os.scandir(folder)):
        match = ours.fullmatch(entry.name)
        if item and f".{item}." in entry.name and of_any_machine.fullmatch(entry.name):
            is_left = True
        elif match:
            is_left = not is_running(int(match[1]))
        else:
            is_left = of_any_machine.fullmatch(entry.name) is not None and _is_old(entry)
        if not is_left:
            continue
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _short(stem: str) -> str:
    """`stem`, or a shorter form of it if the name would be too long."""
    name = os.fsencode(stem)
    return stem if len(name) <= 100 else hashlib.sha256(name).hexdigest()[:32]


def _is_old(entry: "os.DirEntry[str]") -> bool:
    try:
        changed = [entry.stat(follow_symlinks=False).st_mtime]
        if entry.is_dir(follow_symlinks=False):
            changed += [inner.stat(follow_symlinks=False).st_mtime for inner in os.scandir(entry.path)]
    except OSError:
        return False
    return time.time() - max(changed) > _ELSEWHERE_S


def is_running(process_id: int) -> bool:
    """Whether a process with this id runs on this machine."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - only Windows needs it

        return runs_on_windows(process_id, ctypes.WinDLL("kernel32", use_last_error=True), ctypes.get_last_error)
    try:
        os.kill(process_id, 0)
        state = Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # another user's process, or there is no /proc
        return True
    return state not in (b"Z", b"X")  # it has ended, and its parent has not waited for it


_SYNCHRONIZE, _WAIT_TIMEOUT, _ACCESS_DENIED = 0x100000, 0x102, 5


def runs_on_windows(process_id: int, kernel32: Any, last_error: Any) -> bool:  # noqa: ANN401 - ctypes has no types
    """`is_running` on Windows, where os.kill would end the process."""
    handle = kernel32.OpenProcess(_SYNCHRONIZE, False, process_id)
    if not handle:
        return bool(last_error() == _ACCESS_DENIED)
    try:
        return bool(kernel32.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
    finally:
        kernel32.CloseHandle(handle)
