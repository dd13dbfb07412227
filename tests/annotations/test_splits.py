"""Splits by case: every case once, sizes as asked, the same for the same seed, and label times spread alike."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsvid.annotations.splits import SplitOptions, imbalance, parse_shares, split
from lsvid.errors import SettingsError

times = st.dictionaries(st.sampled_from("ABC"), st.floats(0, 1000), max_size=3)
cases = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), times, min_size=3, max_size=12)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(0, 3))
def test_shares(weights: dict[str, dict[object, float]], seed: int) -> None:
    options = SplitOptions(parse_shares("train=0.6,val=0.2,test=0.2"), seed=seed)
    (fold,) = split(weights, options)
    assert sorted(case for part in fold.values() for case in part) == sorted(weights)
    assert all(fold.values())
    assert split(weights, options) == [fold]


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(2, 3))
def test_folds(weights: dict[str, dict[object, float]], folds: int) -> None:
    result = split(weights, SplitOptions(folds=folds))
    assert sorted(case for fold in result for case in fold["test"]) == sorted(weights)
    for fold in result:
        assert sorted(fold["train"] + fold["test"]) == sorted(weights)
    counts = [len(fold["test"]) for fold in result]
    assert max(counts) - min(counts) <= 1


def test_label_times_are_spread_alike() -> None:
    weights: dict[str, dict[object, float]] = {f"op{n}": {"A" if n < 4 else "B": 10.0} for n in range(8)}
    for seed in range(5):
        for fold in split(weights, SplitOptions(folds=4, seed=seed)):
            assert sorted(str(next(iter(weights[case]))) for case in fold["test"]) == ["A", "B"]
    assert imbalance(dict.fromkeys(weights, "x"), weights, {"x": Fraction(1)}) == 0


def test_another_seed_is_another_split() -> None:
    weights: dict[str, dict[object, float]] = {f"op{n}": {"A": 10.0} for n in range(12)}
    assert len({str(split(weights, SplitOptions(folds=3, seed=seed))) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train=0.5,test=0.4", "the shares add up to 0.9, not 1"),
        ("train=0.5,dev=0.5", "'dev=0.5' is not a share"),
        ("train", "'train' is not a share"),
        ("train=-1,test=2", "'train=-1' is not a share"),
    ],
)
def test_bad_shares(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_shares(text)
