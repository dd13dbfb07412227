"""`lsvid import-clips` against the real server."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from factories import NTSC, VFR_GAPS, VideoFactory
from fake_server import PAGE, FakeServer, serving
from label_studio_server import LabelStudio
from lsvid.cli import cli
from lsvid.errors import ServerError, SettingsError
from lsvid.label_studio.client import connect
from lsvid.label_studio.media import check_served, local_files_url
from lsvid.label_studio.project import StorageFolder, document_root
from projects import CONFIG, Project

pytestmark = pytest.mark.server


def test_clips_become_tasks_in_ascending_order(project: Project, videos: VideoFactory) -> None:
    case = "op ü#%+& 1"
    videos.make(project.folder / case / "clip_10.mp4", n_frames=10)
    videos.make(project.folder / case / "clip_2 + ü & 100%#.mp4", n_frames=20, rate=NTSC)
    videos.make(project.folder / case / "clip_1.mp4", n_frames=30, gaps=VFR_GAPS)
    result = project.run(project.folder)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"project {project.id} ({project.title}), clips imported 3; " in result.stderr
    assert "1 of 3 clips have a variable frame rate" in result.stderr
    tasks = project.tasks()
    assert [task["clip"] for task in tasks] == ["clip_1", "clip_2 + ü & 100%#", "clip_10"]
    ntsc = tasks[1]
    assert len(ntsc.pop("fingerprint")) == 32
    assert ntsc.pop("task") == tasks[0]["task"] + 1
    folder = project.folder.relative_to(project.server.document_root)
    quoted = "op%20%C3%BC%23%25%2B%26%201/clip_2%20%2B%20%C3%BC%20%26%20100%25%23.mp4"
    assert ntsc == {
        "video": f"/data/local-files/?d={folder}/{quoted}",
        "fps": "29.97002997002997",
        "fps_exact": "30000/1001",
        "frames": 20,
        "duration_s": float(20 / NTSC),
        "case": case,
        "clip": "clip_2 + ü & 100%#",
        "id": f"{case}/clip_2 + ü & 100%#",
        "order": 2,
        "path": str(project.folder / case / "clip_2 + ü & 100%#.mp4"),
    }
    assert (tasks[0]["fps"], tasks[0]["fps_exact"]) == ("25", None)
    assert (tasks[2]["fps"], tasks[2]["fps_exact"], tasks[2]["order"]) == ("25", "25", 3)
    refresh = {"refresh": project.server.token}
    access = requests.post(f"{project.server.url}/api/token/refresh/", json=refresh, timeout=30).json()["access"]
    for task in tasks:
        answer = requests.get(
            project.server.url + task["video"],
            headers={"Authorization": f"Bearer {access}", "Range": "bytes=0-99"},
            timeout=30,
        )
        assert (answer.status_code, answer.content) == (206, Path(task["path"]).read_bytes()[:100])


def test_a_second_run_adds_nothing_and_a_third_adds_what_is_new(project: Project, videos: VideoFactory) -> None:
    for number in (1, 2, 4):
        videos.make(project.folder / "op1" / f"clip_{number}.mp4", first_number=number)
    assert project.run(project.folder).exit_code == 0
    before = project.tasks()
    again = project.run(project.folder)
    assert again.exit_code == 0
    assert again.stderr == (
        f"project {project.id} ({project.title}), clips there already: 3; "
        f"{project.server.url}/projects/{project.id}/data\n"
    )
    assert project.tasks() == before

    videos.make(project.folder / "op1" / "clip_3.mp4", first_number=3)
    videos.make(project.folder / "op1" / "clip_5.mp4", first_number=5)
    third = project.run(project.folder)
    assert third.exit_code == 0
    assert "clips imported 2, there already: 3" in third.stderr
    assert "warning: op1/clip_3: before clips that the project has already" in third.stderr
    assert "hint: in the Data Manager, filter by the case, sort by the column 'order'" in third.stderr
    after = project.tasks()
    assert after[:3] == before
    assert [(task["clip"], task["order"]) for task in after[3:]] == [("clip_3", 2.5), ("clip_5", 4)]


def test_an_unreadable_file_fails_by_itself(project: Project, videos: VideoFactory) -> None:
    videos.make(project.folder / "op1" / "clip_1.mp4")
    (project.folder / "op1" / "clip_2.mp4").write_bytes(b"this is no video")
    (project.folder / "op1" / "clip_3.mp4").write_bytes(b"")
    result = project.run(project.folder, "--json")
    assert result.exit_code == 1
    assert project.clips() == ["op1/clip_1"]
    document = json.loads(result.stdout)
    assert [(item["clip"], item["status"]) for item in document["items"]] == [
        ("op1/clip_1", "imported"),
        ("op1/clip_2", "failed"),
        ("op1/clip_3", "failed"),
    ]
    assert document["items"][0]["task"] == project.tasks()[0]["task"]
    assert (document["exit_code"], document["command"], document["dry_run"]) == (1, "import-clips", False)
    assert document["project"] == {
        "id": project.id, "title": project.title, "url": f"{project.server.url}/projects/{project.id}/data"
    }  # fmt: skip
    assert "error: 2 of 3 clips were not imported:\n" in result.stderr
    assert f"  {project.folder}/op1/clip_2.mp4 cannot be read as a video:" in result.stderr
    assert f"  {project.folder}/op1/clip_3.mp4 is empty (0 bytes)\n" in result.stderr
    assert "; then run the same command again: it adds only what is missing" in result.stderr


def test_a_clip_that_changed_since_it_was_imported(project: Project, videos: VideoFactory) -> None:
    clip = videos.make(project.folder / "op1" / "clip_1.mp4")
    assert project.run(project.folder).exit_code == 0
    before = project.tasks()
    videos.make(clip, n_frames=40)
    videos.make(project.folder / "op1" / "clip_2.mp4", first_number=2)
    result = project.run(project.folder)
    assert result.exit_code == 1
    assert f"  {clip} is not what was imported as op1/clip_1 (task {before[0]['task']})" in result.stderr
    assert "give clips with other content another name" in result.stderr
    assert "clips imported 1, changed: 1;" in result.stderr
    assert project.tasks()[:1] == before


def test_a_dry_run_changes_nothing(project: Project, videos: VideoFactory) -> None:
    videos.make(project.folder / "op1" / "clip_1.mp4")
    result = project.run(project.folder, "--dry-run", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert [(item["clip"], item["status"], item["order"]) for item in document["items"]] == [("op1/clip_1", "new", 1)]
    assert "clips would import 1;" in result.stderr
    assert project.tasks() == []


def test_quiet(project: Project, videos: VideoFactory) -> None:
    videos.make(project.folder / "op1" / "clip_1.mp4")
    result = project.run(project.folder, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert project.clips() == ["op1/clip_1"]


def test_gaps_and_copies_are_warned_about(project: Project, videos: VideoFactory) -> None:
    first = videos.make(project.folder / "op1" / "clip_1.mp4")
    shutil.copy(first, project.folder / "op1" / "clip_3.mp4")
    result = project.run(project.folder)
    assert result.exit_code == 0
    assert "warning: the same content under 2 names: op1/clip_1, op1/clip_3" in result.stderr
    assert "warning: case op1: no clip numbered clip_2" in result.stderr


def test_a_manifest_sets_cases_names_and_order(project: Project, videos: VideoFactory) -> None:
    for name in ("b", "a", "c"):
        videos.make(project.folder / f"{name}.mp4", first_number=ord(name))
    manifest = project.folder / "clips.csv"
    manifest.write_text("path,case,clip,order\nb.mp4,op7,first,1\na.mp4,op7,second,2\nc.mp4,op2,only,\n")
    assert project.run(manifest).exit_code == 0
    assert [(task["id"], task["order"]) for task in project.tasks()] == [
        ("op2/only", 1),
        ("op7/first", 1),
        ("op7/second", 2),
    ]


def test_order_by_time_of_recording(project: Project, videos: VideoFactory) -> None:
    source = videos.make(n_frames=10)
    for name, time in (("a", "2026-01-01T12:00:00Z"), ("b", "2026-01-01T10:00:00Z"), ("c", "2026-01-01T11:00:00Z")):
        target = project.folder / "op1" / f"{name}.mp4"
        target.parent.mkdir(exist_ok=True)
        subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-nostdin",
                "-i",
                source,
                "-c",
                "copy",
                "-metadata",
                f"creation_time={time}",
                target,
            ],
            check=True,
        )
    result = project.run(project.folder, "--dry-run")
    assert "case op1: a comes before b, but was recorded after it, as the files say" in result.stderr
    result = project.run(project.folder, "--order", "recorded")
    assert result.exit_code == 0
    assert "recorded after" not in result.stderr
    assert project.clips() == ["op1/b", "op1/c", "op1/a"]
    videos.make(project.folder / "op1" / "d.mp4", first_number=9)
    result = project.run(project.folder, "--order", "recorded")
    assert result.exit_code == 1
    assert f"error: 1 clips have no time of recording:\n  {project.folder}/op1/d.mp4\n" in result.stderr
    assert "hint: order them by name (--order name), or in a manifest" in result.stderr
    assert len(project.tasks()) == 3


def test_one_case_for_all(project: Project, videos: VideoFactory) -> None:
    videos.make(project.folder / "camera" / "clip_1.mp4")
    assert project.run(project.folder, "--case", "Case 7").exit_code == 0
    assert project.clips() == ["Case 7/clip_1"]


def test_tasks_of_other_origin_are_left_alone(project: Project, videos: VideoFactory) -> None:
    project.server.api("POST", f"/api/projects/{project.id}/import", [{"data": {"video": "x", "fps": "25", "id": 5}}])
    videos.make(project.folder / "op1" / "clip_1.mp4")
    result = project.run(project.folder)
    assert result.exit_code == 0
    assert "warning: 1 tasks of the project were not made by import-clips; they are left as they are" in result.stderr
    assert len(project.tasks()) == 2


def test_a_project_that_does_not_read_the_frame_rate(project: Project, videos: VideoFactory) -> None:
    config = {"label_config": CONFIG.replace(' frameRate="$fps"', "")}
    project.server.api("PATCH", f"/api/projects/{project.id}", config)
    videos.make(project.folder / "op1" / "clip_1.mp4")
    result = project.run(project.folder)
    assert (
        f"project {project.id} does not take the frame rate from its tasks: frame numbers will be wrong"
        in result.stderr
    )


# --- Where the server finds clips -------------------------------------------------------------------------------------


def test_clips_outside_the_storage_folders(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    result = project.run(clip)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"error: 1 clips lie outside the storages of project {project.id} ({project.folder}):\n  {clip}\n"
        f"hint: connect their folder: lsvid setup-project LABELS --project {project.id} --storage DIR, or "
        "s3://BUCKET/PREFIX; if the server sees the folder under another path (a container): "
        "--storage DIR=SERVER_DIR\n"
    )
    assert project.tasks() == []


def test_a_folder_that_the_server_sees_elsewhere(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    """As a container does: the same files under two paths."""
    videos.make(project.folder / "op1" / "clip_1.mp4")
    here = tmp_path / "here"
    shutil.copytree(project.folder, here)
    result = project.run(here, "--storage", f"{here}={project.folder}")
    assert result.exit_code == 0, result.stderr
    folder = project.folder.relative_to(project.server.document_root)
    assert [task["video"] for task in project.tasks()] == [f"/data/local-files/?d={folder}/op1/clip_1.mp4"]
    assert project.tasks()[0]["path"] == str(here / "op1" / "clip_1.mp4")


def test_a_mapping_to_a_folder_that_is_not_connected(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    result = project.run(clip, "--storage", f"{tmp_path}=/elsewhere")
    assert result.exit_code == 2
    assert "error: the project has no storage folder that holds /elsewhere\n" in result.stderr
    assert f"hint: connect it: lsvid setup-project LABELS --project ID --storage {tmp_path}=/elsewhere" in result.stderr


def test_a_storage_folder_behind_a_link(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    """Clips come with links followed; the server serves what lies at the storage's own path."""
    videos.make(tmp_path / "real" / "op1" / "clip_1.mp4")
    link = project.server.document_root / f"link_{project.id}"
    link.symlink_to(tmp_path / "real")
    storage = {"project": project.id, "path": str(link), "use_blob_urls": True}
    project.server.api("POST", "/api/storages/localfiles/", storage)
    result = project.run(link)
    assert result.exit_code == 0, result.stderr
    assert project.tasks()[0]["video"] == f"/data/local-files/?d={link.name}/op1/clip_1.mp4"


def test_the_server_has_no_such_file(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    result = project.run(clip, "--storage", f"{tmp_path}={project.folder}")
    assert result.exit_code == 3
    served = project.folder / "op1" / "clip_1.mp4"
    assert f"error: Label Studio does not give out {served}: status 404\n" in result.stderr
    assert "hint: check that the server sees this file and may read it" in result.stderr
    assert project.tasks() == []


def test_the_server_has_another_file(project: Project, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    other = videos.make(project.folder / "op1" / "clip_1.mp4", n_frames=10)
    result = project.run(clip, "--storage", f"{tmp_path}={project.folder}")
    assert result.exit_code == 3
    assert (
        f"error: Label Studio has another file at {other}: {other.stat().st_size} bytes, on this machine "
        f"{clip.stat().st_size}\n"
    ) in result.stderr
    assert project.tasks() == []


def test_a_document_root_that_is_not_the_servers(project: Project, videos: VideoFactory) -> None:
    clip = videos.make(project.folder / "op1" / "clip_1.mp4")
    result = project.run(clip, "--document-root", "/srv")
    assert result.exit_code == 2
    assert f"error: {clip} does not lie below the server's document root /srv\n" in result.stderr


def test_the_servers_word_on_its_document_root_goes_before_the_environments(
    project: Project, videos: VideoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "/wrong")
    videos.make(project.folder / "op1" / "clip_1.mp4")
    assert project.run(project.folder).exit_code == 0


def test_a_project_without_storage(server_environment: LabelStudio, videos: VideoFactory, media_folder: Path) -> None:
    made = server_environment.api("POST", "/api/projects", {"title": "No storage", "label_config": CONFIG})
    clip = videos.make(media_folder / "op1" / "clip_1.mp4")
    result = CliRunner().invoke(cli, ["import-clips", str(clip), "--project", "No storage"])
    assert result.exit_code == 2
    assert f"outside the storages of project {made['id']} (it has none):" in result.stderr


# --- Mistakes ---------------------------------------------------------------------------------------------------------


def test_no_such_project(server_environment: LabelStudio, videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    result = CliRunner().invoke(cli, ["import-clips", str(clip), "--project", "0987654x"])
    assert result.exit_code == 3
    assert f"error: Label Studio at {server_environment.url} has no project titled '0987654x'\n" in result.stderr


def test_no_such_source(server_environment: LabelStudio, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["import-clips", str(tmp_path / "nowhere"), "--project", "1"])
    assert result.exit_code == 1
    assert f"error: there is no {tmp_path}/nowhere\n" in result.stderr


def test_no_key(videos: VideoFactory, tmp_path: Path) -> None:
    clip = videos.make(tmp_path / "op1" / "clip_1.mp4")
    result = CliRunner().invoke(cli, ["import-clips", str(clip), "--project", "1"])
    assert result.exit_code == 2
    assert "error: no Label Studio access token" in result.stderr


# --- What the real server cannot be made to do ------------------------------------------------------------------------


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        yield server


@pytest.mark.parametrize(
    ("status", "text", "hint"),
    [
        (
            200,
            "gives out /srv/a.mp4 without byte ranges (status 200, not 206)",
            "let the proxy in front of Label Studio",
        ),
        (403, "does not give out /srv/a.mp4: status 403", "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true"),
        (500, "does not give out /srv/a.mp4: status 500", "see the server's log"),
    ],
)
def test_a_clip_that_is_not_served(fake: FakeServer, status: int, text: str, hint: str) -> None:
    fake.answers["GET /data/local-files"] = (status, PAGE)
    with pytest.raises(ServerError) as caught:
        check_served(connect(fake.url, "key"), "/data/local-files/?d=a.mp4", "/srv/a.mp4", 5)
    assert text in str(caught.value)
    assert hint in caught.value.hint


def test_the_document_root_where_the_server_does_not_say(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.answers["POST /api/storages/localfiles/validate"] = (400, {"detail": "no"})
    server = connect(fake.url, "key")
    with pytest.raises(ServerError) as caught:
        document_root(server, 1)
    assert str(caught.value) == (
        "Label Studio does not say below which folder it serves files: Label Studio refused while asking for the "
        "document root: no"
    )
    assert caught.value.hint.startswith("give it with document_root or LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT")
    monkeypatch.setenv("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "/srv/media/")
    assert document_root(server, 1) == "/srv/media"
    assert document_root(server, 1, "/flag") == "/flag"


def test_paths_of_a_server_on_windows(tmp_path: Path) -> None:
    folder = StorageFolder("C:\\media\\clips", str(tmp_path))
    path = folder.on_server(str(tmp_path / "op1" / "a b.mp4"))
    assert path is not None
    assert path == "C:\\media\\clips\\op1\\a b.mp4"
    assert local_files_url(path, "C:\\media") == "/data/local-files/?d=clips/op1/a%20b.mp4"
    with pytest.raises(SettingsError, match="does not lie below the server's document root"):
        local_files_url(path, "D:\\media")
    share = StorageFolder("\\\\nas\\or\\clips", str(tmp_path)).on_server(str(tmp_path / "op1" / "a.mp4"))
    assert share is not None
    assert share == "\\\\nas\\or\\clips\\op1\\a.mp4"
    assert local_files_url(share, "\\\\nas\\or") == "/data/local-files/?d=clips/op1/a.mp4"
