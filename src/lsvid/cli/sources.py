"""The options of every command that reads annotations: from a project, or from export files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from lsvid.cli.options import case_options, s3_options, server_options
from lsvid.cli.output import Output
from lsvid.errors import DataError, SettingsError

Command = TypeVar("Command", bound=Callable[..., Any])

STATUSES = ("accepted", "rejected", "ignored", "skipped", "draft", "prediction")


def source_options(command: Command) -> Command:
    """EXPORT_FILE… or --project, --clips, --labels, and which annotations count."""
    for option in reversed(
        [
            click.argument("exports", nargs=-1, metavar="[EXPORT_FILE]..."),
            click.option("--project", metavar="ID|TITLE", help="Read the annotations from this Label Studio project."),
            click.option("--clips", "roots", multiple=True, metavar="DIR",
                         help="Where the clips are: a folder, or s3://BUCKET/PREFIX; repeatable. Default: the "
                         "project's storage."),
            click.option("--labels", metavar="FILE", help="Label file: the order of labels, the names of ids."),
            click.option("--annotator", "annotators", multiple=True, metavar="A",
                         help="Only this annotator; repeatable."),
            click.option("--annotators", "annotator_map", metavar="MAP",
                         help="CSV of two columns: annotator as exported, name to write."),
            click.option("--annotations", default="latest", show_default=True,
                         type=click.Choice(["latest", "first", "ground-truth", "all"]),
                         help="Which of several annotations of a clip by one annotator."),
            click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, default=["accepted"],
                         show_default=True, help="Annotations of this status; repeatable."),
            click.option("--skip-bad", is_flag=True, help="Leave bad spans out and count them, instead of stopping."),
            click.option("--ls-fps", metavar="R",
                         help="Frame rate that Label Studio's editor used, for tasks that do not carry it."),
        ]
    ):  # fmt: skip
        command = option(command)
    return server_options(s3_options(case_options(command)))


@contextmanager
def open_sources(output: Output, options: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """(Sources, Selection) from the options of `source_options`; a project is downloaded into a temporary file."""
    from lsvid.clips import CaseRule
    from lsvid.dataset import Selection
    from lsvid.export import Sources
    from lsvid.labels import read_labels
    from lsvid.readers.documents import ReadOptions
    from lsvid.spans import Status
    from lsvid.storage import is_s3
    from lsvid.timebase import parse_rate

    exports, project = options["exports"], options["project"]
    if bool(exports) == bool(project):
        raise click.UsageError("name export files, or a project with --project: one of the two")
    if options["ls_fps"] is not None:
        try:
            parse_rate(options["ls_fps"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--ls-fps") from error
    explicit_rule = options["case"] is not None or options["case_from"] is not None
    rule = CaseRule.parse(options["case"], options["case_from"] or "parent") if explicit_rule else None
    tree = read_labels(options["labels"]) if options["labels"] else None
    selection = Selection(
        annotations=options["annotations"],
        statuses=frozenset(Status(status) for status in options["statuses"]),
        annotators=frozenset(options["annotators"]) or None,
    )
    with ExitStack() as stack:
        names: tuple[str, ...] = ()
        roots, label_config = list(options["roots"]), None
        annotators: dict[str, str] = {}
        if project:
            from lsvid.label_studio.client import connect
            from lsvid.label_studio.export import download_export

            with output.progress("Downloading annotations") as step:
                server = connect(options["url"], options["api_key"])
                download = stack.enter_context(download_export(server, project, step))
            exports, names = (str(download.path),), (f"{download.url}/projects/{download.id}",)
            label_config = download.label_config
            annotators = {str(user): email for user, email in download.annotators.items()}
            roots = roots or [folder for folder in download.storages if is_s3(folder) or Path(folder).is_dir()]
            if not roots:
                raise DataError(
                    f"cannot find the clips of project {download.id}; looked in its storages: "
                    + (", ".join(f"{folder} (not on this machine)" for folder in download.storages) or "it has none"),
                    "name the folder of the clips: --clips DIR",
                )
            if tree is None:
                from lsvid.labeling_config import tree_from_config

                tree = tree_from_config(label_config)
        if options["annotator_map"]:
            annotators = annotators | _read_map(options["annotator_map"])
        read_options = ReadOptions(rule, tree, label_config, options["ls_fps"], annotators)
        yield Sources(exports, read_options, roots, names), selection


def _read_map(path: str) -> dict[str, str]:
    import csv

    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}", "it is a CSV file: annotator as exported, name") from error
    bad = [number for number, row in enumerate(rows, start=1) if len(row) != 2]
    if bad:
        raise SettingsError(f"{path}:{bad[0]}: not two columns", "each line: annotator as exported, name to write")
    return {old.strip(): new.strip() for old, new in rows}
