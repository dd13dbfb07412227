"""The frame table: every frame of every clip, and on each what the spans say and nothing else."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.spans import Annotation, Clip, Frames, LocatedSpan, Status
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.errors import SettingsError
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import FrameIndex

PATHS = [("A",), ("A", "x"), ("A", "y"), ("B",), ("C", "z", "deep")]


def info(n: int, rate: Fraction = Fraction(25)) -> VideoInfo:
    ticks = 512
    index = FrameIndex(np.arange(n, dtype=np.int64) * ticks, 1 / (rate * ticks), ticks, n / rate)
    return VideoInfo(index, "mp4", "h264", "yuv420p", 320, 240, False, 1, "f", None)


def work(annotator: str, *spans: tuple[int, int, tuple[str, ...]]) -> Track[LocatedSpan]:
    common: dict[str, Any] = {"case": "op", "clip": "1", "annotator": annotator, "source": "t", "annotation_id": "1"}
    common["status"] = Status.ACCEPTED
    made = tuple(
        LocatedSpan(
            label=label, region_id=f"r{k}", basis=Frames(a, b), start_frame=a, stop_frame=b, start_s=0.0, end_s=0.0,
            **common,
        )
        for k, (a, b, label) in enumerate(spans)
    )  # fmt: skip
    return Track(Annotation(**common), made, annotator)


def clip(n: int, *works: Track[LocatedSpan], **place: Any) -> AnnotatedClip:
    return AnnotatedClip(Clip(case="op", clip="1", media="1.mp4"), works, "1.mp4", info(n), **place)


def table(one: AnnotatedClip, **options: Any) -> pl.DataFrame:
    return FrameTables([one], TableOptions(PATHS, **options)).table([one])


SPANS = st.lists(
    st.tuples(st.integers(0, 29), st.integers(1, 30), st.sampled_from(PATHS)).map(
        lambda span: (span[0], max(span[0] + 1, span[1]), span[2])
    ),
    max_size=8,
)


@given(SPANS, SPANS)
def test_the_table_is_what_the_plain_loop_says(
    first: list[tuple[int, int, tuple[str, ...]]], second: list[tuple[int, int, tuple[str, ...]]]
) -> None:
    rows: list[tuple[int, str, str | None]] = []
    for annotator, spans in (("anna", first), ("eve", second)):
        for frame in range(30):
            active = sorted({PATHS.index(label) for start, stop, label in spans if start <= frame < stop})
            rows += [(frame, annotator, " / ".join(PATHS[k])) for k in active] or [(frame, annotator, None)]
    made = table(clip(30, work("anna", *first), work("eve", *second)))
    assert made.select("frame", "annotator", "label").rows() == rows


@given(SPANS)
def test_long_and_wide_say_the_same(spans: list[tuple[int, int, tuple[str, ...]]]) -> None:
    one = clip(30, work("anna", *spans))
    long, wide = table(one), table(one, wide=True)
    assert wide["frame"].to_list() == list(range(30))
    ones = {(frame, name) for name in wide.columns[7:] for frame in wide.filter(pl.col(name) == 1)["frame"]}
    assert ones == {(f, name) for f, name in long.select("frame", pl.col("label").cast(pl.String)).rows() if name}


def test_the_columns_in_order() -> None:
    made = table(clip(3, work("anna", (1, 2, ("C", "z", "deep")))))
    assert made.columns == [
        "case", "clip", "frame", "case_frame", "time_s", "case_time_s", "annotator", "region", "label",
        "level_1", "level_2", "level_3",
    ]  # fmt: skip
    assert made.rows() == [
        ("op", "1", 0, 0, 0.0, 0.0, "anna", None, None, None, None, None),
        ("op", "1", 1, 1, 0.04, 0.04, "anna", "r0", "C / z / deep", "C", "z", "deep"),
        ("op", "1", 2, 2, 0.08, 0.08, "anna", None, None, None, None, None),
    ]


def test_a_label_that_two_regions_give_a_frame_stands_there_once_with_the_earlier() -> None:
    made = table(clip(4, work("anna", (1, 4, ("A",)), (0, 2, ("A",)))))
    assert made["frame"].to_list() == [0, 1, 2, 3]
    assert made["region"].to_list() == ["r1", "r1", "r0", "r0"]


def test_frames_and_times_go_on_from_clip_to_clip() -> None:
    one = clip(3, work("anna"), case_frame=100, case_time_s=Fraction(1001, 250))
    made = table(one)
    assert made["case_frame"].to_list() == [100, 101, 102]
    assert made["case_time_s"].to_list() == [4.004, 4.044, 4.084]


def test_sampling_keeps_the_original_numbers() -> None:
    assert table(clip(60, work("anna")), sample_fps=Fraction(1))["frame"].to_list() == [0, 25, 50]


def test_background_is_where_an_annotator_marked_nothing_not_where_nobody_looked() -> None:
    seen = clip(2, work("anna", (0, 1, ("A",))))
    unseen = clip(2)
    assert table(seen, background="none").select("label", "level_1", "level_2").rows() == [
        ("A", "A", None), ("none", "none", None),
    ]  # fmt: skip
    assert table(unseen, background="none").select("annotator", "label").rows() == [(None, None)] * 2
    assert table(seen, background="none", wide=True)["none"].to_list() == [0, 1]
    assert table(unseen, background="none", wide=True)["none"].to_list() == [0, 0]


def test_names_that_cannot_be_columns_are_refused() -> None:
    one = clip(2, work("anna"))
    with pytest.raises(SettingsError, match="background='B' is the name of a label"):
        table(one, background="B")
    with pytest.raises(SettingsError, match="the label 'frame' has the name of a column"):
        FrameTables([one], TableOptions([("frame",)], wide=True))


@given(st.integers(1, 10**7), st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(1, 3)]))
def test_case_times_are_the_nearest_doubles(offset: int, rate: Fraction) -> None:
    one = replace(clip(4, work("anna"), case_time_s=offset / rate), info=info(4, rate))
    assert table(one)["case_time_s"].to_list() == [float((offset + k) / rate) for k in range(4)]


def test_the_same_spans_give_the_same_schema_whatever_the_order_of_a_set() -> None:
    people = ["2", "10", "eve", "1", "anna"]
    tables = FrameTables([clip(4, *(work(name) for name in people))], TableOptions(PATHS))
    assert tables.schema["annotator"] == pl.Enum(["1", "2", "10", "anna", "eve"])
