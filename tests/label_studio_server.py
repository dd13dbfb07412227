"""Fixtures: one real Label Studio for the whole session, stopped at its end, also on Ctrl-C and on termination."""

import atexit
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from environments import ENVIRONMENTS
from lsvid.label_studio.environments import program
from lsvid.label_studio.releases import TESTED
from lsvid.label_studio.serve import RunningServer, call, end_process, free_port, start_server

PROGRAM = program(ENVIRONMENTS / "label-studio", "label-studio")


@dataclass(frozen=True)
class LabelStudio:
    """A running Label Studio: its address, who may use it, and the folder whose files it serves."""

    url: str
    token: str = field(repr=False)
    username: str
    password: str
    document_root: Path
    log: Path
    server: RunningServer

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lsvid's commands find the server by."""
        return {"LABEL_STUDIO_URL": self.url, "LABEL_STUDIO_API_KEY": self.token}

    def api(self, method: str, path: str, body: object = None) -> Any:
        """The decoded JSON answer to `method path`. Raises urllib.error.HTTPError where the server refuses."""
        return call(self.url, self.token, method, path, body)

    def stop(self) -> None:
        """End the server and everything it started. Harmless when it has ended already."""
        end_process(self.server.process_id)


def start(
    data_dir: Path, document_root: Path, port: int | None = None, environment: Mapping[str, str] | None = None
) -> LabelStudio:
    """A Label Studio that is up: its data in `data_dir` (made when absent), serving files under `document_root`.

    port: None picks a free one. environment: further variables for the server.
    """
    if not data_dir.exists():
        shutil.copytree(prepared_data(), data_dir)
    document_root.mkdir(parents=True, exist_ok=True)
    server = start_server(data_dir, document_root, port or free_port(), PROGRAM, tell=_nothing, environment=environment)
    account = server.account
    return LabelStudio(
        server.url, account.api_key, account.username, account.password, document_root, server.log, server
    )


def prepared_data() -> Path:
    """A data folder that has been up once, to be copied: the first start takes a minute. Made at the first call."""
    assert PROGRAM.exists(), "Label Studio is not installed in .envs/label-studio: run scripts/test, which installs it"
    prepared = ENVIRONMENTS / f"label-studio-{TESTED}-data"
    if prepared.exists():
        return prepared
    making = Path(tempfile.mkdtemp(prefix="label-studio-data-", dir=ENVIRONMENTS))
    end_process(start_server(making, making, free_port(), PROGRAM, tell=_nothing).process_id)
    try:
        making.rename(prepared)
    except OSError:  # another process was faster: its copy is as good
        shutil.rmtree(making)
    return prepared


def _nothing(_: str) -> None:
    """What is told is for people."""


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A real Label Studio on a free port of loopback, empty, with a user and a token.

    Files below its `document_root` can be served (each project needs a storage folder strictly below it); S3 endpoints
    on loopback are allowed. Give `label_studio.environment` to lsvid's commands; `label_studio.api` asks the server.
    """
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
