"""The Python door: every example in its docstrings runs, names are lazy, and what a notebook sees."""

import doctest
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest

import lsvid
from builders import annotation, export, region, task
from factories import VideoFactory, read_burnt_number
from lsvid import dataset as door
from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.readers.documents import FurtherOptions, ReadOptions


@pytest.fixture
def here(videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the docstrings have it: export.json, clips/op1/…, op1/clip_1.mp4 and labels.txt."""
    for name, n_frames in (("clip_1", 50), ("clip_2", 60)):
        videos.make(tmp_path / "clips" / "op1" / f"{name}.mp4", n_frames=n_frames)
    videos.make(tmp_path / "op1" / "clip_1.mp4", n_frames=50)
    one = annotation(1, 5, region(5, 12, "Dissection"), region(13, 50, "Suturing", "r2"))
    export(tmp_path, task(1, "clip_1", one), task(2, "clip_2", annotation(2, 5, region(1, 10, "Suturing"))))
    (tmp_path / "labels.txt").write_text("Dissection\nSuturing\n--Knot\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


_EXAMPLES = doctest.DocTestFinder(exclude_empty=True).find(door, "door", globs={"lsvid": lsvid})


@pytest.mark.parametrize("example", [one for one in _EXAMPLES if one.examples], ids=lambda one: one.name)
def test_the_examples_of_the_docstrings(here: Path, example: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    runner.run(example, out=told.append)
    assert not told, "".join(told)


def test_every_public_function_has_an_example() -> None:
    with_examples = {one.name.split(".", 1)[1] for one in _EXAMPLES if one.examples and "." in one.name}
    for name in ("read", "open_clip", "Dataset", "Clip", "Dataset.spans", "Dataset.frames", "Dataset.timings",
                 "Dataset.select", "Dataset.rename", "Dataset.write", "Clip.labels", "Clip.pictures"):  # fmt: skip
        assert name in with_examples


def test_every_public_name_can_be_had() -> None:
    for name in lsvid.__all__:
        assert getattr(lsvid, name) is not None
        assert name in dir(lsvid)
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        lsvid.reed  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import lsvid, sys; print([m for m in ('numpy', 'polars', 'av', 'click', 'msgspec') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_pictures_are_those_of_their_numbers_in_any_order(here: Path) -> None:
    clip = lsvid.open_clip(here / "op1" / "clip_1.mp4")
    wanted = [40, 7, 7, 0, 49]
    given = list(clip.pictures(wanted))
    assert [frame for frame, _ in given] == wanted
    assert [read_burnt_number(picture) for _, picture in given] == wanted
    assert given[0][1].shape == (240, 320, 3)
    assert len(list(clip.pictures())) == clip.n_frames == len(clip.times_s)
    with pytest.raises((ClipError, DataError, SettingsError)):
        list(clip.pictures([50]))


def test_labels_are_those_of_the_frame_table(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips", labels="labels.txt")
    assert dataset.labels == (("Dissection",), ("Suturing",), ("Suturing", "Knot"))
    wide = dataset.frames(layout="wide")
    for clip in dataset:
        labels = clip.labels()
        rows = wide.filter(pl.col("clip") == clip.name).select(labels.names).to_numpy()
        assert np.array_equal(labels.values, rows)
    assert dataset["op1/clip_1"].labels(level=2).names == ("Suturing / Knot",)


def test_no_step_changes_a_data_set(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    before = dataset.spans()
    changed = dataset.rename({"Suturing": "Closing"}).tidy(join_gap_s=1).merge("union").select(clips=["op1/clip_1"])
    assert dataset.spans().equals(before)
    assert changed.annotators == ("union",)
    assert set(changed.spans()["label"]) == {"Closing", "Dissection"}


def test_wrong_option_values_name_the_right_ones(here: Path) -> None:
    with pytest.raises(SettingsError, match="latest, first, ground-truth, all"):
        lsvid.read("export.json", annotations="lastest")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="accepted, rejected"):
        lsvid.read("export.json", statuses=["excepted"])
    dataset = lsvid.read("export.json", clips="clips")
    with pytest.raises(SettingsError, match="keep, error, priority"):
        dataset.tidy(overlap="priorty")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="majority, union, intersection, priority"):
        dataset.merge("most")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="long, wide"):
        dataset.frames(layout="lang")  # type: ignore[arg-type]
    for seconds in ("a bit", "1e400"):
        with pytest.raises(SettingsError, match="not a number of seconds"):
            dataset.tidy(snap_s=seconds)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "gif"}, "True, False or an ImageRequest"),
        ({"background": 3}, "a label's name"),
        ({"format_options": {"folds": 3}}, "a FormatOptions"),
    ],
    ids=str,
)
def test_wrong_kinds_of_values_are_told_before_anything_is_written(
    here: Path, options: dict[str, object], message: str
) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    with pytest.raises(SettingsError, match=message):
        dataset.write("out", **options)  # type: ignore[arg-type]
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "options",
    [{"tier_names": "x"}, {"point_s": "x"}, {"point_s": -1}, {"probabilities": 3}, {"case": 3}, {"clips": "a\0b"}],
    ids=str,
)
def test_wrong_options_of_reading_are_told_whatever_is_read(here: Path, options: dict[str, object]) -> None:
    with pytest.raises(LsvidError):
        lsvid.read("export.json", **{"clips": "clips", **options})  # type: ignore[arg-type]


def test_an_option_of_reading_that_is_not_known_lists_those_that_are(here: Path) -> None:
    with pytest.raises(SettingsError, match="no such option of reading: finder, tier") as told:
        lsvid.read("export.json", clips="clips", tier="gloss", finder=None)  # type: ignore[call-arg]
    assert set(FurtherOptions.__annotations__) <= {one.name for one in fields(ReadOptions)}
    for name in FurtherOptions.__annotations__:
        assert name in told.value.hint


def test_one_name_is_a_name_and_not_its_letters(here: Path) -> None:
    whole = lsvid.read("export.json", clips="clips")
    (annotator,) = whole.annotators
    one = lsvid.read("export.json", clips="clips", annotators=annotator)
    assert one.spans().equals(whole.spans())
    options = ReadOptions(datasets="timeline", tiers="gloss*")  # type: ignore[arg-type]
    assert (options.datasets, options.tiers) == (("timeline",), ("gloss*",))


def test_cut_clips_are_not_put_among_the_clips(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    for folder in ("clips", "clips/op1", "clips/new"):
        with pytest.raises(SettingsError, match="lies in clips"):
            dataset.write(folder, format="clips")
    assert not Path("clips/new").exists()


def test_a_level_counts_from_one(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    for level in cast("list[int]", [0, "a"]):
        for ask in (dataset.timings, dataset.agreement, lambda at: dataset.clips[0].labels(level=at)):
            with pytest.raises(SettingsError, match="count from 1"):
                ask(level)


def test_a_path_that_cannot_be_one_is_a_clip_that_cannot_be_read() -> None:
    with pytest.raises(ClipError, match="is not a path"):
        lsvid.open_clip("a\0b")


def test_what_was_noticed_is_one_warning_and_stands_in_the_findings(here: Path, videos: VideoFactory) -> None:
    videos.make(here / "clips" / "op1" / "clip_4.mp4", n_frames=10)
    with pytest.warns(lsvid.LsvidWarning, match="no clip numbered clip_3") as caught:
        dataset = lsvid.read("export.json", clips="clips")
    assert len(caught) == 1
    assert Path(caught[0].filename) == Path(__file__)
    assert "no clip numbered clip_3" in dataset.findings.warnings[0][0]


def test_an_error_shows_its_hint_in_a_notebook(here: Path) -> None:
    with pytest.raises(DataError) as caught:
        lsvid.read("export.json", clips="op1", labels="labels.txt").frames()
    assert any("hint" in note or caught.value.hint in note for note in caught.value.__notes__)


def test_a_data_set_tells_what_it_is(here: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = lsvid.read("export.json", clips="clips")
    shown = dataset._repr_html_()
    assert "2 clips of 1 case" in shown
    assert "<td>op1</td>" in shown
    assert repr(dataset["op1/clip_2"]) == "<Clip op1/clip_2: 60 frames, 5: 1 spans>"
    with pytest.raises(KeyError):
        dataset["op1/clip_9"]
