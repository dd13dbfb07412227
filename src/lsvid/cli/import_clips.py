"""`lsvid import-clips`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import ANNOTATORS, CLIPS, GENERAL, PROJECT, SPANS, Decorator, command, group, option
from lsvid.cli.options import (
    CASE_OPTIONS,
    case_rule,
    document_root_option,
    open_workers,
    probability_options,
    s3_options,
    scheduler_option,
    server_options,
)
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import FLAT_LABEL_OPTIONS, read_renames

if TYPE_CHECKING:
    from fractions import Fraction

    from lsvid.annotations.probabilities import ProbabilityOptions
    from lsvid.label_studio.imports import ImportReport, ImportRequest


_REQUEST: tuple[Decorator, ...] = (
    click.argument("sources", nargs=-1, required=True, metavar="SOURCE..."),
    option(PROJECT, "--project", required=True, metavar="ID|TITLE", help="The project; digits only are an id."),
    *CASE_OPTIONS,
    option(CLIPS, "--order", type=click.Choice(["name", "recorded"]), default="name", show_default=True,
           help="Order the clips of a case by name (clip_2 before clip_10), or by time of recording."),
    option(CLIPS, "--proxies", metavar="DIR",
           help="Show annotators the copies in DIR (or s3://BUCKET/PREFIX) that make-proxies made. Exports read "
           "the clips."),
    option(CLIPS, "--storage", "storages", multiple=True, metavar="DIR=SERVER_DIR",
           help="The server sees the folder DIR as SERVER_DIR. Not needed if setup-project was told so; "
           "repeatable."),
    option(ANNOTATORS, "--assign", "assignment", metavar="FILE",
           help="A CSV file of who takes which case (case,person): each person gets a tab with "
           "their cases."),
    document_root_option,
    option(SPANS, "--spans", "spans_files", multiple=True, metavar="FILE",
           help="Import annotations of the clips, too: lsvid spans, a Prodigy or Label Studio export, a model's "
           "probabilities, or another format that lsvid reads; repeatable."),
    option(SPANS, "--as", "kind", type=click.Choice(["predictions", "annotations"]), default="predictions",
           show_default=True, help="Import --spans as predictions, from which annotators start, or as finished "
           "annotations."),
    *FLAT_LABEL_OPTIONS,
    probability_options,
    option(SPANS, "--skip-bad", is_flag=True, help="Leave bad spans out and count them, instead of stopping."),
    option(GENERAL, "--dry-run", is_flag=True, help="Say what would be imported; change nothing."),
)  # fmt: skip


def _request(
    sources: tuple[str, ...],
    project: str,
    case: str | None,
    case_from: str | None,
    order: str,
    proxies: str | None,
    storages: tuple[str, ...],
    assignment: str | None,
    document_root: str | None,
    spans_files: tuple[str, ...],
    kind: Literal["predictions", "annotations"],
    renames: tuple[str, ...],
    label_separator: str,
    datasets: tuple[str, ...],
    tiers: tuple[str, ...],
    tier_names: str,
    point_s: "Fraction | None",
    probabilities: "ProbabilityOptions",
    skip_bad: bool,
    dry_run: bool,
) -> "ImportRequest":
    from lsvid.label_studio.annotations import SpanImport
    from lsvid.label_studio.imports import ImportRequest
    from lsvid.label_studio.media import parse_mapping
    from lsvid.readers.documents import ReadOptions
    from lsvid.reading import read_assignment
    from lsvid.video.clips import CaseRule, find_clips

    options = ReadOptions(
        case_rule(case, case_from), datasets=datasets, tiers=tiers, tier_names=tier_names,
        point_s=None if point_s is None else float(point_s), probabilities=probabilities,
    )  # fmt: skip
    spans = SpanImport(spans_files, options, kind, read_renames(renames), label_separator, skip_bad, dry_run)
    return ImportRequest(
        project=project,
        assigned=read_assignment(assignment) if assignment else {},
        mappings=[parse_mapping(text) for text in storages],
        clips=find_clips(sources, CaseRule.parse(case, case_from or "parent")),
        root=document_root,
        by_recorded_time=order == "recorded",
        proxies=proxies,
        spans=spans if spans_files else None,
        dry_run=dry_run,
    )


@command("import-clips")
@s3_options
@group("request", _request, *_REQUEST)
@scheduler_option
@server_options
@output_options
def import_clips(
    output: Output, /, request: "ImportRequest", scheduler: str | None, url: str, api_key: str | None
) -> None:
    """Put video clips into a project, in ascending order.

    A SOURCE is a folder, a file, a glob, s3://BUCKET/PREFIX, or a manifest (CSV or JSONL with the column path, and
    optionally case, clip and order). Clips are ordered by case, then by name, and annotators get them in this order.
    Run it again when you have new clips: only these are added.

    \b
    Examples:
      lsvid import-clips /data/clips --project Surgery
      lsvid import-clips '/data/clips/op1/*.mp4' --project 3 --case op1
      lsvid import-clips s3://recordings/2026/ --project Surgery
      lsvid import-clips /data/clips --project Surgery --proxies /data/proxies
      lsvid import-clips /data/clips --project Surgery --assign people.csv
      lsvid import-clips manifest.csv --project Surgery --dry-run
      lsvid import-clips /data/clips --project Surgery --spans prodigy.db --dataset timeline --as annotations
    """
    from lsvid.findings import Findings
    from lsvid.label_studio import imports

    server = connected(output, url, api_key, changes=True)
    findings = Findings()
    with open_workers(scheduler) as workers:
        report = imports.import_clips(server, request, findings, output.progress, workers)
    address = server.project_url(report.project.id)
    output.document = {
        "version": 1,
        "command": "import-clips",
        "dry_run": request.dry_run,
        "project": {"id": report.project.id, "title": report.project.title, "url": address},
        "items": [asdict(item) for item in report.items],
        "spans": {"as": request.spans.kind, **report.spans} if request.spans else None,
    }
    output.findings(findings)
    output.note(_summary(report, address))
    if request.spans:
        verb = "would add" if request.dry_run else "added"
        counts = report.spans
        output.note(f"{request.spans.kind}: {verb} {counts['added']}, there already: {counts['unchanged']}")
    _raise_failed(report)


def _raise_failed(report: "ImportReport") -> None:
    from lsvid.errors import DataError

    bad = [item for item in report.items if item.error]
    if bad:
        raise DataError(
            "\n".join(
                [f"{len(bad)} of {len(report.items)} clips were not imported:", *(f"  {item.error}" for item in bad)]
            ),
            next(filter(None, (item.hint for item in bad)), "give clips with other content another name")
            + "; then run the same command again: it adds only what is missing",
        )


def _summary(report: "ImportReport", url: str) -> str:
    counts = [("imported", "imported"), ("new", "would import"), ("unchanged", "there already:"),
              ("changed", "changed:"), ("failed", "failed:")]  # fmt: skip
    said = [f"{text} {report.count(status)}" for status, text in counts if report.count(status)]
    return f"project {report.project.id} ({report.project.title}), clips {', '.join(said)}; {url}"
