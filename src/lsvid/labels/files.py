"""Label files: what annotators mark, as a tree. Text, CSV, YAML or JSON in, `LabelTree` out; all faults at once.

A text file has one label a line. '--' in front (and as many blanks after it as you like) puts a label one level down;
indentation does the same; a file uses one of the two. Blank lines and lines that begin with '#' are ignored.

    Dissection
    --Blunt
    --Sharp
    Suturing
    --Knot
    ----Square

Markdown bullets, class numbers in front ("0 cut"), and tables (lsvid.labels.tables) are recognised.

YAML and JSON hold a list (or `labels:` with a list) of labels. A label is a text, or `Name: [its sub labels]`, or a
mapping with `name` and, if wanted, `children` and the fields of `Label`. A name that begins with a dash or with '#' is
not possible in a text file; in YAML it needs quotes.

Blanks at the ends of a name are dropped, and several blanks inside it become one; invisible characters, such as
zero-width blanks, are dropped. A file is UTF-8, or UTF-16 with its byte order mark.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lsvid.errors import LabelFileError
from lsvid.files.inputs import open_input
from lsvid.files.texts import TextError, decode
from lsvid.labels.lines import nodes_of_lines
from lsvid.labels.nodes import Faults, Node
from lsvid.labels.tables import is_table, nodes_of_table
from lsvid.labels.tree import LABEL_SEPARATOR, Label, LabelTree

EDITOR_KEYS = frozenset("uhvboemkwpr") | {"shift+r", "shift+f", "shift+1", "shift+2"}
"""Keys that a label cannot have: those of the editor (Label Studio 1.23.2, Hotkeys/defaults.js) and its filter box."""

_FIELDS = ("name", "children", "id", "color", "hotkey", "hint", "multiple", "timeline")
_LONGEST_NAME = 120
_MAX_DEPTH = 16  # YAML anchors can make an endless tree, and nobody can use a tree that is this deep

_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF])
"""Invisible characters without meaning in a name: soft hyphens, zero-width blanks, marks of direction. (The joiners
U+200C and U+200D have a meaning, in Persian and in emoji.)"""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of characters. JSON can hold them alone; no file and no page can."""

_TEXT_HINT = "one label a line; '--' in front for each level down; a line that begins with '#' is a comment"
_TREE_HINT = "a list of labels, each a name or a mapping: {name: Suturing, children: [Knot, Running], hotkey: s}"


def read_labels(path: str | Path) -> LabelTree:
    """The labels in a file: YAML (.yaml, .yml), JSON (.json), else text or a table.

    Raises LabelFileError with all its faults.

    >>> lsvid.read_labels("labels.txt").paths()
    [('Dissection',), ('Suturing',), ('Suturing', 'Knot')]
    """
    path = Path(path)
    try:
        with open_input(path) as file:
            data = file.read()
    except FileNotFoundError as error:
        raise LabelFileError(f"{path}: there is no such file", "give the path of a label file") from error
    except IsADirectoryError as error:
        raise LabelFileError(f"{path} is a folder", "give the path of one label file") from error
    except OSError as error:
        raise LabelFileError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_labels_text(_decode(data, str(path)), str(path))


def parse_labels_text(text: str, name: str) -> LabelTree:
    """The labels in `text`. name: of the file; its ending tells the format, and faults begin with it.

    Raises LabelFileError with all the faults.
    """
    text = text.translate(_INVISIBLE)
    kind = Path(name).suffix.lower()
    is_text = kind not in {".yaml", ".yml", ".json"}
    hint = _TEXT_HINT if is_text else _TREE_HINT
    faults = Faults(name)
    if is_text:
        if kind == ".xml" or re.match(r"\s*<(\?xml|View)\b", text):
            what = "a labelling configuration" if "<View" in text else "XML"
            raise LabelFileError(f"{name} is {what}, not a label file", _TEXT_HINT)
        nodes = nodes_of_table(text, faults) if is_table(text, kind) else nodes_of_lines(text, faults)
    else:
        nodes = _nodes_of_document(_load_json(text, name) if kind == ".json" else _load_yaml(text, name), faults)
    if not nodes and not faults.found:
        raise LabelFileError(f"{name} has no labels", hint)
    _check(nodes, faults)
    if faults.found:
        count = "a fault" if len(faults.found) == 1 else f"{len(faults.found)} faults"
        raise LabelFileError(f"{name} has {count}:", hint, faults.in_order())
    return LabelTree(tuple(_label(node) for node in nodes))


def _decode(data: bytes, name: str) -> str:
    try:
        return decode(data).text
    except TextError as error:
        place = re.sub(r"^line (\d+)", r"\1", str(error))
        if b"\0" in data[:4096]:
            raise LabelFileError(
                f"{name} is not a text file", "labels go in a plain text, CSV, YAML or JSON file, not in a document"
            ) from error
        separator = ":" if place != str(error) else " is "
        raise LabelFileError(f"{name}{separator}{place}", "save it again as UTF-8") from error


# YAML and JSON


def _load_json(text: str, name: str) -> Any:  # noqa: ANN401 - a document
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for number, (key, _) in enumerate(items) if key in dict(items[:number])]
        if twice:
            raise LabelFileError(f'{name}: not valid JSON: the key "{twice[0]}" is twice in one mapping', _TREE_HINT)
        return dict(items)

    try:
        # Not srsly, unlike YAML: its JSON parser neither says the line of a fault nor notices a double key.
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise LabelFileError(f"{name}:{error.lineno}: not valid JSON: {error.msg}", _TREE_HINT) from error
    except RecursionError as error:
        raise LabelFileError(f"{name}: nested too deeply", _TREE_HINT) from error
    except ValueError as error:  # a number with thousands of digits
        raise LabelFileError(f"{name}: not valid JSON: {error}", _TREE_HINT) from error


def _load_yaml(text: str, name: str) -> Any:  # noqa: ANN401 - a document
    import srsly  # noqa: PLC0415 - 0.1 s, and only YAML needs it

    try:
        return srsly.yaml_loads(text)
    except ValueError as error:
        report = str(error).partition("\n\n")[0].removeprefix("Invalid YAML: ")
        lines = re.findall(r", line (\d+), column", report)
        reasons = [line for line in report.splitlines() if not line.startswith(" ")]
        if reasons and "recursion" in reasons[0]:
            raise LabelFileError(f"{name}: nested too deeply", _TREE_HINT) from error
        place = f"{name}:{lines[-1]}" if lines else name
        raise LabelFileError(f"{place}: not valid YAML: {', '.join(reasons)}", _TREE_HINT) from error


def _nodes_of_document(document: Any, faults: Faults) -> list[Node]:  # noqa: ANN401 - a document
    root = Node("", f"{faults.file}: labels", 0)
    if isinstance(document, dict) and "labels" in document:
        for key in document:
            if key != "labels":
                faults.add(root, f"beside 'labels' there is {_shown(key)}, which is not known")
        document = document["labels"]
    elif isinstance(document, dict):
        raise LabelFileError(
            f"{faults.file}: the labels must be a list, or a mapping with the key 'labels'", _TREE_HINT
        )
    _DocumentReader(faults).add_children(root, document, 0)
    return root.children


class _DocumentReader:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.count = 0

    def add_children(self, parent: Node, items: Any, depth: int) -> None:  # noqa: ANN401 - a document
        """Add the labels in `items` to `parent`, whose place is that of the list."""
        if items is None:
            return
        if not isinstance(items, list):
            self.faults.add(parent, f"must be a list of labels, not {_shown(items)}")
            return
        if depth >= _MAX_DEPTH:
            self.faults.add(parent, f"more than {_MAX_DEPTH} levels")
            return
        for number, item in enumerate(items):
            self.count += 1
            place = f"{parent.place}[{number}]"
            node = Node(place, place, self.count)  # if the name is wrong, its place is used for it
            sub_labels = self._read(node, item)
            list_node = Node("", f"{node.place}.children", node.order)
            self.add_children(list_node, sub_labels, depth + 1)
            node.children = list_node.children
            parent.children.append(node)

    def _read(self, node: Node, item: Any) -> Any:  # noqa: ANN401 - a document
        """Fill `node` from `item`; returns the value that holds its sub labels."""
        if not isinstance(item, dict):
            self._set_name(node, item, "a label")
            return None
        if "name" not in item and len(item) == 1:
            ((name, value),) = item.items()
            if isinstance(value, list) and not _nearest(name):  # Name: [children], unless it is a misspelled field
                self._set_name(node, name, "a label")
                return value
        for key in item:
            if key not in _FIELDS:
                near = _nearest(key)
                meant = f"; did you mean '{near}'?" if near else f"; a label has {', '.join(_FIELDS)}"
                self.faults.add(node, f"{_shown(key)} is not known{meant}")
        if "name" in item:
            self._set_name(node, item["name"], "name")
        else:
            self.faults.add(node, "has no name")
        readers: dict[str, Callable[[Node, Any, str], Any]] = {
            "id": self._text, "color": self._text, "hint": self._text, "timeline": self._text,
            "hotkey": self._hotkey_text, "multiple": self._flag,
        }  # fmt: skip
        values = {key: read(node, item[key], key) for key, read in readers.items() if key in item}
        node.fields = {key: value for key, value in values.items() if value is not None}
        return item.get("children")

    def _set_name(self, node: Node, value: Any, what: str) -> None:  # noqa: ANN401 - a document
        text = self._text(node, value, what)
        if text is not None:
            node.name = text

    def _text(self, node: Node, value: Any, what: str) -> str | None:  # noqa: ANN401 - a document
        if isinstance(value, str):
            if value.isprintable() or not _SURROGATES.search(value):
                return value
            self.faults.add(node, f"{what} contains half a character (a lone surrogate): {value!a}")
        elif value is None:
            quotes = ' (a "#" outside quotes begins a comment)' if what == "color" else ""
            self.faults.add(node, f"{what} is empty{quotes}")
        elif isinstance(value, dict | list):
            self.faults.add(node, f"{what} must be text, not {_shown(value)}")
        else:
            written = str(value).lower() if isinstance(value, bool) else value
            self.faults.add(node, f'{what} must be text, not {_shown(value)}; put it in quotes: "{written}"')
        return None

    def _hotkey_text(self, node: Node, value: Any, what: str) -> str | None:  # noqa: ANN401 - a document
        is_digit = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9
        return str(value) if is_digit else self._text(node, value, what)

    def _flag(self, node: Node, value: Any, what: str) -> bool:  # noqa: ANN401 - a document
        if not isinstance(value, bool):
            self.faults.add(node, f"{what} must be true or false, not {_shown(value)}")
        return value is True


def _nearest(key: Any) -> str | None:  # noqa: ANN401 - a document
    near = difflib.get_close_matches(str(key).lower(), _FIELDS, n=1, cutoff=0.7)
    return near[0] if near else None


def _shown(value: Any) -> str:  # noqa: ANN401 - a document
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    if type(value) in kinds:
        return kinds[type(value)]
    if isinstance(value, bool):
        return "the truth value " + str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return f'"{value}"' if isinstance(value, str) else f"the {type(value).__name__} {value}"


# The rules for every label file


def _check(nodes: list[Node], faults: Faults) -> None:
    hotkeys: dict[str, Node] = {}
    ids: dict[str, Node] = {}
    for node, depth in _with_depth(nodes):
        node.name = _clean(node.name)
        for what in _name_faults(node.name):
            faults.add(node, what)
        for what in _field_faults(node, depth):
            faults.add(node, what)
        if "hotkey" in node.fields:
            _check_unique(node, "hotkey", hotkeys, faults)
        if "id" in node.fields:
            _check_unique(node, "id", ids, faults)
    for siblings in [nodes, *(node.children for node, _ in _with_depth(nodes))]:
        _check_siblings(siblings, faults)


def _with_depth(nodes: list[Node], depth: int = 0) -> Iterator[tuple[Node, int]]:
    for node in nodes:
        yield node, depth
        yield from _with_depth(node.children, depth + 1)


def _clean(text: str) -> str:
    # Joiners at the ends of a name have no effect.
    return " ".join(unicodedata.normalize("NFC", text).split()).strip("\u200c\u200d")


def _name_faults(name: str) -> Iterator[str]:
    if not name:
        yield "the label is empty"
    if any(unicodedata.category(char) in {"Cc", "Cs"} or char in "\ufffe\uffff" for char in name):
        yield f"{name!a} has a control character"
    if len(name) > _LONGEST_NAME:
        yield f'"{name[:40]}…" is {len(name)} characters long; a label is a few words'
    if LABEL_SEPARATOR in name:
        yield f'"{name}" has "{LABEL_SEPARATOR}" in it, which joins levels in tables; write "/" without blanks'
    if interpolated := re.search(r"\$[\w[\].{}]+", name, re.ASCII):
        yield f'"{name}": Label Studio would put task data in place of "{interpolated[0]}"; write it without "$"'


def _field_faults(node: Node, depth: int) -> Iterator[str]:
    fields = node.fields
    for key in ("id", "hint", "color", "hotkey", "timeline"):
        if key in fields:
            fields[key] = _clean(fields[key])
            if not fields[key]:
                yield f"{key} is empty"
                del fields[key]
    yield from _color_faults(fields)
    yield from _hotkey_faults(fields)
    if "timeline" in fields and fields["timeline"] not in ("frames", "waveform"):
        yield f'timeline "{fields["timeline"]}" is not one; use frames or waveform'
    if depth > 0:
        for key in ("color", "hotkey", "timeline", "multiple"):
            if fields.get(key):
                yield f"{key} belongs to a top-level label, not to a sub label"
    elif fields.get("multiple") and not node.children:
        yield "multiple is for a label with sub labels"


def _color_faults(fields: dict[str, Any]) -> Iterator[str]:
    if "color" in fields:
        color = fields["color"].lower()
        if not re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", color):
            yield f'color "{color}" is not one; write it as "#rrggbb", in quotes'
        fields["color"] = "#" + "".join(2 * digit for digit in color[1:]) if len(color) == 4 else color


def _hotkey_faults(fields: dict[str, Any]) -> Iterator[str]:
    if "hotkey" in fields:
        fields["hotkey"] = hotkey = fields["hotkey"].lower().replace(" ", "")
        if not re.fullmatch(r"(shift\+)?[a-z0-9]", hotkey):
            yield f'hotkey "{hotkey}" is not one; use a letter or a digit, alone or after "shift+"'
        elif hotkey in EDITOR_KEYS:
            yield f'hotkey "{hotkey}" is one of Label Studio\'s own; use another'


def _check_unique(node: Node, key: str, seen: dict[str, Node], faults: Faults) -> None:
    value = node.fields[key]
    if value in seen:
        faults.add(node, f'{key} "{value}" is used twice: also by "{seen[value].name}" ({_within(seen[value])})')
    else:
        seen[value] = node


def _check_siblings(siblings: list[Node], faults: Faults) -> None:
    names: dict[str, Node] = {}
    for node in siblings:
        if node.name and node.name in names:
            faults.add(node, f'"{node.name}" is there already ({_within(names[node.name])})')
        names.setdefault(node.name, node)
    for node in siblings:
        other = names.get(node.fields.get("id", ""))
        if other is not None and other is not node:
            faults.add(node, f'id "{other.name}" is the name of another label ({_within(other)})')


def _within(node: Node) -> str:
    """The node's place without the file's name."""
    return f"line {node.order}" if node.place.endswith(f":{node.order}") else node.place.rpartition(": ")[2]


def _label(node: Node) -> Label:
    return Label(node.name, tuple(_label(child) for child in node.children), **node.fields)
