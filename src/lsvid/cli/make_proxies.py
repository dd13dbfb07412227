"""`lsvid make-proxies`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from lsvid.cli.groups import GENERAL, WRITTEN, command, option
from lsvid.cli.options import (
    case_options,
    jobs_option,
    open_workers,
    output_folder_option,
    s3_options,
    scheduler_option,
)
from lsvid.cli.output import Output, output_options

if TYPE_CHECKING:
    from lsvid.errors import LsvidError
    from lsvid.video.clips import ClipFile
    from lsvid.video.proxies import Proxy


@command("make-proxies")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@output_folder_option("Folder or s3://BUCKET/PREFIX; proxies go into CASE/CLIP.mp4 in it.")
@option(WRITTEN, "--height", type=click.IntRange(min=2), metavar="N",
              help="Height in pixels; a smaller clip keeps its own. Default: 720; for training: 256.")  # fmt: skip
@option(
    WRITTEN,
    "--for-training",
    is_flag=True,
    help="Make copies for training a model: small, and fast to decode at any place.",
)
@option(
    WRITTEN, "--fps", metavar="S", help="With --for-training: make S pictures a second fastest to read. Default: 1."
)
@option(WRITTEN, "--crf", type=click.IntRange(1, 51), default=26, show_default=True,
              help="Quality of libx264: lower is better and bigger.")  # fmt: skip
@option(WRITTEN, "--audio", is_flag=True, help="Keep the sound; without this, proxies are silent.")
@jobs_option(GENERAL, "clips at a time. Default: one for every 8 cores.")
@scheduler_option
@case_options
@s3_options
@output_options
def make_proxies(
    output: Output,
    /,
    sources: tuple[str, ...],
    folder: str,
    height: int | None,
    for_training: bool,
    fps: str | None,
    crf: int,
    audio: bool,
    jobs: int | None,
    scheduler: str | None,
    case: str | None,
    case_from: str | None,
) -> None:
    """Make small copies of clips for annotators: the same frames at the same times, fast to play and to seek.

    Every copy is checked against its clip, picture by picture, before it appears. After an interruption,
    or when you have new clips, run the same command again: it makes only what is missing. Needs ffmpeg.

    \b
    Examples:
      lsvid make-proxies /data/clips -o /data/proxies
      lsvid make-proxies '/data/clips/op1/*.mts' -o /data/proxies --height 540 --crf 28 --jobs 2
      lsvid make-proxies s3://recordings/2026 -o s3://recordings/proxies
      lsvid make-proxies /data/clips -o /data/proxies --scheduler tcp://node1:8786
      lsvid make-proxies /data/clips -o /data/copies --for-training
      lsvid import-clips /data/clips --project Surgery --proxies /data/proxies
    """
    from lsvid.video.clips import CaseRule
    from lsvid.video.proxies import TRAINING_HEIGHT, ProxyRequest, ProxySettings, make_proxies

    def tell(clip: "ClipFile", result: "Proxy | LsvidError") -> None:
        if not sys.stderr.isatty():  # a log shows no bar
            output.note(f"{clip.id}: {_became(result)}")

    settings = ProxySettings(
        height or (TRAINING_HEIGHT if for_training else 720), crf, audio, _key_fps(fps, for_training)
    )
    request = ProxyRequest(sources, folder, settings, CaseRule.parse(case, case_from or "parent"))
    with open_workers(scheduler, jobs) as workers:
        report = make_proxies(request, workers, warn=output.warn, progress=output.progress, on_done=tell)
    output.document = {"version": 1, "command": "make-proxies", "folder": folder, "items": report.items()}
    output.note(str(report))
    report.raise_failed()


def _key_fps(fps: str | None, for_training: bool) -> Any:
    """The rate of key pictures, a Fraction; None for copies that people look at."""
    from lsvid.video.timebase import parse_rate

    if not for_training:
        if fps is not None:
            raise click.UsageError("--fps is about training copies: it needs --for-training")
        return None
    try:
        return parse_rate(fps or 1)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fps") from error


def _became(result: "Proxy | LsvidError") -> str:
    from lsvid.video.proxies import Proxy

    if not isinstance(result, Proxy):
        return f"failed: {result.message}"
    return f"{'made' if result.made else 'there already'}, {result.size / 1e6:.1f} MB"
