"""Label files: what they give, and every fault with its place and words."""

import contextlib
import os
import threading
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.errors import LabelFileError
from lsvid.labels.files import EDITOR_KEYS, parse_labels_text, read_labels
from lsvid.labels.tree import Label, LabelTree


def faults_of(text: str, name: str = "labels.txt") -> list[str]:
    with pytest.raises(LabelFileError) as caught:
        parse_labels_text(text, name)
    return caught.value.faults


def message_of(text: str, name: str = "labels.txt") -> str:
    with pytest.raises(LabelFileError) as caught:
        parse_labels_text(text, name)
    assert caught.value.hint
    assert not caught.value.faults
    return caught.value.message


def paths(text: str, name: str = "labels.txt") -> list[tuple[str, ...]]:
    return parse_labels_text(text, name).paths()


# --- The tree ---------------------------------------------------------------------------------------------------------

TREE = LabelTree(
    (
        Label("Suturing", (Label("Knot", (Label("Square"), Label("Slip"))), Label("Running"))),
        Label("Washout", id="wash"),
    )
)


def test_paths_are_depth_first_in_file_order() -> None:
    assert TREE.paths() == [
        ("Suturing",),
        ("Suturing", "Knot"),
        ("Suturing", "Knot", "Square"),
        ("Suturing", "Knot", "Slip"),
        ("Suturing", "Running"),
        ("Washout",),
    ]
    assert TREE.depth == 3
    assert LabelTree(()).depth == 0


def test_find() -> None:
    assert TREE.find(("Suturing", "Knot", "Slip")) == Label("Slip")
    assert TREE.find(("Suturing", "Slip")) is None
    assert TREE.find(("Washout", "Knot")) is None
    assert TREE.find(()) is None


def test_an_id_is_what_exports_carry() -> None:
    assert [label.export_value for label in TREE.labels] == ["Suturing", "wash"]


# --- Text -------------------------------------------------------------------------------------------------------------

EXPECTED = [("A",), ("A", "B b"), ("A", "B b", "C"), ("A", "D"), ("E",)]


@pytest.mark.parametrize(
    "text",
    [
        "A\n--B b\n----C\n--D\nE\n",
        "A\n-- B b\n---- C\n-- D\nE",
        "A\n--\tB b\n----   C\n--D\nE",
        "A\n  B b\n    C\n  D\nE",
        "A\n   B b\n      C\n   D\nE",
        "A\n\tB b\n\t\tC\n\tD\nE",
        "\ufeffA\r\n--B b  \r\n----C\r\n--D\r\nE\r\n",
        "# a comment\n\nA\n--B   b\n   # another\n----C\n\n--D\n#--X\nE",
        "A\r--B b\r----C\r--D\rE",
    ],
)
def test_text_forms(text: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(text.encode())
    assert read_labels(file).paths() == EXPECTED


def test_unicode_and_special_characters_stay() -> None:
    assert paths('Übernähen & Knoten\n--<5 mm, "small"\n--it\'s #1\n缝合') == [
        ("Übernähen & Knoten",),
        ("Übernähen & Knoten", '<5 mm, "small"'),
        ("Übernähen & Knoten", "it's #1"),
        ("缝合",),
    ]


def test_names_that_look_alike_are_alike() -> None:
    """The same word typed on two systems: composed and decomposed accents, and blanks of several kinds."""
    assert paths("Na\u0308hen\u00a0 lang") == [("Nähen lang",)]


def test_a_dash_inside_a_name_is_a_dash() -> None:
    assert paths("X-ray\nA -- B\n-- C-arm") == [("X-ray",), ("A -- B",), ("A -- B", "C-arm")]


def test_all_faults_of_a_text_file_at_once() -> None:
    text = dedent("""\
        --A
        ------ B
        C
        ---D
          --E
          F
        \u2013 G
        --
        C
        a / b
        $price
        """)
    assert faults_of(text, "dir/labels.txt") == [
        "dir/labels.txt:1: the first label cannot be a sub label",
        "dir/labels.txt:2: jumps to level 4 right after level 1",
        "dir/labels.txt:4: begins with 3 dashes; a level is two ('--')",
        "dir/labels.txt:4: jumps to level 3 right after level 1",
        "dir/labels.txt:5: has both indentation and dashes; use one of them",
        "dir/labels.txt:6: uses indentation, but the file began with dashes (line 1); use one of them",
        "dir/labels.txt:7: begins with a typographic dash (\u2013); a level is two plain ones ('--')",
        "dir/labels.txt:8: the label is empty",
        'dir/labels.txt:9: "C" is there already (line 3)',
        'dir/labels.txt:10: "a / b" has " / " in it, which joins levels in tables; write "/" without blanks',
        'dir/labels.txt:11: "$price": Label Studio would put task data in place of "$price"; write it without "$"',
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("-A", "l.txt:1: begins with 1 dash; a level is two ('--')"),
        ("A\n  B\n     C", "l.txt:3: is indented by 5; a level is 2 blanks in this file"),
        ("A\n\tB\n  C", "l.txt:3: is indented with tabs here and with blanks there; use one of them"),
        ("A\n  B\n      C", "l.txt:3: jumps to level 4 right after level 2"),
        ("A\n  B\n--C", "l.txt:3: uses dashes, but the file began with indentation (line 2); use one of them"),
        ("A\n--B\n--B", 'l.txt:3: "B" is there already (line 2)'),
        ("A\n\x01B", "l.txt:2: '\\x01B' has a control character"),
    ],
)
def test_each_fault_of_a_text_file(text: str, fault: str) -> None:
    assert fault in faults_of(text, "l.txt")


def test_the_same_name_under_two_labels_is_no_fault() -> None:
    assert len(paths("A\n--Blunt\nB\n--Blunt")) == 4


def test_the_message_counts_and_lists_and_says_how() -> None:
    with pytest.raises(LabelFileError) as caught:
        parse_labels_text("A\nA\nA", "labels.txt")
    assert str(caught.value) == (
        "labels.txt has 2 faults:\n"
        '  labels.txt:2: "A" is there already (line 1)\n'
        '  labels.txt:3: "A" is there already (line 1)'
    )
    assert caught.value.hint.startswith("one label a line; '--' in front for each level down")


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "{} has no labels", "one label a line"),
        (b"# only a comment\n\n", "{} has no labels", "one label a line"),
        (b"A\nN\xe4hen\n", "{}:2: not UTF-8 text (byte 0xe4); as Windows-1252 it would read 'Nähen'",
         "save it again as UTF-8"),
        (b"\xff\xfeA", "{} is not whole UTF-16 text: truncated data", "save it again as UTF-8"),
        (b"PK\x03\x04\0\0\0", "{} is not a text file", "not in a document"),
        (b"<View>\n</View>", "{} is a labelling configuration, not a label file", "one label a line"),
        (b"1 D0X\n2 B0A\n3 B0B\n", "{}:1: '1 D0X' and the rest look like class numbers and names", "leave the numbers"),
        (b"1. Suturing\n1.1 Knot\n2. Clipping", "{}:1: '1. Suturing' and the rest look like a numbered outline",
         "leave the numbers"),
        (b"Suturing > Knot\nSuturing > Running\n",
         "{}:1: 'Suturing > Knot' looks like a label and its sub label on one line", "'Suturing' on a line of its own"),
        (b"A\n--B # first\n", "{}:2: '--B # first' looks like a label with a comment after it", "a YAML file"),
        (b"3 cut\n1 sew\n9 knot\n", "{}:1: '3 cut' and the rest look like class numbers and names", "leave"),
        (b"cut, sew, knot\n", "{} looks like several labels on one line: 'cut, sew, knot'", "one label a line"),
        (b"cut,\nsew,\nknot\n", "{} looks like names with a separator after each: 'cut,'", "leave the ',' out"),
        (b'"cut"\n"sew"\n', "{} looks like names in quotes: '\"cut\"'", "a YAML file"),
        (b'["cut", "sew"]\n', "{} looks like JSON, or another program's list: '[\"cut\", \"sew\"]'", "name it .json"),
        (b"item {\n  id: 1\n}\n", "{} looks like JSON, or another program's list: 'item {{'", "one label a line"),
        (b"<ul>\n<li>cut</li>\n</ul>\n", "{} looks like a web page, or XML: '<ul>'", "one label a line"),
        (b"| name |\n|---|\n| cut |\n", "{} looks like a table in Markdown: '| name |'", "one label a line"),
        (b"{\\rtf1 cut}", "{} looks like a document of a word processor (RTF): '{{\\\\rtf1 cut}}'", "plain text"),
        (b"cut:\n  blunt\n", "{} looks like YAML: 'cut:'", "name it .yaml"),
        (b"<?xml version='1.0'?><x/>", "{} is XML, not a label file", "one label a line"),
        (b"id,key,category\n0,take,retrieve\n",
         "{} looks like a table, but no column is known (it has: id, key, category)", "the column name"),
    ],
)  # fmt: skip
def test_files_that_are_no_label_files(data: bytes, message: str, hint: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(data)
    with pytest.raises(LabelFileError) as caught:
        read_labels(file)
    assert caught.value.message == message.format(file)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "- Suturing\n  - Knot\n    - Square\n  - Running\n- Washout\n",
        "# Labels\n\n* Suturing\n\t* Knot\n\t\t* Square\n\t* Running\n* Washout\n",
        "- [ ] Suturing\n  - [x] Knot\n    - [ ] Square\n  - [ ] Running\n- [X] Washout\n",
        "\u25cf Suturing\n  \u25e6 Knot\n    \u25aa Square\n  \u25e6 Running\n\u25cf Washout\n",
        "\u2022 Suturing\n  \u2022 Knot\n    \u2022 Square\n  \u2022 Running\n\u2022 Washout\n",
    ],
)
def test_markdown_bullets(text: str) -> None:
    assert paths(text, "labels.md") == [
        ("Suturing",), ("Suturing", "Knot"), ("Suturing", "Knot", "Square"), ("Suturing", "Running"), ("Washout",),
    ]  # fmt: skip
    assert any("begins with 1 dash" in fault for fault in faults_of("Suturing\n- Knot\n- Running\n"))


def test_class_numbers_only_say_the_order() -> None:
    assert paths("0 background\n1 cut_tomato\n2 3-way valve\n", "mapping.txt") == [
        ("background",), ("cut_tomato",), ("3-way valve",),
    ]  # fmt: skip
    for text in (
        "cut 0\nsew it 1\n",
        "cut\t0\nsew it\t1\n",
        "0=cut\n1=sew it\n",
        "0 - cut\n1 - sew it\n",
        "0|cut\n1|sew it\n",
    ):
        assert paths(text, "mapping.txt") == [("cut",), ("sew it",)]
    assert paths("hand 0\nhand 1\n") == [("hand 0",), ("hand 1",)]
    assert paths("2 hands\n4 hands\n") == [("2 hands",), ("4 hands",)]
    assert paths("1 hand\n2 hands\n") == [("1 hand",), ("2 hands",)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_labels(separator: str, end: str) -> None:
    def table(*rows: str) -> str:
        return end.join(row.replace(",", separator) for row in rows) + end

    levels = table("level_1,level_2,Colour", "Suturing,,#102030", "Suturing,Knot,", ",Running,", "Clipping,,")
    expected = LabelTree((Label("Suturing", (Label("Knot"), Label("Running")), color="#102030"), Label("Clipping")))
    assert parse_labels_text(levels, "labels.csv") == expected
    assert parse_labels_text(table("level_1,level_2", "A,B", "A,C"), "a.txt").paths() == [
        ("A",),
        ("A", "B"),
        ("A", "C"),
    ]
    flat = parse_labels_text(table("id,label,multiple", "0,Cut,no", "s,Sew,no"), "labels.tsv")
    assert flat == LabelTree((Label("Cut"), Label("Sew", id="s")))
    assert paths("Suturing, open\nClipping, closed\n") == [("Suturing, open",), ("Clipping, closed",)]


def test_faults_of_a_table() -> None:
    assert faults_of("level_1,level_2\nA,B\nA,B\n,,\nC,,x\n,,\n", "a.csv") == ["a.csv:3: 'A / B' is there already"]
    assert faults_of("level_1,level_2\n,B\n", "a.csv") == ["a.csv:2: no label above 'B'"]
    assert faults_of("name,hotkey,multiple\nA,u,maybe\n", "a.csv")[0].startswith("a.csv:2: multiple must be true or")
    assert message_of("video,label,start_s\na.mp4,Cut,1\n", "a.csv") == (
        "a.csv looks like a table, with columns that mean nothing here: video, start_s (it has: video, label, start_s)"
    )


def test_characters_that_nobody_sees_are_dropped() -> None:
    assert paths("\ufeffCut\n\u200b--\u2060Sh\u00adarp\n") == [("Cut",), ("Cut", "Sharp")]
    assert faults_of("Cut\nCut\u200b\n") == ['labels.txt:2: "Cut" is there already (line 1)']
    assert faults_of("Cut\nCut\u200d\n") == ['labels.txt:2: "Cut" is there already (line 1)']
    persian, nurse = "\u0645\u06cc\u200c\u0628\u0631\u062f", "\U0001f469\u200d\u2695\ufe0f"
    assert paths(f"{persian}\n{nurse}\n") == [(persian,), (nurse,)]


def test_hard_blanks_are_blanks() -> None:
    assert paths("A\n\u00a0 B\n  C\n") == [("A",), ("A", "B"), ("A", "C")]


def test_a_sentence_is_no_label() -> None:
    (fault,) = faults_of("word " * 60)
    assert "is 299 characters long; a label is a few words" in fault


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_files_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "labels.txt").write_bytes("Nähen\r\n--Knoten\r\n".encode(encoding))
    assert read_labels(tmp_path / "labels.txt").paths() == [("Nähen",), ("Nähen", "Knoten")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes of this kind")
def test_a_pipe_is_read_and_one_that_nobody_writes_into_is_no_hang(tmp_path: Path) -> None:
    pipe = tmp_path / "labels.txt"
    os.mkfifo(pipe)
    with pytest.raises(LabelFileError, match="it is a pipe that nobody writes into"):
        read_labels(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["Cut\n"])
    writer.start()
    assert read_labels(pipe).paths() == [("Cut",)]
    writer.join()


@given(st.text(max_size=200), st.sampled_from(["labels.txt", "labels.csv", "labels.yaml", "labels.json", "labels.md"]))
def test_any_text_is_a_tree_or_a_label_file_error(text: str, name: str) -> None:
    with contextlib.suppress(LabelFileError):
        assert parse_labels_text(text, name).paths()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LabelFileError, match=r"labels\.txt: there is no such file"):
        read_labels(tmp_path / "labels.txt")
    with pytest.raises(LabelFileError, match="is a folder"):
        read_labels(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LabelFileError, match="cannot be read: Not a directory"):
        read_labels(tmp_path / "file" / "labels.txt")


def test_a_configuration_by_its_name() -> None:
    assert message_of("<Foo/>", "x.xml") == "x.xml is XML, not a label file"


# --- YAML and JSON ----------------------------------------------------------------------------------------------------

FULL = LabelTree(
    (
        Label("Plain"),
        Label("Short", (Label("a"), Label("b"))),
        Label(
            "Full",
            (Label("Sub", (Label("Deep"),), id="sub", hint="what it is"),),
            id="full",
            color="#aabbcc",
            hotkey="shift+a",
            hint="h",
            multiple=True,
            timeline="frames",
        ),
        Label("Digit", hotkey="1"),
    )
)

YAML = """
- Plain
- Short: [a, b]
- name: Full
  id: full
  color: "#ABC"
  hotkey: Shift+A
  hint: h
  multiple: true
  timeline: frames
  children:
    - {name: Sub, id: sub, hint: what it is, children: [Deep]}
- {name: Digit, hotkey: 1}
"""

JSON = """{"labels": ["Plain", {"Short": ["a", "b"]},
  {"name": "Full", "id": "full", "color": "#aabbcc", "hotkey": "shift+a", "hint": "h", "multiple": true,
   "timeline": "frames", "children": [{"name": "Sub", "id": "sub", "hint": "what it is", "children": ["Deep"]}]},
  {"name": "Digit", "hotkey": 1}]}"""


@pytest.mark.parametrize(
    ("text", "name"),
    [(YAML, "l.yaml"), (YAML, "l.YML"), ("labels:" + YAML, "l.yaml"), (JSON, "l.json"), (JSON, "l.yaml")],
)
def test_yaml_and_json(text: str, name: str) -> None:
    assert parse_labels_text(text, name) == FULL


def test_a_name_that_a_text_file_cannot_hold() -> None:
    assert paths('- "--verbose"\n- "# 1"\n- yes', "l.yaml") == [("--verbose",), ("# 1",), ("yes",)]


def test_all_faults_of_a_tree_at_once() -> None:
    text = dedent("""\
        other: 1
        labels:
          - A: [x, y, x]
          - {name: B, chidlren: [c]}
          - {nam: C}
          - 3
          - {name: D, hotkey: 1, color: red, id: A}
          - {name: E, hotkey: 1, timeline: audio, multiple: 1, id: A}
          - children: [a]
          - {name: F, children: [{name: G, color: "#123456", hotkey: g, timeline: frames, multiple: true}]}
          - {name: H, multiple: true}
          - {name: I, children: [12, no, null, [a], 2024-01-01, true, 1.5]}
          - {name: J, children: K}
        """)
    assert faults_of(text, "l.yaml") == [
        """l.yaml: labels: beside 'labels' there is "other", which is not known""",
        'l.yaml: labels[0].children[2]: "x" is there already (labels[0].children[0])',
        """l.yaml: labels[1]: "chidlren" is not known; did you mean 'children'?""",
        """l.yaml: labels[2]: "nam" is not known; did you mean 'name'?""",
        "l.yaml: labels[2]: has no name",
        'l.yaml: labels[3]: a label must be text, not the number 3; put it in quotes: "3"',
        'l.yaml: labels[4]: color "red" is not one; write it as "#rrggbb", in quotes',
        'l.yaml: labels[4]: id "A" is the name of another label (labels[0])',
        "l.yaml: labels[5]: multiple must be true or false, not the number 1",
        'l.yaml: labels[5]: timeline "audio" is not one; use frames or waveform',
        'l.yaml: labels[5]: hotkey "1" is used twice: also by "D" (labels[4])',
        'l.yaml: labels[5]: id "A" is used twice: also by "D" (labels[4])',
        'l.yaml: labels[5]: id "A" is the name of another label (labels[0])',
        "l.yaml: labels[6]: has no name",
        "l.yaml: labels[7].children[0]: color belongs to a top-level label, not to a sub label",
        "l.yaml: labels[7].children[0]: hotkey belongs to a top-level label, not to a sub label",
        "l.yaml: labels[7].children[0]: timeline belongs to a top-level label, not to a sub label",
        "l.yaml: labels[7].children[0]: multiple belongs to a top-level label, not to a sub label",
        "l.yaml: labels[8]: multiple is for a label with sub labels",
        'l.yaml: labels[9].children[0]: a label must be text, not the number 12; put it in quotes: "12"',
        "l.yaml: labels[9].children[2]: a label is empty",
        "l.yaml: labels[9].children[3]: a label must be text, not a list",
        'l.yaml: labels[9].children[4]: a label must be text, not the date 2024-01-01; put it in quotes: "2024-01-01"',
        'l.yaml: labels[9].children[5]: a label must be text, not the truth value true; put it in quotes: "true"',
        'l.yaml: labels[9].children[6]: a label must be text, not the number 1.5; put it in quotes: "1.5"',
        'l.yaml: labels[10].children: must be a list of labels, not "K"',
    ]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("color: #fff", 'color is empty (a "#" outside quotes begins a comment)'),
        ('color: "#ffff"', 'color "#ffff" is not one; write it as "#rrggbb", in quotes'),
        ('id: " "', "id is empty"),
        ("id: 7", 'id must be text, not the number 7; put it in quotes: "7"'),
        ("hint: [a]", "hint must be text, not a list"),
        ("multiple:", "multiple must be true or false, not nothing"),
        ("hotkey: 10", 'hotkey must be text, not the number 10; put it in quotes: "10"'),
        ("hotkey: ctrl+a", 'hotkey "ctrl+a" is not one; use a letter or a digit, alone or after "shift+"'),
        ("hotkey: ä", 'hotkey "ä" is not one; use a letter or a digit, alone or after "shift+"'),
        ("hotkey: U", """hotkey "u" is one of Label Studio's own; use another"""),
        ("colour: red", """"colour" is not known; did you mean 'color'?"""),
        ("x: 1", '"x" is not known; a label has name, children, id, color, hotkey, hint, multiple, timeline'),
        ("5: 1", "the number 5 is not known; a label has name, children, id, color, hotkey, hint, multiple, timeline"),
    ],
)
def test_each_fault_of_a_field(fields: str, fault: str) -> None:
    assert faults_of(f"- name: A\n  {fields}\n  children: [b]", "l.yaml") == [f"l.yaml: labels[0]: {fault}"]


def test_no_label_can_have_one_of_the_editors_keys() -> None:
    for key in EDITOR_KEYS:
        assert "is one of Label Studio's own" in faults_of(f"- {{name: A, hotkey: {key}}}", "l.yaml")[0]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "l.yaml", "l.yaml has no labels"),
        ("labels:", "l.yaml", "l.yaml has no labels"),
        ("[]", "l.json", "l.json has no labels"),
        ("A: [b]", "l.yaml", "l.yaml: the labels must be a list, or a mapping with the key 'labels'"),
        (
            "- a\n- b: [",
            "l.yaml",
            "l.yaml:2: not valid YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
        ),
        ("- a\n- b: c: d", "l.yaml", "l.yaml:2: not valid YAML: mapping values are not allowed here"),
        ("- !x y", "l.yaml", "l.yaml:1: not valid YAML: could not determine a constructor for the tag '!x'"),
        ("[" * 3000, "l.yaml", "l.yaml: nested too deeply"),
        ('["a",\n', "l.json", "l.json:2: not valid JSON: Expecting value"),
        ('[{"id": 1, "id": 2}]', "l.json", 'l.json: not valid JSON: the key "id" is twice in one mapping'),
        ("[" * 100_000, "l.json", "l.json: nested too deeply"),
    ],
)  # fmt: skip
def test_documents_that_hold_no_labels(text: str, name: str, message: str) -> None:
    assert message_of(text, name) == message


def test_a_document_that_is_no_list() -> None:
    assert faults_of("3", "l.json") == ["l.json: labels: must be a list of labels, not the number 3"]


def test_a_yaml_file_that_holds_itself() -> None:
    (fault,) = faults_of("- &a {name: x, children: [*a]}", "l.yaml")
    assert fault.endswith(": more than 16 levels")
