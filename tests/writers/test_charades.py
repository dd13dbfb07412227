"""Charades' frame list, loaded as PySlowFast's load_image_lists does; every picture bears its own number."""

from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import cv2
import pytest

import hostile
from exports import clip, export, placed
from factories import VideoFactory, read_burnt_number
from lsvid.annotations.splits import SplitOptions
from lsvid.errors import SettingsError
from lsvid.video.index import probe


def load_image_lists(file: Path, prefix: Path) -> tuple[dict[str, list[Path]], dict[str, list[list[int]]]]:
    """As slowfast/datasets/utils.py."""
    image_paths = defaultdict(list)
    labels = defaultdict(list)
    with file.open(encoding="utf-8") as f:
        assert f.readline().startswith("original_vido_id")
        for line in f:
            row = line.split()
            assert len(row) == 5
            image_paths[row[0]].append(prefix / row[3])
            frame_labels = row[-1].replace('"', "")
            labels[row[0]].append([int(x) for x in frame_labels.split(",")] if frame_labels else [])
    return dict(image_paths), dict(labels)


def test_overlaps_are_kept_and_pictures_are_their_own(tmp_path: Path, videos: VideoFactory) -> None:
    clips = []
    for number, name in enumerate("ab"):
        path = videos.make(n_frames=30, first_number=30 * number)
        spans = [("A", 5, 20), ("B / C", 10, 30)] if name == "a" else [("B / C", 0, 5)]
        clips.append(clip(f"op 1/{name}", spans, probe(path).index, str(path)))
    export(tmp_path / "out", placed(*clips), "charades", [("A",), ("B",), ("B", "C"), ("D",)])
    paths, labels = load_image_lists(tmp_path / "out/train.csv", tmp_path / "out")
    classes = (tmp_path / "out/classes.txt").read_text(encoding="utf-8").splitlines()
    assert classes == ["A", "B", "B / C", "D"], "also what does not occur: two exports have the same numbers"
    expected: list[list[int]] = [[]] * 5 + [[0]] * 5 + [[0, 2]] * 10 + [[2]] * 15 + [[]] * 25
    assert labels == {"op_1": expected}
    numbers = [read_burnt_number(cv2.imread(str(path))) for path in paths["op_1"]]  # type: ignore[arg-type]
    assert numbers == list(range(60))


def test_sampled_parts_and_hostile_names(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=50)
    clips = hostile.clips(probe(path).index, str(path), 40)
    shares = {"train": Fraction(3, 4), "val": Fraction(1, 4)}
    export(
        tmp_path / "out", clips, "charades", hostile.labels(), sample_fps=Fraction(1), unit="clip",
        splits=SplitOptions(shares=shares),
    )  # fmt: skip
    seen = [load_image_lists(tmp_path / f"out/{part}.csv", tmp_path / "out") for part in ("train", "val")]
    assert sum(len(paths) for paths, _ in seen) == 39  # one that nobody annotated is left out
    assert all(path.is_file() for paths, _ in seen for each in paths.values() for path in each)
    assert {len(each) for _, labels in seen for each in labels.values()} == {2}
    with pytest.raises(SettingsError, match="folds is not for format=charades"):
        export(tmp_path / "folds", clips, "charades", splits=SplitOptions(folds=2))
