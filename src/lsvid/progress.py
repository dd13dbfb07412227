"""How a library function tells how far it is. It never prints."""

from typing import Protocol


class Progress(Protocol):
    """Called with the steps done since the last call, and the number of all steps where that is known (else 0)."""

    def __call__(self, done: int, total: int = 0, /) -> None: ...


def unheard(done: int, total: int = 0, /) -> None:
    """For a caller who does not want to know."""
