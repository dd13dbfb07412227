"""ActivityNet's JSON, read as ActionFormer, OpenTAD and ActivityNet's own evaluation read it."""

import json
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed, vfr_index
from lsvid.annotations.splits import SplitOptions
from lsvid.errors import DataError, SettingsError


def load_actionformer(file: Path, subset: str) -> tuple[dict[str, Any], dict[str, int]]:
    """As ActionFormer's THUMOS14Dataset._load_json_db, then __getitem__'s frames (feat_stride 1, num_frames 0)."""
    json_db = json.loads(file.read_text(encoding="utf-8"))["database"]
    label_dict: dict[str, int] = {}
    for value in json_db.values():
        for act in value["annotations"]:
            label_dict[act["label"]] = act["label_id"]
    videos = {}
    for key, value in json_db.items():
        if value["subset"].lower() != subset:
            continue
        segments = np.asarray([act["segment"] for act in value["annotations"]], dtype=np.float32)
        labels = [label_dict[act["label"]] for act in value["annotations"]]
        videos[key] = {"frames": segments * value["fps"], "labels": labels}
    return videos, label_dict


def load_opentad(file: Path, classes: Path, subset: str) -> dict[str, list[tuple[str, int, int]]]:
    """As OpenTAD's ThumosPaddingDataset.get_gt."""
    class_map = classes.read_text(encoding="utf-8").splitlines()
    videos = {}
    for name, info in json.loads(file.read_text(encoding="utf-8"))["database"].items():
        if info["subset"] not in subset:
            continue
        found = []
        for anno in info["annotations"]:
            start, end = (int(anno["segment"][k] / info["duration"] * info["frame"]) for k in (0, 1))
            found.append((class_map[class_map.index(anno["label"])], start, end))
        videos[name] = found
    return videos


@settings(max_examples=40, deadline=None)
@given(
    overlapping(),
    st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(60000, 1001)]),
    st.sampled_from([Fraction(0), Fraction(1, 5)]),
)
def test_what_the_readers_load_is_what_was_labelled(spans: list[Labelled], rate: Fraction, start_s: Fraction) -> None:
    spans = spans or [("Suturing", 0, 1)]  # a clip in which nothing is labelled is left out of training
    clips = placed(clip("op1/a", spans, index(60, rate, start_s)))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "activitynet", LABELS)
        file, classes = Path(folder, "out/activitynet.json"), Path(folder, "out/classes.txt")
        assert {"database", "taxonomy", "version"} <= set(json.loads(file.read_text(encoding="utf-8")))
        assert set(load_opentad(file, classes, "training")["op1_a"]) == merged(spans)
        videos, ids = load_actionformer(file, "training")
        assert sorted(ids.values()) == list(range(len(ids)))
        names = {number: name for name, number in ids.items()}
        frames = videos["op1_a"]["frames"].reshape(-1, 2)
        assert np.abs(frames - frames.round()).max(initial=0) < 1e-3
        loaded = {
            (names[label], int(start), int(stop))
            for label, (start, stop) in zip(videos["op1_a"]["labels"], frames.round(), strict=True)
        }
        assert loaded == merged(spans)


def test_a_stitched_case_joins_what_meets_at_a_seam(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("A", 50, 100)]), clip("op1/b", [("A", 0, 10), ("B", 99, 100)]))
    export(tmp_path / "out", clips, "activitynet", unit="case")
    file, classes = tmp_path / "out/activitynet.json", tmp_path / "out/classes.txt"
    assert load_opentad(file, classes, "training") == {"op1": [("A", 50, 110), ("B", 199, 200)]}


def test_subsets_are_by_case(tmp_path: Path) -> None:
    clips = placed(*(clip(f"op{n}/{name}", [("A", 0, 10)]) for n in range(4) for name in "ab"))
    shares = {"train": Fraction(3, 4), "test": Fraction(1, 4)}
    export(tmp_path / "out", clips, "activitynet", splits=SplitOptions(shares=shares))
    train, _ = load_actionformer(tmp_path / "out/activitynet.json", "training")
    test, _ = load_actionformer(tmp_path / "out/activitynet.json", "testing")
    assert (len(train), len(test)) == (6, 2)
    assert len({name[:3] for name in test}) == 1
    export(tmp_path / "folds", clips, "activitynet", splits=SplitOptions(folds=2))
    for number in (1, 2):
        file = tmp_path / f"folds/activitynet_split{number}.json"
        assert [len(load_actionformer(file, subset)[0]) for subset in ("training", "validation")] == [4, 4]


@pytest.mark.parametrize("spans", [None, []])
def test_a_clip_without_a_label_is_left_out_of_training_only(tmp_path: Path, spans: list[Labelled] | None) -> None:
    clips = placed(
        *(clip(f"op{n}/{name}", [("A", 0, 10)] if name == "a" else spans) for n in range(2) for name in "ab")
    )
    shares = {"train": Fraction(1, 2), "test": Fraction(1, 2)}
    _, findings = export(
        tmp_path / "out", clips, "activitynet", splits=SplitOptions(shares=shares), include_unannotated=True
    )
    train, _ = load_actionformer(tmp_path / "out/activitynet.json", "training")
    test, _ = load_actionformer(tmp_path / "out/activitynet.json", "testing")
    assert sorted(name[4:] for name in train) == ["a"]
    assert sorted(name[4:] for name in test) == ["a", "b"]
    assert findings.left_out_counts() == {"videos without any label, left out of training, which would fail on them": 1}


def test_one_level(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Dissection / Blunt", 0, 10), ("Suturing", 10, 20)]))
    export(tmp_path / "out", clips, "activitynet", level=2)
    loaded = load_opentad(tmp_path / "out/activitynet.json", tmp_path / "out/classes.txt", "training")
    assert loaded == {"op1_a": [("Blunt", 0, 10)]}


def test_variable_rate_is_warned_about(tmp_path: Path) -> None:
    _, findings = export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 2)], vfr_index([40, 80, 40]))), "activitynet")
    assert any("op1/a: its rate varies" in text for text, _ in findings.warnings)


def test_a_label_that_opentad_skips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'Ambiguous', which OpenTAD skips"):
        export(tmp_path / "out", placed(clip("op1/a", [("Ambiguous", 0, 2)])), "activitynet")


def test_too_few_cases_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="1 case cannot be split into 2 folds"):
        export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 2)])), "activitynet", splits=SplitOptions(folds=2))
