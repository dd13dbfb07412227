"""What people look at: `lsvid report` (this module, with `data`, `figures` and `page`), the page of `lsvid evaluate`
(`evaluation`), and contact sheets (`contact_sheet`). `templates` fills in the HTML of all of them.

This package writes pages, figures and tables. Measures come from `analysis`, and pictures from `video`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

from lsvid import __version__
from lsvid.analysis.comparison import Comparison, Disagreement, PairAgreement
from lsvid.analysis.timings import LabelPath, LabelTiming
from lsvid.annotations.stages import AnnotatedClip, Source, Stage, nothing_counts
from lsvid.files.outputs import as_json, whole_folder, write_text
from lsvid.files.spreadsheets import write_rows
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.report.data import ReportData, ReportOptions, report_data
from lsvid.report.figures import write_figures
from lsvid.report.page import page

TIMINGS, PAGE, FIGURES = "timings.json", "report.html", "figures"
"""timings.json is the manifest: it lists the files of its report."""

_VERSION = 1


def write_report(
    located: Stage[AnnotatedClip],
    folder: str | Path,
    options: ReportOptions,
    findings: Findings,
    *,
    inputs: Iterable[str] = (),
    spreadsheet_safe: bool = False,
) -> dict[str, Any]:
    """Write the report of the clips into `folder` (or a prefix in S3); returns the names of its files, and its numbers.

    The files are report.html; timings.csv and .json; if two annotators have one clip, agreement.csv and .json and
    disagreements.csv; figures/ with PNG and SVG. They appear whole or not at all. Clips without a file, which
    skip_bad allows, count with the length that their import gave. Raises DataError if there is no annotation,
    SettingsError if `folder` holds files of these names that no report wrote, or one of `inputs` would be overwritten.
    spreadsheet_safe: see lsvid.files.spreadsheets.
    """
    for lost in located.lost:
        findings.leave_out(f"clip {lost.id}", "clips whose video is missing or unreadable")
    if not any(clip.tracks for clip in located.clips):
        sources = [Source(name, None) for name in options.sources]
        raise nothing_counts("there is nothing to report", located.clips, sources, findings)
    data = report_data(located, options)
    with whole_folder(folder, TIMINGS, PAGE, inputs) as output:
        staging = output.folder
        (staging / FIGURES).mkdir()
        files = [f"{FIGURES}/{name}" for name in write_figures(data, staging / FIGURES, findings)]
        write_text(staging / PAGE, page(data))
        table = partial(write_rows, findings=findings, safe=spreadsheet_safe)
        table(staging / "timings.csv", [_flat(asdict(timing)) for timing in data.labels], _TIMING_COLUMNS)
        files += [PAGE, "timings.csv"]
        if data.comparison:
            table(staging / "agreement.csv", [_agreement_row(pair) for pair in data.comparison.pairs])
            rows = [_disagreement_row(data, one) for one in data.comparison.disagreements]
            table(staging / "disagreements.csv", rows, _DISAGREEMENT_COLUMNS)
            _write_json(staging / "agreement.json", _agreement_document(data, data.comparison))
            files += ["agreement.csv", "agreement.json", "disagreements.csv"]
        files.append(TIMINGS)
        _write_json(staging / TIMINGS, _timings_document(data, files))
        output.publish(files)
    return {
        "files": files,
        "cases": len(data.cases),
        "clips": sum(len(case.clips) for case in data.cases),
        "annotators": data.annotators,
        "occurrences": sum(work.occurrences for work in data.work if work.level == 1),
        "disagreements": len(data.comparison.disagreements) if data.comparison else 0,
    }


def _timings_document(data: ReportData, files: Sequence[str]) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "lsvid": __version__,
        "sources": list(data.options.sources),
        "files": list(files),
        "cases": [
            {
                "case": case.name,
                "duration_s": float(case.length_s),
                "frames": case.n_frames,
                "clips": [
                    {
                        "clip": clip.name,
                        "case_frame": clip.case_frame,
                        "case_time_s": float(clip.case_time_s),
                        "frames": clip.clip.n_frames,
                        "duration_s": clip.clip.duration_s,
                        "annotators": [work.annotator for work in clip.tracks],
                    }
                    for clip in case.clips
                ],
            }
            for case in data.cases
        ],
        "work": [asdict(work) for work in data.work],
        "labels": [asdict(timing) for timing in data.labels],
        "totals": [asdict(total) for total in data.totals],
        "transitions": [
            {"case": case, "annotator": annotator, "level": level, "from": before, "to": after, "count": count}
            for (case, annotator, level), counts in data.transitions.items()
            for (before, after), count in sorted(counts.items())
        ],
    }


def _agreement_document(data: ReportData, comparison: Comparison) -> dict[str, Any]:
    decided = [
        {"case": one.clip.case, "clip": one.clip.name, "decided_by": one.decided_by, "before_s": one.before_s,
         "after_s": one.after_s}
        for one in data.decisions
    ]  # fmt: skip
    return {
        "version": _VERSION,
        "lsvid": __version__,
        **({"decisions": decided} if decided else {}),
        "coders": [asdict(coder) for coder in comparison.coders],
        "pairs": [asdict(pair) for pair in comparison.pairs],
        "alphas": [asdict(alpha) for alpha in comparison.alphas],
        "disagreements": [_disagreement_row(data, one) for one in comparison.disagreements],
    }


def _agreement_row(pair: PairAgreement) -> dict[str, Any]:
    row = asdict(pair) | {"case": pair.case if pair.case is not None else "(all)"}
    del row["labels"]
    return row | {f"boundaries_{name}": value for name, value in row.pop("boundaries").items()}


_DISAGREEMENT_COLUMNS = (
    "level", "case", "clip", "start_s", "end_s", "start_frame", "stop_frame", "duration_s", "case_start_s", "first",
    "second", "first_labels", "second_labels", "task",
)  # fmt: skip


def _disagreement_row(data: ReportData, one: Disagreement) -> dict[str, Any]:
    values = (
        one.level, one.clip.case, one.clip.name, one.start_s, one.end_s, one.start_frame, one.stop_frame,
        one.duration_s, one.case_start_s, one.first, one.second, _joined(one.first_labels),
        _joined(one.second_labels), data.task_url(one.clip) or one.clip.clip.task_id,
    )  # fmt: skip
    return dict(zip(_DISAGREEMENT_COLUMNS, values, strict=True))


def _joined(labels: Iterable[LabelPath]) -> str:
    return "; ".join(join_path(label) for label in labels)


_TIMING_COLUMNS = tuple(one.name for one in fields(LabelTiming))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"label": join_path(row["label"])}


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, as_json(document, indent=1))
