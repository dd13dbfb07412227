"""The report's page. page.html is its template; this module computes the values and positions for it."""

import math
from collections.abc import Iterator, Sequence
from statistics import quantiles
from typing import Any, NamedTuple

from lsvid import __version__
from lsvid.analysis.comparison import Disagreement, PairAgreement
from lsvid.analysis.timings import LabelPath, LabelTiming, LabelTotal, Occurrence, Part, case_time_s
from lsvid.annotations.stages import AnnotatedClip, Case
from lsvid.clock import clock
from lsvid.labels.tree import join_path
from lsvid.report.data import DURATION_TICKS, ReportData, Transitions, duration, durations_of, ink, transitions_of
from lsvid.report.templates import percent, template, who
from lsvid.wording import count_of

_MAX_DISAGREEMENTS = 50  # on the page, for each pair and level; the CSV file has all
_STRIP, _LANE, _ROW, _RULER, _SPACE = 22, 16, 16, 34, 8  # pixels
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_TICKS = 9  # marks on a timeline as wide as the window
_TEXT_SHARE = 0.0008  # of the case: shorter bars are never wide enough for text


def page(data: ReportData) -> str:
    """The page as HTML."""
    comparison = data.comparison
    pairs_by_people: dict[tuple[str, str], list[PairAgreement]] = {}
    disagreements: dict[tuple[int, str, str], list[Disagreement]] = {}
    if comparison:
        for pair in comparison.pairs:
            if pair.case is None:
                pairs_by_people.setdefault((pair.first, pair.second), []).append(pair)
        for one in sorted(comparison.disagreements, key=lambda one: -one.duration_s):
            disagreements.setdefault((one.level, one.first, one.second), []).append(one)
    return template("page.html").render(
        title=f"What was done, and when: {count_of(len(data.cases), 'case')}",
        generator=f"lsvid {__version__} report",
        data=data,
        total_s=sum(float(case.length_s) for case in data.cases),
        n_clips=sum(len(case.clips) for case in data.cases),
        clips_of_case={case.name: len(case.clips) for case in data.cases},
        timelines=(_timeline(data, case) for case in data.cases),
        totals_by_level=_totals_by_level(data),
        timings_by_case=_timings_by_case(data),
        durations=_durations(data),
        transitions=_transitions(data),
        predictions={coder.name for coder in comparison.coders if coder.is_prediction} if comparison else set(),
        groups=[one for one in comparison.alphas if one.case is None and len(one.annotators) > 2] if comparison else [],
        pairs_by_case=[pair for pair in comparison.pairs if pair.case is not None] if comparison else [],
        pairs_by_people=pairs_by_people,
        disagreements=disagreements,
        most_disagreements=_MAX_DISAGREEMENTS,
    )


def _totals_by_level(data: ReportData) -> Iterator[tuple[int, list[LabelTotal], list[LabelPath]]]:
    """Each level, the labels that occur with their times, and the labels that nobody marked."""
    for level in data.levels:
        labels = data.labels_at(level)
        totals = [total for total in data.totals if total.level == level and total.count]
        used = {total.label for total in totals}
        yield level, sorted(totals, key=lambda t: labels.index(t.label)), [x for x in labels if x not in used]


def _timings_by_case(data: ReportData) -> Iterator[tuple[str, list[LabelTiming]]]:
    """The heading of each case and level that has a label, and the times of its labels."""
    for case in data.cases:
        for level in data.levels:
            labels = data.labels_at(level)
            timings = [t for t in data.labels if (t.case, t.level) == (case.name, level) and t.count]
            if timings:
                yield _with_level(data, case.name, level), sorted(timings, key=lambda t: labels.index(t.label))


def _with_level(data: ReportData, name: str, level: int) -> str:
    return f"{name}, level {level}" if len(data.levels) > 1 else name


# --- Timelines --------------------------------------------------------------------------------------------------------


class _Text(NamedTuple):
    """What is written into a bar, if there is room. share: the width of the bar, in cases. y: pixels."""

    text: str
    share: str
    y: str
    colour: str


_Grey = tuple[str, str, str, str, str]
"""A bar of a timeline: x and width of the case, y and height in pixels, and what is shown when one points at it."""

_Coloured = tuple[str, str, str, str, str, str, str | None, _Text | None]
"""The same, then its colour, the address of its task, and its text."""


def _timeline(data: ReportData, case: Case[AnnotatedClip]) -> dict[str, Any]:
    total_s = float(case.length_s) or 1.0
    annotators = case.annotators
    y = _RULER
    strips: list[dict[str, Any]] = []
    for annotator in annotators:
        for level in data.levels:
            found = data.found[case.name, annotator, level]
            lanes = _lanes(found)
            height = max(_STRIP, _LANE * max((count for _, count in lanes), default=1))
            bars: list[_Coloured] = []
            for one, (lane, count) in zip(found, lanes, strict=True):
                bars += _bars(data, one, total_s, y + lane * height / count, height / count - 1, with_text=True)
            strips.append({
                "name": f"Level {level}: {who(annotator)}" if len(data.levels) > 1 else who(annotator),
                "height": height + 4,
                "unseen": list(_unseen(case, annotator, total_s, y, height)),
                "bars": bars,
            })  # fmt: skip
            y += height + 4
    y += _SPACE
    rows: list[dict[str, Any]] = []
    height = max(_ROW, 7 * len(annotators))
    for label in data.labels_at(1):
        marked = [(o, k) for k, a in enumerate(annotators) for o in data.found[case.name, a, 1] if o.label == label]
        if not marked:
            continue
        share = (height - 3) / len(annotators)
        tops = [y + 1 + lane * share for lane in range(len(annotators))]
        rows.append({
            "name": label[0],
            "colour": data.colours[label],
            "height": height,
            "line_y": y + height - 0.5,
            "unseen": [
                bar
                for annotator, top in zip(annotators, tops, strict=True)
                for bar in _unseen(case, annotator, total_s, top, share)
            ],
            "bars": [
                bar for one, lane in marked for bar in _bars(data, one, total_s, tops[lane], share, with_text=False)
            ],
        })  # fmt: skip
        y += height
    return {
        "name": case.name,
        "length": clock(float(case.length_s)),
        "annotators": annotators,
        "top": _RULER,
        "space": _SPACE,
        "height": y,
        "strips": strips,
        "rows": rows,
        "clips": [_clip(clip, total_s) for clip in case.clips],
        "ticks": list(_ticks(total_s)),
    }


def _unseen(case: Case[AnnotatedClip], annotator: str, total_s: float, y: float, height: float) -> Iterator[_Grey]:
    """Grey, in a row of `annotator`, over the clips that only others have annotated."""
    for clip in case.clips:
        if clip.tracks and all(work.annotator != annotator for work in clip.tracks):
            x, width = percent(float(clip.case_time_s) / total_s), percent(float(clip.index.length_s) / total_s)
            tip = f"clip {clip.name}\nnot annotated by {who(annotator)}"
            yield x, width, f"{y:.1f}", f"{height:.1f}", tip


def _clip(clip: AnnotatedClip, total_s: float) -> dict[str, Any]:
    share = float(clip.index.length_s) / total_s
    tip = f"clip {clip.name}: begins at {clock(float(clip.case_time_s), 2)}"
    return {
        "name": clip.name,
        "x": percent(float(clip.case_time_s) / total_s),
        "width": percent(share),
        "share": f"{share:.6f}",
        "is_annotated": bool(clip.tracks),
        "tip": tip if clip.tracks else f"{tip}\nnot annotated",
    }


def _ticks(total_s: float) -> Iterator[dict[str, Any]]:
    """The marks on the ruler, each with the zoom from which on there is room for it."""
    shown: set[float] = set()
    for zoom in (1, 4, 16, 64):
        step = next((s for s in _STEPS_S if total_s / s <= _TICKS * zoom), math.ceil(total_s / _TICKS))
        for k in range(int(total_s / step) + 1):
            at = round(k * step, 3)
            if at not in shown:
                shown.add(at)
                text = clock(at, 0 if step >= 1 else 1)
                yield {"x": percent(at / total_s), "text": text, "zoom": zoom, "is_at_end": at / total_s > 0.96}


def _lanes(found: Sequence[Occurrence]) -> list[tuple[int, int]]:
    """(lane, number of lanes) of each occurrence, so that none covers another; `found` is in order of time.

    Occurrences that overlap, directly or through others, share the height; a single one has all of it.
    """
    lanes: list[int] = []
    counts: list[int] = []
    free_from: list[int] = []  # of each lane of the group
    for one in found:
        if one.start_frame >= max(free_from, default=0):
            counts += [len(free_from)] * (len(lanes) - len(counts))
            free_from = []
        lane = next((k for k, stop in enumerate(free_from) if stop <= one.start_frame), len(free_from))
        free_from[lane : lane + 1] = [one.stop_frame]
        lanes.append(lane)
    counts += [len(free_from)] * (len(lanes) - len(counts))
    return list(zip(lanes, counts, strict=True))


def _bars(
    data: ReportData, one: Occurrence, total_s: float, y: float, height: float, *, with_text: bool
) -> Iterator[_Coloured]:
    """A bar for each clip of the occurrence, with a link to the clip's task."""
    colour = data.colours[one.label]
    for part in one.parts:
        x = percent(float(case_time_s(part.clip, part.start_frame)) / total_s)
        share = float(part.end_s - part.start_s) / total_s
        has_text = with_text and share > _TEXT_SHARE
        text = _Text(one.label[-1], f"{share:.6f}", f"{y + height / 2 + 3.5:.1f}", ink(colour)) if has_text else None
        url = data.task_url(part.clip)
        yield x, percent(share), f"{y:.1f}", f"{height:.1f}", _tip(one, part), colour, url, text


def _tip(one: Occurrence, part: Part) -> str:
    in_clip = f"{clock(float(part.start_s), 2)} to {clock(float(part.end_s), 2)}"
    lines = [
        join_path(one.label),
        f"{clock(float(one.start_s), 2)} to {clock(float(one.end_s), 2)}: {duration(float(one.duration_s))}",
        f"clip {part.clip.name}: {in_clip}, frames {part.start_frame} to {part.stop_frame - 1}",
        who(one.annotator),
    ]
    if len(one.parts) > 1:
        lines.append(f"goes on over {len(one.parts)} clips")
    return "\n".join(lines)


# --- Durations and transitions ----------------------------------------------------------------------------------------


def _durations(data: ReportData) -> Iterator[tuple[str, dict[str, Any]]]:
    """The heading and the plot of each level and annotator that has anything."""
    for level in data.levels:
        for annotator in data.annotators:
            by_label = durations_of(data, annotator, level)
            if by_label:
                yield _with_level(data, who(annotator), level), _duration_plot(data, by_label)


def _duration_plot(data: ReportData, by_label: dict[LabelPath, list[float]]) -> dict[str, Any]:
    every = [value for values in by_label.values() for value in values]
    low, high = min(every) / 1.25, max(every) * 1.25
    height, top = 20, 20

    def share(value: float) -> float:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))

    def row(number: int, label: LabelPath, values: list[float]) -> dict[str, Any]:
        low_q, middle, high_q = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        lines = (
            f"{join_path(label)}: {count_of(len(values), 'time')}",
            f"median {duration(middle)}, middle half {duration(low_q)} to {duration(high_q)}",
            f"shortest {duration(values[0])}, longest {duration(values[-1])}",
        )
        return {
            "name": join_path(label),
            "colour": data.colours[label],
            "y": top + number * height,
            "tip": "\n".join(lines),
            "box_x": percent(share(low_q)),
            "box_width": percent(share(high_q) - share(low_q)),
            "median_x": percent(share(middle)),
            "dots": [percent(share(value)) for value in values],
        }

    return {
        "top": top,
        "row_height": height,
        "height": top + height * len(by_label),
        "rows": [row(number, label, sorted(values)) for number, (label, values) in enumerate(by_label.items())],
        "ticks": [(percent(share(value)), text) for value, text in DURATION_TICKS.items() if low <= value <= high],
    }


def _transitions(data: ReportData) -> Iterator[tuple[str, list[LabelPath], Transitions]]:
    """The heading, the labels and the counts of each level and annotator that has any."""
    for level in data.levels:
        for annotator in data.annotators:
            counts = transitions_of(data, annotator, level)
            labels = [label for label in data.labels_at(level) if any(label in pair for pair in counts)]
            if labels:
                yield _with_level(data, who(annotator), level), labels, counts
