"""Groups of options: each is a section of `--help`, and reaches a command as one typed, frozen object."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

READ, WRITTEN, PICTURES, BOUNDARIES = "What is read", "What is written", "Pictures", "Boundaries and annotators"
SERVER, STORAGE, GENERAL = "Server", "S3", "General"


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
        general = sections.pop(GENERAL, [])
        for title, records in [*sections.items(), (GENERAL if sections else "Options", general)]:
            with formatter.section(title):
                formatter.write_dl(records)


def command(name: str) -> Callable[[Function], click.Command]:
    """A command of lsvid."""
    return click.command(name, cls=_Command)


def option(section: str, *names: str, **settings: Any) -> Decorator:
    """`click.option`, in a section of `--help`."""
    return click.option(*names, cls=_Option, section=section, **settings)


def group(into: str, make: Callable[..., object], *options: Decorator) -> Callable[[Function], Function]:
    """Give a command `options`, which reach it as one object: its argument `into` is what `make` makes of their values.

    `make` takes the values by their names; what it raises is the command's error.
    """

    def decorate(function: Function) -> Function:
        before = len(getattr(function, "__click_params__", []))

        @functools.wraps(function)
        def grouped(*arguments: Any, **values: Any) -> Any:
            own = {name: values.pop(name) for name in names}
            return function(*arguments, **values, **{into: make(**own)})

        decorated = with_all(grouped, options)
        names = [str(parameter.name) for parameter in decorated.__click_params__[before:]]  # type: ignore[attr-defined]
        return decorated  # type: ignore[return-value]

    return decorate


def with_all(function: Function, options: Sequence[Decorator]) -> Function:
    """`function` with all of `options`, each an argument of its own."""
    for add in reversed(options):
        function = add(function)
    return function
