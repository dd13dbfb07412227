"""Options that several commands share."""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from lsvid.cli.groups import GENERAL, READ, SERVER, STORAGE, WRITTEN, Decorator, Function, group, option, with_all

if TYPE_CHECKING:
    from lsvid.annotations.probabilities import ProbabilityOptions
    from lsvid.video.clips import CaseRule
    from lsvid.workers.processes import Workers


SERVER_OPTIONS: tuple[Decorator, ...] = (
    option(SERVER, "--url", envvar="LABEL_STUDIO_URL", metavar="URL",
           help="Address of Label Studio; or set LABEL_STUDIO_URL. Default: the server of lsvid serve, else "
           "http://localhost:8080."),
    option(SERVER, "--api-key", envvar="LABEL_STUDIO_API_KEY", metavar="KEY",
           help="Access token; it is safer to set LABEL_STUDIO_API_KEY. lsvid never prints or writes it."),
)  # fmt: skip

CASE_OPTIONS: tuple[Decorator, ...] = (
    option(READ, "--case", metavar="NAME", help="Put all clips into this one case."),
    option(READ, "--case-from", metavar="RULE", show_default="parent",
           help="Where a clip's case comes from: parent, grandparent (folder), or a regular expression with a group "
           "'case', searched in the path."),
)  # fmt: skip


def server_options(command: Function) -> Function:
    """Add --url and --api-key. Their values: as given, else from the environment, else those of `lsvid serve`."""

    @functools.wraps(command)
    def addressed(*arguments: Any, url: str | None, api_key: str | None, **options: Any) -> Any:
        from lsvid.label_studio.serve import server_address

        url, api_key = server_address(url, api_key)
        return command(*arguments, url=url, api_key=api_key, **options)

    return with_all(addressed, SERVER_OPTIONS)  # type: ignore[return-value]


def case_options(command: Function) -> Function:
    """Add --case and --case-from, which say how to find the case of a clip."""
    return with_all(command, CASE_OPTIONS)


def case_rule(case: str | None, case_from: str | None) -> "CaseRule | None":
    """The rule that --case or --case-from asks for; None if neither is given."""
    from lsvid.video.clips import CaseRule

    return CaseRule.parse(case, case_from or "parent") if case is not None or case_from is not None else None


def document_root_option(command: Function) -> Function:
    """Add --document-root; the command gets it as `document_root`."""
    return with_all(
        command,
        [
            option(
                SERVER,
                "--document-root",
                metavar="DIR",
                help="The folder below which the server serves files; its path on the server. Default: the server's "
                "own answer, else LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.",
            )
        ],
    )


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> Fraction | None:
    """A click callback: the value in exact seconds, at least 0."""
    from lsvid.video.timebase import exact_seconds

    if value is None:
        return None
    try:
        return exact_seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def s3_options(command: Function) -> Function:
    """Add --s3-endpoint, --s3-region, --s3-key-env and --s3-secret-env, for everything that the command does in S3."""

    @functools.wraps(command)
    def configured(
        *arguments: Any,
        s3_endpoint: str | None,
        s3_region: str | None,
        s3_key_env: str | None,
        s3_secret_env: str | None,
        **options: Any,
    ) -> Any:
        from lsvid.files.storage import configure_s3

        configure_s3(s3_endpoint, s3_region, s3_key_env, s3_secret_env)
        return command(*arguments, **options)

    for add in (
        option(STORAGE, "--s3-secret-env", metavar="NAME",
                     help="Name of the environment variable that holds the secret of the access key."),
        option(STORAGE, "--s3-key-env", metavar="NAME",
                     help="Name of the environment variable that holds the access key. Default: boto3 finds the key."),
        option(STORAGE, "--s3-region", metavar="REGION",
                     help="Region of the buckets. Default: boto3 finds it."),
        option(STORAGE, "--s3-endpoint", metavar="URL",
                     help="Address of an S3 service other than AWS; or set AWS_ENDPOINT_URL_S3."),
    ):  # fmt: skip
        configured = add(configured)
    return configured  # type: ignore[return-value]


PROBABILITY_OPTIONS: tuple[Decorator, ...] = (
    option(READ, "--probability-fps", metavar="R",
           help="For a model's probabilities (CASE.npy, .npz or .csv beside classes.txt): its rows a second."),
    option(READ, "--median", default="0", metavar="S",
           help="For probabilities: first filter each class by a running median over S seconds."),
    option(READ, "--min-duration", default="0", metavar="S",
           help="For probabilities: the shortest span. A shorter one goes to its neighbour."),
    option(READ, "--hysteresis", metavar="HIGH,LOW",
           help="For probabilities: take each class by itself. A span begins at HIGH and lasts while the probability "
           "is at least LOW. Default: the most probable class of each row."),
    option(READ, "--model-name", default="", metavar="NAME",
           help="For probabilities: the model's name. Default: the folder's name."),
)  # fmt: skip


def probability_options(command: Function) -> Function:
    """Add the options that turn probabilities into spans; the command gets them as `probabilities`."""
    return group("probabilities", _probabilities, *PROBABILITY_OPTIONS)(command)


def _probabilities(
    probability_fps: str | None, median: str, min_duration: str, hysteresis: str | None, model_name: str
) -> "ProbabilityOptions":
    from lsvid.annotations.probabilities import ProbabilityOptions

    return ProbabilityOptions(
        _fraction(probability_fps, "--probability-fps") if probability_fps is not None else None,
        model_name,
        _fraction(median, "--median"),
        _fraction(min_duration, "--min-duration"),
        _two_numbers(hysteresis) if hysteresis is not None else None,
    )


def _fraction(text: str, option_name: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(f"{text!r} is not a number", param_hint=option_name) from error


def _two_numbers(text: str) -> tuple[float, float]:
    high, _, low = text.partition(",")
    try:
        return float(high), float(low)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not two numbers: 0.7,0.3", param_hint="--hysteresis") from error


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(width, height) of --size: 224 or 320x240."""
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text) if text else None
    if text and (match is None or 0 in (int(match[1]), int(match[2] or 1))):
        raise click.BadParameter(f"{text!r} is no size such as 224 or 320x240", param_hint="--size")
    return (int(match[1]), int(match[2] or match[1])) if match else None


def spreadsheet_option(command: Function) -> Function:
    """Add --spreadsheet-safe, for commands that write CSV files."""
    added: Function = option(
        WRITTEN,
        "--spreadsheet-safe",
        is_flag=True,
        help="In CSV files, put an apostrophe before a text that a spreadsheet would run: it begins with = + - or @.",
    )(command)
    return added


def scheduler_option(command: Function) -> Function:
    """Add --scheduler; the command gives its value to `open_workers`."""
    return with_all(
        command,
        [
            option(
                GENERAL,
                "--scheduler",
                metavar="ADDRESS|FILE",
                help="Use the Dask cluster with this scheduler: tcp://HOST:8786, tls://…, or its scheduler file. "
                "Needs lsvid[distributed].",
            )
        ],
    )


def output_folder_option(text: str = "Folder to write into, or s3://BUCKET/PREFIX.") -> Decorator:
    """Add -o, which is required; the command gets it as `folder`. text: for the help."""
    return option(WRITTEN, "-o", "--output", "folder", required=True, metavar="DIR", help=text)


def jobs_option(section: str, what: str) -> Decorator:
    """Add --jobs; the command gives its value to `open_workers`. what: the things that this machine does at a time."""
    return option(section, "--jobs", type=click.IntRange(min=1), metavar="N", help=f"Number of {what}")


@contextmanager
def open_workers(scheduler: str | None, jobs: int | None = None) -> "Iterator[Workers | None]":
    """The cluster of `scheduler`, else `jobs` processes on this machine; None if neither is given."""
    if scheduler is None:
        if jobs is None:
            yield None
            return
        from lsvid.workers.processes import Processes

        yield Processes(jobs)
        return
    if jobs is not None:
        raise click.UsageError(
            "--jobs is about this machine: with --scheduler there are as many as workers have threads"
        )
    from lsvid.workers.cluster import open_cluster

    with open_cluster(scheduler) as cluster:
        yield cluster
