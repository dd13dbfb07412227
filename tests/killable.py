"""Runs lsvid commands in processes that start at once, each of which ends itself at a given file operation.

Reads a JSON line {"command": […], "folder": where to run it, "kill": n}, and answers with one:
{"code": the exit code, null where it was killed, "operations": how many there were, in a run that was not}.
Everything is imported once; each command runs in a fork. What is counted: files opened for writing, renamed, removed;
folders made, removed (Python's own audit events, raised before the operation); requests that change something in S3.
The work on clips is done in the same process, so that what workers do is counted as well.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av  # noqa: F401 - so that a fork need not
import boto3
import botocore.client
import cv2  # noqa: F401

import lsvid.cli.config
import lsvid.cli.contact_sheet
import lsvid.cli.evaluate
import lsvid.cli.export_frames
import lsvid.cli.export_spans
import lsvid.cli.make_proxies
import lsvid.cli.report
import lsvid.report
import lsvid.report.contact_sheet
import lsvid.report.evaluation
import lsvid.writers.export
import lsvid.writers.images
from lsvid.cli import cli
from lsvid.cli.program import find_temporary_folder
from lsvid.workers import processes

boto3.client("s3", region_name="us-east-1")  # it reads what S3 can do from files when it is first asked

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Counter:
    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.count = kill_at, 0

    def operation(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and _is_written(arguments)):
            self.operation()

    def watch_s3(self) -> None:
        call = botocore.client.BaseClient._make_api_call

        def counted(client: Any, operation: str, parameters: Any) -> Any:
            if not operation.startswith(("Get", "Head", "List")):
                self.operation()
            return call(client, operation, parameters)

        botocore.client.BaseClient._make_api_call = counted


def _is_written(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(path, (str, bytes)) and not os.fsdecode(path).startswith("/dev/") and bool(flags & _TO_WRITE)


def _run_each(
    self: object,
    function: Callable[[Any, processes.Report], Any],
    items: Sequence[Any],
    on_progress: Callable[[int, float], None] | None = None,
    **_: Any,
) -> Iterator[tuple[int, Any]]:
    for position, item in enumerate(items):
        yield position, processes.outcome(function, item, lambda _done: None)


def _no_figures(_data: object, folder: Any, _findings: object) -> list[str]:
    (folder / "timeline.svg").write_text("<svg/>")  # drawing takes seconds
    return ["timeline.svg"]


processes.Processes.run_each = _run_each  # type: ignore[method-assign]
lsvid.report.__dict__["write_figures"] = _no_figures


def run(command: list[str], folder: str, kill_at: int) -> dict[str, int | None]:
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        code, counter = 99, _Counter(kill_at)
        try:
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.argv = ["lsvid", *command]
            sys.dont_write_bytecode = True
            find_temporary_folder()
            counter.watch_s3()
            sys.addaudithook(counter.audit)
            cli.main(command, prog_name="lsvid")
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            os.write(writes, str(counter.count).encode())
            os._exit(code)
    os.close(writes)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reads) as pipe:
        operations = pipe.read()
    if os.WIFSIGNALED(status):
        return {"code": None, "operations": 0}
    return {"code": os.WEXITSTATUS(status), "operations": int(operations)}


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(run(asked["command"], asked["folder"], asked["kill"])), flush=True)  # noqa: T201
