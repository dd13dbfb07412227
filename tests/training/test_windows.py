"""Windows of pictures and labels: each picture is the one of its number, with its own label, over the ends of clips."""

import multiprocessing
import os
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotated import annotated_case
from builders import damaged
from factories import NTSC, VideoFactory, read_burnt_number
from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.training.clips import TrainingClip, training_clips
from lsvid.training.windows import WindowOptions, Windows
from lsvid.video.decode import Examined, Segment
from lsvid.video.index import VideoInfo, probe
from s3_server import Bucket
from training_cases import LABELS, MIXED, Spans, label_plainly, sampled_plainly, training_case

SPANS: list[Spans | None] = [
    ((("A",), 10, 40), (("B", "x"), 30, 70)),
    ((("B", "x"), 0, 20), (("C",), 50, 90)),
    None,
]


def _windows(clips: list[TrainingClip], **options: Any) -> Windows:
    return Windows(clips, LABELS, WindowOptions(**options))


def _numbers(window: dict[str, Any]) -> list[int]:
    return [read_burnt_number(picture) for picture in window["pictures"]]


@pytest.mark.parametrize("fps", [Fraction(1), Fraction(5), Fraction(25), NTSC, Fraction(1, 2)])
@pytest.mark.parametrize("where", ["past", "centred"])
def test_every_window_holds_what_it_should(videos: VideoFactory, fps: Fraction, where: str) -> None:
    clips = training_case(videos, MIXED, SPANS)
    windows = _windows(clips, frames=4, fps=fps, where=where, include_unannotated=True)
    grid = [(place, frame) for place, clip in enumerate(clips) for frame in sampled_plainly(clip, fps)]
    assert len(windows) == len(grid)
    for i in range(0, len(grid), 7 if fps > 1 else 1):
        window = windows[i]
        first = i - (3 if where == "past" else 2)
        expected = [grid[min(max(position, 0), len(grid) - 1)] for position in range(first, first + 4)]
        assert window["clip"].tolist() == [place for place, _ in expected]
        assert window["frame"].tolist() == [frame for _, frame in expected]
        assert _numbers(window) == [clips[place].case_frame + frame for place, frame in expected]
        assert window["labels"].tolist() == [label_plainly(clips[place], frame) for place, frame in expected]
        assert window["case"] == "op1"
        assert window.keys() == {"pictures", "labels", "frame", "clip", "case"}
        assert (window["pictures"].dtype, window["labels"].dtype) == (np.uint8, np.uint8)
        assert (window["frame"].dtype, window["clip"].dtype) == (np.int64, np.int64)
        assert window["pictures"].shape == (4, 240, 320, 3)


def test_cases_do_not_run_into_one_another_nor_over_a_clip_that_is_missing(videos: VideoFactory) -> None:
    one = training_case(videos, MIXED[:1], [()], case="op1")
    first, _, last = training_case(videos, MIXED, [(), (), ()], case="op2")
    windows = _windows([*one, first, last], frames=4, fps=1)
    late = [last.case_frame + frame for frame in sampled_plainly(last, Fraction(1))]
    assert [_numbers(window) for window in windows] == [
        *[[0, 0, 0, 0], [0, 0, 0, 25], [0, 0, 25, 50]] * 2,
        *[[late[max(k, 0)] for k in range(last - 3, last + 1)] for last in range(5)],
    ]
    assert [window["case"] for window in windows] == ["op1"] * 3 + ["op2"] * 8


def test_windows_are_for_annotated_pictures_but_see_the_others(videos: VideoFactory) -> None:
    spans: list[Spans | None] = [None, SPANS[1], None]
    windows = _windows(training_case(videos, MIXED, spans), frames=4, fps=1, background="idle")
    assert [window["clip"][-1] for window in windows] == [1, 1, 1, 1]
    assert windows[0]["labels"].tolist() == [[255] * 5] * 3 + [[0, 1, 0, 0, 0]]
    assert windows[-1]["labels"].tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    single = _windows(training_case(videos, MIXED, spans), frames=4, fps=1, labels="single")
    assert single[0]["labels"].tolist() == [-100, -100, -100, 1]
    assert single[-1]["labels"].tolist() == [1, -100, 3, -100], "-100 too where nothing is marked"
    assert single[-1]["labels"].dtype == np.int64
    assert _windows(training_case(videos, MIXED, spans), fps=1, labels="single", background="idle")[-1]["labels"][
        -4:
    ].tolist() == [1, 4, 3, 4]


def test_levels(videos: VideoFactory) -> None:
    clips = training_case(videos, MIXED[:1], [((("A",), 0, 30), (("B", "x"), 20, 40), (("B", "y"), 30, 70))])
    whole = _windows(clips, frames=1, fps=5)
    assert whole.labels == ("A", "B / x", "B / y", "C")
    assert [window["labels"].tolist() for window in whole][5:8] == [[[1, 1, 0, 0]], [[0, 1, 1, 0]], [[0, 1, 1, 0]]]
    first = _windows(clips, frames=1, fps=5, level=1)
    assert first.labels == ("A", "B", "C")
    assert [window["labels"].tolist() for window in first][5:8] == [[[1, 1, 0]], [[0, 1, 0]], [[0, 1, 0]]]
    second = _windows(clips, frames=1, fps=5, level=2, background="none")
    assert second.labels == ("B / x", "B / y", "none")
    assert [window["labels"].tolist() for window in second][3:6] == [[[0, 0, 1]], [[1, 0, 0]], [[1, 0, 0]]]
    with pytest.raises(DataError, match="clip op1/clip_1: picture 20 has two labels, A and B"):
        _windows(clips, labels="single", level=1)


# --- Sampling ---------------------------------------------------------------------------------------------------------


def _last(windows: Windows, epoch: int) -> list[tuple[int, int]]:
    """The clip and frame that each window of an epoch is for; without decoding."""
    found = []
    for place in windows._order(epoch):
        clips, frames = windows._pictures_at(windows._places(int(place)), windows._phase(epoch))
        found.append((int(clips[-1]), int(frames[-1])))
    return found


def test_sampling(videos: VideoFactory) -> None:
    clips = training_case(videos, MIXED, [*SPANS[:2], ()])
    every = _last(_windows(clips, fps=5), 0)
    assert _last(_windows(clips, fps=5, stride=3), 0) == every[::3]
    random = _windows(clips, fps=5, sample="random", seed=3)
    assert sorted(_last(random, 0)) == every != _last(random, 0)
    assert _last(random, 0) == _last(_windows(clips, fps=5, sample="random", seed=3), 0)
    assert _last(random, 1) != _last(random, 0) != _last(_windows(clips, fps=5, sample="random", seed=4), 0)
    assert (
        len(_windows(clips, fps=5, sample="random", n=7))
        == len(_last(_windows(clips, fps=5, sample="random", n=7), 0))
        == 7
    )
    twice = _last(_windows(clips, fps=5, sample="random", n=2 * len(every)), 0)
    assert sorted(twice) == sorted(every * 2)


def test_balanced_sampling_gives_every_class_as_often(videos: VideoFactory) -> None:
    clips = training_case(videos, MIXED, SPANS)
    windows = _windows(clips, fps=5, sample="balanced", n=400, background="idle", labels="multi")
    all_labels = [
        [*label_plainly(clip, frame), not any(label_plainly(clip, frame))]
        for clip in clips[:2]
        for frame in sampled_plainly(clip, Fraction(5))
    ]
    assert windows.counts().tolist() == np.sum(all_labels, axis=0).tolist() == [6, 12, 0, 6, 9]
    times = np.zeros(5, dtype=int)
    seen = set()
    for clip, frame in _last(windows, 2):
        labels = label_plainly(clips[clip], frame)
        times += [*labels, not any(labels)]
        seen.add((clip, frame))
    assert times[0] >= 100 and times[1] >= 100 and times[2] == 0, "A and B / x overlap: some windows count for both"  # noqa: PT018
    assert times[3] == times[4] == 100
    assert len(seen) == len(all_labels), "all annotated pictures come, and no other"
    single = _windows(clips[1:], fps=5, labels="single", level=1)
    assert single.counts().tolist() == [0, 4, 6]
    assert single.class_weights() == pytest.approx([1, 5 / 4, 5 / 6])


def test_sampling_by_case(videos: VideoFactory) -> None:
    long = training_case(videos, MIXED, [(), (), ()], case="op1")
    short = training_case(videos, MIXED[:1], [()], case="op2")
    windows = _windows([*long, *short], fps=1, sample="case", n=60)
    cases = ["op2" if clip == 3 else "op1" for clip, _ in _last(windows, 5)]
    assert cases.count("op1") == cases.count("op2") == 30
    assert all(len(set(cases[k : k + 2])) == 2 for k in range(0, 60, 2))


def test_grouped_windows_keep_few_clips_open(videos: VideoFactory) -> None:
    clips = [clip for number in range(6) for clip in training_case(videos, MIXED[:1], [()], case=f"op{number}")]
    windows = _windows(clips, fps=5, sample="random", group=2)
    order = [clip for clip, _ in _last(windows, 0)]
    size = len(order) // 3
    blocks = [set(order[k : k + size]) for k in range(0, len(order), size)]
    assert [len(block) for block in blocks] == [2, 2, 2]
    assert set.union(*blocks) == set(range(6))
    assert order[:size] != sorted(order[:size]), "mixed within"
    assert _last(windows, 1) != _last(windows, 0)


def test_jitter_begins_each_epoch_at_another_phase(videos: VideoFactory) -> None:
    clips = training_case(videos, MIXED, SPANS)
    windows = _windows(clips, frames=2, fps=1, jitter=True, seed=1)
    by_epoch = []
    for epoch in range(4):
        windows.set_epoch(epoch)
        assert len(windows) == 3 + 4
        for window in windows:
            expected = [
                clips[clip].case_frame + frame for clip, frame in zip(window["clip"], window["frame"], strict=True)
            ]
            assert _numbers(window) == expected
        by_epoch.append([window["frame"].tolist() for window in windows])
        assert windows[epoch, 3]["frame"].tolist() == windows[3]["frame"].tolist()
    assert len({str(frames) for frames in by_epoch}) == 4


# --- Pictures that cannot be decoded ----------------------------------------------------------------------------------


def test_damaged_pictures(videos: VideoFactory, tmp_path: Path) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20)  # so 47 to 59 cannot be decoded
    clip = TrainingClip("op1", "clip_1", str(path), probe(path), 0, ((("A",), 0, 50), (("C",), 50, 120)))
    options: dict[str, Any] = {"frames": 3, "fps": 5}
    raising = _windows([clip], **options)
    assert _numbers(raising[9]) == [35, 40, 45]
    with pytest.raises(ClipError, match=r"a\.mp4: picture 50 cannot be decoded"):
        raising[10]
    repeating = _windows([clip], **options, missing="repeat")
    window = repeating[11]
    assert window["frame"].tolist() == _numbers(window) == [45, 45, 45]
    assert window["labels"][:, 0].tolist() == [1, 1, 1], "a picture keeps its own label"
    assert window["missing"] == 2
    first = repeating[13]
    assert first["frame"].tolist() == _numbers(first) == [60, 60, 65], "none before it"
    assert repeating[0]["missing"] == 0
    assert repeating.missing == {"op1/clip_1": 2}, "each is counted once"
    skipping = _windows([clip], **options, missing="skip")
    assert skipping[10]["frame"].tolist() == [60, 65, 70]
    assert skipping[10]["missing"] == 2, "four windows hold these two"
    assert skipping[-1]["frame"].tolist() == [105, 110, 115]


def test_a_window_without_any_picture_is_filled_from_before(videos: VideoFactory, tmp_path: Path) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20)  # so 47 to 59 cannot be decoded
    clip = TrainingClip("op1", "clip_1", str(path), probe(path), 0, ((("A",), 0, 50), (("C",), 50, 120)))
    for frames in (1, 3):
        repeating = _windows([clip], frames=frames, fps=25, missing="repeat")
        for place in range(46 + frames, 60):
            window = repeating[place]
            assert window["frame"].tolist() == _numbers(window) == [46] * frames
            assert window["labels"][:, 0].tolist() == [1] * frames
            assert window["missing"] <= frames + 13
        assert repeating.missing == {"op1/clip_1": 13}
    start = damaged(videos, tmp_path / "b.mp4", [1], n_frames=60, gop=20)  # 1 to 19
    clip = TrainingClip("op1", "clip_1", str(start), probe(start), 0, ((("A",), 0, 60),))
    assert _windows([clip], frames=1, fps=25, missing="repeat")[5]["frame"].tolist() == [0]


def test_what_is_known_to_be_damaged_is_not_decoded_again(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [2], n_frames=120, gop=60)
    clip = TrainingClip("op1", "clip_1", str(path), probe(path), 0, ((("A",), 0, 120),))
    examined: list[int] = []
    original = Examined.of

    def count(path: str, info: VideoInfo, segment: Segment) -> Examined:
        examined.append(segment.key)
        return original(path, info, segment)

    monkeypatch.setattr(Examined, "of", count)
    for missing in ("skip", "repeat"):
        windows = _windows([clip], frames=4, fps=25, missing=missing, threads=1)
        assert len([windows[i] for i in range(len(windows))]) == 120
        assert windows.missing == {"op1/clip_1": 58}
        assert examined == [0], "once for a stretch"
        examined.clear()


# --- Processes --------------------------------------------------------------------------------------------------------


def _in_worker(windows: Windows, numbers: list[int], answers: Any) -> None:
    answers.put([(os.getpid(), i, _numbers(windows[1, i]), windows[1, i]["labels"].sum()) for i in numbers])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_windows_in_other_processes(videos: VideoFactory, method: str) -> None:
    clips = training_case(videos, MIXED, SPANS)
    windows = _windows(clips, frames=4, fps=5, sample="random", threads=2, short_side=120)
    here = {i: _numbers(windows[1, i]) for i in range(12)}  # clips are open here, with threads, when others are forked
    context: Any = multiprocessing.get_context(method)
    answers = context.Queue()
    parts = [list(range(k, 12, 3)) for k in range(3)]
    workers = [context.Process(target=_in_worker, args=(windows, part, answers)) for part in parts]
    for worker in workers:
        worker.start()
    found = [answer for _ in workers for answer in answers.get(timeout=60)]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert {i: numbers for _, i, numbers, _ in found} == here
    assert len({process for process, *_ in found} | {os.getpid()}) == 4
    assert {i: _numbers(windows[1, i]) for i in range(12)} == here


def test_an_archive_travels_small() -> None:
    clips = [
        clip
        for number in range(200)
        for clip in training_clips(
            annotated_case(
                [(15_000, {"ann": [("A", k * 900, k * 900 + 800) for k in range(16)]})] * 24, case=f"op{number}"
            )
        )
    ]
    windows = _windows(clips, frames=16)
    assert len(windows) == 200 * 24 * 600
    windows._order(0)
    data = pickle.dumps(windows)
    assert len(data) < 8_000_000
    again = pickle.loads(data)  # noqa: S301
    assert again._order(0).tolist() == windows._order(0).tolist()


def test_files_are_opened_when_a_window_is_asked_for_and_few_at_a_time(
    videos: VideoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsvid.training.windows._OPEN", 2)
    paths = [videos.make(first_number=100 * number) for number in range(4)]
    clips = [TrainingClip(f"op{n}", "clip_1", str(path), probe(path), 0, ()) for n, path in enumerate(paths)]
    windows = _windows(clips, frames=1, fps=1)
    assert not windows._readers._open
    for i in (0, 2, 4, 6, 0, 2):
        assert _numbers(windows[i]) == [50 * i]
        assert len(windows._readers._open) <= 2


def test_windows_of_clips_in_s3(videos: VideoFactory, bucket: Bucket) -> None:
    local = training_case(videos, MIXED, [(), (), ()])
    clips = []
    for clip in local:
        uri = bucket.put(f"op1/{clip.name}.mp4", Path(clip.path))
        clips.append(TrainingClip(clip.case, clip.name, uri, probe(uri), clip.case_frame, ()))
    windows, here = _windows(clips, frames=4, fps=1), _windows(local, frames=4, fps=1)
    for i in (0, 2, 4, 6):
        assert _numbers(windows[i]) == _numbers(here[i])


# --- What is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": "future"}, "choose from past, centred"),
        ({"sample": "some"}, "choose from all, random, balanced, case"),
        ({"missing": "leave"}, "choose from raise, skip, repeat"),
        ({"labels": "none"}, "choose from multi, single"),
        ({"frames": 0}, "frames 0"),
        ({"stride": 0}, "stride 0"),
        ({"fps": 0}, "is not a rate"),
        ({"fps": "fast"}, "'fast' is not a rate"),
        ({"level": 0}, "level 0"),
        ({"level": 3}, "no label reaches level 3"),
        ({"background": "A"}, "is a label's"),
        ({"n": 5}, "n and group are for the others"),
        ({"sample": "random", "n": 0}, "n 0"),
        ({"size": (1, 1), "short_side": 3}, "exclude each other"),
    ],
)
def test_wrong_options_are_named(videos: VideoFactory, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _windows(training_case(videos, MIXED[:1], [()]), **options)
    assert said in f"{caught.value} {caught.value.hint}"


def test_nothing_to_make_windows_for(videos: VideoFactory) -> None:
    with pytest.raises(DataError, match="no clip is annotated"):
        _windows(training_case(videos, MIXED[:1], [None]))
    with pytest.raises(DataError, match="no classes to balance"):
        _windows(training_case(videos, MIXED[:1], [()]), sample="balanced")
    windows = _windows(training_case(videos, MIXED[:1], [()]), fps=1)
    with pytest.raises(IndexError):
        windows[3]
    assert windows[-1]["frame"][-1] == 50


def test_pictures_of_different_sizes_need_one(videos: VideoFactory, tmp_path: Path) -> None:
    import subprocess

    clips = training_case(videos, MIXED[:2], [(), ()])
    small = tmp_path / "small.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", clips[1].path, "-vf", "scale=160:100", small], check=True)
    clips[1] = TrainingClip("op1", "clip_2", str(small), probe(small), clips[1].case_frame, ())
    with pytest.raises(SettingsError, match="160x100, others of the same window 320x240"):
        _windows(clips, fps=1)[-1]
    assert _windows(clips, fps=1, size=(80, 60))[-1]["pictures"].shape == (16, 60, 80, 3)


def test_whose_annotations() -> None:
    clips = annotated_case([(50, {"ann": [("A", 0, 10)], "ben": []}), (50, {"ben": [("B", 5, 9)]}), (50, {})])
    with pytest.raises(LsvidError, match="clip case01/001 has several annotators: ann, ben"):
        training_clips(clips)
    with pytest.raises(SettingsError, match="no annotator is called 'cleo'") as caught:
        training_clips(clips, "cleo")
    assert "ann, ben" in caught.value.hint
    assert [clip.spans for clip in training_clips(clips, "ann")] == [((("A",), 0, 10),), None, None]
    assert [clip.spans for clip in training_clips(clips, "ben")] == [(), ((("B",), 5, 9),), None]
    assert [clip.spans for clip in training_clips(clips[1:])] == [((("B",), 5, 9),), None]
