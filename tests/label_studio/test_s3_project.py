"""Clips in a real S3 service through a real Label Studio: set up, import, export, and what fails."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.cli import cli
from lsvid.errors import AuthError, ServerError
from lsvid.files import storage
from lsvid.label_studio.s3 import S3Storage, _check_presigned, storage_error
from s3_server import KEY, SECRET, Bucket

pytestmark = pytest.mark.server

ODD = ["op 2/clip 01 ü#%+&.mp4", "op 2/クリップ 'a' (b)=c;d,e@f!$ 2.mp4", "op 2/z%20b?x=1.mp4"]


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "labels.txt"
    path.write_text("Cut\nSuture\n")
    return str(path)


@pytest.fixture
def title(request: pytest.FixtureRequest) -> str:
    return f"S3 {request.node.name}"[:50]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


def done(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    for text in (result.stdout, result.stderr):
        assert KEY not in text
        assert SECRET not in text
        assert "X-Amz" not in text
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_from_a_bucket_to_frames(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, labels: str, title: str, tmp_path: Path
) -> None:
    server = server_environment
    bucket.allow(server.url)
    numbers = {"op1/clip_10.mp4": 30, "op1/clip_2.mp4": 31, **{key: 32 + k for k, key in enumerate(ODD)}}
    for key, n_frames in numbers.items():
        bucket.put(f"2026/{key}", videos.make(n_frames=n_frames))
    uri = f"{bucket.uri}/2026"

    made = done("setup-project", labels, "--title", title, "--storage", uri)
    assert made["storages"] == [{"path": f"{uri}/", "status": "connected"}]
    project = made["project"]["id"]
    (there,) = server.api("GET", f"/api/storages/s3/?project={project}")
    assert (there["presign"], there["presign_ttl"], there["s3_endpoint"]) == (True, 480, bucket.server.url)
    assert there["last_sync_count"] in (None, 0), "never synchronised"
    again = done("setup-project", labels, "--title", title, "--storage", uri)
    assert (again["status"], again["storages"][0]["status"]) == ("unchanged", "present")

    first = done("import-clips", uri, "--project", title)
    assert [item["status"] for item in first["items"]] == ["imported"] * 5
    assert [item["clip"] for item in first["items"]][:3] == ["op1/clip_2", "op1/clip_10", "op 2/clip 01 ü#%+&"]
    second = done("import-clips", f"{uri}/", "--project", title)
    assert [item["status"] for item in second["items"]] == ["unchanged"] * 5
    tasks = server.api("GET", f"/api/tasks?project={project}&fields=all&page_size=100&resolve_uri=false")["tasks"]
    tasks.sort(key=lambda task: task["id"])
    assert {task["data"]["video"] for task in tasks} == {f"{uri}/{key}" for key in numbers}
    assert all(task["data"]["path"] == task["data"]["video"] for task in tasks)
    assert [task["data"]["clip"] for task in tasks if task["data"]["case"] == "op1"] == ["clip_2", "clip_10"]

    region = {
        "value": {"ranges": [{"start": 3, "end": 12}], "timelinelabels": ["Cut"]},
        "id": "r1", "from_name": "task", "to_name": "video", "type": "timelinelabels",
    }  # fmt: skip
    for task in tasks:
        server.api("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [region]})
    target = f"{bucket.uri}/results"
    done("export-frames", "--project", title, "-o", target)
    rows = bucket.get("results/frames.csv").decode().splitlines()
    assert len(rows) == 1 + sum(numbers.values())
    assert sum(",Cut," in row for row in rows) == 10 * len(numbers)
    manifest = bucket.get("results/manifest.json").decode()
    assert KEY not in manifest
    assert SECRET not in manifest


def test_a_storage_is_brought_up_to_date(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, labels: str, title: str
) -> None:
    server = server_environment
    bucket.put("op1/a.mp4", videos.make(n_frames=30))
    command = ["setup-project", labels, "--title", title, "--storage", bucket.uri]
    project = done(*command, "--presign-minutes", "60", "--no-presign")["project"]["id"]
    (there,) = server.api("GET", f"/api/storages/s3/?project={project}")
    assert (there["presign"], there["presign_ttl"]) == (False, 60)
    changed = done(*command, "--no-presign")
    assert changed["status"] == "updated"
    (after,) = server.api("GET", f"/api/storages/s3/?project={project}")
    assert (after["id"], after["presign_ttl"]) == (there["id"], 480)
    assert done("import-clips", bucket.uri, "--project", title)["items"][0]["status"] == "imported"


def test_a_bucket_that_does_not_allow_the_page_is_warned_of(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, labels: str, title: str
) -> None:
    bucket.put("op1/a.mp4", videos.make(n_frames=30))
    bucket.allow("https://elsewhere.example.org")
    result = run("setup-project", labels, "--title", title, "--storage", bucket.uri)
    assert result.exit_code == 0
    assert f"does not allow pages of {server_environment.url} to read it (CORS)" in result.stderr
    assert f'"AllowedOrigins": ["{server_environment.url}"]' in result.stderr
    assert "(CORS)" in run("import-clips", bucket.uri, "--project", title).stderr
    proxied = run("setup-project", labels, "--title", title, "--storage", bucket.uri, "--no-presign")
    assert "CORS" not in proxied.stderr


@pytest.mark.parametrize(
    ("storage", "message", "exit_code"),
    [
        ("{bucket}/empty", "{bucket}/empty/ holds no video", 1),
        ("s3://no-such-bucket-at-all", "S3 has no such bucket", 3),
        ("s3://", "s3:// names no bucket", 2),
    ],
)
def test_nothing_is_made_where_the_bucket_is_wrong(
    server_environment: LabelStudio, bucket: Bucket, labels: str, title: str, storage: str, message: str, exit_code: int
) -> None:
    result = run("setup-project", labels, "--title", title, "--storage", storage.format(bucket=bucket.uri))
    assert message.format(bucket=bucket.uri) in result.stderr
    assert result.exit_code == exit_code
    projects = server_environment.api("GET", "/api/projects/?page_size=1000")["results"]
    assert title not in [project["title"] for project in projects]


def test_clips_outside_the_storages_are_refused(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, labels: str, title: str
) -> None:
    for key in ("in/op1/a.mp4", "out/op1/b.mp4"):
        bucket.put(key, videos.make(n_frames=30))
    done("setup-project", labels, "--title", title, "--storage", f"{bucket.uri}/in")
    result = run("import-clips", f"{bucket.uri}/out", "--project", title)
    assert result.exit_code == 2
    assert "1 clips lie outside the storages of project" in result.stderr
    assert f"{bucket.uri}/out/op1/b.mp4" in result.stderr
    mapping = run("import-clips", f"{bucket.uri}/in", "--project", title, "--storage", f"{bucket.uri}/in")
    assert "what lies in S3 has the same name everywhere" in mapping.stderr


def test_a_presigned_address_that_takes_no_week_more(server_environment: LabelStudio, labels: str) -> None:
    result = run("setup-project", labels, "--storage", "s3://bucket", "--presign-minutes", "10081")
    assert "--presign-minutes 10081: S3 signs for at most a week" in result.stderr
    assert result.exit_code == 2


def test_an_address_that_has_expired_is_told_apart(bucket: Bucket) -> None:
    uri = bucket.put("op1/a.mp4", b"content")
    url = storage.presigned_url(uri, 1)
    assert _check_presigned(url, uri, 7, "http://labels.example.org") is None
    time.sleep(2.2)
    with pytest.raises(AuthError, match=r"S3 refuses the presigned address of s3://.*op1/a\.mp4 \(403\)") as caught:
        _check_presigned(url, uri, 7, "http://labels.example.org")
    assert "X-Amz" not in str(caught.value)


def test_another_object_of_the_same_name_is_noticed(bucket: Bucket) -> None:
    uri = bucket.put("op1/a.mp4", b"content")
    with pytest.raises(ServerError, match=r"Label Studio has another object at s3://.*: 7 bytes, here 8"):
        _check_presigned(storage.presigned_url(uri, 60), uri, 8, "http://labels.example.org")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("URL resolves to a reserved network address (block: 127.0.0.0/8)", "its address is a private one"),
        ("Debugging info is not available for s3 endpoints on domain: x", "cannot reach s3://b/, which this machine"),
        ("s3://b/ not found.", "finds nothing below s3://b/"),
        ("something else", "something else"),
    ],
)
def test_the_servers_refusals_say_what_to_mend(s3: object, said: str, message: str) -> None:
    assert message in storage_error(ServerError(said), S3Storage("s3://b/")).message
