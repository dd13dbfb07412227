"""`lsvid import-clips`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import ANNOTATORS, CLIPS, GENERAL, PROJECT, SPANS, command, option
from lsvid.cli.options import (
    case_options,
    document_root_option,
    open_workers,
    s3_options,
    scheduler_option,
    server_options,
)
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import flat_label_options, read_renames

if TYPE_CHECKING:
    from fractions import Fraction

    from lsvid.label_studio.imports import ImportReport


@command("import-clips")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@option(PROJECT, "--project", required=True, metavar="ID|TITLE", help="The project; digits only are an id.")
@case_options
@option(CLIPS, "--order", type=click.Choice(["name", "recorded"]), default="name", show_default=True,
              help="Order the clips of a case by name (clip_2 before clip_10), or by time of recording.")  # fmt: skip
@option(CLIPS, "--proxies", metavar="DIR",
              help="Show annotators the copies in DIR (or s3://BUCKET/PREFIX) that make-proxies made. Exports read "
              "the clips.")  # fmt: skip
@option(CLIPS, "--storage", "storages", multiple=True, metavar="DIR=SERVER_DIR",
              help="The server sees the folder DIR as SERVER_DIR. Not needed if setup-project was told so; "
              "repeatable.")  # fmt: skip
@option(ANNOTATORS, "--assign", "assignment", metavar="FILE",
              help="A CSV file of who takes which case (case,person): each person gets a tab with "
              "their cases.")  # fmt: skip
@document_root_option
@option(SPANS, "--spans", "spans_files", multiple=True, metavar="FILE",
              help="Import annotations of the clips, too: lsvid spans, a Prodigy or Label Studio export, a model's "
              "probabilities, or another format that lsvid reads; repeatable.")  # fmt: skip
@option(SPANS, "--as", "kind", type=click.Choice(["predictions", "annotations"]), default="predictions",
              show_default=True, help="Import --spans as predictions, from which annotators start, or as finished "
              "annotations.")  # fmt: skip
@flat_label_options
@option(SPANS, "--skip-bad", is_flag=True, help="Leave bad spans out and count them, instead of stopping.")
@option(GENERAL, "--dry-run", is_flag=True, help="Say what would be imported; change nothing.")
@scheduler_option
@s3_options
@server_options
@output_options
def import_clips(
    output: Output,
    /,
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
    probabilities: Any,
    skip_bad: bool,
    dry_run: bool,
    scheduler: str | None,
    url: str,
    api_key: str | None,
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
    from lsvid.errors import DataError
    from lsvid.findings import Findings
    from lsvid.label_studio import imports
    from lsvid.label_studio.annotations import SpanImport, import_spans
    from lsvid.label_studio.media import parse_mapping
    from lsvid.readers.documents import ReadOptions
    from lsvid.reading import read_assignment
    from lsvid.video.clips import CaseRule, find_clips

    new_names = read_renames(renames)
    assigned = read_assignment(assignment) if assignment else {}
    mappings = [parse_mapping(text) for text in storages]
    clips = find_clips(sources, CaseRule.parse(case, case_from or "parent"))
    server = connected(output, url, api_key, changes=True)
    findings = Findings()
    with open_workers(scheduler) as workers:
        options = imports.ImportOptions(
            mappings=mappings, root=document_root, by_recorded_time=order == "recorded",
            proxies=proxies, assigned=assigned, dry_run=dry_run, workers=workers,
        )  # fmt: skip
        report = imports.import_clips(server, project, clips, options, findings, output.progress)
    counts: dict[str, int] = {}
    if spans_files:
        rule = CaseRule.parse(case, case_from or "parent") if case is not None or case_from is not None else None
        wanted = SpanImport(
            spans_files, ReadOptions(
                rule, datasets=datasets, tiers=tiers, tier_names=tier_names,
                point_s=None if point_s is None else float(point_s), probabilities=probabilities,
            ), kind, new_names,
            label_separator, skip_bad, dry_run,
        )  # fmt: skip
        usable = [
            clip for clip, item in zip(clips, report.items, strict=True) if item.task is not None and not item.error
        ]
        with output.progress(f"importing {kind}") as on_done:
            counts = import_spans(server, str(report.project.id), usable, wanted, findings, on_done)
    address = server.project_url(report.project.id)
    output.document = {
        "version": 1,
        "command": "import-clips",
        "dry_run": dry_run,
        "project": {"id": report.project.id, "title": report.project.title, "url": address},
        "items": [asdict(item) for item in report.items],
        "spans": {"as": kind, **counts} if spans_files else None,
    }
    output.findings(findings)
    output.note(_summary(report, address))
    if spans_files:
        verb = "would add" if dry_run else "added"
        output.note(f"{kind}: {verb} {counts.get('added', 0)}, there already: {counts.get('unchanged', 0)}")
    bad = [item for item in report.items if item.error]
    if bad:
        raise DataError(
            "\n".join([f"{len(bad)} of {len(clips)} clips were not imported:", *(f"  {item.error}" for item in bad)]),
            next(filter(None, (item.hint for item in bad)), "give clips with other content another name")
            + "; then run the same command again: it adds only what is missing",
        )


def _summary(report: "ImportReport", url: str) -> str:
    counts = [("imported", "imported"), ("new", "would import"), ("unchanged", "there already:"),
              ("changed", "changed:"), ("failed", "failed:")]  # fmt: skip
    said = [f"{text} {report.count(status)}" for status, text in counts if report.count(status)]
    return f"project {report.project.id} ({report.project.title}), clips {', '.join(said)}; {url}"
