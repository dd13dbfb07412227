"""Mean average precision of scored spans, as ActivityNet and THUMOS count it. Pure numpy."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lsvid.analysis.cells import FloatArray, mean

TIOUS: Mapping[str, FloatArray] = {
    "thumos": np.linspace(0.3, 0.7, 5, dtype=np.float64),
    "activitynet": np.linspace(0.5, 0.95, 10, dtype=np.float64),
}
"""By benchmark, the temporal IoU thresholds over which it averages."""


class Detection(NamedTuple):
    """A stretch [start, stop) of a case, in the same unit as the truth; `score` is None in the truth."""

    case: str
    label: int
    start: float
    stop: float
    score: float = 0.0


def detections(truth: Sequence[Detection], found: Sequence[Detection], n_labels: int) -> dict[str, Any]:
    """For each of TIOUS: AP by label and threshold, mAP by threshold, and its mean; all from 0 to 1.

    For each label, the found stretches of all cases are taken by falling score (equal scores: by case, start, stop).
    Each takes the free true stretch of its case that it overlaps most, if the overlap reaches the threshold. Precision
    is made non-increasing from the right; AP is the sum of the steps of recall times precision. A label that is never
    found has AP 0; a label that is not in the truth has AP NaN, and is not in the mean.

    ActivityNet's eval_detection.py (activitynet/ActivityNet 82304fa) gives the same.
    """
    curves: dict[str, Any] = {}
    for name, tious in TIOUS.items():
        by_label = [
            _average_precision([t for t in truth if t.label == k], [f for f in found if f.label == k], tious)
            for k in range(n_labels)
        ]
        means = [mean(column) for column in np.array(by_label).reshape(n_labels, len(tious)).T]
        curves[name] = {
            "thresholds": tious.tolist(),
            "ap_per_label": {str(k): aps.tolist() for k, aps in enumerate(by_label)},
            "mAP": means,
            "average_mAP": mean(means),
        }
    return {"n_truth": len(truth), "n_found": len(found), **curves}


def _average_precision(truth: Sequence[Detection], found: Sequence[Detection], tious: FloatArray) -> FloatArray:
    if not truth:
        return np.full(len(tious), np.nan)
    by_case: dict[str, list[Detection]] = {}
    for one in truth:
        by_case.setdefault(one.case, []).append(one)
    places: Mapping[str, FloatArray] = {
        case: np.array([(one.start, one.stop) for one in ones]) for case, ones in by_case.items()
    }
    taken = {case: np.zeros((len(tious), len(ones)), dtype=bool) for case, ones in by_case.items()}
    ordered = sorted(found, key=lambda one: (-one.score, one.case, one.start, one.stop))
    hits = np.zeros((len(tious), len(ordered)), dtype=bool)
    for number, one in enumerate(ordered):
        if one.case not in places:
            continue
        starts, stops = places[one.case].T
        shared = np.clip(np.minimum(stops, one.stop) - np.maximum(starts, one.start), 0, None)
        iou = shared / ((stops - starts) + (one.stop - one.start) - shared)
        for k, least in enumerate(tious):
            free = np.where(taken[one.case][k], -1.0, iou)
            best = int(free.argmax())
            if free[best] >= least:
                taken[one.case][k, best] = hits[k, number] = True
    true = hits.cumsum(axis=1)
    precision = true / np.arange(1, len(ordered) + 1)
    recall = np.concatenate([np.zeros((len(tious), 1)), true / len(truth)], axis=1)
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    average: FloatArray = (np.diff(recall, axis=1) * highest).sum(axis=1)
    return average
