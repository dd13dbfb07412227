"""`lsvid export-frames`."""

import sys
from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import open_sources, source_options

FORMATS = ("csv", "jsonl", "parquet")


@click.command("export-frames")
@source_options
@click.option("-o", "--output", "folder", required=True, metavar="DIR",
              help="Folder to write into, or s3://BUCKET/PREFIX.")  # fmt: skip
@click.option("--format", "file_format", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--layout", type=click.Choice(["long", "wide"]), default="long", show_default=True,
              help="long: a row per frame and active label. wide: a row per frame, 0/1 columns of labels.")  # fmt: skip
@click.option("--sample-fps", metavar="S", help="Keep the first picture of every 1/S seconds of each clip.")
@click.option("--split-by", type=click.Choice(["case"]), help="One file a case.")
@click.option("--background", metavar="NAME", help="Label for frames that have none; by default they stay empty.")
@click.option("--include-unannotated", is_flag=True, help="Bring the clips that nobody has annotated, too.")
@output_options
def export_frames(output: Output, /, **options: Any) -> None:
    """Turn annotations into one label row per frame.

    Every frame of every annotated clip is there, labelled or not. Columns: case, clip, frame, case_frame, time_s,
    case_time_s, annotator, region, label, level_1 and on. Frames count from 0.

    \b
    Examples:
      lsvid export-frames --project Surgery -o frames/
      lsvid export-frames annotated.jsonl --clips /data/clips -o frames/ --format parquet
      lsvid export-frames --project 3 -o frames/ --layout wide --sample-fps 1 --background none
    """
    from lsvid.dataset import label_order
    from lsvid.export import export_frames, output_folder, read_clips
    from lsvid.findings import Findings
    from lsvid.frames import TableOptions
    from lsvid.timebase import parse_rate

    try:
        sample_fps = parse_rate(options["sample_fps"]) if options["sample_fps"] is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--sample-fps") from error
    findings = Findings()
    with open_sources(output, options) as (sources, selection):
        with output.progress("Reading clips") as step:
            clips = read_clips(sources, selection, findings, skip_bad=options["skip_bad"], on_probed=step)
        labels = label_order(clips, sources.options.tree)
        table = TableOptions(labels, options["layout"] == "wide", sample_fps, options["background"])
        with output_folder(options["folder"]) as folder, output.progress("Writing frames", len(clips)) as step:
            manifest = export_frames(
                clips,
                folder,
                sources,
                table,
                findings,
                file_format=options["file_format"],
                split_by_case=options["split_by"] == "case",
                include_unannotated=options["include_unannotated"],
                command=_command_line(),
                on_clip=step,
            )
    output.findings(findings)
    counts = manifest["counts"]
    output.document = {"folder": options["folder"], "manifest": manifest}
    output.note(
        f"{counts['rows']:,} rows for {counts['frames']:,} frames of {counts['clips']} clips, "
        f"{counts['spans']:,} spans, {len(manifest['annotators'])} annotators -> {options['folder']}"
    )


def _command_line() -> list[str]:
    """The command as it was given, without the key."""
    words, hide = [], False
    for word in ["lsvid", *sys.argv[1:]]:
        if hide:
            words.append("***")
        elif word.startswith("--api-key="):
            words.append("--api-key=***")
        else:
            words.append(word)
        hide = word == "--api-key"
    return words
