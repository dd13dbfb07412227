"""Comparison of annotators: which frames count, what is a sequence, and where the disagreements lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotated import annotated_case
from lsvid.analysis.comparison import Comparison, PairAgreement, compare
from lsvid.annotations.stages import AnnotatedClip, Stage

LABELS = [("Cut",), ("Tie",), ("Tie", "Knot"), ("Tie", "Square")]


def compared(clips: list[AnnotatedClip]) -> Comparison:
    comparison = compare(Stage(tuple(clips)).cases, LABELS)
    assert comparison is not None
    return comparison


def pair_at(comparison: Comparison, level: int, case: str | None = None) -> PairAgreement:
    (pair,) = [pair for pair in comparison.pairs if (pair.level, pair.case) == (level, case)]
    return pair


def test_two_annotators_who_say_the_same() -> None:
    marked = [("Cut", 0, 50), ("Tie / Knot", 50, 75)]
    pair = pair_at(compared(annotated_case([(100, {"anna": marked, "ben": marked})])), 2)
    assert (pair.accuracy, pair.kappa, pair.alpha, pair.iou) == (1, 1, 1, 1)
    assert (pair.edit, pair.f1_10, pair.f1_25, pair.f1_50) == (100, 100, 100, 100)
    assert (pair.boundaries.matched, pair.boundaries.end_abs_median_s) == (2, 0)


def test_the_numbers_and_the_disagreements_of_a_pair() -> None:
    # Frames 0-49 both Cut, 50-59 Cut and nothing, 60-79 nothing and Tie, 80-99 nothing.
    clips = annotated_case([(100, {"anna": [("Cut", 0, 60)], "ben": [("Cut", 0, 50), ("Tie", 60, 80)]})])
    comparison = compared(clips)
    pair = pair_at(comparison, 1)
    assert (pair.first, pair.second, pair.frames, pair.clips) == ("anna", "ben", 100, 1)
    assert pair.accuracy == pytest.approx(0.7)
    assert pair.kappa == pytest.approx((0.7 - (0.6 * 0.5 + 0.4 * 0.3)) / (1 - (0.6 * 0.5 + 0.4 * 0.3)))
    assert pair.iou == pytest.approx((50 / 60 + 0) / 2)
    assert pair.edit == pytest.approx(50)
    assert pair.f1_50 == pytest.approx(100 * 2 / 3)
    assert pair.boundaries.matched == 1
    assert pair.boundaries.start_median_s is None  # both at the clip's very beginning
    assert pair.boundaries.end_median_s == pytest.approx(-10 / 25)
    assert [(label.label, label.first_frames, label.second_frames) for label in pair.labels] == [
        (("Cut",), 60, 50),
        (("Tie",), 0, 20),
    ]
    first, second = (d for d in comparison.disagreements if d.level == 1)
    assert (first.start_frame, first.stop_frame, first.first_labels, first.second_labels) == (50, 60, (("Cut",),), ())
    assert (second.start_frame, second.stop_frame, second.second_labels) == (60, 80, (("Tie",),))
    assert first.start_s == pytest.approx(2.02)
    assert first.case_start_s == 2.0
    assert first.clip is clips[0]


def test_levels_show_where_people_part() -> None:
    clips = annotated_case([(100, {"anna": [("Tie / Knot", 0, 50)], "ben": [("Tie / Square", 0, 50)]})])
    comparison = compared(clips)
    assert pair_at(comparison, 1).accuracy == 1
    assert pair_at(comparison, 2).accuracy == pytest.approx(0.5)
    said_less = annotated_case([(100, {"anna": [("Tie / Knot", 0, 50)], "ben": [("Tie", 0, 50)]})])
    assert pair_at(compared(said_less), 2).accuracy == pytest.approx(0.5)


def test_labels_at_once_are_a_value_of_their_own_but_count_for_each() -> None:
    clips = annotated_case([(100, {"anna": [("Cut", 0, 50), ("Tie", 25, 50)], "ben": [("Cut", 0, 50)]})])
    pair = pair_at(compared(clips), 1)
    assert pair.accuracy == pytest.approx(0.75)
    assert [(label.label, label.iou) for label in pair.labels] == [(("Cut",), 1), (("Tie",), 0)]


def test_clips_that_one_did_not_work_through_are_left_out_and_end_a_sequence() -> None:
    both = {"anna": [("Cut", 0, 50)], "ben": [("Cut", 0, 50)]}
    pair = pair_at(compared(annotated_case([(50, both), (50, {"anna": [("Tie", 0, 50)]}), (50, both)])), 1)
    assert (pair.frames, pair.clips, pair.boundaries.matched) == (100, 2, 2)
    joined = pair_at(compared(annotated_case([(50, both), (50, both)])), 1)
    assert joined.boundaries.matched == 1  # one segment over both clips


def test_nobody_to_compare() -> None:
    clips = annotated_case([(50, {"anna": []}), (50, {"ben": []})])
    assert compare(Stage(tuple(clips)).cases, LABELS) is None


def test_cases_apart_and_together() -> None:
    clips = annotated_case([(100, {"anna": [("Cut", 0, 50)], "ben": [("Cut", 0, 50)]})])
    clips += annotated_case([(300, {"anna": [("Cut", 0, 150)], "ben": [("Tie", 0, 150)]})], case="case02")
    comparison = compared(clips)
    assert pair_at(comparison, 1, "case01").accuracy == 1
    assert pair_at(comparison, 1, "case02").accuracy == pytest.approx(0.5)
    assert pair_at(comparison, 1).accuracy == pytest.approx(250 / 400)
    assert pair_at(comparison, 1).edit == pytest.approx(50)  # the mean over cases
    assert [alpha.case for alpha in comparison.alphas if alpha.level == 1] == [None, "case01", "case02"]


def test_a_prediction_is_measured_against_people_and_is_not_one() -> None:
    works = {"anna": [("Cut", 0, 50)], "ben": [("Cut", 0, 40)], "a-model": [("Cut", 0, 45)]}
    comparison = compared(annotated_case([(100, works)], predictions=["a-model"]))
    pairs = [(pair.first, pair.second) for pair in comparison.pairs if pair.level == 1]
    assert pairs == [("anna", "ben"), ("anna", "a-model"), ("ben", "a-model")]
    (alpha,) = [alpha for alpha in comparison.alphas if alpha.level == 1]
    assert (alpha.annotators, alpha.frames) == (("anna", "ben"), 100)
    assert alpha.alpha == pair_at_names(comparison, "anna", "ben").alpha


def pair_at_names(comparison: Comparison, first: str, second: str) -> PairAgreement:
    (pair,) = [p for p in comparison.pairs if (p.level, p.first, p.second, p.case) == (1, first, second, None)]
    return pair


region = st.tuples(st.sampled_from(["Cut", "Tie", "Tie / Knot"]), st.integers(0, 29), st.integers(1, 30)).filter(
    lambda r: r[1] < r[2]
)
marks = st.lists(region, max_size=4)


@given(st.lists(st.tuples(marks, marks), min_size=1, max_size=3))
def test_disagreements_are_the_frames_that_accuracy_misses(works: list[tuple[list[tuple[str, int, int]], ...]]) -> None:
    there = compared(annotated_case([(30, {"anna": one, "ben": other}) for one, other in works]))
    back = compared(annotated_case([(30, {"anna": other, "ben": one}) for one, other in works]))
    for level in (1, 2):
        pair, reverse = pair_at(there, level), pair_at(back, level)
        assert pair.frames == 30 * len(works)
        missed = sum(d.stop_frame - d.start_frame for d in there.disagreements if d.level == level)
        assert pair.accuracy == pytest.approx(1 - missed / pair.frames)
        assert pair.accuracy == reverse.accuracy
        assert pair.kappa == reverse.kappa
        assert pair.iou == pytest.approx(reverse.iou)
        assert pair.edit == reverse.edit
        assert pair.boundaries.matched == reverse.boundaries.matched
        offset, other = pair.boundaries.start_median_s, reverse.boundaries.start_median_s
        assert (offset is None) == (other is None)
        assert offset is None or offset == pytest.approx(-(other or 0))
