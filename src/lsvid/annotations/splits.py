"""Splits for training: by case, never by clip or frame, because frames of one recording are almost copies."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lsvid.errors import SettingsError
from lsvid.video.timebase import exact

Fold = dict[str, list[str]]
"""The cases of each part (train, val, test) of one split."""

Weights = Mapping[str, Mapping[object, float]]
"""For every case, the time of every label in it."""


@dataclass(frozen=True)
class SplitOptions:
    """Give one of the two. shares: the share of each part; their sum is 1. folds: the number of folds of a
    cross-validation.
    """

    shares: Mapping[str, Fraction] | None = None
    folds: int | None = None
    seed: int = 0


PARTS = ("train", "val", "test")


def parse_shares(text: str) -> dict[str, Fraction]:
    """The shares in 'train=0.7,val=0.1,test=0.2'. Raises SettingsError."""
    shares: dict[str, Fraction] = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        try:
            share = exact(value)
        except ValueError:
            share = Fraction(0)
        if name.strip() not in PARTS or not 0 < share <= 1 or name.strip() in shares:
            raise SettingsError(f"<<splits={text!r}>>: {item.strip()!r} is not a share of a split", _HINT)
        shares[name.strip()] = share
    if sum(shares.values()) != 1:
        raise SettingsError(f"<<splits={text!r}>>: the shares add up to {float(sum(shares.values())):g}, not 1", _HINT)
    return shares


_HINT = "as in <<splits=train=0.7,val=0.1,test=0.2>>"


def split(weights: Weights, options: SplitOptions) -> list[Fold]:
    """The splits of the cases in `weights`: one for shares, one for every fold, none if neither is given.

    The number of cases in each part follows the shares. Starting from a seeded random order, cases are chosen so that
    the time of every label in the parts follows the shares, too, as far as whole cases allow. Raises SettingsError if
    there are fewer cases than parts.
    """
    cases = list(weights)
    if options.folds is not None:
        shares = {str(k): Fraction(1, options.folds) for k in range(options.folds)}
        _check(cases, shares, f"{options.folds} folds")
        test = _stratified(weights, shares, options.seed)
        return [
            {"train": [case for case in cases if case not in test[k]], "test": [c for c in cases if c in test[k]]}
            for k in shares
        ]
    if options.shares is None:
        return []
    _check(cases, options.shares, " and ".join(options.shares))
    parts = _stratified(weights, options.shares, options.seed)
    return [{name: [case for case in cases if case in part] for name, part in parts.items()}]


def _check(cases: Sequence[str], shares: Mapping[str, Fraction], what: str) -> None:
    if len(cases) < len(shares):
        raise SettingsError(
            f"{len(cases)} {'case' if len(cases) == 1 else 'cases'} cannot be split into {what}",
            "splits are by case, never by clip or frame; use fewer parts, or more cases",
        )


def sizes(count: int, shares: Sequence[Fraction]) -> list[int]:
    """How many of `count` cases each share gets, by largest remainder; each gets at least one."""
    result = [int(count * share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda k: -(count * shares[k] - result[k]))
    for k in by_remainder[: count - sum(result)]:
        result[k] += 1
    while 0 in result:
        result[result.index(0)] += 1
        result[result.index(max(result))] -= 1
    return result


def imbalance(part_of: Mapping[str, str], weights: Weights, shares: Mapping[str, Fraction]) -> float:
    """How far the labels' times in the parts are from the shares: a sum of squares, with equal weights."""
    totals: dict[object, float] = {}
    inside: dict[tuple[object, str], float] = {}
    for case, times in weights.items():
        for label, time in times.items():
            totals[label] = totals.get(label, 0.0) + time
            key = (label, part_of[case])
            inside[key] = inside.get(key, 0.0) + time
    return sum(
        (inside.get((label, part), 0.0) / total - float(share)) ** 2
        for label, total in totals.items()
        if total > 0
        for part, share in shares.items()
    )


def _stratified(weights: Weights, shares: Mapping[str, Fraction], seed: int) -> dict[str, set[str]]:
    cases = list(weights)
    random.Random(seed).shuffle(cases)  # noqa: S311 - not a secret
    part_of: dict[str, str] = {}
    rest = iter(cases)
    for part, size in zip(shares, sizes(len(cases), list(shares.values())), strict=True):
        part_of |= {next(rest): part for _ in range(size)}
    _swap_while_better(cases, part_of, lambda: imbalance(part_of, weights, shares))
    return {part: {case for case in cases if part_of[case] == part} for part in shares}


def _swap_while_better(cases: Sequence[str], part_of: dict[str, str], cost: Callable[[], float]) -> None:
    """Swap two cases of different parts as long as that lowers the cost; the first better swap is taken."""
    best = cost()
    for _ in range(20):  # rounds over all pairs: few are needed, and each lowers the cost
        before = best
        for i, one in enumerate(cases):
            for other in cases[i + 1 :]:
                if part_of[one] == part_of[other]:
                    continue
                part_of[one], part_of[other] = part_of[other], part_of[one]
                now = cost()
                if now < best - 1e-12:
                    best = now
                else:
                    part_of[one], part_of[other] = part_of[other], part_of[one]
        if best == before:
            return
