"""Time and frames: the editor's numbers, seconds, and what must hold for any clip."""

import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.video.timebase import (
    FrameIndex,
    OutsideClipError,
    PackedFrameIndex,
    as_fraction,
    constant_rate,
    format_rate,
    frames_of_range,
    frames_of_seconds,
    last_number,
    pack_pts,
    parse_rate,
    range_of_frames,
    sample_frames,
    seconds_of_frames,
    shown,
)

NTSC = Fraction(30000, 1001)
RATES = st.sampled_from([Fraction(r) for r in (1, 5, 10, 24, 25, 30, 50, 60)] + [NTSC, Fraction(24000, 1001)])


def cfr(rate: Fraction, n: int, start: int = 0) -> FrameIndex:
    """A clip of `n` pictures at `rate`, as an MP4 of that rate has it."""
    time_base = 1 / (rate * 512)
    pts = np.arange(n, dtype=np.int64) * 512 + start
    return FrameIndex(pts, time_base, 512, (int(pts[-1]) + 512) * time_base)


@st.composite
def indexes(draw: st.DrawFn) -> FrameIndex:
    """Clips of any PTS: variable gaps of 5 ms and more, any start, several time bases."""
    time_base = draw(st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 12800), Fraction(1, 30000)]))
    shortest = max(1, int(Fraction(5, 1000) / time_base))
    gaps = draw(st.lists(st.integers(shortest, shortest * 40), min_size=0, max_size=60))
    start = draw(st.integers(0, int(2 / time_base)))
    pts = np.cumsum([start, *gaps]).astype(np.int64)
    last = draw(st.integers(shortest, shortest * 20))
    extra = draw(st.integers(-200, 200))
    end = (int(pts[-1]) + last) * time_base
    return FrameIndex(pts, time_base, last, max(end + Fraction(extra, 1000), Fraction(1, 100)), pts[0] * time_base)


class AvRational:
    """What PyAV 19 tells a time base in: a numerator and a denominator, and none of a Fraction's methods."""

    numerator, denominator = 1001, 30000


def test_a_rational_of_pyav_becomes_a_fraction() -> None:
    for rational in (AvRational(), Fraction(1001, 30000)):
        assert type(as_fraction(rational)) is Fraction
        assert as_fraction(rational) == Fraction(1001, 30000)


# --- the editor's numbers ---


@pytest.mark.parametrize(("number", "picture"), [(1, 0), (5, 4), (12, 11), (100, 99), (500, 499)])
def test_at_the_true_rate_number_n_shows_picture_n_minus_1(number: int, picture: int) -> None:
    """Measured in the editor: 25 fps, 500 pictures."""
    assert shown(cfr(Fraction(25), 500), Fraction(25), number) == picture


@pytest.mark.parametrize(
    ("rate", "number", "picture"),
    [(24, 100, 103), (24, 400, 415), (1, 2, 25), (1, 600, 14975), (5, 2, 5)],
)
def test_at_another_rate_the_picture_that_the_editor_was_seen_to_show(rate: int, number: int, picture: int) -> None:
    """Measured in the editor on 25 fps clips of ten minutes."""
    assert shown(cfr(Fraction(25), 15000), Fraction(rate), number) == picture


def test_variable_rate_shows_the_picture_that_the_editor_was_seen_to_show() -> None:
    """Measured: 250 pictures at 25 fps, then every second; at R = 25 number 252 showed the picture with PTS 10.0."""
    ticks = [*range(250), *range(250, 500, 2)]
    index = FrameIndex(np.array(ticks, dtype=np.int64), Fraction(1, 25), 2, Fraction(20))
    assert index.rate is None
    assert shown(index, Fraction(25), 252) == 250
    assert index.time_s(250) == 10


def test_last_number_is_the_container_duration_times_rate() -> None:
    index = FrameIndex(np.arange(450, dtype=np.int64), Fraction(1, 25), 1, Fraction("16.7"))
    assert last_number(index, Fraction(25)) == 418


def test_an_end_at_the_last_number_is_the_end_of_the_clip() -> None:
    index = cfr(Fraction(25), 500)
    assert frames_of_range(index, Fraction(25), 490, 500) == (489, 500)


def test_a_phantom_last_number_is_cut_to_the_clip() -> None:
    index = FrameIndex(np.arange(417, dtype=np.int64), Fraction(1, 25), 1, Fraction("16.72"))
    assert frames_of_range(index, Fraction(25), 1, 418) == (0, 417)


def test_an_end_over_a_second_outside_is_an_error() -> None:
    index = cfr(Fraction(25), 500)
    assert frames_of_range(index, Fraction(25), 1, 525) == (0, 500)
    with pytest.raises(OutsideClipError, match=r"number 526 lies past the clip's last, 500 at 25 fps"):
        frames_of_range(index, Fraction(25), 1, 526)


def test_a_range_before_the_first_picture_of_a_late_clip_holds_none() -> None:
    index = cfr(Fraction(25), 100, start=512 * 50)
    assert frames_of_range(index, Fraction(25), 1, 10) == (0, 0)


@given(RATES, st.integers(1, 2000), st.data())
def test_a_range_at_the_true_rate_is_start_minus_1_to_end(rate: Fraction, n: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(1, n))
    end = data.draw(st.integers(start, n))
    assert frames_of_range(cfr(rate, n), parse_rate(format_rate(rate)), start, end) == (start - 1, end)


@given(indexes(), RATES, st.data())
def test_adjacent_ranges_tile_at_any_rate(index: FrameIndex, rate: Fraction, data: st.DataObject) -> None:
    """No picture twice, none left out, from the first picture to the last."""
    last = max(last_number(index, rate), 1)
    cuts = sorted(data.draw(st.sets(st.integers(1, last - 1), max_size=8))) if last > 1 else []
    borders = [0, *cuts, last]
    ranges = [frames_of_range(index, rate, a + 1, b) for a, b in pairwise(borders)]
    assert ranges[0][0] == shown(index, rate, 1)
    assert ranges[-1][1] == index.n_frames
    assert all(left[1] == right[0] for left, right in pairwise(ranges))


@given(indexes(), RATES, st.data())
def test_a_picture_belongs_to_the_last_number_that_shows_it(
    index: FrameIndex, rate: Fraction, data: st.DataObject
) -> None:
    last = max(last_number(index, rate), 1)
    number = data.draw(st.integers(1, last))
    picture = shown(index, rate, number)
    start, stop = frames_of_range(index, rate, number, number)
    belongs = start <= picture < stop
    assert belongs == (picture < index.n_frames and shown(index, rate, number + 1) > picture)


@given(indexes(), st.data())
def test_frames_to_a_range_and_back_at_the_editor_rate(index: FrameIndex, data: st.DataObject) -> None:
    """Exact wherever the editor has a number for each picture: gaps of 1/120 s and more, within its duration."""
    rate = index.editor_rate
    start = data.draw(st.integers(0, index.n_frames - 1))
    stop = data.draw(st.integers(start + 1, index.n_frames))
    back = range_of_frames(index, rate, start, stop)
    if back is None:
        assert all(shown(index, rate, n) not in range(start, stop) for n in range(1, last_number(index, rate) + 1))
        return
    first, past = frames_of_range(index, rate, *back)
    reachable = {shown(index, rate, n) for n in range(1, last_number(index, rate) + 2)}
    if {start, stop} <= reachable | {index.n_frames}:
        assert (first, past) == (start, stop)


@given(RATES, st.integers(1, 3000), st.data())
def test_frames_to_a_range_and_back_is_exact_at_a_constant_rate(rate: Fraction, n: int, data: st.DataObject) -> None:
    index = cfr(rate, n)
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    assert range_of_frames(index, rate, start, stop) == (start + 1, stop)


# --- seconds ---


@given(indexes(), st.data())
def test_adjacent_seconds_tile(index: FrameIndex, data: st.DataObject) -> None:
    low, high = float(index.start_s), float(index.end_s)
    a, b, c = sorted(data.draw(st.tuples(*[st.floats(low, high)] * 3)))
    left, right = frames_of_seconds(index, a, b), frames_of_seconds(index, b, c)
    assert left[1] == right[0]
    assert frames_of_seconds(index, a, c) == (left[0], right[1])


@given(indexes(), st.data())
def test_times_written_and_read_back_land_on_the_same_picture(index: FrameIndex, data: st.DataObject) -> None:
    """As the nearest double, and rounded to milliseconds."""
    start = data.draw(st.integers(0, index.n_frames - 1))
    stop = data.draw(st.integers(start + 1, index.n_frames))
    times = seconds_of_frames(index, start, stop)
    assert frames_of_seconds(index, *times) == (start, stop)
    assert frames_of_seconds(index, round(times[0], 3), round(times[1], 3)) == (start, stop)


def test_a_boundary_is_the_first_picture_at_or_after_it_less_1_ms() -> None:
    index = cfr(Fraction(25), 100)
    assert frames_of_seconds(index, 0.2, 0.4) == (5, 10)
    assert frames_of_seconds(index, 0.2009, 0.4009) == (5, 10)
    assert frames_of_seconds(index, 0.2011, 0.4011) == (6, 11)


def test_seconds_over_a_second_outside_are_an_error() -> None:
    index = cfr(Fraction(25), 100)
    assert frames_of_seconds(index, -0.9, 5.0) == (0, 100)
    with pytest.raises(OutsideClipError, match=r"0\.000 to 5\.010 s lies outside the clip \(0\.000 to 4\.000 s\)"):
        frames_of_seconds(index, 0, 5.01)
    with pytest.raises(OutsideClipError, match=r"-1\.010 to 2"):
        frames_of_seconds(index, -1.01, 2)


def test_a_span_before_a_clip_that_starts_late_is_an_error_and_a_start_before_it_is_not() -> None:
    index = cfr(Fraction(25), 100, start=1_280_000)  # at 100 s
    assert index.start_s == 100
    assert frames_of_seconds(index, 0, 102) == (0, 50)  # players show the first picture from 0 on
    assert frames_of_seconds(index, 98, 99.5) == (0, 0)
    with pytest.raises(OutsideClipError, match=r"lies outside the clip \(100\.000 to 104\.000 s\)"):
        frames_of_seconds(index, 0, 4)


# --- rates ---


@pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(60), Fraction(25, 2)])
@pytest.mark.parametrize("ticks", [1000, 90000])
def test_the_constant_rate_is_found_in_rounded_times(rate: Fraction, ticks: int) -> None:
    """Matroska rounds to milliseconds, MPEG-TS to 1/90000 s."""
    pts = np.array([round(k / rate * ticks) for k in range(5000)], dtype=np.int64)
    assert constant_rate(pts, Fraction(1, ticks), round(ticks / rate)) == rate


def test_a_gap_of_one_picture_is_a_variable_rate() -> None:
    pts = np.delete(np.arange(100, dtype=np.int64), 50)
    assert constant_rate(pts, Fraction(1, 25), 1) is None


def test_the_editor_rate_of_a_variable_clip_is_its_shortest_gap_up_to_120() -> None:
    index = FrameIndex(np.array([0, 40, 60, 160], dtype=np.int64), Fraction(1, 1000), 40, Fraction(1, 5))
    assert index.editor_rate == 50
    fast = FrameIndex(np.array([0, 40, 41, 160], dtype=np.int64), Fraction(1, 1000), 40, Fraction(1, 5))
    assert fast.editor_rate == 120


@given(indexes())
def test_at_the_editor_rate_every_picture_within_its_duration_has_a_number(index: FrameIndex) -> None:
    """Unless one follows another by less than 10 ms, for which 120 a second are too few."""
    if index.rate is not None or int(np.diff(index.pts).min()) * index.time_base < Fraction(1, 100):
        return
    numbers = range(1, last_number(index, index.editor_rate) + 1)
    seen = {shown(index, index.editor_rate, number) for number in numbers}
    margin_s = Fraction(3, 2) / index.editor_rate  # the last number is rounded, and may come early
    within = {k for k in range(index.n_frames - 1) if index.time_s(k) + margin_s <= index.duration_s}
    assert within <= seen


def test_the_editor_rate_lies_on_the_editors_grid_of_2_ms() -> None:
    thirds = np.array([0, 33333, 66666, 166666], dtype=np.int64)
    index = FrameIndex(thirds, Fraction(1, 1_000_000), 33333, Fraction(1, 5))
    assert index.editor_rate == Fraction(1000, 32)


@given(indexes())
def test_at_a_constant_rate_every_picture_is_near_its_place(index: FrameIndex) -> None:
    if index.rate is not None and index.n_frames > 1:
        k = range(index.n_frames)
        worst = max(abs(index.time_s(i) - index.start_s - i / index.rate) for i in k)
        assert worst <= max(index.time_base, Fraction(1, 1000))


@pytest.mark.parametrize("text", ["", "abc", "0", "-25", "nan", "inf", "1/0"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate in frames a second"):
        parse_rate(text)


def test_rates_are_written_as_decimals_for_the_editor() -> None:
    assert format_rate(Fraction(25)) == "25"
    assert format_rate(NTSC) == "29.97002997002997"


# --- sampling ---


@given(
    indexes(),
    st.sampled_from([Fraction(1), Fraction(5), Fraction(25), Fraction(1, 2), NTSC]),
    st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(999_999, 1_000_000)]),
)
def test_sampling_keeps_the_first_picture_at_or_after_each_step(
    index: FrameIndex, fps: Fraction, phase: Fraction
) -> None:
    wanted = []
    i = 0
    while index.start_s + (i + phase) / fps <= index.time_s(index.n_frames - 1):
        step_s = index.start_s + (i + phase) / fps
        wanted.append(next(f for f in range(index.n_frames) if index.time_s(f) >= step_s))
        i += 1
    assert sample_frames(index, fps, phase).tolist() == sorted(set(wanted))
    assert phase or sample_frames(index, fps).tolist() == sorted(set(wanted))


@given(indexes())
def test_a_packed_index_says_the_same(index: FrameIndex) -> None:
    packed = PackedFrameIndex.of(index)
    assert packed.pts.tolist() == index.pts.tolist()
    for name in ("n_frames", "start_s", "end_s", "length_s", "rate", "editor_rate", "duration_s", "container_start_s"):
        assert getattr(packed, name) == getattr(index, name), name
    again = pickle.loads(pickle.dumps(packed))  # noqa: S301 - our own
    assert again.pts.tolist() == index.pts.tolist()


def test_a_packed_index_is_small() -> None:
    """Ten minutes at 25 fps."""
    packed = pack_pts(np.arange(15_000, dtype=np.int64) * 3600 + 90)
    assert len(packed) < 1000
