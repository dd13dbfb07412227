"""The contact sheet: a row of three pictures for every span, and the right ones."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser

import lsvid
from builders import annotation, damaged, export, region, run, task
from factories import VideoFactory, read_burnt_number
from lsvid.clock import clock


def _numbers(page: str) -> list[int]:
    """The numbers burnt into the page's pictures, in their order."""
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page)]
    return [read_burnt_number(np.asarray(cv2.imdecode(np.frombuffer(p, np.uint8), 1))) for p in pictures]


def test_each_span_has_its_first_middle_and_last_picture(clips: Path, tmp_path: Path) -> None:
    exported = export(
        tmp_path,
        task(1, "clip_1", annotation(1, 5, region(5, 12, "A <b>"), region(13, 50, "B", "r2"))),
        task(2, "clip_2", annotation(2, 6, region(7, 7, "B"))),
    )
    sheet = tmp_path / "sheet.html"
    result = run("contact-sheet", exported, "--clips", clips, "-o", sheet)
    assert result.exit_code == 0, result.stderr
    assert f"3 spans -> {sheet}" in result.stderr
    page = sheet.read_text()
    assert _numbers(page) == [4, 7, 11, 12, 30, 49, 6, 6, 6]
    assert page.count("<section") == 3
    assert "<b>A &lt;b&gt;</b>" in page
    assert "frames 4 to 11<br>starts 0:00:00.160<br>lasts 0.32 s<br>" in page
    assert "last: frame 49 at 0:00:01.960" in page
    assert f"<h1>Contact sheet of {exported}</h1>" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page), "it needs nothing else"


def test_a_picture_that_cannot_be_decoded_is_said_to_be_missing(videos: VideoFactory, tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "op1"
    damaged(videos, folder / "clip_1.mp4", [27], n_frames=60, gop=20)
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(1, 60, "A"))))
    result = run("contact-sheet", exported, "--clips", folder.parent, "-o", tmp_path / "sheet.html")
    assert result.exit_code == 0, result.stderr
    assert "clip op1/clip_1 is damaged: 1 of its pictures cannot be decoded" in result.stderr
    page = (tmp_path / "sheet.html").read_text()
    assert _numbers(page) == [0, 59]
    assert page.count("cannot be decoded") == 1


def test_a_clip_links_to_its_task(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "op1" / "clip_1.mp4")
    exported = export(tmp_path, task(7, "clip_1", annotation(1, 5, region(1, 2, "A"))))
    dataset = lsvid.read(exported, clips=tmp_path)
    with_project = replace(dataset, project_url="https://ls.example.org/projects/3/")
    with_project.contact_sheet(tmp_path / "sheet.html")
    link = '<a href="https://ls.example.org/projects/3/data?task=7" target="_blank" rel="noopener">task</a>'
    assert f"<h2>op1/clip_1 {link}</h2>" in (tmp_path / "sheet.html").read_text()


@pytest.mark.browser
def test_pictures_take_the_width_of_the_page_in_both_themes(browser: Browser, clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    assert run("contact-sheet", exported, "--clips", clips, "-o", tmp_path / "sheet.html").exit_code == 0
    for scheme in ("light", "dark"):
        shown = browser.new_context(viewport={"width": 1600, "height": 900}, color_scheme=scheme).new_page()
        shown.goto((tmp_path / "sheet.html").as_uri())
        boxes = shown.locator("img").evaluate_all("all => all.map(e => [e.getBoundingClientRect().right, e.width])")
        assert 1500 < boxes[2][0] <= 1600
        assert sum(width for _, width in boxes) > 1200
        red, green, blue = re.findall(r"\d+", shown.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
        assert (int(red) + int(green) + int(blue) < 150) == (scheme == "dark")
        shown.context.close()


def test_no_span_is_an_error(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    result = run("contact-sheet", exported, "--clips", clips, "-o", tmp_path / "sheet.html")
    assert (result.exit_code, "there is no span to show: in the clips that are" in result.stderr) == (1, True)
    assert not (tmp_path / "sheet.html").exists()


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (0, "0:00:00.000"),
        (59.9996, "0:01:00.000"),
        (599.96, "0:09:59.960"),
        (3661.5, "1:01:01.500"),
        (-0.04, "-0:00:00.040"),
    ],
)
def test_times_read_as_a_clock(time_s: float, text: str) -> None:
    assert clock(time_s, 3) == text
