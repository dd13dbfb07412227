"""`lsvid make-proxies`."""

import sys
import time
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
    from lsvid.errors import DataError, LsvidError, SettingsError
    from lsvid.files.paths import lies_in
    from lsvid.video.clips import CaseRule, find_clips
    from lsvid.video.index import VideoInfo, probe_all
    from lsvid.video.proxies import TRAINING_HEIGHT, ProxySettings, make_proxies

    settings = ProxySettings(
        height or (TRAINING_HEIGHT if for_training else 720), crf, audio, _key_fps(fps, for_training)
    )
    for source in sources:
        if lies_in(folder, source):
            raise SettingsError(
                f"{folder} lies in {source}: proxies there would be taken for clips", "give -o a folder outside it"
            )
    clips = find_clips(sources, CaseRule.parse(case, case_from or "parent"))
    with open_workers(scheduler, jobs) as workers:
        with output.progress("Reading clips", len(clips)) as step:
            infos = probe_all([clip.path for clip in clips], step, workers)
        for clip, info in zip(clips, infos, strict=True):
            for note in info.notes if isinstance(info, VideoInfo) else ():
                output.warn(f"{clip.id}: {clip.path} {note}")
        lengths_s = [float(info.index.length_s) if isinstance(info, VideoInfo) else 0.0 for info in infos]
        done_s = [0.0] * len(clips)
        made_s = 0.0
        begin = time.monotonic()
        with output.progress("Making proxies", round(sum(lengths_s))) as step:
            shown = 0

            def on_progress(position: int, seconds: float) -> None:
                nonlocal shown, made_s
                made_s += max(seconds - done_s[position], 0.0)
                done_s[position] = seconds
                now = round(sum(done_s))
                step(max(now - shown, 0), note=f"({made_s / (time.monotonic() - begin):.1f} x real time)")
                shown = max(now, shown)

            def on_done(position: int, result: "Proxy | LsvidError") -> None:
                nonlocal shown
                done_s[position] = lengths_s[position]
                now = round(sum(done_s))
                step(max(now - shown, 0))
                shown = max(now, shown)
                if not sys.stderr.isatty():  # a log shows no bar
                    output.note(f"{clips[position].id}: {_became(result)}")

            results = make_proxies(clips, folder, settings, workers, on_progress, on_done)
    speed = made_s / max(time.monotonic() - begin, 1e-9)
    items = [
        {"clip": clip.id, "path": clip.path, "status": "failed", "error": result.message}
        if isinstance(result, LsvidError)
        else {
            "clip": clip.id, "path": clip.path, "status": "made" if result.made else "unchanged",
            "proxy": result.path, "size": result.size,
        }
        for clip, result in zip(clips, results, strict=True)
    ]  # fmt: skip
    output.document = {"version": 1, "command": "make-proxies", "folder": folder, "items": items}
    count = {status: sum(item["status"] == status for item in items) for status in ("made", "unchanged", "failed")}
    size = sum(int(str(item.get("size", 0))) for item in items)
    output.note(
        f"proxies made {count['made']}, there already {count['unchanged']}, failed {count['failed']}; "
        f"{size / 1e6:,.0f} MB in {folder}"
        + (f"; {speed:.1f} times as fast as the clips play" if count["made"] else "")
    )
    bad = [(clip, result) for clip, result in zip(clips, results, strict=True) if isinstance(result, LsvidError)]
    if bad:
        raise DataError(
            "\n".join(
                [f"{len(bad)} of {len(clips)} clips have no proxy:", *(f"  {c.id}: {e.message}" for c, e in bad)]
            ),
            bad[0][1].hint,
        )


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
