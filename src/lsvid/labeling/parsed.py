"""A labelling configuration, parsed once: its labels, its timeline, and the ways of labelling that it offers.

Labels of other configurations, which lsvid did not write, are read too: TimelineLabels and Labels, with per-region
Choices or Taxonomy as sub labels.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from xml.etree import ElementTree as ET

from lsvid.errors import DataError
from lsvid.labeling.config import NO_KEY, Timeline
from lsvid.labels.tree import REGION_OF_INTEREST, Label, LabelTree, join_path

Use = tuple[str, str, tuple[str, ...]]
"""One way of labelling: the control's name, its type in results, and the path of values (alias or value)."""

_CONTROLS = {"TimelineLabels": "Label", "Labels": "Label", "Choices": "Choice", "Taxonomy": "Choice"}


@dataclass(frozen=True)
class LabelingConfig:
    """A parsed configuration. `root` is its XML."""

    root: ET.Element

    @classmethod
    def parse(cls, xml: str) -> "LabelingConfig":
        """The configuration in `xml`. Raises DataError if it is not XML."""
        try:
            return cls(ET.fromstring(xml))  # noqa: S314 - from the user's own Label Studio; expat loads nothing external
        except ET.ParseError as error:
            raise DataError(f"the project's labelling configuration is not XML: {error}") from error

    @cached_property
    def tree(self) -> LabelTree:
        """The labels; empty if there are none.

        This is the inverse of `labeling_config`, except that colours and hotkeys are the assigned ones.
        """
        controls = [tag for tag in self.root.iter() if tag.tag in ("TimelineLabels", "Labels")]
        has_both = len({tag.tag for tag in controls}) > 1
        sub_labels = [tag for tag in self.root.iter() if tag.tag in ("Choices", "Taxonomy") and _is_sub_label(tag)]
        labels: dict[str, Label] = {}
        for control in controls:
            for tag in control.iter("Label"):
                label = _read_label(tag)
                for choices in sub_labels:
                    if _applies(choices, label.export_value):
                        children = _read_choices(choices)
                        is_multiple = label.multiple or choices.get("choice") == "multiple"
                        label = replace(label, children=label.children + children, multiple=is_multiple)
                if has_both and control.tag == "TimelineLabels":
                    label = replace(label, timeline="frames")
                labels.setdefault(label.name, label)
        if list(labels) == [REGION_OF_INTEREST] and labels[REGION_OF_INTEREST].children:
            return LabelTree(labels[REGION_OF_INTEREST].children)  # a second pass: the labels for its regions
        return LabelTree(tuple(labels.values()))

    @property
    def timeline(self) -> Timeline | None:
        """Where annotators draw; None if the configuration has no timeline of lsvid's kinds."""
        audio = {tag.get("name") for tag in self.root.iter("Audio")}
        frames = next(self.root.iter("TimelineLabels"), None) is not None
        waveform = any(tag.get("toName") in audio for tag in self.root.iter("Labels"))
        if frames:
            return "both" if waveform else "frames"
        return "waveform" if waveform else None

    @property
    def speed(self) -> str:
        """The playback speed of an opened clip; "1" if none is set."""
        return next((video.get("defaultPlaybackSpeed", "1") for video in self.root.iter("Video")), "1")

    @property
    def reads_rate(self) -> bool:
        """Whether every video takes its frame rate from the task (otherwise the editor counts at 24)."""
        return all(tag.get("frameRate") == "$fps" for tag in self.root.iter("Video"))

    @property
    def video(self) -> ET.Element | None:
        """The first video; None if there is none."""
        return next(self.root.iter("Video"), None)

    @property
    def is_second_pass(self) -> bool:
        """Whether it is for a second pass, in which each region gets its label from a tree."""
        values = [tag.get("value") for tag in self.root.iter("Label")]
        return values == [REGION_OF_INTEREST] and self.root.find(".//Taxonomy[@perRegion='true']") is not None

    @cached_property
    def uses(self) -> dict[Use, str]:
        """Every Use that it offers, with the label path that people see for it, joined."""
        shown_labels = {_value(tag): tag.get("value", "") for tag in self.root.iter("Label")}
        uses: dict[Use, str] = {}
        for tag in self.root.iter():
            child = _CONTROLS.get(tag.tag)
            if child is None:
                continue
            parent = shown_labels.get(tag.get("whenLabelValue", ""), tag.get("whenLabelValue", ""))
            shown = (parent,) if parent else ()
            for path, names in _value_paths(tag, child, (), shown):
                uses[tag.get("name", ""), tag.tag.lower(), path] = join_path(names)
        return uses


def _is_sub_label(tag: ET.Element) -> bool:
    """Whether a Choices or Taxonomy holds sub labels of regions (and does not depend on another choice)."""
    return tag.get("perRegion", "").lower() == "true" and tag.get("whenChoiceValue") is None


def _applies(choices: ET.Element, value: str) -> bool:
    wanted = choices.get("whenLabelValue")
    if wanted is None:
        return True
    return value in wanted.split(",") if choices.get("visibleWhen") else value == wanted


def _read_label(tag: ET.Element) -> Label:
    hotkey = tag.get("hotkey")
    return Label(
        tag.get("value", ""),
        id=tag.get("alias"),
        color=tag.get("background"),
        hotkey=None if hotkey == NO_KEY else hotkey,
        hint=tag.get("hint"),
    )


def _read_choices(parent: ET.Element) -> tuple[Label, ...]:
    found: list[Label] = []
    for tag in parent:
        if tag.tag == "Choice":
            label = Label(tag.get("value", ""), _read_choices(tag), id=tag.get("alias"), hint=tag.get("hint"))
            found.append(label)
        else:  # a View or a Header between them
            found += _read_choices(tag)
    return tuple(found)


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
