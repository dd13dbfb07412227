"""The page that annotators see, at the sizes of their screens: all is in view, nothing scrolls, nothing overlaps."""

import re
from typing import Any

import pytest

from editor import Editor
from editor_project import lsvid
from factories import VideoFactory
from label_studio_server import LabelStudio

pytestmark = pytest.mark.browser

SIZES = [(1366, 768), (1600, 1000), (1920, 1080)]
N_LABELS = 27

_MEASURE = """() => {
  const shown = element => {
    const box = element.getBoundingClientRect();
    const list = document.querySelector('.lsvid-labels').getBoundingClientRect();
    return box.height > 0 && box.top >= list.top - 1 && box.bottom <= Math.min(list.bottom, innerHeight) + 1;
  };
  const scrolled = [document.scrollingElement, ...document.querySelectorAll('.lsf-main-content, .lsf-main-view')];
  const box = selector => {
    const found = [...document.querySelectorAll(selector)].find(e => e.getBoundingClientRect().height > 0);
    if (!found) return null;
    const {left, top, right, bottom} = found.getBoundingClientRect();
    return {left, top, right, bottom};
  };
  return {
    scroll: Math.max(...scrolled.map(e => e.scrollHeight - e.clientHeight)),
    labels: [...document.querySelectorAll('.lsvid-labels .lsf-label')].filter(shown).length,
    boxes: {
      video: box('.lsf-video__main'), strip: box('.lsf-audio-tag canvas'), frames: box('.lsf-timeline-frames'),
      labels: box('.lsvid-labels'), buttons: box('.lsf-bottombar'), panel: box('.lsf-tabs-panel'),
    },
    clip: document.querySelector('.lsvid-clip')?.innerText ?? '',
    warning: box('.lsvid-selected') !== null,
  };
}"""


@pytest.fixture(scope="module", params=["frames", "waveform", "both"])
def page(request: pytest.FixtureRequest, label_studio: LabelStudio, videos: VideoFactory) -> tuple[str, int, int]:
    """(timeline, project, task) of a project with 27 labels and one clip."""
    timeline = str(request.param)
    folder = label_studio.document_root / f"page-{timeline}" / "op 7"
    videos.make(folder / "clip_1.mp4", n_frames=75, audio=True)
    labels = folder.parent / "labels.yaml"
    marked = [f"- {{name: Task {n}, timeline: frames}}" for n in range(1, 5)]
    rest = ["- {name: Task 5, children: [Blunt, {name: Hook, children: [Left, Right]}]}"]
    rest += [f"- Task {n}" for n in range(6, N_LABELS + 1)]
    labels.write_text("\n".join([*marked, *rest, ""]))
    title = f"Page {timeline}"
    words = ["--title", title, "--timeline", timeline, "--storage", str(folder), "--speed", "2"]
    project = lsvid(label_studio, "setup-project", str(labels), *words)["project"]["id"]
    lsvid(label_studio, "import-clips", str(folder), "--project", str(project))
    task = label_studio.api("GET", f"/api/tasks?project={project}")["tasks"][0]["id"]
    return timeline, project, task


def _overlap(one: dict[str, float] | None, other: dict[str, float] | None) -> bool:
    if one is None or other is None:
        return False
    width = min(one["right"], other["right"]) - max(one["left"], other["left"])
    height = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return width > 1 and height > 1


def _check(seen: dict[str, Any], timeline: str, size: tuple[int, int]) -> None:
    assert seen["scroll"] <= 0
    assert seen["labels"] >= (N_LABELS if timeline != "both" or size[0] > 1366 else 23)
    assert "op 7 / clip_1" in seen["clip"]
    boxes = seen["boxes"]
    assert (boxes["strip"] is not None) == (timeline != "frames")
    assert (boxes["frames"] is not None) == (timeline != "waveform")
    names = [name for name, box in boxes.items() if box is not None]
    overlaps = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :] if _overlap(boxes[a], boxes[b])]
    assert not overlaps
    assert all(box["bottom"] <= size[1] + 1 and box["right"] <= size[0] + 1 for box in boxes.values() if box)
    assert boxes["labels"]["left"] > boxes["video"]["right"] - 1, "labels are at the right of the video"
    assert boxes["buttons"]["top"] < boxes["video"]["top"], "Submit and Skip are at the top"


@pytest.mark.parametrize("size", SIZES, ids=[f"{width}x{height}" for width, height in SIZES])
def test_all_of_it_is_in_view(page: tuple[str, int, int], editor: Editor, size: tuple[int, int]) -> None:
    timeline, project, task = page
    editor.page.set_viewport_size({"width": size[0], "height": size[1]})
    editor.open_task(project, task)
    for theme in ("light", "dark"):
        editor.set_theme(theme)
        seen = editor.page.evaluate(_MEASURE)
        editor.screenshot(f"page-{timeline}-{size[0]}-{theme}")
        _check(seen, timeline, size)
        assert not seen["warning"]
    assert editor.page.evaluate("() => document.querySelector('video').playbackRate") == 2


def test_a_warning_stands_while_a_span_is_selected(page: tuple[str, int, int], editor: Editor) -> None:
    timeline, project, task = page
    editor.page.set_viewport_size({"width": 1366, "height": 768})
    editor.open_task(project, task)
    editor.pick_label("Task 5")
    if timeline == "frames":
        editor.drag_frames(5, 15)
    else:
        editor.drag_waveform(0.3, 0.6)
    editor.select_region(-1)
    seen = editor.page.evaluate(_MEASURE)
    editor.screenshot(f"page-{timeline}-selected")
    assert seen["warning"]
    assert seen["scroll"] <= 0
    assert editor.page.locator(".lsvid-selected").inner_text() == "Esc, or a label changes this span"
    editor.unselect()
    assert not editor.page.evaluate(_MEASURE)["warning"]
    editor.set_theme("dark")
    editor.select_region(-1)
    group = editor.page.locator(".lsvid-sub .lsf-choice__item_notLeaf").first
    colours = group.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
    editor.screenshot(f"page-{timeline}-selected-dark")
    text, ground = ([float(part) for part in re.findall(r"[\d.]+", colour)][:3] for colour in colours)
    assert abs(sum(text) - sum(ground)) > 300, f"a name that can be read: {colours}"
