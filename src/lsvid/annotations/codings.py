"""Codings: the labels that several people, or programs, gave to the same frames, as integers. Pure numpy.

A frame's code is `MISSING` (-1) if the coder did not work on it, `NOTHING` (0) if the coder marked nothing there, and
from 1 on there is a code for each label (or set of labels). Everything is computed on runs of frames in which no code
changes (`Runs`), so the cost depends on the number of spans, not on the hours of video.

A measure that is not defined for the data (no frame, only one code) is None, never 0 or 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Codes = npt.NDArray[np.integer[Any]]

MISSING = -1
NOTHING = 0


@dataclass(frozen=True)
class Runs:
    """Stretches of frames in which no coder's code changes.

    lengths: frames of each run, int64, shape (n_runs,). codes: shape (n_coders, n_runs).
    """

    lengths: IntArray
    codes: IntArray


def runs_of_frames(codes: Codes) -> Runs:
    """The runs of a code for every frame: `codes` has shape (n_coders, n_frames)."""
    n_frames = codes.shape[1]
    changes = np.zeros(max(n_frames - 1, 0), dtype=bool)
    for row in codes:
        changes |= row[1:] != row[:-1]
    starts = np.concatenate([np.zeros(min(n_frames, 1), np.int64), np.flatnonzero(changes) + 1])
    return Runs(np.diff(np.append(starts, n_frames)), codes[:, starts].astype(np.int64))


def confusion(runs: Runs, first: int = 0, second: int = 1, n_codes: int = 0) -> IntArray:
    """Counts of frames by (code of coder `first`, code of coder `second`): int64, shape (n, n).

    Codes count from 0; frames that one of the two did not code are left out. n: the largest code + 1, or `n_codes`.
    """
    n = max(n_codes, int(runs.codes.max(initial=-1)) + 1)
    a, b = runs.codes[first], runs.codes[second]
    both = (a != MISSING) & (b != MISSING)
    table = np.zeros((n, n), dtype=np.int64)
    np.add.at(table, (a[both], b[both]), runs.lengths[both])
    return table


def accuracy(table: IntArray) -> float | None:
    """The share of frames with the same code, 0 to 1. Papers on temporal segmentation call it accuracy, or MoF."""
    total = int(table.sum())
    return int(np.trace(table)) / total if total else None


def cohen_kappa(table: IntArray) -> float | None:
    """Cohen's kappa, (p_o - p_e) / (1 - p_e), from -1 to 1; None if both coders used only one and the same code.

    p_o is the share of equal codes, p_e the share that is expected by chance from each coder's own shares of codes.

    J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20, 1960.
    """
    total = int(table.sum())
    if not total:
        return None
    # In integers as long as possible: 1 - p_e must be exactly 0 if there is only one code.
    expected = sum(int(a) * int(b) for a, b in zip(table.sum(axis=1), table.sum(axis=0), strict=True))
    if expected == total * total:
        return None
    observed = int(np.trace(table)) * total
    return (observed - expected) / (total * total - expected)
