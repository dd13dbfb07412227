"""Extractors of features for the tests: what a person writes, right and wrong."""

from typing import Any

import numpy as np

from factories import read_burnt_number


def number(pictures: Any) -> Any:
    """The number burnt into each picture, and its size: shape (B, 3)."""
    return np.array([[read_burnt_number(picture), *picture.shape[:2]] for picture in pictures], dtype=np.float64)


def histogram(pictures: Any) -> Any:
    """How much of each of 8 shades a picture has, for each colour: shape (B, 24)."""
    shades = np.stack([(pictures // 32 == shade).mean(axis=(1, 2)) for shade in range(8)], axis=1)
    return shades.reshape(len(pictures), -1)


def one_row(pictures: Any) -> Any:
    """Wrong: a row for all."""
    return np.zeros((1, 5))


def flat(pictures: Any) -> Any:
    """Wrong: no dimension of features."""
    return pictures.mean(axis=(1, 2, 3))


def not_finite(pictures: Any) -> Any:
    """Wrong: NaN."""
    return np.full((len(pictures), 3), np.nan)


def words(pictures: Any) -> Any:
    """Wrong: no numbers."""
    return [["a"] for _ in pictures]


def changing(pictures: Any) -> Any:
    """Wrong: as long as the batch."""
    return np.zeros((len(pictures), len(pictures)))


def broken(pictures: Any) -> Any:
    """Wrong: it fails for three pictures."""
    if len(pictures) == 3:
        raise RuntimeError("CUDA out of\nmemory")
    return number(pictures)


nothing = 3
