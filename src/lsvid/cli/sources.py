"""The options of every command that reads annotations: from a project, or from export files."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

from lsvid.cli.connection import connected
from lsvid.cli.options import case_options, probability_options, s3_options, server_options
from lsvid.cli.output import Output
from lsvid.errors import DataError, SettingsError

Command = TypeVar("Command", bound=Callable[..., Any])

TIER_NAMES = ("auto", "level", "participant", "annotator", "none")  # as lsvid.readers.elan has them; late to import

STATUSES = ("accepted", "rejected", "ignored", "skipped", "draft", "prediction")


def source_options(command: Command) -> Command:
    """EXPORT_FILE… or --project, --clips, --labels, and which annotations count."""
    return click.argument("exports", nargs=-1, metavar="[EXPORT_FILE]...")(reading_options(command))


def reading_options(command: Command) -> Command:
    """Those of `source_options`, without EXPORT_FILE…."""
    for option in reversed(
        [
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
            click.option("--all-versions", is_flag=True, help="The same as --annotations all."),
            click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, default=["accepted"],
                         show_default=True, help="Annotations of this status; repeatable."),
            click.option("--skip-bad", is_flag=True, help="Leave bad spans out and count them, instead of stopping."),
            click.option("--cut-overrun", is_flag=True,
                         help="Cut a span that overruns its clip by more than a second to the clip's end, and count "
                         "it, instead of stopping."),
            click.option("--ls-fps", metavar="R",
                         help="Frame rate that Label Studio's editor used, for tasks that do not carry it."),
        ]
    ):  # fmt: skip
        command = option(command)
    return server_options(s3_options(case_options(flat_label_options(command))))


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> Fraction | None:
    """Seconds, exactly; at least 0."""
    from lsvid.video.timebase import exact

    if value is None:
        return None
    try:
        seconds = exact(value)
    except ValueError:
        seconds = Fraction(-1)
    if seconds < 0:
        raise click.BadParameter(f"{value!r} is not a number of seconds", ctx, param)
    return seconds


def flat_label_options(command: Command) -> Command:
    """--rename, --label-separator, --dataset, --tiers, --tier-names, --point-s, and those of probabilities: for labels,
    and data, that come from elsewhere.
    """
    for option in reversed(
        [
            click.option("--rename", "renames", multiple=True, metavar="OLD=NEW|FILE",
                         help="Read label OLD as NEW; repeatable. FILE: CSV of two columns, old and new."),
            click.option("--label-separator", default=" - ", show_default=True, metavar="TEXT",
                         help="What joins a label and its sub label in flat labels ('Suturing - Knot')."),
            click.option("--dataset", "datasets", multiple=True, metavar="NAME",
                         help="Of a Prodigy database (prodigy.db): the dataset to read; repeatable."),
            click.option("--tiers", multiple=True, metavar="PATTERN",
                         help="Of an ELAN file: the tiers to read ('gloss*'); repeatable. Default: all."),
            click.option("--tier-names", type=click.Choice(TIER_NAMES), default="auto", show_default=True,
                         help="Of an ELAN file: what the names of tiers mean. auto: of tiers side by side (two hands), "
                         "a level of their labels; level: of top tiers always; participant: the first level is the "
                         "participant; annotator: a top tier's name is who annotated; none: nothing. Of BORIS, its "
                         "subjects: a level, annotator, or none."),
            click.option("--point-s", callback=_seconds, metavar="S",
                         help="Of BORIS, LosslessCut and VIA: a moment lasts S seconds from where it is. Default: it "
                         "holds no picture."),
        ]
    ):  # fmt: skip
        command = option(command)
    return probability_options(command)


def boundary_options(command: Command) -> Command:
    """--snap, --overlap, --priority and --join-gap, which `open_sources` understands."""
    for option in reversed(
        [
            click.option("--snap", "snap_s", callback=_seconds, metavar="S",
                         help="Where a span ends and another begins within S seconds, move both to the middle."),
            click.option("--overlap", type=click.Choice(["keep", "error", "priority"]), default="keep",
                         show_default=True, help="Spans of different labels that overlap: keep both, stop and list "
                         "them, or let one win. A label and its sub labels do not conflict."),
            click.option("--priority", type=click.Choice(["label-order", "longest"]), default="label-order",
                         show_default=True, help="Which wins with --overlap priority: the first in the label file, or "
                         "the longest."),
            click.option("--join-gap", "join_gap_s", callback=_seconds, metavar="S",
                         help="Make spans of one label at most S seconds apart one, also across the end of a clip, "
                         "where they get one region id. 0: those that touch."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def spreadsheet_option(command: Command) -> Command:
    """--spreadsheet-safe, for commands that write CSV files."""
    return click.option("--spreadsheet-safe", is_flag=True,
                        help="In CSV files, put an apostrophe before texts that begin with = + - or @, which a "
                        "spreadsheet would run as formulas.")(command)  # fmt: skip


@contextmanager
def open_sources(output: Output, options: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """(Sources, Selection, Treatment) from the options of `source_options`; a project is downloaded into a temporary
    file.
    """
    from lsvid.annotations.spans import Status
    from lsvid.annotations.stages import Selection
    from lsvid.files.storage import is_s3
    from lsvid.labels.files import read_labels
    from lsvid.readers.documents import ReadOptions
    from lsvid.readers.prodigy_database import is_database
    from lsvid.video.clips import CaseRule
    from lsvid.video.timebase import parse_rate
    from lsvid.writers.export import Sources

    exports, project = options["exports"], options["project"]
    if bool(exports) == bool(project):
        raise click.UsageError("name export files, or a project with --project: one of the two")
    if options["datasets"] and not any(is_database(export) for export in exports):
        raise click.UsageError("--dataset is for a Prodigy database, and none of the exports is one")
    if options["ls_fps"] is not None:
        try:
            parse_rate(options["ls_fps"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--ls-fps") from error
    explicit_rule = options["case"] is not None or options["case_from"] is not None
    rule = CaseRule.parse(options["case"], options["case_from"] or "parent") if explicit_rule else None
    tree = read_labels(options["labels"]) if options["labels"] else None
    selection = Selection(
        annotations="all" if options["all_versions"] else options["annotations"],
        statuses=frozenset(Status(status) for status in options["statuses"]),
        annotators=frozenset(options["annotators"]) or None,
    )
    treatment = _treatment(options, tree)
    with ExitStack() as stack:
        names: tuple[str, ...] = ()
        roots, label_config = list(options["roots"]), None
        annotators: dict[str, str] = {}
        if project:
            from lsvid.label_studio.export import download_export

            with output.progress("Downloading annotations") as step:
                server = connected(output, options["url"], options["api_key"])
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
                from lsvid.labeling.config import tree_from_config

                tree = tree_from_config(label_config)
        if options["annotator_map"]:
            annotators = annotators | _read_map(options["annotator_map"], "annotator as exported, name to write")
        read_options = ReadOptions(
            rule,
            tree,
            label_config,
            options["ls_fps"],
            annotators,
            options["datasets"],
            options["tiers"],
            options["tier_names"],
            point_s=None if options["point_s"] is None else float(options["point_s"]),
            decode_media=not roots,
            cut_overrun=options["cut_overrun"],
            clips=options.get("known_clips"),
            probabilities=options["probabilities"],
        )
        yield Sources(exports, read_options, roots, names), selection, treatment


def input_files(options: dict[str, Any]) -> list[str]:
    """What the options of `source_options` name to be read, which no output may take the place of."""
    named = [*options["exports"], options["labels"], options["annotator_map"], *options["renames"], *options["roots"]]
    return [name for name in named if name]


def _treatment(options: dict[str, Any], tree: Any) -> Any:
    """The Treatment that `options` ask for. `tree` is the label file's: what labels must be found in.

    (A project's own tree holds every label of the project already.)
    """
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.annotations.matching import LabelMatcher
    from lsvid.writers.export import Treatment

    renames = read_renames(options["renames"])
    matcher = LabelMatcher(tree, renames, options["label_separator"]) if tree or renames else None
    names = ("snap_s", "overlap", "priority", "join_gap_s")  # see boundary_options, which not every command has
    boundaries = BoundaryOptions(*(options[name] for name in names if name in options))
    return Treatment(matcher, boundaries)


def note_treatment(output: Output, report: dict[str, Any]) -> None:
    """Say what was done to spans on their way."""
    done = report.get("boundaries", {})
    if snap := done.get("snap"):
        output.note(f"moved {snap['moved']} boundaries by up to {snap['largest_move_s']:.3f} s")
    if overlap := done.get("overlap"):
        output.note(f"resolved {overlap['resolved']} overlaps; {overlap['spans_vanished']} spans vanished")
    if joined := done.get("join"):
        output.note(f"joined {joined['joined']} pairs of spans")


def read_renames(values: tuple[str, ...]) -> dict[str, str]:
    """Old label -> new, from what --rename was given. Raises SettingsError."""
    from lsvid.video.clips import is_file

    renames: dict[str, str] = {}
    for value in values:
        if is_file(value):
            renames |= _read_map(value, "old label, new label")
            continue
        old, equals, new = value.partition("=")
        if not (equals and old.strip() and new.strip()):
            raise SettingsError(
                f"--rename {value[:200]!r} is neither OLD=NEW nor a file",
                "write --rename 'old label=new label', or name a CSV file of two columns",
            )
        renames[old] = new
    return renames


def _read_map(path: str, columns: str) -> dict[str, str]:
    from lsvid.files.texts import TextError, csv_rows, read_text

    try:
        rows = list(csv_rows(read_text(Path(path)).text))
    except TextError as error:
        raise SettingsError(f"cannot read {path}: {error}", f"it is a CSV file in UTF-8: {columns}") from error
    for number, cells in rows:
        if len(cells) != 2:
            raise SettingsError(f"{path}:{number}: not two columns", f"each line: {columns}")
    return {old: new for _, (old, new) in rows}
