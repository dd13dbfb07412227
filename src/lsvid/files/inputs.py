"""Opens an input that a person named. It may be anything: a file, a pipe, a terminal, a device, a folder.

An input that is not a file is read to its end first, so that it can be read again. Nothing waits for ever.
"""

import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO, Protocol, cast

STANDARD_INPUT = "-"

_WRITER_WAIT_S = 5.0
"""How many seconds a named pipe may be without a writer."""
_CHUNK = 1 << 20


class Readable(Protocol):
    """What can be read."""

    def read(self, size: int, /) -> bytes:
        """At most this many bytes; no bytes at the end."""
        ...


def is_stream(path: str | Path) -> bool:
    """Whether `path` is standard input, a pipe or a device, which can be read only once. It never raises an error."""
    if str(path) == STANDARD_INPUT:
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def open_input(path: str | Path) -> BinaryIO:
    """The bytes of a file, a pipe or standard input ('-'), from the first byte on; they can be read again.

    Raises OSError, whose text says why, if it cannot be read: for example a device, or a pipe without a writer.
    """
    if str(path) == STANDARD_INPUT:
        if sys.stdin is None:
            raise OSError("standard input is closed")
        return _spooled(sys.stdin.buffer)
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISREG(mode):
            return Path(path).open("rb")
    except ValueError as error:  # the path holds a NUL
        raise OSError(str(error)) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError("it is a folder")
    if stat.S_ISFIFO(mode):
        return _from_pipe(path)
    with Path(path).open("rb") as device:
        if not (os.isatty(device.fileno()) or Path(path).samefile(os.devnull)):
            raise OSError("it is a device, not a file")
        return _spooled(device)


def read_at_most(stream: Readable, most_bytes: int) -> bytes:
    """The content of `stream`, or this many bytes of it. It is read in pieces, because a large `read` takes all its
    memory first.
    """
    parts, size = [], 0
    while size < most_bytes and (part := stream.read(min(_CHUNK, most_bytes - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _spooled(stream: BinaryIO) -> BinaryIO:
    copy = cast("BinaryIO", tempfile.TemporaryFile(prefix="lsvid-"))  # noqa: SIM115 - handed on
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy


def _from_pipe(path: str | Path) -> BinaryIO:
    # Without O_NONBLOCK, opening a pipe waits for ever if nobody writes into it.
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        first = _first_of(pipe)
        os.set_blocking(pipe, True)
        copy = cast("BinaryIO", tempfile.TemporaryFile(prefix="lsvid-"))  # noqa: SIM115 - handed on
        while first:
            copy.write(first)
            first = os.read(pipe, _CHUNK)
    finally:
        os.close(pipe)
    copy.seek(0)
    return copy


def _first_of(pipe: int) -> bytes:
    """The first bytes of a pipe. It waits for the writer as long as needed, but there must be one. Raises OSError."""
    until = time.monotonic() + _WRITER_WAIT_S
    while True:
        try:
            first = os.read(pipe, _CHUNK)
        except BlockingIOError:  # a writer has opened it, and has written nothing yet
            os.set_blocking(pipe, True)
            continue
        if first or os.get_blocking(pipe):
            return first
        if time.monotonic() > until:
            raise OSError("it is a pipe that nobody writes into")
        time.sleep(0.05)
