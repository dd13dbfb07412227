"""The numbers of published evaluation scripts, with their faults, for a comparison with the tables of papers.

`Evaluate.m` and `Main.m` of the M2CAI 2016 challenge, as SV-RCNet, TMRNet, Trans-SVNet and Surgformer use them. They
know seven phases by number (M2CAI: eight, with its rules one phase later), and relax boundaries by 10 s, but:

1. frames that are early by less than 10 s stay wrong; instead, as many frames at the *beginning* of the phase become
   right, whatever is predicted there (`fixed` repairs only this);
2. a forgiven frame is a hit of both phases, so precision and recall may pass 100; Main.m cuts each of them to 100;
3. a phase in the truth that is never predicted has no precision or, with forgiven frames, infinity, cut to 100;
4. frames without a truth, before the last frame with one, are right, and hits of the predicted phase;
5. J, P and R are means over cases, then over phases, and their SD is over phases; if a phase is in no case, the mean J
   and R are undefined.

Read and run: YuemingJin/TMRNet 6a0db47, YuemingJin/SV-RCNet 8df7e10, isyangshu/Surgformer 21a9578.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lsvid.analysis.cells import FloatArray, mean, sd
from lsvid.analysis.relaxed import BoolArray, Rule, offsets
from lsvid.annotations.codings import IntArray, Runs
from lsvid.errors import DataError


class Variant(NamedTuple):
    """A script. name: of its results. n_labels: the number of phases that it takes.

    fixed: fault 1 is repaired. zero: a phase that is never predicted has precision 0. f1: with Surgformer's F1.
    """

    name: str
    n_labels: tuple[int, ...] = (7,)
    fixed: bool = False
    zero: bool = False
    f1: bool = False


VARIANTS = {
    "tmrnet": Variant("tmrnet"),
    "tmrnet-fixed": Variant("tmrnet_fixed", fixed=True),
    "surgformer": Variant("surgformer", f1=True),
    "tmrnet-m2cai": Variant("tmrnet_m2cai", (7, 8)),
    "svrcnet-m2cai": Variant("svrcnet_m2cai", (7, 8), zero=True),
}
"""By name. For M2CAI with its eight phases, seven are allowed too: those from the second on."""


def cholec80_rule(later: int = 0) -> Rule:
    """The transitions that are relaxed in Cholec80, with codes from 1.

    Forward to the next phase, from 4 to 7 also to the one after it; back to the phase before, from 6 and 7 also to the
    one before that. later: M2CAI's phases are 1 later.
    """
    return Rule({p + later: (-1, -2) for p in (6, 7)}, {p + later: (1, 2) for p in (4, 5, 6, 7)})


class Scores(NamedTuple):
    """The scores of a case, in percent and not cut to 100: jaccard, precision, recall, f1 by phase, and accuracy."""

    jaccard: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    accuracy: float


def published(cases: Mapping[str, Runs], n_labels: int, variant: Variant, tolerance: int) -> dict[str, Any]:
    """The results of the script. Codes are 0 for no label, then 1, 2, … in the order of the phases.

    per_case_not_clamped: by case; summary: the numbers that Main.m prints; clamped, infinite: cells that were above
    100, and those that were infinite. Raises DataError if the script would stop with an error.
    """
    rule = cholec80_rule(later=n_labels - 7)
    found = {case: scores(case, runs, n_labels, variant, rule, tolerance) for case, runs in cases.items()}
    table = {name: np.array([getattr(one, name) for one in found.values()]) for name in Scores._fields}
    cells = np.concatenate([table[name].ravel() for name in ("f1",) if variant.f1] or
                           [table[name].ravel() for name in ("jaccard", "precision", "recall")])  # fmt: skip
    cut = {name: np.where(values > 100, 100, values) for name, values in table.items()}  # NaN stays NaN
    counts = {"clamped": int((cells > 100).sum()), "infinite": int(np.isinf(cells).sum())}
    if variant.f1:
        of_labels = [mean(column) for column in cut["f1"].T]
        means_of_cases = [mean(row) for row in cut["f1"]]
        return {
            "f1_per_case_not_clamped": {case: one.f1.tolist() for case, one in found.items()},
            "f1": {"per_label": of_labels, "mean": float(np.mean(of_labels)), "sd_cases": sd(means_of_cases)},
            **counts,
        }
    summary: dict[str, Any] = {}
    for name in ("jaccard", "precision", "recall"):
        of_labels = [mean(column) for column in cut[name].T]
        complete = name == "precision" or not np.isnan(of_labels).any()
        summary[name] = {
            "per_label": of_labels,
            "mean": mean(of_labels) if complete else np.nan,
            "sd_labels": sd(of_labels) if complete else np.nan,
        }
    summary["accuracy"] = {"mean": mean(table["accuracy"]), "sd_cases": sd(table["accuracy"])}
    per_case = {
        case: {name: getattr(one, name).tolist() for name in ("jaccard", "precision", "recall")}
        | {"accuracy": one.accuracy}
        for case, one in found.items()
    }
    return {
        "per_case_not_clamped": per_case,
        "summary": summary,
        "accuracy": {case: one.accuracy for case, one in found.items()},
        "jaccard_per_case": {case: one["jaccard"] for case, one in per_case.items()},
        "precision_per_case_not_clamped": {case: one["precision"] for case, one in per_case.items()},
        **counts,
    }


def scores(case: str, runs: Runs, n_labels: int, variant: Variant, rule: Rule, tolerance: int) -> Scores:
    """The scores of Evaluate.m for one case. Raises DataError if the script would stop."""
    truth, said = (np.repeat(row, runs.lengths) for row in runs.codes)
    right = _right(truth, said, rule, tolerance, fixed=variant.fixed)
    labelled = np.flatnonzero(truth)
    beyond = np.unique(said[labelled[-1] + 1 if len(labelled) else 0 :])
    if np.isin(beyond[beyond > 0], truth).any():
        raise DataError(
            f"case {case}: phases are predicted after the truth's last label; there the published script stops",
            "cut the predictions to the end of the truth",
        )
    codes = range(1, n_labels + 1)
    in_truth = np.array([np.count_nonzero(truth == code) for code in codes])
    predicted = np.array([np.count_nonzero(said == code) for code in codes])
    either = np.array([np.count_nonzero((truth == code) | (said == code)) for code in codes])
    hits = np.array([np.count_nonzero(right & ((truth == code) | (said == code))) for code in codes])
    with np.errstate(divide="ignore", invalid="ignore"):  # the script divides by zero too
        jaccard, precision, recall = 100 * hits / either, 100 * hits / predicted, 100 * hits / in_truth
        if variant.zero:
            precision[predicted == 0] = 0
        for values in (jaccard, precision, recall):
            values[in_truth == 0] = np.nan
        f1 = 2 * precision * recall / (precision + recall)
    n_right = np.count_nonzero(right[: labelled[-1] + 1]) if len(labelled) else 0
    return Scores(jaccard, precision, recall, f1, 100 * n_right / len(truth) if len(truth) else np.nan)


def _right(truth: IntArray, said: IntArray, rule: Rule, tolerance: int, *, fixed: bool) -> BoolArray:
    right: BoolArray = (truth == said) | (truth == 0)
    late, early = offsets(truth, said, rule.late, -1), offsets(truth, said, rule.early, 1)
    starts = np.flatnonzero(np.append(True, truth[1:] != truth[:-1])[: len(truth)])
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(truth)], strict=True):
        if truth[start]:
            reach = min(tolerance, stop - start)
            right[start : start + reach] |= late[start : start + reach]
            at = stop - reach if fixed else start  # fault 1: it looks at the end, and writes at the beginning
            right[at : at + reach] |= early[stop - reach : stop]
    return right
