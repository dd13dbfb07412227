"""How library functions report progress. They never print."""

from typing import Protocol


class Progress(Protocol):
    """Called with the steps done since the last call, and the total number of steps (0 if it is not known)."""

    def __call__(self, done: int, total: int = 0, /) -> None: ...


def unheard(done: int, total: int = 0, /) -> None:
    """Ignore the progress."""
