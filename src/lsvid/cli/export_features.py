"""`lsvid export-features`."""

from dataclasses import asdict
from typing import Any

import click

from lsvid.cli.options import open_workers, parse_size, scheduler_option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import open_sources, source_options


@click.command("export-features")
@source_options
@click.option("-o", "--output", "folder", required=True, metavar="DIR",
              help="Folder or s3://BUCKET/PREFIX; features go into features/CASE.npy in it.")  # fmt: skip
@click.option("--extractor", required=True, metavar="MODULE:FUNCTION",
              help="Your function: pictures, uint8 (B, H, W, 3), RGB, to features, float (B, D).")  # fmt: skip
@click.option("--fps", default="1", show_default=True, metavar="S", help="Pictures a second, as --sample-fps.")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, metavar="N",
              help="Pictures that the function gets at a time.")  # fmt: skip
@click.option("--short-side", type=click.IntRange(min=1), metavar="N",
              help="Bring the shorter side of pictures to so many pixels.")  # fmt: skip
@click.option("--size", metavar="WxH", help="Stretch pictures to this size, such as 224x224.")
@click.option("--format", "file_format", type=click.Choice(["npy", "hdf5"]), default="npy", show_default=True,
              help="hdf5: one file more with all cases, features.hdf5. Needs lsvid[hdf5].")  # fmt: skip
@click.option("--damaged", type=click.Choice(["raise", "repeat"]), default="raise", show_default=True,
              help="A picture that cannot be decoded: fail, or repeat the features before it.")  # fmt: skip
@click.option("--include-unannotated", is_flag=True, help="Cases, too, with clips that nobody has annotated.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N",
              help="Cases at a time. Default: one for every core.")  # fmt: skip
@scheduler_option
@output_options
def export_features(output: Output, /, **options: Any) -> None:
    """Let your own function make features of every sampled picture of a case, as long as its labels.

    Run the same command again when it was interrupted, or when cases have come: it makes only what is missing.

    \b
    Examples:
      lsvid export-features annotated.json --clips /data/clips -o /data/set --extractor my_model:features
      lsvid export-frames annotated.json --clips /data/clips -o /data/set --format mstcn --sample-fps 1
    """
    from lsvid.errors import DataError, LsvidError
    from lsvid.findings import Findings
    from lsvid.training.clips import whole_cases
    from lsvid.training.features import FeatureOptions, write_features
    from lsvid.writers.export import read_clips

    findings = Findings()
    asked = FeatureOptions(
        options["fps"], options["batch"], parse_size(options["size"]), options["short_side"], options["damaged"],
        options["file_format"],
    )  # fmt: skip
    with (
        open_workers(options["scheduler"], options["jobs"]) as workers,
        open_sources(output, options) as (sources, selection, _),
    ):
        with output.progress("Reading clips") as step:
            located = read_clips(
                sources, selection, findings, skip_bad=options["skip_bad"], on_probed=step, workers=workers
            )
        clips = whole_cases(located, findings, include_unannotated=options["include_unannotated"])
        output.findings(findings)
        with output.progress("Making features") as step:
            results = write_features(clips, options["extractor"], options["folder"], asked, workers, step)
    made = [result for result in results if not isinstance(result, LsvidError)]
    failed = [result for result in results if isinstance(result, LsvidError)]
    output.document = {
        "folder": options["folder"],
        "cases": [asdict(result) for result in made],
        "failed": [error.message for error in failed],
    }
    count = sum(result.made for result in made)
    output.note(
        f"features of {sum(result.n_frames for result in made):,} pictures: cases made {count}, there already "
        f"{len(made) - count}, failed {len(failed)} -> {options['folder']}"
    )
    if failed:
        raise DataError(
            "\n".join([f"{len(failed)} cases have no features:", *(f"  {error.message}" for error in failed)]),
            failed[0].hint,
        )
