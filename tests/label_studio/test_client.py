"""The connection to Label Studio: what people are told when it goes wrong, and that a POST is never simply repeated."""

import contextlib
import importlib.util
import json
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests

from builders import Steps
from fake_server import PAGE, Answer, FakeServer, Handler, serving
from label_studio_server import LabelStudio
from lsvid.errors import AuthError, LsvidError, NotFoundError, ServerError, SettingsError, UnclearError
from lsvid.label_studio import tasks
from lsvid.label_studio.client import clean_url, connect
from lsvid.label_studio.export import download_export
from lsvid.label_studio.failures import server_text, translated
from lsvid.label_studio.project import find_by_title, find_project

SECRET = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "header.payload.signature"
LEGACY_OFF = "Authentication token no longer valid: legacy token authentication has been disabled for this organization"


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serving(FakeServer()) as server:
        yield server


def failing(fake: FakeServer, key: str = SECRET) -> LsvidError:
    with pytest.raises(LsvidError) as caught:
        connect(fake.url, key)
    assert key not in str(caught.value) + caught.value.hint
    assert "cookie-secret" not in repr(caught.value)
    return caught.value


# --- Address and key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        (" https://labels.example.org/ ", "https://labels.example.org"),
        ("http://localhost:8080/projects/3/data?tab=2&task=7", "http://localhost:8080"),
        ("http://localhost:8080/user/login/", "http://localhost:8080"),
        ("http://localhost:8080/api", "http://localhost:8080"),
        ("https://example.org/label-studio/", "https://example.org/label-studio"),
        ("https://example.org/label-studio/projects", "https://example.org/label-studio"),
    ],
)
def test_the_address_is_what_people_copy_from_their_browser(given: str, clean: str) -> None:
    assert clean_url(given) == clean


@pytest.mark.parametrize("given", ["", "localhost:8080", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_is_none(given: str) -> None:
    with pytest.raises(SettingsError, match="is not the address of a Label Studio server") as caught:
        clean_url(given)
    assert caught.value.hint.startswith("give it with url or LABEL_STUDIO_URL, such as http://localhost:8080")


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        clean_url("https://me:hunter2@example.org")
    assert str(caught.value) == "the address of Label Studio holds a user name or password"
    with pytest.raises(SettingsError) as caught:
        clean_url("me:hunter2@example.org")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_no_key(key: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        connect("http://localhost:1", key)
    assert caught.value.exit_code == 2
    assert str(caught.value) == ("no Label Studio access token: neither api_key nor LABEL_STUDIO_API_KEY is set")
    assert caught.value.hint == (
        "start a Label Studio of your own, which needs none: lsvid serve FOLDER; or, in Label Studio, open Account & "
        "Settings > Personal Access Token, create one, and set LABEL_STUDIO_API_KEY"
    )


def test_a_key_that_cannot_be_one() -> None:
    with pytest.raises(SettingsError, match="has characters that no token has"):
        connect("http://localhost:1", "two words")


# --- What goes wrong at the door --------------------------------------------------------------------------------------


def test_a_wrong_key(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (401, {"detail": "Invalid token."})
    error = failing(fake)
    assert isinstance(error, AuthError)
    assert error.exit_code == 3
    assert str(error) == f"Label Studio at {fake.url} does not take the access token: Invalid token."
    assert "Personal Access Token" in error.hint


def test_legacy_tokens_are_disabled(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (401, {"detail": LEGACY_OFF})
    error = failing(fake)
    assert str(error) == f"Label Studio at {fake.url} does not take legacy tokens: {LEGACY_OFF}"
    assert error.hint.endswith("have an administrator allow legacy tokens for the organization")


def test_a_personal_token_that_has_expired(fake: FakeServer) -> None:
    fake.answers["POST /api/token/refresh"] = (401, {"detail": "Token is expired", "code": "token_not_valid"})
    error = failing(fake, "header.payload.signature")
    assert str(error) == f"Label Studio at {fake.url} does not take the access token: Token is expired"


def test_a_login_page_instead_of_data(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (200, PAGE)
    error = failing(fake)
    assert str(error) == f"{fake.url} answered with a web page instead of data (status 200) while logging in"
    assert error.hint == (
        "check the address (scheme, port, path) given by url or LABEL_STUDIO_URL, and whether a proxy or a login "
        "page stands in front of Label Studio"
    )


@pytest.mark.parametrize("status", [400, 404])
def test_another_web_server(fake: FakeServer, status: int) -> None:
    fake.answers["GET /api/current-user/whoami"] = (status, PAGE)
    error = failing(fake)
    assert str(error) == f"{fake.url} answered with a web page instead of data (status {status}) while logging in"


def test_a_login_page_when_the_token_is_renewed(fake: FakeServer) -> None:
    fake.answers["POST /api/token/refresh"] = (200, PAGE)
    assert "answered with a web page instead of data" in str(failing(fake, "header.payload.signature"))


def test_data_of_another_service(fake: FakeServer) -> None:
    fake.answers["POST /api/token/refresh"] = (200, {"hello": "world"})
    assert "answered with a web page instead of data" in str(failing(fake, "header.payload.signature"))


def test_not_allowed(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (403, {"detail": "You do not have permission."})
    error = failing(fake)
    assert str(error) == "Label Studio refused while logging in: You do not have permission."
    assert error.hint == "the owner of the access token may not do this: use the token of somebody who may"


def test_a_server_error(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (500, {"detail": "database is locked"})
    error = failing(fake)
    assert str(error) == f"Label Studio at {fake.url} failed while logging in: status 500, database is locked"
    assert error.hint == (
        "run the same command again in a while: it goes on where it stopped; if it stays, the server's log says why"
    )


def test_a_busy_server_is_asked_again(fake: FakeServer) -> None:
    busy: Iterator[Answer] = iter([(503, PAGE), (429, {"detail": "slow down"})])
    fake.answers["GET /api/current-user/whoami"] = lambda *_: next(busy, (200, {"id": 1}))
    assert connect(fake.url, SECRET).url == fake.url
    assert fake.requests.count("GET /api/current-user/whoami") == 3


def test_a_server_that_stays_busy(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda _: 0)
    fake.answers["GET /api/current-user/whoami"] = (503, PAGE)
    error = failing(fake)
    assert str(error) == f"Label Studio at {fake.url} failed while logging in: status 503"
    assert error.hint == "run the same command again in a while: it goes on where it stopped"


def test_no_server() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(ServerError) as caught:
        connect(url, SECRET)
    assert str(caught.value) == f"cannot reach Label Studio at {url}: Connection refused"
    assert caught.value.hint == (
        "is it running? lsvid serve FOLDER starts your own; or check the address in url or LABEL_STUDIO_URL"
    )


def test_https_to_a_server_that_speaks_http(fake: FakeServer) -> None:
    url = fake.url.replace("http:", "https:")
    with pytest.raises(ServerError) as caught:
        connect(url, SECRET)
    assert str(caught.value) == f"cannot reach Label Studio at {url}: it does not speak https there"
    assert caught.value.hint == f"try http: url={fake.url}"


def test_a_certificate_that_is_not_trusted() -> None:
    reason = "certificate verify failed: self-signed certificate [SSL: CERTIFICATE_VERIFY_FAILED]"
    for error in (httpx.ConnectError(reason), requests.exceptions.SSLError(ssl.SSLError(reason))):
        found = translated(error, "https://labels", "logging in")
        assert str(found) == "cannot reach Label Studio at https://labels: its certificate is not trusted"


def test_a_redirect_is_followed_once_and_for_all(fake: FakeServer) -> None:
    """A POST does not survive a redirect to another path, or to https: the address behind it is used from then on."""
    fake.answers["GET /api/version"] = (301, f"{fake.url}/labels/api/version")
    for path in ("version", "current-user/whoami"):
        fake.answers[f"GET /labels/api/{path}"] = (200, {"release": "1.23.2"})
    assert connect(fake.url, SECRET).url == f"{fake.url}/labels"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("GET /api/version", SECRET), ("GET /api/current-user/whoami", SECRET), ("GET /api/version", TOKEN),
        ("GET /api/current-user/whoami", TOKEN), ("POST /api/token/refresh", TOKEN),
    ],
)  # fmt: skip
def test_the_key_goes_only_to_the_server_that_was_named(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch, asked: str, status: int, key: str
) -> None:
    seen: list[tuple[int, str]] = []
    original = Handler.handle_any

    def remember(self: Handler) -> None:
        seen.append((self.connection.getsockname()[1], self.headers["Authorization"] or ""))
        original(self)

    monkeypatch.setattr(Handler, "do_GET", remember)
    fake.answers["POST /api/token/refresh"] = (200, {"access": "access-token"})
    with serving(FakeServer()) as other:
        fake.answers[asked] = (status, f"{other.url}{asked.partition(' ')[2]}/")
        error = failing(fake, key)
        assert f"redirects to {other.url}" in error.message
        assert not any("POST" in request for request in other.requests)
        port = int(other.url.rpartition(":")[2])
    assert seen
    assert not any(header for at, header in seen if at == port)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, b'{"id": "\xff"}'), "answered with a web page instead of data"),
        ((200, b"[" * 100_000), "answered with a web page instead of data"),
        ((500, b"[" * 100_000), "status 500"),
        ((404, b'{"detail": "\xff"}'), "answered with a web page instead of data (status 404)"),
        ((302, "http://[bad/"), "this address, or one that it leads to, is not possible"),
        ((302, "http://" + "a" * 100 + ".example/"), "this address, or one that it leads to, is not possible"),
        ((401, {"detail": f"no such token: {SECRET}"}), "does not take the access token: no such token: …"),
    ],
)
def test_odd_answers_are_one_clear_error(fake: FakeServer, answer: Answer, message: str) -> None:
    fake.answers["GET /api/current-user/whoami"] = answer
    error = failing(fake)
    assert message in error.message
    assert error.exit_code == 3


@pytest.mark.parametrize(
    "answer", [(200, b"\xff"), (500, b"[" * 100_000), (302, "http://[bad/"), (200, b"\x1f\x8b")], ids=str
)
def test_every_answer_is_odd(fake: FakeServer, answer: Answer) -> None:
    for name in ("GET /api/version", "GET /api/current-user/whoami", "POST /api/token/refresh"):
        fake.answers[name] = answer
    assert failing(fake, TOKEN).exit_code == 3


@pytest.mark.parametrize("wait", ["100000", "Wed, 21 Oct 2099 07:28:00 GMT", "nonsense", "-1"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_for_years(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch, status: int, wait: str
) -> None:
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda _: 0)
    fake.answers["GET /api/current-user/whoami"] = (status, {"detail": "busy"})
    fake.headers = {"Retry-After": wait}
    assert f"it asks us to wait (Retry-After: {wait})" in failing(fake).message


def test_an_answer_that_never_ends(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Handler.handle_any

    def for_ever(self: Handler) -> None:
        if "whoami" not in self.path:
            original(self)
            return
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.01)

    monkeypatch.setattr(Handler, "do_GET", for_ever)
    for name, value in (("_SLOW_S", 0.3), ("_MAX_ANSWER_BYTES", 10)):
        with monkeypatch.context() as bounded:
            bounded.setattr(f"lsvid.label_studio.client.{name}", value)
            assert "gives no answer that ends" in failing(fake).message


def test_a_redirect_in_a_circle(fake: FakeServer) -> None:
    fake.answers["GET /api/current-user/whoami"] = (302, f"{fake.url}/api/current-user/whoami")
    assert "gives no answer that ends" in failing(fake).message


def test_a_proxy_that_ignores_the_page(fake: FakeServer) -> None:
    listed = [{"id": number, "data": {}} for number in range(3)]
    fake.answers["GET /api/tasks"] = (200, {"tasks": listed, "total": 5})
    fake.answers["GET /api/projects"] = (200, {"results": [{"id": 1, "title": "x"}], "next": "more"})
    server = connect(fake.url, SECRET)
    with pytest.raises(ServerError, match="the same page again and again while reading the project's tasks"):
        tasks.task_ids(server, 1)
    with pytest.raises(ServerError, match="the same page again and again while listing the projects"):
        find_project(server, "y")


def test_a_file_of_certificates_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    with pytest.raises(ServerError, match=r"/nonexistent\.pem") as caught:
        connect("https://127.0.0.1:9", SECRET)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_a_host_name_that_nothing_can_have() -> None:
    with pytest.raises(ServerError, match="this address, or one that it leads to, is not possible"):
        connect("http://" + "a" * 300, SECRET)


def test_a_server_without_personal_tokens(fake: FakeServer) -> None:
    error = failing(fake, TOKEN)
    assert "knows no personal access tokens" in error.message
    assert "before release 1.17" in error.hint


def test_the_netrc_file_does_not_replace_the_key(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """As requests does with a header that it finds, unless asked not to."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []
    original = Handler.handle_any

    def remember(self: Handler) -> None:
        if "whoami" in self.path:
            seen.append(self.headers["Authorization"])
        original(self)

    monkeypatch.setattr(Handler, "do_GET", remember)
    connect(fake.url, SECRET)
    assert seen == [f"Token {SECRET}"]


# --- Foreign errors ---------------------------------------------------------------------------------------------------


def _all_subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_all_subclasses(below) for below in kind.__subclasses__()))


def test_every_error_of_the_http_libraries_is_translated() -> None:
    kinds = _all_subclasses(httpx.HTTPError) | _all_subclasses(requests.exceptions.RequestException)
    for kind in kinds:
        found = translated(kind.__new__(kind), "http://host", "doing")
        assert isinstance(found, LsvidError), kind


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.RemoteProtocolError("x"),
        requests.exceptions.ReadTimeout("x"),
        requests.exceptions.ChunkedEncodingError("x"),
        requests.exceptions.ConnectionError("('Connection aborted.', RemoteDisconnected('…'))"),
    ],
)
def test_what_leaves_open_whether_it_was_done(error: Exception) -> None:
    found = translated(error, "http://host", "importing 5 clips")
    assert isinstance(found, UnclearError)
    assert str(found).endswith("by Label Studio at http://host while importing 5 clips")


def test_the_servers_own_words() -> None:
    refused = {
        "detail": "Validation error",
        "validation_errors": {"non_field_errors": ["a", "b"], "title": ["too long"]},
    }
    assert server_text(refused) == "a\nb\ntitle: too long"
    assert server_text({"detail": "No."}) == "No."
    assert server_text(["one", "two"]) == "one\ntwo"
    assert server_text(PAGE) == ""
    assert server_text(None) == ""


def test_a_fault_of_lsvid_itself_is_not_dressed_up(fake: FakeServer) -> None:
    server = connect(fake.url, SECRET)
    with pytest.raises(ZeroDivisionError), server.errors("dividing"):
        assert 1 / 0


# --- A POST is never simply repeated ----------------------------------------------------------------------------------


class FakeProject:
    """Project 1 of a fake server: what it does with an import before it answers, or breaks off."""

    def __init__(self, fake: FakeServer) -> None:
        self.clips: list[str] = []
        self.posts: list[list[str]] = []
        self.mischief: Iterator[Answer | str | None] = iter(())
        fake.answers["POST /api/projects/1/import"] = self._import
        fake.answers["GET /api/tasks"] = self._tasks

    def _import(self, body: bytes, _: object) -> Answer | None:
        """An import that does what is asked; a mischief of ("lost", …) does nothing, and of ("half", …) half of it."""
        ids = [task["data"]["id"] for task in json.loads(body)]
        self.posts.append(ids)
        mischief = next(self.mischief, "fine")
        if mischief == "lost":
            return 503, PAGE
        kept = ids[: len(ids) // 2] if mischief == "half" else ids
        self.clips += kept
        first = len(self.clips) - len(kept) + 1
        if mischief in ("fine", "no ids"):
            return 201, {"task_count": len(kept)} | (
                {"task_ids": list(range(first, first + len(kept)))} if mischief == "fine" else {}
            )
        return None if mischief in ("half", "broken off") else (504, PAGE)

    def _tasks(self, _: bytes, query: dict[str, list[str]]) -> Answer:
        page, size = int(query["page"][0]), int(query["page_size"][0])
        found = [{"id": number, "data": {"id": clip}} for number, clip in enumerate(self.clips, start=1)]
        return 200, {"total": len(found), "tasks": found[(page - 1) * size : page * size]}


@pytest.fixture
def fake_project(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    monkeypatch.setattr(tasks, "_SETTLE_S", (0.0, 0.0))
    return FakeProject(fake)


DATAS = [{"id": f"op1/clip_{number}", "video": "x"} for number in range(1, 7)]
CLIPS = [data["id"] for data in DATAS]


@pytest.mark.parametrize("mischief", ["fine", "no ids", "answered late", "broken off"])
def test_what_has_arrived_is_not_sent_again(fake: FakeServer, fake_project: FakeProject, mischief: str) -> None:
    fake_project.mischief = iter([mischief])
    assert tasks.import_tasks(connect(fake.url, SECRET), 1, DATAS) == [1, 2, 3, 4, 5, 6]
    assert fake_project.posts == [CLIPS]


@pytest.mark.parametrize(
    ("mischief", "posts"), [("lost", [CLIPS, CLIPS]), ("half", [CLIPS, CLIPS[3:]])], ids=["lost", "half"]
)
def test_only_what_is_missing_is_sent_again(
    fake: FakeServer, fake_project: FakeProject, mischief: str, posts: list[list[str]]
) -> None:
    fake_project.mischief = iter([mischief])
    assert tasks.import_tasks(connect(fake.url, SECRET), 1, DATAS) == [1, 2, 3, 4, 5, 6]
    assert fake_project.posts == posts
    assert fake_project.clips == CLIPS


def test_it_does_not_go_on_for_ever(fake: FakeServer, fake_project: FakeProject) -> None:
    fake_project.mischief = iter(["lost"] * 10)
    with pytest.raises(UnclearError) as caught:
        tasks.import_tasks(connect(fake.url, SECRET), 1, DATAS)
    assert str(caught.value) == f"Label Studio at {fake.url} failed while importing 6 clips: status 503"
    assert caught.value.hint == "run the same command again in a while: it goes on where it stopped"
    assert fake_project.posts == [CLIPS] * 4


def test_a_refused_import_is_not_sent_again(fake: FakeServer, fake_project: FakeProject) -> None:
    fake.answers["POST /api/projects/1/import"] = (400, {"detail": 'Error at item 0: "video" key is expected'})
    with pytest.raises(ServerError) as caught:
        tasks.import_tasks(connect(fake.url, SECRET), 1, DATAS)
    assert str(caught.value) == 'Label Studio refused while importing 6 clips: Error at item 0: "video" key is expected'
    assert fake.requests.count("POST /api/projects/1/import") == 1


def test_a_request_too_large_for_a_proxy(fake: FakeServer, fake_project: FakeProject) -> None:
    fake.answers["POST /api/projects/1/import"] = (413, PAGE)
    with pytest.raises(ServerError) as caught:
        tasks.import_tasks(connect(fake.url, SECRET), 1, DATAS)
    assert "the request is too large (413)" in str(caught.value)
    assert "client_max_body_size" in caught.value.hint


# --- The real server --------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_connecting_to_the_real_server(label_studio: LabelStudio) -> None:
    assert connect(f"{label_studio.url}/projects/1/data?tab=1", label_studio.token).url == label_studio.url


@pytest.mark.server
def test_the_real_server_refuses_keys(label_studio: LabelStudio) -> None:
    for key in (SECRET, "header.payload.signature", label_studio.token[:-3] + "abc"):
        with pytest.raises(AuthError, match=r"does not take the access token: (Invalid token|Token is invalid)"):
            connect(label_studio.url, key)


@pytest.mark.server
def test_finding_projects(label_studio: LabelStudio) -> None:
    server = connect(label_studio.url, label_studio.token)
    first, second, digits = (
        label_studio.api("POST", "/api/projects", {"title": title})["id"]
        for title in ("Twin (client)", "Twin (client)", "20991231")
    )
    with pytest.raises(SettingsError) as caught:
        find_project(server, "Twin (client)")
    assert str(caught.value) == f"2 projects are titled 'Twin (client)': ids {first}, {second}"
    assert caught.value.hint == f"name one by its id: project={first}"
    assert find_project(server, str(second)).id == second
    found = find_by_title(server, "20991231")
    assert found is not None
    assert found.id == digits
    with pytest.raises(NotFoundError) as not_found:
        find_project(server, "20991231")
    assert str(not_found.value) == f"Label Studio at {label_studio.url} has no project 20991231"
    with pytest.raises(NotFoundError) as not_found:
        find_project(server, "Twin (clients)")
    assert str(not_found.value) == (
        f"Label Studio at {label_studio.url} has no project titled 'Twin (clients)'; there is 'Twin (client)'"
    )
    assert not_found.value.hint == "make it with: lsvid setup-project LABELS --title TITLE"


CONFIG = (
    '<View><Video name="video" value="$video" frameRate="$fps"/>'
    '<TimelineLabels name="task" toName="video"><Label value="Cut"/></TimelineLabels></View>'
)


def _region(region_id: str) -> dict[str, Any]:
    value = {"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["Cut"]}
    return {"id": region_id, "from_name": "task", "to_name": "video", "type": "timelinelabels", "value": value}


@pytest.mark.server
def test_an_export_has_every_task_with_annotations_drafts_and_predictions_in_full(
    label_studio: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsvid.label_studio.export._TASKS_PER_REQUEST", 2)
    project = label_studio.api("POST", "/api/projects", {"title": "Export", "label_config": CONFIG})["id"]
    datas: list[dict[str, Any]] = [{"data": {"video": "x", "fps": "25", "clip": f"ü {number}"}} for number in range(5)]
    datas[1]["annotations"] = [{"result": [_region("annotated")]}]
    datas[2]["predictions"] = [{"model_version": "m", "score": 0.5, "result": [_region("predicted")]}]
    ids = label_studio.api("POST", f"/api/projects/{project}/import?return_task_ids=true", datas)["task_ids"]
    label_studio.api("POST", f"/api/tasks/{ids[3]}/drafts", {"result": [_region("drafted")], "lead_time": 1})
    arrived = Steps()
    server = connect(label_studio.url, label_studio.token)
    with download_export(server, str(project), arrived) as export:
        lines = [json.loads(line) for line in export.path.read_text(encoding="utf-8").splitlines()]
        assert (export.id, export.title, export.n_tasks, export.label_config) == (project, "Export", 5, CONFIG)
        assert label_studio.username in export.annotators.values()
        assert export.storages == []
    assert not export.path.exists()
    assert (arrived.done, arrived.totals) == ([2, 2, 1], {5})
    assert [line["id"] for line in lines] == ids
    assert [line["data"]["clip"] for line in lines] == [f"ü {number}" for number in range(5)]
    assert [[a["result"][0]["id"] for a in line["annotations"]] for line in lines] == [[], ["annotated"], [], [], []]
    assert [[p["result"][0]["id"] for p in line["predictions"]] for line in lines] == [[], [], ["predicted"], [], []]
    assert [[d["result"][0]["id"] for d in line["drafts"]] for line in lines] == [[], [], [], ["drafted"], []]


@pytest.mark.server
def test_tasks_are_read_back_page_by_page(label_studio: LabelStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_PAGE_SIZE", 2)
    monkeypatch.setattr(tasks, "_BATCH_SIZE", 2)
    project = label_studio.api("POST", "/api/projects", {"title": "Pages", "label_config": CONFIG})["id"]
    server = connect(label_studio.url, label_studio.token)
    assert tasks.read_tasks(server, project) == []
    datas = [
        {"video": "x", "fps": "25", "id": f"op1/{name}", "case": "op1", "clip": name, "order": k, "fingerprint": "f"}
        for k, name in enumerate("abcde", start=1)
    ]
    ids = tasks.import_tasks(server, project, datas)
    assert ids == sorted(ids)
    foreign = {"video": "x", "fps": "25", "id": 7}
    (last,) = label_studio.api("POST", f"/api/projects/{project}/import?return_task_ids=true", [foreign])["task_ids"]
    found = tasks.read_tasks(server, project)
    assert [task.id for task in found] == [*ids, last]
    assert [task.data.id for task in found] == [*(data["id"] for data in datas), None]


# --- Releases, and the SDK --------------------------------------------------------------------------------------------


def test_a_server_that_numbers_pictures_otherwise_is_refused(fake: FakeServer) -> None:
    """Measured on 1.15.0: number n shows picture n; from 1.17.0 on picture n - 1."""
    for release in ("1.14.0", "1.15.0", "1.16.9"):
        fake.answers["GET /api/version"] = (200, {"release": release})
        error = failing(fake)
        assert isinstance(error, ServerError)
        assert error.message.startswith(f"Label Studio {release} is too old: ")
        assert error.message.endswith(f" one picture too early ({fake.url})")
        assert "\n" not in error.message
        assert "1.23.2" in error.hint


@pytest.mark.parametrize("release", ["1.17.0", "1.21.0", "1.22.0", "1.23.2", "1.24.0.dev1", "2.19.1", "develop", ""])
def test_a_server_of_another_release_is_not(fake: FakeServer, release: str) -> None:
    fake.answers["GET /api/version"] = (200, {"release": release})
    assert connect(fake.url, SECRET).release == release


@pytest.mark.parametrize("body", ["<html>", "[]", '{"release": 3}', ""])
def test_a_server_that_does_not_tell_its_release(fake: FakeServer, body: str) -> None:
    fake.answers["GET /api/version"] = (200, body)
    assert connect(fake.url, SECRET).release == ""


@pytest.mark.parametrize(("release", "fits"), [("1.17.0", False), ("1.21.3", False), ("1.22.0", True), ("", True)])
def test_the_waveform_is_refused_where_the_editor_cannot_show_it(fake: FakeServer, release: str, fits: bool) -> None:
    fake.answers["GET /api/version"] = (200, {"release": release})
    server = connect(fake.url, SECRET)
    server.require_timeline("frames")
    for timeline in ("waveform", "both"):
        if fits:
            server.require_timeline(timeline)
        else:
            with pytest.raises(ServerError, match=f"the timeline {timeline} works from Label Studio 1.22 on"):
                server.require_timeline(timeline)


@pytest.mark.parametrize(
    ("version", "message", "hint"),
    [
        ((3, 14), "cannot be installed on Python 3.14 yet", "in lsvid's folder: uv tool install --python 3.13 ."),
        ((3, 12), "is not installed here", "pip install"),
    ],
)
def test_without_the_sdk_what_changes_something_is_refused_and_what_reads_is_not(
    fake: FakeServer, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], message: str, hint: str
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    server = connect(fake.url, SECRET)
    with pytest.raises(SettingsError, match=message) as from_start:
        connect(fake.url, SECRET, changes=True)
    with pytest.raises(SettingsError, match=message):
        server.sdk  # noqa: B018
    assert hint in from_start.value.hint
