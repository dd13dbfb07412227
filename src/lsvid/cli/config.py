"""`lsvid config`."""

from typing import TYPE_CHECKING

import click

from lsvid.cli.output import Output, output_options

if TYPE_CHECKING:
    from lsvid.labeling.config import Timeline


@click.command()
@click.argument("labels", metavar="LABELS")
@click.option("--timeline", type=click.Choice(["frames", "waveform", "both"]), default="frames", show_default=True,
              help="What annotators draw on. frames: frame-exact, for short events. waveform: a zoomable strip, for "
              "spans of minutes. both: labels marked 'timeline: frames' on frames, the rest on the strip.")  # fmt: skip
@click.option("--frames", "on_frames", multiple=True, metavar="LABEL",
              help="With --timeline both: a top-level label that is drawn on the frames; the others go to the strip. "
              "Repeatable.")  # fmt: skip
@click.option("-o", "--output", "file", metavar="FILE", help="File to write, also s3://…; default: standard output.")
@output_options
def config(output: Output, /, labels: str, timeline: "Timeline", on_frames: tuple[str, ...], file: str | None) -> None:
    """Print the labelling configuration (XML) that Label Studio gets for a label file.

    LABELS is a text file (one label a line, depth by dashes or indentation), a table (CSV, TSV), YAML or JSON. No
    server is asked. You can paste the XML into a project's settings by hand.

    \b
    Examples:
      lsvid config labels.txt
      lsvid config labels.txt --timeline both --frames Clipping --frames Cutting
      lsvid config labels.yaml --timeline waveform -o labels.xml
    """
    from lsvid.labeling.config import labeling_config
    from lsvid.labels.files import read_labels

    tree = read_labels(labels).on_frames(on_frames)
    xml = labeling_config(tree, timeline)
    output.document = {"version": 1, "command": "config", "timeline": timeline, "labels": len(tree.paths())}
    if file:
        from lsvid.files.outputs import whole_file, write_text

        with whole_file(file, lambda start: start.startswith(b"<View"), [labels]) as temporary:
            write_text(temporary, xml)
        output.document["file"] = file
        output.note(f"{len(tree.paths())} labels -> {file}")
    elif output.json:
        output.document["config"] = xml
    else:
        output.data([xml.encode()])
