"""`lsvid report`."""

from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import (
    boundary_options,
    input_files,
    note_treatment,
    open_sources,
    source_options,
    spreadsheet_option,
)


@click.command("report")
@source_options
@click.option("-o", "--output", "folder", required=True, metavar="DIR",
              help="Folder to write into, or s3://BUCKET/PREFIX.")  # fmt: skip
@click.option("--project-url", metavar="URL",
              help="Address for links to tasks, https://…/projects/3. Default: that of --project.")  # fmt: skip
@spreadsheet_option
@boundary_options
@output_options
def report(output: Output, /, **options: Any) -> None:
    """Times, agreement between annotators, and pictures of both.

    Writes report.html (one page that needs nothing else), timings.csv and .json, figures as PNG and SVG, and, where two
    have annotated one clip, agreement.csv and .json and disagreements.csv.

    \b
    Examples:
      lsvid report --project Surgery -o report/
      lsvid report annotated.json --clips /data/clips --labels labels.txt -o report/
      lsvid report --project 3 --status accepted --status prediction -o report/     people against a model
    """
    from lsvid.annotations.stages import label_order
    from lsvid.findings import Findings
    from lsvid.report import PAGE, write_report
    from lsvid.report.data import ReportOptions
    from lsvid.writers.export import read_clips

    findings = Findings()
    with open_sources(output, options) as (sources, selection, treatment):
        with output.progress("Reading clips") as step:
            located = read_clips(
                sources, selection, findings, skip_bad=options["skip_bad"], treatment=treatment, on_probed=step
            )
        names = list(sources.names or sources.exports)
        project_url = options["project_url"] or (sources.names[0] if options["project"] else None)
        tree = sources.options.tree
        chosen = ReportOptions(label_order(located.clips, tree), tree, project_url, names)
        done = write_report(
            located,
            options["folder"],
            chosen,
            findings,
            inputs=input_files(options),
            spreadsheet_safe=options["spreadsheet_safe"],
        )
    output.findings(findings)
    note_treatment(output, treatment.report)
    output.document = {"folder": options["folder"], **done}
    output.note(
        f"{done['occurrences']:,} occurrences in {done['cases']} cases by {len(done['annotators'])} annotators, "
        f"{done['disagreements']:,} disagreements -> {options['folder'].rstrip('/')}/{PAGE}"
    )
