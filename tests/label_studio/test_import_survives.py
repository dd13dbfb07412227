"""An import that survives: bad proxies, a server that stops, and kill -9, in front of or with a real Label Studio.

Whatever goes wrong is repaired in the same run where that is safe; else there is one clear error and exit code 3, and
the same command again completes. Either way every clip is there once, ids ascending with the clips.
"""

import copy
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bad_proxy
from bad_proxy import BadProxy, Mischief, status
from factories import VideoFactory
from label_studio_server import LabelStudio, start
from lsvid.cli import cli
from lsvid.label_studio import client, tasks

pytestmark = pytest.mark.server

CONFIG = (
    '<View><Video name="video" value="$video" frameRate="$fps"/>'
    '<TimelineLabels name="task" toName="video"><Label value="Cut"/></TimelineLabels></View>'
)
N_CLIPS = 8
CLIPS = [f"op1/clip_{number}" for number in range(1, N_CLIPS + 1)]
IMPORT = "POST /api/projects/{}/import"


def make_clips(folder: Path, videos: VideoFactory, n_clips: int = N_CLIPS) -> None:
    (folder / "op1").mkdir(parents=True, exist_ok=True)
    for number in range(1, n_clips + 1):
        shutil.copyfile(videos.make(n_frames=2), folder / "op1" / f"clip_{number}.mp4")


def make_project(server: LabelStudio, folder: Path, title: str) -> int:
    made = server.api("POST", "/api/projects", {"title": title[:50], "label_config": CONFIG})
    storage = {"project": made["id"], "path": str(folder), "use_blob_urls": True}
    server.api("POST", "/api/storages/localfiles/", storage)
    return int(made["id"])


def clips_of(server: LabelStudio, project: int) -> list[str]:
    """The clips of a project's tasks, in the order of their ids."""
    answer = server.api("GET", f"/api/tasks?project={project}&page_size=1000&resolve_uri=false")
    return [task["data"]["id"] for task in sorted(answer["tasks"], key=lambda task: task["id"])]


@dataclass
class Setting:
    """A project, clips, and a proxy between lsvid and the server."""

    server: LabelStudio
    proxy: BadProxy
    project: int
    folder: Path

    def run(self, url: str | None = None) -> Result:
        words = ["import-clips", str(self.folder), "--project", str(self.project)]
        return CliRunner().invoke(cli, [*words, "--url", url or self.proxy.url])

    def meets(self, name: str, *mischief: Mischief | None) -> None:
        """Requests whose "METHOD /path" begins with `name` meet `mischief`, one each; the rest pass."""
        self.proxy.when = lambda request: request.startswith(name)
        self.proxy.mischief = iter(mischief)

    def import_meets(self, *mischief: Mischief | None) -> None:
        self.meets(IMPORT.format(self.project), *mischief)

    @property
    def clips(self) -> list[str]:
        return clips_of(self.server, self.project)


@pytest.fixture
def setting(
    server_environment: LabelStudio,
    media_folder: Path,
    videos: VideoFactory,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Setting]:
    monkeypatch.setattr(tasks, "_BATCH_SIZE", 3)
    monkeypatch.setattr(tasks, "_SETTLE_S", (0.05, 0.1, 0.2))
    monkeypatch.setattr(client, "_ASK_AGAIN_S", (0, 0))
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda _: 0)
    make_clips(media_folder, videos)
    project = make_project(server_environment, media_folder, request.node.name)
    with bad_proxy.bad_proxy(server_environment.url) as proxy:
        yield Setting(server_environment, proxy, project, media_folder)


# --- Repaired in the same run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_busy_import_is_sent_again(setting: Setting, code: int) -> None:
    setting.import_meets(None, status(code, headers={"Retry-After": "0"}))
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    assert "clips imported 8; " in result.stderr
    assert setting.clips == CLIPS
    assert setting.proxy.count(IMPORT.format(setting.project)) == 4


@pytest.mark.parametrize(
    ("mischief", "posts"),
    [
        (bad_proxy.reset_before, 4),
        (bad_proxy.reset_after, 3),
        (bad_proxy.half_an_answer, 3),
        (bad_proxy.gateway_timeout, 3),
        (bad_proxy.no_answer, 3),
    ],
    ids=["reset before", "reset after", "half an answer", "done but 504", "no answer"],
)
def test_an_unclear_import_is_read_back_first(
    setting: Setting, mischief: Mischief, posts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_IMPORT_TIMEOUT_S", 1)
    setting.import_meets(None, mischief)
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    assert setting.clips == CLIPS
    assert setting.proxy.count(IMPORT.format(setting.project)) == posts


def test_an_import_that_the_server_does_long_after_it_was_given_up(setting: Setting) -> None:
    """Sent again, so that the clips are there twice when the first request is through: the later ones go."""
    held: list[bad_proxy.Handler] = []

    def hold(handler: bad_proxy.Handler) -> None:
        held.append(copy.copy(handler))
        handler.answer(504, "text/html", bad_proxy.PAGE)

    def do_the_held_one_first(handler: bad_proxy.Handler) -> None:
        held[0].pass_on()
        handler.answer(*handler.pass_on())

    setting.import_meets(None, hold, None, do_the_held_one_first)
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    assert (
        f"warning: 3 clips were in project {setting.project} twice, such as op1/clip_4: their second tasks, without "
        "annotations, were deleted\n"
    ) in result.stderr
    assert setting.clips == CLIPS


def test_doubles_that_somebody_works_on_stay(setting: Setting) -> None:
    assert setting.run().exit_code == 0
    url = f"/api/tasks?project={setting.project}&page_size=100&resolve_uri=false"
    datas = [task["data"] for task in setting.server.api("GET", url)["tasks"]][:3]
    again = setting.server.api(
        "POST", f"/api/projects/{setting.project}/import?return_task_ids=true", [{"data": data} for data in datas]
    )["task_ids"]
    setting.server.api("POST", f"/api/tasks/{again[0]}/drafts", {"result": [], "lead_time": 1})
    setting.server.api("POST", f"/api/tasks/{again[1]}/annotations", {"result": []})
    dry = CliRunner().invoke(cli, ["import-clips", str(setting.folder), "--project", str(setting.project), "--dry-run"])
    assert "warning: clip op1/clip_1 is in the project twice, tasks" in dry.stderr
    assert len(setting.clips) == N_CLIPS + 3
    result = setting.run()
    assert result.exit_code == 0
    assert "warning: 3 clips were in project" in result.stderr
    assert setting.clips == [*CLIPS[2:], *CLIPS[:2]]


@pytest.mark.parametrize(
    "name",
    ["GET /api/tasks", "GET /api/projects/", "POST /api/token/refresh", "POST /api/storages/localfiles/validate"],
)
def test_what_changes_nothing_is_repeated(setting: Setting, name: str) -> None:
    setting.meets(name, status(503), bad_proxy.reset_before)
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    setting.meets(name, bad_proxy.half_an_answer if name.startswith("GET") else None)
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    assert setting.clips == CLIPS


def test_an_access_token_that_expires_half_way_is_renewed(setting: Setting) -> None:
    expired = status(401, json.dumps({"detail": "Token is expired", "code": "token_not_valid"}).encode())
    setting.import_meets(None, expired)
    result = setting.run()
    assert result.exit_code == 0, result.stderr
    setting.meets("GET /api/tasks", expired)
    assert setting.run().exit_code == 0
    assert setting.clips == CLIPS


# --- One clear error, and the next run completes ----------------------------------------------------------------------

EXPIRED = status(401, b'{"detail": "Token is expired", "code": "token_not_valid"}')


@pytest.mark.parametrize(
    ("mischief", "message", "hint"),
    [
        (
            status(503),
            "Label Studio at {url} failed while importing 3 clips: status 503",
            "run the same command again in a while: it goes on where it stopped",
        ),
        (
            status(200),
            "{url} answered with a web page instead of data (status 200) while importing 3 clips",
            (
                "check the address (scheme, port, path) given by --url or LABEL_STUDIO_URL, and whether a proxy or a "
                "login page stands in front of Label Studio"
            ),
        ),
        (
            EXPIRED,
            "Label Studio at {url} does not take the access token: Token is expired",
            (
                "in Label Studio, open Account & Settings > Personal Access Token, create one, and set "
                "LABEL_STUDIO_API_KEY"
            ),
        ),
        (
            bad_proxy.reset_before,
            "the connection was broken by Label Studio at {url} while importing 3 clips",
            "check that it is running, then run the same command again: it goes on where it stopped",
        ),
    ],
    ids=["busy", "login page", "token expired", "broken"],
)
def test_what_does_not_go_away_is_one_error(setting: Setting, mischief: Mischief, message: str, hint: str) -> None:
    setting.import_meets(None, *itertools.repeat(mischief, 10))
    result = setting.run()
    assert result.exit_code == 3
    assert result.stderr == f"error: {message.format(url=setting.proxy.url)}\nhint: {hint}\n"
    assert setting.clips == CLIPS[:3]
    setting.import_meets()
    again = setting.run()
    assert again.exit_code == 0, again.stderr
    assert "clips imported 5, there already: 3; " in again.stderr
    assert setting.clips == CLIPS


@pytest.mark.parametrize("mischief", [status(503), status(200), EXPIRED, bad_proxy.reset_before])
def test_reading_back_fails_as_well(setting: Setting, mischief: Mischief) -> None:
    """The import was done, but its answer was lost, and the project cannot be read: nothing is sent on a guess."""

    def when(request: str) -> bool:
        if request.startswith("POST") and request.endswith("/import"):
            setting.proxy.mischief = iter([bad_proxy.gateway_timeout])
            return True
        setting.proxy.mischief = itertools.repeat(mischief)
        return request.startswith("GET /api/tasks") and setting.proxy.count(IMPORT.format(setting.project)) > 0

    setting.proxy.when = when
    result = setting.run()
    assert result.exit_code == 3
    assert result.stderr.count("error: ") == 1
    assert setting.proxy.count(IMPORT.format(setting.project)) == 1
    setting.import_meets()
    assert setting.run().exit_code == 0
    assert setting.clips == CLIPS


def test_the_server_stops_in_the_middle(tmp_path: Path, videos: VideoFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by force while it works on the second request, and started again with the same data."""
    monkeypatch.setattr(tasks, "_BATCH_SIZE", 3)
    monkeypatch.setattr(tasks, "_SETTLE_S", (0.05, 0.1))
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda _: 0)
    server = start(tmp_path / "data", tmp_path / "media")
    try:
        make_clips(tmp_path / "media" / "clips", videos)
        project = make_project(server, tmp_path / "media" / "clips", "Stops")
        words = ["import-clips", str(tmp_path / "media" / "clips"), "--project", str(project)]
        words += ["--api-key", server.token]

        def stop(handler: bad_proxy.Handler) -> None:
            worker = threading.Thread(target=lambda: _ignore_errors(handler.pass_on))
            worker.start()
            server.stop()
            worker.join()
            handler.break_off()

        with bad_proxy.bad_proxy(server.url) as proxy:
            proxy.when = lambda request: request.startswith(IMPORT.format(project))
            proxy.mischief = iter([None, stop])
            result = CliRunner().invoke(cli, [*words, "--url", proxy.url])
            assert result.exit_code == 3
            assert result.stderr.count("error: ") == 1
            assert "hint: " in result.stderr
        server = start(tmp_path / "data", tmp_path / "media")
        result = CliRunner().invoke(cli, [*words, "--url", server.url])
        assert result.exit_code == 0, result.stderr
        assert clips_of(server, project) == CLIPS
    finally:
        server.stop()


def _ignore_errors(function: Callable[[], object]) -> None:
    with suppress(Exception):  # the server is being stopped
        function()


# --- kill -9 ----------------------------------------------------------------------------------------------------------

KILLS = 50
_JITTER_S = 0.05


class Killable:
    """Runs imports through `proxy`, and kills them when one of their requests has come there."""

    def __init__(self, proxy: BadProxy, folder: Path, helper: "subprocess.Popen[str]") -> None:
        self.proxy, self.folder, self.helper = proxy, folder, helper

    def run(self, project: int, kill_at: int = 0, delay_s: float = 0) -> int | None:
        """The exit code, None where it was killed: `delay_s` after its request number `kill_at` (0: never)."""
        arguments = ["import-clips", str(self.folder), "--project", str(project), "--url", self.proxy.url]
        self.proxy.requests.clear()
        self.proxy.when = lambda _: False
        started, pid = threading.Event(), 0
        timers: list[threading.Timer] = []

        def kill() -> None:
            started.wait(10)
            os.kill(pid, signal.SIGKILL)

        def when(_: str) -> bool:
            if len(self.proxy.requests) == kill_at and not timers:
                timers.append(threading.Timer(delay_s, kill))
                timers[0].start()
            return False

        self.proxy.when = when
        assert self.helper.stdin
        assert self.helper.stdout
        self.helper.stdin.write(json.dumps(arguments) + "\n")
        self.helper.stdin.flush()
        pid = json.loads(self.helper.stdout.readline())
        started.set()
        code: int | None = json.loads(self.helper.stdout.readline())
        for timer in timers:
            timer.cancel()
            timer.join()
        return code


def test_killed_at_fifty_random_points(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory
) -> None:
    """The same command again, at once: the server may still be at work on what the killed process sent."""
    n_clips = 9
    make_clips(media_folder, videos, n_clips)
    clips = [f"op1/clip_{number}" for number in range(1, n_clips + 1)]
    command = [sys.executable, str(Path(__file__).parent.parent / "killable_import.py")]
    chance = random.Random(3)
    killed = killed_amid = 0
    with (
        bad_proxy.bad_proxy(server_environment.url) as proxy,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as helper,
    ):
        imports = Killable(proxy, media_folder, helper)
        assert imports.run(make_project(server_environment, media_folder, "Killed never")) == 0
        n_requests = len(proxy.requests)
        while killed < KILLS:
            project = make_project(server_environment, media_folder, f"Killed {killed}")
            for _ in range(5):
                if imports.run(project, chance.randint(1, n_requests), chance.uniform(0, _JITTER_S)) is not None:
                    break  # through before it was killed
                killed += 1
                killed_amid += 0 < len(clips_of(server_environment, project)) < n_clips
            assert imports.run(project) == 0
            assert clips_of(server_environment, project) == clips
        assert helper.stdin
        helper.stdin.close()
    assert killed_amid
