"""`lsvid serve`: one server for a person, found by the other commands, closed to everybody else."""

import json
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from environments import ENVIRONMENTS
from factories import VideoFactory
from label_studio_server import prepared_data
from lsvid.cli import cli
from lsvid.errors import ServerError, SettingsError
from lsvid.label_studio import serve as library
from lsvid.label_studio.serve import configuration_file, configured, free_port, running, serve, server_address, stop

# What lsvid asks of a Label Studio while it starts it, and nothing else. The token is told once.
FAKE = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

told = Path("told")
print("starting", flush=True)

class Handler(BaseHTTPRequestHandler):
    def do(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer, status = {"status": "UP"}, 200
        if self.path == "/api/token/":
            status = 409 if told.exists() else 200
            told.touch()
            answer = {"token": "a.b.secret"}
        elif self.path == "/api/token/refresh/":
            answer = {"access": "x"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Set-Cookie", "csrftoken=c")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do

    def log_message(self, *_):
        pass

assert sys.argv[1:5] == ["start", "--no-browser", "--internal-host", "127.0.0.1"], sys.argv
Path("seen.json").write_text(json.dumps(dict(os.environ)))
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def _program(folder: Path, code: str) -> Path:
    path = folder / "label-studio"
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A person's own folders, clips among them; what is up at the end is stopped."""
    monkeypatch.setenv("LSVID_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LSVID_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(library, "FIRST_PORT", free_port())
    (tmp_path / "clips").mkdir()
    yield tmp_path
    stop()


def _serve(home: Path, folder: str = "clips", port: int | None = None) -> tuple[library.Served, bool, list[str]]:
    told: list[str] = []
    served, started = serve(
        home / folder, port, tell=told.append, data=home / "server", executable=_program(home, FAKE)
    )
    return served, started, told


def test_a_server_is_started_once_and_found_again(home: Path) -> None:
    served, started, told = _serve(home)
    assert (started, told) == (True, ["Starting Label Studio for the first time (about a minute) …"])
    assert (served.folder, served.api_key) == (str(home / "clips"), "a.b.secret")
    assert running() == served
    assert _serve(home) == (served, False, [])
    assert stop() == served
    assert (running(), stop()) == (None, None)

    again, started, told = _serve(home)
    assert (started, told) == (True, ["Starting Label Studio …"])
    assert (again.url, again.password, again.api_key) == (served.url, served.password, served.api_key)


def test_what_the_server_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_SOMETHING", "of somebody else's server")
    served, _, _ = _serve(home)
    seen = json.loads((home / "server" / "seen.json").read_text())
    assert seen["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == str(home), "storages lie strictly below the root"
    assert seen["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert seen["LABEL_STUDIO_PASSWORD"] == served.password
    assert "LABEL_STUDIO_SOMETHING" not in seen
    assert (home / "server" / ".env").read_text().startswith("SECRET_KEY=")
    for secret in (configuration_file(), home / "server" / "account.json", home / "server" / ".env"):
        assert secret.stat().st_mode & 0o077 == 0, f"{secret}: for nobody else to read"
    assert served.password not in repr(served)
    assert served.api_key not in repr(served)


def test_passwords_and_keys_are_not_the_same_on_two_machines(home: Path) -> None:
    first, _, _ = _serve(home)
    key = (home / "server" / ".env").read_text()
    stop()
    shutil.rmtree(home / "server")
    second, _, _ = _serve(home)
    assert first.password != second.password
    assert key != (home / "server" / ".env").read_text()


def test_another_folder_or_port_is_refused_while_it_is_up(home: Path) -> None:
    served, _, _ = _serve(home)
    (home / "others").mkdir()
    for folder, port in (("others", None), ("clips", free_port())):
        with pytest.raises(
            SettingsError, match=f"Label Studio is up at {served.url} already, serving .*clips"
        ) as error:
            _serve(home, folder, port)
        assert error.value.hint == "stop it first: lsvid serve --stop"
    stop()
    again, started, _ = _serve(home, "others")
    assert (again.folder, started, again.url) == (str(home / "others"), True, served.url)


def test_a_port_that_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(library, "FIRST_PORT", port)
        with pytest.raises(SettingsError, match=f"port {port} is taken by another program"):
            _serve(home, port=port)
        served, _, _ = _serve(home)
        assert served.url != f"http://127.0.0.1:{port}"


def test_folders_that_cannot_be_served(home: Path) -> None:
    with pytest.raises(SettingsError, match="there is no folder"):
        _serve(home, "nothing")
    with pytest.raises(SettingsError, match="is the whole machine"):
        _serve(home, "/")
    assert not configuration_file().exists()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(home: Path) -> None:
    program = _program(home, "print('no such table: users', flush=True); raise SystemExit(3)")
    with pytest.raises(ServerError, match="ended while starting:\n    no such table: users"):
        serve(home / "clips", tell=print, data=home / "server", executable=program)
    assert not configuration_file().exists()
    assert running() is None
    assert _serve(home)[1], "and it goes on from there"


def test_another_process_of_the_same_number_is_left_alone(home: Path) -> None:
    served, _, _ = _serve(home)
    stop()
    with subprocess.Popen(["sleep", "60"]) as other:
        content = json.loads(configuration_file().read_text())
        configuration_file().write_text(json.dumps({**content, "process_id": other.pid}))
        assert (running(), stop()) == (None, None)
        assert other.poll() is None
        other.kill()
    assert served.process_id != other.pid


# --- How the other commands find it -----------------------------------------------------------------------------------


def _configure(url: str = "http://127.0.0.1:8091") -> None:
    configuration_file().parent.mkdir(parents=True, exist_ok=True)
    configuration_file().write_text(
        json.dumps({"url": url, "folder": "/c", "process_id": 1, "data": "/d", "api_key": "of serve"})
    )


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ((None, None), {}, ("http://127.0.0.1:8091", "of serve")),
        (("http://127.0.0.1:8091/", None), {}, ("http://127.0.0.1:8091", "of serve")),
        ((None, "flag"), {}, ("http://localhost:8080", "flag")),
        (("https://a.org", None), {}, ("https://a.org", None)),
        (("https://a.org", "flag"), {}, ("https://a.org", "flag")),
        ((None, None), {"URL": "https://b.org"}, ("https://b.org", None)),
        ((None, None), {"URL": "https://b.org", "API_KEY": "env"}, ("https://b.org", "env")),
        ((None, None), {"API_KEY": "env"}, ("http://localhost:8080", "env")),
        (("https://a.org", None), {"URL": "https://b.org", "API_KEY": "env"}, ("https://a.org", "env")),
    ],
    ids=str,
)
def test_flag_then_environment_then_the_server_of_ones_own(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str | None, str | None],
    environment: dict[str, str],
    found: tuple[str, str | None],
) -> None:
    """The token of one's own server goes to no other address."""
    _configure()
    for name, value in environment.items():
        monkeypatch.setenv(f"LABEL_STUDIO_{name}", value)
    assert server_address(*given) == found


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"url": 1}', "\0"])
def test_a_configuration_that_cannot_be_read_is_none(home: Path, content: str | None) -> None:
    if content is not None:
        configuration_file().parent.mkdir(parents=True)
        configuration_file().write_text(content)
    assert configured() is None
    assert server_address(None, None) == ("http://localhost:8080", None)


def test_where_things_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LSVID_CONFIG_DIR")
    monkeypatch.delenv("LSVID_DATA_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert configuration_file() == tmp_path / ".config" / "lsvid" / "server.json"
    assert library.data_folder() == tmp_path / "xdg" / "lsvid"


# --- The command ------------------------------------------------------------------------------------------------------


def _run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize("arguments", [(), ("clips", "--stop"), ("clips", "--status")])
def test_a_folder_or_a_wish(arguments: tuple[str, ...]) -> None:
    result = _run("serve", *arguments)
    assert result.exit_code == 2
    assert "give a folder, or --stop, or --status" in result.stderr


def test_what_the_command_says(home: Path) -> None:
    for wish in ("--status", "--stop"):
        result = _run("serve", wish, "--json")
        assert (result.exit_code, json.loads(result.stdout)["server"]) == (0, None)
    served, _, _ = _serve(home)
    result = _run("serve", "--status")
    assert f"Label Studio is up at {served.url}, serving {home / 'clips'}" in result.stderr
    assert f"user      {served.username}" in result.stderr
    assert f"password  {served.password}" in result.stderr
    shown = _run("serve", "--status", "--json")
    assert json.loads(shown.stdout)["server"]["url"] == served.url
    assert served.api_key not in shown.output + result.output
    stopped = _run("serve", "--stop")
    assert stopped.stderr == f"stopped Label Studio at {served.url}\n"


@pytest.mark.server
def test_from_nothing_to_clips_in_a_project_without_a_variable(
    home: Path, videos: VideoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "data").mkdir()
    (home / "data" / "label-studio").symlink_to(ENVIRONMENTS / "label-studio")
    shutil.copytree(prepared_data(), home / "data" / "server")
    clips = home / "clips"
    videos.make(clips / "op1" / "clip_1.mp4", n_frames=50)
    labels = home / "labels.txt"
    labels.write_text("Cut\nSuture\n")

    first = _run("serve", clips)
    assert first.exit_code == 0, first.stderr
    assert "it was up already" in _run("serve", clips).stderr
    made = _run("setup-project", labels, "--title", "Mine", "--storage", clips)
    assert made.exit_code == 0, made.stderr
    imported = _run("import-clips", clips, "--project", "Mine", "--json")
    assert imported.exit_code == 0, imported.stderr
    checked = _run("check", clips, "--project", "Mine")
    assert checked.exit_code == 0, checked.output

    served = running()
    assert served is not None
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(urllib.error.HTTPError, match="403"):
        _sign_up(served.url)
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0, "only this machine may come"
    assert _run("serve", "--stop").exit_code == 0
    assert running() is None
    gone = _run("status", "--project", "Mine")
    assert gone.exit_code == 3
    assert "cannot reach Label Studio" in gone.stderr


def _sign_up(url: str) -> None:
    session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies := CookieJar()))
    session.open(f"{url}/user/login/").close()
    csrf = {cookie.name: cookie.value or "" for cookie in cookies}["csrftoken"]
    form = {"email": "eve@example.com", "password": "long enough", "csrfmiddlewaretoken": csrf}
    address = f"{url}/user/signup/"
    session.open(urllib.request.Request(address, urllib.parse.urlencode(form).encode(), {"Referer": address})).close()
