"""What annotators mark, as a tree: `Label` and `LabelTree`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lsvid.errors import check_choice

LABEL_SEPARATOR = " / "
"""Stands between the names of a label path where it is one text: `join_path` writes it, `split_path` reads it."""

TimelineKind = Literal["frames", "waveform"]
"""The two timelines that a label can be drawn on."""

REGION_OF_INTEREST = "REGION_OF_INTEREST"
"""The one label of a first pass, in which regions are marked and nothing is chosen; the second pass names them."""


_LONE_SLASH = re.compile(r"(?<![^ ])(\\*)/(?![^ ])")  # a '/' that is a word by itself, and the backslashes before it


def join_path(path: Sequence[str]) -> str:
    r"""The names of a label path as one text, 'Dissection / Blunt'; different paths have different texts.

    A '/' in a name that could be taken for the separator gets a backslash: the one name 'A / B' is written 'A \/ B'.
    """
    return LABEL_SEPARATOR.join(_LONE_SLASH.sub(r"\\\g<0>", name) for name in path)


def split_path(text: str) -> tuple[str, ...]:
    """The names of the label path that `join_path` wrote as `text`; empty ones, which no label has, are left out."""
    names = (_LONE_SLASH.sub(lambda found: found[0].removeprefix("\\"), name) for name in text.split(LABEL_SEPARATOR))
    return tuple(name for name in names if name)


@dataclass(frozen=True)
class Label:
    """One label and its sub labels.

    id: what exports carry in place of the name, so that renaming what people read breaks nothing.
    color: "#rrggbb", of a top-level label. hotkey: "a", "7" or "shift+a", of a top-level label.
    hint: shown when the mouse rests on the label.
    multiple: several sub labels of this top-level label may hold at once.
    timeline: where a top-level label is drawn when a project has both.
    """

    name: str
    children: tuple["Label", ...] = ()
    id: str | None = None
    color: str | None = None
    hotkey: str | None = None
    hint: str | None = None
    multiple: bool = False
    timeline: TimelineKind | None = None

    @property
    def export_value(self) -> str:
        """What Label Studio's exports say for this label: its id, or else its name."""
        return self.name if self.id is None else self.id


@dataclass(frozen=True)
class LabelTree:
    """The labels of a project, in the order of their file."""

    labels: tuple[Label, ...]

    def walk(self) -> Iterator[tuple[tuple[str, ...], Label]]:
        """Each label with its path from the root, depth first: a label, then its sub labels."""
        stack: list[tuple[tuple[str, ...], Label]] = [((label.name,), label) for label in reversed(self.labels)]
        while stack:
            path, label = stack.pop()
            yield path, label
            stack.extend(((*path, child.name), child) for child in reversed(label.children))

    def paths(self) -> list[tuple[str, ...]]:
        """The path of each label, depth first in the order of the file; inner labels too, not only leaves."""
        return [path for path, _ in self.walk()]

    def on_frames(self, names: Sequence[str]) -> "LabelTree":
        """The same labels, those top-level ones that are called `names` drawn on the frames where there are both.

        Raises SettingsError if there is no such label.
        """
        known = [label.name for label in self.labels]
        for name in names:
            check_choice("label for the frames", name, known)
        marked = (replace(one, timeline="frames") if one.name in names else one for one in self.labels)
        return LabelTree(tuple(marked))

    @property
    def depth(self) -> int:
        """The number of levels."""
        return max((len(path) for path in self.paths()), default=0)

    def find(self, path: Sequence[str]) -> Label | None:
        """The label at `path` (names from the root), or None."""
        found, level = None, self.labels
        for name in path:
            found = next((label for label in level if label.name == name), None)
            if found is None:
                return None
            level = found.children
        return found
