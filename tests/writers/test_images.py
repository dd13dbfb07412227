"""export-frames --images: which frames get a picture, and how rows and pictures find each other."""

import json
import os
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest

import lsvid.video.pictures
from builders import annotation, damaged, export, region, rows, run, task
from exports import LABELS, clip, placed, vfr_index
from factories import VideoFactory, read_burnt_number
from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import DataError
from lsvid.labels.tree import join_path
from lsvid.workers.processes import Report
from lsvid.writers.images import ImageRequest, plan_pictures


def _exported(folder: Path) -> Path:
    return export(
        folder,
        task(1, "clip_1", annotation(1, 5, region(5, 12, "A"), region(11, 20, "B", "r2"))),
        task(2, "clip_2", annotation(2, 5, region(51, 60, "B"))),
    )


def _pictures(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.glob("images/*/*/[!.]*"))


def _burnt(path: Path) -> int:
    return read_burnt_number(np.asarray(cv2.imread(str(path))))


def test_labelled_frames_get_the_picture_that_their_row_names(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("export-frames", _exported(tmp_path), "--clips", clips, "-o", out, "--images")
    assert result.exit_code == 0, result.stderr
    assert "26 pictures" in result.stderr
    made = rows(out)
    assert list(made[0])[-1] == "image"
    for row in made:
        wanted = f"images/op1/{row['clip']}/{int(row['frame']):06d}.jpg" if row["label"] else ""
        assert row["image"] == wanted
        if wanted:
            assert _burnt(out / wanted) == int(row["frame"])
    assert _pictures(out) == sorted({row["image"] for row in made if row["image"]})
    images = json.loads((out / "manifest.json").read_text())["images"]
    assert images == {
        "folder": "images", "frames": "labelled", "format": "jpg", "quality": None, "size": None, "short_side": None,
        "count": 26, "missing": [], "failed": [],
    }  # fmt: skip


def test_all_frames_sampled_wide_and_small(clips: Path, tmp_path: Path) -> None:
    out, exported = tmp_path / "out", _exported(tmp_path)
    options = ("--clips", clips, "-o", out, "--images", "--sample-fps", 5, "--layout", "wide", "--size", "64x48")
    assert run("export-frames", exported, *options, "--all-frames", "--image-format", "png").exit_code == 0
    made = rows(out)
    assert [int(row["frame"]) for row in made] == [*range(0, 50, 5), *range(0, 60, 5)]
    assert [_burnt(out / row["image"]) for row in made] == [int(row["frame"]) for row in made]
    assert run("export-frames", exported, *options, "--format", "parquet").exit_code == 0
    assert _pictures(out) == [
        f"images/op1/{clip}/{frame:06d}.jpg"
        for clip, frames in (("clip_1", (5, 10, 15)), ("clip_2", (50, 55)))
        for frame in frames
    ]


@pytest.mark.parametrize("all_frames", [False, True])
@pytest.mark.parametrize("sample_fps", [None, Fraction(7)])
@pytest.mark.parametrize("background", [None, "none"])
@pytest.mark.parametrize("wide", [False, True])
def test_the_pictures_that_are_planned_are_those_of_the_rows(
    wide: bool, background: str | None, sample_fps: Fraction | None, all_frames: bool
) -> None:
    clips = placed(
        clip("op1/a", [("Dissection", 5, 20), ("Suturing", 10, 30), ("Dissection / Blunt", 90, 100)]),
        clip("op1/b", {"ann": [("Suturing", 3, 9)], "bea": [("Suturing", 50, 51)]}, vfr_index([40, 10, 90] * 20)),
        clip("op1/c", {"ann": []}),
        clip("op1/d", None),
    )
    options = TableOptions(LABELS, wide, sample_fps, background)
    tables, names = FrameTables(clips, options), [join_path(path) for path in LABELS]
    names += [background] if background else []
    places = {one.id: one.id for one in clips}
    for planned in plan_pictures(clips, options, places, ImageRequest(all_frames=all_frames)):
        told = [
            row["frame"]
            for row in tables.table([planned.clip]).iter_rows(named=True)
            if all_frames or (any(row[name] for name in names) if wide else row["label"])
        ]
        assert planned.frames.tolist() == sorted(set(told))


def test_the_table_of_a_clip_is_computed_once(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    table = FrameTables.table

    def counted(self: FrameTables, some: list[AnnotatedClip]) -> pl.DataFrame:
        computed.extend(one.id for one in some)
        return table(self, some)

    monkeypatch.setattr(FrameTables, "table", counted)
    exported = _exported(tmp_path)
    assert run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--images").exit_code == 0
    assert computed == ["op1/clip_1", "op1/clip_2"]


def test_what_is_no_longer_exported_is_removed(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("export-frames", _exported(tmp_path), "--clips", clips, "-o", out, "--images").exit_code == 0
    only = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 6, "A"))))
    assert run("export-frames", only, "--clips", clips, "-o", out, "--images").exit_code == 0
    assert _pictures(out) == ["images/op1/clip_1/000004.jpg", "images/op1/clip_1/000005.jpg"]


def test_damage_is_named_and_its_rows_have_no_picture(videos: VideoFactory, tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "op1"
    damaged(videos, folder / "clip_1.mp4", [27], n_frames=60, gop=20)
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(1, 60, "A"))))
    out = tmp_path / "out"
    result = run("export-frames", exported, "--clips", folder.parent, "-o", out, "--images")
    assert result.exit_code == 0, result.stderr
    assert "clip op1/clip_1 is damaged: 13 pictures cannot be decoded, frames 27 to 39; they have no" in result.stderr
    assert [int(row["frame"]) for row in rows(out) if not row["image"]] == list(range(27, 40))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["images"]["missing"] == [{"clip": "op1/clip_1", "frames": [[27, 40]]}]


def _kills(job: Any, report: Report) -> Any:
    if job.wanted.path.endswith("clip_1.mp4"):
        os.kill(os.getpid(), signal.SIGKILL)
    return _write_clip(job, report)


_write_clip = lsvid.video.pictures.write_clip


def test_a_clip_that_always_crashes_its_worker_fails_alone(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsvid.video.pictures, "write_clip", _kills)
    out = tmp_path / "out"
    result = run("export-frames", _exported(tmp_path), "--clips", clips, "-o", out, "--images", "--json")
    assert result.exit_code == 1
    assert "no pictures of 1 clips:\n  op1/clip_1: its process died 2 times (signal SIGKILL)" in result.stderr
    assert _pictures(out) == [f"images/op1/clip_2/{frame:06d}.jpg" for frame in range(50, 60)]
    assert {row["clip"] for row in rows(out) if row["image"]} == {"clip_2"}
    assert json.loads(result.stdout)["exit_code"] == 1


def _full(job: Any, report: Report) -> Any:
    raise DataError(f"cannot write pictures into {job.wanted.folder}: No space left on device", "free some space")


def test_a_full_disk_ends_the_export_before_any_table(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsvid.video.pictures, "write_clip", _full)
    result = run("export-frames", _exported(tmp_path), "--clips", clips, "-o", tmp_path / "out", "--images")
    assert (result.exit_code, "No space left on device" in result.stderr) == (1, True)
    assert not (tmp_path / "out" / "frames.csv").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--size", "224"), "--size is about pictures: it needs --images"),
        (("--all-frames",), "--all-frames is about pictures: it needs --images"),
        (("--images", "--size", "big"), "'big' is no size such as 224 or 320x240"),
        (("--images", "--size", "0"), "'0' is no size such as 224 or 320x240"),
        (("--images", "--image-format", "png", "--quality", "9"), "PNG is lossless: it has no quality"),
        (("--images", "--size", "9", "--short-side", "9"), "--size and --short-side exclude each other"),
    ],
)
def test_wrong_usage_exits_with_2(options: tuple[str, ...], text: str, tmp_path: Path) -> None:
    result = run("export-frames", "x.json", "-o", tmp_path, *options)
    assert (result.exit_code, text in result.stderr) == (2, True)


def test_a_label_may_not_be_named_as_the_column(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "image"))))
    options = ("--clips", clips, "-o", tmp_path / "out", "--images")
    assert run("export-frames", exported, *options).exit_code == 0
    result = run("export-frames", exported, *options, "--layout", "wide")
    assert (result.exit_code, "the label 'image' has the name of a column" in result.stderr) == (2, True)
