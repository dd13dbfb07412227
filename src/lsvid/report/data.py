"""The contents of a report: timings and comparison of annotated clips, their colours and their links."""

import colorsys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lsvid.analysis.comparison import Comparison, compare
from lsvid.analysis.differing import Decision, decisions
from lsvid.analysis.timings import (
    LabelPath,
    LabelTiming,
    LabelTotal,
    Occurrence,
    WorkTiming,
    label_timings,
    label_total,
    labels_at,
    occurrences,
    transitions,
    work_timing,
)
from lsvid.annotations.stages import AnnotatedClip, Case, Stage, task_url
from lsvid.labels.colours import dressed
from lsvid.labels.tree import Label, LabelTree

DURATION_TICKS = {
    0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s",
    60.0: "1 min", 600.0: "10 min", 3600.0: "1 h", 36000.0: "10 h",
}  # fmt: skip
"""Ticks on the logarithmic axes of durations: seconds and their text."""

Transitions = Counter[tuple[LabelPath, LabelPath]]


@dataclass(frozen=True)
class ReportOptions:
    """The options of a report.

    labels: every label path, in order. tree: the label tree, for its colours; None: there is none. project_url: of the
    Label Studio project, for links to its tasks. sources: the sources of the annotations.
    """

    labels: Sequence[LabelPath]
    tree: LabelTree | None = None
    project_url: str | None = None
    sources: Sequence[str] = ()


@dataclass
class ReportData:
    """All data for the tables, the figures and the page."""

    options: ReportOptions
    cases: list[Case[AnnotatedClip]]
    annotators: list[str]
    levels: list[int]
    colours: dict[LabelPath, str]
    comparison: Comparison | None
    decisions: list[Decision]
    found: dict[tuple[str, str, int], list[Occurrence]] = field(default_factory=dict)  # by case, annotator, level
    labels: list[LabelTiming] = field(default_factory=list)
    totals: list[LabelTotal] = field(default_factory=list)
    work: list[WorkTiming] = field(default_factory=list)
    transitions: dict[tuple[str, str, int], Transitions] = field(default_factory=dict)

    def labels_at(self, level: int) -> list[LabelPath]:
        """Every label at the level, in order."""
        return labels_at(self.options.labels, level)

    def task_url(self, clip: AnnotatedClip) -> str | None:
        """The address of the clip's task in Label Studio; None if the project or the task is not known."""
        return task_url(self.options.project_url, clip.clip)


def report_data(located: Stage[AnnotatedClip], options: ReportOptions) -> ReportData:
    """The data of the report."""
    cases = located.cases
    levels = list(range(1, max((len(path) for path in options.labels), default=1) + 1))
    data = ReportData(
        options=options,
        cases=cases,
        annotators=list(dict.fromkeys(name for case in cases for name in case.annotators)),
        levels=levels,
        colours=label_colours(options.labels, options.tree),
        comparison=compare(cases, options.labels),
        decisions=decisions(located.clips),
    )
    for case in cases:
        for annotator in case.annotators:
            for level in levels:
                found = occurrences(case, annotator, level)
                key = (case.name, annotator, level)
                data.found[key] = found
                data.labels += label_timings(case, annotator, found, data.labels_at(level))
                data.work.append(work_timing(case, annotator, level, found))
                data.transitions[key] = transitions(found)
    for annotator in data.annotators:
        for level in levels:
            by_label: dict[LabelPath, list[Occurrence]] = {label: [] for label in data.labels_at(level)}
            for (_, who, at), found in data.found.items():
                if (who, at) == (annotator, level):
                    for one in found:
                        by_label[one.label].append(one)
            data.totals += [label_total(annotator, label, found) for label, found in by_label.items()]
    return data


def durations_of(data: ReportData, annotator: str, level: int) -> dict[LabelPath, list[float]]:
    """The duration in seconds of each occurrence, by label of the level, over all cases; only labels that occur."""
    durations: dict[LabelPath, list[float]] = {label: [] for label in data.labels_at(level)}
    for case in data.cases:
        for one in data.found.get((case.name, annotator, level), []):
            durations[one.label].append(float(one.duration_s))
    return {label: values for label, values in durations.items() if values}


def transitions_of(data: ReportData, annotator: str, level: int) -> Transitions:
    """The transitions of all cases together. No transition leads from one case to the next."""
    counts: Transitions = Counter()
    for case in data.cases:
        counts += data.transitions.get((case.name, annotator, level), Counter())
    return counts


def label_colours(labels: Sequence[LabelPath], tree: LabelTree | None) -> dict[LabelPath, str]:
    """The colour of every label, "#rrggbb": the editor's for top-level labels, shades of the parent's for others."""
    tops = tree.labels if tree else ()
    known = {label.name for label in tops}
    extra = tuple(Label(path[0]) for path in labels_at(labels, 1) if path[0] not in known)
    colours: dict[LabelPath, str] = {}
    for label in dressed(LabelTree((*tops, *extra))).labels:
        colours[label.name,] = str(label.color)
    depth = max((len(path) for path in labels), default=1)
    for level in range(2, depth + 1):
        children: dict[LabelPath, list[LabelPath]] = {}
        for path in labels_at(labels, level):
            children.setdefault(path[:-1], []).append(path)
        for parent, members in children.items():
            for number, path in enumerate(members):
                colours[path] = _shade(colours[parent], number, len(members))
    return colours


def _shade(colour: str, number: int, count: int) -> str:
    """The `number`-th of `count` shades, from a darker to a lighter one."""
    red, green, blue = (part / 255 for part in bytes.fromhex(colour[1:]))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    at = (number + 1) / (count + 1)  # 0 to 1, ends excluded
    light = min(max(light + (at - 0.5) * 0.36, 0.2), 0.8)
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue, light, saturation))


def ink(colour: str) -> str:
    """Black or white, whichever is easier to read on `colour` (relative luminance, WCAG 2)."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000" if luminance > 0.25 else "#fff"


def duration(seconds: float | None) -> str:
    """Seconds for a person: 4.32 s, 2 min 05 s, 1 h 02 min; empty for None."""
    if seconds is None:
        return ""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
