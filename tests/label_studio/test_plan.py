"""Which clips an import adds, and where: unit and property tests of pure planning."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.findings import Findings
from lsvid.label_studio.plan import Imported, plan_import
from lsvid.video.clips import ClipFile, natural_key, number_clips


def clips_of(*names: str, case: str = "op1") -> list[ClipFile]:
    return number_clips([ClipFile(case, name, f"/clips/{case}/{name}.mp4") for name in names])


def imported_of(*names: str, case: str = "op1", first_task: int = 1) -> list[Imported]:
    return [
        Imported(first_task + k, case, name, float(k + 1), f"content of {case}/{name}") for k, name in enumerate(names)
    ]


def fingerprints_of(clips: list[ClipFile]) -> dict[str, str]:
    return {clip.id: f"content of {clip.id}" for clip in clips}


def orders(
    existing: list[Imported], clips: list[ClipFile], findings: Findings | None = None
) -> dict[str, float | None]:
    plan = plan_import(existing, clips, fingerprints_of(clips), findings or Findings())
    return {clip.name: clip.order for clip in plan.new}


def test_a_first_import_counts_from_one() -> None:
    findings = Findings()
    assert orders([], clips_of("clip_1", "clip_2", "clip_3"), findings) == {"clip_1": 1, "clip_2": 2, "clip_3": 3}
    assert findings == Findings()


def test_what_is_there_already_is_unchanged() -> None:
    clips = clips_of("clip_1", "clip_2")
    findings = Findings()
    plan = plan_import(imported_of("clip_1", "clip_2"), clips, fingerprints_of(clips), findings)
    assert (plan.new, plan.unchanged, plan.changed) == ([], clips, [])
    assert findings == Findings()


def test_clips_at_the_end_count_on_without_a_warning() -> None:
    findings = Findings()
    names = ("clip_1", "clip_2", "clip_3", "clip_4")
    assert orders(imported_of("clip_1", "clip_2"), clips_of(*names), findings) == {"clip_3": 3, "clip_4": 4}
    assert findings == Findings()


@pytest.mark.parametrize("given_names", [("clip_2", "clip_3"), ("clip_1", "clip_2", "clip_3", "clip_4")])
def test_late_clips_get_places_between_their_neighbours(given_names: tuple[str, ...]) -> None:
    """Whether the whole folder is given again, or the late clips alone."""
    findings = Findings()
    got = orders(imported_of("clip_1", "clip_4"), clips_of(*given_names), findings)
    assert got == {"clip_2": pytest.approx(4 / 3), "clip_3": pytest.approx(5 / 3)}
    (text, hint) = findings.warnings[0]
    assert text == (
        "op1/clip_2, op1/clip_3: before clips that the project has already, but annotators get clips in the order of "
        "import"
    )
    assert hint == "in the Data Manager, filter by the case, sort by the column 'order', and label tasks as displayed"


def test_a_clip_before_the_first_gets_a_place_above_zero() -> None:
    assert orders(imported_of("clip_2"), clips_of("clip_1", "clip_2")) == {"clip_1": 0.5}


def test_a_late_case_is_warned_about() -> None:
    findings = Findings()
    orders(imported_of("clip_1", case="op10"), clips_of("clip_1", case="op2"), findings)
    assert findings.warnings == [
        (
            "case op2 comes after case op10 for annotators: they are served in the order of import",
            "if the order of cases matters, sort by the columns 'case' and 'order' in the Data Manager",
        )
    ]


def test_a_clip_with_other_content_is_neither_added_nor_unchanged() -> None:
    clips = clips_of("clip_1")
    plan = plan_import(imported_of("clip_1"), clips, {"op1/clip_1": "cut again"}, Findings())
    assert (plan.new, plan.unchanged) == ([], [])
    assert plan.changed == [(clips[0], imported_of("clip_1")[0])]


def test_the_same_content_under_two_names_is_warned_about() -> None:
    clips = clips_of("clip_2", "clip_3")
    same = {"op1/clip_2": "content of op1/clip_1", "op1/clip_3": "another"}
    findings = Findings()
    plan_import(imported_of("clip_1"), clips, same, findings)
    assert findings.warnings == [
        (
            "the same content under 2 names: op1/clip_1, op1/clip_2",
            "it will be labelled more than once: delete the copies, and their tasks in the Data Manager",
        )
    ]


def test_gaps_in_the_numbering_are_warned_about_once_something_is_added() -> None:
    findings = Findings()
    orders(imported_of("clip_1"), clips_of("clip_1", "clip_4"), findings)
    assert findings.warnings == [
        (
            "case op1: no clip numbered clip_2, clip_3",
            "add what is missing and run again (it gets its place); case times count only the clips there are",
        )
    ]


def test_an_unreadable_clip_is_no_gap() -> None:
    clips = clips_of("clip_1", "clip_2", "clip_3")
    findings = Findings()
    plan_import([], [clips[0], clips[2]], fingerprints_of(clips), findings, unreadable=[clips[1]])
    assert findings.warnings == []


def test_a_clip_that_is_in_the_project_twice_is_warned_about() -> None:
    clips = clips_of("clip_1")
    existing = [*imported_of("clip_1"), *imported_of("clip_1", first_task=7)]
    findings = Findings()
    plan_import(existing, clips, fingerprints_of(clips), findings)
    assert findings.warnings == [
        (
            "clip op1/clip_1 is in the project twice, tasks 1 and 7",
            "delete the task that has no annotations in the Data Manager",
        )
    ]


@given(st.lists(st.sets(st.integers(1, 25), min_size=1), min_size=1, max_size=5), st.booleans())
def test_in_whatever_portions_clips_arrive_they_end_up_in_natural_order(
    portions: list[set[int]], whole_folder: bool
) -> None:
    """Every clip once, its order strictly between its neighbours', and never changed afterwards."""
    existing: list[Imported] = []
    seen: set[int] = set()
    for portion in portions:
        wanted = sorted(portion | seen) if whole_folder else sorted(portion)
        seen |= portion
        clips = clips_of(*(f"clip_{number}" for number in wanted))
        plan = plan_import(existing, clips, fingerprints_of(clips), Findings())
        assert {clip.id for clip in plan.new} == {clip.id for clip in clips} - {one.id for one in existing}
        existing += [
            Imported(len(existing) + k, clip.case, clip.name, clip.order or -1, f"content of {clip.id}")
            for k, clip in enumerate(plan.new, start=1)
        ]
    in_order = sorted(existing, key=lambda one: one.order)
    assert [one.name for one in in_order] == sorted((one.name for one in existing), key=natural_key)
    assert all(before.order < after.order for before, after in pairwise(in_order))
    assert in_order[0].order > 0


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_a_given_order_is_kept(sequence: list[int], there: set[int]) -> None:
    """A manifest's own order holds between all its clips, also where some are there already in that order."""
    names = [f"clip_{number}" for number in sequence]
    clips = clips_of(*names)
    existing = imported_of(*(name for number, name in zip(sequence, names, strict=True) if number in there))
    placed = {one.name: one.order for one in existing} | orders(existing, clips)
    assert sorted(names, key=lambda name: placed[name] or 0) == names
