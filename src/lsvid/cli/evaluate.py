"""`lsvid evaluate`."""

from typing import Any

import click

from lsvid.cli.output import Output, output_options
from lsvid.cli.sources import (
    boundary_options,
    input_files,
    note_treatment,
    open_sources,
    reading_options,
    spreadsheet_option,
)


@click.command("evaluate")
@click.argument("files", nargs=-1, required=True, metavar="TRUTH PREDICTIONS")
@reading_options
@click.option(
    "-o", "--output", "folder", required=True, metavar="DIR", help="Folder to write into, or s3://BUCKET/PREFIX."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only predictions by this model (or person); repeatable. --annotator chooses the truth.",
)
@click.option(
    "--level", default=1, show_default=True, type=click.IntRange(min=1), help="Level of the labels that is compared."
)
@click.option(
    "--sample-fps",
    default="1",
    show_default=True,
    metavar="S",
    help="Pictures a second that are compared, as in export-frames; the clips' rate for all.",
)
@click.option(
    "--relaxed",
    "relaxed_s",
    default="10",
    show_default=True,
    metavar="S",
    help="Seconds that a boundary may be early or late, in the relaxed numbers.",
)
@click.option(
    "--strategy",
    default="B",
    show_default=True,
    type=click.Choice(["A", "B", "zero"]),
    help="What a label that a case lacks is worth, in the first table; the files have all three.",
)
@click.option(
    "--unlabelled",
    type=click.Choice(["ignore", "background"]),
    help="What frames without a truth are. Default: ignore; background where labels overlap.",
)
@click.option(
    "--as",
    "as_",
    multiple=True,
    metavar="SCRIPT",
    help="Also the numbers of a published script, its faults included: tmrnet, tmrnet-fixed, surgformer, "
    "tmrnet-m2cai, svrcnet-m2cai, cholec80; repeatable.",
)
@click.option(
    "--common-only",
    "common",
    is_flag=True,
    help="Leave out, and count, cases, clips and labels that only one side has, instead of stopping.",
)
@spreadsheet_option
@boundary_options
@output_options
def evaluate(output: Output, /, **options: Any) -> None:  # fmt: skip
    """Compare PREDICTIONS with TRUTH: both anything that lsvid reads, of the same clips.

    Prints the numbers of a paper's table, unrelaxed and relaxed, and writes evaluation.html (one page that needs
    nothing else), evaluation.json (every number), labels.csv, cases.csv and confusion.csv.

    \b
    Of PREDICTIONS those count that are predictions; where the file holds none, what was accepted. With --project the
    truth is the project's, and PREDICTIONS the only file.

    \b
    Examples:
      lsvid evaluate truth.jsonl predicted.jsonl --clips /data/clips --labels labels.txt -o evaluation/
      lsvid evaluate --project Surgery predicted.jsonl -o evaluation/
      lsvid evaluate truth.jsonl predicted.jsonl --as tmrnet -o evaluation/
    """
    from lsvid.analysis.evaluation import evaluate as compare
    from lsvid.annotations.stages import label_order
    from lsvid.errors import PairingError
    from lsvid.findings import Findings
    from lsvid.report.evaluation import PAGE, write_evaluation
    from lsvid.video.clips import ClipFile

    truth_files, prediction_file = options["files"][:-1], options["files"][-1]
    if len(truth_files) != (0 if options["project"] else 1):
        raise click.UsageError("name TRUTH and PREDICTIONS; with --project PREDICTIONS only")
    findings = Findings()
    truth, sources = _read(output, options | {"exports": truth_files}, findings)
    theirs = {"exports": (prediction_file,), "project": None, "roots": sources.roots, "annotators": options["models"],
              "known_clips": [ClipFile(clip.case, clip.name, clip.path, clip.clip.order) for clip in truth.clips],
              "statuses": ("accepted", "prediction")}  # fmt: skip
    predictions, others = _read(output, options | theirs, findings)
    tree = sources.options.tree
    try:
        found = compare(
            truth,
            predictions,
            labels=label_order(truth.clips, tree),
            fps=options["sample_fps"],
            level=options["level"],
            relaxed_s=options["relaxed_s"],
            strategy=options["strategy"],
            unlabelled=options["unlabelled"],
            as_=options["as_"],
            common=options["common"],
            sources=[*(sources.names or sources.exports), *others.exports],
            findings=findings,
        )
    except PairingError as error:
        hint = "mend what is listed; --common-only leaves out, and counts, what only one side has"
        raise PairingError(error.message.splitlines()[0], hint, error.faults) from error
    inputs = [*options["files"], *input_files(options | theirs)]
    written = write_evaluation(
        found, options["folder"], tree, inputs, findings, spreadsheet_safe=options["spreadsheet_safe"]
    )
    output.findings(findings)
    output.document = {"folder": options["folder"], "files": written, **found.as_dict()}
    output.note(str(found))
    output.note(f"-> {options['folder'].rstrip('/')}/{PAGE}")


def _read(output: Output, options: dict[str, Any], findings: Any) -> tuple[Any, Any]:
    """(the annotations of one side, Sources)."""
    from lsvid.writers.export import read_clips

    with open_sources(output, options) as (sources, selection, treatment):
        with output.progress("Reading clips") as step:
            located = read_clips(
                sources, selection, findings, skip_bad=options["skip_bad"], treatment=treatment, on_probed=step
            )
        note_treatment(output, treatment.report)
        return located, sources
