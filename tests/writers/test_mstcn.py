"""MS-TCN's files, read as its batch generator, ASFormer's and DiffAct's data loaders do."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, frame_table, index, level_rows, placed, tilings
from lsvid.annotations.splits import SplitOptions
from lsvid.errors import DataError, SettingsError


def read_bundle(file: Path) -> list[str]:
    """As ms-tcn's BatchGenerator.read_data."""
    return file.read_text(encoding="utf-8").split("\n")[:-1]


def read_classes(folder: Path, video: str) -> list[str]:
    """As ms-tcn: main.py's actions_dict, then BatchGenerator.next_batch; class ids turned back into names."""
    actions = {}
    for line in (folder / "mapping.txt").read_text(encoding="utf-8").split("\n")[:-1]:
        actions[line.split()[1]] = int(line.split()[0])
    content = (folder / "groundTruth" / video).read_text(encoding="utf-8").split("\n")[:-1]
    classes = np.zeros(len(content))
    for i in range(len(classes)):
        classes[i] = actions[content[i]]
    assert sorted(actions.values()) == list(range(len(actions)))  # num_classes = len(actions_dict)
    names = {number: name for name, number in actions.items()}
    return [names[int(number)] for number in classes]


@settings(max_examples=25, deadline=None)
@given(tilings(), tilings())
def test_what_ms_tcn_and_diffact_load_is_the_frame_table(first: list[Labelled], second: list[Labelled]) -> None:
    clips = placed(clip("op1/a", first, index(60)), clip("op1/b", second, index(60)))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "mstcn", LABELS)
        for level in (1, 2):
            data = Path(folder, "out", f"level_{level}")
            assert read_bundle(data / "splits/train.split1.bundle") == ["op1.txt"]
            loaded = read_classes(data, "op1.txt")
            assert loaded == level_rows(clips, "op1", level, LABELS)
            assert np.loadtxt(data / "groundTruth/op1.txt", dtype=str).tolist() == loaded  # DiffAct


def test_first_and_last_frame() -> None:
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), placed(clip("op1/a", [("A", 0, 1), ("B", 99, 100)])), "mstcn")
        loaded = read_classes(Path(folder, "out"), "op1.txt")
    assert len(loaded) == 100
    assert loaded[:2] == ["A", "background"]
    assert loaded[-2:] == ["background", "B"]


def test_names_that_would_break_the_readers_are_mended_and_told(tmp_path: Path) -> None:
    clips = placed(clip("op 1.2/a", [("Blunt dissection", 0, 50), ("Blunt_dissection", 50, 60), ("#2", 60, 70)]))
    _, findings = export(tmp_path / "out", clips, "mstcn")
    assert read_bundle(tmp_path / "out/splits/train.split1.bundle") == ["op_1_2.txt"]
    loaded = read_classes(tmp_path / "out", "op_1_2.txt")
    assert [loaded[0], loaded[50], loaded[60]] == ["Blunt_dissection", "Blunt_dissection_2", "_2"]
    warned = [text for text, _ in findings.warnings]
    assert "names of videos that readers of mstcn cannot take: 'op 1.2' -> 'op_1_2'" in warned
    assert any("'Blunt dissection' -> 'Blunt_dissection'" in text for text in warned)
    assert "30 frames have no label on the first level; mstcn needs one: 'background'" in warned


@pytest.mark.parametrize("file_format", ["mstcn", "cholec80"])
def test_a_label_called_background_beside_frames_without_one_is_refused(tmp_path: Path, file_format: str) -> None:
    clips = placed(clip("op1/a", [("background", 0, 10), ("A", 10, 20)]))
    with pytest.raises(
        DataError, match="80 frames without a label would be called 'background', which is also the name of"
    ):
        export(tmp_path / "out", clips, file_format)
    assert not (tmp_path / "out").exists()
    export(tmp_path / "out", clips, file_format, background="nothing")
    everywhere = placed(clip("op1/a", [("background", 0, 10), ("A", 10, 100)]))
    export(tmp_path / "full", everywhere, "mstcn")
    assert (tmp_path / "full/mapping.txt").read_text(encoding="utf-8") == "0 background\n1 A\n"


def test_one_name_under_two_parents_is_two_classes(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Suturing / Knot", 0, 50), ("Closing / Knot", 50, 100)]))
    export(tmp_path / "out", clips, "mstcn", level=2)
    loaded = read_classes(tmp_path / "out", "op1.txt")
    assert [loaded[0], loaded[-1]] == ["Suturing/Knot", "Closing/Knot"]


def test_folds_are_by_case(tmp_path: Path) -> None:
    clips = placed(*(clip(f"op{n}/{name}", [("A", 0, 10)]) for n in range(6) for name in "ab"))
    export(tmp_path / "out", clips, "mstcn", splits=SplitOptions(folds=3))
    tested = []
    for number in (1, 2, 3):
        train = read_bundle(tmp_path / f"out/splits/train.split{number}.bundle")
        test = read_bundle(tmp_path / f"out/splits/test.split{number}.bundle")
        assert (len(train), len(test)) == (4, 2)
        assert not set(train) & set(test)
        tested += test
    assert sorted(tested) == [f"op{n}.txt" for n in range(6)]


def test_sampled_frames_are_those_of_the_frame_table(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 3, 30)], index(60)), clip("op1/b", [("A", 10, 60)], index(60)))
    export(tmp_path / "out", clips, "mstcn", sample_fps=Fraction(5))
    every = level_rows(clips, "op1", 1)
    assert read_classes(tmp_path / "out", "op1.txt") == every[:60:5] + every[60::5]


def test_overlaps_are_refused(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 50), ("B", 49, 100)]))
    with pytest.raises(DataError) as caught:
        export(tmp_path / "out", clips, "mstcn")
    assert str(caught.value) == (
        "format=mstcn holds one label a frame on each level, but some have more: op1, frame 49: A and B"
    )
    assert "overlap=priority" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_parent_and_its_child_at_once_are_no_overlap(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Dissection", 0, 100), ("Dissection / Blunt", 20, 40)]))
    export(tmp_path / "out", clips, "mstcn")
    assert set(read_classes(tmp_path / "out/level_1", "op1.txt")) == {"Dissection"}
    assert read_classes(tmp_path / "out/level_2", "op1.txt").count("Blunt") == 20


def test_several_annotators_are_refused(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", {"x@h": [("A", 0, 5)], "y@h": [("A", 0, 6)]}))
    with pytest.raises(DataError, match=r"holds one annotator, but 1 clips have several \(x@h, y@h\): op1/a") as caught:
        export(tmp_path / "out", clips, "mstcn")
    assert "annotators" in caught.value.hint
    assert "merge" in caught.value.hint


def test_a_case_with_a_clip_missing_is_left_out(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 5)]), clip("op1/b", None), clip("op2/a", [("A", 0, 5)]))
    _, findings = export(tmp_path / "out", clips, "mstcn")
    assert [file.name for file in (tmp_path / "out/groundTruth").iterdir()] == ["op2.txt"]
    assert any(place == "case op1" for place, _ in findings.left_out)
    _, findings = export(tmp_path / "out", clips, "mstcn", include_unannotated=True)
    assert any(
        "1 clips that nobody has annotated are 'background' in every frame: op1/b" in t for t, _ in findings.warnings
    )
    assert len(read_classes(tmp_path / "out", "op1.txt")) == 200
    export(tmp_path / "clips", clips, "mstcn", unit="clip")
    assert sorted(file.name for file in (tmp_path / "clips/groundTruth").iterdir()) == ["op1_a.txt", "op2_a.txt"]
    with pytest.raises(DataError, match="no case has all its clips annotated"):
        export(tmp_path / "none", clips[:2], "mstcn")


def test_what_an_earlier_export_wrote_and_this_one_does_not_is_removed(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Dissection / Blunt", 0, 5)]))
    export(tmp_path / "out", clips, "mstcn")
    assert (tmp_path / "out/level_2/mapping.txt").exists()
    export(tmp_path / "out", clips, "mstcn", level=1)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "groundTruth", "manifest.json", "mapping.txt", "splits",
    ]  # fmt: skip


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 5)]))
    with pytest.raises(SettingsError, match="split_by is not for format=mstcn"):
        export(tmp_path / "out", clips, "mstcn", split_by="case")
    with pytest.raises(SettingsError, match="level=2: the labels have 1 levels"):
        export(tmp_path / "out", clips, "mstcn", level=2)


def test_the_frame_table_is_as_it_was(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 0, 5)]))
    manifest, _ = export(tmp_path / "out", clips, "csv")
    assert manifest["counts"]["rows"] == 100 == len(frame_table(clips))
