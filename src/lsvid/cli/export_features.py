"""`lsvid export-features`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lsvid.cli.groups import WRITTEN, Function, command, group, option
from lsvid.cli.options import jobs_option, open_workers, output_folder_option, parse_size, scheduler_option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import read, source_options

if TYPE_CHECKING:
    from lsvid.reading import ReadRequest
    from lsvid.training.features import FeatureOptions

FEATURES = "Features"


def feature_options(command: Function) -> Function:
    """Add the options that say how features are made; the command gets them as `options`, a FeatureOptions."""
    return group(
        "options",
        _feature_options,
        option(FEATURES, "--fps", default="1", show_default=True, metavar="S",
               help="Pictures a second, as --sample-fps of export-frames."),
        option(FEATURES, "--batch", type=click.IntRange(min=1), default=32, show_default=True, metavar="N",
               help="Number of pictures that the function gets at a time."),
        option(FEATURES, "--short-side", type=click.IntRange(min=1), metavar="N",
               help="Resize pictures: their shorter side gets N pixels."),
        option(FEATURES, "--size", metavar="WxH", help="Stretch pictures to this size, such as 224x224."),
        option(FEATURES, "--damaged", type=click.Choice(["raise", "repeat"]), default="raise", show_default=True,
               help="If a picture cannot be decoded: fail, or repeat the features before it."),
        option(WRITTEN, "--format", "file_format", type=click.Choice(["npy", "hdf5"]), default="npy",
               show_default=True,
               help="hdf5: also write features.hdf5 with all cases. Needs lsvid[hdf5]."),
    )(command)  # fmt: skip


def _feature_options(
    fps: str, batch: int, short_side: int | None, size: str | None, damaged: str, file_format: str
) -> "FeatureOptions":
    from lsvid.training.features import FeatureOptions

    return FeatureOptions(fps, batch, parse_size(size), short_side, damaged, file_format)


@command("export-features")
@source_options
@output_folder_option("Folder or s3://BUCKET/PREFIX; features go into features/CASE.npy in it.")
@option(
    FEATURES,
    "--extractor",
    required=True,
    metavar="MODULE:FUNCTION",
    help="Your function: it takes pictures, uint8 (B, H, W, 3), RGB, and returns features, float (B, D).",
)
@feature_options
@option(WRITTEN, "--include-unannotated", is_flag=True, help="Also take cases with clips that nobody has annotated.")
@jobs_option(FEATURES, "cases at a time. Default: one for each core.")
@scheduler_option
@output_options
def export_features(
    output: Output,
    /,
    request: "ReadRequest",
    options: "FeatureOptions",
    folder: str,
    extractor: str,
    include_unannotated: bool,
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Make features of every sampled picture of a case by your own function; they are as long as the case's labels.

    After an interruption, or when you have new cases, run the same command again: it makes only what is missing.

    \b
    Examples:
      lsvid export-features annotated.json --clips /data/clips -o /data/set --extractor my_model:features
      lsvid export-frames annotated.json --clips /data/clips -o /data/set --format mstcn --sample-fps 1
    """
    from lsvid.errors import DataError, LsvidError
    from lsvid.training.clips import whole_cases
    from lsvid.training.features import write_features

    with open_workers(scheduler, jobs) as workers:
        dataset = read(output, request, workers)
        findings = dataset.findings.copy()
        clips = whole_cases(dataset.located, findings, include_unannotated=include_unannotated)
        output.findings(findings)
        with output.progress("Making features") as step:
            results = write_features(clips, extractor, folder, options, workers, step)
    made = [result for result in results if not isinstance(result, LsvidError)]
    failed = [result for result in results if isinstance(result, LsvidError)]
    output.document = {
        "folder": folder,
        "cases": [asdict(result) for result in made],
        "failed": [error.message for error in failed],
    }
    count = sum(result.made for result in made)
    output.note(
        f"features of {sum(result.n_frames for result in made):,} pictures: cases made {count}, there already "
        f"{len(made) - count}, failed {len(failed)} -> {folder}"
    )
    if failed:
        raise DataError(
            "\n".join([f"{len(failed)} cases have no features:", *(f"  {error.message}" for error in failed)]),
            failed[0].hint,
        )
