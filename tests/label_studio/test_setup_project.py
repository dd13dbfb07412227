"""`lsvid setup-project` against the real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fake_server import PAGE, Answer, FakeServer, serving
from label_studio_server import LabelStudio, start
from lsvid.cli import cli
from lsvid.label_studio import setup
from lsvid.label_studio.client import connect
from lsvid.label_studio.project import storage_folders
from lsvid.label_studio.serve import free_port
from lsvid.labeling.config import labeling_config
from lsvid.labels.files import parse_labels_text

pytestmark = pytest.mark.server

LABELS = "Cut\n--Blunt\n--Sharp\nSuture\n--Knot\n----Square\n----Slip\n--Running\nIdle\n"


class Setup:
    """Runs setup-project on a label file of the test's own; `text` is written into it before each run."""

    def __init__(self, server: LabelStudio, folder: Path, title: str) -> None:
        self.server = server
        self.file = folder / "labels.txt"
        self.title = title
        self.text = LABELS

    def run(self, *arguments: object, named: bool = True) -> Result:
        self.file.write_text(self.text, encoding="utf-8")
        words = ["setup-project", str(self.file), *map(str, arguments), *(("--title", self.title) if named else ())]
        return CliRunner().invoke(cli, words)

    def document(self, *arguments: object, named: bool = True) -> dict[str, Any]:
        result = self.run("--json", *arguments, named=named)
        assert result.exit_code == 0, result.stderr
        return dict(json.loads(result.stdout))

    def project(self, project_id: int) -> dict[str, Any]:
        return dict(self.server.api("GET", f"/api/projects/{project_id}/"))

    def annotate(self, project_id: int, *results: dict[str, Any], as_draft: bool = False) -> None:
        data = {"video": "x", "fps": "25"}
        url = f"/api/projects/{project_id}/import?return_task_ids=true"
        (task,) = self.server.api("POST", url, [{"data": data}])["task_ids"]
        kind = "drafts" if as_draft else "annotations"
        self.server.api("POST", f"/api/tasks/{task}/{kind}", {"result": list(results), "lead_time": 1})

    def config(self, timeline: Any = "frames") -> str:
        return labeling_config(parse_labels_text(self.text, "labels.txt"), timeline)


@pytest.fixture
def setup_run(server_environment: LabelStudio, tmp_path: Path, request: pytest.FixtureRequest) -> Setup:
    return Setup(server_environment, tmp_path, f"Setup {request.node.name[-44:]}")


def region(region_id: str, label: str) -> dict[str, Any]:
    value = {"ranges": [{"start": 1, "end": 5}], "timelinelabels": [label]}
    return {"id": region_id, "from_name": "task", "to_name": "video", "type": "timelinelabels", "value": value}


def choice(region_id: str, control: str, choices: list[Any]) -> dict[str, Any]:
    value = {"ranges": [{"start": 1, "end": 5}], "choices": choices}
    return {"id": region_id, "from_name": control, "to_name": "video", "type": "choices", "value": value}


def control(config: str, label: str) -> str:
    """The name of the Choices with the sub labels of `label`."""
    return config.split(f'whenLabelValue="{label}"', maxsplit=1)[0].rsplit('name="', 1)[1].split('"', maxsplit=1)[0]


def test_a_project_is_made_once(setup_run: Setup, media_folder: Path) -> None:
    made = setup_run.document("--storage", media_folder)
    project_id = made["project"]["id"]
    assert made["status"] == "created"
    assert made["project"]["url"] == f"{setup_run.server.url}/projects/{project_id}/data"
    assert made["timeline"] == "frames"
    assert made["labels"]["added"][:3] == ["Cut", "Cut / Blunt", "Cut / Sharp"]
    assert made["storages"] == [{"path": str(media_folder), "status": "connected"}]
    project = setup_run.project(project_id)
    assert project["title"] == setup_run.title
    assert project["label_config"] == setup_run.config().strip()
    assert project["sampling"] == "Sequential sampling"
    assert project["show_instruction"] is True
    assert "Cut" in project["expert_instruction"]
    assert setup.OWN_PAGE in project["expert_instruction"]
    (storage,) = setup_run.server.api("GET", f"/api/storages/localfiles/?project={project_id}")
    assert (storage["path"], storage["use_blob_urls"]) == (str(media_folder), True)
    assert storage["last_sync"] is None

    again = setup_run.run("--storage", media_folder)
    assert again.exit_code == 0
    assert again.stdout == ""
    assert again.stderr == (
        f"project {project_id} ({setup_run.title}), timeline frames: unchanged; "
        f"{setup_run.server.url}/projects/{project_id}/data\n"
    )
    assert setup_run.project(project_id) == project
    assert len(setup_run.server.api("GET", f"/api/storages/localfiles/?project={project_id}")) == 1


def test_without_a_title_it_is_that_of_the_label_file(setup_run: Setup) -> None:
    setup_run.file = setup_run.file.with_name("Büro & Säle.txt")
    assert setup_run.document(named=False)["project"]["title"] == "Büro & Säle"
    assert setup_run.document(named=False)["status"] == "unchanged"


@pytest.mark.parametrize("title", ["ab", "x" * 51])
def test_a_title_of_the_wrong_length(setup_run: Setup, title: str) -> None:
    setup_run.title = title
    result = setup_run.run()
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: a project's title has 3 to 50 characters; {title!r} has {len(title)}\n"
        "hint: give another with --title\n"
    )


def test_labels_are_added_removed_and_renamed(setup_run: Setup) -> None:
    setup_run.file = setup_run.file.with_suffix(".yaml")
    setup_run.text = "labels:\n- {name: Cut, id: cut}\n- Idle\n"
    project_id = setup_run.document()["project"]["id"]
    setup_run.text = "labels:\n- {name: Incision, id: cut}\n- Suture\n"
    preview = setup_run.run("--dry-run")
    assert preview.exit_code == 0
    assert preview.stdout.startswith("--- project\n+++ label file\n@@")
    assert any(line.startswith("+") and "Suture" in line for line in preview.stdout.splitlines())
    assert "Suture" not in setup_run.project(project_id)["label_config"]
    result = setup_run.run()
    assert result.stderr.startswith(
        "  + Suture\n  - Idle\n  ~ Cut -> Incision\n"
        f"project {project_id} ({setup_run.title}), timeline frames: updated; "
    )
    project = setup_run.project(project_id)
    assert 'value="Incision" alias="cut"' in project["label_config"]
    assert "Incision" in project["expert_instruction"]


def test_a_dry_run_of_a_new_project(setup_run: Setup, media_folder: Path) -> None:
    result = setup_run.run("--dry-run", "--storage", media_folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("--- project\n+++ label file\n@@ -0,0 +1,")
    assert result.stderr.splitlines() == [
        f"  storage folder {media_folder}: would be connected",
        f"project ({setup_run.title}), timeline frames: would be created",
    ]
    titles = [project["title"] for project in setup_run.server.api("GET", "/api/projects?page_size=1000")["results"]]
    assert setup_run.title not in titles


def test_a_project_by_its_id_is_renamed(setup_run: Setup) -> None:
    project_id = setup_run.document()["project"]["id"]
    setup_run.title = "Another title"
    assert setup_run.document("--project", project_id)["status"] == "updated"
    assert setup_run.project(project_id)["title"] == "Another title"
    assert setup_run.document("--project", project_id, named=False)["status"] == "unchanged"
    assert setup_run.project(project_id)["title"] == "Another title"


def test_two_projects_of_one_title(setup_run: Setup) -> None:
    first, second = (setup_run.server.api("POST", "/api/projects", {"title": setup_run.title})["id"] for _ in "ab")
    result = setup_run.run()
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: 2 projects are titled {setup_run.title!r}: ids {first}, {second}\n"
        f"hint: name one by its id: --project {first}\n"
    )
    assert setup_run.document("--project", second, named=False)["status"] == "updated"


def test_a_project_that_is_not_there(setup_run: Setup) -> None:
    result = setup_run.run("--project", "99999", named=False)
    assert result.exit_code == 3
    assert f"error: Label Studio at {setup_run.server.url} has no project 99999\n" in result.stderr


def test_the_timeline_stays_as_it_is_unless_given(setup_run: Setup) -> None:
    project_id = setup_run.document("--timeline", "waveform")["project"]["id"]
    assert "<Audio" in setup_run.project(project_id)["label_config"]
    assert setup_run.document()["status"] == "unchanged"
    assert setup_run.document("--timeline", "frames")["timeline"] == "frames"
    assert "<Audio" not in setup_run.project(project_id)["label_config"]


# --- Annotations are not robbed of their labels -----------------------------------------------------------------------


def test_labels_in_use_are_not_removed(setup_run: Setup) -> None:
    project_id = setup_run.document()["project"]["id"]
    config = setup_run.config()
    setup_run.annotate(
        project_id,
        region("a", "Cut"), choice("a", control(config, "Cut"), ["Sharp"]),
        region("b", "Suture"), choice("b", control(config, "Suture"), [["Knot", "Square"]]),
        region("c", "Idle"), region("d", "Idle"),
    )  # fmt: skip
    setup_run.annotate(project_id, region("e", "Idle"), as_draft=True)
    before = setup_run.project(project_id)["label_config"]

    assert setup_run.document()["status"] == "unchanged"
    setup_run.text = LABELS + "Rinse\n"
    assert setup_run.document()["labels"] == {"added": ["Rinse"], "removed": [], "renamed": []}
    setup_run.text = LABELS
    assert setup_run.document()["labels"]["removed"] == ["Rinse"]
    assert setup_run.project(project_id)["label_config"] == before

    setup_run.text = "Cut\n--Blunt\nSuture\n--Knot\n----Slip\n--Running\n"
    for arguments in ((), ("--dry-run",)):
        result = setup_run.run(*arguments)
        assert result.exit_code == 1
        assert result.stderr == (
            f"error: annotations of project {project_id} use labels that this update removes:\n"
            "  Cut / Sharp: 1\n"
            "  Idle: 3\n"
            "  Suture / Knot / Square: 1\n"
            "hint: keep these labels in the label file (give a label an id to rename it), or go on with --force: the "
            "annotations stay, but their labels can no longer be chosen\n"
        )
        assert setup_run.project(project_id)["label_config"] == before

    forced = setup_run.run("--force")
    assert forced.exit_code == 0
    assert "warning: annotations use labels that are no longer there:\n  Cut / Sharp: 1\n" in forced.stderr
    assert setup_run.project(project_id)["label_config"] == setup_run.config().strip()


def test_the_server_refuses_even_by_force(setup_run: Setup) -> None:
    """It does not let a control go that annotations have used: here the sub labels of Cut."""
    project_id = setup_run.document()["project"]["id"]
    sub_labels = control(setup_run.config(), "Cut")
    setup_run.annotate(project_id, region("a", "Cut"), choice("a", sub_labels, ["Sharp"]))
    setup_run.text = "Cut\nIdle\n"
    assert "  Cut / Sharp: 1\n" in setup_run.run().stderr
    result = setup_run.run("--force")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: Label Studio does not accept this update, even with --force:\n")
    assert f"1 with from_name={sub_labels}, to_name=video, type=choices" in result.stderr
    assert "hint: delete these annotations first, or make a new project: --title TITLE\n" in result.stderr


def test_the_timeline_of_annotations_cannot_change(setup_run: Setup) -> None:
    project_id = setup_run.document()["project"]["id"]
    setup_run.annotate(project_id, region("a", "Cut"), region("b", "Idle"))
    for arguments in ((), ("--force",)):
        result = setup_run.run("--timeline", "waveform", *arguments)
        assert result.exit_code == 1
        assert result.stderr == (
            f"error: the timeline of project {project_id} cannot change from frames to waveform any more: 2 labels are "
            "set\nhint: make a new project for it: --title TITLE\n"
        )
    assert setup_run.project(project_id)["label_config"] == setup_run.config().strip()


def test_instructions_written_by_people_stay(setup_run: Setup) -> None:
    project_id = setup_run.document()["project"]["id"]
    own = {"expert_instruction": "<p>Ask <b>Ada</b>.</p>", "show_instruction": False}
    setup_run.server.api("PATCH", f"/api/projects/{project_id}/", own)
    setup_run.text = LABELS + "Rinse\n"
    result = setup_run.run()
    assert result.exit_code == 0
    assert f"warning: the instructions of project {project_id} were written by people: they stay as they are" in (
        result.stderr
    )
    project = setup_run.project(project_id)
    assert "Rinse" in project["label_config"]
    assert (project["expert_instruction"], project["show_instruction"]) == ("<p>Ask <b>Ada</b>.</p>", False)


# --- Storage folders --------------------------------------------------------------------------------------------------


def test_storage_folders_are_added_and_never_doubled(setup_run: Setup, media_folder: Path) -> None:
    inner, other = media_folder / "a=b ü", media_folder / "other"
    inner.mkdir()
    other.mkdir()
    project_id = setup_run.document("--storage", inner)["project"]["id"]
    second = setup_run.document("--storage", f"{inner}/", "--storage", other)
    assert second["status"] == "updated"
    assert second["storages"] == [
        {"path": str(inner), "status": "present"},
        {"path": str(other), "status": "connected"},
    ]
    assert setup_run.document("--storage", inner / ".")["status"] == "unchanged"
    server = connect(setup_run.server.url, setup_run.server.token)
    assert [folder.path for folder in storage_folders(server, project_id)] == [str(inner), str(other)]


def test_a_folder_that_the_server_sees_elsewhere(setup_run: Setup, media_folder: Path, tmp_path: Path) -> None:
    """Remembered in the storage's description, so that import-clips and export-frames find the clips here."""
    project_id = setup_run.document("--storage", f"{tmp_path}={media_folder}")["project"]["id"]
    server = connect(setup_run.server.url, setup_run.server.token)
    (folder,) = storage_folders(server, project_id)
    assert (folder.path, folder.local) == (str(media_folder), str(tmp_path))
    assert setup_run.document("--storage", f"{tmp_path}={media_folder}")["status"] == "unchanged"


def test_the_document_root_itself(setup_run: Setup) -> None:
    root = setup_run.server.document_root
    result = setup_run.run("--storage", root)
    assert result.exit_code == 3
    made = result.stderr.partition(" is created, but ")
    assert made[2].startswith(f"the storage folder {root} is Label Studio's document root itself\n")
    assert f"hint: name a folder below it, such as {root}/clips, or start Label Studio with" in result.stderr
    assert result.stderr.endswith("; then run the same command again\n")
    again = setup_run.run("--storage", root)
    assert again.stderr.startswith(f"error: the storage folder {root} is Label Studio's document root itself\n")
    early = setup_run.run("--storage", root, "--document-root", root)
    assert early.exit_code == 2
    assert early.stderr.startswith(
        f"error: the storage folder {root} does not lie strictly below the document root {root}\n"
    )


def test_a_folder_outside_the_document_root(setup_run: Setup, tmp_path: Path) -> None:
    setup_run.run()
    for arguments in ((), ("--dry-run",)):
        result = setup_run.run("--storage", tmp_path, *arguments)
        assert result.exit_code == 3
        root = setup_run.server.document_root
        assert result.stderr.startswith(
            f"error: the storage folder {tmp_path} does not lie below Label Studio's document root {root}\n"
            f"hint: move the clips below {root}, or start Label Studio with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set "
            f"to a folder above {tmp_path}; if the server sees the folder under another path (a container): "
            f"--storage {tmp_path}=SERVER_DIR\n"
        )


def test_a_folder_that_the_server_does_not_see(setup_run: Setup, tmp_path: Path) -> None:
    setup_run.run()
    result = setup_run.run("--storage", f"{tmp_path}=/nowhere/at/all")
    assert result.exit_code == 3
    assert "error: Label Studio does not see the storage folder /nowhere/at/all\n" in result.stderr
    assert "hint: make the folder readable for the server; if it sees it under another path (a container): " in (
        result.stderr
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3://", "error: s3:// names no bucket\n"),
        ("/nowhere/at/all", "error: --storage /nowhere/at/all: there is no folder /nowhere/at/all\n"),
        ("=/media", "error: --storage =/media: neither DIR nor DIR=SERVER_DIR\n"),
        ("/media=", "error: --storage /media=: neither DIR nor DIR=SERVER_DIR\n"),
    ],
)
def test_a_storage_that_is_none(setup_run: Setup, text: str, message: str) -> None:
    result = setup_run.run("--storage", text)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


@pytest.fixture(scope="module")
def server_without_file_serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    folder = tmp_path_factory.mktemp("no-serving")
    switched_off = {"LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "false"}
    server = start(folder / "data", folder / "media", free_port(), switched_off)
    yield server
    server.stop()


def test_a_server_that_does_not_serve_files(
    server_without_file_serving: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_without_file_serving
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    clips = server.document_root / "clips"
    clips.mkdir()
    run = Setup(server, tmp_path, "No serving")
    run.run()
    result = run.run("--storage", clips)
    assert result.exit_code == 3
    assert result.stderr == (
        "error: Label Studio does not serve local files: that is switched off\n"
        "hint: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT "
        f"set to a folder above {clips}\n"
    )


# --- What the real server cannot be made to do ------------------------------------------------------------------------


def _make_slow(fake: FakeServer, folder: Path) -> Result:
    """What the command does to make the project "Slow"."""
    (folder / "labels.txt").write_text(LABELS)
    words = ["setup-project", str(folder / "labels.txt"), "--title", "Slow", "--url", fake.url, "--api-key", "key"]
    return CliRunner().invoke(cli, words)


def test_a_project_whose_making_got_no_clear_answer_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "_SETTLE_S", 0)
    made: list[dict[str, Any]] = []

    def make(body: bytes, _: object) -> Answer:
        made.append({"id": 1, "task_number": 0, **json.loads(body)})
        return 504, PAGE

    with serving(FakeServer()) as fake:
        fake.answers["POST /api/projects"] = make
        fake.answers["GET /api/projects"] = lambda *_: (200, {"results": made, "next": None})
        fake.answers["GET /api/projects/1"] = lambda *_: (200, made[0])
        result = _make_slow(fake, tmp_path)
    assert result.exit_code == 0, result.stderr
    assert len(made) == 1
    assert "project 1 (Slow), timeline frames: created" in result.stderr


def test_a_project_that_was_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_SETTLE_S", 0)
    with serving(FakeServer()) as fake:
        fake.answers["POST /api/projects"] = (503, PAGE)
        fake.answers["GET /api/projects"] = (200, {"results": [], "next": None})
        result = _make_slow(fake, tmp_path)
        assert fake.requests.count("POST /api/projects") == 1
    assert result.exit_code == 3
    assert f"error: Label Studio at {fake.url} failed while making the project 'Slow': status 503\n" in result.stderr
