"""What an annotator sees inside a region of the frames timeline is what export-frames labels: real editor, real server.

Every number of the timeline is sought and the number burnt into the picture is read off the screen. A picture shown at
two numbers belongs to the range that holds the last of them.
"""

from pathlib import Path

import pytest

from editor import Editor
from editor_project import CLIPS, Project, make_project
from factories import VideoFactory
from label_studio_server import LabelStudio

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def project(label_studio: LabelStudio, videos: VideoFactory, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for the module's tests; each annotates a clip of its own."""
    return make_project(label_studio, videos, "frames")


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_shown_inside_a_region_are_labelled_so(
    project: Project, editor: Editor, tmp_path: Path, name: str
) -> None:
    clip = project.clips[name]
    editor.open_task(project.id, clip.task)
    last = editor.length
    ranges = {
        "Dissection / Sharp": (3, 12),  # by mouse, with a sub label
        "Suturing / Knot / Square": (13, 30),  # typed, adjacent, with a third-level label
        "Clipping": (25, last - 8),  # typed, over the one before, without sub labels
        "Suturing / Running": (last - 7, last),  # typed, to the timeline's end
    }

    editor.press("1")
    editor.drag_frames(3, 12)
    editor.select_region(-1)
    editor.choose("Sharp")
    editor.unselect()

    editor.pick_label("Suturing")
    editor.drag_frames(15, 20)
    editor.select_region(-1)
    editor.type_frames(13, 30)
    editor.choose("Square")
    editor.screenshot(f"frames-{name}")
    editor.unselect()

    editor.pick_label("Clipping")
    editor.drag_frames(22, 24)
    editor.select_region(-1)
    editor.type_frames(*ranges["Clipping"])
    editor.unselect()

    editor.pick_label("Suturing")
    editor.drag_frames(26, 26)
    editor.select_region(-1)
    editor.type_frames(*ranges["Suturing / Running"])
    editor.choose("Running")
    editor.unselect()

    drawn = [r["value"]["ranges"][0] for r in editor.result() if r["type"] == "timelinelabels"]
    assert [(r["start"], r["end"]) for r in drawn] == list(ranges.values())

    pictures = {number: clip.frame(editor.picture_at(number)) for number in range(1, last + 1)}
    editor.submit()
    last_number = {frame: number for number, frame in pictures.items()}
    assert set(last_number) == set(range(len(clip.burnt))), "the editor can show every picture of the clip"

    expected = {
        label: {frame for frame, number in last_number.items() if start <= number <= end}
        for label, (start, end) in ranges.items()
    }
    expected[""] = {frame for frame, number in last_number.items() if number < 3}
    # In the late clip the first picture is all that the first region showed, and the second region showed it last.
    expected = {label: frames for label, frames in expected.items() if frames}
    assert project.exported(name, tmp_path / "frames") == expected
