"""Runs lsvid commands in processes that start at once, for tests that kill many of them.

Reads the arguments of a command as a JSON line, answers with the process's id, and, when that has ended, with its exit
code, null where it was killed. Everything is imported once; each command runs in a fork.
"""

import json
import os
import sys

import httpx  # noqa: F401 - so that a fork need not
import label_studio_sdk
import label_studio_sdk.core.api_error

import lsvid.label_studio.imports  # noqa: F401
from lsvid.cli import cli
from lsvid.label_studio import tasks

_client = label_studio_sdk.LabelStudio(base_url="http://127.0.0.1:1", api_key="none")
for _part in (_client.projects, _client.tasks, _client.views, _client.import_storage.local):
    assert _part  # the SDK imports its parts, with all their types, when they are first used

tasks._BATCH_SIZE = 3


def run(arguments: list[str]) -> None:
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            cli.main(arguments, prog_name="lsvid")
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            os._exit(code)
    tell(child)
    _, status = os.waitpid(child, 0)
    tell(None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def tell(number: int | None) -> None:
    print(json.dumps(number), flush=True)  # noqa: T201 - it speaks over its standard output


if __name__ == "__main__":
    for line in sys.stdin:
        run(json.loads(line))
