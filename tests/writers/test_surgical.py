"""The layouts of surgical readers, loaded as those repositories load them; every picture bears its own number.

Each loader here follows the code of the commit that `lsvid.writers.surgical` names; that code itself was run by hand.
"""

import csv
import json
import os
import pickle
import pickletools
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest

from exports import clip, export, placed
from factories import NTSC, VideoFactory, read_burnt_number
from lsvid.annotations.splits import SplitOptions
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import DataError, SettingsError
from lsvid.video.index import probe

LABELS = [("Prep",), ("Prep", "Trocar"), ("Prep", "Look"), ("Cut",), ("Cut", "Clip")]
SHARES = {"train": Fraction(1, 2), "val": Fraction(1, 4), "test": Fraction(1, 4)}


def cases(videos: VideoFactory, n: int = 4, rate: Fraction = Fraction(25)) -> list[AnnotatedClip]:
    """`n` cases of two clips of 60 pictures, whose numbers run on: 120 pictures, 5 seconds at 25 a second."""
    made = []
    for case in range(n):
        for number, name in enumerate("ab"):
            path = videos.make(n_frames=60, first_number=60 * number, rate=rate)
            spans = [("Prep / Trocar", 10, 40), ("Cut / Clip", 40, 60)] if name == "a" else [("Cut / Clip", 0, 45)]
            made.append(clip(f"op{case + 1}/{name}", spans, probe(path).index, str(path)))
    return placed(*made)


def number_of(path: Path) -> int:
    image = cv2.imread(str(path))
    assert image is not None, path
    return read_burnt_number(image)


def load(path: Path) -> Any:
    """A pickle, which must hold plain types only: it names no class of any module."""
    content = path.read_bytes()
    assert not [op.name for op, _, _ in pickletools.genops(content) if op.name in ("GLOBAL", "STACK_GLOBAL", "REDUCE")]
    return pickle.loads(content)  # noqa: S301 - made here


def classes(folder: Path) -> dict[str, list[tuple[int, str]]]:
    rows: dict[str, list[tuple[int, str]]] = {}
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["level"], []).append((int(row["id"]), row["name"]))
    return rows


def test_multibypass(tmp_path: Path, videos: VideoFactory) -> None:
    _, findings = export(
        tmp_path / "out", cases(videos), "surgical", LABELS, flavour="multibypass", splits=SplitOptions(shares=SHARES)
    )
    assert not findings.warnings
    seen = []
    for part, name in (("train", "1fps_100_0"), ("val", "1fps_0"), ("test", "1fps_0")):
        data = load(tmp_path / f"out/labels/{part}/{name}.pickle")
        for vid_name in sorted(data.keys()):  # as read_pkl_data
            paths = [tmp_path / "out/frames" / vid_name / f"{item['Frame_id']}.jpg" for item in data[vid_name]]
            # Second 0 comes before the first label, and is left out; frame 105 = second 4 (85 to 104 hold the last).
            assert [number_of(path) for path in paths] == [25, 50, 75, 100]
            number = int(vid_name.removeprefix("op"))
            assert data[vid_name][0] == {
                "Frame_id": f"{vid_name}_00000002", "Original_frame_id": 1, "Phase_gt": 0, "Step_gt": 0,
                "unique_id": number * 10**10 + 1,
            }  # fmt: skip
            assert [(item["Phase_gt"], item["Step_gt"]) for item in data[vid_name]] == [(0, 0), (1, 2), (1, 2), (1, 2)]
            seen.append(vid_name)
    assert sorted(seen) == ["op1", "op2", "op3", "op4"]
    assert classes(tmp_path / "out") == {"1": [(0, "Prep"), (1, "Cut")], "2": [(0, "Trocar"), (1, "Look"), (2, "Clip")]}


def test_multibypass_folds_and_one_level(tmp_path: Path, videos: VideoFactory) -> None:
    export(tmp_path / "out", cases(videos), "surgical", LABELS, flavour="multibypass", splits=SplitOptions(folds=2))
    for fold in (0, 1):
        train = load(tmp_path / f"out/labels/train/1fps_100_{fold}.pickle")
        assert sorted([*train, *load(tmp_path / f"out/labels/test/1fps_{fold}.pickle")]) == ["op1", "op2", "op3", "op4"]
    with pytest.raises(DataError, match="needs 2 levels of labels"):
        export(tmp_path / "one", placed(clip("op1/a", [("A", 0, 9)])), "surgical", flavour="multibypass")


def test_selfsupsurg(tmp_path: Path, videos: VideoFactory) -> None:
    export(
        tmp_path / "out", cases(videos), "surgical", LABELS, flavour="selfsupsurg", splits=SplitOptions(shares=SHARES),
        background="none",
    )  # fmt: skip
    names = []
    for part, name in (("train", "1fps_100_0"), ("val", "1fps"), ("test", "1fps")):
        path = str(tmp_path / f"out/labels/{part}/{name}.pickle")
        root_dir = os.path.dirname(path.replace("labels", "frames"))  # noqa: PTH120 - as VisslDatasetSurgery._load_data
        data = load(Path(path))
        for vid_name in sorted(data.keys()):
            paths = [Path(root_dir, vid_name, str(item["Frame_id"]) + ".jpg") for item in data[vid_name]]
            assert [number_of(path) for path in paths] == [0, 25, 50, 75, 100]
            assert [item["unique_id"] // 10**8 for item in data[vid_name]] == [int(vid_name[5:])] * 5
            assert [item["unique_id"] % 10**8 for item in data[vid_name]] == [0, 25, 50, 75, 100]
            assert [item["Phase_gt"] for item in data[vid_name]] == [2, 0, 1, 1, 1]
            assert {item["Tool_gt"] for item in data[vid_name]} == {None}
            names.append(vid_name)
    assert sorted(names) == ["video01", "video02", "video03", "video04"]
    assert classes(tmp_path / "out")["1"] == [(0, "Prep"), (1, "Cut"), (2, "none")]


def test_surgformer_with_tools(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=60)
    labels = [("Phases",), ("Phases", "Prep"), ("Phases", "Cut"), ("Tools",), ("Tools", "Hook"), ("Tools", "Clipper")]
    spans = [("Phases / Prep", 0, 30), ("Phases / Cut", 30, 60), ("Tools / Hook", 20, 60), ("Tools / Clipper", 45, 55)]
    clips = placed(*(clip(f"op{n}/a", spans, probe(path).index, str(path)) for n in range(2)))
    export(tmp_path / "out", clips, "surgical", labels, flavour="surgformer", phases=["Phases"], tools=["Tools"])
    infos = load(tmp_path / "out/labels/train/1fpstrain.pickle")
    samples = []
    for data in infos.values():  # as PhaseDataset_Cholec80._make_dataset
        for line_info in data:
            assert len(line_info) >= 8
            frame = str(line_info["frame_id"]).zfill(5) + ".png"
            samples.append((number_of(tmp_path / "out/frames" / line_info["video_id"] / frame), line_info["tool_gt"]))
    assert samples == [(0, [0, 0]), (25, [1, 0]), (50, [1, 1])] * 2
    assert infos["video02"][1] == {
        "unique_id": 4, "frame_id": 1, "video_id": "video02", "tool_gt": [1, 0], "phase_gt": 0, "phase_name": "Prep",
        "fps": 1, "original_frames": 60, "frames": 3,
    }  # fmt: skip
    assert classes(tmp_path / "out")["tool"] == [(0, "Hook"), (1, "Clipper")]


@pytest.mark.parametrize("flavour", ["tmrnet", "transsvnet"])
def test_tmrnet_and_transsvnet(tmp_path: Path, videos: VideoFactory, flavour: str) -> None:
    parts = ["train", "val", "test"] if flavour == "transsvnet" else ["train", "val"]
    shares = {part: Fraction(1, len(parts)) for part in parts}
    export(
        tmp_path / "out", cases(videos, 6), "surgical", LABELS, flavour=flavour, splits=SplitOptions(shares=shares),
        background="none",
    )  # fmt: skip
    content = load(tmp_path / f"out/train_val_paths_labels{'1' if 'test' in parts else ''}.pkl")
    assert len(content) == 3 * len(parts)
    listed = {"train": content[0:6:2], "val": content[1:6:2], "test": content[6:]}  # as get_data
    for part in parts:
        paths, labels, counts = listed[part]
        assert counts == [5] * (6 // len(parts))
        assert [number_of(tmp_path / "out" / path) for path in paths] == [0, 25, 50, 75, 100] * len(counts)
        assert labels == [[2], [0], [1], [1], [1]] * len(counts)
    assert content[0][1].startswith("cutMargin/")
    assert content[0][1].endswith("/25.jpg")
    if flavour == "tmrnet":
        with pytest.raises(SettingsError, match="flavour tmrnet has no part 'test'"):
            export(tmp_path / "no", cases(videos), "surgical", flavour=flavour, splits=SplitOptions(shares=SHARES))


@pytest.mark.parametrize("base", [0, 1])
def test_autolaparo_asks_for_the_base(tmp_path: Path, videos: VideoFactory, base: int) -> None:
    export(tmp_path / "out", cases(videos, 1), "surgical", LABELS, flavour="autolaparo", base=base)
    lines = (tmp_path / "out/labels/label_01.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    frames = sorted((tmp_path / "out/frames/01").iterdir())
    phases = []
    for frame_id, file in enumerate(frames):  # as generate_labels_autolaparo.py
        phase = lines[1:][frame_id].strip().split()
        assert int(phase[0]) == frame_id + 1
        assert file.name == f"{frame_id + 1:04}.jpg"
        phases.append(int(phase[1]))
    assert [number_of(file) for file in frames] == [0, 25, 50, 75, 100]
    assert phases == [each + base for each in (2, 0, 1, 1, 1)]
    with pytest.raises(SettingsError, match="differ in the id of the first phase"):
        export(tmp_path / "no", cases(videos, 1), "surgical", LABELS, flavour="autolaparo")


def test_plstitch(tmp_path: Path, videos: VideoFactory) -> None:
    export(tmp_path / "out", cases(videos, 2), "surgical", LABELS, flavour="plstitch", background="none")
    labels = json.loads((tmp_path / "out/labels.json").read_text(encoding="utf-8"))
    loaded = [(name, number_of(tmp_path / "out/frames" / name), int(label)) for name, label in labels.items()]
    assert loaded == [
        (f"{video}/{k + 1:04}.jpg", 25 * k, (2, 0, 1, 1, 1)[k]) for video in ("01", "02") for k in range(5)
    ]


def test_seconds_count_over_the_case_whatever_the_rate(tmp_path: Path, videos: VideoFactory) -> None:
    export(tmp_path / "out", cases(videos, 1, NTSC), "surgical", LABELS, flavour="plstitch", background="none")
    numbers = [number_of(file) for file in sorted((tmp_path / "out/frames/01").iterdir())]
    assert numbers == [0, 30, 60, 90]  # at 0, 1.001, 2.002 and 3.003 s
    first = videos.make(n_frames=30, rate=Fraction(20))  # 1.5 s
    second = videos.make(n_frames=30, rate=Fraction(10), first_number=30)  # 3 s
    clips = placed(
        *(
            clip(f"op1/{name}", [("Cut", 0, 30)], probe(path).index, str(path))
            for name, path in zip("ab", (first, second), strict=True)
        )
    )
    export(tmp_path / "two", clips, "surgical", flavour="plstitch")
    numbers = [number_of(file) for file in sorted((tmp_path / "two/frames/01").iterdir())]
    assert numbers == [0, 20, 35, 45, 55]


def test_a_frame_that_lasts_for_seconds_stands_for_each(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=4, gaps=(Fraction(1, 2), Fraction(3)))  # at 0, 0.5, 3.5 and 4 s
    export(
        tmp_path / "out",
        placed(clip("op1/a", [("A", 0, 4)], probe(path).index, str(path))),
        "surgical",
        flavour="plstitch",
    )
    numbers = [number_of(file) for file in sorted((tmp_path / "out/frames/01").iterdir())]
    assert numbers == [0, 2, 2, 2, 3]


def test_what_is_asked_for_is_checked(tmp_path: Path, videos: VideoFactory) -> None:
    with pytest.raises(SettingsError, match="needs a flavour: the reader that the files are for"):
        export(tmp_path / "out", cases(videos, 1), "surgical")
    with pytest.raises(SettingsError, match="flavour=x: format=surgical knows multibypass"):
        export(tmp_path / "out", cases(videos, 1), "surgical", flavour="x")
    with pytest.raises(SettingsError, match="holds one split, not folds"):
        export(tmp_path / "out", cases(videos), "surgical", flavour="surgformer", splits=SplitOptions(folds=2))
    assert not (tmp_path / "out").exists()


def test_a_label_that_is_called_like_no_label_is_refused(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=60)
    clips = placed(clip("op1/a", [("background", 0, 30)], probe(path).index, str(path)))
    with pytest.raises(DataError, match="1 seconds without a label would be called 'background'"):
        export(tmp_path / "out", clips, "surgical", flavour="tmrnet")
    assert not (tmp_path / "out").exists()
    export(tmp_path / "out", clips, "surgical", flavour="tmrnet", background="nothing")
