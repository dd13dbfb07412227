"""What the readers of label files share: labels as they stand in a file, and the faults that a person is told."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Node:
    """A label as it stands in a file, not yet checked. `order` sorts faults; `place` is what a person is told."""

    name: str
    place: str
    order: int
    fields: dict[str, Any] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)


class Faults:
    """What is wrong with a file, each fault with the place of its label."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[int, str]] = []

    def add(self, node: Node, what: str) -> None:
        """`what` is wrong at `node`."""
        self.found.append((node.order, f"{node.place}: {what}"))

    def in_order(self) -> list[str]:
        """The faults as they stand in the file."""
        return [text for _, text in sorted(self.found, key=lambda fault: fault[0])]


def count(number: int, one: str, many: str = "") -> str:
    """'1 dash', '3 dashes'."""
    return f"{number} {one if number == 1 else many or one + 's'}"
