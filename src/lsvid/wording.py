"""How a text of the library names an option: in the words of whoever runs it.

A text marks an option as `<<clips=DIR>>`, by its name in Python. Errors and findings read it as `clips=DIR`, or on the
command line, which says so once, as `--clips DIR`. Commands for a shell (`lsvid check …`) stand in texts as they are.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Speech = Callable[[str, str | None], str]
"""What to call the option of this name, with this value or without one."""

_OPTION = re.compile(r"<<([a-z][a-z0-9_]*)(?:=(.*?))?>>", re.DOTALL)


def as_python(name: str, value: str | None) -> str:
    """The option as an argument of a function: `clips`, `clips=DIR`."""
    return name if value is None else f"{name}={value}"


_speech: Speech = as_python


def worded(text: str) -> str:
    """`text` with its options in the words of whoever runs this."""
    return _OPTION.sub(lambda found: _speech(found[1], found[2]), text) if "<<" in text else text


@contextmanager
def spoken(speech: Speech) -> Iterator[None]:
    """Within this, `worded` calls options what `speech` says. It holds for all threads of this process."""
    global _speech  # noqa: PLW0603 - what runs the program is one thing for a process
    before, _speech = _speech, speech
    try:
        yield
    finally:
        _speech = before
