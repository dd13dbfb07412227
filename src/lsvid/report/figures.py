"""The report's figures as PNG and SVG, for papers and slides, with matplotlib (imported when they are drawn)."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lsvid.analysis.timings import LabelPath, Occurrence
from lsvid.annotations.stages import AnnotatedClip, Case
from lsvid.clock import clock
from lsvid.files.names import fold, path_part
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.report.data import DURATION_TICKS, ReportData, durations_of, transitions_of

_ROW_INCHES = 0.2
_MAX_NUMBERS = 40  # a matrix with more labels has only colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[["Figure"], None]


def write_figures(data: ReportData, folder: Path, findings: Findings) -> list[str]:
    """Draw every figure into `folder` as PNG and SVG; returns the files' names. Warns of letters PNG cannot show."""
    import matplotlib as mpl  # noqa: PLC0415 - its import takes half a second
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    # Fixed, so that the same data gives the same file. Text stays text, so that it can be searched and edited.
    settings: Any = {
        "svg.hashsalt": "lsvid", "svg.fonttype": "none", "text.parse_math": False, "font.size": 8,
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    names = []
    with mpl.rc_context(settings), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, draw in _figures(data):
            figure = Figure(layout="constrained")
            draw(figure)
            engine = figure.get_layout_engine()
            if engine is not None:
                engine.execute(figure)
            figure.set_layout_engine(None)  # computed once, not again for each file
            for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
                figure.savefig(folder / f"{name}{suffix}", dpi=150, metadata=metadata)
                names.append(f"{name}{suffix}")
    if any("missing from font" in str(warning.message) for warning in caught):
        findings.warn(
            "the PNG figures show boxes for letters that their font (DejaVu Sans) lacks",
            "use the SVG figures or report.html, which take the fonts of the machine that shows them",
        )
    return names


def _figures(data: ReportData) -> Iterator[tuple[str, Draw]]:
    """(file name without ending, the function that draws it) of every figure."""
    taken: set[str] = set()

    def name(*parts: str) -> str:
        base = path_part("_".join(re.sub(r"[^\w.-]+", "-", part) for part in parts))
        free = base
        number = 2
        while fold(free) in taken:
            free, number = f"{base}_{number}", number + 1
        taken.add(fold(free))
        return free

    for case in data.cases:
        yield name("timeline", case.name), partial(_timeline, data=data, case=case)
    for annotator in data.annotators:
        for level in data.levels:
            durations = durations_of(data, annotator, level)
            if not durations:
                continue
            parts = (annotator or "annotator", f"level{level}")
            title = f"{annotator}, level {level}"
            yield name("durations", *parts), partial(_durations, durations=durations, data=data, title=title)
            counts = transitions_of(data, annotator, level)
            labels = list(durations)
            yield name("transitions", *parts), partial(_transitions, counts=counts, labels=labels, title=title)


def _timeline(figure: "Figure", data: ReportData, case: Case[AnnotatedClip]) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - as above
    from matplotlib.colors import to_rgba  # noqa: PLC0415 - as above
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415 - as above

    annotators = case.annotators
    rows: list[tuple[str, list[tuple[Occurrence, str]], int]] = []
    for annotator in annotators:
        for level in data.levels:
            found = data.found[case.name, annotator, level]
            rows.append((f"{annotator}: level {level}", [(one, annotator) for one in found], 1))
    for label in data.labels_at(1):
        marked = [(o, a) for a in annotators for o in data.found[case.name, a, 1] if o.label == label]
        if marked:
            rows.append((label[0], marked, len(annotators)))
    figure.set_size_inches(11, 1.2 + _ROW_INCHES * len(rows))
    axes = figure.add_subplot()
    # One collection of all bars, and one of all lines: one artist for each would double the time.
    rgba = {label: to_rgba(colour) for label, colour in data.colours.items()}
    bars, colours = [], []
    for row, (_, marked, lanes) in enumerate(rows):
        height = 0.8 / lanes
        for one, annotator in marked:
            top = row - 0.4 + (annotators.index(annotator) if lanes > 1 else 0) * height
            start_s, end_s = float(one.start_s), float(one.end_s)
            bars.append([(start_s, top), (start_s, top + height), (end_s, top + height), (end_s, top)])
            colours.append(rgba[one.label])
    # Edges have the same colour, so that an event of a second is visible in hours.
    faces = np.array(colours).reshape(-1, 4)  # matplotlib takes this form without a conversion
    axes.add_collection(PolyCollection(bars, facecolors=faces, edgecolors=faces, linewidths=0.4), autolim=False)
    ends = [float(clip.case_time_s) for clip in case.clips[1:]]
    axes.vlines(ends, 0, 1, transform=axes.get_xaxis_transform(), colors="0.6", linewidth=0.4, linestyles=":", zorder=0)
    n_strips = len(annotators) * len(data.levels)
    axes.axhline(n_strips - 0.5, color="0.4", linewidth=0.6)
    axes.set(
        title=f"{case.name} ({clock(float(case.length_s))}; {len(case.clips)} clips, dotted)",
        xlabel="time in the case",
        xlim=(0, max(float(case.length_s), 0.001)),
        ylim=(len(rows) - 0.4, -0.6),
        yticks=range(len(rows)),
        yticklabels=[text for text, *_ in rows],
    )
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.2, 1.8, 3.6, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axes.tick_params(axis="y", length=0)


def _durations(figure: "Figure", durations: dict[LabelPath, list[float]], data: ReportData, title: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415 - as above

    figure.set_size_inches(8, 1.2 + _ROW_INCHES * len(durations))
    axes = figure.add_subplot()
    rows = range(len(durations))
    axes.boxplot(
        list(durations.values()),
        positions=list(rows),
        orientation="horizontal",
        widths=0.6,
        whis=(0, 100),
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "black"},
        boxprops={"color": "0.5"},
        whiskerprops={"color": "0.5"},
        capprops={"color": "0.5"},
    )
    for row, (label, values) in zip(rows, durations.items(), strict=True):
        axes.plot(values, [row] * len(values), "o", color=data.colours[label], markersize=3, alpha=0.6)
    axes.set(
        title=f"Durations: {title}",
        xscale="log",
        xlabel="duration (box: quartiles and median; whiskers: shortest and longest)",
        ylim=(len(durations) - 0.4, -0.6),
        yticks=rows,
        yticklabels=[join_path(label) for label in durations],
    )
    axes.xaxis.set_major_locator(FixedLocator(list(DURATION_TICKS)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: DURATION_TICKS.get(seconds, "")))
    axes.xaxis.set_minor_locator(NullLocator())


def _transitions(
    figure: "Figure", counts: Counter[tuple[LabelPath, LabelPath]], labels: list[LabelPath], title: str
) -> None:
    table = [[counts.get((before, after), 0) for after in labels] for before in labels]
    size = 2.4 + _ROW_INCHES * 1.2 * len(labels)
    figure.set_size_inches(size, size)
    axes = figure.add_subplot()
    axes.imshow(table, cmap="Blues", vmin=0)
    names = [join_path(label) for label in labels]
    axes.set(
        title=f"Transitions: {title}",
        xlabel="next",
        ylabel="from",
        xticks=range(len(labels)),
        yticks=range(len(labels)),
        yticklabels=names,
    )
    axes.set_xticklabels(names, rotation=90)
    most = max((count for row in table for count in row), default=0)
    if len(labels) <= _MAX_NUMBERS:
        for i, row in enumerate(table):
            for j, count in enumerate(row):
                if count:
                    colour = "white" if count > most / 2 else "black"
                    axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=6)
