"""Fixtures: one real Label Studio for the whole session, stopped at its end, also on Ctrl-C and on termination."""

import atexit
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded_label_studio import PROGRAM, LabelStudio, start


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A real Label Studio on a free port of loopback, empty, with a user and a token.

    Files below its `document_root` can be served (each project needs a storage folder strictly below it); S3 endpoints
    on loopback are allowed. Give `label_studio.environment` to lsvid's commands; `label_studio.api` asks the server.
    """
    assert PROGRAM.exists(), "Label Studio is not installed in .envs/label-studio: run scripts/test, which installs it"
    root = tmp_path_factory.mktemp("label-studio")
    # SSRF_PROTECTION_ENABLED: Label Studio refuses S3 endpoints on loopback unless told otherwise.
    server = start(root / "data", root / "media", environment={"SSRF_PROTECTION_ENABLED": "false"})
    atexit.register(server.stop)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a terminated run ends its server too
    yield server
    signal.signal(signal.SIGTERM, before)
    server.stop()


@pytest.fixture
def media_folder(label_studio: LabelStudio, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own, below the server's document root: put clips here."""
    folder = label_studio.document_root / "".join(c if c.isalnum() else "_" for c in request.node.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def server_environment(label_studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> LabelStudio:
    """The server, with the environment set so that lsvid's commands find it."""
    for name, value in label_studio.environment.items():
        monkeypatch.setenv(name, value)
    return label_studio
