"""Groups of options: each is a section of `--help`, and reaches a command as one typed, frozen object."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

READ, WRITTEN, PICTURES, BOUNDARIES = "What is read", "What is written", "Pictures", "Boundaries and annotators"
PROJECT, PAGE, CLIPS = "Project", "The annotator's page", "Clips"
ANNOTATORS, SPANS = "Annotators", "Annotations that come along"
SERVER, STORAGE, GENERAL = "Server", "S3", "General"

_LAST = (SERVER, STORAGE, GENERAL)
"""The sections at the end of the help; the others come in the order in which a command names them."""


class _Option(click.Option):
    """An option that knows its section."""

    def __init__(self, *arguments: Any, section: str = GENERAL, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


class _Command(click.Command):
    """A command whose `--help` shows its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "section", GENERAL), []).append(record)
        for title in sorted(sections, key=lambda title: _LAST.index(title) if title in _LAST else -1):
            with formatter.section("Options" if len(sections) == 1 else title):
                formatter.write_dl(sections[title])


def command(name: str) -> Callable[[Function], click.Command]:
    """A command of lsvid."""
    return click.command(name, cls=_Command)


def option(section: str, *names: str, **settings: Any) -> Decorator:
    """`click.option`, in a section of `--help`."""
    return click.option(*names, cls=_Option, section=section, **settings)


def group(
    into: str, make: Callable[..., object], *options: Decorator, names: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Give a command `options`, which it gets as one object: its argument `into` is `make(...)` of their values.

    `make` takes the values by their names; `names` lists them if its signature does not. One of `options` may be a
    group itself. An error that `make` raises is the command's error.
    """
    taken = names or [name for name, one in inspect.signature(make).parameters.items() if one.default is one.empty]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def grouped(*arguments: Any, **values: Any) -> Any:
            own = {name: values.pop(name) for name in taken}
            return function(*arguments, **values, **{into: make(**own)})

        return with_all(grouped, options)  # type: ignore[return-value]

    return decorate


def with_all(function: Function, options: Sequence[Decorator]) -> Function:
    """`function` with all of `options`, each an argument of its own."""
    for add in reversed(options):
        function = add(function)
    return function
