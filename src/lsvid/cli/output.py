"""What a command says: data or one JSON document on standard output, everything else on standard error."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click
from click._termui_impl import ProgressBar

from lsvid.errors import LsvidError
from lsvid.findings import Findings

_MAX_LINES = 20

Command = TypeVar("Command", bound=Callable[..., Any])


class Output:
    """Where a command reports to. `json` and `quiet` are set by the options of the same names."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.document: dict[str, Any] = {}
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        """One line for a person."""
        if not self.quiet:
            click.echo(text, err=True)

    def warn(self, text: str, hint: str = "") -> None:
        """Something a person should look at, and what to do."""
        self.warnings.append(text)
        if not self.quiet:
            click.echo(f"{_style('warning:', 'yellow')} {text}", err=True)
            if hint:
                click.echo(f"  {_style('hint:', 'cyan')} {hint}", err=True)

    def findings(self, findings: Findings) -> None:
        """Warnings, and what was left out, counted by reason."""
        for text, hint in findings.warnings:
            self.warn(text, hint)
        for reason, count in findings.left_out_counts().items():
            places = [place for place, why in findings.left_out if why == reason]
            self.warn(f"left out {count} {reason}: {_some(places)}")
        if findings.cuts:
            self.warn(f"cut {len(findings.cuts)} spans that reached past their clip: {_some(findings.cuts)}")

    def error(self, text: str, hint: str, exit_code: int) -> NoReturn:
        """The one message of a command that failed; ends the program."""
        if self.json:
            failed = {"error": text, "hint": hint, "exit_code": exit_code}
            click.echo(json.dumps({**self.document, **failed, "warnings": self.warnings}, ensure_ascii=False))
        click.echo(f"{_style('error:', 'red')} {_limited(text)}", err=True)
        if hint:
            click.echo(f"{_style('hint:', 'cyan')} {hint}", err=True)
        sys.exit(exit_code)

    def finish(self) -> None:
        """With --json: the one document on standard output."""
        if self.json:
            document = {**self.document, "exit_code": 0, "warnings": self.warnings}
            click.echo(json.dumps(document, ensure_ascii=False))

    @contextmanager
    def progress(self, label: str, total: int = 0) -> Iterator[Callable[..., None]]:
        """A bar on standard error; call what it yields with the steps done since the last call, a new total, a note."""
        hidden = self.quiet or not sys.stderr.isatty()
        bar: ProgressBar[int]
        with click.progressbar(length=total, label=label, file=sys.stderr, hidden=hidden, show_pos=True) as bar:

            def step(done: int, total: int = 0, note: str = "") -> None:
                bar.length = total or bar.length
                bar.label = f"{label} {note}".rstrip()
                bar.update(done)

            yield step


def _limited(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _MAX_LINES + 1:
        return text
    return "\n".join([*lines[:_MAX_LINES], f"  … and {len(lines) - _MAX_LINES} more (all of them with --json)"])


def _some(places: list[str]) -> str:
    return "; ".join(places[:3]) + ("; …" if len(places) > 3 else "")


def _style(text: str, colour: str) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)


def output_options(command: Command) -> Command:
    """Give a command --json and --quiet; it finds the Output as its first argument."""

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


__all__ = ["LsvidError", "Output", "output_options"]
