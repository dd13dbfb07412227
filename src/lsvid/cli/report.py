"""`lsvid report`."""

from typing import TYPE_CHECKING

from lsvid.cli.groups import WRITTEN, command, option
from lsvid.cli.options import output_folder_option, spreadsheet_option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, note_changes, read, source_options

if TYPE_CHECKING:
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.reading import ReadRequest


@command("report")
@source_options
@output_folder_option()
@option(
    WRITTEN,
    "--project-url",
    metavar="URL",
    help="Address for links to tasks, https://…/projects/3. Default: that of --project.",
)
@spreadsheet_option
@boundary_options
@output_options
def report(
    output: Output,
    /,
    request: "ReadRequest",
    boundaries: "BoundaryOptions",
    folder: str,
    project_url: str | None,
    spreadsheet_safe: bool,
) -> None:
    """Times, agreement between annotators, and pictures of both.

    Writes report.html (one page that needs nothing else), timings.csv and .json, figures as PNG and SVG, and, where two
    have annotated one clip, agreement.csv and .json and disagreements.csv.

    \b
    Examples:
      lsvid report --project Surgery -o report/
      lsvid report annotated.json --clips /data/clips --labels labels.txt -o report/
      lsvid report --project 3 --status accepted --status prediction -o report/     people against a model
    """
    from lsvid.dataset import tidied, write_dataset_report
    from lsvid.report import PAGE

    dataset = tidied(read(output, request), boundaries)
    findings = dataset.findings.copy()
    done = write_dataset_report(dataset, folder, findings, project_url=project_url, spreadsheet_safe=spreadsheet_safe)
    output.findings(findings)
    note_changes(output, dataset.changes)
    output.document = {"folder": folder, **done}
    output.note(
        f"{done['occurrences']:,} occurrences in {done['cases']} cases by {len(done['annotators'])} annotators, "
        f"{done['disagreements']:,} disagreements -> {folder.rstrip('/')}/{PAGE}"
    )
