"""Several annotators on a real Label Studio: annotations per clip, tabs of cases, and how far everybody is."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from annotators import Annotator
from bad_proxy import bad_proxy
from bad_proxy import status as answer
from editor import Editor
from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.cli import cli
from lsvid.label_studio.client import connect
from lsvid.label_studio.project import find_project
from lsvid.label_studio.status import _Task, _Work, count
from lsvid.label_studio.views import update_case_views


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("Cut\nSew\n")
    return path


CASES = ("op1", 'ü "2", & 100%')


def tasks_of(server: LabelStudio, project: int) -> dict[str, int]:
    found = server.api("GET", f"/api/tasks?project={project}&page_size=100&resolve_uri=false")["tasks"]
    return {task["data"]["id"]: task["id"] for task in found}


def views_of(server: LabelStudio, project: int) -> dict[str, dict[str, Any]]:
    return {view["data"]["title"]: view for view in server.api("GET", f"/api/dm/views/?project={project}")}


@pytest.mark.server
def test_a_team(server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, labels: Path) -> None:
    server = server_environment
    for case in CASES:
        for number in (1, 2, 4, 10):
            videos.make(media_folder / case / f"clip_{number}.mp4", n_frames=25)
    setup = ("setup-project", labels, "--title", "A team", "--storage", media_folder)
    assert run(*setup, "--annotations-per-clip", 2).exit_code == 0
    project = find_project(connect(server.url, server.token), "A team")
    assert project.annotations_per_clip == 2
    unchanged = run(*setup)
    assert "unchanged" in unchanged.stderr
    assert run("import-clips", media_folder, "--project", "A team").exit_code == 0

    views = views_of(server, project.id)
    assert list(views) == [f"Case {case}" for case in CASES]
    ann, bob = (Annotator(server, f"{name}@example.com") for name in ("ann", "bob"))
    tasks = tasks_of(server, project.id)
    for case in CASES:
        assert ann.next_in(project.id, views[f"Case {case}"]) == f"{case}/clip_1"

    # A late clip takes its place in the tab, and the tabs there are stay.
    videos.make(media_folder / "op1" / "clip_3.mp4", n_frames=25, first_number=3)
    assert run("import-clips", media_folder, "--project", "A team").exit_code == 0
    assert views_of(server, project.id) == views
    tasks = tasks_of(server, project.id)
    served = []
    for _ in range(5):
        clip = ann.next_in(project.id, views["Case op1"])
        served.append(clip)
        ann.submit(tasks[clip])
    assert served == [f"op1/clip_{number}" for number in (1, 2, 3, 4, 10)]
    assert ann.next_in(project.id, views["Case op1"]) == 404
    bob.submit(tasks["op1/clip_1"], lead_time=30.4)
    bob.submit(tasks["op1/clip_2"], skip=True)
    bob.post(f"/api/tasks/{tasks['op1/clip_3']}/drafts?project={project.id}", {"result": [], "lead_time": 5})

    result = run("status", "--project", "A team")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "case           annotator        done  skipped  drafts  left    video     work",
        "op1                                1        1       1     4  0:00:01  0:06:35",
        "               ann@example.com     5        0       0     0  0:00:05  0:05:00",
        "               bob@example.com     1        1       1     4  0:00:01  0:01:35",
        'ü "2", & 100%                      0        0       0     4  0:00:00  0:00:00',
        "all cases      ann@example.com     5        0       0     0  0:00:05  0:05:00",
        "               bob@example.com     1        1       1     4  0:00:01  0:01:35",
    ]
    assert result.stderr == f"project {project.id} (A team): 1 of 9 clips have 2 annotation(s)\n"
    document = json.loads(run("status", "--project", "A team", "--json").stdout)
    assert document["project"]["annotations_per_clip"] == 2
    assert document["cases"][0]["annotators"][1] == {
        "annotator": "bob@example.com", "done": 1, "skipped": 1, "drafts": 1, "left": 4, "work_s": 95.4, "video_s": 1.0
    }  # fmt: skip
    assert document["cases"][1] == {
        "case": CASES[1],
        "clips": 4,
        "complete": 0,
        "left": 4,
        "video_s": 0,
        "annotators": [],
    }

    assert run(*setup, "--annotations-per-clip", 1).exit_code == 0
    assert "5 of 9 clips have 1 annotation(s)" in run("status", "--project", "A team").stderr


@pytest.mark.server
def test_what_annotations_per_clip_means_to_the_server(label_studio: LabelStudio) -> None:
    """The facts that the docstring of setup.Settings states."""
    config = (
        '<View><Video name="video" value="$video" frameRate="$fps"/>'
        '<TimelineLabels name="task" toName="video"><Label value="Cut"/></TimelineLabels></View>'
    )
    body = {"title": "Overlap", "label_config": config, "maximum_annotations": 1}
    project = label_studio.api("POST", "/api/projects", body)["id"]
    datas = [
        {"data": {"video": "x", "fps": "25", "case": "op1", "id": f"op1/{n}", "order": n, "fingerprint": str(n)}}
        for n in range(3)
    ]
    ids = label_studio.api("POST", f"/api/projects/{project}/import?return_task_ids=true", datas)["task_ids"]
    server = connect(label_studio.url, label_studio.token)
    assert update_case_views(server, project, ["op1"]) == ["op1"]
    assert update_case_views(server, project, ["op1"]) == []
    ann, bob = (Annotator(label_studio, f"{name}@overlap.example.com") for name in ("ann", "bob"))
    assert (ann.next_in(project), bob.next_in(project)) == ("op1/0", "op1/1")  # held
    (view,) = views_of(label_studio, project).values()
    assert (ann.next_in(project, view), bob.next_in(project, view)) == ("op1/0", "op1/0")  # not held
    ann.submit(ids[0])
    bob.submit(ids[0])  # taken all the same
    assert label_studio.api("GET", f"/api/tasks/{ids[0]}")["total_annotations"] == 2
    bob.submit(ids[1], skip=True)
    assert (ann.next_in(project), bob.next_in(project)) == ("op1/1", "op1/2")  # a skipped clip goes to others

    # People may rename a tab; its order is put back.
    changed = {**view["data"], "title": "Mine", "ordering": ["-tasks:id"]}
    label_studio.api("PATCH", f"/api/dm/views/{view['id']}/", {"project": project, "data": changed})
    assert update_case_views(server, project, ["op1"]) == ["op1"]
    (again,) = views_of(label_studio, project).values()
    assert (again["id"], again["data"]["title"], again["data"]["ordering"]) == (
        view["id"], "Mine", ["tasks:data.order"]
    )  # fmt: skip
    assert again["data"]["filters"] == view["data"]["filters"]


@pytest.mark.server
def test_who_does_what(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, labels: Path, tmp_path: Path
) -> None:
    server = server_environment
    for case, number in (("op1", 1), ("op1", 2), ("op2", 1), ("op10", 1)):
        videos.make(media_folder / case / f"clip_{number}.mp4", n_frames=25)
    assert run("setup-project", labels, "--title", "Who", "--storage", media_folder).exit_code == 0
    people = tmp_path / "people.csv"
    people.write_text(
        "case,person\nop10,ann@who.example.com\nop1,ann@who.example.com\nop2,bob@who.example.com\nop3,bob@who.example.com\n"
    )
    imported = run("import-clips", media_folder, "--project", "Who", "--assign", people)
    assert imported.exit_code == 0, imported.output
    assert "assigned cases of which the project has no clip: op3" in imported.stderr
    project = find_project(connect(server.url, server.token), "Who").id
    views = views_of(server, project)
    assert list(views) == ["Case op1", "Case op2", "Case op10", "ann@who.example.com", "bob@who.example.com"]
    ids = tasks_of(server, project)
    ann = Annotator(server, "ann@who.example.com")
    served = []
    for _ in range(3):
        served.append(ann.next_in(project, views["ann@who.example.com"]))
        ann.submit(ids[served[-1]])
    assert served == ["op1/clip_1", "op1/clip_2", "op10/clip_1"]
    assert ann.next_in(project, views["ann@who.example.com"]) == 404

    status = json.loads(run("status", "--project", "Who", "--json").stdout)
    shares = {one["annotator"]: (one["assigned"], one["done"], one["left"], one["video_s"]) for one in status["people"]}
    assert shares == {
        "ann@who.example.com": (["op1", "op10"], 3, 0, 3.0), "bob@who.example.com": (["op2", "op3"], 0, 1, 0.0)
    }  # fmt: skip
    assert run("status", "--project", "Who").stdout.splitlines()[-2:] == [
        "all cases  ann@who.example.com     3        0       0     0  0:00:03  0:03:00",
        "           bob@who.example.com     0        0       0     1  0:00:00  0:00:00",
    ]

    # Somebody else takes a case: the tab there is changes, and keeps its name and place.
    people.write_text("op10,bob@who.example.com\nop1,ann@who.example.com\nop2,bob@who.example.com\n")
    assert run("import-clips", media_folder, "--project", "Who", "--assign", people).exit_code == 0
    again = views_of(server, project)
    assert [view["id"] for view in again.values()] == [view["id"] for view in views.values()]
    values = [one["value"] for one in again["bob@who.example.com"]["data"]["filters"]["items"]]
    assert values == ["op2", "op10"]


@pytest.mark.browser
def test_the_columns_of_a_case(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, labels: Path, editor: Editor
) -> None:
    videos.make(media_folder / "op1" / "clip_1.mp4", n_frames=25)
    assert run("setup-project", labels, "--title", "Columns", "--storage", media_folder).exit_code == 0
    assert run("import-clips", media_folder, "--project", "Columns").exit_code == 0
    server = connect(server_environment.url, server_environment.token)
    project = find_project(server, "Columns").id
    (view,) = views_of(server_environment, project).values()
    page = editor.page
    page.goto(f"{server_environment.url}/projects/{project}/data?tab={view['id']}")
    page.get_by_text("clip_1", exact=True).wait_for()
    editor.screenshot("case-tab")
    names = ["Completed", "Annotated by", "Lead Time", "Drafts", "clip", "duration_s"]
    found = [
        one
        for one in page.locator("[class*=table-head]").first.inner_text().split("\n")
        if one in names or len(one) > 3
    ]
    # Two numbers stand under icons, and the tasks' data stand last, whatever is hidden (1.23.2).
    assert found == names
    box = page.get_by_text("clip_1", exact=True).bounding_box()
    assert box
    assert box["x"] + box["width"] < 1366

    # What people chose stays; what lsvid of old chose gives way.
    mine = {"explore": ["tasks:data.clip"], "labeling": []}
    of_old = {"explore": ["tasks:data.fingerprint", "tasks:data.path", "tasks:data.id"], "labeling": []}
    for hidden, changed in ((mine, []), (of_old, ["op1"])):
        data = {**view["data"], "hiddenColumns": hidden}
        server_environment.api("PATCH", f"/api/dm/views/{view['id']}/", {"project": project, "data": data})
        assert update_case_views(server, project, ["op1"]) == changed
        (after,) = views_of(server_environment, project).values()
        assert after["data"]["hiddenColumns"] == (view["data"]["hiddenColumns"] if changed else mine)


@pytest.mark.server
def test_a_tab_that_cannot_be_made_is_no_reason_to_fail(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, labels: Path
) -> None:
    videos.make(media_folder / "op1" / "clip_1.mp4")
    assert run("setup-project", labels, "--title", "No tabs", "--storage", media_folder).exit_code == 0
    with bad_proxy(server_environment.url) as proxy:
        proxy.when = lambda request: request.startswith("POST /api/dm/views")
        proxy.mischief = iter([answer(500)])
        result = run("import-clips", media_folder, "--project", "No tabs", "--url", proxy.url)
    assert result.exit_code == 0
    assert "warning: not every case has its tab in the Data Manager: Label Studio at" in result.stderr
    assert "clips imported 1" in result.stderr


def test_counting() -> None:
    tasks = [
        _Task({"case": "b", "duration_s": 10}, [_Work(1, lead_time=3), _Work(1), _Work(2, was_cancelled=True)]),
        _Task({"case": "b"}, [], [_Work(user="ann@x", annotation=5), 7]),
        _Task({"case": "a", "duration_s": 5}, [_Work({"email": "eve@x"})]),
        _Task({}, []),
    ]
    cases = count(tasks, 1, {"1": "ann@x", "2": "bob@x"})
    assert [(one.case, one.clips, one.complete) for one in cases] == [("", 1, 0), ("a", 1, 1), ("b", 2, 1)]
    ann, bob = cases[2].annotators["ann@x"], cases[2].annotators["bob@x"]
    assert (ann.done, ann.left, ann.work_s, ann.video_s, ann.drafts) == (1, 1, 3, 10, 0)
    assert (bob.done, bob.skipped, bob.left) == (0, 1, 1)
    assert cases[1].annotators["eve@x"].done == 1


def test_the_length_of_a_clip_counts_once_for_its_case() -> None:
    two_did_it = _Task({"case": "a", "duration_s": 10}, [_Work(1, lead_time=3), _Work(2, lead_time=4)])
    one_did_it = _Task({"case": "a", "duration_s": 20}, [_Work(1)])
    (case,) = count([two_did_it, one_did_it], 2, {})
    assert (case.complete, case.video_s) == (1, 10)
    assert {who: (share.video_s, share.work_s) for who, share in case.annotators.items()} == {
        "1": (30, 3),
        "2": (10, 4),
    }
