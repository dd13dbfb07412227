"""Codings: what several people, or programs, said of the same frames. Pure numpy; a coding is a row of whole numbers.

A frame's code says what was marked there: `MISSING` (-1) where a coder did not work, `NOTHING` (0) where the coder
worked and marked nothing, and from 1 on one code for each label (or set of labels). Everything is computed on runs of
frames in which no coder's code changes (`Runs`), so that hours of video cost no more than their spans.

A measure that the data does not define (no frame, one single code) is None, never 0 or 1.
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
    """Frames by (code of coder `first`, code of coder `second`), both from 0; frames that one did not code are left
    out. int64, shape (n, n), n the largest code + 1 or `n_codes`.
    """
    n = max(n_codes, int(runs.codes.max(initial=-1)) + 1)
    a, b = runs.codes[first], runs.codes[second]
    both = (a != MISSING) & (b != MISSING)
    table = np.zeros((n, n), dtype=np.int64)
    np.add.at(table, (a[both], b[both]), runs.lengths[both])
    return table


def accuracy(table: IntArray) -> float | None:
    """The share of frames with the same code (the papers on temporal segmentation call it accuracy, or MoF), 0 to 1."""
    total = int(table.sum())
    return int(np.trace(table)) / total if total else None


def cohen_kappa(table: IntArray) -> float | None:
    """Cohen's kappa: (p_o - p_e) / (1 - p_e), p_o the share of equal codes, p_e the one that the coders' own shares of
    each code would give by chance. -1 to 1; None if both used one and the same code throughout.

    J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20, 1960.
    """
    total = int(table.sum())
    if not total:
        return None
    # Whole numbers as far as they go: 1 - p_e must be exactly 0 if there was one code.
    expected = sum(int(a) * int(b) for a, b in zip(table.sum(axis=1), table.sum(axis=0), strict=True))
    if expected == total * total:
        return None
    observed = int(np.trace(table)) * total
    return (observed - expected) / (total * total - expected)
