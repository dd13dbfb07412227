"""The output of `lsvid evaluate`: every number as JSON, tables as CSV, and one self-contained HTML page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lsvid import __version__
from lsvid.analysis.cells import MEASURES
from lsvid.analysis.evaluated import Evaluation, published_lines, tolerance
from lsvid.analysis.relaxed import judge
from lsvid.annotations.codings import MISSING, NOTHING, IntArray, Runs
from lsvid.clock import clock
from lsvid.files.outputs import as_json, whole_folder, write_text
from lsvid.files.spreadsheets import write_rows
from lsvid.findings import Findings
from lsvid.labels.tree import LabelTree
from lsvid.report.data import label_colours
from lsvid.report.templates import percent, template
from lsvid.wording import count_of

NUMBERS, PAGE = "evaluation.json", "evaluation.html"
"""evaluation.json is the manifest: it lists the files beside it."""

_VERSION = 1
_MAX_BARS = 20_000  # in one row: no screen shows more
_ROW = 22  # pixels


def write_evaluation(
    found: Evaluation,
    folder: str | Path,
    tree: LabelTree | None = None,
    *,
    inputs: Iterable[str] = (),
    findings: Findings | None = None,
    spreadsheet_safe: bool = False,
) -> list[str]:
    """Write evaluation.json, evaluation.html, labels.csv, cases.csv and confusion.csv; returns their names.

    folder: also a prefix in S3. tree: the label tree, for the labels' colours. The files appear whole or not at all.
    Raises SettingsError if `folder` holds files of these names that no evaluation wrote, or one of `inputs` would be
    overwritten. spreadsheet_safe: see lsvid.files.spreadsheets; formulas give a warning in `findings`.
    """
    names = found.confusion_names()
    confusion = [
        {"truth": name} | {other or "(none)": count for other, count in zip(names, row, strict=True)}
        for name, row in zip(names, found.results["confusion"], strict=True)
    ]
    tables = {"labels.csv": found.label_rows(), "cases.csv": found.case_rows(), "confusion.csv": confusion}
    written = [PAGE, *tables, NUMBERS]
    with whole_folder(folder, NUMBERS, PAGE, inputs) as staging:
        for name, table in tables.items():
            rows = [{k: "" if v is None or v != v else v for k, v in row.items()} for row in table]  # noqa: PLR0124 - NaN
            write_rows(staging.folder / name, rows, findings=findings, safe=spreadsheet_safe)
        write_text(staging.folder / PAGE, page(found, tree))
        document = {"version": _VERSION, "lsvid": __version__, "files": written, **found.as_dict()}
        write_text(staging.folder / NUMBERS, as_json(document, indent=1))
        staging.publish(written)
    return written


def page(found: Evaluation, tree: LabelTree | None = None) -> str:
    """The page as HTML."""
    by_path = label_colours(found.pairs.paths, tree)
    colours = {name: by_path[path] for name, path in zip(found.pairs.labels, found.pairs.paths, strict=True)}
    result = found.as_dict()
    unrelaxed = result["unrelaxed"][found.options.strategy]
    relaxed = result["relaxed"]["consistent_neighbours"]
    main = []
    for name, of, right in (
        ("unrelaxed", unrelaxed, result["accuracy"]),
        (found.relaxed_name, relaxed, relaxed["accuracy"]),
    ):
        values = [(right["mean"], right["sd_cases"])]
        values += [(of[m]["by_case"]["mean"], of[m]["by_case"]["sd_cases"]) for m in MEASURES]
        main.append((name, values))
    names = found.confusion_names()
    scores = result.get("detections", {})
    return template("evaluation.html").render(
        title=f"Predictions against the truth: {count_of(len(found.pairs.cases), 'case')}",
        generator=f"lsvid {__version__} evaluate",
        found=found,
        result=result,
        main=main,
        measures=MEASURES,
        average_map={name: scores[name]["average_mAP"] for name in ("activitynet", "thumos") if scores},
        published=[line for name in found.options.as_ for line in published_lines(name, found.results["relaxed"])],
        labels=[_without_nan(row) for row in found.label_rows()],
        cases=[_without_nan(row) for row in found.case_rows()],
        confusion={"names": names, "rows": list(_confusion_rows(names, result["confusion"]))},
        colours=colours,
        ribbons=[_ribbon(found, case, colours) for case in found.pairs.cases],
    )


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}


def _confusion_rows(names: Sequence[str], table: Sequence[Sequence[int]]) -> Iterable[dict[str, Any]]:
    for number, (name, counts) in enumerate(zip(names, table, strict=True)):
        if sum(counts):
            yield {"number": number, "name": name, "counts": counts, "total": sum(counts)}


# --- Ribbons ----------------------------------------------------------------------------------------------------------


def _ribbon(found: Evaluation, case: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """The bars of a case for the template: rows of bars, in percent of the case."""
    pairs = found.pairs
    runs = pairs.cases[case]
    seconds = float(1 / pairs.fps)
    n_frames = int(runs.lengths.sum())
    step = max(1, n_frames // _MAX_BARS) if len(runs.lengths) > _MAX_BARS else 1
    if step > 1:
        runs = _thinned(runs, step)
        seconds *= step
    rows: list[dict[str, Any]] = []
    if pairs.several_at_once:
        for label, has in zip(pairs.labels, pairs.members, strict=True):
            for side, codes in zip(("truth", "predicted"), runs.codes, strict=True):
                there = np.where(codes == MISSING, 0, has[np.maximum(codes, 0)].astype(np.int64))
                bars = _bars(runs.lengths, there, [("", ""), (label, colours[label])], seconds)
                rows.append({"name": f"{label}: {side}", "kind": "label", "height": _ROW // 2, "bars": bars})
    else:
        shown = [("", ""), *((label, colours[label]) for label in pairs.labels), ("unknown label", "#888888")]
        for side, codes in zip(("truth", "prediction"), runs.codes, strict=True):
            bars = _bars(runs.lengths, np.maximum(codes, 0), shown, seconds)
            rows.append({"name": side, "kind": "strip", "height": _ROW, "bars": bars})
        bars = _differences(found, runs, seconds, step)
        rows.append({"name": "differs", "kind": "label", "height": _ROW // 2, "bars": bars})
    y = 0
    for row in rows:
        row["y"] = y
        y += row["height"]
    length = clock(n_frames / float(pairs.fps))
    return {
        "case": case,
        "length": length,
        "rows": rows,
        "height": y,
        "thinned": f"{seconds:.2f} s" if step > 1 else "",
    }


def _thinned(runs: Runs, step: int) -> Runs:
    """Every `step`-th frame."""
    ends = np.cumsum(runs.lengths)
    counts = np.diff((ends + step - 1) // step, prepend=0)
    return Runs(counts[counts > 0], runs.codes[:, counts > 0])


def _bars(lengths: IntArray, codes: IntArray, shown: Sequence[tuple[str, str]], seconds: float) -> list[dict[str, Any]]:
    """The bars of one row: the longest runs of each code except NOTHING."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    changes = np.append(True, codes[1:] != codes[:-1])[: len(codes)]
    starts = (ends - lengths)[changes].tolist()
    bars = []
    for code, start, stop in zip(codes[changes].tolist(), starts, [*starts[1:], total], strict=True):
        if code != NOTHING:
            name, colour = shown[code]
            times = f"{clock(start * seconds, 1)} to {clock(stop * seconds, 1)}"
            bars.append({"x": percent(start / total), "width": percent((stop - start) / total), "colour": colour,
                         "kind": "", "tip": f"{name}\n{times}"})  # fmt: skip
    return bars


def _differences(found: Evaluation, runs: Runs, seconds: float, step: int) -> list[dict[str, Any]]:
    """The bars where truth and prediction differ: wrong, or right if relaxed."""
    background = found.unlabelled == "background"
    relax_frames = tolerance(found.options.relaxed_s, found.pairs.fps) // step
    judged = judge(runs, relax_frames, nothing=background)
    truth, said = judged.runs.codes
    counts = truth > (MISSING if background else NOTHING)
    kinds = np.where(counts & (truth != said), np.where(judged.right, 2, 1), 0)
    bars = _bars(judged.runs.lengths, kinds, [("", ""), ("wrong", "bad"), ("forgiven", "forgiven")], seconds)
    for bar in bars:
        bar["kind"] = bar["colour"]
    return bars
