"""The labels that annotators use, as a tree: `Label` and `LabelTree`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lsvid.errors import check_choice

LABEL_SEPARATOR = " / "
"""The separator of names in a label path that is written as one text, by `join_path`; `split_path` reads it."""

TimelineKind = Literal["frames", "waveform"]
"""The two timelines on which a label can be drawn."""

REGION_OF_INTEREST = "REGION_OF_INTEREST"
"""The only label of a first pass, in which people mark regions. In the second pass each region gets its label."""


_LONE_SLASH = re.compile(r"(?<![^ ])(\\*)/(?![^ ])")  # a '/' between blanks, with the backslashes before it


def join_path(path: Sequence[str]) -> str:
    r"""The names of a label path as one text, 'Dissection / Blunt'; different paths have different texts.

    A '/' in a name that looks like the separator gets a backslash: the single name 'A / B' is written 'A \/ B'.
    """
    return LABEL_SEPARATOR.join(_LONE_SLASH.sub(r"\\\g<0>", name) for name in path)


def split_path(text: str) -> tuple[str, ...]:
    """The names of the label path that `join_path` wrote as `text`; empty names are left out."""
    names = (_LONE_SLASH.sub(lambda found: found[0].removeprefix("\\"), name) for name in text.split(LABEL_SEPARATOR))
    return tuple(name for name in names if name)


@dataclass(frozen=True)
class Label:
    """One label and its sub labels.

    id: exports hold it in place of the name, so that the name can be changed later.
    color: "#rrggbb", for a top-level label. hotkey: "a", "7" or "shift+a", for a top-level label.
    hint: shown while the mouse is on the label.
    multiple: several sub labels of this top-level label may hold at once.
    timeline: the timeline of a top-level label, if a project has both.

    >>> suturing = lsvid.Label("Suturing", (lsvid.Label("Knot"), lsvid.Label("Running")), hotkey="s")
    >>> [child.name for child in suturing.children], suturing.export_value
    (['Knot', 'Running'], 'Suturing')
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
        """The text for this label in Label Studio's exports: its id, or else its name."""
        return self.name if self.id is None else self.id


@dataclass(frozen=True)
class LabelTree:
    """The labels of a project, in the order of their file.

    >>> tree = lsvid.LabelTree((lsvid.Label("Dissection"), lsvid.Label("Suturing", (lsvid.Label("Knot"),))))
    >>> tree.depth, tree.paths()
    (2, [('Dissection',), ('Suturing',), ('Suturing', 'Knot')])
    """

    labels: tuple[Label, ...]

    def walk(self) -> Iterator[tuple[tuple[str, ...], Label]]:
        """Each label with its path from the root, depth first: a label, then its sub labels.

        >>> [(path, label.name) for path, label in lsvid.read_labels("labels.txt").walk()]
        [(('Dissection',), 'Dissection'), (('Suturing',), 'Suturing'), (('Suturing', 'Knot'), 'Knot')]
        """
        stack: list[tuple[tuple[str, ...], Label]] = [((label.name,), label) for label in reversed(self.labels)]
        while stack:
            path, label = stack.pop()
            yield path, label
            stack.extend(((*path, child.name), child) for child in reversed(label.children))

    def paths(self) -> list[tuple[str, ...]]:
        """The path of each label, depth first in the order of the file; inner labels too, not only leaves.

        >>> lsvid.read_labels("labels.txt").paths()
        [('Dissection',), ('Suturing',), ('Suturing', 'Knot')]
        """
        return [path for path, _ in self.walk()]

    def on_frames(self, names: Sequence[str]) -> "LabelTree":
        """The same labels, with the top-level labels `names` on the timeline of frames, if a project has both.

        Raises SettingsError if there is no such label.

        >>> [label.timeline for label in lsvid.read_labels("labels.txt").on_frames(["Suturing"]).labels]
        [None, 'frames']
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
        """The label at `path` (names from the root), or None.

        >>> lsvid.read_labels("labels.txt").find(["Suturing", "Knot"]).name
        'Knot'
        """
        found, level = None, self.labels
        for name in path:
            found = next((label for label in level if label.name == name), None)
            if found is None:
                return None
            level = found.children
        return found
