"""Compares two labelling configurations: which labels change, and which labels in use would be lost. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lsvid.labeling.parsed import LabelingConfig, Use
from lsvid.labels.tree import Label, LabelTree, join_path

_RESULT_KEYS = {"timelinelabels": "timelinelabels", "labels": "labels", "choices": "choices", "taxonomy": "taxonomy"}


@dataclass(frozen=True)
class LabelChanges:
    """The labels that an update adds, removes and renames, each as its path joined by " / "."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One line a change, for people."""
        return [
            *(f"+ {name}" for name in self.added),
            *(f"- {name}" for name in self.removed),
            *(f"~ {old} -> {new}" for old, new in self.renamed),
        ]


def label_changes(old: LabelTree, new: LabelTree) -> LabelChanges:
    """The changes from `old` to `new`. If a label keeps its id and gets another name, it is renamed."""
    before, after = _by_identity(old.labels), _by_identity(new.labels)
    return LabelChanges(
        added=[join_path(names) for key, names in after.items() if key not in before],
        removed=[join_path(names) for key, names in before.items() if key not in after],
        renamed=[
            (join_path(before[key]), join_path(names))
            for key, names in after.items()
            if key in before and before[key][-1] != names[-1]
        ],
    )


def _by_identity(
    labels: Iterable[Label], key: tuple[str, ...] = (), names: tuple[str, ...] = ()
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The path of names of each label, by its path of identities: a label's id, or its name if it has none."""
    found = {}
    for label in labels:
        own_key, own_names = (*key, label.id or label.name), (*names, label.name)
        found[own_key] = own_names
        found.update(_by_identity(label.children, own_key, own_names))
    return found


# --- What annotations would lose --------------------------------------------------------------------------------------


def count_uses(results: Iterable[Mapping[str, Any]]) -> Counter[Use]:
    """How often the results of annotations use each Use."""
    counts: Counter[Use] = Counter()
    for result in results:
        kind = result.get("type")
        value = result.get("value")
        if kind not in _RESULT_KEYS or not isinstance(value, Mapping):
            continue
        for entry in value.get(_RESULT_KEYS[kind]) or []:
            path = tuple(map(str, entry)) if isinstance(entry, list) else (str(entry),)
            counts[str(result.get("from_name")), kind, path] += 1
    return counts


def orphans(counts: Mapping[Use, int], old: LabelingConfig, new: LabelingConfig) -> dict[str, int]:
    """The labels in use that `new` no longer offers, with their names in `old`, and how many regions have each."""
    lost: defaultdict[str, int] = defaultdict(int)
    for use, count in counts.items():
        if use not in new.uses and use in old.uses:  # a label that `old` does not offer either is lost already
            lost[old.uses[use]] += count
    return dict(lost)


def may_orphan(old: LabelingConfig, new: LabelingConfig) -> bool:
    """Whether `old` offers something that `new` does not, so that annotations have to be checked."""
    return not old.uses.keys() <= new.uses.keys()
