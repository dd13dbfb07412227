"""`lsvid export-spans`."""

from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, input_files, note_treatment, open_sources, source_options
from lsvid.writers import SPAN_WRITERS


@click.command("export-spans")
@source_options
@click.option("-o", "--output", "file", metavar="FILE", help="File to write, also s3://…; default: standard output.")
@click.option("--format", "file_format", type=click.Choice(SPAN_WRITERS), default="spans", show_default=True,
              help="spans: lsvid's own, lossless. prodigy: tasks for db-in or audio.manual.")  # fmt: skip
@click.option(
    "--all", "everything", is_flag=True, help="Every annotation of whatever status, not only those that count."
)
@boundary_options
@output_options
def export_spans(output: Output, /, **options: Any) -> None:
    """Turn annotations into spans: JSON Lines, one record a line, lossless.

    Three kinds of record: clip, annotation (so that "annotated, nothing happens here" is not lost), and span.

    \b
    Examples:
      lsvid export-spans --project Surgery -o spans.jsonl
      lsvid export-spans annotated.jsonl --clips /data/clips | head
      lsvid export-spans --project Surgery --format prodigy -o annotated.jsonl
    """
    from lsvid.findings import Findings
    from lsvid.writers.export import span_lines, span_records, write_lines

    if output.json and not options["file"]:
        raise click.UsageError("--json and the spans would share standard output: name a file with -o")
    findings, skip_bad = Findings(), options["skip_bad"]
    with open_sources(output, options) as (sources, selection, treatment):
        chosen = None if options["everything"] else selection
        records = span_records(sources, chosen, findings, skip_bad=skip_bad, treatment=treatment)
        lines = span_lines(records, options["file_format"], options["label_separator"], findings, skip_bad=skip_bad)
        if options["file"]:
            write_lines(lines, options["file"], input_files(options))
        else:
            output.data(lines)
    output.document = {"file": options["file"], "records": len(lines), **treatment.report}
    output.findings(findings)
    note_treatment(output, treatment.report)
    output.note(f"{len(lines):,} records -> {options['file'] or 'standard output'}")
