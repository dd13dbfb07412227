"""What every command that talks to a server says of one that is too old, and of a Python without the SDK."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fake_server import FakeServer, serving
from lsvid.cli import cli
from lsvid.label_studio import client

COMMANDS = [
    ["setup-project", "labels.txt", "--timeline", "waveform"],
    ["import-clips", "clips", "--project", "1"],
    ["second-pass", "--from", "1", "--to", "2"],
    ["export-frames", "--project", "1", "-o", "out"],
    ["export-spans", "--project", "1"],
    ["report", "--project", "1", "-o", "out"],
    ["contact-sheet", "--project", "1", "-o", "out.html"],
    ["status", "--project", "1"],
    ["check", "--project", "1"],
]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        server.answers["GET /api/projects"] = (200, {"count": 0, "next": None, "results": []})
        yield server


def _run(fake: FakeServer, arguments: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Result:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(client, "require_sdk", lambda: None)  # on every Python: nothing here comes to use it
    (folder / "labels.txt").write_text("Cut\n")
    (folder / "clips").mkdir()
    (folder / "clips" / "clip_1.mp4").touch()
    return CliRunner().invoke(cli, [*arguments, "--url", fake.url, "--api-key", "0" * 40])


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_server_on_which_all_would_be_wrong(
    fake: FakeServer, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.answers["GET /api/version"] = (200, {"release": "1.15.0"})
    result = _run(fake, arguments, monkeypatch, tmp_path)
    assert result.exit_code == 3, result.output
    assert "Label Studio 1.15.0 is too old" in result.output
    assert {asked for asked in fake.requests if "version" not in asked and "token" not in asked} == set()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_server_without_a_waveform(
    fake: FakeServer, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.answers["GET /api/version"] = (200, {"release": "1.20.0"})
    result = _run(fake, arguments, monkeypatch, tmp_path)
    assert "Label Studio 1.20.0 is old: the timelines waveform and both work from 1.22 on" in result.output
    if arguments[0] == "setup-project":
        assert result.exit_code == 3
        assert not any(asked.startswith("POST /api/projects") for asked in fake.requests)
