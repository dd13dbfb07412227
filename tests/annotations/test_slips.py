"""Traces of slips: moved, short and covering spans, and sub labels that vanished between versions."""

import json
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import exports
from builders import annotation, export, region, run, succeeded, task
from factories import VideoFactory
from lsvid.annotations.slips import warn_of_slips
from lsvid.annotations.spans import Basis, LsFrames, Seconds, Status
from lsvid.annotations.stages import AnnotatedClip
from lsvid.findings import Findings
from lsvid.readers import label_studio, prodigy

RATE = 25
N_FRAMES = 5000


def _clip(
    spans: list[tuple[str, float, float]], *, timeline: str = "frames", source: str = label_studio.SOURCE,
    status: Status = Status.ACCEPTED, n_frames: int = N_FRAMES,
) -> AnnotatedClip:  # fmt: skip
    """A clip with `spans` of frames as they were drawn on a timeline: numbers from 1, or seconds."""
    index = exports.index(n_frames)
    clip = exports.clip(spans=[(label, 0, 1) for label, _, _ in spans], times=index)
    work = clip.tracks[0]
    drawn = []
    for span, (_, start, stop) in zip(work.spans, spans, strict=True):
        basis: Basis = Seconds(start / RATE, stop / RATE)
        if timeline == "frames":
            basis = LsFrames(int(start) + 1, int(stop), str(RATE))
        drawn.append(msgspec.structs.replace(span, source=source, basis=basis, status=status).located(index))
    of = msgspec.structs.replace(work.annotation, status=status)
    return replace(clip, tracks=(replace(work, annotation=of, spans=tuple(drawn)),))


def _warnings(clip: AnnotatedClip) -> dict[str, str]:
    findings = Findings()
    warn_of_slips([clip], findings)
    kinds = {"moved": "other side", "short": "less than", "covering": "of the same label"}
    told = {kind: text for text, _ in findings.warnings for kind, words in kinds.items() if words in text}
    assert len(told) == len(findings.warnings)
    return told


@st.composite
def _tilings(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Spans of 20 frames or more that lie end to end over the whole clip, neighbours of different labels."""
    cuts = sorted({20 * cut for cut in draw(st.lists(st.integers(1, N_FRAMES // 20 - 1), min_size=1, max_size=12))})
    edges = [0, *cuts, N_FRAMES]
    return [(f"L{k}", a, b) for k, (a, b) in enumerate(pairwise(edges))]


@given(tiling=_tilings(), data=st.data(), timeline=st.sampled_from(["frames", "waveform"]))
def test_a_span_that_was_moved_is_noticed_and_no_other(
    tiling: list[tuple[str, int, int]], data: st.DataObject, timeline: str
) -> None:
    assert _warnings(_clip(list(tiling), timeline=timeline)) == {}
    which = data.draw(st.integers(0, len(tiling) - 1))
    label, start, stop = tiling[which]
    ways = [sign for sign, at_edge in ((-1, start == 0), (1, stop == N_FRAMES)) if not at_edge]
    part = data.draw(st.sampled_from([0.0, 0.3, 0.5, 0.9])) if timeline == "waveform" else 0.0
    by = data.draw(st.sampled_from(ways)) * (data.draw(st.integers(2, 18)) + part)
    slipped: list[tuple[str, float, float]] = list(tiling)
    slipped[which] = (label, start + by, stop + by)
    text = _warnings(_clip(slipped, timeline=timeline))["moved"]
    assert text.startswith("1 span overlaps")
    assert text.endswith(f"({label})")


@given(
    spans=st.lists(
        st.tuples(st.sampled_from("AB"), st.integers(0, 30), st.integers(1, 15)).map(
            lambda one: (one[0], one[1], one[1] + one[2])
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_those_that_cover_are_those_that_a_slow_search_finds(spans: list[tuple[str, int, int]]) -> None:
    covers = any(
        a[0] == b[0] and a[1] <= b[1] and b[2] <= a[2]
        for i, a in enumerate(spans)
        for j, b in enumerate(spans)
        if i != j
    )
    assert ("covering" in _warnings(_clip(list(spans)))) == covers


def test_a_region_with_several_sub_labels_does_not_cover_itself() -> None:
    clip = _clip([("A / x", 0, 100), ("A / y", 0, 100)])
    work = clip.tracks[0]
    one_region = tuple(msgspec.structs.replace(span, region_id="r0") for span in work.spans)
    assert _warnings(replace(clip, tracks=(replace(work, spans=one_region),))) == {}
    assert "covering" in _warnings(clip)  # two regions at the same place


@pytest.mark.parametrize(
    ("start", "stop", "timeline", "source", "told"),
    [
        (100, 112, "waveform", label_studio.SOURCE, True),
        (100, 112, "waveform", prodigy.SOURCE, True),
        (100, 112.5, "waveform", label_studio.SOURCE, False),
        (100, 101, "frames", label_studio.SOURCE, False),
        (100, 112, "waveform", "via", False),
    ],
)
def test_less_than_half_a_second_on_the_waveform(
    start: float, stop: float, timeline: str, source: str, told: bool
) -> None:
    texts = _warnings(_clip([("A", start, stop)], timeline=timeline, source=source))
    assert bool(texts) == told
    if told:
        assert texts["short"].startswith("1 span lasts less than 0.5 s on the waveform: clip op1/a at 0:00:04.00 to")


def test_a_span_over_a_whole_short_clip_is_none() -> None:
    assert _warnings(_clip([("A", 0, 10)], timeline="waveform", n_frames=10)) == {}


def test_predictions_are_not_looked_at() -> None:
    slips: list[tuple[str, float, float]] = [("A", 0, 100), ("A", 10, 20)]
    assert _warnings(_clip(slips, status=Status.PREDICTION)) == {}
    assert "covering" in _warnings(_clip(slips))


def test_many_spans_cost_little() -> None:
    clip = _clip([(f"L{k % 20}", k * 40, k * 40 + 40 - k % 3) for k in range(20_000)], n_frames=800_100)
    begun = time.process_time()
    _warnings(clip)
    assert time.process_time() - begun < 2  # 0.1 s on a free core; 100,000 take 0.5


def _with_choice(number: int, label: str, choice: str | None) -> list[dict[str, Any]]:
    drawn = region(1, 50, label, f"r{number}")
    if choice is None:
        return [drawn]
    value = {"ranges": drawn["value"]["ranges"], "choices": [choice]}
    return [drawn, drawn | {"type": "choices", "from_name": "sub", "value": value}]


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ([("A", "Hook"), ("A", None)], True),
        ([("A", "Hook"), ("B", None)], True),  # the next label's key
        ([("A", "Hook"), ("A", None), ("A", None)], True),
        ([("A", "Hook"), ("A", None), ("A", "Clip")], False),
        ([("A", None), ("A", "Hook")], False),
        ([("A", None), ("A", None)], False),
    ],
)
def test_sub_labels_that_vanished_between_versions(
    videos: VideoFactory, tmp_path: Path, versions: list[tuple[str, str | None]], told: bool
) -> None:
    videos.make(tmp_path / "op1" / "clip_1.mp4", n_frames=60, rate=Fraction(25))
    works = [annotation(k, 1, *_with_choice(1, *version)) for k, version in enumerate(versions, start=1)]
    file = export(tmp_path, task(7, "clip_1", *reversed(works)))
    arguments = ["export-spans", file, "--clips", tmp_path, "--json", "-o", tmp_path / "spans.jsonl"]
    texts = [text for text in json.loads(succeeded(run(*arguments)).stdout)["warnings"] if "sub labels" in text]
    expected = "1 span has lost its sub labels since an earlier version: task 7, clip op1/clip_1 at 0:00:00.00 to "
    assert [text.startswith(expected) for text in texts] == [True] * told


def test_an_export_tells_task_and_time_and_changes_nothing(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "op1" / "clip_1.mp4", n_frames=200, rate=Fraction(25))
    drawn = [region(1, 50, "A", "a"), region(41, 90, "B", "b"), region(101, 200, "C", "c"), region(120, 130, "C", "d")]
    file = export(tmp_path, task(7, "clip_1", annotation(1, 1, *drawn)))
    result = succeeded(run("export-spans", file, "--clips", tmp_path))
    assert "task 7, clip op1/clip_1 at 0:00:01.60 to 0:00:03.60 (B)" in result.stderr
    assert (
        "1 span covers others of the same label: task 7, clip op1/clip_1 at 0:00:04.00 to 0:00:08.00" in result.stderr
    )
    spans = [one for one in map(json.loads, result.stdout.splitlines()) if one["record"] == "span"]
    assert [(one["start_frame"], one["stop_frame"]) for one in spans] == [(0, 50), (40, 90), (100, 200), (119, 130)]
