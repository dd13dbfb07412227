"""LabelTree -> XML -> LabelTree, and what the XML must be for the editor: names, keys, colours."""

import math
from collections import Counter
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.errors import DataError, SettingsError
from lsvid.labeling.config import Timeline, control_name, labeling_config
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labels.colours import HOTKEYS, PALETTE, dressed
from lsvid.labels.files import EDITOR_KEYS, parse_labels_text, read_labels
from lsvid.labels.tree import Label, LabelTree

LABEL_CONFIGS = Path(__file__).resolve().parent.parent.parent / "label_configs"
NO_KEY = "\u200b"


def parsed(xml: str) -> ET.Element:
    return ET.fromstring(xml)  # noqa: S314 - made here


# --- The files that ship ----------------------------------------------------------------------------------------------

LABEL_FILES = sorted(file for file in LABEL_CONFIGS.iterdir() if file.suffix != ".xml")


def test_there_are_label_files() -> None:
    assert len(LABEL_FILES) == len(list(LABEL_CONFIGS.glob("*.xml"))) == 4


@pytest.mark.parametrize("file", LABEL_FILES, ids=lambda file: file.name)
def test_label_files_make_the_xml_beside_them(file: Path) -> None:
    """Where this fails on purpose: scripts/regenerate-label-configs, and read the diff."""
    assert labeling_config(read_labels(file)).encode() == file.with_suffix(".xml").read_bytes()


def test_the_surgical_file() -> None:
    tree = read_labels(LABEL_CONFIGS / "surgical.txt")
    assert len(tree.labels) == 27
    assert tree.depth == 3
    assert sum(bool(label.children) for label in tree.labels) > 5


def test_the_yaml_file_has_every_field() -> None:
    labels = [label for _, label in read_labels(LABEL_CONFIGS / "suturing.yaml").walk()]
    for field in ("id", "color", "hotkey", "hint", "multiple", "timeline"):
        assert any(getattr(label, field) for label in labels), field


# --- There and back ---------------------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=12
)
NAMES = TEXT | st.sampled_from([
    "Cut, and tie", "a & b", "<5 mm", 'say "ah"', "it's", " blanks ", "a  b", "&amp;", "]]>", "\u200b", "\u2028",
    "缝合", "🫀",
])  # fmt: skip


@st.composite
def sub_labels(draw: st.DrawFn, depth: int) -> tuple[Label, ...]:
    names = draw(st.lists(NAMES, max_size=3, unique=True)) if depth else []
    return tuple(
        Label(
            name, draw(sub_labels(depth - 1)), id=draw(st.none() | st.just(f"id {name}")), hint=draw(st.none() | TEXT)
        )
        for name in names
    )


@st.composite
def trees(draw: st.DrawFn) -> LabelTree:
    labels = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)):
        children = draw(sub_labels(3))
        labels.append(
            Label(
                name,
                children,
                id=draw(st.none() | st.just(f"id {name}")),
                hint=draw(st.none() | TEXT),
                color=draw(st.none() | st.just("#123456")),
                multiple=bool(children) and draw(st.booleans()),
                timeline=draw(st.sampled_from([None, "frames"])),
            )
        )
    return LabelTree(tuple(labels))


def without_timeline(tree: LabelTree) -> LabelTree:
    return LabelTree(tuple(Label(**{**vars(label), "timeline": None}) for label in tree.labels))


@given(trees(), st.sampled_from(["frames", "waveform"]))
def test_any_tree_comes_back(tree: LabelTree, timeline: Timeline) -> None:
    xml = labeling_config(tree, timeline)
    back = LabelingConfig.parse(xml).tree
    assert back == without_timeline(dressed(tree))
    assert labeling_config(back, timeline) == xml


@given(trees())
def test_any_tree_comes_back_from_both_timelines(tree: LabelTree) -> None:
    marked = [label for label in tree.labels if label.timeline == "frames"]
    if len(marked) in {0, len(tree.labels)}:
        with pytest.raises(SettingsError):
            labeling_config(tree, "both")
        return
    back = LabelingConfig.parse(labeling_config(tree, "both")).tree
    assert sorted(back.labels, key=lambda label: label.name) == sorted(
        dressed(tree).labels, key=lambda label: label.name
    )


@given(trees())
def test_names_are_unique_and_labels_are_reached(tree: LabelTree) -> None:
    root = parsed(labeling_config(tree))
    assert max(Counter(tag.get("name") for tag in root.iter() if "name" in tag.attrib).values()) == 1
    with_children = {label.export_value for label in tree.labels if label.children}
    assert {tag.get("whenLabelValue") for tag in root.iter("Choices")} == with_children
    assert {tag.get("value") for tag in root.iter("Label")} == {label.name for label in tree.labels}


# --- What the editor needs --------------------------------------------------------------------------------------------

TREE = parse_labels_text(
    """
    - {name: Dissection, id: diss, hint: "careful", children: [Blunt, {name: Sharp, id: sharp, hint: cut}]}
    - {name: "Cut, and tie", multiple: true, children: [{Knot: [Square, Slip]}, Cut]}
    - {name: Clip, timeline: frames}
    """,
    "labels.yaml",
)


def tags(xml: str, name: str) -> list[dict[str, str]]:
    return [dict(tag.attrib) for tag in parsed(xml).iter(name)]


def test_sub_labels_show_for_their_label_exactly() -> None:
    """`whenLabelValue` stands alone: with `visibleWhen` the editor would cut it at commas. An alias is the value."""
    first, second = tags(labeling_config(TREE), "Choices")
    assert first == {
        "name": control_name(("diss",)), "toName": "video", "perRegion": "true", "whenLabelValue": "diss",
        "choice": "single", "showInline": "false",
    }  # fmt: skip
    assert second == {
        "name": control_name(("Cut, and tie",)), "toName": "video", "perRegion": "true",
        "whenLabelValue": "Cut, and tie", "choice": "multiple", "allowNested": "true", "showInline": "false",
    }  # fmt: skip


def test_ids_become_aliases_and_hints_are_shown() -> None:
    xml = labeling_config(TREE)
    assert tags(xml, "Label")[0] == {
        "value": "Dissection", "alias": "diss", "background": PALETTE[0], "hotkey": "1", "hint": "careful"
    }  # fmt: skip
    assert tags(xml, "Choice")[1] == {"value": "Sharp", "alias": "sharp", "hotkey": NO_KEY, "hint": "cut"}


def test_deeper_levels_are_nested() -> None:
    choices = parsed(labeling_config(TREE)).findall(".//Choices")[1]
    knot = choices.find("Choice")
    assert knot is not None
    assert [choice.get("value") for choice in knot] == ["Square", "Slip"]


def test_the_frames_timeline() -> None:
    xml = labeling_config(TREE)
    (video,) = tags(xml, "Video")
    assert video == {
        "name": "video", "value": "$video", "frameRate": "$fps", "height": "400", "timelineHeight": "144",
        "defaultPlaybackSpeed": "1", "minPlaybackSpeed": "0.25",
    }  # fmt: skip
    assert tags(xml, "TimelineLabels") == [{"name": "task", "toName": "video", "showInline": "false"}]
    assert not tags(xml, "Audio")
    assert not tags(xml, "Labels")


def test_the_waveform_timeline() -> None:
    xml = labeling_config(TREE, "waveform")
    (video,), (audio,) = tags(xml, "Video"), tags(xml, "Audio")
    assert (video["sync"], video["muted"], video["frameRate"]) == ("audio", "true", "$fps")
    assert "timelineHeight" not in video
    assert (audio["name"], audio["value"], audio["sync"], audio["decoder"]) == ("audio", "$video", "video", "none")
    assert tags(xml, "Labels") == [{"name": "task", "toName": "audio", "showInline": "false"}]
    assert {choices["toName"] for choices in tags(xml, "Choices")} == {"audio"}
    assert not tags(xml, "TimelineLabels")


def test_both_timelines() -> None:
    xml = labeling_config(TREE, "both")
    root = parsed(xml)
    assert [tag.get("value") for tag in root.findall(".//TimelineLabels/Label")] == ["Clip"]
    assert [tag.get("value") for tag in root.findall(".//Labels/Label")] == ["Dissection", "Cut, and tie"]
    assert [(tag["name"], tag["toName"]) for tag in tags(xml, "TimelineLabels") + tags(xml, "Labels")] == [
        ("task", "video"), ("task_audio", "audio")
    ]  # fmt: skip
    assert [tag["toName"] for tag in tags(xml, "Filter")] == ["task", "task_audio"]


def test_both_timelines_of_a_text_file() -> None:
    tree = parse_labels_text("Cut\n--Sharp\nClip\nSew\n", "labels.txt")
    root = parsed(labeling_config(tree.on_frames(["Clip"]), "both"))
    assert [tag.get("value") for tag in root.findall(".//TimelineLabels/Label")] == ["Clip"]
    assert [tag.get("value") for tag in root.findall(".//Labels/Label")] == ["Cut", "Sew"]
    with pytest.raises(SettingsError, match="'Sharp' is not known") as caught:
        tree.on_frames(["Sharp"])
    assert caught.value.hint == "choose from Cut, Clip, Sew"


def test_the_speed_is_that_of_the_strip_too() -> None:
    config = labeling_config(parse_labels_text("Cut\n", "labels.txt"), "waveform", speed="2")
    assert tags(config, "Video")[0]["defaultPlaybackSpeed"] == "2"
    assert tags(config, "Audio")[0]["defaultspeed"] == "2"  # an attribute of another name, in 1.23.2


@pytest.mark.parametrize(("mark", "which"), [(None, "no label is"), ("frames", "all labels are")])
def test_both_timelines_need_labels_for_each(mark: str | None, which: str) -> None:
    text = f'[{{"name": "A", "timeline": "{mark}"}}]' if mark else '["A"]'
    with pytest.raises(SettingsError, match=f"timeline=both: {which} marked for the frames") as caught:
        labeling_config(parse_labels_text(text, "l.json"), "both")
    assert "{name: Clip applied, timeline: frames}" in caught.value.hint


@pytest.mark.parametrize(("count", "height"), [(1, 144), (5, 144), (7, 192), (11, 192), (27, 192)])
def test_the_timeline_has_a_row_for_each_label_and_one_more(count: int, height: int) -> None:
    tree = LabelTree(tuple(Label(str(n)) for n in range(count)))
    assert tags(labeling_config(tree), "Video")[0]["timelineHeight"] == str(height)


def test_control_names_do_not_depend_on_other_labels() -> None:
    assert control_name(("Calot's triangle dissection",)) == "sub_calot_s_triangle_dissect_ceb7cfab"
    assert control_name(("Übernähen & Knoten",)).startswith("sub_ubernahen_knoten_")
    assert control_name(("缝合",)).startswith("sub_")
    assert control_name(("a-b",)) != control_name(("a b",))
    assert control_name(("a", "b")) != control_name(("a b",))
    names = {tag["whenLabelValue"]: tag["name"] for tag in tags(labeling_config(TREE), "Choices")}
    turned = LabelTree((Label("New", (Label("x"),)), *reversed(TREE.labels)))
    assert names.items() <= {t["whenLabelValue"]: t["name"] for t in tags(labeling_config(turned), "Choices")}.items()


def test_renaming_under_an_id_changes_no_control() -> None:
    renamed = LabelTree(tuple(Label(**{**vars(label), "name": "New"}) if label.id else label for label in TREE.labels))
    assert tags(labeling_config(renamed), "Choices") == tags(labeling_config(TREE), "Choices")


# --- Keys -------------------------------------------------------------------------------------------------------------


def keys_of(tree: LabelTree) -> list[str]:
    """Every key in the configuration, but for what stands for none."""
    root = parsed(labeling_config(tree))
    return [tag.attrib["hotkey"] for tag in root.iter() if tag.get("hotkey", NO_KEY) != NO_KEY]


@pytest.mark.parametrize("count", [1, 27, 39, 60])
def test_keys_are_unique_and_not_the_editors(count: int) -> None:
    keys = keys_of(LabelTree(tuple(Label(str(n), (Label("a"), Label("b"))) for n in range(count))))
    assert len(keys) == min(count, 39) + 1
    assert len(set(keys)) == len(keys)
    assert set(keys) & EDITOR_KEYS == {"shift+f"}  # the filter box


def test_keys_of_the_file_stay_and_are_not_given_twice() -> None:
    tree = parse_labels_text("[A, {name: B, hotkey: 1}, {name: C, hotkey: shift+q}, D]", "l.yaml")
    assert [label.hotkey for label in dressed(tree).labels] == ["2", "1", "shift+q", "3"]


def test_every_control_has_a_key_or_the_sign_of_none() -> None:
    """One without would get a key of the editor's choice."""
    tree = LabelTree(tuple(Label(str(n), (Label("a", (Label("b"),)),)) for n in range(45)))
    root = parsed(labeling_config(tree))
    for tag in root.iter():
        if tag.tag in {"Label", "Choice", "Filter"}:
            assert tag.get("hotkey"), tag.attrib


def test_none_of_the_keys_is_the_editors() -> None:
    assert len(set(HOTKEYS)) == len(HOTKEYS)
    assert not set(HOTKEYS) & EDITOR_KEYS


# --- Colours ----------------------------------------------------------------------------------------------------------

# The backgrounds of label lists, region lists and timeline rows, read from the editor of Label Studio 1.23.2.
LIGHT = [(253, 253, 252), (249, 248, 246)]
DARK = [(38, 37, 34), (30, 29, 26)]

Lab = tuple[float, float, float]


def ciede2000(one: Lab, other: Lab) -> float:
    """Sharma, Wu, Dalal: The CIEDE2000 color-difference formula, Color Research and Application 30 (2005), 21-30."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c_mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(c_mean**7 / (c_mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 if c else 0.0 for a, b, c in ((a1, b1, c1), (a2, b2, c2)))
    turn = h2 - h1
    if c1 * c2 == 0:
        turn, h_mean = 0.0, h1 + h2
    else:
        h_mean = (h1 + h2) / 2 if abs(turn) <= 180 else (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
        turn -= 360 * round(turn / 360) if abs(turn) > 180 else 0
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * _cos(h_mean - 30)
        + 0.24 * _cos(2 * h_mean)
        + 0.32 * _cos(3 * h_mean + 6)
        - 0.2 * _cos(4 * h_mean - 63)
    )
    rotation = -2 * math.sqrt(c_mean**7 / (c_mean**7 + 25**7))
    rotation *= math.sin(math.radians(60 * math.exp(-(((h_mean - 275) / 25) ** 2))))
    lightness = (l2 - l1) / (1 + 0.015 * (l_mean - 50) ** 2 / math.sqrt(20 + (l_mean - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * c_mean)
    hue = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * c_mean * t)
    return math.sqrt(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue)


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def linear(rgb: tuple[int, int, int]) -> list[float]:
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in rgb)]


def lab(colour: str) -> Lab:
    """From sRGB (D65) to CIELAB."""
    r, g, b = linear(rgb_of(colour))
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx, fy, fz = (v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def rgb_of(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """WCAG 2: 1 to 21."""
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other)))
    return (light + 0.05) / (dark + 0.05)


SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


@pytest.mark.parametrize("row", SHARMA.strip().splitlines())
def test_the_colour_difference_on_the_published_pairs(row: str) -> None:
    l1, a1, b1, l2, a2, b2, expected = map(float, row.split())
    assert ciede2000((l1, a1, b1), (l2, a2, b2)) == pytest.approx(expected, abs=5e-5)
    assert ciede2000((l2, a2, b2), (l1, a1, b1)) == pytest.approx(expected, abs=5e-5)


def colours_of(tree: LabelTree) -> list[str]:
    return [tag["background"] for tag in tags(labeling_config(tree), "Label")]


def test_27_labels_can_be_told_apart_by_colour() -> None:
    colours = colours_of(read_labels(LABEL_CONFIGS / "surgical.txt"))
    assert len(colours) == 27
    assert min(ciede2000(lab(one), lab(other)) for one, other in combinations(colours, 2)) >= 12


def test_the_whole_palette_can_be_told_apart_and_read() -> None:
    assert len(PALETTE) == 64
    assert min(ciede2000(lab(one), lab(other)) for one, other in combinations(PALETTE, 2)) >= 8
    for colour in PALETTE:
        for background in [*LIGHT, *DARK, (255, 255, 255)]:
            assert contrast(rgb_of(colour), background) >= 3, (colour, background)


def test_more_labels_than_colours() -> None:
    colours = colours_of(LabelTree(tuple(Label(str(n)) for n in range(100))))
    assert colours == [*PALETTE, *PALETTE[:36]]


def test_colours_of_the_file_stay_and_the_others_keep_away_from_them() -> None:
    tree = LabelTree((Label("A"), Label("B", color=PALETTE[0]), Label("C", color="#ff0000"), Label("D")))
    colours = dict(zip("ABCD", colours_of(tree), strict=True))
    assert (colours["B"], colours["C"]) == (PALETTE[0], "#ff0000")
    for given_colour in "BC":
        for chosen in "AD":
            assert ciede2000(lab(colours[given_colour]), lab(colours[chosen])) >= 8


def test_colours_may_run_out() -> None:
    tree = LabelTree((*(Label(c, color=c) for c in PALETTE), Label("A")))
    assert colours_of(tree)[-1] in PALETTE


# --- Other people's configurations ------------------------------------------------------------------------------------


def test_a_foreign_configuration() -> None:
    tree = LabelingConfig.parse("""
        <View>
          <Video name="v" value="$video"/>
          <TimelineLabels name="tl" toName="v"><Label value="Cut, and tie"/><Label value="B" alias="b"/>
            <Label value="C" hotkey="v" background="red"/></TimelineLabels>
          <Choices name="c1" toName="v" perRegion="true" whenLabelValue="Cut, and tie"><Choice value="x"/></Choices>
          <Choices name="c2" toName="v" perRegion="true" visibleWhen="region-selected" whenLabelValue="b,C"
                   choice="multiple"><View><Choice value="y"><Choice value="z"/></Choice></View></Choices>
          <Choices name="c3" toName="v" perRegion="true" visibleWhen="choice-selected" whenTagName="c1"
                   whenChoiceValue="x"><Choice value="not of a label"/></Choices>
          <Choices name="c4" toName="v"><Choice value="of the whole clip"/></Choices>
        </View>""").tree
    of_two = (Label("y", (Label("z"),)),)
    assert tree == LabelTree(
        (
            Label("Cut, and tie", (Label("x"),)),
            Label("B", of_two, id="b", multiple=True),
            Label("C", of_two, color="red", hotkey="v", multiple=True),
        )
    )


def test_a_foreign_taxonomy_belongs_to_every_label() -> None:
    tree = LabelingConfig.parse("""
        <View><Labels name="l" toName="a"><Label value="A"/><Label value="B"/></Labels>
        <Taxonomy name="t" toName="a" perRegion="true"><Choice value="x"><Choice value="y"/></Choice></Taxonomy>
        </View>""").tree
    assert tree.paths() == [("A",), ("A", "x"), ("A", "x", "y"), ("B",), ("B", "x"), ("B", "x", "y")]


def test_a_configuration_without_labels() -> None:
    assert LabelingConfig.parse("<View/>").tree == LabelTree(())


def test_a_configuration_that_is_not_xml() -> None:
    with pytest.raises(DataError, match="the project's labelling configuration is not XML: no element found"):
        LabelingConfig.parse("")
