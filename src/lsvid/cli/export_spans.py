"""`lsvid export-spans`."""

import sys
from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import open_sources, source_options


@click.command("export-spans")
@source_options
@click.option("-o", "--output", "file", metavar="FILE", help="File to write, also s3://…; default: standard output.")
@click.option(
    "--all", "everything", is_flag=True, help="Every annotation of whatever status, not only those that count."
)
@output_options
def export_spans(output: Output, /, **options: Any) -> None:
    """Turn annotations into spans: JSON Lines, one record a line, lossless.

    Three kinds of record: clip, annotation (so that "annotated, nothing happens here" is not lost), and span.

    \b
    Examples:
      lsvid export-spans --project Surgery -o spans.jsonl
      lsvid export-spans annotated.jsonl --clips /data/clips | head
    """
    from lsvid.export import output_file, span_records, write_spans
    from lsvid.findings import Findings
    from lsvid.spans import to_json_line

    if output.json and not options["file"]:
        raise click.UsageError("--json and the spans would share standard output: name a file with -o")
    findings = Findings()
    with open_sources(output, options) as (sources, selection):
        chosen = None if options["everything"] else selection
        records = span_records(sources, chosen, findings, skip_bad=options["skip_bad"])
        if options["file"]:
            with output_file(options["file"]) as path:
                count = write_spans(records, path)
            output.document = {"file": options["file"], "records": count}
        else:
            count = 0
            for record in records:
                sys.stdout.buffer.write(to_json_line(record))
                count += 1
    output.findings(findings)
    output.note(f"{count:,} records -> {options['file'] or 'standard output'}")
