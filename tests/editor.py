"""Label Studio's editor in a real Chromium, driven as an annotator drives it. Measured on Label Studio 1.23.2.

`python -m editor` ends well only where a Chromium can be started; scripts/test asks so before it runs the tests.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from environments import ROOT
from label_studio_server import LabelStudio

ARTIFACTS = ROOT / ".artifacts"

_ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to run as root otherwise, which is what CI does
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
]
_TIMEOUT_MS = 30_000

_SCRIPT = """
window.lsvid = {
  annotation: () => Htx.annotationStore.selected,
  video: () => lsvid.annotation().names.get('video'),
  serialized: () => JSON.parse(JSON.stringify(lsvid.annotation().serializeAnnotation())),
  // The number burnt into a picture: 16 squares of 40 px in a picture 320 px wide, scaled by `zoom`, low bit first.
  number: (context, left, top, zoom) => {
    let n = 0;
    for (let k = 0; k < 16; k++) {
      const x = Math.round(left + (k % 8 * 40 + 20) * zoom), y = Math.round(top + ((k >> 3) * 40 + 20) * zoom);
      if (context.getImageData(x, y, 1, 1).data[0] > 127) n |= 1 << k;
    }
    return n;
  },
  // The number in the picture on the editor's canvas, which is what the annotator sees.
  shown: () => {
    const player = lsvid.video().ref.current, canvas = document.querySelector('.lsf-video-canvas canvas');
    const zoom = player.zoom, size = player.videoDimensions;
    return lsvid.number(canvas.getContext('2d', {willReadFrequently: true}),
      (canvas.width - size.width * zoom) / 2, (canvas.height - size.height * zoom) / 2, zoom);
  },
  // The number in the picture that the video element holds: the canvas has caught up once both are the same.
  held: () => {
    const video = document.querySelector('video');
    if (video.seeking || video.readyState < 2) return null;
    const copy = lsvid.copy = lsvid.copy || new OffscreenCanvas(320, 240);
    const context = copy.getContext('2d', {willReadFrequently: true});
    context.drawImage(video, 0, 0, 320, 240);
    return lsvid.number(context, 0, 0, 1);
  },
  // Waits for the canvas to show what the video holds; false where it goes on showing another picture.
  settled: async (isReady = () => true) => {
    const frame = () => new Promise(requestAnimationFrame), deadline = performance.now() + 3000;
    for (let same = 0; same < 2;) {
      await frame();
      if (performance.now() > deadline) return false;
      same = isReady() && lsvid.held() !== null && lsvid.held() === lsvid.shown() ? same + 1 : 0;
    }
    return true;
  },
  // The editor draws on the canvas once after a seek, now and then before Chromium has the new picture, and then shows
  // the one from before until it is sought again: so seek again, as a person would who comes back.
  show: async (seek, elsewhere) => {
    const video = document.querySelector('video');
    for (let attempt = 0; attempt < 5; attempt++) {
      // On a busy machine `seeked` comes before the picture: wait for the picture itself.
      let presented = false;
      video.requestVideoFrameCallback(() => presented = true);
      seek();  // has begun when this returns
      if (!video.seeking) presented = true;  // it is there already
      if (await lsvid.settled(() => presented)) return lsvid.shown();
      elsewhere();
      await lsvid.settled();
    }
    throw new Error(`the canvas shows picture ${lsvid.shown()} where the video holds ${lsvid.held()}`);
  },
  showNumber: number => {
    const video = lsvid.video();
    return lsvid.show(() => video.setFrame(number), () => video.setFrame(number > 5 ? number - 5 : number + 5));
  },
  showTime: time => {
    const video = document.querySelector('video');
    return lsvid.show(() => video.currentTime = time, () => video.currentTime = time > 1 ? time - 1 : time + 1);
  },
  cell: number => {
    const scroll = document.querySelector('.lsf-timeline-frames__scroll'), box = scroll.getBoundingClientRect();
    const style = getComputedStyle(document.querySelector('.lsf-timeline-frames'));
    const width = parseFloat(style.getPropertyValue('--frame-size'));
    const offset = parseFloat(style.getPropertyValue('--offset'));
    return {x: box.left + offset + (number - 1) * width - scroll.scrollLeft + width / 2, y: box.top + 12};
  },
};
"""

_CARET_AT = """place => {
  const box = document.activeElement, caret = box.selectionStart;
  return box.tagName === 'INPUT' && (caret === place || box.value[caret] === ':' && caret + 1 === place);
}"""


class Editor:
    """The editor with one task open at a time."""

    def __init__(self, page: Page, server: LabelStudio) -> None:
        self.page = page
        self._server = server

    def log_in(self) -> None:
        """Log in with the server's user."""
        self.page.goto(f"{self._server.url}/user/login/")
        self.page.fill("input[name=email]", self._server.username)
        self.page.fill("input[name=password]", self._server.password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(re.compile(r"^(?!.*login)"))

    def open_task(self, project: int, task: int) -> None:
        """Open a task, and wait until its first picture is on the canvas and everything stands where it will stay."""
        self.page.goto(f"{self._server.url}/projects/{project}/data?task={task}")
        self.page.wait_for_selector(".lsf-video-canvas canvas", timeout=60_000)
        self.page.wait_for_function("() => window.Htx?.annotationStore?.selected?.names.get('video')?.ref.current")
        self.page.evaluate(_SCRIPT)
        # Only once the video has loaded: never on a wrong codec or address.
        self.page.wait_for_function("() => lsvid.video().length > 1")
        self.page.evaluate("() => lsvid.settled()")
        # Late controls shift the strips down: a drag begun before that lands in the wrong place.
        self.page.evaluate(
            """async () => {
              const place = () => JSON.stringify([...document.querySelectorAll('.lsf-timeline-frames, canvas')]
                .map(e => e.getBoundingClientRect()));
              for (let last = '', same = 0; same < 30; last = place()) {
                same = place() === last ? same + 1 : 0;
                await new Promise(requestAnimationFrame);
              }
            }"""
        )

    @property
    def length(self) -> int:
        """The last number on the editor's timeline."""
        return int(self.page.evaluate("() => lsvid.video().length"))

    @property
    def rate(self) -> float:
        """The frame rate that the editor computes with."""
        return float(self.page.evaluate("() => lsvid.video().framerate"))

    def result(self) -> list[dict[str, Any]]:
        """The annotation as the editor would submit it now."""
        result: list[dict[str, Any]] = self.page.evaluate("() => lsvid.serialized()")
        return result

    def picture_at(self, number: int) -> int:
        """The number burnt into the picture that the editor shows at `number` of its timeline (from 1)."""
        return int(self.page.evaluate("n => lsvid.showNumber(n)", number))

    def picture_at_time(self, time_s: float) -> int:
        """The number burnt into the picture that the editor shows at `time_s` of the video."""
        return int(self.page.evaluate("t => lsvid.showTime(t)", time_s))

    def pick_label(self, name: str) -> None:
        """Make a label the one that the next drag draws."""
        self.page.locator(".lsf-label", has_text=re.compile(rf"^\s*{re.escape(name)}\s*\S?\s*$")).first.click()

    def press(self, key: str) -> None:
        """Press a key, such as a label's hotkey."""
        self.page.keyboard.press(key)

    def drag_frames(self, first: int, last: int) -> None:
        """With a label picked: draw a region over `first`..`last` (from 1, both included) on the frames timeline."""
        self._drag(self.page.evaluate("n => lsvid.cell(n)", first), self.page.evaluate("n => lsvid.cell(n)", last))

    def drag_waveform(self, first: float, last: float) -> None:
        """With a label picked: draw a region on the waveform, from `first` to `last` (0 to 1, parts of its width)."""
        box = self.page.locator("canvas").last.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        self._drag({"x": box["x"] + box["width"] * first, "y": y}, {"x": box["x"] + box["width"] * last, "y": y})

    def _drag(self, start: dict[str, float], end: dict[str, float]) -> None:
        before = len(self.result())
        mouse = self.page.mouse
        mouse.move(start["x"], start["y"])
        mouse.down()
        mouse.move(end["x"], end["y"], steps=8)
        mouse.up()
        self.page.wait_for_function("n => lsvid.serialized().length > n", arg=before)

    def select_region(self, row: int) -> None:
        """Select a region by its row in the Regions panel: by time, from 0; -1 is the last."""
        self.page.locator(".lsf-outliner-item").nth(row).click()
        self.page.wait_for_function("() => lsvid.annotation().selectedRegions.length === 1")

    def type_frames(self, start: int, end: int) -> None:
        """Give the selected region its first and last number in the Info panel."""
        for box, value in self._boxes(start, end, "lsvid.annotation().selectedRegions[0].ranges[0].end"):
            box.click()
            self.press("ControlOrMeta+a")
            self.page.keyboard.type(str(value))
            self.press("Enter")
        self.page.wait_for_function(
            "typed => { const r = lsvid.annotation().selectedRegions[0].ranges[0];"
            " return r.start === typed[0] && r.end === typed[1]; }",
            arg=[start, end],
        )

    def type_seconds(self, start_ms: int, end_ms: int) -> None:
        """Give the selected region of the waveform its times in the Info panel."""
        for box, value in self._boxes(start_ms, end_ms, "lsvid.annotation().selectedRegions[0].end * 1000"):
            seconds, milliseconds = divmod(value, 1000)
            digits = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}{milliseconds:03}"
            box.click(position={"x": 2, "y": 8})  # the box overwrites from the caret on
            # The box moves the caret on a little after each digit; the next one, if too early, would land at its end.
            for digit, place in zip(digits, (0, 1, 3, 4, 6, 7, 9, 10, 11), strict=True):  # of HH:MM:SS:mmm
                self.page.wait_for_function(_CARET_AT, arg=place)
                self.press(digit)
            self.page.wait_for_function(_CARET_AT, arg=12)
            self.press("Enter")
        self.page.wait_for_function(
            "typed => { const r = lsvid.annotation().selectedRegions[0];"
            " return Math.abs(r.start - typed[0]) < 1e-6 && Math.abs(r.end - typed[1]) < 1e-6; }",
            arg=[start_ms / 1000, end_ms / 1000],
        )

    def _boxes(self, start: int, end: int, present_end: str) -> list[tuple[Locator, int]]:
        """The Info panel's boxes and what to type into them, in an order in which the start stays before the end."""
        boxes = self.page.locator("[class*=region-editor] input")
        in_order = [(boxes.nth(0), start), (boxes.nth(1), end)]
        return in_order if start < self.page.evaluate(f"() => {present_end}") else in_order[::-1]

    def choose(self, name: str) -> None:
        """Tick a sub label of the selected region."""
        before = len(self.result())
        self.page.locator(".lsf-choice", has_text=name).locator("visible=true").last.click()
        self.page.wait_for_function("n => lsvid.serialized().length > n", arg=before)

    def pick_in_tree(self, search: str, path: str) -> None:
        """Give the selected region the label at `path` (as the tree shows it), found by searching for `search`."""
        self.page.locator(".lsvid-sub .ant-select-selector").click()
        tree = self.page.locator(".ant-select-dropdown")
        tree.wait_for()
        self.page.wait_for_function(  # else the first letter goes astray
            "() => document.querySelector('.ant-select-dropdown').contains(document.activeElement)"
        )
        self.page.keyboard.type(search, delay=50)
        tree.get_by_text(search, exact=True).last.wait_for()
        self.screenshot("pass-2-tree")
        tree.get_by_text(search, exact=True).last.click()
        self.page.keyboard.press("Escape")
        self.page.locator(".lsvid-sub .ant-select-selection-item", has_text=path).wait_for()

    def unselect(self) -> None:
        """Unselect the region, so that the next label does not go to it."""
        self.press("Escape")
        self.page.wait_for_function("() => lsvid.annotation().selectedRegions.length === 0")

    def submit(self) -> None:
        """Submit the annotation, and wait until the server has taken it."""
        with self.page.expect_response(
            lambda answer: "/annotations" in answer.url and answer.request.method == "POST"
        ) as got:
            self.page.click('button:has-text("Submit")')
        assert got.value.status == 201, got.value.text()

    def set_theme(self, name: str) -> None:
        """Show the page in the theme "light" or "dark"."""
        self.page.evaluate("name => document.documentElement.dataset.colorScheme = name", name)

    def screenshot(self, name: str) -> None:
        """Keep a picture of the page in .artifacts/."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole session."""
    with chromium() as running:
        yield running


@pytest.fixture
def editor(browser: Browser, label_studio: LabelStudio, request: pytest.FixtureRequest) -> Iterator[Editor]:
    """The editor, logged in; a screenshot of how the test left it is kept in .artifacts/."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(_TIMEOUT_MS)
    editor = Editor(context.new_page(), label_studio)
    editor.log_in()
    yield editor
    editor.screenshot(f"{Path(request.node.name).name}-end")
    context.close()


if __name__ == "__main__":
    with chromium() as started:
        started.new_page().set_content("<p>Chromium runs.")
