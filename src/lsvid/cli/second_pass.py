"""`lsvid second-pass`."""

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import command
from lsvid.cli.options import server_options
from lsvid.cli.output import Output, output_options


@command("second-pass")
@click.option("--from", "first", required=True, metavar="ID|TITLE", help="The project in which regions were marked.")
@click.option("--to", "second", required=True, metavar="ID|TITLE", help="The project in which they get their labels.")
@click.option("--annotator", "annotators", multiple=True, metavar="E-MAIL",
              help="Whose regions, where several people marked the same clips; repeatable.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be brought; change nothing.")
@server_options
@output_options
def second_pass(
    output: Output,
    /,
    first: str,
    second: str,
    annotators: tuple[str, ...],
    dry_run: bool,
    url: str,
    api_key: str | None,
) -> None:
    """Bring the regions of a first pass to the project of a second, where each gets its label.

    Clips come in the order of the first project, each with the regions of its submitted annotation. Run it again when
    more clips have been submitted.

    \b
    Examples:
      lsvid setup-project --pass regions --title Regions --storage /data/clips
      lsvid import-clips /data/clips --project Regions
      lsvid setup-project labels.txt --pass labels --title Labels
      lsvid second-pass --from Regions --to Labels
      lsvid export-frames --project Labels -o frames/
    """
    from lsvid.findings import Findings
    from lsvid.label_studio.second_pass import bring_regions

    server = connected(output, url, api_key, changes=True)
    findings = Findings()
    counts = bring_regions(server, first, second, annotators, findings, dry_run=dry_run)
    output.findings(findings)
    output.document = {"version": 1, "command": "second-pass", "dry_run": dry_run, "clips": dict(counts)}
    verb = "would add" if dry_run else "added"
    output.note(f"clips: {verb} {counts['added']}, updated {counts['updated']}, unchanged {counts['unchanged']}")
