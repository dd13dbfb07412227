"""Annotated on proxies, exported from the originals."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from builders import annotation, export, read_picture, region, rows
from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.cli import cli
from lsvid.video.index import probe
from projects import Project
from s3_server import Bucket


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.server
def test_annotators_get_the_proxies_and_tasks_tell_of_the_originals(
    project: Project, videos: VideoFactory, tmp_path: Path
) -> None:
    clips, proxies = tmp_path / "clips", project.folder / "proxies"
    for name in ("clip_1", "clip_2"):
        videos.make(clips / "op1" / f"{name}.mkv", suffix=".mkv", start_s=Fraction(1))
    assert _run("make-proxies", clips / "op1" / "clip_1.mkv", "-o", proxies).exit_code == 0
    result = project.run(clips, "--proxies", proxies)
    assert result.exit_code == 1
    assert f"op1/clip_2 has no proxy to import: cannot read {proxies / 'op1' / 'clip_2.mp4'}" in result.stderr
    assert "may not play" not in result.stderr, "Matroska is what is not given to them"
    assert _run("make-proxies", clips, "-o", proxies).exit_code == 0
    assert project.run(clips, "--proxies", proxies).exit_code == 0
    tasks = project.tasks()
    assert [task["clip"] for task in tasks] == ["clip_1", "clip_2"]
    original, proxy = probe(clips / "op1" / "clip_1.mkv"), probe(proxies / "op1" / "clip_1.mp4")
    assert tasks[0]["video"].endswith("proxies/op1/clip_1.mp4")
    told = {name: tasks[0][name] for name in ("path", "fingerprint", "frames")}
    assert told == {"path": str(clips / "op1" / "clip_1.mkv"), "fingerprint": original.fingerprint, "frames": 50}
    assert {name: value for name, value in tasks[0].items() if name.startswith("proxy")} == {
        "proxy_path": str(proxies / "op1" / "clip_1.mp4"),
        "proxy_fingerprint": proxy.fingerprint,
        "proxy_duration_s": float(proxy.index.duration_s),
    }
    assert "there already: 2" in project.run(clips, "--proxies", proxies).stderr


@pytest.mark.server
def test_a_proxy_of_another_video_is_not_imported(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "clips" / "op1" / "a.mp4")
    assert _run("make-proxies", tmp_path / "clips", "-o", project.folder / "p").exit_code == 0
    videos.make(clip, first_number=3)  # as many pictures at the same times
    result = project.run(tmp_path / "clips", "--proxies", project.folder / "p")
    assert (result.exit_code, project.tasks()) == (1, [])
    assert "was made from another video than the original given" in result.stderr


@pytest.mark.server
def test_proxies_in_s3_are_played_and_the_clips_exported(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, tmp_path: Path
) -> None:
    clip = videos.make(tmp_path / "clips" / "op1" / "a.mkv", suffix=".mkv", n_frames=30)
    (tmp_path / "labels.txt").write_text("Cut\n")
    bucket.allow(server_environment.url)
    uri = f"{bucket.uri}/proxies"
    assert _run("make-proxies", tmp_path / "clips", "-o", uri, "--height", 120).exit_code == 0
    made = _run("setup-project", tmp_path / "labels.txt", "--title", "Proxies S3", "--storage", uri, "--json")
    assert made.exit_code == 0, made.stderr
    imported = _run("import-clips", tmp_path / "clips", "--project", "Proxies S3", "--proxies", uri)
    assert imported.exit_code == 0, imported.stderr
    project = json.loads(made.stdout)["project"]["id"]
    (task,) = server_environment.api("GET", f"/api/tasks?project={project}&resolve_uri=false")["tasks"]
    proxy = f"{uri}/op1/a.mp4"
    assert (task["data"]["video"], task["data"]["proxy_path"], task["data"]["path"]) == (proxy, proxy, str(clip))
    server_environment.api("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [region(3, 12, "Cut")]})
    command = ("export-frames", "--project", "Proxies S3", "--images", "-o", tmp_path / "out")
    sizes = []
    for there in (True, False):  # without the original, its proxy is read from S3
        if not there:
            clip.unlink()
        result = _run(*command)
        assert result.exit_code == 0, result.stderr
        assert ("read from its proxy" in result.stderr) is not there
        sizes.append(read_picture(tmp_path / "out" / "images" / "op1" / "a" / "000007.jpg").shape[:2])
        assert sum(row["label"] == "Cut" for row in rows(tmp_path / "out")) == 10
    assert sizes == [(240, 320), (120, 160)]


@pytest.fixture
def case(videos: VideoFactory, tmp_path: Path) -> Path:
    """An original and its proxy, of the same name below folders of their own, and an export of work on the proxy."""
    clip = videos.make(tmp_path / "clips" / "op1" / "a.mp4", n_frames=50)
    assert _run("make-proxies", tmp_path / "clips", "-o", tmp_path / "proxies", "--height", 120).exit_code == 0
    proxy = tmp_path / "proxies" / "op1" / "a.mp4"
    data = {
        "video": "/data/local-files/?d=proxies/op1/a.mp4", "fps": "25", "case": "op1", "clip": "a", "order": 1,
        "fingerprint": probe(clip).fingerprint, "path": str(clip), "proxy_path": str(proxy),
        "proxy_fingerprint": probe(proxy).fingerprint, "proxy_duration_s": 2.0,
    }  # fmt: skip
    export(tmp_path, {"id": 1, "data": data, "annotations": [annotation(1, 5, region(3, 50, "A"))]})
    return tmp_path


def _frames(folder: Path, *options: object) -> tuple[Result, dict[str, Any]]:
    result = _run("export-frames", folder / "export.json", "-o", folder / "out", "--images", *options)
    assert result.exit_code == 0, result.stderr
    return result, json.loads((folder / "out" / "manifest.json").read_text())["clips"][0]


@pytest.mark.parametrize(
    "roots", [(), ("--clips", "proxies"), ("--clips", "clips"), ("--clips", "clips", "--clips", "proxies")]
)
def test_pictures_come_from_the_original(case: Path, roots: tuple[str, ...]) -> None:
    result, clip = _frames(case, *(str(case / word) if word[0] != "-" else word for word in roots))
    assert "proxy" not in result.stderr
    assert clip["path"] == str(case / "clips" / "op1" / "a.mp4")
    proxy = case / "proxies" / "op1" / "a.mp4"
    assert clip["proxy"] == {"path": str(proxy), "fingerprint": probe(proxy).fingerprint, "read_instead": False}
    assert read_picture(case / "out" / "images" / "op1" / "a" / "000007.jpg").shape == (240, 320, 3)


def test_without_the_original_the_proxy_stands_in_and_that_is_said(case: Path) -> None:
    _frames(case)
    labels = [(row["frame"], row["time_s"], row["label"]) for row in rows(case / "out")]
    (case / "clips" / "op1" / "a.mp4").unlink()
    result, clip = _frames(case, "--clips", case / "proxies")
    assert "the original of clip op1/a is not on this machine: read from its proxy" in result.stderr
    assert clip["proxy"]["read_instead"]
    assert [(row["frame"], row["time_s"], row["label"]) for row in rows(case / "out")] == labels
    picture = read_picture(case / "out" / "images" / "op1" / "a" / "000007.jpg")
    assert picture.shape == (120, 160, 3)
    assert np.isfinite(picture).all()


def test_another_video_in_the_originals_place_is_an_error(case: Path, videos: VideoFactory) -> None:
    videos.make(case / "clips" / "op1" / "a.mp4", first_number=3)
    result = _run("export-frames", case / "export.json", "-o", case / "out", "--clips", case / "clips")
    assert (result.exit_code, "is not the video that was imported" in result.stderr) == (1, True)


def test_the_last_number_follows_from_what_players_reported(case: Path) -> None:
    """An original that lasts longer than its pictures (sound): the editor's last number is that of the proxy."""
    file = case / "export.json"
    (task,) = json.loads(file.read_text())
    task["data"]["proxy_duration_s"] = 1.0
    task["annotations"][0]["result"] = [region(3, 25, "A")]
    file.write_text(json.dumps([task]))
    _frames(case)
    assert sum(row["label"] == "A" for row in rows(case / "out")) == 48
