"""Runs lsvid commands in processes that start at once, and kills them when told: for tests that kill many.

Reads a JSON line {"arguments": [...], "kill_after_s": seconds or null}, answers {"exit_code": …, "seconds": …};
the exit code is null where it was killed. Everything is imported once; each command runs in a fork.
"""

import json
import os
import signal
import sys
import time

import httpx  # noqa: F401 - so that a fork need not
import label_studio_sdk
import label_studio_sdk.core.api_error  # noqa: F401

import lsvid.label_studio.imports  # noqa: F401
from lsvid.cli import cli
from lsvid.label_studio import tasks

tasks._BATCH_SIZE = 3


def run(arguments: list[str], kill_after_s: float | None) -> dict[str, object]:
    begin = time.monotonic()
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
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    ended = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"exit_code": ended, "seconds": time.monotonic() - begin}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)  # noqa: T201 - it speaks over its standard output
