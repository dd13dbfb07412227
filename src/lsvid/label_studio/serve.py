"""A Label Studio for one person: with SQLite, on this machine's loopback only, serving a folder of clips.

Standard library only: scripts/demo uses this module before anything is installed. Facts measured on Label Studio
1.23.2: the first start of an empty data folder migrates for 36 to 81 s, a later start takes 14 s; a personal access
token is shown only once, when it is made; a storage folder has to lie strictly below the document root, and only files
in a project's storages are served. So the document root is the folder above the one that is served.

The server goes on after the command that started it has ended. The other commands find its address and token in the
user's configuration (`configuration_file`), which nobody else may read.
"""

import contextlib
import http.cookiejar
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lsvid.errors import ServerError, SettingsError
from lsvid.label_studio.environments import LABEL_STUDIO, SERVER_PYTHONS, find_python, last_lines, make, program

DEFAULT_URL = "http://localhost:8080"
USERNAME = "annotator@example.com"
FIRST_PORT, _PORTS = 8080, 20

_FIRST_START_TIMEOUT_S = 300
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 10

Tell = Callable[[str], None]

_started: dict[int, "subprocess.Popen[bytes]"] = {}
"""The servers that this process has started, by process id: their parent has to wait for their end."""


@dataclass(frozen=True)
class Account:
    """The user of a server. It is kept beside the server's data."""

    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class RunningServer:
    """A Label Studio that is running, and its log."""

    url: str
    account: Account
    process_id: int
    log: Path


@dataclass(frozen=True)
class Served:
    """The server as the configuration describes it: `api_key` is empty during its first start."""

    url: str
    folder: str
    process_id: int
    data: str
    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)


# --- Where things are -------------------------------------------------------------------------------------------------


def data_folder() -> Path:
    """The folder of Label Studio, its database and its log: LSVID_DATA_DIR, else the system's usual place."""
    return _own_folder("LSVID_DATA_DIR", "XDG_DATA_HOME", ".local/share")


def configuration_file() -> Path:
    """The file with address and access token: in LSVID_CONFIG_DIR, else in the system's usual place."""
    return _own_folder("LSVID_CONFIG_DIR", "XDG_CONFIG_HOME", ".config") / "server.json"


def _own_folder(ours: str, variable: str, below_home: str) -> Path:
    if given := os.environ.get(ours):
        return Path(given).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "lsvid"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "lsvid"
    return Path(os.environ.get(variable) or Path.home() / below_home) / "lsvid"


def server_address(url: str | None, api_key: str | None) -> tuple[str, str | None]:
    """Address and access token: those given, else those of the environment, else those of `lsvid serve`.

    A token from the configuration is only sent to the address beside it.
    """
    url = url or os.environ.get("LABEL_STUDIO_URL")
    api_key = api_key or os.environ.get("LABEL_STUDIO_API_KEY")
    served = configured()
    if served is not None and not api_key and (url is None or url.rstrip("/") == served.url):
        return served.url, served.api_key or None
    return url or DEFAULT_URL, api_key


def configured() -> Served | None:
    """The server in the configuration; None if there is none, or the file cannot be read."""
    try:
        return Served(**json.loads(configuration_file().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


# --- Starting and stopping --------------------------------------------------------------------------------------------


def serve(
    folder: str | Path, port: int | None = None, *, tell: Tell, data: Path | None = None, executable: Path | None = None
) -> tuple[Served, bool]:
    """The server, running and serving `folder`, and whether this call started it.

    Installs Label Studio into an environment if there is none. port: None is the port of the last time, or the first
    free one from 8080 on. tell: is called with a line before slow steps. data, executable: for a Label Studio that is
    kept elsewhere.
    Raises SettingsError (no such folder; it serves another one; the port is taken), InstallError, ServerError.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay: the server uses the path as written
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {folder}", "name the folder that holds the clips")
    if folder.parent == folder:
        raise SettingsError(f"{folder} is the whole machine", "name the folder that holds the clips")
    before = running(wait=True)
    if before is not None:
        if Path(before.folder) != folder or port not in (None, _port(before.url)):
            raise SettingsError(
                f"Label Studio is up at {before.url} already, serving {before.folder}",
                "stop it first: lsvid serve --stop",
            )
        return before, False
    data = data or data_folder() / "server"
    executable = executable or program(_environment(tell), "label-studio")
    port = _free_port(port, configured())
    url = _url(port)

    def launched(process_id: int) -> None:
        _remember(Served(url, str(folder), process_id, str(data)))

    try:
        server = start_server(data, folder.parent, port, executable, tell=tell, launched=launched)
    except BaseException:
        configuration_file().unlink(missing_ok=True)
        raise
    served = Served(url, str(folder), server.process_id, str(data), **asdict(server.account))
    _remember(served)
    return served, True


def running(*, wait: bool = False) -> Served | None:
    """The server that is running now, or None; with `wait`, wait for one that is starting."""
    served = configured()
    if served is None or not is_alive(served.process_id):
        return None
    deadline = time.monotonic() + _FIRST_START_TIMEOUT_S
    while not _answers(served):
        if not wait or time.monotonic() > deadline or not is_alive(served.process_id):
            return None
        time.sleep(0.5)
        served = configured() or served
    return served


def stop() -> Served | None:
    """Stop the server, and return it; None if none ran. The configuration keeps address and token."""
    served = configured()
    if served is None or not is_alive(served.process_id):
        return None
    end_process(served.process_id)
    return served


def start_server(
    data: Path,
    root: Path,
    port: int,
    executable: Path,
    *,
    tell: Tell,
    launched: Callable[[int], None] = lambda _: None,
    environment: Mapping[str, str] | None = None,
) -> RunningServer:
    """A running Label Studio with its data in `data` (made if absent) and the document root `root`.

    launched: is called with the process id at once. environment: more variables for the server. Raises ServerError.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    account = stored_account(data)
    if account is None:
        # Label Studio would make a random key, and read it back wrongly if it begins with "$": 1 server in 50 would
        # lose its tokens at the second start.
        _write_private(data / ".env", f"SECRET_KEY={secrets.token_hex(32)}\n")
        account = Account(USERNAME, secrets.token_urlsafe(9), "")
        _write_account(data, account)  # before the start: if it breaks off, the next one uses the same user
    is_new = not account.api_key
    tell("Starting Label Studio" + (" for the first time (about a minute) …" if is_new else " …"))
    log = data / "server.log"
    process = _launch(data, root, port, executable, account, environment or {}, log)
    _started[process.pid] = process
    try:
        launched(process.pid)
        _wait_until_up(process, _url(port), log, _FIRST_START_TIMEOUT_S if is_new else _START_TIMEOUT_S)
        if is_new:
            account = replace(account, api_key=_make_token(_url(port), account))
            _write_account(data, account)
    except BaseException:
        end_process(process.pid)
        raise
    return RunningServer(_url(port), account, process.pid, log)


def stored_account(data: Path) -> Account | None:
    """The user of the server whose data is in `data`; None if there is none.

    `api_key` is empty before the first complete start.
    """
    try:
        return Account(**json.loads((data / "account.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_account(data: Path, account: Account) -> None:
    _write_private(data / "account.json", json.dumps(asdict(account)))


def end_process(process_id: int) -> None:
    """End the process and its children: ask first, and kill after 10 s. Does nothing if it has ended."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/PID", str(process_id), "/T", "/F"], check=False, capture_output=True)
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process_id, number)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            if not _is_there(process_id):
                return
            time.sleep(0.05)


def free_port() -> int:
    """A port on loopback on which no program listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_taken(port: int) -> bool:
    """Whether a program listens on `port` of this machine's loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- Details ----------------------------------------------------------------------------------------------------------


def _environment(tell: Tell) -> Path:
    python = find_python(*SERVER_PYTHONS) or SERVER_PYTHONS[0]
    return make(data_folder() / "label-studio", [LABEL_STUDIO], title="Label Studio (1 GB)", python=python, tell=tell)


def _free_port(wanted: int | None, last: Served | None) -> int:
    if wanted is not None:
        if port_is_taken(wanted):
            raise SettingsError(f"port {wanted} is taken by another program", f"choose another: <<port={wanted + 1}>>")
        return wanted
    first = [_port(last.url)] if last is not None else []
    wished = [*first, *range(FIRST_PORT, FIRST_PORT + _PORTS)]
    return next((port for port in wished if not port_is_taken(port)), None) or free_port()


def _launch(
    data: Path, root: Path, port: int, executable: Path, account: Account, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO_")}
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_HOST": _url(port),
        "LABEL_STUDIO_USERNAME": account.username,
        "LABEL_STUDIO_PASSWORD": account.password,
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    with log.open("wb") as output:
        return subprocess.Popen(
            [executable, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port),
             "--log-level", "WARNING"],
            cwd=data, env={**inherited, **settings, **environment},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **detached,
        )  # fmt: skip


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    hint = "see its log, and start it again; what is in it stays"
    while not _is_up(url):
        if process.poll() is not None:
            raise ServerError(f"Label Studio ended while starting:\n{last_lines(log)}\n(log: {log})", hint)
        if time.monotonic() > deadline:
            raise ServerError(f"Label Studio is not up after {timeout_s:.0f} s:\n{last_lines(log)}\n(log: {log})", hint)
        time.sleep(0.2)
    if process.poll() is not None:
        raise ServerError(f"{url} is taken: another Label Studio answers there", "choose another port")


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:  # noqa: S310 - loopback
            return bool(json.load(answer).get("status") == "UP")
    except (OSError, ValueError, AttributeError):
        return False


def _answers(served: Served) -> bool:
    """Whether it is running, and accepts the token."""
    if not served.api_key:
        return False
    try:
        call(served.url, served.api_key, "GET", "/api/current-user/whoami")
    except (OSError, ValueError, KeyError):
        return False
    return True


def is_alive(process_id: int) -> bool:
    """Whether this process runs and is a Label Studio: another program may have got its number since."""
    if not _is_there(process_id):
        return False
    with contextlib.suppress(OSError):  # Linux: not every machine has ps
        return b"label-studio" in Path(f"/proc/{process_id}/cmdline").read_bytes()
    question = ["ps", "-o", "command=", "-p", str(process_id)]
    if sys.platform == "win32":
        question = ["tasklist", "/FI", f"PID eq {process_id}", "/NH"]
    try:
        said = subprocess.run(question, check=False, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return True  # no way to ask here
    return "label-studio" in said


def _is_there(process_id: int) -> bool:
    process = _started.get(process_id)
    if process is not None:  # a child that has ended stays until its parent polls it
        return process.poll() is None
    if sys.platform == "win32":
        return True  # on Windows, os.kill(pid, 0) would end the process
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remember(served: Served) -> None:
    configuration_file().parent.mkdir(parents=True, exist_ok=True)
    _write_private(configuration_file(), json.dumps(asdict(served), indent=1))


def _write_private(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all. Nobody else can read it."""
    making = path.with_name(f".{path.name}.{os.getpid()}")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    making.replace(path)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _port(url: str) -> int:
    return urllib.parse.urlsplit(url).port or 80


def call(url: str, api_key: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """The decoded JSON answer to `method path`; None if it is empty. `api_key` says who asks.

    For a server on loopback. Raises urllib.error.HTTPError if the server refuses, and OSError.
    """
    access = _json(f"{url}/api/token/refresh/", "POST", {"refresh": api_key}, {})["access"]
    return _json(url + path, method, body, {"Authorization": f"Bearer {access}"})


def _json(url: str, method: str, body: object, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
            text = answer.read()
    except urllib.error.HTTPError as error:
        error.add_note(error.read().decode(errors="replace"))  # the reason: "400 Bad Request" alone does not help
        raise
    return json.loads(text) if text else None


def _make_token(url: str, account: Account) -> str:
    """A new personal access token. The server shows it once, and refuses a second request (409)."""
    cookies = http.cookiejar.CookieJar()
    session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    login = f"{url}/user/login/"
    session.open(login, timeout=60).close()
    csrf = {cookie.name: cookie.value or "" for cookie in cookies}["csrftoken"]
    form = {"email": account.username, "password": account.password, "csrfmiddlewaretoken": csrf}
    sent = urllib.parse.urlencode(form).encode()
    session.open(urllib.request.Request(login, sent, {"Referer": login}), timeout=60).close()  # noqa: S310
    csrf = {cookie.name: cookie.value or "" for cookie in cookies}["csrftoken"]
    headers = {"X-CSRFToken": csrf, "Referer": url}
    request = urllib.request.Request(f"{url}/api/token/", b"", headers, method="POST")  # noqa: S310
    with session.open(request, timeout=60) as answer:
        return str(json.load(answer)["token"])
