"""The result of an evaluation: it prints like the table of a paper, and has every number by its name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lsvid.analysis.agreement import F1_OVERLAPS
from lsvid.analysis.cells import MEASURES, STRATEGIES, mean, sd
from lsvid.analysis.pairing import Pairs
from lsvid.analysis.published import VARIANTS
from lsvid.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

UNLABELLED = ("ignore", "background")

AS = (*VARIANTS, "cholec80")
"""The values for `as_`: the published scripts, and "cholec80", which is consistent but uses Cholec80's transitions."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate.

    relaxed_s: the seconds by which a boundary may be early or late in the relaxed numbers.
    strategy: one of STRATEGIES, whose numbers are shown first; all are computed.
    unlabelled: 'ignore' drops frames without a truth from everything that is counted by frame; 'background' keeps
    them, so that false alarms count, and no prediction is right there. None: 'ignore', but 'background' if frames may
    have several labels.
    as_: of AS; published scripts whose numbers, with their faults, are computed too.
    """

    relaxed_s: Fraction = Fraction(10)
    strategy: str = "B"
    unlabelled: str | None = None
    as_: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise SettingsError if a value is not one of those allowed."""
        for name, value, values in (
            ("strategy", self.strategy, STRATEGIES),
            ("unlabelled", self.unlabelled or UNLABELLED[0], UNLABELLED),
            *(("as", one, AS) for one in self.as_),
        ):
            if value not in values:
                raise SettingsError(f"{name} {value!r}: choose from {', '.join(values)}")
        if self.relaxed_s < 0:
            raise SettingsError(f"relaxed by {float(self.relaxed_s):g} s: choose 0 or more")


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation. It prints like the table of a paper; `as_dict()` has every number.

    pairs: the compared frames. warnings: sentences that a reader of the numbers has to know.

    >>> truth, said = {"op1": [0, 0, 0, 1], "op2": [0, 1, 1, 1]}, {"op1": [0, 0, 1, 1], "op2": [0, 1, 1, 1]}
    >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
    >>> print(found)
    2 cases, 2 labels, 8 frames at 1 fps; 0 frames without truth (ignored)
                    accuracy      precision     recall        Jaccard       F1
    unrelaxed       87.5 ± 17.7   87.5 ± 17.7   91.7 ± 11.8   79.2 ± 29.5   86.7 ± 18.9
    relaxed 10 s    100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0
    segments        edit 100.0    F1@10 100.0   F1@25 100.0   F1@50 100.0
    mean over the labels in a case's truth (strategy B), then mean ± SD (n-1) over cases
    >>> found.per_case["case", "accuracy"].rows()
    [('op1', 75.0), ('op2', 100.0)]
    >>> found.summary["variant", "measure", "mean"].row(0)
    ('unrelaxed', 'accuracy', 87.5)
    """

    pairs: Pairs
    options: EvaluationOptions
    unlabelled: str
    results: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    level: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Every number by its name, ready for JSON: None if not defined, 'inf' if infinite.

        >>> truth, said = {"op1": [0, 0, 1, 1]}, {"op1": [0, 1, 1, 1]}
        >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
        >>> found.as_dict()["tp_fp_fn"]
        {'op1': [[1, 0, 1], [2, 1, 0]]}
        """
        about = {
            "labels": list(self.pairs.labels),
            "cases": list(self.pairs.cases),
            "settings": {
                "fps": _number(self.pairs.fps),
                "level": self.level,
                "relaxed_s": _number(self.options.relaxed_s),
                "relaxed_frames": tolerance(self.options.relaxed_s, self.pairs.fps),
                "strategy": self.options.strategy,
                "unlabelled": self.unlabelled,
                "as": list(self.options.as_),
            },
            "sources": list(self.sources),
            "warnings": list(self.warnings),
        }
        return {name: _plain(value) for name, value in (about | dict(self.results)).items()}

    @property
    def summary(self) -> "pl.DataFrame":
        """A row for each of unrelaxed, relaxed and segments: mean and SD over cases (n - 1) of each measure."""
        import polars as pl  # noqa: PLC0415 - its import takes a tenth of a second

        rows = []
        for name, measures in self._rows():
            for measure, (value, deviation) in measures.items():
                rows.append({"variant": name, "measure": measure, "mean": value, "sd_cases": deviation})
        schema = {"variant": pl.String, "measure": pl.String, "mean": pl.Float64, "sd_cases": pl.Float64}
        return pl.DataFrame([_nulls(row) for row in rows], schema=schema)

    @property
    def per_label(self) -> "pl.DataFrame":
        """A row for each label: unrelaxed means and SDs over its defined cells (n_cases_…: how many), and pooled."""
        import polars as pl  # noqa: PLC0415 - as above

        return pl.DataFrame([_nulls(row) for row in self.label_rows()], infer_schema_length=None)

    @property
    def per_case(self) -> "pl.DataFrame":
        """A row for each case: frames, accuracy, means over its labels, edit score, F1@k."""
        import polars as pl  # noqa: PLC0415 - as above

        return pl.DataFrame([_nulls(row) for row in self.case_rows()], infer_schema_length=None)

    @property
    def confusion(self) -> "pl.DataFrame":
        """Counts of frames: rows are labels in the truth, columns are predicted labels; '' is no label."""
        import polars as pl  # noqa: PLC0415 - as above

        names = self.confusion_names()
        table = np.array(self.results["confusion"])
        columns = {name or "(none)": table[:, k] for k, name in enumerate(names)}
        return pl.DataFrame({"truth": names, **columns})

    def confusion_names(self) -> list[str]:
        """The names of the rows and columns of results["confusion"]: '' (no label), each label, sets of labels.

        >>> truth, said = {"op1": [0, 0, 1, 1]}, {"op1": [0, 1, 1, 1]}
        >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
        >>> found.confusion_names(), found.as_dict()["confusion"]
        (['', 'cut', 'sew'], [[0, 0, 0], [0, 1, 1], [0, 0, 2]])
        """
        members = self.pairs.members
        return ["; ".join(self.pairs.labels[k] for k in np.flatnonzero(column)) for column in members.T]

    def label_rows(self) -> list[dict[str, Any]]:
        """`per_label` as plain rows.

        >>> truth, said = {"op1": [0, 0, 1, 1]}, {"op1": [0, 1, 1, 1]}
        >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
        >>> [(row["label"], row["frames_in_truth"], row["recall"]) for row in found.label_rows()]
        [('cut', 2, 50.0), ('sew', 2, 100.0)]
        """
        found = self.results["unrelaxed"][self.options.strategy]
        relaxed = self.results["relaxed"]["consistent_neighbours"]
        rows = []
        for k, label in enumerate(self.pairs.labels):
            counts = np.array([case[k] for case in self.results["tp_fp_fn"].values()]).sum(axis=0)
            row: dict[str, Any] = {
                "label": label, "frames_in_truth": int(counts[0] + counts[2]),
                "frames_predicted": int(counts[0] + counts[1]),
            }  # fmt: skip
            for measure in MEASURES:
                cell = found[measure]["per_label"][k]
                row |= {measure: cell["mean"], f"{measure}_sd_cases": cell["sd_cases"],
                        f"{measure}_n_cases": cell["n_cases"],
                        f"{measure}_relaxed": mean(relaxed["per_label_per_case"][measure][k]),
                        f"{measure}_pooled": self.results["pooled"][measure]["per_label"][k]}  # fmt: skip
            rows.append(row)
        return rows

    def case_rows(self) -> list[dict[str, Any]]:
        """`per_case` as plain rows.

        >>> truth, said = {"op1": [0, 0, 1, 1]}, {"op1": [0, 1, 1, 1]}
        >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
        >>> [(row["case"], row["frames"], row["accuracy"]) for row in found.case_rows()]
        [('op1', 4, 75.0)]
        """
        values = self.results["cells"][self.options.strategy]
        segment = self.results["segments"]
        rows = []
        for number, case in enumerate(self.pairs.cases):
            row = {"case": case, "frames": self.results["frames"][case],
                   "accuracy": self.results["accuracy"]["per_case"][case]}  # fmt: skip
            row |= {measure: mean([column[number] for column in values[measure]]) for measure in MEASURES}
            row["edit"] = segment["edit_per_case"][case]
            for place, overlap in enumerate(F1_OVERLAPS):
                hits, extra, missed = segment["tp_fp_fn_per_case_10_25_50"][case][place]
                either = 2 * hits + extra + missed
                row[f"f1_{round(100 * overlap)}"] = 200 * hits / either if either else math.nan
            rows.append(row)
        return rows

    def _rows(self) -> list[tuple[str, dict[str, tuple[float, float]]]]:
        unrelaxed = self.results["unrelaxed"][self.options.strategy]
        relaxed = self.results["relaxed"]["consistent_neighbours"]
        rows = []
        for name, of, right in (("unrelaxed", unrelaxed, self.results["accuracy"]),
                                (self.relaxed_name, relaxed, relaxed["accuracy"])):  # fmt: skip
            measures = {"accuracy": (right["mean"], right["sd_cases"])}
            measures |= {m: (of[m]["by_case"]["mean"], of[m]["by_case"]["sd_cases"]) for m in MEASURES}
            rows.append((name, measures))
        segment = self.results["segments"]
        edits = list(segment["edit_per_case"].values())
        values = {"edit": (segment["edit"], sd(edits))}
        values |= {f"F1@{round(100 * overlap)}": (value, math.nan)
                   for overlap, value in zip(F1_OVERLAPS, segment["f1_10_25_50"], strict=True)}  # fmt: skip
        rows.append(("segments", values))
        if "detections" in self.results:
            scores = self.results["detections"]
            rows.append(("detections", {f"mAP {name}": (scores[name]["average_mAP"], math.nan)
                                        for name in ("activitynet", "thumos")}))  # fmt: skip
        return rows

    @property
    def relaxed_name(self) -> str:
        """Such as 'relaxed 10 s'."""
        return f"relaxed {float(self.options.relaxed_s):g} s"

    @property
    def how(self) -> str:
        """How the first numbers are defined, in one line."""
        over = {"A": "over a case's labels, in truth or predicted", "B": "over the labels in a case's truth",
                "zero": "over a case's labels, in truth or predicted, 0 for what is not defined"}  # fmt: skip
        return f"mean {over[self.options.strategy]} (strategy {self.options.strategy}), then mean ± SD (n-1) over cases"

    @property
    def head(self) -> str:
        """What was compared, in one line."""
        ignored = self.results["frames_without_truth"]
        what = "ignored" if self.unlabelled == "ignore" else "counted as background"
        level = f" (level {self.level})" if self.level else ""
        n_cases, n_labels = len(self.pairs.cases), len(self.pairs.labels)
        return (
            f"{n_cases} case{'s' * (n_cases != 1)}, {n_labels} label{'s' * (n_labels != 1)}{level}, "
            f"{sum(self.results['frames'].values())} frames at {float(self.pairs.fps):g} fps; "
            f"{ignored} frames without truth ({what})"
        )

    def __str__(self) -> str:
        columns = ("accuracy", "precision", "recall", "Jaccard", "F1")
        rows = self._rows()
        lines = [self.head, " " * 16 + "".join(f"{name:<14}" for name in columns).rstrip()]
        for name, measures in rows[:2]:
            lines.append(f"{name:<16}" + "".join(f"{_mean_sd(*value):<14}" for value in measures.values()).rstrip())
        for name, measures in rows[2:]:
            digits = 1 if name == "segments" else 3
            texts = [f"{measure} {_text(value, digits)}" for measure, (value, _) in measures.items()]
            lines.append(
                f"{name:<16}" + "".join(f"{text:<14}" if len(text) < 14 else text + "  " for text in texts).rstrip()
            )
        lines.append(self.how)
        for name in self.options.as_:
            lines += published_lines(name, self.results["relaxed"])
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Evaluation: {self.head}>"

    def _repr_html_(self) -> str:
        return f"<pre>{self}</pre>"


def tolerance(relaxed_s: Fraction, fps: Fraction) -> int:
    """The number of frames by which a boundary may be early or late."""
    return math.floor(relaxed_s * fps)


def published_lines(name: str, relaxed: Mapping[str, Any]) -> list[str]:
    """Lines with the numbers that a published script would print, and a note that it has faults."""
    if name == "cholec80":
        found = relaxed["consistent_cholec80"]
        values = [_mean_sd(found[m]["mean"], found[m]["sd_cases"]) if m == "accuracy" else
                  _mean_sd(found[m]["by_case"]["mean"], found[m]["by_case"]["sd_cases"])
                  for m in ("accuracy", *MEASURES)]  # fmt: skip
        return [f"{'as cholec80':<16}" + "".join(f"{value:<14}" for value in values).rstrip()]
    lines = []
    if name != "surgformer":
        found = relaxed[VARIANTS[name].name]["summary"]
        values = [_mean_sd(found["accuracy"]["mean"], found["accuracy"]["sd_cases"])]
        values += [_mean_sd(found[m]["mean"], found[m]["sd_labels"]) for m in MEASURES[:3]]
        lines.append(f"{'as ' + name:<16}" + "".join(f"{value:<14}" for value in values).rstrip())
    if name in ("surgformer", "tmrnet"):
        found = relaxed["surgformer"]["f1"]
        lines.append(f"{'as surgformer':<16}" + " " * 56 + _mean_sd(found["mean"], found["sd_cases"]))
    lines.append(f"as {name}: a published script's numbers, its faults included; ± of J, P, R is over labels (n-1)")
    return lines


def _mean_sd(value: float, deviation: float) -> str:
    return _text(value) if math.isnan(deviation) else f"{_text(value)} ± {_text(deviation)}"


def _text(value: float, digits: int = 1) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _number(value: Fraction) -> float | int:
    return int(value) if value.denominator == 1 else float(value)


def _nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def _plain(value: object) -> object:
    """`value` for JSON, without NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return None if math.isnan(value) else "inf" if math.isinf(value) else float(value)
    return value
