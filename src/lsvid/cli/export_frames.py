"""`lsvid export-frames`."""

import sys
from typing import TYPE_CHECKING

import click

from lsvid.cli.groups import BOUNDARIES, PICTURES, WRITTEN, Function, command, group, option
from lsvid.cli.options import (
    jobs_option,
    open_workers,
    output_folder_option,
    parse_size,
    scheduler_option,
    spreadsheet_option,
)
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import boundary_options, note_changes, read, source_options
from lsvid.writers import WRITERS, format_of

if TYPE_CHECKING:
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.reading import ReadRequest
    from lsvid.writers.export import Manifest, WriteOptions


def write_options(command: Function) -> Function:
    """Add the options for tables and pictures; the command gets them as `options`, a WriteOptions."""
    return group(
        "options",
        _write_options,
        option(WRITTEN, "--format", "file_format", type=click.Choice(WRITERS), default="csv", show_default=True,
               help="'lsvid formats' says what each format holds."),
        option(WRITTEN, "--layout", type=click.Choice(["long", "wide"]), default="long", show_default=True,
               help="long: a row for each frame and label. wide: a row for each frame, a 0/1 column for each label."),
        option(WRITTEN, "--sample-fps", metavar="S",
               help="Keep S pictures a second: the first of every 1/S seconds of each clip."),
        option(WRITTEN, "--split-by", type=click.Choice(["case"]), help="Write one file for each case."),
        option(WRITTEN, "--level", type=click.IntRange(min=1), metavar="N",
               help="Write only this level of the labels. Default: all, each in its own folder."),
        option(WRITTEN, "--unit", type=click.Choice(["clip", "case"]),
               help="What becomes one video in the output: a clip, or a case with its clips stitched."),
        option(WRITTEN, "--split", "shares", metavar="SHARES",
               help="Split by case, with similar label times: train=0.7,val=0.1,test=0.2."),
        option(WRITTEN, "--folds", type=click.IntRange(min=2), metavar="K",
               help="Make K splits by case for cross-validation."),
        option(WRITTEN, "--seed", type=int, default=0, show_default=True,
               help="The same seed gives the same splits."),
        option(WRITTEN, "--phases", multiple=True, metavar="LABEL",
               help="Of the labels below LABEL, only one holds in a frame; repeatable."),
        option(WRITTEN, "--tools", multiple=True, metavar="LABEL",
               help="Of the labels below LABEL, several may hold in a frame; repeatable."),
        option(WRITTEN, "--flavour", metavar="NAME",
               help="For --format surgical: the model whose reader takes the files."),
        option(WRITTEN, "--base", type=click.IntRange(0, 1),
               help="For --flavour autolaparo: the id of the first phase."),
        option(WRITTEN, "--background", metavar="NAME",
               help="Label for frames that have none. Default: they stay empty."),
        option(WRITTEN, "--include-unannotated", is_flag=True, help="Write the clips that nobody has annotated, too."),
        spreadsheet_option,
        option(PICTURES, "--images", is_flag=True, help="Write the picture of every labelled frame, too."),
        option(PICTURES, "--all-frames", is_flag=True, help="Write pictures of frames without a label, too."),
        option(PICTURES, "--image-format", type=click.Choice(["jpg", "png", "webp"]), default="jpg",
               show_default=True),
        option(PICTURES, "--quality", type=click.IntRange(1, 100),
               help="Quality of jpg and webp.  [default: 95 for jpg, 90 for webp]"),
        option(PICTURES, "--size", metavar="N|WxH", help="Stretch pictures to N x N, or W x H."),
        option(PICTURES, "--short-side", type=click.IntRange(min=1), metavar="N",
               help="Resize pictures: their shorter side gets N pixels."),
    )(command)  # fmt: skip


def _write_options(
    file_format: str,
    layout: str,
    sample_fps: str | None,
    split_by: str | None,
    level: int | None,
    unit: str | None,
    shares: str | None,
    folds: int | None,
    seed: int,
    phases: tuple[str, ...],
    tools: tuple[str, ...],
    flavour: str | None,
    base: int | None,
    background: str | None,
    include_unannotated: bool,
    spreadsheet_safe: bool,
    images: bool,
    all_frames: bool,
    image_format: str,
    quality: int | None,
    size: str | None,
    short_side: int | None,
) -> "WriteOptions":
    from lsvid.annotations.splits import SplitOptions, parse_shares
    from lsvid.reading import rate_of
    from lsvid.writers.export import WriteOptions
    from lsvid.writers.formats import FormatOptions

    if shares is not None and folds is not None:
        raise click.UsageError("give --split or --folds, not both")
    has_own_pictures = "picture" in format_of(file_format).options
    picture, image_request = None, None
    if images or has_own_pictures:
        from lsvid.video.pictures import PictureOptions
        from lsvid.writers.images import ImageRequest

        picture = PictureOptions(image_format, quality, parse_size(size), short_side)
        image_request = ImageRequest(picture, all_frames) if images else None
    else:
        given = {"all-frames": all_frames, "quality": quality, "size": size, "short-side": short_side}
        for name, value in given.items():
            if value:
                raise click.UsageError(f"--{name} is about pictures: it needs --images")
    is_picture_given = has_own_pictures and (quality or size or short_side or image_format != "jpg")
    is_split = shares is not None or folds is not None
    splits = SplitOptions(parse_shares(shares) if shares is not None else None, folds, seed) if is_split else None
    return WriteOptions(
        format=file_format,
        layout=layout,
        sample_fps=None if sample_fps is None else rate_of(sample_fps, "--sample-fps"),
        background=background,
        include_unannotated=include_unannotated,
        images=image_request,
        of_format=FormatOptions(
            split_by,
            level,
            unit,
            splits,
            phases,
            tools,
            flavour,
            base,
            picture if is_picture_given else None,
            spreadsheet_safe,
        ),
    )


@command("export-frames")
@source_options
@output_folder_option()
@write_options
@boundary_options
@option(
    BOUNDARIES,
    "--merge",
    type=click.Choice(["majority", "union", "intersection", "priority"]),
    help="Make one annotator of several, at each level of the labels. priority: in the order of --annotator.",
)
@jobs_option(PICTURES, "clips that are read at a time. Default: one for each core.")
@scheduler_option
@output_options
def export_frames(
    output: Output,
    /,
    request: "ReadRequest",
    options: "WriteOptions",
    boundaries: "BoundaryOptions",
    folder: str,
    merge: str | None,
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Turn annotations into one label row per frame.

    Every frame of every annotated clip is there, labelled or not. Columns: case, clip, frame, case_frame, time_s,
    case_time_s, annotator, region, label, level_1 and on. Frames count from 0.

    With --images, pictures lie in DIR/images as CASE/CLIP/000123.jpg, where 000123 is the frame; the column image names
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
    from lsvid.annotations.merge import MergeOptions
    from lsvid.dataset import tidied, write_dataset

    if jobs is not None and options.images is None and "picture" not in format_of(options.format).options:
        raise click.UsageError("--jobs is about pictures: it needs --images")
    merging = MergeOptions(merge, request.annotator_order) if merge else None
    if merging and request.selection and request.selection.annotations == "all":
        raise click.UsageError("--merge counts each annotator once: not with all their annotations")
    with open_workers(scheduler, jobs) as workers:
        dataset = tidied(read(output, request, workers), boundaries, merging)
        findings = dataset.findings.copy()
        doing, total = ("Writing pictures", 0) if options.images else ("Writing frames", len(dataset))
        with output.progress(doing, total) as step:
            written = write_dataset(
                dataset, folder, options, findings, command=_command_line(), workers=workers, progress=step
            )
    output.findings(findings)
    note_changes(output, dataset.changes)
    output.document = {"folder": folder, "manifest": written.manifest}
    _tell(output, written.manifest, folder)


def _tell(output: Output, manifest: "Manifest", folder: str) -> None:
    """Report what was written. Raises DataError if pictures of some clips are missing."""
    from lsvid.errors import DataError

    counts, images = manifest["counts"], manifest.get("images")
    what = f"{counts['rows']:,} rows" if "rows" in counts else f"{len(manifest['files'])} files"
    output.note(
        f"{what} for {counts['frames']:,} frames of {counts['clips']} clips, "
        f"{counts['spans']:,} spans, {len(manifest['annotators'])} annotators"
        + (f", {images['count']:,} pictures" if images else "")
        + f" -> {folder}"
    )
    if images and images["failed"]:
        failed = [f"  {one['clip']}: {one['error']}" for one in images["failed"]]
        raise DataError(
            "\n".join([f"no pictures of {len(failed)} clips:", *failed]),
            "everything else is there; run the same command again when they are repaired",
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
