"""Shared by the readers of label files: labels as they are in the file, and the faults to report."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Node:
    """A label as it is in the file, not yet checked. `order` sorts faults; `place` is shown to people."""

    name: str
    place: str
    order: int
    fields: dict[str, Any] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)


class Faults:
    """The faults of a file, each with the place of its label."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[int, str]] = []

    def add(self, node: Node, what: str) -> None:
        """Note that `what` is wrong at `node`."""
        self.found.append((node.order, f"{node.place}: {what}"))

    def in_order(self) -> list[str]:
        """The faults in the order of the file."""
        return [text for _, text in sorted(self.found, key=lambda fault: fault[0])]


def count(number: int, one: str, many: str = "") -> str:
    """'1 dash', '3 dashes'."""
    return f"{number} {one if number == 1 else many or one + 's'}"
