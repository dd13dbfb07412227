"""What an annotator marks on the waveform is what export-frames labels: real editor, real server.

A picture belongs to the interval, in seconds and half-open, in which it begins; every picture's time is sought and the
number burnt into the picture is read off the screen.
"""

from itertools import pairwise
from pathlib import Path

import pytest

from editor import Editor
from editor_project import CLIPS, Project, make_project
from factories import VideoFactory
from label_studio_server import LabelStudio

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def project(label_studio: LabelStudio, videos: VideoFactory) -> Project:
    """One project for the module's tests; each annotates a clip of its own."""
    return make_project(label_studio, videos, "waveform")


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_that_begin_inside_a_region_are_labelled_so(
    project: Project, editor: Editor, tmp_path: Path, name: str
) -> None:
    clip = project.clips[name]
    editor.open_task(project.id, clip.task)
    # Borders that lie on pictures: what is typed is milliseconds, what a picture begins at need not be.
    border = [round(clip.times_s[k] * 1000) for k in (22, 30, 36)]

    editor.press("1")
    editor.drag_waveform(0.31, 0.41)
    editor.select_region(-1)
    editor.choose("Blunt")
    editor.unselect()

    editor.pick_label("Suturing")
    editor.drag_waveform(0.5, 0.55)
    editor.select_region(-1)
    editor.choose("Surgeon")
    editor.type_seconds(border[0], border[1])
    editor.screenshot(f"waveform-{name}")
    editor.unselect()

    editor.pick_label("Clipping")
    editor.drag_waveform(0.8, 0.9)
    editor.select_region(-1)
    editor.type_seconds(border[1], border[2])
    editor.unselect()

    values = [region["value"] for region in editor.result() if region["type"] == "labels"]
    intervals = dict(
        zip(
            ("Dissection / Blunt", "Suturing / Knot / Surgeon", "Clipping"),
            [(value["start"], value["end"]) for value in values],
            strict=True,
        )
    )
    assert [round(time * 1000) for time in (*intervals["Suturing / Knot / Surgeon"], *intervals["Clipping"])] == [
        border[0], border[1], border[1], border[2],
    ]  # fmt: skip
    for frame, (begin, end) in enumerate(pairwise(clip.times_s)):
        assert clip.frame(editor.picture_at_time((begin + end) / 2)) == frame
    editor.submit()

    frames = range(len(clip.burnt))
    expected = {
        label: {frame for frame in frames if start - 0.001 <= clip.times_s[frame] < end - 0.001}
        for label, (start, end) in intervals.items()
    }
    expected[""] = set(frames) - set().union(*expected.values())
    assert project.exported(name, tmp_path / "frames") == expected
    assert expected["Suturing / Knot / Surgeon"] == set(range(22, 30)), "typed borders fall on their pictures"
    assert expected["Clipping"] == set(range(30, 36))
