"""`lsvid evaluate`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from lsvid.cli.groups import Function, command, group, option
from lsvid.cli.options import output_folder_option, spreadsheet_option
from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import Reading, boundary_options, note_changes, read, reading_options

if TYPE_CHECKING:
    from lsvid.analysis.evaluated import Evaluation
    from lsvid.annotations.boundaries import BoundaryOptions
    from lsvid.dataset import Dataset
    from lsvid.findings import Findings

COMPARED = "What is compared"


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how: see `lsvid.analysis.evaluation.evaluate`. models: whose predictions; empty: all."""

    models: tuple[str, ...]
    level: int
    fps: str
    relaxed_s: str
    strategy: str
    unlabelled: str | None
    as_: tuple[str, ...]
    common: bool


def comparison_options(command: Function) -> Function:
    """Add the options that say what is compared; the command gets them as `how`, a Comparison."""
    return group(
        "how",
        Comparison,
        option(
            COMPARED,
            "--model",
            "models",
            multiple=True,
            metavar="NAME",
            help="Compare only predictions by this model (or person); repeatable. --annotator chooses the truth.",
        ),
        option(
            COMPARED,
            "--level",
            default=1,
            show_default=True,
            type=click.IntRange(min=1),
            help="Compare this level of the labels.",
        ),
        option(
            COMPARED,
            "--sample-fps",
            "fps",
            default="1",
            show_default=True,
            metavar="S",
            help="Compare S pictures a second, the same as in export-frames; the clips' rate compares all.",
        ),
        option(
            COMPARED,
            "--relaxed",
            "relaxed_s",
            default="10",
            show_default=True,
            metavar="S",
            help="In the relaxed numbers a boundary may be S seconds early or late.",
        ),
        option(
            COMPARED,
            "--strategy",
            default="B",
            show_default=True,
            type=click.Choice(["A", "B", "zero"]),
            help="How the first table counts a label that a case lacks; the files have all three ways.",
        ),
        option(
            COMPARED,
            "--unlabelled",
            type=click.Choice(["ignore", "background"]),
            help="How to count frames without a truth. Default: ignore; if labels overlap: background.",
        ),
        option(
            COMPARED,
            "--as",
            "as_",
            multiple=True,
            metavar="SCRIPT",
            help="Give the numbers of a published script, too, with its faults: tmrnet, tmrnet-fixed, surgformer, "
            "tmrnet-m2cai, svrcnet-m2cai, cholec80; repeatable.",
        ),
        option(
            COMPARED,
            "--common-only",
            "common",
            is_flag=True,
            help="Leave out and count cases, clips and labels that only one side has, instead of stopping.",
        ),
    )(command)


@command("evaluate")
@click.argument("files", nargs=-1, required=True, metavar="TRUTH PREDICTIONS")
@reading_options
@output_folder_option()
@comparison_options
@spreadsheet_option
@boundary_options
@output_options
def evaluate(
    output: Output,
    /,
    files: tuple[str, ...],
    reading: Reading,
    boundaries: "BoundaryOptions",
    how: Comparison,
    folder: str,
    spreadsheet_safe: bool,
) -> None:
    """Compare PREDICTIONS with TRUTH. Each is a file or folder that lsvid reads, of the same clips.

    Prints the numbers of a paper's table, unrelaxed and relaxed, and writes evaluation.html (one page that needs
    nothing else), evaluation.json (every number), labels.csv, cases.csv and confusion.csv.

    Of PREDICTIONS, lsvid takes the predictions; if the file holds none, the accepted annotations. With
    --project the project is the truth, and PREDICTIONS is the only file.

    \b
    Examples:
      lsvid evaluate truth.jsonl predicted.jsonl --clips /data/clips --labels labels.txt -o evaluation/
      lsvid evaluate --project Surgery predicted.jsonl -o evaluation/
      lsvid evaluate truth.jsonl predicted.jsonl --as tmrnet -o evaluation/
    """
    from lsvid.findings import Findings
    from lsvid.report.evaluation import PAGE, write_evaluation

    truth, predictions, others = _read_both(output, files, reading, how, boundaries)
    findings = Findings()
    found = _compare(truth, predictions, others, how, findings)
    inputs = (*truth.inputs, *predictions.inputs)
    written = write_evaluation(
        found, folder, truth.tree, inputs=inputs, findings=findings, spreadsheet_safe=spreadsheet_safe
    )
    output.findings(findings)
    output.document = {"folder": folder, "files": written, **found.as_dict()}
    output.note(str(found))
    output.note(f"-> {folder.rstrip('/')}/{PAGE}")


def _read_both(
    output: Output,
    files: tuple[str, ...],
    reading: Reading,
    how: Comparison,
    boundaries: "BoundaryOptions",
) -> "tuple[Dataset, Dataset, list[str]]":
    """The truth and the predictions of its cases, tidied, and the other cases of the predictions ('case op2').

    The predictions are looked for in the clips of the truth.
    """
    from lsvid.dataset import tidied
    from lsvid.readers.documents import OTHER_CASES
    from lsvid.video.clips import ClipFile

    usage = "name TRUTH and PREDICTIONS; with --project PREDICTIONS only"
    truth_request = reading(files[:-1], usage=usage)
    if len(truth_request.exports) > 1:
        raise click.UsageError(usage)
    truth = tidied(read(output, truth_request), boundaries)
    said = reading(
        files[-1:],
        project=None,
        roots=truth.roots,
        annotators=how.models,
        statuses=("accepted", "prediction"),
        known_clips=[ClipFile(clip.case, clip.name, clip.path, clip.clip.order) for clip in truth.located.clips],
        cases={clip.case for clip in truth.located.clips},
    )
    predictions = tidied(read(output, said), boundaries)
    others = [one for one in predictions.findings.left_out if one[1] == OTHER_CASES]
    predictions.findings.left_out[:] = [one for one in predictions.findings.left_out if one[1] != OTHER_CASES]
    for side in (truth, predictions):
        output.findings(side.findings)
        note_changes(output, side.changes)
    return truth, predictions, [case for case, _ in others]


def _compare(
    truth: "Dataset", predictions: "Dataset", others: list[str], how: Comparison, findings: "Findings"
) -> "Evaluation":
    """The evaluation. others: cases of the predictions that the truth lacks; they are left out, or are faults."""
    from lsvid.analysis.evaluation import evaluate as compare
    from lsvid.analysis.pairing import check_pairing
    from lsvid.errors import PairingError

    faults = [] if how.common else [f"{case}: only in the predictions" for case in others]
    for case in others:
        findings.leave_out(case, "cases that only the predictions have")
    try:
        found = compare(
            truth.located, predictions.located, labels=truth.labels, fps=how.fps, level=how.level,
            relaxed_s=how.relaxed_s, strategy=how.strategy, unlabelled=how.unlabelled, as_=how.as_, common=how.common,
            sources=[source.name for source in (*truth.sources, *predictions.sources)], findings=findings,
        )  # fmt: skip
    except PairingError as error:
        check_pairing([*faults, *error.faults] if faults else [])
        raise
    check_pairing(faults)
    return found
