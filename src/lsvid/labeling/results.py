"""Turns spans into the results of a Label Studio annotation: the inverse of `readers.label_studio`. Pure.

The project's configuration says on which timeline a label is drawn, and which Choices hold its sub labels. The facts
are those of Label Studio 1.23.2, as in the reader.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lsvid.annotations.spans import LocatedSpan, LsFrames, Seconds
from lsvid.errors import SettingsError
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labels.tree import join_path
from lsvid.video.timebase import SECONDS_TOLERANCE, FrameIndex, parse_rate, range_of_frames, seconds_of_frames


@dataclass(frozen=True)
class _Control:
    """A tag that holds labels. kind: the tag's name. is_nested: whether its choices are paths."""

    kind: str
    name: str
    to_name: str
    is_nested: bool = False


class Controls:
    """The controls of a configuration. Raises SettingsError if it has no labels on a timeline."""

    def __init__(self, config: LabelingConfig) -> None:
        self._tree = config.tree
        self._regions: dict[str, _Control] = {}
        self._choices: dict[str, _Control] = {}
        for tag in config.root.iter():
            if tag.tag in ("TimelineLabels", "Labels"):
                control = _Control(tag.tag, tag.get("name", ""), tag.get("toName", ""))
                for label in tag.iter("Label"):
                    self._regions.setdefault(str(label.get("alias") or label.get("value")), control)
            elif tag.tag == "Choices" and tag.get("perRegion", "").lower() == "true":
                is_nested = tag.get("allowNested", "").lower() == "true"
                control = _Control(tag.tag, tag.get("name", ""), tag.get("toName", ""), is_nested)
                values = tag.get("whenLabelValue", "")
                for value in values.split(",") if tag.get("visibleWhen") else [values]:
                    self._choices.setdefault(value, control)
        if not self._regions:
            raise SettingsError(
                "the project has no labels in time: neither TimelineLabels nor Labels",
                "make its labelling configuration with lsvid setup-project",
            )

    def results(
        self, spans: Iterable[LocatedSpan], index: FrameIndex, rate: Fraction
    ) -> tuple[list[dict[str, Any]], list[tuple[LocatedSpan, str]]]:
        """(results from which the reader gets `spans` back; the spans that cannot be drawn, with the reasons).

        spans: located. rate: the editor's rate for the task.
        """
        results: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        faults: list[tuple[LocatedSpan, str]] = []
        ids: set[str] = set()
        for span in spans:
            values = [label.export_value for label in self._labels(span.label)]
            control = self._regions.get(values[0]) if values else None
            choices = self._choices.get(values[0]) if len(values) > 1 else None
            if control is None or (len(values) > 1 and choices is None):
                faults.append((span, f"the project has no {join_path(span.label)}"))
                continue
            place = _place(control, span, index, rate)
            if place is None:
                faults.append((span, f"no number of the editor's timeline at {float(rate):g} fps shows its pictures"))
                continue
            key = (span.region_id, values[0], str(place))
            top = self._tree.find(span.label[:1])
            if key in results and choices and top is not None and top.multiple and len(results[key]) > 1:
                results[key][1]["value"]["choices"] += _chosen(choices, values)
                continue
            region_id = span.region_id
            while region_id in ids:
                region_id = f"{region_id}."
            ids.add(region_id)
            kind = control.kind.lower()
            region = _result(region_id, kind, control, place | {kind: values[:1]})
            if span.score is not None:
                region["score"] = span.score  # shown in the editor's Regions panel
            drawn = [region]
            if choices:
                drawn.append(_result(region_id, "choices", choices, place | {"choices": _chosen(choices, values)}))
            results[(*key, region_id) if key in results else key] = drawn
        return [result for drawn in results.values() for result in drawn], faults

    def _labels(self, path: Sequence[str]) -> list[Any]:
        found = [self._tree.find(path[: n + 1]) for n in range(len(path))]
        return [] if None in found else found


def _chosen(choices: _Control, values: Sequence[str]) -> list[Any]:
    return [list(values[1:])] if choices.is_nested else [values[-1]]


def _result(region_id: str, kind: str, control: _Control, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": region_id,
        "type": kind,
        "from_name": control.name,
        "to_name": control.to_name,
        "origin": "manual",
        "value": value,
    }


def _place(control: _Control, span: LocatedSpan, index: FrameIndex, rate: Fraction) -> dict[str, Any] | None:
    """The place of `span` as the control's regions write it; its own values if they are of this kind."""
    if control.kind == "Labels":
        if isinstance(span.basis, Seconds) and span.basis.tolerance == float(SECONDS_TOLERANCE):
            return {"start": span.basis.start, "end": span.basis.end}
        start_s, end_s = seconds_of_frames(index, span.start_frame, span.stop_frame)
        return {"start": start_s, "end": end_s}
    if isinstance(span.basis, LsFrames) and parse_rate(span.basis.ls_fps) == rate:
        return {"ranges": [{"start": span.basis.start, "end": span.basis.end}]}
    found = range_of_frames(index, rate, span.start_frame, span.stop_frame)
    return None if found is None else {"ranges": [{"start": found[0], "end": found[1]}]}
