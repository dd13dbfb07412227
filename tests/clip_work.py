"""Work for the pool and the cluster: in a module, since workers import it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lsvid.errors import ClipError, DataError
from lsvid.files.folders import LocalFolder
from lsvid.files.unfinished import unfinished
from lsvid.workers.processes import Report, ending_with_us


def double(item: int, report: Report) -> int:
    report(item)
    return item * 2


def troubled(item: str, report: Report) -> str:
    """Dies once, dies always, or fails in one way or another."""
    kind, _, path = item.partition(":")
    if kind == "always" or (kind == "once" and not Path(path).exists()):
        if path:
            Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(7)
    if kind == "data":
        raise DataError("no", "hint")
    if kind == "marked":
        raise ClipError("no clip", "name its folder: <<clips=DIR>>")
    if kind == "memory":
        bytearray(1 << 62)
    if kind == "bug":
        raise ZeroDivisionError("oh")
    return kind


def _dies(file: str, report: Report) -> None:
    """Leaves an unfinished file and a temporary folder; the second time only if the file's name says so."""
    target = Path(file)
    tried = target.with_name(f"{target.stem}.tried")
    again = tried.exists()
    tried.touch()
    if again and "always" not in target.stem:
        return
    unfinished(target).touch()
    with LocalFolder(target.parent).scratch() as scratch:
        (scratch / target.name).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def dies_here(file: str, report: Report) -> None:
    _dies(file, report)


def dies_elsewhere(file: str, report: Report) -> None:
    """As `dies_here`, on a machine of another name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platform.node", lambda: "elsewhere")
        _dies(file, report)


def asleep(item: str, report: Report) -> None:
    """Works without end, itself or by a program that it starts, and has nothing to say meanwhile."""
    if item == "program":
        subprocess.run(ending_with_us(["/bin/sleep", "600"]), check=False)
    time.sleep(600)
