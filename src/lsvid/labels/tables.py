"""Labels in a table with a header: CSV, TSV, or with semicolons, as spreadsheets and other tools save them.

There is either a column `name` (or label, class, label_name, class_name), or columns `level_1`, `level_2` and so on, in
which an empty cell before a filled one repeats the cell above it. Other columns may be the fields of `Label`; they
belong to the row's last label. An `id` that is a number is only a class number, which gives the order.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lsvid.errors import LabelFileError
from lsvid.labels.nodes import Faults, Node
from lsvid.labels.tree import join_path

_NAMES = ("name", "label", "class", "label_name", "class_name", "labels", "classes")
_FIELDS = ("id", "color", "hotkey", "hint", "multiple", "timeline")
_HINT = (
    "a table of labels has a header with the column name (or label, class), or level_1, level_2 and so on; and if you "
    "like id, color, hotkey, hint, multiple, timeline"
)


def is_table(text: str, suffix: str) -> bool:
    """Whether `text` is a table: by the file's ending and a header, or by a header with several known columns."""
    rows = _rows(text)
    header = _names(rows[0][1]) if rows else []
    known = [name for name in header if name in (*_NAMES, *_FIELDS, "key") or re.fullmatch(r"level_\d+", name)]
    if suffix in (".csv", ".tsv"):
        return bool(known) or len(header) > 1
    return len(header) > 1 and len(known) > 1


def nodes_of_table(text: str, faults: Faults) -> list[Node]:
    """The labels in `text`. Raises LabelFileError if its header names none."""
    rows = _rows(text)
    header = _names(rows[0][1])
    levels = sorted((name for name in header if re.fullmatch(r"level_\d+", name)), key=lambda name: int(name[6:]))
    named = [name for name in header if name in _NAMES][:1]
    columns = levels or named
    unknown = [name for name in header if name and name not in (*columns, *_FIELDS)]
    if not columns or unknown:
        raise LabelFileError(
            f"{faults.file} looks like a table, "
            + (f"with columns that mean nothing here: {', '.join(unknown)}" if columns else "but no column is known")
            + f" (it has: {', '.join(name for name in header if name)})",
            _HINT,
        )
    root = Node("", faults.file, 0)
    above: list[str] = []
    for number, cells in rows[1:]:
        row = dict(zip(header, cells, strict=False))
        node = Node("", f"{faults.file}:{number}", number)
        path = [row.get(name, "") for name in columns]
        while path and not path[-1]:
            path.pop()
        first = next((at for at, name in enumerate(path) if name), 0)
        path[:first] = above[:first]
        if not path or len(path) <= first or not all(path):
            faults.add(node, "no label in this row" if not path else f"no label above {path[-1]!r}")
            continue
        above = path
        node.name, node.fields = path[-1], _fields(row, node, faults)
        _add(root, path, node, faults)
    return root.children


def _add(root: Node, path: Sequence[str], node: Node, faults: Faults) -> None:
    """Put `node` below the labels that `path` names before it; missing ones are made."""
    at = root
    for name in path[:-1]:
        found = next((child for child in at.children if child.name == name), None)
        if found is None:
            found = Node(name, node.place, node.order)
            at.children.append(found)
        at = found
    if len(path) > 1 and any(child.name == node.name for child in at.children):
        faults.add(node, f"{join_path(path)!r} is there already")
    else:
        at.children.append(node)


def _fields(row: Mapping[str, str], node: Node, faults: Faults) -> dict[str, Any]:
    fields: dict[str, Any] = {key: row[key] for key in _FIELDS if row.get(key)}
    if fields.get("id", "").isdecimal():
        del fields["id"]
    if "multiple" in fields:
        said = fields["multiple"].lower()
        if said not in ("true", "false", "yes", "no", "1", "0"):
            faults.add(node, f"multiple must be true or false, not {fields['multiple']!r}")
        fields["multiple"] = said in ("true", "yes", "1")
    return fields


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(number of the last line, cells) of each row that is not blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        rows = [(reader.line_num, [" ".join(cell.split()) for cell in row]) for row in reader]
    except csv.Error:
        return []
    return [(number, cells) for number, cells in rows if any(cells)]


def _names(header: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s_]+", "_", name.strip().lower().replace("colour", "color")) for name in header]
