"""An embedded Label Studio (SQLite inside) on this machine's loopback, for the demo and the tests.

Standard library only: it runs before anything is installed. Facts measured on Label Studio 1.23.2: the first start of
an empty data directory migrates for 36 to 81 s, so a migrated one is prepared once and copied; a personal access token
is shown once, when it is made, so it is kept in a file beside the data.
"""

import contextlib
import http.cookiejar
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import ENVIRONMENTS
from lsvid.label_studio.environments import last_lines

PROGRAM = ENVIRONMENTS / "label-studio" / "bin" / "label-studio"

USERNAME = "annotator@example.com"
PASSWORD = "loopback-only"  # noqa: S105 - the server listens on loopback only, and people are told this password

_MIGRATION_TIMEOUT_S = 300
_START_TIMEOUT_S = 120


class ServerFailedError(Exception):
    """Label Studio did not start; the text says what happened and where its log is."""


@dataclass(frozen=True)
class LabelStudio:
    """A running Label Studio: its address, who may use it, and the folder whose files it serves."""

    url: str
    token: str = field(repr=False)
    username: str
    password: str
    document_root: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lsvid's commands find the server by."""
        return {"LABEL_STUDIO_URL": self.url, "LABEL_STUDIO_API_KEY": self.token}

    def api(self, method: str, path: str, body: object = None) -> Any:
        """The decoded JSON answer to `method path`. Raises urllib.error.HTTPError where the server refuses."""
        return call_api(self.url, self.token, method, path, body)

    def stop(self) -> None:
        """End the server and everything it started. Harmless when it has ended already."""
        stop_group(self.process)


def call_api(url: str, token: str, method: str, path: str, body: object = None) -> Any:
    """The decoded JSON answer to `method path`, None where it is empty, in the name of the owner of `token`."""
    access = _json_request(f"{url}/api/token/refresh/", "POST", {"refresh": token}, {})["access"]
    return _json_request(url + path, method, body, {"Authorization": f"Bearer {access}"})


def start(
    data_dir: Path,
    document_root: Path,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    program: Path = PROGRAM,
) -> LabelStudio:
    """A Label Studio that is up: its data in `data_dir` (made when absent), serving files under `document_root`.

    port: None picks a free one. environment: further variables for the server. Raises ServerFailedError.
    """
    if not token_file(data_dir).exists():
        shutil.copytree(prepared_data(program), data_dir, dirs_exist_ok=True)
    document_root.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    process, log = _launch(data_dir, document_root, port, environment or {}, program)
    try:
        _wait_until_up(process, port, log, _START_TIMEOUT_S)
    except BaseException:
        stop_group(process)
        raise
    return LabelStudio(_url(port), stored_token(data_dir), USERNAME, PASSWORD, document_root, log, process)


def prepared_data(program: Path = PROGRAM) -> Path:
    """A migrated data directory with the user and the token in it, to be copied; made at the first call."""
    version = subprocess.run(
        [program.parent / "python", "-c", "from importlib.metadata import version; print(version('label-studio'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    prepared = ENVIRONMENTS / f"label-studio-data-{version}"
    if prepared.exists():
        return prepared
    making = Path(tempfile.mkdtemp(prefix="label-studio-data-", dir=ENVIRONMENTS))
    # Label Studio makes a random one, and reads it back wrongly where it begins with "$": 1 of 50 forgets its tokens.
    (making / ".env").write_text(f"SECRET_KEY={secrets.token_hex(32)}\n")
    port = free_port()
    process, log = _launch(making, making, port, {}, program)
    try:
        _wait_until_up(process, port, log, _MIGRATION_TIMEOUT_S)
        token_file(making).write_text(_make_token(_url(port)))
    finally:
        stop_group(process)
    log.unlink()
    try:
        making.rename(prepared)
    except OSError:  # another process was faster: its copy is as good
        shutil.rmtree(making)
    return prepared


def token_file(data_dir: Path) -> Path:
    """The file in a server's data directory that holds the access token of USERNAME."""
    return data_dir / "lsvid-token"


def stored_token(data_dir: Path) -> str:
    """The access token of USERNAME at the server whose data is in `data_dir`."""
    return token_file(data_dir).read_text(encoding="utf-8")


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_taken(port: int) -> bool:
    """Whether something listens on `port` of this machine's loopback already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_up(url: str) -> bool:
    """Whether a Label Studio answers at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(json.load(answer).get("status") == "UP")
    except (OSError, ValueError, AttributeError):
        return False


def stop_group(process: "subprocess.Popen[bytes]") -> None:
    """End the process group that `process` leads: politely, then, after 10 s, by force."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def _launch(
    data_dir: Path, document_root: Path, port: int, environment: Mapping[str, str], program: Path
) -> tuple["subprocess.Popen[bytes]", Path]:
    log = data_dir / "server.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO_")}
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir),
        "LABEL_STUDIO_HOST": _url(port),
        "LABEL_STUDIO_USERNAME": USERNAME,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(document_root),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port),
             "--log-level", "WARNING"],
            cwd=data_dir, env={**inherited, **settings, **environment}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return process, log


def _wait_until_up(process: "subprocess.Popen[bytes]", port: int, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_up(_url(port)):
        if process.poll() is not None:
            raise ServerFailedError(f"Label Studio ended while starting:\n{last_lines(log)}\n(log: {log})")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"Label Studio is not up after {timeout_s:.0f} s:\n{last_lines(log)}\n(log: {log})")
        time.sleep(0.2)
    if process.poll() is not None:
        raise ServerFailedError(f"port {port} is taken: another Label Studio answers there")


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _make_token(url: str) -> str:
    """A personal access token for USERNAME. The server shows it once; a second request is refused (409)."""
    cookies = http.cookiejar.CookieJar()
    session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    login = f"{url}/user/login/"
    session.open(login, timeout=60).close()
    csrf = {cookie.name: cookie.value or "" for cookie in cookies}["csrftoken"]
    form = urllib.parse.urlencode({"email": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": csrf}).encode()
    session.open(urllib.request.Request(login, form, {"Referer": login}), timeout=60).close()
    csrf = {cookie.name: cookie.value or "" for cookie in cookies}["csrftoken"]
    headers = {"X-CSRFToken": csrf, "Referer": url}
    request = urllib.request.Request(f"{url}/api/token/", b"", headers, method="POST")
    with session.open(request, timeout=60) as answer:
        return str(json.load(answer)["token"])


def _json_request(url: str, method: str, body: object, headers: Mapping[str, str]) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        error.add_note(error.read().decode(errors="replace"))  # why: a bare "400 Bad Request" helps nobody
        raise
    return json.loads(text) if text else None
