"""Files that nobody is to see yet: named by who is writing them, so that what a killed process leaves can be told."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unfinished(target: Path) -> Path:
    """Where this process is to write what becomes `target`: beside it, hidden, and no other process's."""
    return target.with_name(f".{target.stem}.{platform.node()}-{os.getpid()}.part{target.suffix}")


@contextmanager
def unfinished_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder of this process's own in `parent` (by default where temporary files go), which is gone afterwards."""
    parent = parent or Path(tempfile.gettempdir())
    remove_leftovers(parent, "lsvid")
    prefix = f".lsvid.{platform.node()}-{os.getpid()}.part."
    with tempfile.TemporaryDirectory(dir=parent, prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_leftovers(folder: Path, of: str | None = None) -> None:
    """Remove what processes of this machine that were killed have left unfinished in `folder`, of the file with the
    stem `of`, or of all.

    What processes of other machines are writing, or have left, stays: nobody here knows which.
    """
    stem = ".*" if of is None else re.escape(of)
    pattern = re.compile(rf"\.{stem}\.{re.escape(platform.node())}-(\d+)\.part(?:\..+)?", re.DOTALL)
    for entry in list(os.scandir(folder)):
        match = pattern.fullmatch(entry.name)
        if match is None or _is_running(int(match[1])):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)


def _is_running(process_id: int) -> bool:
    if os.name == "nt":
        return True  # there the question itself would end the process
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
