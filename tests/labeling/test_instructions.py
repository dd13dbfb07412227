"""The page for annotators: what it says for each timeline, and that Label Studio shows it as it is."""

from html.parser import HTMLParser

import pytest

from lsvid.labeling.config import Timeline
from lsvid.labeling.instructions import instructions
from lsvid.labels.files import parse_labels_text
from lsvid.labels.tree import LabelTree

TREE = parse_labels_text(
    """
    - {name: "Cut <&> tie", hint: "watch \\"it\\"", children: [Blunt, {Knot: [Square, Slip]}]}
    - {name: Clip, timeline: frames, hotkey: shift+c, color: "#123456"}
    """,
    "labels.yaml",
)
FLAT = parse_labels_text("A\nB", "labels.txt")
TIMELINES: list[Timeline] = ["frames", "waveform", "both"]

# What the server lets through (label_studio/constants.py, 1.23.2), as far as the page needs it.
TAGS = {"p", "br", "b", "h4", "small", "table", "tr", "td"}
ATTRIBUTES = {"align", "bgcolor", "cellpadding", "valign", "width"}


class Page(HTMLParser):
    """The words of a page; fails on what Label Studio would take away or what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.words = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        if tag != "br":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if "td" in self.open:
            self.cells[-1] += data


@pytest.mark.parametrize("timeline", TIMELINES)
def test_label_studio_shows_it_as_it_is(timeline: Timeline) -> None:
    html = instructions(TREE, timeline)
    assert "\n" not in html
    assert Page(html).words


def test_the_labels_with_their_keys_and_sub_labels() -> None:
    assert Page(instructions(TREE)).cells == [
        "", "1", 'Cut <&> tie watch "it"', "Blunt, Knot (Square, Slip)",
        "", "Shift+C", "Clip", "",
    ]  # fmt: skip
    assert "bgcolor='#123456'" in instructions(TREE)


def test_how_to_mark_a_long_span_on_frames() -> None:
    words = Page(instructions(TREE, "frames")).words
    assert "type that number into End frame" in words
    assert "Ctrl+Alt+Space" in words
    assert "strip" not in words


def test_the_overlap_trap_of_the_waveform() -> None:
    words = Page(instructions(TREE, "waveform")).words
    assert "Drag along the time scale, the numbers above the strip" in words
    assert "while a mark is selected, a label's key changes that mark" in words
    assert "Alt+L locks a mark" in words
    assert "double-click the seconds at the right, type, and press Enter" in words
    assert "Shift+F" in words
    assert "wheel" not in words
    assert " row" not in words
    assert "End frame" not in words
    assert "Ctrl+Alt+Space" not in words


def test_both_says_which_label_goes_where() -> None:
    words = Page(instructions(TREE, "both")).words
    assert "On the timeline under the video: Clip" in words
    assert "On the strip below it: all other labels" in words


def test_sub_labels_are_explained_where_there_are_any() -> None:
    told = "What you have just marked is not selected. Click "
    assert f"{told}its row on the timeline" in Page(instructions(TREE)).words
    assert f"{told}it on the strip" in Page(instructions(TREE, "waveform")).words
    assert "Sub labels" not in Page(instructions(FLAT)).words


def test_more_labels_than_keys() -> None:
    tree = LabelTree(tuple(parse_labels_text("\n".join(f"L{n}" for n in range(45)), "l.txt").labels))
    assert Page(instructions(tree)).cells[-4:] == ["", "", "L44", ""]
