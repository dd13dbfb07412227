"""`lsvid export-spans`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lsvid.cli.groups import READ, WRITTEN, command, option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, note_changes, read, source_options
from lsvid.writers import SPAN_WRITERS

if TYPE_CHECKING:
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.reading import ReadRequest


@command("export-spans")
@source_options
@option(
    READ, "--all", "everything", is_flag=True, help="Write every annotation of every status, not only those that count."
)
@option(WRITTEN, "-o", "--output", "file", metavar="FILE", help="File to write, also s3://…; default: standard output.")
@option(
    WRITTEN,
    "--format",
    "file_format",
    type=click.Choice(SPAN_WRITERS),
    default="spans",
    show_default=True,
    help="spans: lsvid's own format, lossless. prodigy: tasks for db-in or audio.manual.",
)
@boundary_options
@output_options
def export_spans(
    output: Output,
    /,
    request: "ReadRequest",
    boundaries: "BoundaryOptions",
    everything: bool,
    file: str | None,
    file_format: str,
) -> None:
    """Turn annotations into spans: JSON Lines, one record a line, lossless.

    Three kinds of record: clip, annotation (so that "annotated, nothing happens here" is not lost), and span.

    \b
    Examples:
      lsvid export-spans --project Surgery -o spans.jsonl
      lsvid export-spans annotated.jsonl --clips /data/clips | head
      lsvid export-spans --project Surgery --format prodigy -o annotated.jsonl
    """
    from lsvid.dataset import tidied
    from lsvid.writers.export import span_lines, write_lines

    if output.json and not file:
        raise click.UsageError("--json and the spans would share standard output: name a file with -o")
    wanted = replace(request, selection=None) if everything else request
    dataset = tidied(read(output, wanted, lenient=True), boundaries)
    lines = span_lines(dataset.records(), file_format, request.separator, dataset.findings, skip_bad=request.skip_bad)
    if file:
        write_lines(lines, file, request.inputs)
    else:
        output.data(lines)
    output.document = {"file": file, "records": len(lines), **dataset.changes}
    output.findings(dataset.findings)
    note_changes(output, dataset.changes)
    output.note(f"{len(lines):,} records -> {file or 'standard output'}")
