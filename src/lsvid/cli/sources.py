"""The options of every command that reads annotations, from a project or from export files."""

import inspect
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from lsvid.cli.groups import BOUNDARIES, READ, Decorator, Function, group, option
from lsvid.cli.options import CASE_OPTIONS, SERVER_OPTIONS, case_rule, probability_options, s3_options, seconds
from lsvid.errors import SettingsError
from lsvid.readers.documents import TIER_NAMES

if TYPE_CHECKING:
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.annotations.probabilities import ProbabilityOptions
    from lsvid.cli.output import Output
    from lsvid.dataset import Dataset
    from lsvid.reading import ReadRequest
    from lsvid.video.clips import ClipFile
    from lsvid.workers.processes import Workers

Reading = Callable[..., "ReadRequest"]

STATUSES = ("accepted", "rejected", "ignored", "skipped", "draft", "prediction")

FLAT_LABEL_OPTIONS: tuple[Decorator, ...] = (
    option(READ, "--rename", "renames", multiple=True, metavar="OLD=NEW|FILE",
           help="Read label OLD as NEW; repeatable. FILE: a CSV file with two columns, old and new."),
    option(READ, "--label-separator", default=" - ", show_default=True, metavar="TEXT",
           help="The text between a label and its sub label in flat labels ('Suturing - Knot')."),
    option(READ, "--dataset", "datasets", multiple=True, metavar="NAME",
           help="For a Prodigy database (prodigy.db): the dataset to read; repeatable."),
    option(READ, "--tiers", multiple=True, metavar="PATTERN",
           help="For ELAN: read only these tiers ('gloss*'); repeatable. Default: all."),
    option(READ, "--tier-names", type=click.Choice(TIER_NAMES), default="auto", show_default=True,
           help="For ELAN: what the name of a top tier means. level: it is the first level of the labels. auto: the "
           "same, but only if tiers stand side by side (two hands). participant: the tier's participant is the first "
           "level. annotator: it is the annotator. none: nothing. For BORIS: the same for its subjects; level, "
           "annotator or none."),
    option(READ, "--point-s", callback=seconds, metavar="S",
           help="For BORIS, LosslessCut and VIA: make a span of S seconds from each moment. Default: a moment labels "
           "no frame."),
)  # fmt: skip
"""Options for labels and data of other programs."""


_SOURCE_OPTIONS: tuple[Decorator, ...] = (
    option(READ, "--project", metavar="ID|TITLE", help="Read the annotations from this Label Studio project."),
    option(READ, "--clips", "roots", multiple=True, metavar="DIR",
           help="Folder of the clips, or s3://BUCKET/PREFIX; repeatable. Default: the project's storage."),
    option(READ, "--labels", metavar="FILE",
           help="Label file. It gives the order of the labels, and the names of their ids."),
    option(READ, "--annotator", "annotators", multiple=True, metavar="A", help="Read only this annotator; repeatable."),
    option(READ, "--annotators", "annotator_map", metavar="MAP",
           help="CSV file with two columns: the annotator in the export, and the name to write."),
    option(READ, "--annotations", default="latest", show_default=True,
           type=click.Choice(["latest", "first", "ground-truth", "all"]),
           help="Which annotation counts, if one annotator has several of a clip."),
    option(READ, "--all-versions", is_flag=True, help="The same as --annotations all."),
    option(READ, "--status", "statuses", type=click.Choice(STATUSES), multiple=True, default=["accepted"],
           show_default=True, help="Read annotations of this status; repeatable."),
    option(READ, "--skip-bad", is_flag=True, help="Leave bad spans out and count them, instead of stopping."),
    option(READ, "--cut-overrun", is_flag=True,
           help="Cut a span that ends more than a second after its clip, and count it, instead of stopping."),
    option(READ, "--ls-fps", metavar="R",
           help="Frame rate of Label Studio's editor, for tasks that do not say it."),
    *FLAT_LABEL_OPTIONS,
    probability_options,
    *CASE_OPTIONS,
    *SERVER_OPTIONS,
)  # fmt: skip


def source_options(command: Function) -> Function:
    """Add the options that say what is read and which annotations count; the command gets a ReadRequest `request`."""
    exports = click.argument("exports", nargs=-1, metavar="[EXPORT_FILE]...")
    return s3_options(group("request", _read_request, exports, *_SOURCE_OPTIONS)(command))


def reading_options(command: Function) -> Function:
    """Those of `source_options` without EXPORT_FILE; `reading` is a function (exports, more values) -> ReadRequest."""

    def make(**values: Any) -> "Reading":
        return lambda exports, **others: _read_request(exports=exports, **(values | others))

    names = [
        name
        for name in inspect.signature(_read_request).parameters
        if name not in ("exports", "known_clips", "cases", "usage")
    ]
    return s3_options(group("reading", make, *_SOURCE_OPTIONS, names=names)(command))


def _read_request(
    exports: tuple[str, ...],
    project: str | None,
    roots: tuple[str, ...],
    labels: str | None,
    annotators: tuple[str, ...],
    annotator_map: str | None,
    annotations: str,
    all_versions: bool,
    statuses: tuple[str, ...],
    skip_bad: bool,
    cut_overrun: bool,
    ls_fps: str | None,
    renames: tuple[str, ...],
    label_separator: str,
    datasets: tuple[str, ...],
    tiers: tuple[str, ...],
    tier_names: str,
    point_s: Fraction | None,
    probabilities: "ProbabilityOptions",
    case: str | None,
    case_from: str | None,
    url: str | None,
    api_key: str | None,
    known_clips: "Sequence[ClipFile] | None" = None,
    cases: "Collection[str] | None" = None,
    usage: str = "name export files, or a project with --project, not both",
) -> "ReadRequest":
    from lsvid.annotations.spans import Status
    from lsvid.annotations.stages import Selection
    from lsvid.readers.documents import ReadOptions
    from lsvid.reading import Connection, ReadRequest, rate_of, read_map

    if bool(exports) == bool(project):
        raise click.UsageError(usage)
    if ls_fps is not None:
        rate_of(ls_fps, "--ls-fps")
    names = read_map(annotator_map, "annotator as exported, name to write") if annotator_map else {}
    return ReadRequest(
        exports=exports,
        project=project,
        connection=Connection(url, api_key),
        roots=roots,
        labels=labels,
        options=ReadOptions(
            rule=case_rule(case, case_from),
            ls_fps=ls_fps,
            annotators=names,
            datasets=datasets,
            tiers=tiers,
            tier_names=tier_names,
            point_s=None if point_s is None else float(point_s),
            cut_overrun=cut_overrun,
            clips=known_clips,
            cases=cases,
            probabilities=probabilities,
        ),
        selection=Selection(
            annotations="all" if all_versions else annotations,
            statuses=frozenset(Status(status) for status in statuses),
            annotators=frozenset(annotators) or None,
        ),
        annotator_order=annotators,
        renames=read_renames(renames),
        separator=label_separator,
        skip_bad=skip_bad,
        files=tuple(name for name in (annotator_map, *renames) if name),
    )


def boundary_options(command: Function) -> Function:
    """Add --snap, --overlap, --priority and --join-gap; the command gets BoundaryOptions `boundaries`."""

    def make(snap_s: Any, overlap: str, priority: str, join_gap_s: Any) -> "BoundaryOptions":
        from lsvid.annotations.boundaries import BoundaryOptions

        return BoundaryOptions(snap_s, overlap, priority, join_gap_s)

    return group(
        "boundaries",
        make,
        option(BOUNDARIES, "--snap", "snap_s", callback=seconds, metavar="S",
               help="If a span ends within S seconds of another's start, move both boundaries to the middle."),
        option(BOUNDARIES, "--overlap", type=click.Choice(["keep", "error", "priority"]), default="keep",
               show_default=True, help="If spans of different labels overlap: keep both, stop and list them, or let "
               "one win. A label and its sub labels do not conflict."),
        option(BOUNDARIES, "--priority", type=click.Choice(["label-order", "longest"]), default="label-order",
               show_default=True, help="Which span wins with --overlap priority: the first in the label file, or "
               "the longest."),
        option(BOUNDARIES, "--join-gap", "join_gap_s", callback=seconds, metavar="S",
               help="Join spans of one label that are at most S seconds apart (0: that touch). Parts in two clips get "
               "one region id."),
    )(command)  # fmt: skip


def read(
    output: "Output", request: "ReadRequest", workers: "Workers | None" = None, *, lenient: bool = False
) -> "Dataset":
    """The data set that `request` names. Shows progress bars; see `read_located`."""
    from lsvid.dataset import read_dataset
    from lsvid.errors import LsvidError
    from lsvid.findings import Findings

    findings = Findings()
    try:
        with output.progress("Downloading annotations") as on_downloaded, output.progress("Reading clips") as on_found:
            return read_dataset(
                request, findings=findings, lenient=lenient, workers=workers, on_downloaded=on_downloaded,
                on_found=on_found,
            )  # fmt: skip
    except LsvidError:
        output.findings(findings)  # they may explain the error
        raise


def note_changes(output: "Output", changes: Any) -> None:
    """Report how boundaries and overlaps of spans were changed."""
    done = changes.get("boundaries", {})
    if snap := done.get("snap"):
        output.note(f"moved {snap['moved']} boundaries by up to {snap['largest_move_s']:.3f} s")
    if overlap := done.get("overlap"):
        output.note(f"resolved {overlap['resolved']} overlaps; {overlap['spans_vanished']} spans vanished")
    if joined := done.get("join"):
        output.note(f"joined {joined['joined']} pairs of spans")


def read_renames(values: tuple[str, ...]) -> dict[str, str]:
    """Old label -> new label, from the values of --rename. Raises SettingsError."""
    from lsvid.files.paths import is_file
    from lsvid.reading import read_map

    renames: dict[str, str] = {}
    for value in values:
        if is_file(value):
            renames |= read_map(value, "old label, new label")
            continue
        old, equals, new = value.partition("=")
        if not (equals and old.strip() and new.strip()):
            raise SettingsError(
                f"--rename {value[:200]!r} is neither OLD=NEW nor a file",
                "write --rename 'old label=new label', or name a CSV file of two columns",
            )
        renames[old] = new
    return renames
