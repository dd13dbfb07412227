"""`lsvid check`: one line a check, with the remedy, on a real Label Studio and a real S3 service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from factories import VideoFactory
from label_studio_server import LabelStudio, start
from lsvid.cli import cli
from lsvid.label_studio import checks
from lsvid.label_studio.project import Project
from lsvid.labeling.config import labeling_config
from lsvid.labels.files import parse_labels_text
from s3_server import KEY, SECRET, Bucket

server = pytest.mark.server


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments], env=env, catch_exceptions=False)


def found(result: Result) -> dict[str, tuple[str, str, str]]:
    """Status, message and remedy by name, of `--json`."""
    document: dict[str, Any] = json.loads(result.stdout)
    for text in (result.stdout, result.stderr):
        assert KEY not in text
        assert SECRET not in text
        assert "X-Amz" not in text
    return {one["name"]: (one["status"], one["message"], one["remedy"]) for one in document["checks"]}


def set_up(tmp_path: Path, storage: str, title: str) -> None:
    (tmp_path / "labels.txt").write_text("Cut\n")
    command = ["setup-project", str(tmp_path / "labels.txt"), "--title", title, "--storage", storage]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output


@server
def test_a_folder_that_works(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, tmp_path: Path
) -> None:
    videos.make(media_folder / "op1" / "a.mp4", n_frames=30)
    set_up(tmp_path, str(media_folder), "Check folder")
    result = run(str(media_folder), "--project", "Check folder")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"pass  server: {server_environment.url} is Label Studio 1.23.2"
    assert lines[1] == "pass  token: Label Studio takes the access token"
    assert lines[2].startswith("pass  project: ")
    assert lines[3] == f"pass  storage {media_folder}: Label Studio takes {media_folder} as a storage"
    assert lines[4] == "pass  clips: 1 found; the first 1 play in browsers"
    assert lines[5] == f"pass  clip: Label Studio gives out {media_folder}/op1/a.mp4"
    assert lines[6].startswith("pass  disk: ")
    assert result.stderr == "7 passed, 0 warnings\n"


@server
def test_a_folder_that_does_not_work(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, tmp_path: Path
) -> None:
    set_up(tmp_path, str(media_folder), "Check bad folder")
    outside = tmp_path / "outside"
    videos.make(outside / "op1" / "a.mp4", n_frames=30, pixel_format="yuv444p")
    result = run(str(outside), "--project", "Check bad folder")
    assert result.exit_code == 3
    assert "does not lie below Label Studio's document root" in result.stdout
    assert "fail  clip: " in result.stdout
    assert "1 clips lie outside the storages of project" in result.stdout
    assert "warn  clips: 1 of 1 clips hold video that browsers may not play" in result.stdout
    assert "error: 2 of 7 checks failed" in result.stderr
    assert run(str(tmp_path / "none")).exit_code == 2
    assert run(str(media_folder.parent), "--project", "No such project").exit_code == 3


@server
def test_s3_that_works_and_s3_that_does_not(
    server_environment: LabelStudio, bucket: Bucket, videos: VideoFactory, tmp_path: Path
) -> None:
    url = server_environment.url
    clip = bucket.put("op1/a ü#.mp4", videos.make(n_frames=30))
    bucket.allow(url)
    set_up(tmp_path, bucket.uri, "Check S3")
    good = run(bucket.uri, "--project", "Check S3", "--json")
    assert good.exit_code == 0
    found_now = found(good)
    assert {name: status for name, (status, _, _) in found_now.items()} == dict.fromkeys(
        ["server", "token", "project", f"storage {bucket.uri}", "CORS", "S3 from the server", "clips", "clip", "disk"],
        "pass",
    )
    assert found_now["clip"][1] == f"Label Studio gives out {clip}"

    bucket.allow("https://elsewhere.example.org")
    denied = run(bucket.uri, "--project", "Check S3", "--json")
    assert denied.exit_code == 3
    status, message, remedy = found(denied)["CORS"]
    assert (status, found(denied)["clip"][0]) == ("fail", "fail")
    assert message == f"the bucket of {clip} does not allow pages of {url} to read it (CORS): the clip will not play"
    document = json.loads(remedy.partition("'")[2].rpartition("'")[0])
    bucket.server.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=document)  # the remedy works
    assert run(bucket.uri, "--project", "Check S3").exit_code == 0

    empty = found(run(f"{bucket.uri}/empty", "--json"))[f"storage {bucket.uri}/empty"]
    assert empty[:2] == ("fail", f"{bucket.uri}/empty holds no video")


@server
@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("AWS_ACCESS_KEY_ID", "S3 does not know the access key"),
        ("AWS_SECRET_ACCESS_KEY", "S3 does not take the secret of this access key"),
    ],
)
def test_wrong_credentials(
    server_environment: LabelStudio, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, variable: str, message: str
) -> None:
    monkeypatch.setenv(variable, "NOSUCHKEY")
    result = run(bucket.uri, "--json")
    assert result.exit_code == 3
    status, text, remedy = found(result)[f"storage {bucket.uri}"]
    assert status == "fail"
    assert text.startswith(message)
    assert "AWS_ACCESS_KEY_ID" in remedy


@server
def test_a_missing_bucket(server_environment: LabelStudio, bucket: Bucket) -> None:
    result = run("s3://no-such-bucket-at-all", "--json")
    assert result.exit_code == 3
    assert found(result)["storage s3://no-such-bucket-at-all"][1].startswith("S3 has no such bucket")


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStudio]:
    """A Label Studio as it is by default: it refuses S3 services at private addresses."""
    root = tmp_path_factory.mktemp("guarded")
    running = start(root / "data", root / "media")
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    yield running
    running.stop()


@server
def test_a_server_that_refuses_private_addresses(
    guarded: LabelStudio, bucket: Bucket, videos: VideoFactory, tmp_path: Path
) -> None:
    bucket.put("op1/a.mp4", videos.make(n_frames=30))
    bucket.allow(guarded.url)
    for arguments in ([], ["--project", "1"]):
        if arguments:
            guarded.api("POST", "/api/projects/", {"title": "Guarded"})
        result = run(bucket.uri, *arguments, "--json")
        assert result.exit_code == 3
        status, message, remedy = found(result)["S3 from the server"]
        assert status == "fail"
        assert message == f"Label Studio refuses the S3 service at {bucket.server.url}: its address is a private one"
        assert "SSRF_PROTECTION_ENABLED=false" in remedy
    (tmp_path / "labels.txt").write_text("Cut\n")
    setup = ["setup-project", str(tmp_path / "labels.txt"), "--title", "Guarded too", "--storage", bucket.uri]
    result = CliRunner().invoke(cli, setup, catch_exceptions=False)
    assert result.exit_code == 3
    assert "its address is a private one" in result.stderr


@server
def test_tokens_that_do_not_work(server_environment: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    result = run("--json")
    assert result.exit_code == 3
    status, _, remedy = found(result)["token"]
    assert status == "fail"
    assert "Personal Access Token" in remedy
    assert found(result)["server"][0] == "pass"


class Answer:
    """What a server of another version, or no Label Studio at all, answers."""

    ok, status_code = True, 200

    def __init__(self, content: bytes) -> None:
        self.content = content


@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        (b'{"release": "1.13.1"}', "fail", "Label Studio 1.13.1 is too old"),
        (b'{"release": "1.21.0"}', "warn", "Label Studio 1.21.0 is old: the timelines waveform and both work from"),
        (b'{"release": "1.22.0"}', "pass", "is Label Studio 1.22.0"),
        (b'{"release": "1.24.0"}', "warn", "is newer than the release that lsvid is tested with, 1.23.2"),
        (b"<html>log in</html>", "fail", "answered with a web page instead of data"),
        (b'{"something": 1}', "fail", "no Label Studio answers at http://x.example.org"),
    ],
)
def test_servers_that_are_not_the_known_one(
    monkeypatch: pytest.MonkeyPatch, content: bytes, status: str, text: str
) -> None:
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: Answer(content))
    check = checks._checked("server", lambda: checks.check_version("http://x.example.org"))
    assert check.status == status
    assert text in check.message
    assert bool(check.remedy) == (status != "pass")


def test_a_server_that_is_not_there() -> None:
    result = run("--url", "http://127.0.0.1:9", "--api-key", "a.b.c")
    assert result.exit_code == 3
    assert "fail  server: no Label Studio answers at http://127.0.0.1:9" in result.stdout
    assert "fail  token: cannot reach Label Studio" in result.stdout
    assert "error: 2 of 3 checks failed" in result.stderr


@pytest.mark.parametrize(("free", "status"), [(5_000_000_000, "pass"), (500_000_000, "warn"), (5_000_000, "fail")])
def test_the_room_left_on_disk(monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    class Usage:
        pass

    usage = Usage()
    usage.free = free  # type: ignore[attr-defined]
    monkeypatch.setattr("lsvid.label_studio.checks.shutil.disk_usage", lambda _: usage)
    check = checks.check_disk()
    assert check.status == status
    assert f"{free / 1e9:.1f} GB free" in check.message


def test_a_clip_without_sound_in_a_project_with_a_waveform(videos: VideoFactory, tmp_path: Path) -> None:
    videos.make(tmp_path / "op1" / "a.mp4", n_frames=30)
    config = labeling_config(parse_labels_text("Cut\n", "labels.txt"), "waveform")
    project = Project(7, "Surgery", config, "", shows_instruction=False, sampling="", n_tasks=1, n_predictions=0)
    (one,) = checks._check_clips(str(tmp_path), project)
    assert (one.name, one.status) == ("clips", "warn")
    assert "have no sound track" in one.message
    assert "lsvid make-proxies" in one.remedy
    assert "--project 7" in one.remedy
