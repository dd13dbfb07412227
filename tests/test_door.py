"""The Python door: every example in its docstrings runs, names are lazy, and what a notebook sees."""

import doctest
import inspect
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import lsvid
from builders import annotation, export, region, task
from factories import VideoFactory, read_burnt_number
from lsvid.annotations.stages import label_order
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
    anna = annotation(1, {"email": "anna@example.org"}, region(1, 10, "Dissection"), region(13, 50, "Suturing", "r2"))
    ben = annotation(2, {"email": "ben@example.org"}, region(1, 10, "Dissection"), region(11, 50, "Suturing", "r2"))
    export(tmp_path, task(1, "clip_1", anna, ben), name="team.json")
    (tmp_path / "labels.txt").write_text("Dissection\nSuturing\n--Knot\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


_EXAMPLES = [
    example
    for name in lsvid.__all__
    for example in doctest.DocTestFinder().find(getattr(lsvid, name), name, globs={"lsvid": lsvid})
    if example.examples
]
_WITHOUT_EXAMPLE = {"read_project": "needs a server"}


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda one: one.name)
def test_the_examples_of_the_docstrings(here: Path, example: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    told: list[str] = []
    runner.run(example, out=told.append)
    assert not told, "".join(told)


def test_every_public_function_has_an_example() -> None:
    classes = [(name, getattr(lsvid, name)) for name in lsvid.__all__ if inspect.isclass(getattr(lsvid, name))]
    methods = [
        f"{name}.{method}"
        for name, one in classes
        for method, value in vars(one).items()
        if inspect.isfunction(value) and not method.startswith("_")
    ]
    assert {"Dataset.write", "Clip.labels", "Evaluation.as_dict"} <= set(methods)
    without = {*lsvid.__all__, *methods} - {example.name for example in _EXAMPLES}
    assert without == set(_WITHOUT_EXAMPLE)


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


def _with_much_to_tell(folder: Path) -> lsvid.Dataset:
    """op1: two people who contradict each other and one himself, a clip without work, and one without a file; op2."""
    both = annotation(1, 5, region(1, 10, "Dissection"), region(6, 10, "Suturing", "r2"))
    there = task(1, "clip_1", both, annotation(2, 6, region(1, 10, "Suturing")))
    gone = task(2, "clip_3", annotation(3, 5, region(1, 10, "Suturing")))
    other = task(3, "clip_1", annotation(4, 5, region(1, 10, "Suturing")))
    other["data"]["video"] = "/data/local-files/?d=clips/op2/clip_1.mp4"
    (folder / "clips" / "op2").mkdir()
    shutil.copy(folder / "op1" / "clip_1.mp4", folder / "clips" / "op2" / "clip_1.mp4")
    export(folder, there, gone, other, name="much.json")
    with pytest.warns(lsvid.LsvidWarning, match="left out 1 bad data"):
        return lsvid.read("much.json", clips="clips", skip_bad=True)


def _brightness(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = pictures.mean(axis=(1, 2))
    return values


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda dataset: dataset.rename({"Nope": "X"}), "^rename=Nope: no label has this name$"),
        (lambda dataset: dataset.merge("majority"), "^10 frames .* no majority$"),
        (lambda dataset: dataset.tidy(overlap="error"), "^left out 1 bad data"),
        (lambda dataset: dataset.features(_brightness), "^left out 1 cases with"),
        (lambda dataset: dataset.write_features("features", _brightness), "^left out 1 cases with"),
        (lambda dataset: dataset.write("frames"), "^left out 1 clips that nobody has annotated"),
        (lambda dataset: dataset.report("report"), "^left out 1 clips whose video is missing"),
    ],
    ids=["rename", "merge", "tidy", "features", "write_features", "write", "report"],
)
def test_each_step_warns_once_of_what_it_found_where_it_is_called(
    here: Path, step: Callable[[lsvid.Dataset], object], message: str
) -> None:
    dataset = _with_much_to_tell(here)
    with pytest.warns(lsvid.LsvidWarning, match=message) as caught:
        step(dataset)
    (told,) = caught
    assert (told.filename, told.lineno) == (__file__, step.__code__.co_firstlineno)


def test_a_contact_sheet_without_pictures_warns_where_it_is_called(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    Path("clips/op1/clip_1.mp4").write_bytes(b"")
    with pytest.warns(lsvid.LsvidWarning, match="^no pictures of clip op1/clip_1") as caught:
        dataset.contact_sheet("sheet.html")
    assert [told.filename for told in caught] == [__file__]


def test_what_one_step_warned_of_the_next_does_not_repeat(here: Path) -> None:
    dataset = _with_much_to_tell(here)
    with pytest.warns(lsvid.LsvidWarning) as caught:
        merged = dataset.rename({"Nope": "X"}).merge("majority")
    assert len(caught) == len(merged.findings.warnings) - len(dataset.findings.warnings) == 2
    tidied = merged.tidy(join_gap_s=1)  # another warning would be an error here
    with pytest.warns(lsvid.LsvidWarning, match="^left out 1 clips whose video is missing or unreadable$"):
        tidied.write("frames", include_unannotated=True)


def test_all_clips_by_their_ids_cost_one_look_at_the_spans(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = lsvid.read("export.json", clips="clips")
    looks = []

    def counted(*arguments: Any) -> list[tuple[str, ...]]:
        looks.append(arguments)
        return label_order(*arguments)

    monkeypatch.setattr("lsvid.dataset.label_order", counted)
    assert [dataset[clip.id] for clip in dataset] == list(dataset.clips) == list(dataset)
    assert len(looks) == 1
    assert dataset["op1/clip_1"] is dataset.clips[0]
    assert dataset.rename({"Suturing": "Closing"})["op1/clip_1"].label_paths == (("Closing",), ("Dissection",))


@pytest.mark.parametrize(
    ("selected", "message", "hint"),
    [
        ({"cases": ["nope"]}, "no case 'nope'", "it has op1"),
        ({"cases": "nope"}, "no case 'nope'", "it has op1"),
        ({"clips": ["op1/clip_1", "clip_2"]}, "no clip 'clip_2'", "it has op1/clip_1, op1/clip_2"),
        ({"annotators": ["b", "a", "5"]}, "no annotator 'a', 'b'", "it has 5"),
        ({"labels": ["Suturing", "Knot"]}, "no label 'Knot'", "it has Dissection, Suturing, Suturing / Knot"),
        ({"labels": "Sutur"}, "no label 'Sutur'", "it has Dissection, Suturing, Suturing / Knot"),
    ],
    ids=str,
)
def test_selecting_what_is_not_there_names_what_is(
    here: Path, selected: dict[str, Any], message: str, hint: str
) -> None:
    dataset = lsvid.read("export.json", clips="clips", labels="labels.txt")
    with pytest.raises(DataError) as told:
        dataset.select(**selected)
    assert (told.value.message, told.value.hint) == (f"the data set has {message}", hint)


def test_one_selected_label_is_a_label_and_not_its_letters(here: Path) -> None:
    dataset = lsvid.read("export.json", clips="clips", labels="labels.txt")
    assert set(dataset.select(labels="Suturing").spans()["label"]) == {"Suturing"}
    assert dataset.select(labels=["Suturing / Knot"]).spans().is_empty()  # it is in the tree, and nobody marked it
    assert dataset.select(labels=[("Suturing", "Knot")]).select(cases="op1").spans().is_empty()


def test_tables_without_rows_have_their_columns(here: Path) -> None:
    alone, team = (lsvid.read(f"{name}.json", clips="clips") for name in ("export", "team"))
    assert alone.agreement().is_empty()
    assert alone.agreement().schema == team.agreement().schema
    assert {"level", "case", "first", "second", "kappa", "boundaries_matched"} <= set(alone.agreement().columns)
    nobody = alone.select(annotators=())
    assert nobody.timings().is_empty()
    assert nobody.timings().schema == alone.timings().schema


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
