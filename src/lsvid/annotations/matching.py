"""Finds the path in the label tree for each label of an export. Pure.

Prodigy knows only flat labels, so a tree's labels come back from it as one text: 'Suturing - Knot', or just 'Knot'. A
text means the label with this path (joined by the separator, or as lsvid itself joins paths), or else the only label
with this name. If it fits no label, or several, nothing is guessed.
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from lsvid.annotations.stages import AnnotatedClip, GatheredClip
from lsvid.findings import Findings
from lsvid.labels.tree import LabelTree, join_path, split_path

DEFAULT_SEPARATOR = " - "

LabelPath = tuple[str, ...]
ClipT = TypeVar("ClipT", GatheredClip, AnnotatedClip)


class LabelMatcher:
    """Finds the paths of labels in `tree`, after renaming; without a tree it only renames.

    renames: old label -> new label, each a text as described above. The sub labels of an old label move with it.
    """

    def __init__(
        self, tree: LabelTree | None, renames: Mapping[str, str] | None = None, separator: str = DEFAULT_SEPARATOR
    ) -> None:
        self._paths = tree.paths() if tree else []
        self._known = set(self._paths)
        self._has_tree = tree is not None
        self._separator = separator
        self._renames = {_squeezed(old): new for old, new in (renames or {}).items()}
        self.unused = set(self._renames)
        """Renames whose old label has not occurred yet."""
        self._by_text: defaultdict[str, dict[LabelPath, None]] = defaultdict(dict)
        self._by_name: defaultdict[str, dict[LabelPath, None]] = defaultdict(dict)
        for path, label in tree.walk() if tree else ():
            for text in self._texts(path):
                self._by_text[text][path] = None
            for name in (label.name, label.export_value):
                self._by_name[_squeezed(name)][path] = None

    def candidates(self, label: LabelPath) -> list[LabelPath]:
        """The paths that `label` may mean: exactly one if it is clear. Without a tree: the label itself, renamed."""
        renamed = self._renamed(label)
        if not self._has_tree or renamed in self._known:
            return [renamed]
        for text in self._texts(renamed):
            if text in self._by_text:
                return list(self._by_text[text])
        return list(self._by_name.get(_squeezed(renamed[0]), ())) if len(renamed) == 1 else []

    def nearest(self, label: LabelPath) -> str | None:
        """The label of the tree whose path or name is most similar to `label`, as a text; None if none is similar."""
        spellings: dict[str, str] = {}
        for path in self._paths:
            spellings.setdefault(_plain(path[-1]), join_path(path))
            spellings.setdefault(_plain(self._separator.join(path)), join_path(path))
        close = difflib.get_close_matches(_plain(self._separator.join(label)), spellings, n=1, cutoff=0.6)
        return spellings[close[0]] if close else None

    def _renamed(self, label: LabelPath) -> LabelPath:
        for n in range(len(label), 0, -1):
            for text in self._texts(label[:n]):
                if text in self._renames:
                    self.unused.discard(text)
                    return (*self._as_path(self._renames[text]), *label[n:])
        return label

    def _as_path(self, text: str) -> LabelPath:
        """The path that the new name of a label means. A text that is not in the tree is a path by itself."""
        known = self._by_text.get(_squeezed(text)) or self._by_name.get(_squeezed(text)) or {}
        return next(iter(known)) if len(known) == 1 else tuple(map(_squeezed, split_path(text)))

    def _texts(self, path: LabelPath) -> list[str]:
        """The texts for `path`. A path of one name is the text of its source, which may be a whole path."""
        return [_squeezed(join_path(path)), _squeezed(self._separator.join(path))]


def match_labels(
    clips: Iterable[ClipT], matcher: LabelMatcher, findings: Findings
) -> tuple[list[ClipT], dict[str, str]]:
    """(the clips, every span with the path that its label means; old -> new of the labels that changed, as texts).

    If a span's label means no label of the tree, or several, the span is removed, and the label is a fault.
    """
    found: dict[LabelPath, list[LabelPath]] = {}
    counts: Counter[LabelPath] = Counter()
    matched: list[ClipT] = []
    for clip in clips:
        works = []
        for work in clip.tracks:
            kept = []
            for span in work.spans:
                label = span.label
                if label not in found:
                    found[label] = matcher.candidates(label)
                counts[label] += 1
                if len(found[label]) == 1:
                    kept.append(msgspec.structs.replace(span, label=found[label][0]))
            works.append(replace(work, spans=tuple(kept)))
        matched.append(replace(clip, tracks=tuple(works)))
    for label, paths in found.items():
        if len(paths) != 1:
            number = "1 span" if counts[label] == 1 else f"{counts[label]} spans"
            text = join_path(label)
            findings.fault(f"label {text!r} ({number})", _why(text, paths, matcher.nearest(label)))
    for old in sorted(matcher.unused):
        findings.warn(f"<<rename={old}>>: no label has this name", "check the spelling; the other renames were done")
    return matched, {
        join_path(label): join_path(paths[0]) for label, paths in found.items() if len(paths) == 1 and paths[0] != label
    }


def _why(text: str, paths: Sequence[LabelPath], nearest: str | None) -> str:
    if paths:
        full = [join_path(path) for path in paths]
        return f"{len(paths)} labels have this name: {', '.join(full)}; say which: <<rename='{text}={full[0]}'>>"
    if nearest:
        return f"not among the labels; the nearest is {nearest!r}: <<rename='{text}={nearest}'>>"
    return f"not among the labels, nor like one of them; say what it means: <<rename='{text}=…'>>"


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    return _squeezed(text.casefold().replace("_", " "))
