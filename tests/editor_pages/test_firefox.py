"""The waveform in a real Firefox: without a sound track an error, with the empty one of a proxy the strip."""

from pathlib import Path

import pytest

from editor import ARTIFACTS
from editor_project import LABELS, lsvid
from factories import VideoFactory
from firefox import Firefox, firefox
from label_studio_server import LabelStudio

pytestmark = pytest.mark.browser

_LOG_IN = """() => {{
  document.querySelector('input[name=email]').value = {user!r};
  document.querySelector('input[name=password]').value = {password!r};
  document.querySelector('button[type=submit]').click();
}}"""
_FAILED = "document.body.innerText.includes('Error while loading audio')"
# The strip is drawn once the sound's length is known, and is as long as the video then.
_READY = """(() => {
  const audio = window.Htx?.annotationStore?.selected?.names.get('audio');
  return Boolean(audio?._ws?.duration > 0 || audio?.ws?.duration > 0);
})()"""


def _outcome(browser: Firefox, server: LabelStudio, project: int, task: int) -> str:
    """Whether the strip came: "failed" or "ready"."""
    browser.open(f"{server.url}/projects/{project}/data?task={task}")
    return str(browser.wait_for(f"{_FAILED} ? 'failed' : {_READY} ? 'ready' : ''"))


def test_a_proxy_shows_its_waveform_where_a_clip_without_sound_does_not(
    label_studio: LabelStudio, videos: VideoFactory, tmp_path: Path
) -> None:
    clips = label_studio.document_root / "firefox" / "clips"
    proxies = label_studio.document_root / "firefox" / "proxies"
    videos.make(clips / "op1" / "a.mp4", n_frames=75)
    (tmp_path / "labels.txt").write_text(LABELS)
    lsvid(label_studio, "make-proxies", str(clips), "-o", str(proxies))
    tasks = {}
    for title, more in (("Firefox, silent", []), ("Firefox, proxies", ["--proxies", str(proxies)])):
        made = lsvid(
            label_studio, "setup-project", str(tmp_path / "labels.txt"), "--title", title, "--timeline", "waveform",
            "--storage", str(clips.parent),
        )  # fmt: skip
        project = str(made["project"]["id"])
        report = lsvid(label_studio, "import-clips", str(clips), "--project", project, *more)
        tasks[title] = (int(project), report["items"][0]["task"])
        assert any("no sound track" in warning for warning in report["warnings"]) is (not more)
    with firefox(tmp_path / "profile") as browser:
        browser.open(f"{label_studio.url}/user/login/")
        browser.run(f"({_LOG_IN.format(user=label_studio.username, password=label_studio.password)})()")
        browser.wait_for("!location.pathname.includes('login') && document.readyState === 'complete'")
        for title, expected in (("Firefox, proxies", "ready"), ("Firefox, silent", "failed")):
            outcome = _outcome(browser, label_studio, *tasks[title])
            browser.screenshot(ARTIFACTS / f"{title.replace(', ', '-').lower()}.png")
            assert outcome == expected, title
