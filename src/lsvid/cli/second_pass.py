"""`lsvid second-pass`."""

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import command
from lsvid.cli.options import server_options
from lsvid.cli.output import Output, output_options


@command("second-pass")
@click.option("--from", "first", required=True, metavar="ID|TITLE", help="The project of the first pass.")
@click.option("--to", "second", required=True, metavar="ID|TITLE", help="The project of the second.")
@click.option("--annotator", "annotators", multiple=True, metavar="E-MAIL",
              help="Take the regions of this person, if several marked the same clips; repeatable.")  # fmt: skip
@click.option("--disagreements", is_flag=True,
              help="Bring the clips on which two people differ, with both versions; a third decides.")  # fmt: skip
@click.option("--more-than", "more_than_s", metavar="S", show_default="0",
              help="With --disagreements: only clips on which they differ for more than S seconds.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be brought; change nothing.")
@server_options
@output_options
def second_pass(
    output: Output,
    /,
    first: str,
    second: str,
    annotators: tuple[str, ...],
    disagreements: bool,
    more_than_s: str | None,
    dry_run: bool,
    url: str,
    api_key: str | None,
) -> None:
    """Copy the regions of a first pass into the project of a second pass, in which each region gets its label.

    Clips come in the order of the first project, each with the regions of its submitted annotation. Run it again when
    more clips have been submitted.

    With --disagreements the second project has the labels of the first, and gets the clips on which two people differ.
    Open a clip from its case's tab: both versions are shown beside the new annotation, as predictions with the
    annotators' names. The annotation that is submitted there is the ground truth.

    \b
    Examples:
      lsvid setup-project --pass regions --title Regions --storage /data/clips
      lsvid import-clips /data/clips --project Regions
      lsvid setup-project labels.txt --pass labels --title Labels
      lsvid second-pass --from Regions --to Labels
      lsvid export-frames --project Labels -o frames/

    \b
      lsvid setup-project labels.txt --title Decided
      lsvid second-pass --from Surgery --to Decided --disagreements --more-than 2
      lsvid export-frames --project Decided --annotations ground-truth -o frames/
    """
    from fractions import Fraction

    from lsvid.findings import Findings
    from lsvid.label_studio.decisions import bring_disagreements
    from lsvid.label_studio.second_pass import bring_regions

    if more_than_s is not None and not disagreements:
        raise click.UsageError("--more-than is for --disagreements")
    try:
        least_s = Fraction(more_than_s or 0)
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(f"{more_than_s!r} is not a number of seconds", param_hint="--more-than") from error
    server = connected(output, url, api_key, changes=True)
    findings = Findings()
    if disagreements:
        counts = bring_disagreements(server, first, second, annotators, least_s, findings, dry_run=dry_run)
    else:
        counts = bring_regions(server, first, second, annotators, findings, dry_run=dry_run)
    output.findings(findings)
    output.document = {"version": 1, "command": "second-pass", "dry_run": dry_run, "clips": dict(counts)}
    verb = "would add" if dry_run else "added"
    agreed = f", agreed on {counts['agree']}" if disagreements else ""
    output.note(
        f"clips: {verb} {counts['added']}, updated {counts['updated']}, unchanged {counts['unchanged']}{agreed}"
    )
