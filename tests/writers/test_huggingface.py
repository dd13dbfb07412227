"""The folder for Hugging Face: every row's picture bears the row's own number, and the row its labels."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import polars as pl
import pytest

from builders import read_picture
from exports import clip, export, placed
from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.annotations.splits import SplitOptions
from lsvid.errors import ClipError, SettingsError
from lsvid.video.index import probe
from lsvid.video.pictures import PictureOptions


def load_imagefolder(folder: Path) -> list[dict[str, object]]:
    """As FolderBasedBuilder: the rows of metadata.parquet with their pictures, every picture having one."""
    rows = pl.read_parquet(folder / "metadata.parquet").to_dicts()
    pictures = {str(file.relative_to(folder)) for file in folder.rglob("*.jpg")}
    assert pictures == {row["file_name"] for row in rows}
    return [row | {"image": cv2.imread(str(folder / row["file_name"]))} for row in rows]


@pytest.mark.parametrize(
    "video",
    [
        {"n_frames": 30},
        {"n_frames": 30, "rate": NTSC, "b_frames": 2},
        {"n_frames": 30, "gaps": VFR_GAPS, "start_s": Fraction(1, 5)},
        {"n_frames": 60, "gop": 25, "cut_s": 0.52},
    ],
)
def test_every_picture_is_the_one_of_its_row(videos: VideoFactory, tmp_path: Path, video: dict[str, Any]) -> None:
    path = videos.make(**video)
    info = probe(path)
    n_frames = info.index.n_frames
    one = clip("op1/a", [("A", 0, 10), ("B", 5, n_frames)], info.index, str(path))
    export(tmp_path / "out", placed(one), "huggingface")
    rows = load_imagefolder(tmp_path / "out/train")
    numbers = [read_burnt_number(row["image"]) for row in rows]  # type: ignore[arg-type]
    assert [row["frame"] for row in rows] == list(range(n_frames))
    assert [number - numbers[0] for number in numbers] == list(range(n_frames))
    assert [row["labels"] for row in rows] == [["A"]] * 5 + [["A", "B"]] * 5 + [["B"]] * (n_frames - 10)


def test_sampled_with_background_and_parts_by_case(videos: VideoFactory, tmp_path: Path) -> None:
    path = videos.make(n_frames=50)
    times = probe(path).index
    clips = placed(*(clip(f"op{n}/a", [("A", 25, 50)], times, str(path)) for n in range(2)))
    shares = {"train": Fraction(1, 2), "val": Fraction(1, 2)}
    export(
        tmp_path / "out", clips, "huggingface", sample_fps=Fraction(1), background="none",
        splits=SplitOptions(shares=shares),
    )  # fmt: skip
    cases = []
    for part in ("train", "validation"):
        rows = load_imagefolder(tmp_path / "out" / part)
        assert [(row["frame"], row["labels"], row["time_s"]) for row in rows] == [(0, ["none"], 0), (25, ["A"], 1)]
        cases.append(rows[0]["case"])
    assert sorted(map(str, cases)) == ["op0", "op1"]
    picture = PictureOptions("png", size=(32, 24))
    export(tmp_path / "png", clips, "huggingface", sample_fps=Fraction(1), picture=picture)
    assert [file.shape for file in map(read_picture, (tmp_path / "png").rglob("*.png"))] == [(24, 32, 3)] * 4
    with pytest.raises(SettingsError, match="folds is not for format=huggingface"):
        export(tmp_path / "folds", clips, "huggingface", splits=SplitOptions(folds=2))


def test_folders_do_not_name_a_split(videos: VideoFactory, tmp_path: Path) -> None:
    path = videos.make(n_frames=2)
    times = probe(path).index
    ids = ["test op/a", "op/val-1", "train/eval", "contest/a", "op 2/Testing", "__x/b"]
    clips = placed(*(clip(clip_id, [("A", 0, 1)], times, str(path)) for clip_id in ids))
    _, findings = export(tmp_path / "out", clips, "huggingface")
    rows = load_imagefolder(tmp_path / "out/train")
    folders = {f"{row['case']}/{row['clip']}": str(row["file_name"]).rpartition("/")[0] for row in rows}
    assert folders == {
        "test op/a": "=test op/a", "op/val-1": "op/=val-1", "train/eval": "=train/=eval", "contest/a": "contest/a",
        "op 2/Testing": "op 2/=Testing", "__x/b": "=__x/b",
    }  # fmt: skip
    assert any("'test op/a' -> '=test op/a'" in text for text, _ in findings.warnings)


def test_a_clip_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match=r"cannot read /videos/op1/a\.mp4: No such file or directory"):
        export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)])), "huggingface")
