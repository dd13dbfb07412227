"""Words in texts for people: counted things, and options, as Python names them or the command line.

A text marks an option as `<<clips=DIR>>`, with its name in Python. Errors and findings turn this into `clips=DIR`, or,
while the command line runs (`spoken`), into `--clips DIR`. Commands for a shell (`lsvid check …`) are not marked.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def count_of(number: int, thing: str) -> str:
    """A number and what it counts: "1 clip", "2,000 clips"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


# --- Options ----------------------------------------------------------------------------------------------------------

Speech = Callable[[str, str | None], str]
"""A function from an option's name, and its value or None, to the text for people."""

_OPTION = re.compile(r"<<([a-z][a-z0-9_]*)(?:=(.*?))?>>", re.DOTALL)


def as_python(name: str, value: str | None) -> str:
    """The option as an argument of a function: `clips`, `clips=DIR`."""
    return name if value is None else f"{name}={value}"


_speech: Speech = as_python


def worded(text: str) -> str:
    """`text` with its marked options as Python, or the command line, names them."""
    return _OPTION.sub(lambda found: _speech(found[1], found[2]), text) if "<<" in text else text


@contextmanager
def spoken(speech: Speech) -> Iterator[None]:
    """Within this context, `worded` uses `speech`, in all threads of this process."""
    global _speech  # noqa: PLW0603 - what runs the program is one thing for a process
    before, _speech = _speech, speech
    try:
        yield
    finally:
        _speech = before
