"""`lsvid setup-project`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import ANNOTATORS, CLIPS, GENERAL, PAGE, PROJECT, Decorator, command, group, option
from lsvid.cli.options import document_root_option, s3_options, server_options
from lsvid.cli.output import Output, output_options

if TYPE_CHECKING:
    from lsvid.label_studio.setup import Settings, SetupReport
    from lsvid.labeling.config import Timeline


def _speed(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0.25 <= speed <= 10:
        raise click.BadParameter(f"{value!r} is no speed from 0.25 to 10", ctx, param)
    return f"{speed:g}"


_SETTINGS: tuple[Decorator, ...] = (
    click.argument("labels", metavar="LABELS", required=False),
    option(PROJECT, "--title", metavar="TITLE",
           help="The project's title; default: the label file's name without its ending."),
    option(PROJECT, "--project", metavar="ID|TITLE",
           help="Update this project; digits only are an id. --title renames it."),
    option(PAGE, "--timeline", type=click.Choice(["frames", "waveform", "both"]), show_default="frames; or as it is",
           help="What annotators draw on. frames: exact to the frame, for short events. waveform: a strip that "
           "zooms, for spans of minutes. both: labels of --frames, or marked 'timeline: frames', on frames, the "
           "others on the strip."),
    option(PAGE, "--frames", "on_frames", multiple=True, metavar="LABEL",
           help="With --timeline both: a top-level label that is drawn on the frames; the others go to the strip. "
           "Repeatable."),
    option(PAGE, "--pass", "stage", type=click.Choice(["regions", "labels"]),
           help="Label in two passes. regions: one label, REGION_OF_INTEREST, and nothing to choose; LABELS is not "
           "needed. labels: pick the label of each region, which lsvid second-pass brings."),
    option(CLIPS, "--storage", "storages", multiple=True, metavar="DIR[=SERVER_DIR]|s3://...",
           help="Folder of clips, strictly below the server's document root; SERVER_DIR if the server sees it "
           "under another path (a container); or s3://BUCKET/PREFIX. Repeatable."),
    option(CLIPS, "--presign/--no-presign", default=True, show_default=True,
           help="With s3://: let browsers read clips from S3 itself, by signed addresses, or pass them on through "
           "Label Studio."),
    option(CLIPS, "--presign-minutes", type=int, default=480, show_default=True, metavar="N",
           help="How long a signed address works."),
    option(PAGE, "--speed", metavar="X", show_default="1; or as it is", callback=_speed,
           help="How fast clips play when they are opened, from 0.25 to 10: 2 for twice as fast."),
    document_root_option,
    option(ANNOTATORS, "--annotations-per-clip", type=click.IntRange(min=1), metavar="N", show_default="1; or as it is",
           help="How many people are to annotate each clip."),
    option(ANNOTATORS, "--order", type=click.Choice(["case", "uncertain"]), show_default="case; or as it is",
           help="What annotators get first. case: whole cases, their clips in order. uncertain: first the "
           "clips with the least certain predictions (import-clips --spans)."),
    option(GENERAL, "--force", is_flag=True, help="Update even if annotations use labels that are removed."),
    option(GENERAL, "--dry-run", is_flag=True, help="Change nothing; print the change of the labelling configuration."),
)  # fmt: skip


def _settings(
    labels: str | None,
    title: str | None,
    project: str | None,
    timeline: "Timeline | None",
    on_frames: tuple[str, ...],
    stage: str | None,
    storages: tuple[str, ...],
    presign: bool,
    presign_minutes: int,
    speed: str | None,
    document_root: str | None,
    annotations_per_clip: int | None,
    order: str | None,
    force: bool,
    dry_run: bool,
) -> "Settings":
    from lsvid.label_studio.media import parse_storage
    from lsvid.label_studio.project import StorageFolder, check_below_root, checked_title
    from lsvid.label_studio.setup import Settings
    from lsvid.labeling.second_pass import FIRST_PASS
    from lsvid.labels.files import read_labels

    if stage == "regions":
        if labels is not None or (title is None and project is None):
            raise click.UsageError("--pass regions takes no LABELS, and needs a --title (or --project)")
        tree = FIRST_PASS
    elif labels is None:
        raise click.UsageError("Missing argument 'LABELS'.")
    else:
        tree = read_labels(labels).on_frames(on_frames)
        title = Path(labels).stem if title is None and project is None else title
    connected_to = [parse_storage(text, presign=presign, minutes=presign_minutes) for text in storages]
    for storage in connected_to:
        if document_root and isinstance(storage, StorageFolder):
            check_below_root(storage, document_root)
    return Settings(
        tree,
        checked_title(title) if title is not None else None,
        timeline,
        connected_to,
        is_second_pass=stage == "labels",
        annotations_per_clip=annotations_per_clip,
        speed=speed,
        order=order,
        project=project,
        force=force,
        dry_run=dry_run,
    )


@command("setup-project")
@s3_options
@group("settings", _settings, *_SETTINGS)
@server_options
@output_options
def setup_project(output: Output, /, settings: "Settings", url: str, api_key: str | None) -> None:
    """Make or update a Label Studio project from a label file.

    LABELS is a text file (one label a line, depth by dashes or indentation), a table (CSV, TSV), YAML or JSON. A
    project of the same title is updated: labels are added, removed and renamed, unless annotations would lose theirs.
    Run it again at any time.

    \b
    Examples:
      lsvid setup-project labels.txt --title Surgery --storage /data/clips
      lsvid setup-project labels.yaml --title Surgery --timeline waveform --dry-run
      lsvid setup-project labels.txt --title Surgery --storage s3://recordings/2026
      lsvid setup-project --pass regions --title Regions --storage /data/clips
      lsvid setup-project labels.txt --project 3 --storage /data/clips=/label-studio/files/clips
    """
    from lsvid.findings import Findings
    from lsvid.label_studio import setup

    server = connected(output, url, api_key, changes=True)
    findings = Findings()
    report = setup.setup_project(server, settings, findings)
    address = server.project_url(report.project_id) if report.project_id is not None else None
    output.document = {
        "version": 1,
        "command": "setup-project",
        "dry_run": settings.dry_run,
        "status": report.status,
        "project": {"id": report.project_id, "title": report.title, "url": address},
        "timeline": report.timeline,
        "labels": {
            "added": report.changes.added,
            "removed": report.changes.removed,
            "renamed": [{"from": old, "to": new} for old, new in report.changes.renamed],
        },
        "storages": [{"path": path, "status": "present" if there else "connected"} for path, there in report.storages],
        "diff": report.diff,
    }
    output.findings(findings)
    _tell(output, report, address, dry_run=settings.dry_run)


def _tell(output: Output, report: "SetupReport", address: str | None, *, dry_run: bool) -> None:
    if dry_run and not output.json and report.diff:
        output.text(report.diff)
    if report.status == "updated":
        for line in report.changes.lines():
            output.note(f"  {line}")
    for path, there in report.storages:
        if not there:
            output.note(f"  storage folder {path}: {'would be ' if dry_run else ''}connected")
    number = "" if report.project_id is None else f" {report.project_id}"
    status = report.status if not dry_run or report.status == "unchanged" else f"would be {report.status}"
    where = f"; {address}" if address else ""
    output.note(f"project{number} ({report.title}), timeline {report.timeline}: {status}{where}")
