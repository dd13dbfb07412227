"""Precision, recall, Jaccard index and F1 for each label in each case, and their means. Pure numpy; all in percent.

A cell is one label in one case. The strategy decides the value of a cell without a truth or without a prediction:

              truth lacks the label,      truth has it, never     neither
              it is predicted             predicted
    A         P = J = F1 = 0, R none      P none, R = J = F1 = 0  none
    B         none                        P none, R = J = F1 = 0  none
    zero      all 0 (scikit-learn)        all 0                   none

"none" is NaN here, and is left out of every mean. The names A and B come from I. Funke, D. Rivoir, S. Speidel, Metrics
Matter in Surgical Phase Recognition, arXiv 2305.13961, 2023.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

STRATEGIES = ("A", "B", "zero")
MEASURES = ("precision", "recall", "jaccard", "f1")


class Hits(NamedTuple):
    """Counts of frames by case and label, int64, each of shape (n_cases, n_labels).

    in_truth, predicted: frames that have the label. right_in_truth, right_predicted: those of them that are right;
    unrelaxed, both are the true positives. either: in truth or predicted; right_either: those of them that are right.
    """

    in_truth: IntArray
    predicted: IntArray
    either: IntArray
    right_in_truth: IntArray
    right_predicted: IntArray
    right_either: IntArray


def cells(hits: Hits, strategy: str) -> dict[str, FloatArray]:
    """The cells by measure, with one of STRATEGIES.

    F1 is the harmonic mean of the cell's own precision and recall (unrelaxed: 2 TP / (2 TP + FP + FN)), and 0 if the
    label is in the truth but never predicted.
    """
    only_predicted = (hits.in_truth == 0) & (hits.predicted > 0)
    only_in_truth = (hits.in_truth > 0) & (hits.predicted == 0)
    precision = _percent(hits.right_predicted, hits.predicted)
    recall = _percent(hits.right_in_truth, hits.in_truth)
    found = {
        "precision": precision,
        "recall": recall,
        "jaccard": _percent(hits.right_either, hits.either),
        "f1": harmonic_mean(precision, recall),
    }
    found["f1"][only_in_truth] = 0
    for name, values in found.items():
        if strategy == "B":
            values[only_predicted] = np.nan
        else:
            values[only_predicted] = np.nan if strategy == "A" and name == "recall" else 0
            if strategy == "zero":
                values[only_in_truth] = 0
    return found


def harmonic_mean(precision: FloatArray, recall: FloatArray) -> FloatArray:
    """2PR / (P + R); 0 if both are 0, NaN if one is."""
    total = precision + recall
    found: FloatArray = np.where(total == 0, 0.0, np.nan)
    np.divide(2 * precision * recall, total, out=found, where=total > 0)
    return found


def _percent(part: IntArray, whole: IntArray) -> FloatArray:
    found: FloatArray = np.full(part.shape, np.nan)
    np.divide(100 * part, whole, out=found, where=whole > 0)
    return found


def mean(values: FloatArray | Sequence[float]) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    kept = _defined(values)
    return float(kept.mean()) if len(kept) else np.nan


def sd(values: FloatArray | Sequence[float], ddof: int = 1) -> float:
    """The standard deviation of the values that are not NaN, divided by n - `ddof`; NaN if there are none."""
    kept = _defined(values)
    return float(kept.std(ddof=ddof)) if len(kept) > ddof else np.nan


def _defined(values: FloatArray | Sequence[float]) -> FloatArray:
    array: FloatArray = np.asarray(values, dtype=np.float64)
    kept: FloatArray = array[~np.isnan(array)]
    return kept


def in_both_orders(values: FloatArray) -> dict[str, Any]:
    """The mean of one measure's cells, taken in both orders, with standard deviations (SD).

    by_case: the mean over the labels of each case, then over cases; sd_cases (n - 1), sd_cases_n (n).
    by_label: the mean over the cases of each label, then over labels; sd_labels (n - 1) is not over patients.
    """
    of_cases, of_labels = [mean(row) for row in values], [mean(column) for column in values.T]
    return {
        "by_case": {"mean": mean(of_cases), "sd_cases": sd(of_cases), "sd_cases_n": sd(of_cases, 0)},
        "by_label": {"mean": mean(of_labels), "sd_labels": sd(of_labels)},
    }


def per_label(values: FloatArray) -> list[dict[str, Any]]:
    """For each label, over the cases in which its cell is defined: mean, sd_cases (n - 1), n_cases."""
    return [
        {"mean": mean(column), "sd_cases": sd(column), "n_cases": int((~np.isnan(column)).sum())} for column in values.T
    ]


def f1_of_means(summaries: Mapping[str, Any], order: str) -> float:
    """F1 of mean precision and mean recall. It is never below the mean F1, so do not call it "F1"."""
    precision, recall = (summaries[name][order]["mean"] for name in ("precision", "recall"))
    return float(harmonic_mean(np.array([precision]), np.array([recall]))[0])


def pooled(hits: Hits) -> dict[str, Any]:
    """The measures of each label from the summed counts of all cases, then their mean and SD over labels (n - 1).

    A label that occurs nowhere has NaN; a label only in the truth, or only predicted, has 0 (strategy zero).
    """
    together = Hits(*(counts.sum(axis=0, keepdims=True) for counts in hits))
    rows = {name: values[0] for name, values in cells(together, "zero").items()}
    return {name: {"per_label": row.tolist(), "mean": mean(row), "sd_labels": sd(row)} for name, row in rows.items()}
