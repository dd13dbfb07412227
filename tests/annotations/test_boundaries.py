"""Snapping, overlaps and joining: each does what it says, to the frame, and nothing else."""

import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import VideoFactory
from lsvid.annotations import boundaries
from lsvid.annotations.spans import Frames, LocatedSpan, Span, Status
from lsvid.cli import cli
from lsvid.video.timebase import FrameIndex

INDEX = FrameIndex(np.arange(100, dtype=np.int64), Fraction(1, 25), 1, Fraction(4))


def span(label: str, start: int, stop: int, region: str = "") -> LocatedSpan:
    """A span on frames `[start, stop)` of INDEX; its region id is `region`, else its frames."""
    return Span(
        case="op1", clip="a", label=tuple(label.split("/")), annotator="anna", status=Status.ACCEPTED, source="lsvid",
        annotation_id="1", region_id=region or f"{start}-{stop}", basis=Frames(start, stop),
    ).located(INDEX)  # fmt: skip


def frames(spans: list[LocatedSpan]) -> list[tuple[int, int]]:
    return [(one.start_frame, one.stop_frame) for one in spans]


LABELS = ["A", "B", "C", "A/x", "A/y"]
RANK = {tuple(label.split("/")): (n,) for n, label in enumerate(LABELS)}

span_lists = st.lists(
    st.tuples(st.sampled_from(LABELS), st.integers(0, 99), st.integers(1, 40)).map(
        lambda one: (one[0], one[1], min(one[1] + one[2], 100))
    ),
    max_size=6,
).map(lambda ones: [span(*one, region=str(n)) for n, one in enumerate(ones)])


@pytest.mark.parametrize(
    ("before", "within_s", "after"),
    [
        ([(0, 10), (14, 30)], "0.2", [(0, 12), (12, 30)]),  # a gap of 0.16 s
        ([(0, 10), (13, 30)], "0.2", [(0, 12), (12, 30)]),  # the middle lies between two pictures: the later one
        ([(0, 14), (10, 30)], "0.2", [(0, 12), (12, 30)]),  # an overlap
        ([(0, 10), (14, 30)], "0.1", [(0, 10), (14, 30)]),  # too far apart
        ([(0, 10), (10, 30)], "0.2", [(0, 10), (10, 30)]),  # one already
        ([(0, 40), (37, 39)], "0.2", [(0, 40), (37, 39)]),  # one within the other
        ([(0, 10), (12, 13), (15, 30)], "0.2", [(0, 11), (11, 14), (14, 30)]),  # a short one between two
        ([(0, 10), (12, 30), (14, 40)], "0.2", [(0, 11), (11, 30), (14, 40)]),  # the nearest only
        ([(0, 1), (1, 2), (3, 4)], "1", [(0, 1), (1, 3), (3, 4)]),  # no span is emptied
    ],
)
def test_snap(before: list[tuple[int, int]], within_s: str, after: list[tuple[int, int]]) -> None:
    spans = [span("AB"[n % 2], *one) for n, one in enumerate(before)]
    snapped, moves = boundaries.snap(spans, INDEX, Fraction(within_s))
    assert frames(snapped) == after
    changed = [
        abs(new - old) / 25 for old_one, new_one in zip(before, after, strict=True)
        for old, new in zip(old_one, new_one, strict=True) if new != old
    ]  # fmt: skip
    assert sorted(moves) == pytest.approx(sorted(changed))


@settings(deadline=None)
@given(span_lists, st.integers(0, 30))
def test_snapping_moves_little_and_loses_nothing(spans: list[LocatedSpan], within: int) -> None:
    before = frames(spans)
    bases = [one.basis for one in spans]
    snapped, moves = boundaries.snap(spans, INDEX, Fraction(within, 25))
    assert (frames(spans), [one.basis for one in spans]) == (before, bases)  # never in place
    pairs = [pair for old, new in zip(before, frames(snapped), strict=True) for pair in zip(old, new, strict=True)]
    assert len(moves) == sum(old != new for old, new in pairs)
    assert all(0 < move <= (within + 1) / 2 / 25 + 1e-9 for move in moves)
    for one, old, basis in zip(snapped, before, bases, strict=True):
        assert one.start_frame < one.stop_frame
        moved = (one.start_frame, one.stop_frame) != old
        assert one.basis == (Frames(one.start_frame, one.stop_frame) if moved else basis)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("A", 0, 20), ("B", 10, 30)], [("A", 0, 20), ("B", 20, 30)]),
        ([("B", 0, 20), ("A", 10, 30)], [("B", 0, 10), ("A", 10, 30)]),
        ([("B", 0, 40), ("A", 10, 20)], [("B", 0, 10), ("A", 10, 20), ("B", 20, 40)]),
        ([("A", 0, 40), ("B", 10, 20)], [("A", 0, 40)]),
        ([("A", 0, 40), ("A/x", 10, 20)], [("A", 0, 40), ("A/x", 10, 20)]),  # a sub label is no conflict
        ([("A/x", 0, 20), ("A/y", 10, 30)], [("A/x", 0, 20), ("A/y", 20, 30)]),
    ],
)
def test_resolve_by_label_order(before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]) -> None:
    spans, _, _ = boundaries.resolve([span(*one) for one in before], INDEX, lambda one: RANK[one.label])
    assert [("/".join(one.label), one.start_frame, one.stop_frame) for one in spans] == after


def test_labels_of_one_region_do_not_conflict() -> None:
    spans = [span("A", 0, 20, "r"), span("B", 0, 20, "r")]
    assert boundaries.resolve(spans, INDEX, lambda one: RANK[one.label]) == (spans, 0, 0)


@settings(deadline=None)
@given(span_lists)
def test_resolving_leaves_no_conflict_and_no_picture_bare(spans: list[LocatedSpan]) -> None:
    resolved, overlaps, _ = boundaries.resolve(spans, INDEX, lambda one: RANK[one.label])
    assert not any(boundaries.conflicts(a, b) for a in resolved for b in resolved if a is not b)
    if not overlaps:
        assert sorted(frames(resolved)) == sorted(frames(spans))

    def covered(ones: list[LocatedSpan]) -> set[int]:
        return {frame for one in ones for frame in range(one.start_frame, one.stop_frame)}

    assert covered(resolved) == covered(spans)
    again, overlaps, vanished = boundaries.resolve(resolved, INDEX, lambda one: RANK[one.label])
    assert (frames(again), overlaps, vanished) == (frames(resolved), 0, 0)


@settings(deadline=None)
@given(span_lists)
def test_resolving_compares_each_with_all_that_is_kept(spans: list[LocatedSpan]) -> None:
    """Against the plain way, which takes the square of the time."""
    kept: list[tuple[LocatedSpan, set[int]]] = []
    for one in sorted(spans, key=lambda one: (RANK[one.label], one.start_frame, one.stop_frame)):
        left = set(range(one.start_frame, one.stop_frame))
        for other, frames_kept in kept:
            if boundaries.conflicts(one, other) and frames_kept & set(range(one.start_frame, one.stop_frame)):
                left -= frames_kept
        kept.append((one, left))
    resolved, overlaps, vanished = boundaries.resolve(spans, INDEX, lambda one: RANK[one.label])
    assert vanished == sum(not left for _, left in kept)
    assert (overlaps > 0) == any(len(left) < one.stop_frame - one.start_frame for one, left in kept)
    for one, left in kept:
        mine = [frame for piece in resolved if piece.region_id == one.region_id
                for frame in range(piece.start_frame, piece.stop_frame)]  # fmt: skip
        assert sorted(mine) == sorted(left)


def test_many_spans_of_a_clip_take_no_square_of_time() -> None:
    n = 20_000
    index = FrameIndex(np.arange(10 * n, dtype=np.int64), Fraction(1, 25), 1, Fraction(10 * n, 25))
    spans = [
        Span(
            case="op1", clip="a", label=(LABELS[k % 3],), annotator="anna", status=Status.ACCEPTED, source="lsvid",
            annotation_id="1", region_id=str(k), basis=Frames(10 * k, min(10 * k + 14, 10 * n)),
        ).located(index)
        for k in range(n)
    ]  # fmt: skip
    began = time.process_time()
    resolved, overlaps, _ = boundaries.resolve(spans, index, lambda one: RANK[one.label])
    boundaries.snap(spans, index, Fraction(1))
    assert time.process_time() - began < 10  # the square would take minutes
    assert (len(resolved), overlaps) == (n, n - 1)


# --- In the commands -------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def case(tmp_path: Path, videos: VideoFactory) -> Path:
    """Two clips of 2 s in a case, labelled by hand in Prodigy."""
    labelled: dict[str, list[tuple[str, float, float]]] = {
        "a": [("Cut", 0.0, 0.48), ("Sew", 0.56, 1.0), ("Cut", 0.92, 1.92)],
        "b": [("Cut", 0.04, 1.0), ("Sew", 1.2, 1.4), ("Sew", 1.44, 1.6)],
    }
    lines = []
    for clip, regions in labelled.items():
        videos.make(tmp_path / "op1" / f"{clip}.mp4", n_frames=50)
        spans = [{"start": s, "end": e, "label": label} for label, s, e in regions]
        lines.append(json.dumps({"path": f"op1/{clip}.mp4", "audio_spans": spans, "answer": "accept"}))
    (tmp_path / "out.jsonl").write_text("\n".join(lines))
    return tmp_path


def export(case: Path, *options: object) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """(manifest, [(clip, label, region, first frame, last frame), …] in the frame table)."""
    result = run(
        "export-frames", case / "out.jsonl", "--clips", case / "op1", "-o", case / "out", "--format", "jsonl", *options
    )
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (case / "out" / "frames.jsonl").read_text().splitlines()]
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        if row["label"]:
            found.setdefault((row["clip"], row["label"], row["region"]), []).append(row["frame"])
    manifest = json.loads((case / "out" / "manifest.json").read_text())
    return manifest, [(*key, min(numbers), max(numbers)) for key, numbers in found.items()]


def test_nothing_by_default(case: Path) -> None:
    manifest, spans = export(case)
    assert "boundaries" not in manifest
    assert spans[:3] == [("a", "Cut", "1", 0, 11), ("a", "Sew", "2", 14, 24), ("a", "Cut", "3", 23, 47)]


def test_snap_in_the_manifest(case: Path) -> None:
    manifest, spans = export(case, "--snap", "0.1")
    assert spans[:3] == [("a", "Cut", "1", 0, 12), ("a", "Sew", "2", 13, 23), ("a", "Cut", "3", 24, 47)]
    assert manifest["boundaries"] == {
        "snap": {
            "within_s": 0.1, "moved": 5, "largest_move_s": pytest.approx(0.04), "mean_move_s": pytest.approx(0.04)
        }
    }  # fmt: skip


def test_overlap_priority_in_the_manifest(case: Path) -> None:
    (case / "labels.txt").write_text("Sew\nCut\n")
    manifest, spans = export(case, "--overlap", "priority", "--labels", case / "labels.txt")
    assert spans[:3] == [("a", "Cut", "1", 0, 11), ("a", "Sew", "2", 14, 24), ("a", "Cut", "3", 25, 47)]
    assert manifest["boundaries"]["overlap"] == {"priority": "label-order", "resolved": 1, "spans_vanished": 0}
    _, spans = export(case, "--overlap", "priority", "--priority", "longest", "--labels", case / "labels.txt")
    assert spans[:3] == [("a", "Cut", "1", 0, 11), ("a", "Sew", "2", 14, 22), ("a", "Cut", "3", 23, 47)]


def test_overlap_error(case: Path) -> None:
    result = run("export-frames", case / "out.jsonl", "--clips", case / "op1", "-o", case / "out", "--overlap", "error")
    assert result.exit_code == 1
    assert "clip op1/a, prodigy, region 3: Cut overlaps Sew (region 2) on frames 23 to 24" in result.stderr


def test_join_across_the_end_of_a_clip(case: Path) -> None:
    manifest, spans = export(case, "--join-gap", "0.12")
    assert spans == [
        ("a", "Cut", "1", 0, 11),
        ("a", "Sew", "2", 14, 24),
        ("a", "Cut", "a:3", 23, 49),
        ("b", "Cut", "a:3", 0, 24),
        ("b", "Sew", "2", 30, 39),
    ]
    assert manifest["boundaries"]["join"] == {"gap_s": 0.12, "joined": 2}
    assert export(case, "--join-gap", "0.1")[0]["boundaries"]["join"]["joined"] == 1


def test_export_spans_tells_what_was_done(case: Path) -> None:
    result = run("export-spans", case / "out.jsonl", "--clips", case / "op1", "--snap", "0.1", "--join-gap", "0")
    assert result.exit_code == 0
    assert "moved 5 boundaries by up to 0.040 s\njoined 1 pairs of spans\n" in result.stderr


@pytest.mark.parametrize("value", ["-1", "x", "1/0", "nan"])
def test_seconds_that_are_none(case: Path, value: str) -> None:
    result = run("export-spans", case / "out.jsonl", "--snap", value)
    assert result.exit_code == 2
    assert f"Invalid value for '--snap': {value!r} is not a number of seconds" in result.stderr
