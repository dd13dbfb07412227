"""The report as one HTML page that needs nothing else: no script, style, font or picture from anywhere.

The timelines are SVG with positions in percent of the case, so that zooming is a matter of one width. They are written
by hand: a library would bring megabytes of script for rectangles.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from statistics import quantiles

from lsvid import __version__
from lsvid.analysis.comparison import Disagreement, PairAgreement
from lsvid.analysis.timings import LabelPath, Occurrence, Part, case_time_s
from lsvid.annotations.stages import AnnotatedClip, Case
from lsvid.clock import clock
from lsvid.labels.tree import join_path
from lsvid.report.data import DURATION_TICKS, ReportData, duration, durations_of, ink, transitions_of

GENERATOR = f"lsvid {__version__} report"

_MAX_DISAGREEMENTS = 50  # on the page, for each pair and level; the CSV file has all
_STRIP, _LANE, _ROW, _RULER = 22, 16, 16, 34  # pixels
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_TICKS = 9  # marks on a timeline as wide as the window
_TEXT_SHARE = 0.0008  # of the case: shorter bars are never wide enough for text


def page(data: ReportData) -> str:
    """The page."""
    resources = files("lsvid.report")
    style, script = (resources.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    body = "\n".join(_body(data))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="{GENERATOR}">
<title>{_text(_title(data))}</title>
<style>
{style}</style>
</head>
<body>
{body}
<div id="tip" role="status" hidden></div>
<script>
{script}</script>
</body>
</html>
"""


def _title(data: ReportData) -> str:
    return f"What was done, and when: {_count(len(data.cases), 'case')}"


def _body(data: ReportData) -> Iterator[str]:
    total_s = sum(float(case.length_s) for case in data.cases)
    clips = sum(len(case.clips) for case in data.cases)
    yield f"<header><h1>{_text(_title(data))}</h1>"
    yield (
        f"<p>{duration(total_s)} of video in {_count(clips, 'clip')}, annotated by "
        f"{', '.join(_text(_who(name)) for name in data.annotators)}. "
        f"<span class=faint>From {', '.join(_text(name) for name in data.options.sources)}; {GENERATOR}.</span></p>"
    )
    sections = [("timelines", "Timelines"), ("times", "Times"), ("durations", "Durations"), ("next", "Transitions")]
    sections += [("agreement", "Agreement")] if data.comparison else []
    sections += [("definitions", "Definitions")]
    links = " ".join(f'<a href="#{anchor}">{text}</a>' for anchor, text in sections)
    yield f"<nav>{links}</nav></header>"
    yield "<main>"
    yield "<section id=timelines><h2>Timelines</h2>"
    for case in data.cases:
        yield from _timeline(data, case)
    yield "</section>"
    yield "<section id=times><h2>Times</h2>"
    yield from _times(data)
    yield "</section>"
    yield "<section id=durations><h2>Durations</h2>"
    yield "<p>Each dot is one time that a label occurs; the box holds the middle half, its bar is the median.</p>"
    yield from _each(data, _durations)
    yield "</section>"
    yield "<section id=next><h2>Transitions</h2>"
    yield "<p>How often the label of the column was the next to begin after the label of the row.</p>"
    yield from _each(data, _transitions)
    yield "</section>"
    if data.comparison:
        yield "<section id=agreement><h2>Agreement</h2>"
        yield from _agreement(data)
        yield "</section>"
    yield f"<section id=definitions><h2>Definitions</h2>{_DEFINITIONS}</section>"
    yield "</main>"


# --- Timelines --------------------------------------------------------------------------------------------------------


def _timeline(data: ReportData, case: Case[AnnotatedClip]) -> Iterator[str]:
    total_s = float(case.length_s) or 1.0
    names: list[str] = []
    bars: list[str] = []
    y = _RULER
    for annotator in case.annotators:
        for level in data.levels:
            found = data.found[case.name, annotator, level]
            lanes = _lanes(found)
            height = max(_STRIP, _LANE * max((count for _, count in lanes), default=1))
            who = f"Level {level}: {_who(annotator)}" if len(data.levels) > 1 else _who(annotator)
            names.append(_name(who, height + 4, "strip"))
            bars += _unseen(case, annotator, total_s, y, height)
            for one, (lane, count) in zip(found, lanes, strict=True):
                bars += _bars(data, one, total_s, y + lane * height / count, height / count - 1, with_text=True)
            y += height + 4
    y += 8
    names.append('<div style="height:8px"></div>')
    annotators = case.annotators
    for label in data.labels_at(1):
        marked = [(o, k) for k, a in enumerate(annotators) for o in data.found[case.name, a, 1] if o.label == label]
        if not marked:
            continue
        height = max(_ROW, 7 * len(annotators))
        chip = f'<i style="background:{data.colours[label]}"></i>'
        names.append(_name(label[0], height, "label", chip))
        bars.append(f'<line class=row x1=0 x2="100%" y1={y + height - 0.5} y2={y + height - 0.5} />')
        for lane, annotator in enumerate(annotators):
            share = (height - 3) / len(annotators)
            bars += _unseen(case, annotator, total_s, y + 1 + lane * share, share)
        for one, lane in marked:
            share = (height - 3) / len(annotators)
            bars += _bars(data, one, total_s, y + 1 + lane * share, share, with_text=False)
        y += height
    title = f"{_text(case.name)} <small>{clock(float(case.length_s))}, {_count(len(case.clips), 'clip')}</small>"
    order = f"; in each row, from above: {', '.join(map(_who, annotators))}" if len(annotators) > 1 else ""
    yield f"<article class=case><h3>{title}<span class=zoom hidden>"
    yield '<button type=button aria-label="zoom out">&minus;</button><output>1&times;</output>'
    yield '<button type=button aria-label="zoom in">+</button></span></h3>'
    yield f'<div class=gantt><div class=names style="padding-top:{_RULER}px">{"".join(names)}</div>'
    spoken = _attribute(f"Timeline of {case.name}")
    yield f'<div class=scroll tabindex=0 role=group aria-label="{spoken}">'
    yield f'<svg class=track height={y} role=img aria-label="{spoken}">'
    yield from _ruler(case, total_s, y)
    yield from bars
    yield "</svg></div></div>"
    yield f"<p class=faint>Above, everything by level; below, a row for each label{_text(order)}. "
    opens = " A bar opens its task." if data.options.project_url else ""
    yield f"Dotted: where a clip ends; grey: not annotated. Point at a bar for its times.{opens}</p></article>"


def _name(text: str, height: float, kind: str, chip: str = "") -> str:
    return (
        f'<div class={kind} style="height:{height}px" title="{_attribute(text)}">{chip}<span>{_text(text)}</span></div>'
    )


def _unseen(
    case: Case[AnnotatedClip], annotator: str, total_s: float, y: float, height: float
) -> Iterator[str]:  # fmt: skip
    """Grey, in a row of `annotator`, over the clips that others have annotated; `_ruler` greys those of nobody."""
    for clip in case.clips:
        if clip.tracks and all(work.annotator != annotator for work in clip.tracks):
            x, width = _percent(float(clip.case_time_s) / total_s), _percent(float(clip.index.length_s) / total_s)
            tip = _attribute(f"clip {clip.clip.clip}\nnot annotated by {_who(annotator)}")
            yield f'<rect class=unseen x="{x}" width="{width}" y={y:.1f} height={height:.1f} data-t="{tip}" />'


def _ruler(case: Case[AnnotatedClip], total_s: float, height: float) -> Iterator[str]:
    for clip in case.clips:
        x = _percent(float(clip.case_time_s) / total_s)
        share = (float(clip.index.length_s)) / total_s
        tip = f"clip {clip.clip.clip}: begins at {clock(float(clip.case_time_s), 2)}"
        tip = _attribute(tip if clip.tracks else f"{tip}\nnot annotated")
        yield f'<line class=clip x1="{x}" x2="{x}" y1=17 y2={height} />'
        if not clip.tracks:
            place = f'x="{x}" width="{_percent(share)}" y={_RULER} height={height - _RULER}'
            yield f'<rect class=unseen {place} data-t="{tip}" />'
        place = f'data-w="{share:.6f}" x="{x}" dx=3 y=29'
        yield f'<text class="clipname fit" {place} data-t="{tip}">{_text(clip.clip.clip)}</text>'
    shown: set[float] = set()
    for zoom in (1, 4, 16, 64):
        step = next((s for s in _STEPS_S if total_s / s <= _TICKS * zoom), math.ceil(total_s / _TICKS))
        for k in range(int(total_s / step) + 1):
            at = round(k * step, 3)
            if at not in shown:
                shown.add(at)
                x, text = _percent(at / total_s), clock(at, 0 if step >= 1 else 1)
                near_end = " end" if at / total_s > 0.96 else ""
                yield f'<g class="tick z{zoom}{near_end}"><line x1="{x}" x2="{x}" y1=12 y2={height} />'
                yield f'<text x="{x}" y=11>{text}</text></g>'


def _lanes(found: Sequence[Occurrence]) -> list[tuple[int, int]]:
    """(lane, number of lanes) of each occurrence, so that none lies on another; `found` is in order of time.

    Those that overlap, directly or through others, share the height; one that stands alone has all of it.
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
) -> Iterator[str]:
    """A bar for each clip that the occurrence lies in, each a link to the clip's task."""
    colour = data.colours[one.label]
    for part in one.parts:
        clip = part.clip
        start = float(case_time_s(clip, part.start_frame)) / total_s
        share = float(part.end_s - part.start_s) / total_s
        url = data.task_url(clip)
        tip = _attribute(_tip(one, part))
        where = f'x="{_percent(start)}" width="{_percent(share)}" y={y:.1f} height={height:.1f}'
        bar = f'<rect {where} fill="{colour}" stroke="{colour}" />'
        if with_text and share > _TEXT_SHARE:
            middle = y + height / 2 + 3.5
            place = f'data-w="{share:.6f}" x="{_percent(start)}" dx=3 y={middle:.1f}'
            bar += f'<text class=fit {place} fill="{ink(colour)}">{_text(one.label[-1])}</text>'
        if url:
            yield f'<a href="{_attribute(url)}" target=_blank rel=noopener data-t="{tip}">{bar}</a>'
        else:
            yield f'<g data-t="{tip}">{bar}</g>'


def _tip(one: Occurrence, part: Part) -> str:
    in_clip = f"{clock(float(part.start_s), 2)} to {clock(float(part.end_s), 2)}"
    lines = [
        join_path(one.label),
        f"{clock(float(one.start_s), 2)} to {clock(float(one.end_s), 2)}: {duration(float(one.duration_s))}",
        f"clip {part.clip.clip.clip}: {in_clip}, frames {part.start_frame} to {part.stop_frame - 1}",
        _who(one.annotator),
    ]
    if len(one.parts) > 1:
        lines.append(f"goes on over {len(one.parts)} clips")
    return "\n".join(lines)


# --- Tables -----------------------------------------------------------------------------------------------------------


def _times(data: ReportData) -> Iterator[str]:
    yield "<h3>Cases</h3>"
    head = ["Case", "Clips", "Duration", "Annotator", "Clips annotated", "Time annotated", "With a label", "Without"]
    rows = []
    for work in (work for work in data.work if work.level == 1):
        case = next(case for case in data.cases if case.name == work.case)
        rows.append([
            _text(work.case), str(len(case.clips)), clock(work.case_s), _text(_who(work.annotator)), str(work.clips),
            clock(work.annotated_s), clock(work.labelled_s), clock(work.unlabelled_s),
        ])  # fmt: skip
    yield _table(head, rows, left=(0, 3))
    for level in data.levels:
        heading = f"Labels of level {level}" if len(data.levels) > 1 else "Labels"
        yield f"<details{' open' if level == 1 else ''}><summary>{heading}, all cases</summary>"
        head = ["Label", "Annotator", "Cases", "Count", "Total", "Mean", "Median", "Shortest", "Longest"]
        rows = []
        by_label = sorted(
            (t for t in data.totals if t.level == level and t.count), key=lambda t: _rank(data, level, t.label)
        )
        for total in by_label:
            rows.append([
                _label(data, total.label), _text(_who(total.annotator)), str(total.cases), str(total.count),
                clock(total.total_s), *map(duration, (total.mean_s, total.median_s, total.min_s, total.max_s)),
            ])  # fmt: skip
        yield _table(head, rows, left=(0, 1))
        used = {total.label for total in by_label}
        never = [join_path(label) for label in data.labels_at(level) if label not in used]
        if never:
            yield f"<p class=faint>Never marked: {_text(', '.join(never))}.</p>"
        yield "</details>"
    for case in data.cases:
        for level in data.levels:
            timings = [t for t in data.labels if (t.case, t.level) == (case.name, level) and t.count]
            if not timings:
                continue
            heading = f"{_text(case.name)}, level {level}" if len(data.levels) > 1 else _text(case.name)
            yield f"<details><summary>{heading}</summary>"
            head = ["Label", "Annotator", "Count", "Total", "Mean", "Median", "Shortest", "Longest", "First start",
                    "Last end", "Gaps", "Longest gap"]  # fmt: skip
            rows = [
                [
                    _label(data, t.label), _text(_who(t.annotator)), str(t.count), clock(t.total_s),
                    *map(duration, (t.mean_s, t.median_s, t.min_s, t.max_s)),
                    clock(t.first_start_s or 0), clock(t.last_end_s or 0), str(t.gaps), duration(t.longest_gap_s),
                ]
                for t in sorted(timings, key=lambda t: _rank(data, level, t.label))
            ]  # fmt: skip
            yield _table(head, rows, left=(0, 1)) + "</details>"


def _each(data: ReportData, draw: Callable[[ReportData, str, int], str]) -> Iterator[str]:
    """`draw` for each level and annotator that has anything; only the first is open."""
    is_open = " open"
    for level in data.levels:
        for annotator in data.annotators:
            inside = draw(data, annotator, level)
            if inside:
                heading = f"{_who(annotator)}, level {level}" if len(data.levels) > 1 else _who(annotator)
                yield f"<details{is_open}><summary>{_text(heading)}</summary>{inside}</details>"
                is_open = ""


def _durations(data: ReportData, annotator: str, level: int) -> str:
    by_label = {label: sorted(values) for label, values in durations_of(data, annotator, level).items()}
    if not by_label:
        return ""
    every = [value for values in by_label.values() for value in values]
    low, high = min(every) / 1.25, max(every) * 1.25
    height, top = 20, 20
    names, marks = [], []

    def share(value: float) -> float:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))

    def at(value: float) -> str:
        return _percent(share(value))

    bottom = top + height * len(by_label)
    for value, text in DURATION_TICKS.items():
        if low <= value <= high:
            marks.append(f'<g class=tick><line x1="{at(value)}" x2="{at(value)}" y1=14 y2={bottom} />')
            marks.append(f'<text x="{at(value)}" y=11>{text}</text></g>')
    for row, (label, values) in enumerate(by_label.items()):
        y = top + row * height
        names.append(_name(join_path(label), height, "label", f'<i style="background:{data.colours[label]}"></i>'))
        low_q, middle, high_q = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        lines = (
            f"{join_path(label)}: {_count(len(values), 'time')}",
            f"median {duration(middle)}, middle half {duration(low_q)} to {duration(high_q)}",
            f"shortest {duration(values[0])}, longest {duration(values[-1])}",
        )
        tip = _attribute("\n".join(lines))
        marks.append(f'<g data-t="{tip}"><rect class=hit x=0 width="100%" y={y} height={height} />')
        box = _percent(share(high_q) - share(low_q))
        marks.append(f'<rect class=box x="{at(low_q)}" width="{box}" y={y + 4} height={height - 8} />')
        marks += [f'<circle cx="{at(v)}" cy={y + height / 2} r=3 fill="{data.colours[label]}" />' for v in values]
        marks.append(f'<line class=median x1="{at(middle)}" x2="{at(middle)}" y1={y + 2} y2={y + height - 2} /></g>')
    return (
        f'<div class=gantt><div class=names style="padding-top:{top}px">{"".join(names)}</div>'
        f'<div class=scroll tabindex=0 role=group aria-label="Durations">'
        f'<svg class="track plain" height={bottom} role=img aria-label="Durations">'
        f"{''.join(marks)}</svg></div></div>"
    )


def _transitions(data: ReportData, annotator: str, level: int) -> str:
    counts = transitions_of(data, annotator, level)
    labels = [label for label in data.labels_at(level) if any(label in pair for pair in counts)]
    if not labels:
        return ""
    most = max(counts.values())
    head = "".join(f'<th title="{_attribute(join_path(label))}">{k}</th>' for k, label in enumerate(labels, 1))
    rows = []
    for number, before in enumerate(labels, 1):
        cells = []
        for after in labels:
            count = counts[before, after]
            tip = f"{join_path(before)} → {join_path(after)}: {count}"
            share = f'{count / most:.2f}" data-t="{_attribute(tip)}'
            cells.append(f'<td style="--share:{share}">{count}</td>' if count else "<td></td>")
        rows.append(f"<tr><th scope=row>{number} {_label(data, before)}</th>{''.join(cells)}</tr>")
    return f"<div class=wide><table class=matrix><tr><th>from ↓ next →</th>{head}</tr>{''.join(rows)}</table></div>"


def _agreement(data: ReportData) -> Iterator[str]:
    comparison = data.comparison
    if comparison is None:
        return
    predictions = {coder.name for coder in comparison.coders if coder.is_prediction}
    head = ["Level", "Case", "First", "Second", "Frames", "Accuracy", "&kappa;", "&alpha;", "IoU", "Edit", "F1@10",
            "F1@25", "F1@50", "Start offset", "End offset"]  # fmt: skip

    def row(pair: PairAgreement) -> list[str]:
        b = pair.boundaries
        return [
            str(pair.level), _text(pair.case if pair.case is not None else "all"), _text(_who(pair.first)),
            _text(_who(pair.second)) + (" <small>prediction</small>" if pair.second in predictions else ""),
            f"{pair.frames:,}", *(_number(v, 3) for v in (pair.accuracy, pair.kappa, pair.alpha, pair.iou)),
            *(_number(v, 1) for v in (pair.edit, pair.f1_10, pair.f1_25, pair.f1_50)),
            _offset(b.start_median_s, b.start_abs_median_s), _offset(b.end_median_s, b.end_abs_median_s),
        ]  # fmt: skip

    yield _table(head, [row(pair) for pair in comparison.pairs if pair.case is None], left=(1, 2, 3))
    groups = [alpha for alpha in comparison.alphas if alpha.case is None and len(alpha.annotators) > 2]
    if groups:
        yield "<h3>Krippendorff's &alpha; of all persons</h3>"
        rows = [
            [str(g.level), _text(", ".join(map(_who, g.annotators))), f"{g.frames:,}", _number(g.alpha, 3)]
            for g in groups
        ]
        yield _table(["Level", "Annotators", "Frames", "&alpha;"], rows, left=(1,))
    by_case = [row(pair) for pair in comparison.pairs if pair.case is not None]
    if by_case:
        yield f"<details><summary>By case</summary>{_table(head, by_case, left=(1, 2, 3))}</details>"
    if data.decisions:
        yield "<h3>Decided by a third</h3>"
        rows = [
            [_text(one.clip.id), _text(_who(one.decided_by)), duration(one.before_s) or "0 s",
             _text(", ".join(f"{_who(name)} {after_s:.2f} s" for name, after_s in one.after_s.items()))]
            for one in data.decisions
        ]  # fmt: skip
        yield _table(["Clip", "By", "They differed for", "Each from what was decided"], rows, left=(0, 1, 3))
    by_pair: dict[tuple[str, str], list[PairAgreement]] = {}
    for pair in comparison.pairs:
        if pair.case is None:
            by_pair.setdefault((pair.first, pair.second), []).append(pair)
    for (first, second), pairs in by_pair.items():
        yield f"<details><summary>{_text(_who(first))} and {_text(_who(second))}, in detail</summary><div class=inner>"
        for pair in pairs:
            yield from _pair_details(data, pair)
        yield "</div></details>"


def _pair_details(data: ReportData, pair: PairAgreement) -> Iterator[str]:
    yield f"<details><summary>Labels, level {pair.level}</summary>"
    rows = [
        [_label(data, a.label), f"{a.first_frames:,}", f"{a.second_frames:,}", _number(a.iou, 3), _number(a.kappa, 3)]
        for a in pair.labels
    ]
    frames = [f"Frames, {_text(_who(name))}" for name in (pair.first, pair.second)]
    yield _table(["Label", *frames, "IoU", "&kappa;"], rows, left=(0,)) + "</details>"
    everything = data.comparison.disagreements if data.comparison else []
    which = (pair.level, pair.first, pair.second)
    mine = [one for one in everything if (one.level, one.first, one.second) == which]
    if not mine:
        return
    longest = sorted(mine, key=lambda d: -d.duration_s)[:_MAX_DISAGREEMENTS]
    some = f"the {len(longest)} longest of {len(mine):,}" if len(mine) > len(longest) else f"all {len(mine)}"
    yield f"<details><summary>Disagreements, level {pair.level}: {some}</summary>"
    head = ["Clip", "From", "To", "Lasts", "In the case", _text(_who(pair.first)), _text(_who(pair.second))]
    yield _table(head, [_disagreement(data, one) for one in longest], left=(0, 5, 6)) + "</details>"


def _disagreement(data: ReportData, one: Disagreement) -> list[str]:
    url, name = data.task_url(one.clip), _text(one.clip.id)
    place = f'<a href="{_attribute(url)}" target=_blank rel=noopener>{name}</a>' if url else name
    said = [
        ", ".join(_label(data, label) for label in labels) or "<span class=faint>nothing</span>"
        for labels in (one.first_labels, one.second_labels)
    ]
    times = [clock(one.start_s, 2), clock(one.end_s, 2), duration(one.duration_s), clock(one.case_start_s)]
    return [place, *times, *said]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int]) -> str:
    """A table that scrolls by itself; cells are HTML. `left`: the columns that hold text."""
    kinds = [" class=t" if k in left else "" for k in range(len(head))]
    top = "".join(f"<th scope=col{kind}>{text}</th>" for kind, text in zip(kinds, head, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _label(data: ReportData, label: LabelPath) -> str:
    chip = f'<i style="background:{data.colours[label]}"></i>' if label in data.colours else ""
    return f"<span class=chip>{chip}{_text(join_path(label))}</span>"


def _rank(data: ReportData, level: int, label: LabelPath) -> int:
    return data.labels_at(level).index(label)


def _who(annotator: str) -> str:
    return annotator or "unknown annotator"


def _number(value: float | None, digits: int) -> str:
    return "&ndash;" if value is None else f"{value:.{digits}f}"


def _offset(signed_s: float | None, absolute_s: float | None) -> str:
    return "&ndash;" if signed_s is None or absolute_s is None else f"{signed_s:+.2f} s ({absolute_s:.2f})"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _percent(share: float) -> str:
    return f"{100 * share:.4f}%"


def _text(text: str) -> str:
    return escape(text, quote=False)


def _attribute(text: str) -> str:
    return escape(text).replace("\n", "&#10;")


_DEFINITIONS = """
<dl>
<dt>Time in the case</dt><dd>All clips of a case end to end, in order, annotated or not, from 0. Each clip lasts from
its first picture to the end of its last.</dd>
<dt>Count</dt><dd>A marked region counts once. Regions of one label that overlap, or that touch across the end of a
clip, are one. At each level a label stands for everything below it.</dd>
<dt>Gap</dt><dd>From the end of a label to its next start.</dd>
<dt>Accuracy</dt><dd>Share of frames, of those that both worked through, with the same labels; also called MoF.</dd>
<dt>&kappa;</dt><dd>Cohen's kappa (1960): accuracy beyond what chance would give; 1 is perfect, 0 is chance.</dd>
<dt>&alpha;</dt><dd>Krippendorff's alpha for nominal data: the same idea for any number of annotators, also where some
did not work through a clip (Krippendorff 2018, chapter 12).</dd>
<dt>IoU</dt><dd>Frames where both have a label, of those where either has it; the mean over labels.</dd>
<dt>Edit</dt><dd>100 (1 &minus; d / n), d being the Levenshtein distance between the two orders of labels and n the
longer one's length (Lea et al. 2016).</dd>
<dt>F1@k</dt><dd>F1 of segments, a segment being found if it overlaps one of its label by k % IoU (Lea et al. 2017, as
in MS-TCN, Abu Farha and Gall 2019). The first of the two is the truth.</dd>
<dt>Offsets</dt><dd>Median of how much later the second sets a boundary, over segments of one label that overlap by
10 % IoU; in brackets, the median of the distances.</dd>
</dl>
"""
