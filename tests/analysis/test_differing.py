"""Seconds in which two people differ, against looking at every tenth of a second."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.analysis.differing import Stretch, differing_s, stretches_of
from lsvid.annotations.spans import Basis, Frames, LsFrames, Seconds, Span, Status

LABELS = [("Cut",), ("Tie",), ("Tie", "Knot")]
stretches = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from(LABELS)).map(
        lambda one: (Fraction(one[0], 10), Fraction(one[0] + one[1], 10), one[2])
    ),
    max_size=5,
)


@given(stretches, stretches)
def test_against_every_tenth(one: list[Stretch], other: list[Stretch]) -> None:
    def at(these: list[Stretch], tenth: int) -> set[tuple[str, ...]]:
        return {label for start_s, end_s, label in these if start_s <= Fraction(tenth, 10) < end_s}

    expected = sum(at(one, tenth) != at(other, tenth) for tenth in range(50))
    assert differing_s(one, other) == differing_s(other, one) == Fraction(expected, 10)


def test_times_of_spans() -> None:
    def span(basis: Basis) -> Span:
        return Span(
            case="a", clip="b", label=("Cut",), annotator="c", status=Status.ACCEPTED, source="d", annotation_id="e",
            region_id="f", basis=basis,
        )  # fmt: skip

    found = stretches_of([span(LsFrames(1, 25, "25.0")), span(Seconds(0.5, 1))])
    assert found == [(Fraction(0), Fraction(1), ("Cut",)), (Fraction(1, 2), Fraction(1), ("Cut",))]
    with pytest.raises(TypeError, match="no times"):
        stretches_of([span(Frames(0, 1))])
