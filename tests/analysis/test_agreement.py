"""Measures of agreement, against published examples, published programs' results, and what must always hold."""

import time
import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.analysis.agreement import (
    F1_OVERLAPS,
    Counts,
    Segments,
    edit_score,
    f1_counts,
    f1_score,
    krippendorff_alpha,
    label_ious,
    label_kappas,
    matches,
    segments,
)
from lsvid.annotations.codings import MISSING, accuracy, cohen_kappa, confusion, runs_of_frames

# (truth, prediction, accuracy, edit, (tp, fp, fn) at 10, 25 and 50). "a18 .16": 18 frames of a, 16 of background.
# Made with edit_score and f_score of MS-TCN's published eval.py (github.com/yabufarha/ms-tcn, commit
# 33ed91c0c7576650a2367efc602553af4c5295b1; `np.float` read as `float`), on pairs drawn at random, and on four made to
# meet a taken match, a reversed order, and over-segmentation.
MS_TCN = [
    (
        "b3 c22 a29 .35 b12 e17",
        "b3 c22 a6 .4 a7 d4 e15 .6 c14 .8 b3 .10 e4 d9 a1 d2",
        0.5,
        41.6666666667,
        [(5, 7, 0), (3, 9, 2), (2, 10, 3)],
    ),
    (
        "a18 .16 b22 .14 c10 b13 d15 b2 .10",
        "a18 .16 b26 a4 .6 c10 b13 d15 b2 .10",
        0.9333333333,
        85.7142857143,
        [(6, 1, 0), (6, 1, 0), (6, 1, 0)],
    ),
    (
        ".6 e26 d20 b9 .8 b24",
        ".6 e26 d17 b21 c6 .2 b14 a1",
        0.7849462366,
        66.6666666667,
        [(4, 2, 0), (4, 2, 0), (3, 3, 1)],
    ),
    (
        "e23 a10 c14 .49 e3 b3 e8 .21 e14",
        "e23 .8 e14 c2 .46 d15 e1 .16 d15 c5",
        0.6,
        28.5714285714,
        [(3, 4, 4), (1, 6, 6), (1, 6, 6)],
    ),
    (
        "b21 a11 d34 b17 d13 a27 e19",
        "b19 a13 d12 c9 d13 b17 d13 c6 a21 e19",
        0.8802816901,
        70.0,
        [(7, 3, 0), (7, 3, 0), (6, 4, 1)],
    ),
    (
        ".5 c30 a14 e14 d8 e24 b33 c3 a5",
        ".5 c30 a12 e16 d8 e3 c4 e17 b16 e6 b11 c3 a2 c3",
        0.8897058824,
        61.5384615385,
        [(8, 5, 0), (8, 5, 0), (6, 7, 2)],
    ),
    (
        "e4 a7 e8 c23 .7 c25 e43 .9 d12",
        "e14 a4 e1 c23 .8 c24 e43 .2 c5 .2 d12",
        0.8768115942,
        87.5,
        [(6, 2, 1), (5, 3, 2), (4, 4, 3)],
    ),
    (
        "e6 d16 e8 b27 c13 d13",
        "e6 d2 .9 c11 e2 b27 c13 d13",
        0.7590361446,
        85.7142857143,
        [(6, 1, 0), (5, 2, 1), (4, 3, 2)],
    ),
    ("a100", "a20 .5 a20 .5 a50", 0.9, 33.3333333333, [(1, 2, 0), (1, 2, 0), (1, 2, 0)]),
    (".4 a6 b10 .4", "b10 a10 .4", 0.1666666667, 0.0, [(0, 2, 2), (0, 2, 2), (0, 2, 2)]),
    ("a10 b10 a10 b10", "b10 a10 b10 a10", 0.0, 50.0, [(0, 4, 4), (0, 4, 4), (0, 4, 4)]),
    ("a20 b20", "a1 b1 a1 b1 a16 b20", 0.95, 33.3333333333, [(2, 4, 0), (2, 4, 0), (2, 4, 0)]),
]
MS_TCN_F1 = (66.6666666667, 58.3333333333, 48.6111111111)  # of all twelve together, as its main() adds them up


def coded(text: str) -> list[int]:
    """The codes of every frame: "a2 .1" is [1, 1, 0]."""
    return [".abcde".index(word[0]) for word in text.split() for _ in range(int(word[1:]))]


def segments_of(codes: list[int]) -> Segments:
    runs = runs_of_frames(np.array([codes]))
    return segments(runs.codes[0], runs.lengths)


@pytest.mark.parametrize(("truth", "found", "right", "edit", "counts"), MS_TCN)
def test_one_video_as_ms_tcn_evaluates_it(
    truth: str, found: str, right: float, edit: float, counts: list[tuple[int, int, int]]
) -> None:
    runs = runs_of_frames(np.array([coded(found), coded(truth)]))
    of_found, of_truth = (segments(codes, runs.lengths) for codes in runs.codes)
    assert accuracy(confusion(runs)) == pytest.approx(right, abs=1e-9)
    assert edit_score(of_found, of_truth) == pytest.approx(edit, abs=1e-9)
    assert [tuple(f1_counts(of_found, of_truth, overlap)) for overlap in F1_OVERLAPS] == counts


def test_f1_of_many_videos_as_ms_tcn_evaluates_it() -> None:
    for overlap, expected in zip(F1_OVERLAPS, MS_TCN_F1, strict=True):
        counts = [f1_counts(segments_of(coded(f)), segments_of(coded(t)), overlap) for t, f, *_ in MS_TCN]
        assert f1_score(counts) == pytest.approx(expected, abs=1e-9)


def test_alpha_of_krippendorffs_own_example() -> None:
    """Four observers, 12 units, values missing; Computing Krippendorff's Alpha-Reliability, 2011, section C: 0.743."""
    n = MISSING
    data = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
            [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
        ]
    )
    assert krippendorff_alpha(runs_of_frames(data)) == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_a_worked_example() -> None:
    """20 and 15 agreed of 50: p_o 0.7, p_e 0.5 * 0.6 + 0.5 * 0.4 = 0.5, kappa 0.4."""
    assert cohen_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


codings = st.integers(1, 60).flatmap(
    lambda n: st.lists(st.lists(st.integers(-1, 3), min_size=n, max_size=n), min_size=2, max_size=4)
)
pairs = st.integers(1, 60).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=2, max_size=2)
)


@given(codings)
def test_alpha_is_that_of_the_krippendorff_package(codes: list[list[int]]) -> None:
    values = np.array(codes)
    mine = krippendorff_alpha(runs_of_frames(values))
    data = np.where(values == MISSING, np.nan, values.astype(float))
    coded_values = {value for column in values.T if (column != MISSING).sum() > 1 for value in column if value >= 0}
    if len(coded_values) < 2:
        assert mine is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        theirs = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert mine == pytest.approx(theirs, abs=1e-9)


@given(pairs)
def test_kappa_is_that_of_a_count_by_hand(codes: list[list[int]]) -> None:
    one, other = codes
    n = len(one)
    observed = sum(a == b for a, b in zip(one, other, strict=True)) / n
    by_chance = sum(one.count(code) * other.count(code) for code in range(4)) / n**2
    mine = cohen_kappa(confusion(runs_of_frames(np.array(codes))))
    assert mine == (None if by_chance == 1 else pytest.approx((observed - by_chance) / (1 - by_chance)))


@given(pairs)
def test_what_is_the_same_from_both_sides(codes: list[list[int]]) -> None:
    there, back = (runs_of_frames(np.array(order)) for order in (codes, codes[::-1]))
    assert (confusion(there) == confusion(back).T).all()
    assert cohen_kappa(confusion(there)) == cohen_kappa(confusion(back))
    assert krippendorff_alpha(there) == pytest.approx(krippendorff_alpha(back))
    one, other = (segments_of(row) for row in codes)
    assert edit_score(one, other) == edit_score(other, one)
    assert matches(one, other) == sorted((i, j) for j, i in matches(other, one))
    members = np.eye(5, dtype=bool)
    forth, table = confusion(there, n_codes=5), confusion(back, n_codes=5)
    assert label_ious(forth, members) == label_ious(table, members)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_a_coding_agrees_with_itself(codes: list[int]) -> None:
    runs = runs_of_frames(np.array([codes, codes]))
    table = confusion(runs)
    assert accuracy(table) == 1
    different = len(set(codes)) > 1
    assert cohen_kappa(table) == (1 if different else None)
    assert krippendorff_alpha(runs) == (1 if different else None)
    own = segments_of(codes)
    assert edit_score(own, own) == (100 if any(codes) else None)
    for overlap in F1_OVERLAPS:
        assert f1_counts(own, own, overlap) == Counts(len(own.codes), 0, 0)
    assert matches(own, own) == [(k, k) for k in range(len(own.codes))]


@given(codings)
def test_runs_hold_every_frame(codes: list[list[int]]) -> None:
    runs = runs_of_frames(np.array(codes))
    assert (np.repeat(runs.codes, runs.lengths, axis=1) == np.array(codes)).all()


def test_labels_that_stand_together_count_for_each() -> None:
    # Codes: 1 is a, 2 is b, 3 is a and b. Frames (a, a), (a, a+b), (b, a+b), (nothing, b).
    runs = runs_of_frames(np.array([[1, 1, 2, 0], [1, 3, 3, 2]]))
    members = np.array([[False, True, False, True], [False, False, True, True], [False, False, False, False]])
    table = confusion(runs, n_codes=4)
    assert label_ious(table, members) == [pytest.approx(2 / 3), pytest.approx(1 / 3), None]
    # a: both in 2 frames, neither in 1, only the second in 1: p_o 3/4, p_e (2/4 * 3/4 + 2/4 * 1/4) = 1/2.
    assert label_kappas(table, members)[0] == pytest.approx(0.5)


def test_what_the_data_does_not_define_is_none() -> None:
    nobody = runs_of_frames(np.array([[MISSING, 1], [1, MISSING]]))
    assert accuracy(confusion(nobody)) is None
    assert cohen_kappa(confusion(nobody)) is None
    assert krippendorff_alpha(nobody) is None
    none = runs_of_frames(np.zeros((2, 0), dtype=np.int64))
    assert accuracy(confusion(none)) is None
    assert krippendorff_alpha(none) is None
    assert edit_score(segments_of([]), segments_of([0, 0])) is None
    assert f1_score([]) is None
    assert f1_score([Counts(0, 0, 0)]) is None


def test_ten_million_frames_take_seconds() -> None:
    generator = np.random.default_rng(1)
    rows = [np.repeat(generator.integers(0, 28, 2000), generator.integers(1, 10_000, 2000)) for _ in range(3)]
    codes = np.zeros((3, 10_000_000), dtype=np.int16)
    for row, values in zip(codes, rows, strict=True):
        row[: len(values)] = values[: len(row)]
    begin = time.perf_counter()
    runs = runs_of_frames(codes)
    alpha, kappa = krippendorff_alpha(runs), cohen_kappa(confusion(runs))
    assert time.perf_counter() - begin < 5
    assert alpha == pytest.approx(0, abs=0.1)
    assert kappa == pytest.approx(0, abs=0.1)
