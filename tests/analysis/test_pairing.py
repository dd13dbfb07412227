"""Truth and predictions of annotated clips, paired by case and time."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotated import Marked, annotated_case
from lsvid.analysis.evaluated import Evaluation
from lsvid.analysis.evaluation import evaluate
from lsvid.analysis.pairing import pair_clips
from lsvid.annotations.stages import AnnotatedClip, Stage
from lsvid.errors import PairingError, SettingsError
from lsvid.findings import Findings
from lsvid.video.timebase import sample_frames

LABELS = [("Cut",), ("Tie",), ("Tie", "Knot"), ("Tie", "Square")]
TEXTS = [" / ".join(path) for path in LABELS]


def case(*clips: tuple[int, Marked | None], name: str = "case01", who: str = "anna", predicted: bool = False) -> Any:
    """A case of clips by one annotator; None: not annotated."""
    made = [(n_frames, {} if marked is None else {who: marked}) for n_frames, marked in clips]
    return annotated_case(made, case=name, predictions=[who] if predicted else [])


def stage(*clips: AnnotatedClip) -> Stage[AnnotatedClip]:
    return Stage(clips)


def compared(truth: list[AnnotatedClip], said: list[AnnotatedClip], **more: Any) -> Evaluation:
    return evaluate(stage(*truth), stage(*said), **more)


marks = st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, 59), st.integers(1, 20)), max_size=5)


@given(st.lists(st.tuples(marks, marks), min_size=1, max_size=3), st.sampled_from([1, 2]), st.sampled_from([25, 10, 1]))
def test_each_sampled_frame_has_its_labels(
    clips: list[tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]], level: int, fps: int
) -> None:
    """Against a table of frames made one by one."""

    def bounded(marked: Sequence[tuple[str, int, int]]) -> Marked:
        return [(label, start, min(start + length, 60)) for label, start, length in marked]

    sides = [case(*((60, bounded(clip[k])) for clip in clips)) for k in (0, 1)]
    pairs = pair_clips(stage(*sides[0]), stage(*sides[1]), LABELS, Fraction(fps), Findings(), level=level)
    runs = pairs.cases["case01"]
    frames = np.repeat(runs.codes, runs.lengths, axis=1)
    wanted = [
        tuple(
            {" / ".join(parts[:level]) for label, start, stop in bounded(clip[k])
             if start <= frame < stop and len(parts := label.split(" / ")) >= level}
            for k in (0, 1)
        )
        for number, clip in enumerate(clips)
        for frame in sample_frames(sides[0][number].info.index, Fraction(fps))
    ]  # fmt: skip
    found = [tuple({pairs.labels[k] for k in np.flatnonzero(pairs.members[:, code])} for code in column)
             for column in frames.T]  # fmt: skip
    assert found == wanted


def test_a_clip_that_nobody_annotated_is_left_out() -> None:
    truth = case((50, [("Cut", 0, 50)]), (50, None), (50, [("Cut", 0, 50)]))
    said = case((50, [("Cut", 0, 50)]), (50, [("Tie", 0, 50)]), (50, [("Cut", 0, 25)]))
    findings = Findings()
    found = compared(truth, said, labels=LABELS, fps=25, findings=findings)
    assert found.as_dict()["frames"] == {"case01": 100}
    assert found.as_dict()["tp_fp_fn"]["case01"] == [[75, 0, 25], [0, 0, 0]]
    assert findings.left_out == [("clip case01/002", "predicted clips that nobody has annotated")]
    # The hole parts the truth: its two segments are not one.
    assert found.as_dict()["segments"]["tp_fp_fn_per_case_10_25_50"]["case01"][0] == [2, 0, 0]


def test_predictions_are_taken_from_what_people_did() -> None:
    both = annotated_case(
        [(50, {"anna": [("Cut", 0, 50)], "model": [("Cut", 0, 25)]})], predictions=["model"]
    )  # a project's export
    people = [replace(one, tracks=tuple(work for work in one.tracks if work.annotator == "anna")) for one in both]
    assert compared(people, both, labels=LABELS, fps=25).as_dict()["accuracy"]["mean"] == 50


def test_what_does_not_fit_is_one_error() -> None:
    truth = [
        *case((50, [("Cut", 0, 50)]), (50, [("Cut", 0, 50)])),
        *case((50, [("Cut", 0, 50)]), name="case02"),
        *annotated_case([(50, {"anna": [], "ben": []})], case="case03"),
    ]
    said = [
        *case((50, [("Sew", 0, 50)]), (50, None)),
        *case((50, []), name="case03"),
        *case((50, []), name="case04"),
    ]
    with pytest.raises(PairingError) as caught:
        compared(truth, said, fps=25)
    assert caught.value.faults == [
        "clip case03/001: truth by 2 (anna, ben): choose one, or merge them",
        "case case02: only in the truth",
        "case case04: only in the predictions",
        "label Sew: in the predictions, but not among the labels; a label file may name it",
        "clip case01/002: annotated, but not predicted",
    ]


def test_what_both_have_in_common() -> None:
    truth = [*case((50, [("Cut", 0, 50)]), (50, [("Cut", 0, 50)])), *case((50, []), name="case02")]
    said = case((50, [("Sew", 0, 25), ("Cut", 25, 50)]), (50, None))
    found = compared(truth, said, fps=25, common=True)
    assert found.as_dict()["accuracy"]["mean"] == 50  # of the first clip
    assert any("Sew is predicted, but the truth does not have it" in text for text in found.warnings)
    assert any("cases that only the truth have" in text for text in found.warnings)


def test_another_clip_of_the_same_name() -> None:
    with pytest.raises(PairingError, match="50 frames on one side, 60 on the other"):
        compared(case((50, [])), case((60, [])), labels=LABELS)


def test_a_level_that_no_label_has() -> None:
    with pytest.raises(SettingsError, match="no label has a level 3"):
        compared(case((50, [])), case((50, [])), labels=LABELS, level=3)


@pytest.mark.parametrize("fps", [25, 50, 100])
def test_tolerances_count_in_pictures_that_are_there(fps: int) -> None:
    """A rate above the clip's own takes every picture; more than the clip has there are not."""
    labels = [(f"phase {k}",) for k in range(7)]
    truth = case((200, [("phase 0", 0, 50), ("phase 1", 50, 200)]))
    said = case((200, [("phase 0", 0, 150), ("phase 1", 150, 200)]))
    found = compared(truth, said, labels=labels, fps=fps, relaxed_s=1, as_=["tmrnet-fixed", "cholec80"]).as_dict()
    assert (found["frames"], found["settings"]["fps"], found["settings"]["relaxed_frames"]) == ({"case01": 200}, 25, 25)
    assert found["relaxed"]["consistent_neighbours"]["accuracy"]["mean"] == 62.5
    assert found["relaxed"]["consistent_cholec80"]["accuracy"]["mean"] == 62.5
    assert found["relaxed"]["tmrnet_fixed"]["summary"]["accuracy"]["mean"] == 62.5
    assert any("a clip has only 25" in text for text in found["warnings"]) == (fps > 25)


def test_clips_of_two_rates_are_compared_at_the_lower() -> None:
    both = [
        clip
        for name, rate in (("case01", 25), ("case02", 50))
        for clip in annotated_case([(100, {"anna": [("Cut", 0, 100)]})], case=name, rate=Fraction(rate))
    ]
    found = compared(both, both, labels=LABELS, fps=60).as_dict()
    assert (found["settings"]["fps"], found["frames"]) == (25, {"case01": 100, "case02": 50})


def scored(clip: AnnotatedClip, score: float) -> AnnotatedClip:
    (work,) = clip.tracks
    spans = tuple(msgspec.structs.replace(span, score=score) for span in work.spans)
    return replace(clip, tracks=(replace(work, spans=spans),))


def test_scores_make_map() -> None:
    """A prediction that a clip's end cut in two is one again."""
    truth = case((50, [("Cut", 25, 50)]), (50, [("Cut", 0, 25)]))
    said = case((50, [("Cut", 25, 50), ("Tie", 0, 10)]), (50, [("Cut", 0, 25)]), predicted=True)
    said = [scored(clip, score) for clip, score in zip(said, (0.8, 0.4), strict=True)]
    found = compared(truth, said, labels=LABELS, fps=25)
    assert [(one.label, one.start, one.stop, round(one.score, 3)) for one in found.pairs.found] == [
        (0, 1.0, 3.0, 0.6),
        (1, 0.0, 0.4, 0.8),
    ]
    assert found.as_dict()["detections"]["activitynet"]["average_mAP"] == 1
    assert "detections" in str(found)
    unscored = case((50, [("Cut", 25, 50)]), (50, [("Cut", 0, 25)]))
    assert "detections" not in compared(truth, unscored, labels=LABELS, fps=25).as_dict()


def test_arrays_and_annotations_do_not_mix() -> None:
    with pytest.raises(SettingsError, match="one side is arrays"):
        evaluate({"case01": [0]}, stage(*case((50, []))), fps=1)
