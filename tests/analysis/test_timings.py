"""Timings: clips put end to end, occurrences across their borders, and sums that add up."""

import math
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotated import annotated_case
from lsvid.analysis.timings import (
    Occurrence,
    label_timing,
    label_timings,
    labels_at,
    occurrences,
    transitions,
    work_timing,
)
from lsvid.annotations.stages import AnnotatedClip, Case, GatheredClip, Stage

ANNA = "anna"


def one_case(*clips: tuple[int, list[tuple[str, int, int]] | None]) -> Case[AnnotatedClip]:
    """A case of clips that anna annotated; None: she did not."""
    return Stage(tuple(annotated_case([(n, {} if marked is None else {ANNA: marked}) for n, marked in clips]))).cases[0]


def found(case: Case[AnnotatedClip], level: int = 1) -> list[Occurrence]:
    return occurrences(case, ANNA, level)


def times(case: Case[AnnotatedClip], level: int = 1) -> list[tuple[str, float, float]]:
    return [(" / ".join(one.label), float(one.start_s), float(one.end_s)) for one in found(case, level)]


def test_a_label_that_goes_on_in_the_next_clip_is_one_occurrence() -> None:
    case = one_case((100, [("Cut", 75, 100)]), (50, [("Cut", 0, 50)]), (100, [("Cut", 0, 25), ("Tie", 50, 75)]))
    assert times(case) == [("Cut", 3.0, 7.0), ("Tie", 8.0, 9.0)]
    cut = found(case)[0]
    assert [(part.clip.clip.clip, part.start_frame, part.stop_frame) for part in cut.parts] == [
        ("001", 75, 100),
        ("002", 0, 50),
        ("003", 0, 25),
    ]
    assert (cut.start_frame, cut.stop_frame) == (75, 175)
    assert float(cut.parts[0].start_s) == 3.02  # the clip's own timeline begins at 0.02 s


def test_labels_that_touch_within_a_clip_or_almost_across_a_border_stay_two() -> None:
    assert times(one_case((100, [("Cut", 0, 25), ("Cut", 25, 50)]))) == [("Cut", 0.0, 1.0), ("Cut", 1.0, 2.0)]
    assert len(found(one_case((100, [("Cut", 75, 99)]), (100, [("Cut", 0, 25)])))) == 2
    assert len(found(one_case((100, [("Cut", 75, 100)]), (100, [("Cut", 1, 25)])))) == 2
    assert len(found(one_case((100, [("Cut", 75, 100)]), (100, None), (100, [("Cut", 0, 25)])))) == 2


def test_overlapping_regions_of_one_label_are_one_occurrence() -> None:
    assert times(one_case((100, [("Cut", 0, 50), ("Cut", 25, 75), ("Cut", 30, 40)]))) == [("Cut", 0.0, 3.0)]


def test_levels_are_counted_each_by_itself() -> None:
    case = one_case((200, [("Suture / Knot", 0, 50), ("Suture", 100, 125), ("Suture / Knot / Square", 150, 175)]))
    assert [label for label, *_ in times(case, 1)] == ["Suture"] * 3
    assert times(case, 2) == [("Suture / Knot", 0.0, 2.0), ("Suture / Knot", 6.0, 7.0)]
    assert times(case, 3) == [("Suture / Knot / Square", 6.0, 7.0)]
    labels = [("Suture",), ("Suture", "Knot"), ("Suture", "Knot", "Square"), ("Suture", "Run"), ("Clip",)]
    assert labels_at(labels, 1) == [("Suture",), ("Clip",)]
    assert labels_at(labels, 2) == [("Suture", "Knot"), ("Suture", "Run")]


def test_one_region_with_two_sub_labels_is_one_occurrence_of_their_parent() -> None:
    case = one_case((100, [("Stop / Gauze", 0, 50), ("Stop / Suction", 0, 50)]))
    assert times(case, 1) == [("Stop", 0.0, 2.0)]
    assert len(times(case, 2)) == 2


def test_the_numbers_of_a_label() -> None:
    case = one_case((250, [("Cut", 25, 50), ("Cut", 50, 100), ("Cut", 150, 250)]), (250, None))
    timing = label_timing("case01", ANNA, ("Cut",), found(case))
    assert (timing.count, timing.total_s, timing.min_s, timing.max_s) == (3, 7.0, 1.0, 4.0)
    assert timing.mean_s == pytest.approx(7 / 3)
    assert (timing.median_s, timing.first_start_s, timing.last_end_s) == (2.0, 1.0, 10.0)
    assert (timing.gaps, timing.gaps_s, timing.longest_gap_s) == (1, 2.0, 2.0)


def test_a_label_that_never_occurs_has_a_row_of_its_own() -> None:
    case = one_case((100, [("Cut", 0, 50)]))
    cut, tie = label_timings(case, ANNA, found(case), [("Cut",), ("Tie",)])
    assert (cut.label, cut.count) == (("Cut",), 1)
    assert (tie.label, tie.count, tie.total_s, tie.mean_s, tie.first_start_s) == (("Tie",), 0, 0.0, None, None)


def test_what_an_annotator_did_with_a_case() -> None:
    case = one_case((100, [("Cut", 25, 75), ("Tie", 50, 75)]), (50, None), (100, []))
    timing = work_timing(case, ANNA, 1, found(case))
    assert (timing.case_s, timing.annotated_s, timing.clips) == (10.0, 8.0, 2)
    assert (timing.labelled_s, timing.unlabelled_s) == (2.0, 6.0)
    assert (timing.unlabelled_stretches, timing.longest_unlabelled_s, timing.occurrences) == (3, 4.0, 2)


def test_a_clip_whose_file_is_left_out_still_counts_in_the_case() -> None:
    clips = annotated_case([(100, {ANNA: [("Cut", 0, 50)]}), (100, {ANNA: []})])
    lost = GatheredClip(msgspec.structs.replace(clips[0].clip, duration_s=4.0), clips[0].tracks)
    case = Case("case01", (clips[1],), (lost,))
    assert (case.n_frames, float(case.length_s)) == (200, 8.0)
    assert found(case) == []
    assert work_timing(case, ANNA, 1, []).annotated_s == 4.0


def test_transitions_count_the_next_to_begin() -> None:
    case = one_case((250, [("Cut", 0, 100), ("Tie", 50, 75), ("Cut", 110, 120), ("Cut", 130, 140)]))
    cut, tie = ("Cut",), ("Tie",)
    assert transitions(found(case)) == {(cut, tie): 1, (tie, cut): 1, (cut, cut): 1}


def test_cases_and_annotators_are_kept_apart() -> None:
    clips = annotated_case([(50, {"ben": [("Cut", 0, 25)], ANNA: []})]) + annotated_case([(25, {ANNA: []})], case="d")
    one, other = Stage(tuple(clips)).cases
    assert (one.name, one.annotators, other.name, other.annotators) == ("case01", [ANNA, "ben"], "d", [ANNA])
    assert occurrences(one, ANNA, 1) == []
    assert len(occurrences(one, "ben", 1)) == 1


@st.composite
def marked_cases(draw: st.DrawFn) -> list[AnnotatedClip]:
    clips = []
    for n_frames in draw(st.lists(st.integers(1, 40), min_size=1, max_size=4)):
        regions = st.tuples(st.integers(0, n_frames - 1), st.integers(1, n_frames)).filter(lambda r: r[0] < r[1])
        labels = st.sampled_from(["A", "B", "B / x", "B / y"])
        marked = draw(st.lists(st.tuples(labels, regions), max_size=6))
        works = {ANNA: [(label, start, stop) for label, (start, stop) in marked]} if draw(st.booleans()) else {}
        clips.append((n_frames, works))
    return annotated_case(clips, rate=Fraction(30000, 1001) if draw(st.booleans()) else Fraction(25))


@given(marked_cases(), st.integers(1, 2))
def test_times_add_up(clips: list[AnnotatedClip], level: int) -> None:
    case = Stage(tuple(clips)).cases[0]
    assert case.length_s == sum(clip.index.length_s for clip in clips)
    every = found(case, level)
    work = work_timing(case, ANNA, level, every)
    assert work.labelled_s + work.unlabelled_s == pytest.approx(work.annotated_s)
    assert work.annotated_s <= work.case_s + 1e-9
    assert sum(transitions(every).values()) == max(len(every) - 1, 0)
    by_frame: dict[int, set[tuple[str, ...]]] = {}
    for clip in clips:
        for span in (span for done in clip.tracks for span in done.spans if len(span.label) >= level):
            assert span.start_frame is not None
            assert span.stop_frame is not None
            for frame in range(span.start_frame, span.stop_frame):
                by_frame.setdefault(frame + clip.case_frame, set()).add(span.label[:level])
    for label in {one.label for one in every}:
        mine = [one for one in every if one.label == label]
        timing = label_timing(case.name, ANNA, label, mine)
        frames = sum(label in labels for labels in by_frame.values())
        assert sum(one.stop_frame - one.start_frame for one in mine) == frames
        assert timing.min_s is not None
        assert timing.max_s is not None
        assert timing.last_end_s is not None
        assert timing.first_start_s is not None
        assert timing.min_s <= timing.max_s <= timing.total_s + 1e-9
        assert math.isclose(timing.total_s + timing.gaps_s, timing.last_end_s - timing.first_start_s, abs_tol=1e-9)
        assert all(before.end_s <= after.start_s for before, after in pairwise(mine))
