"""The output of a command: data or one JSON document on standard output, everything else on standard error."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

import click
from click._termui_impl import ProgressBar

from lsvid.errors import LsvidError, SettingsError
from lsvid.findings import Findings, some

_MAX_LINES = 20

_NOT_FOR_TERMINALS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    """`text` with control and direction characters escaped (\\x1b, \\u202e), so that it cannot steer a terminal."""
    return _NOT_FOR_TERMINALS.sub(lambda found: ascii(found[0])[1:-1], text)


class ReaderGoneError(Exception):
    """The reader of standard output has closed it (`lsvid ... | head`). This is not a failure."""


Command = TypeVar("Command", bound=Callable[..., Any])


def reader_has_gone(error: OSError, *, on_windows: bool = os.name == "nt") -> bool:
    """Whether a write failed because the reader closed standard output; Windows has another number for this error."""
    return error.filename is None and error.errno in {errno.EPIPE, *([errno.EINVAL] if on_windows else [])}


class Output:
    """Reports for a command. --json and --quiet set `json` and `quiet`."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.document: dict[str, Any] = {}
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        """Print one line for a person."""
        if not self.quiet:
            _say(plain(text))

    def warn(self, text: str, hint: str = "") -> None:
        """Print a warning, and what to do about it."""
        self.warnings.append(text)
        if not self.quiet:
            _say(f"{_style('warning:', 'yellow')} {plain(text)}")
            if hint:
                _say(f"  {_style('hint:', 'cyan')} {plain(hint)}")

    def findings(self, findings: Findings) -> None:
        """Print the warnings, and what was left out, counted by reason."""
        for text, hint in findings.warnings:
            self.warn(text, hint)
        for reason, count in findings.left_out_counts().items():
            places = [place for place, why in findings.left_out if why == reason]
            self.warn(f"left out {count} {reason}: {some(places, separator='; ')}")
        if findings.cuts:
            self.warn(
                f"cut {len(findings.cuts)} spans that reached past their clip: {some(findings.cuts, separator='; ')}"
            )

    def error(self, text: str, hint: str, exit_code: int) -> NoReturn:
        """Print the message of a command that failed, and end the program."""
        if self.json:
            failed = {"error": text, "hint": hint, "exit_code": exit_code}
            with suppress(LsvidError, ReaderGoneError):  # only the first error counts
                self._json({**self.document, **failed, "warnings": self.warnings})
        _say(f"{_style('error:', 'red')} {plain(_limited(text))}")
        if hint:
            _say(f"{_style('hint:', 'cyan')} {plain(hint)}")
        sys.exit(exit_code)

    def finish(self) -> None:
        """With --json, print the document on standard output."""
        if self.json:
            self._json({**self.document, "exit_code": 0, "warnings": self.warnings})

    def _json(self, document: dict[str, Any]) -> None:
        import json

        self.data([json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"), b"\n"])

    def text(self, text: str, mark: str = "", **style: Any) -> None:
        """Print one or more lines for a person on standard output, after `mark`. `style` is click's."""
        mark = click.style(mark, **style) if sys.stdout and sys.stdout.isatty() else mark
        self.data([f"{mark}{plain(text)}\n".encode("utf-8", "backslashreplace")])

    def data(self, chunks: Iterable[bytes]) -> None:
        """Write `chunks` to standard output, which is UTF-8 in every locale.

        Raises SettingsError if it is closed, DataError if writing fails, ReaderGoneError if its reader has closed it.
        """
        if sys.stdout is None or sys.stdout.closed:
            raise SettingsError("standard output is closed", "name a file with -o, or leave out '>&-'")
        try:
            sys.stdout.flush()
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        except OSError as error:
            forget_stdout()
            if reader_has_gone(error):
                raise ReaderGoneError from error
            from lsvid.files.folders import write_error  # needed only after an error

            raise write_error("standard output", error) from error

    @contextmanager
    def progress(self, label: str, total: int = 0) -> Iterator[Callable[..., None]]:
        """Show a bar on standard error. Yields a function: call it with the steps done since its last call, a new
        total, or a note.
        """
        hidden = self.quiet or not sys.stderr.isatty()
        bar: ProgressBar[int]
        bar = click.progressbar(length=total, label=label, file=sys.stderr, hidden=hidden, show_pos=True)
        bar.length = total or None  # the number may become known later
        with bar:

            def step(done: int, total: int = 0, note: str = "") -> None:
                bar.length = total or bar.length
                bar.label = plain(f"{label} {note}".rstrip())
                bar.update(done)

            yield step


def _limited(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _MAX_LINES + 1:
        return text
    return "\n".join([*lines[:_MAX_LINES], f"  … and {len(lines) - _MAX_LINES} more (all of them with --json)"])


def _say(line: str) -> None:
    """Print `line` on standard error. If nobody can read it, the command goes on."""
    with suppress(OSError, ValueError):
        click.echo(line, err=True)


def forget_stdout() -> None:
    """Send the rest of standard output nowhere; otherwise writing would fail again when the program ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _style(text: str, colour: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)


def output_options(command: Command) -> Command:
    """Add --json and --quiet; the command gets the Output as its first argument."""

    def set_option(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        setattr(ctx.find_object(Output), str(param.name), value)

    options = [
        click.option("--json", is_flag=True, is_eager=True, expose_value=False, callback=set_option,
                     help="One JSON document on standard output, also on failure."),
        click.option("--quiet", "-q", is_flag=True, is_eager=True, expose_value=False, callback=set_option,
                     help="Errors only."),
    ]  # fmt: skip
    for option in options:
        command = option(command)
    return click.make_pass_decorator(Output)(command)  # type: ignore[return-value]


__all__ = ["LsvidError", "Output", "ReaderGoneError", "forget_stdout", "output_options", "plain", "reader_has_gone"]
