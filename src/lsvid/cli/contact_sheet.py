"""`lsvid contact-sheet`."""

from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, input_files, open_sources, source_options


@click.command("contact-sheet")
@source_options
@click.option(
    "-o", "--output", "path", required=True, metavar="FILE", help="The page to write, such as sheet.html; also s3://…"
)
@click.option("--short-side", type=click.IntRange(min=16), default=120, show_default=True, metavar="N",
              help="Size of the pictures: their shorter side in pixels.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Clips to take pictures from at a time. Default: one for every core.")  # fmt: skip
@boundary_options
@output_options
def contact_sheet(output: Output, /, **options: Any) -> None:
    """Show the first, middle and last picture of every span on one page.

    To see in a minute whether labels and pictures match. The page is one HTML file that needs nothing else.

    \b
    Examples:
      lsvid contact-sheet --project Surgery -o sheet.html
      lsvid contact-sheet annotated.json --clips /data/clips --annotator eva@example.org -o eva.html
    """
    from lsvid.annotations.stages import label_order
    from lsvid.findings import Findings
    from lsvid.report.contact_sheet import write_contact_sheet
    from lsvid.writers.export import read_clips

    findings = Findings()
    with open_sources(output, options) as (sources, selection, treatment):
        with output.progress("Reading clips") as step:
            located = read_clips(
                sources, selection, findings, skip_bad=options["skip_bad"], treatment=treatment, on_probed=step
            )
        labels = label_order(located.clips, sources.options.tree)
        with output.progress("Taking pictures") as step:
            rows = write_contact_sheet(
                located.clips, options["path"], labels, findings, inputs=input_files(options),
                short_side=options["short_side"],
                jobs=options["jobs"], on_progress=step,
            )  # fmt: skip
    output.findings(findings)
    output.document = {"version": 1, "command": "contact-sheet", "path": options["path"], "spans": rows}
    output.note(f"{rows:,} spans -> {options['path']}")
