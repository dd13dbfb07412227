"""The program as a whole: its signals, its standard streams, its encoding."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_IMPATIENT = 3
"""After this many signals the program ends without cleaning up; the next run cleans up."""


class Interrupted(KeyboardInterrupt):
    """A signal asked the program to end. It removes unfinished files before it does."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def begin() -> None:
    """Prepare the process: encoding, streams, temporary folder, signals. Call it before anything else."""
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
    """Let the signals that ask a program to end raise Interrupted; a signal that is ignored (nohup) stays ignored."""
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
        if isinstance(args.exc_value, Interrupted):  # it arrived where Python drops errors: raise it again
            seen = 0
            # A little later: what is raised in this hook would be dropped as well.
            again = threading.Timer(0.01, _signal_main_thread, [args.exc_value.number])
            again.daemon = True
            again.start()
        else:
            sys.__unraisablehook__(args)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook = unraisable


def _signal_main_thread(number: int) -> None:
    """Send the signal to the main thread, and wake it if it waits."""
    if hasattr(signal, "pthread_kill"):  # not on Windows
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def exit_code_of(error: BaseException) -> int:
    """128 plus the number of the signal that caused `error`."""
    cause = error if isinstance(error, Interrupted) else error.__cause__
    return 128 + (cause.number if isinstance(cause, Interrupted) else signal.SIGINT)


def _take_names_as_they_are() -> None:
    """Start again in Python's UTF-8 mode if the locale is ASCII only, so that file names keep their letters."""
    if sys.getfilesystemencoding().lower() in ("utf-8", "utf8") or os.environ.get("PYTHONUTF8") == "1":
        return
    with suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONUTF8": "1"})  # noqa: S606


def find_temporary_folder() -> None:
    """Use TMPDIR (TEMP, TMP) if it is usable. Unlike Python's own check, this writes no test file there."""
    folders = [folder for name in ("TMPDIR", "TEMP", "TMP") if (folder := os.environ.get(name))]
    if folders:
        import tempfile  # it takes a while, and `lsvid --help` should not
        from pathlib import Path

        for folder in folders:
            if Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
                tempfile.tempdir = str(Path(folder).absolute())
                return


def _open_streams() -> None:
    """Open closed standard streams on the null device; otherwise the next file that is opened gets their number.

    For Python, standard output stays None, so that a command that has to write data there can report it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            if name != "stdout":
                setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _speak_utf8() -> None:
    """Write UTF-8 into files and pipes, whatever the system's encoding, since programs read them as UTF-8.

    Windows uses cp1252, which lacks most letters. A terminal keeps its own encoding; letters that it lacks are escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


@contextmanager
def before_click() -> Iterator[None]:
    """Handle a signal and a broken pipe before click does, which would print its own line or exit with 1.

    A broken standard output becomes ReaderGoneError; other broken pipes do not.
    """
    import click

    from lsvid.cli.output import ReaderGoneError, reader_has_gone
    from lsvid.errors import DataError

    try:
        yield
    except KeyboardInterrupt as error:
        if sys.stderr.isatty():
            click.echo(err=True)  # the message goes below the bar
        raise click.Abort from error
    except OSError as error:
        if reader_has_gone(error) and _stdout_is_broken():
            raise ReaderGoneError from error
        if isinstance(error, BrokenPipeError):
            raise DataError("a process that was needed has gone", "run the same command again") from error
        raise
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of polars; it is no Exception
            short = any(word in str(error) for word in ("memory", "could not spawn threads"))
            raise (MemoryError if short else RuntimeError)(str(error)) from error
        raise


def _stdout_is_broken() -> bool:
    try:
        import select

        poll = select.poll()
        poll.register(1, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (ImportError, AttributeError, OSError):  # Windows
        return True
