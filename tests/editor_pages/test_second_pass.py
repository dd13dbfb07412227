"""The second pass as an annotator meets it: regions are there, each gets its label out of a searchable tree."""

from pathlib import Path

import pytest

from builders import run, succeeded
from editor import Editor
from factories import VideoFactory
from label_studio_server import LabelStudio
from passes import Passes

pytestmark = pytest.mark.browser


def test_regions_get_their_labels_out_of_the_tree(
    server_environment: LabelStudio, media_folder: Path, videos: VideoFactory, editor: Editor
) -> None:
    for name in ("1", "2"):
        videos.make(media_folder / "op1" / f"{name}.mp4", n_frames=50)
    passes = Passes(server_environment, media_folder, "Editor", "frames")
    first = passes.tasks(0)[0]

    editor.open_task(passes.ids[0], first["id"])
    editor.press("1")
    editor.drag_frames(3, 12)
    editor.screenshot("pass-1-regions")
    editor.submit()
    succeeded(passes.bring())

    (task,) = passes.tasks(1)
    editor.open_task(passes.ids[1], task["id"])
    editor.select_region(0)
    editor.pick_in_tree("Slip", "Suture / Knot / Slip")
    editor.screenshot("pass-2-labels")
    editor.submit()

    result = succeeded(run("export-spans", "--project", passes.ids[1], "--clips", passes.clips))
    assert '"label":["Suture","Knot","Slip"]' in result.stdout
    assert '"start_frame":2,"stop_frame":12' in result.stdout
