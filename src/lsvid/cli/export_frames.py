"""`lsvid export-frames`."""

import sys
from dataclasses import replace
from typing import Any

import click

from lsvid.cli.options import open_workers, parse_size, scheduler_option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, note_treatment, open_sources, source_options
from lsvid.writers import WRITERS, format_of


@click.command("export-frames")
@source_options
@click.option("-o", "--output", "folder", required=True, metavar="DIR",
              help="Folder to write into, or s3://BUCKET/PREFIX.")  # fmt: skip
@click.option("--format", "file_format", type=click.Choice(WRITERS), default="csv", show_default=True,
              help="'lsvid formats' tells what each holds.")  # fmt: skip
@click.option("--layout", type=click.Choice(["long", "wide"]), default="long", show_default=True,
              help="long: a row per frame and active label. wide: a row per frame, a 0/1 column a label.")  # fmt: skip
@click.option("--sample-fps", metavar="S", help="Keep the first picture of every 1/S seconds of each clip.")
@click.option("--split-by", type=click.Choice(["case"]), help="One file a case.")
@click.option("--level", type=click.IntRange(min=1), metavar="N",
              help="Only this level of the labels, from 1; by default all, in folders of their own.")  # fmt: skip
@click.option("--unit", type=click.Choice(["clip", "case"]),
              help="What is one video in the output: a clip, or a case with its clips stitched.")  # fmt: skip
@click.option("--split", "shares", metavar="SHARES",
              help="Split by case, label times spread alike: train=0.7,val=0.1,test=0.2.")  # fmt: skip
@click.option("--folds", type=click.IntRange(min=2), metavar="K", help="K splits by case for cross-validation.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the splits: the same seed, the same splits.")
@click.option("--phases", multiple=True, metavar="LABEL", help="The labels below it are one a frame; may be repeated.")
@click.option("--tools", multiple=True, metavar="LABEL", help="The labels below it may hold at once; may be repeated.")
@click.option("--flavour", metavar="NAME", help="Of --format surgical: whose reader is to take it.")
@click.option("--base", type=click.IntRange(0, 1), help="Of --flavour autolaparo: the id of the first phase.")
@click.option("--background", metavar="NAME", help="Label for frames that have none; by default they stay empty.")
@click.option("--include-unannotated", is_flag=True, help="Bring the clips that nobody has annotated, too.")
@click.option("--images", is_flag=True, help="Write the picture of every labelled frame, too.")
@click.option("--all-frames", is_flag=True, help="Pictures of frames without a label, too.")
@click.option("--image-format", type=click.Choice(["jpg", "png", "webp"]), default="jpg", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpg and webp.  [default: 95, and 90]")
@click.option("--size", metavar="N|WxH", help="Stretch pictures to N x N, or W x H.")
@click.option("--short-side", type=click.IntRange(min=1), metavar="N", help="Bring their shorter side to N.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Clips to take pictures from at a time. Default: one for every core.")  # fmt: skip
@scheduler_option
@click.option("--merge", type=click.Choice(["majority", "union", "intersection", "priority"]),
              help="Make one annotator of a clip's several, at each level of the labels. priority: in the order of "
              "--annotator.")  # fmt: skip
@boundary_options
@output_options
def export_frames(output: Output, /, **options: Any) -> None:
    """Turn annotations into one label row per frame.

    Every frame of every annotated clip is there, labelled or not. Columns: case, clip, frame, case_frame, time_s,
    case_time_s, annotator, region, label, level_1 and on. Frames count from 0.

    With --images, pictures lie in DIR/images as CASE/CLIP/000123.jpg, 000123 being the frame; the column image names
    them. Run the same command again after an interruption: it writes only the pictures that are missing.

    \b
    Examples:
      lsvid export-frames --project Surgery -o frames/
      lsvid export-frames annotated.jsonl --clips /data/clips -o frames/ --format parquet
      lsvid export-frames --project 3 -o frames/ --layout wide --sample-fps 1 --background none
      lsvid export-frames --project 3 -o frames/ --images --sample-fps 1 --short-side 256
      lsvid export-frames --project 3 -o s3://recordings/frames --images --scheduler tcp://node1:8786
      lsvid export-frames --project 3 -o frames/ --merge majority --snap 0.2
      lsvid export-frames --project 3 -o mstcn/ --format mstcn --folds 5
    """
    from lsvid.annotations.frames import TableOptions
    from lsvid.annotations.merge import MergeOptions
    from lsvid.annotations.splits import SplitOptions, parse_shares
    from lsvid.annotations.stages import label_order
    from lsvid.errors import DataError
    from lsvid.findings import Findings
    from lsvid.video.timebase import parse_rate
    from lsvid.writers.export import export_frames, read_clips
    from lsvid.writers.formats import FormatOptions

    try:
        sample_fps = parse_rate(options["sample_fps"]) if options["sample_fps"] is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--sample-fps") from error
    images = _image_request(options)
    if options["shares"] is not None and options["folds"] is not None:
        raise click.UsageError("--split and --folds: one of the two")
    shares = parse_shares(options["shares"]) if options["shares"] is not None else None
    splits = SplitOptions(shares, options["folds"], options["seed"]) if shares or options["folds"] else None
    asked = FormatOptions(
        options["split_by"], options["level"], options["unit"], splits, options["phases"], options["tools"],
        options["flavour"], options["base"], _picture_options(options),
    )  # fmt: skip
    findings = Findings()
    merge = MergeOptions(options["merge"], options["annotators"]) if options["merge"] else None
    if merge is not None:
        merge.check()
        if options["annotations"] == "all" or options["all_versions"]:
            raise click.UsageError("--merge counts each annotator once: not with all their annotations")
    with (
        open_workers(options["scheduler"], options["jobs"]) as workers,
        open_sources(output, options) as (sources, selection, treatment),
    ):
        treatment.merge = merge
        with output.progress("Reading clips") as step:
            located = read_clips(
                sources, selection, findings, skip_bad=options["skip_bad"], treatment=treatment, on_probed=step,
                workers=workers,
            )  # fmt: skip
        labels = label_order(located.clips, sources.options.tree)
        table = TableOptions(labels, options["layout"] == "wide", sample_fps, options["background"])
        doing = "Writing pictures" if images else "Writing frames"
        with output.progress(doing, 0 if images else len(located.clips)) as step:
            manifest = export_frames(
                located,
                options["folder"],
                sources,
                table,
                findings,
                file_format=options["file_format"],
                include_unannotated=options["include_unannotated"],
                treatment=treatment,
                format_options=asked,
                command=_command_line(),
                images=images and replace(images, workers=workers),
                workers=workers,
                on_clip=None if images else step,
                on_image=step,
            )
    output.findings(findings)
    counts = manifest["counts"]
    note_treatment(output, treatment.report)
    output.document = {"folder": options["folder"], "manifest": manifest}
    what = f"{counts['rows']:,} rows" if "rows" in counts else f"{len(manifest['files'])} files"
    output.note(
        f"{what} for {counts['frames']:,} frames of {counts['clips']} clips, "
        f"{counts['spans']:,} spans, {len(manifest['annotators'])} annotators"
        + (f", {manifest['images']['count']:,} pictures" if images else "")
        + f" -> {options['folder']}"
    )
    failed = manifest["images"]["failed"] if images else []
    if failed:
        raise DataError(
            "\n".join(
                [f"no pictures of {len(failed)} clips:", *(f"  {one['clip']}: {one['error']}" for one in failed)]
            ),
            "everything else is there; run the same command again when they are mended",
        )


def _image_request(options: dict[str, Any]) -> Any:
    """The ImageRequest of the options, None without --images."""
    if not options["images"] and "picture" in format_of(options["file_format"]).options:
        return None  # the pictures of the format itself
    if not options["images"]:
        given = [name for name in ("all_frames", "quality", "size", "short_side", "jobs") if options[name]]
        if given:
            raise click.UsageError(f"--{given[0].replace('_', '-')} is about pictures: it needs --images")
        return None
    from lsvid.writers.images import ImageRequest

    return ImageRequest(_pictures_as(options), options["all_frames"])


def _picture_options(options: dict[str, Any]) -> Any:
    """The PictureOptions of a format that consists of pictures, None where none is given."""
    asked = options["quality"] or options["size"] or options["short_side"] or options["image_format"] != "jpg"
    if options["images"] or not asked or "picture" not in format_of(options["file_format"]).options:
        return None
    return _pictures_as(options)


def _pictures_as(options: dict[str, Any]) -> Any:
    from lsvid.video.pictures import PictureOptions

    size = parse_size(options["size"])
    return PictureOptions(options["image_format"], options["quality"], size, options["short_side"])


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
