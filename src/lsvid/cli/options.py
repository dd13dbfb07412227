"""Options that several commands share."""

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers

Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """--url and --api-key, as `url` and `api_key`: those given, else the environment's, else those of `lsvid serve`."""

    @functools.wraps(command)
    def addressed(*arguments: Any, url: str | None, api_key: str | None, **options: Any) -> Any:
        from lsvid.label_studio.serve import server_address

        url, api_key = server_address(url, api_key)
        return command(*arguments, url=url, api_key=api_key, **options)

    for add in (
        click.option("--api-key", envvar="LABEL_STUDIO_API_KEY", metavar="KEY",
                     help="Access token; better set LABEL_STUDIO_API_KEY. Never printed or written."),
        click.option("--url", envvar="LABEL_STUDIO_URL", metavar="URL",
                     help="Label Studio's address, or LABEL_STUDIO_URL. Default: that of lsvid serve, else "
                     "http://localhost:8080."),
    ):  # fmt: skip
        addressed = add(addressed)
    return addressed  # type: ignore[return-value]


def document_root_option(command: Command) -> Command:
    """--document-root, as `document_root`."""
    return click.option("--document-root", metavar="DIR",
                        help="The folder below which the server serves files, as the server sees it. Default: what the "
                        "server says, else LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.")(command)  # fmt: skip


def case_options(command: Command) -> Command:
    """--case and --case-from, as `case` and `case_from`: how a clip's case is told."""
    command = click.option("--case-from", metavar="RULE", show_default="parent",
                           help="Where a clip's case comes from: parent, grandparent (folder), or a regular expression "
                           "with a group 'case', searched in the path.")(command)  # fmt: skip
    return click.option("--case", metavar="NAME", help="One case for all clips.")(command)


def s3_options(command: Command) -> Command:
    """--s3-endpoint, --s3-region, --s3-key-env and --s3-secret-env, which hold for all the command does in S3."""

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
        click.option("--s3-secret-env", metavar="NAME",
                     help="The environment variable that holds the secret of that key."),
        click.option("--s3-key-env", metavar="NAME",
                     help="The environment variable that holds the access key, unless boto3 finds it by itself."),
        click.option("--s3-region", metavar="REGION",
                     help="Region of the buckets, unless boto3 finds it by itself."),
        click.option("--s3-endpoint", metavar="URL",
                     help="Address of an S3 service other than AWS, or AWS_ENDPOINT_URL_S3."),
    ):  # fmt: skip
        configured = add(configured)
    return configured  # type: ignore[return-value]


def probability_options(command: Command) -> Command:
    """--probability-fps, --median, --min-duration, --hysteresis and --model-name, as `probabilities`."""

    @functools.wraps(command)
    def configured(
        *arguments: Any,
        probability_fps: str | None,
        median: str,
        min_duration: str,
        hysteresis: str | None,
        model_name: str,
        **options: Any,
    ) -> Any:
        from lsvid.annotations.probabilities import ProbabilityOptions

        chosen = ProbabilityOptions(
            _fraction(probability_fps, "--probability-fps") if probability_fps is not None else None,
            model_name,
            _fraction(median, "--median"),
            _fraction(min_duration, "--min-duration"),
            _two_numbers(hysteresis) if hysteresis is not None else None,
        )
        return command(*arguments, probabilities=chosen, **options)

    for add in (
        click.option("--model-name", default="", metavar="NAME",
                     help="Of probabilities: what predicted them. Default: their folder's name."),
        click.option("--hysteresis", metavar="HIGH,LOW",
                     help="Of probabilities: each class by itself, from where it reaches HIGH, as long as it stays at "
                     "LOW. Default: the most probable class of each row."),
        click.option("--min-duration", default="0", metavar="S",
                     help="Of probabilities: no span is shorter."),
        click.option("--median", default="0", metavar="S",
                     help="Of probabilities: filter each class by the running median over S seconds first."),
        click.option("--probability-fps", metavar="R",
                     help="Of probabilities (CASE.npy, .npz or .csv beside classes.txt): rows a second."),
    ):  # fmt: skip
        configured = add(configured)
    return configured  # type: ignore[return-value]


def _fraction(text: str, option: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise click.BadParameter(f"{text!r} is not a number", param_hint=option) from error


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


def scheduler_option(command: Command) -> Command:
    """--scheduler, as `scheduler`, which `open_workers` takes."""
    return click.option("--scheduler", metavar="ADDRESS|FILE",
                        help="Work on clips on the Dask cluster with this scheduler: tcp://HOST:8786, tls://…, or its "
                        "scheduler file. Needs lsvid[distributed].")(command)  # fmt: skip


@contextmanager
def open_workers(scheduler: str | None, jobs: int | None = None) -> "Iterator[Workers | None]":
    """The cluster with that scheduler, else `jobs` processes of this machine; None where neither is given."""
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
