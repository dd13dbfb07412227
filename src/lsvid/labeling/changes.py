"""What a labelling configuration says, what another one would change, and what annotations would lose by it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from lsvid.labeling.config import Timeline
from lsvid.labels.tree import Label, LabelTree, join_path

Use = tuple[str, str, tuple[str, ...]]
"""One way of labelling: the control's name, its type as results have it, and the path of values (alias or value)."""

_RESULT_KEYS = {"timelinelabels": "timelinelabels", "labels": "labels", "choices": "choices", "taxonomy": "taxonomy"}
_CONTROLS = {"TimelineLabels": "Label", "Labels": "Label", "Choices": "Choice", "Taxonomy": "Choice"}


@dataclass(frozen=True)
class LabelChanges:
    """Labels that an update adds, removes and renames; each its path joined by " / "."""

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


def timeline_of(config: str) -> Timeline | None:
    """What annotators draw on; None where the configuration has no timeline of lsvid's kinds."""
    root = ET.fromstring(config)  # noqa: S314 - from the person's own Label Studio
    audio = {tag.get("name") for tag in root.iter("Audio")}
    frames = next(root.iter("TimelineLabels"), None) is not None
    waveform = any(tag.get("toName") in audio for tag in root.iter("Labels"))
    if frames:
        return "both" if waveform else "frames"
    return "waveform" if waveform else None


def reads_rate(config: str) -> bool:
    """Whether every video of a configuration takes its frame rate from the task (else the editor counts at 24)."""
    root = ET.fromstring(config)  # noqa: S314 - from the person's own Label Studio
    return all(tag.get("frameRate") == "$fps" for tag in root.iter("Video"))


def label_changes(old: LabelTree, new: LabelTree) -> LabelChanges:
    """What turns the labels of `old` into those of `new`. A label with an id that has another name is renamed."""
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
    """The path of names of each label, by its path of identities: a label's id, or its name where it has none."""
    found = {}
    for label in labels:
        own_key, own_names = (*key, label.id or label.name), (*names, label.name)
        found[own_key] = own_names
        found.update(_by_identity(label.children, own_key, own_names))
    return found


# --- What annotations would lose --------------------------------------------------------------------------------------


def uses_of(config: str) -> dict[Use, str]:
    """Every way of labelling that `config` offers, and what people read for it (the path from the root, joined)."""
    root = ET.fromstring(config)  # noqa: S314 - from the person's own Label Studio
    shown_labels = {_value(tag): tag.get("value", "") for tag in root.iter("Label")}
    uses: dict[Use, str] = {}
    for tag in root.iter():
        child = _CONTROLS.get(tag.tag)
        if child is None:
            continue
        parent = shown_labels.get(tag.get("whenLabelValue", ""), tag.get("whenLabelValue", ""))
        shown = (parent,) if parent else ()
        for path, names in _value_paths(tag, child, (), shown):
            uses[tag.get("name", ""), tag.tag.lower(), path] = join_path(names)
    return uses


def _value(tag: ET.Element) -> str:
    return tag.get("alias", "") or tag.get("value", "")


def _value_paths(
    tag: ET.Element, child: str, path: tuple[str, ...], shown: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], tuple[str, ...]]]:
    for label in tag.iter(child) if not path and child == "Label" else tag.findall(child):
        own_path, own_shown = (*path, _value(label)), (*shown, label.get("value", ""))
        yield own_path, own_shown
        if child == "Choice":
            yield from _value_paths(label, child, own_path, own_shown)


def count_uses(results: Iterable[Mapping[str, Any]]) -> Counter[Use]:
    """How often the results of annotations use each way of labelling."""
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


def orphans(counts: Mapping[Use, int], old: str, new: str) -> dict[str, int]:
    """The labels in use that `new` no longer offers, as people read them in `old`, and how many regions have each."""
    kept = uses_of(new)
    shown = uses_of(old)
    lost: defaultdict[str, int] = defaultdict(int)
    for use, count in counts.items():
        if use not in kept and use in shown:  # what the old one does not offer either is lost already
            lost[shown[use]] += count
    return dict(lost)


def may_orphan(old: str, new: str) -> bool:
    """Whether `old` offers something that `new` does not, so that annotations have to be looked at."""
    return not uses_of(old).keys() <= uses_of(new).keys()
