"""`lsvid contact-sheet`."""

from typing import TYPE_CHECKING

import click

from lsvid.cli.groups import PICTURES, WRITTEN, command, option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, read, source_options

if TYPE_CHECKING:
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.reading import ReadRequest


@command("contact-sheet")
@source_options
@option(
    WRITTEN,
    "-o",
    "--output",
    "path",
    required=True,
    metavar="FILE",
    help="The page to write, such as sheet.html; also s3://…",
)
@option(
    PICTURES,
    "--short-side",
    type=click.IntRange(min=16),
    default=180,
    show_default=True,
    metavar="N",
    help="Size of the pictures: their shorter side in pixels.",
)
@option(
    PICTURES,
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Clips to take pictures from at a time. Default: one for every core.",
)
@boundary_options
@output_options
def contact_sheet(
    output: Output,
    /,
    request: "ReadRequest",
    boundaries: "BoundaryOptions",
    path: str,
    short_side: int,
    jobs: int | None,
) -> None:
    """Show the first, middle and last picture of every span on one page.

    With it you see in a minute whether labels and pictures match. The page is one HTML file that needs nothing else.

    \b
    Examples:
      lsvid contact-sheet --project Surgery -o sheet.html
      lsvid contact-sheet annotated.json --clips /data/clips --annotator eva@example.org -o eva.html
    """
    from lsvid.dataset import tidied
    from lsvid.report.contact_sheet import write_contact_sheet

    dataset = tidied(read(output, request), boundaries)
    findings = dataset.findings.copy()
    with output.progress("Taking pictures") as step:
        rows = write_contact_sheet(
            dataset.located.clips, path, dataset.labels, findings, inputs=dataset.inputs, sources=dataset.sources,
            project_url=dataset.project_url, short_side=short_side, jobs=jobs, on_progress=step,
        )  # fmt: skip
    output.findings(findings)
    output.document = {"version": 1, "command": "contact-sheet", "path": path, "spans": rows}
    output.note(f"{rows:,} spans -> {path}")
