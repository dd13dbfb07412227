"""What concerns the program as a whole: its signals, its standard streams, its encoding."""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_IMPATIENT = 3
"""So many signals end the program without cleaning up; the next run does that."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end: what is unfinished is cleaned up on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def begin() -> None:
    """Make the process fit for what follows; to be called before anything else."""
    catch_signals()
    _take_names_as_they_are()
    _open_streams()
    _speak_utf8()
    find_temporary_folder()


_received: list[int] = []


def interrupted_by() -> int | None:
    """The signal that asked this program to end; None if there was none."""
    return _received[0] if _received else None


def catch_signals() -> None:
    """Let the signals that ask a program to end raise Interrupted; one that is ignored (by nohup, say) stays so."""
    seen = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        _received.append(number)
        if seen >= _IMPATIENT:
            os._exit(128 + number)
        if seen == 1:
            raise Interrupted(number)

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        nonlocal seen
        if isinstance(args.exc_value, Interrupted):  # it struck where Python drops errors: once more
            seen = 0
            signal.raise_signal(args.exc_value.number)
        else:
            sys.__unraisablehook__(args)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook = unraisable


def exit_code_of(error: BaseException) -> int:
    """128 and the number of the signal that `error`, or its cause, tells of."""
    cause = error if isinstance(error, Interrupted) else error.__cause__
    return 128 + (cause.number if isinstance(cause, Interrupted) else signal.SIGINT)


def _take_names_as_they_are() -> None:
    """Begin anew in Python's UTF-8 mode where the locale knows ASCII only: names of files are to be as they are."""
    if sys.getfilesystemencoding().lower() in ("utf-8", "utf8") or os.environ.get("PYTHONUTF8") == "1":
        return
    with suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})  # noqa: S606


def find_temporary_folder() -> None:
    """Use TMPDIR (TEMP, TMP) where it can be used, without the file that Python writes there to try it out."""
    for folder in (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")):
        if folder and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            tempfile.tempdir = str(Path(folder).absolute())
            return


def _open_streams() -> None:
    """Let standard streams that are closed lead nowhere: else the next file that is opened takes their number.

    Standard output stays None for Python, so that who asks for data there is told.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            if name != "stdout":
                setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _speak_utf8() -> None:
    """Write UTF-8 into files and pipes, whatever the system's habit: what is written there is read as that.

    Windows has cp1252, which lacks most letters. A terminal keeps its own; what it lacks is escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


@contextmanager
def before_click() -> Iterator[None]:
    """Takes what click would handle in its own way, a line of its own or exit code 1: a signal, a pipe that breaks.

    A reader of standard output who has gone is told from other pipes.
    """
    import click

    from lsvid.cli.output import ReaderGoneError, reader_has_gone
    from lsvid.errors import DataError

    try:
        yield
    except KeyboardInterrupt as error:
        if sys.stderr.isatty():
            click.echo(err=True)  # below the bar
        raise click.Abort from error
    except OSError as error:
        if reader_has_gone(error) and _stdout_is_broken():
            raise ReaderGoneError from error
        if isinstance(error, BrokenPipeError):
            raise DataError("a process that was needed has gone", "run the same command again") from error
        raise


def _stdout_is_broken() -> bool:
    try:
        import select

        poll = select.poll()
        poll.register(1, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (ImportError, AttributeError, OSError):  # Windows
        return True
