"""A text file of labels: one a line, levels by '--' or by indentation.

Common other forms are recognised: Markdown's bullets, and class numbers from 0 in front of the names (MS-TCN's
mapping.txt: "0 cut"), which only give the order. Forms that may mean two things (numbers from 1, "Suturing > Knot", a
comment after a name) are refused, with a message that says what they look like.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

from lsvid.errors import LabelFileError
from lsvid.labels.nodes import Faults, Node, count

_LONG_DASHES = tuple("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
"""Typographic dashes and the minus sign, into which word processors change "-" and "--"."""

_BULLET = re.compile(r"(\s*)[-*+\u2022\u2023\u25aa\u25cb\u25cf\u25e6](?:\s+|$)(?:\[[ xX]\]\s+)?(.*)")
_NUMBERED = re.compile(r"(\d{1,6})(?:\s*[:;,)=|]\s*|\s+-\s+|\s+|\.\s+)(\S.*)")
_NUMBER_BEHIND = re.compile(r"(\S.*?)(?:\s*[:;,=|]\s*|\s+-\s+|\s+)(\d{1,6})")
_OUTLINE = re.compile(r"\s*\d+(\.\d+)*[.)]?\s+\S")
_ARROW = re.compile(r"\s+(?:>|->|=>|\u2192|::)\s+")

_Line = tuple[int, str]


def lines_of(text: str) -> list[_Line]:
    """(number from 1, line) of the lines that are neither blank nor comments."""
    lines = [(number, line.rstrip()) for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1)]
    return [(number, line) for number, line in lines if line and not line.lstrip().startswith("#")]


def _as_labels(lines: Sequence[_Line], file: str) -> Iterator[_Line]:
    """The same lines without bullets and class numbers. Raises LabelFileError."""
    bullets = [_BULLET.fullmatch(line) for _, line in lines]
    if lines and all(bullets):
        lines = [(number, f"{m[1]}{m[2]}") for (number, _), m in zip(lines, bullets, strict=True) if m is not None]
        return iter(lines)
    numbered = [_NUMBERED.fullmatch(line) for _, line in lines]
    numbers = [int(m[1]) for m in numbered if m is not None]
    if len(numbers) == len(lines) > 1 and numbers == list(range(len(lines))):
        return iter([(number, m[2]) for (number, _), m in zip(lines, numbered, strict=True) if m is not None])
    behind = [m for _, line in lines if (m := _NUMBER_BEHIND.fullmatch(line)) is not None]
    if len({m[1] for m in behind}) == len(lines) > 1 and [int(m[2]) for m in behind] == list(range(len(lines))):
        return iter([(number, m[1]) for (number, _), m in zip(lines, behind, strict=True)])
    _refuse_documents([line for _, line in lines], file)
    _refuse_numbers(lines, numbers, file)
    _refuse_arrows(lines, file)
    for number, line in lines:
        if re.search(r"\S\s+#\s", line):
            raise LabelFileError(
                f"{file}:{number}: {line.strip()!r} looks like a label with a comment after it",
                "put the comment on its own line; a name with '#' in it needs a YAML file, with the name in quotes",
            )
    return iter(lines)


def _refuse_documents(lines: Sequence[str], file: str) -> None:
    """Raise LabelFileError where the lines are of another format."""
    if not lines:
        return
    begins, ends = {line.lstrip()[:1] for line in lines}, {line[-1] for line in lines}
    whole, several = lines[0].lstrip()[:1] + lines[-1][-1], len(lines) > 1
    kinds = [
        (lines[0].startswith("{\\rtf"), "a document of a word processor (RTF)", "save it as plain text"),
        (
            whole in ("{}", "[]") or any(line.endswith(" {") for line in lines),
            "JSON, or another program's list", "write one label a line; or name it .json, if it is JSON",
        ),
        (begins == {"<"} and ends == {">"}, "a web page, or XML", "write one label a line"),
        (begins == ends == {"|"}, "a table in Markdown", "write one label a line"),
        (several and begins == ends and begins in ({"'"}, {'"'}), "names in quotes", _WITHOUT.format("quotes")),
        (
            several and {line[-1] for line in lines[:-1]} in ({","}, {";"}),
            "names with a separator after each", _WITHOUT.format(repr(lines[0][-1])),
        ),
        (
            not several and len(re.findall(r"[,;](?=.)", lines[0])) > 1,
            "several labels on one line", "write one label a line; a name with commas goes into a YAML file",
        ),
        (
            any(line.endswith(":") and below[:1].isspace() for line, below in itertools.pairwise(lines)),
            "YAML", "leave the ':' out; or name it .yaml, if it is YAML",
        ),
    ]  # fmt: skip
    for is_so, kind, hint in kinds:
        if is_so:
            raise LabelFileError(f"{file} looks like {kind}: {lines[0][:60]!r}", hint)


_WITHOUT = "leave the {} out; or write a YAML file"


def _refuse_numbers(lines: Sequence[_Line], numbers: Sequence[int], file: str) -> None:
    kind = ""
    if len(lines) > 2 and len(set(numbers)) == len(lines):
        kind = "class numbers and names"
    elif len(lines) > 2 and all(_OUTLINE.match(line) for _, line in lines) and any("." in line for _, line in lines):
        kind = "a numbered outline"
    if kind:
        raise LabelFileError(
            f"{file}:{lines[0][0]}: {lines[0][1]!r} and the rest look like {kind}",
            "leave the numbers out ('--' in front for each level down); if they belong to the names, write a YAML "
            "file, with the names in quotes",
        )


def _refuse_arrows(lines: Sequence[_Line], file: str) -> None:
    heads = [_ARROW.split(line.strip(), maxsplit=1)[0] for _, line in lines]
    for (number, line), head in zip(lines, heads, strict=True):
        if head != line.strip() and heads.count(head) > 1:
            raise LabelFileError(
                f"{file}:{number}: {line.strip()!r} looks like a label and its sub label on one line",
                f"write {head!r} on a line of its own, and its sub labels below it, each with '--' in front",
            )


def nodes_of_lines(text: str, faults: Faults) -> list[Node]:
    """The labels in `text`, one a line. Raises LabelFileError if the lines are of another kind."""
    root = Node("", faults.file, 0)
    open_nodes = [root]  # for each level, the label to which a new one is added
    depth_of = _LineDepth(faults)
    for number, line in _as_labels(lines_of(text), faults.file):
        node = Node("", f"{faults.file}:{number}", number)
        depth = depth_of(line.rstrip(), node)
        deepest = len(open_nodes) - 1
        if depth > deepest:
            above = "the first label" if deepest == 0 else f"level {deepest}"
            faults.add(node, f"jumps to level {depth + 1} right after {above}" if deepest else
                       "the first label cannot be a sub label")  # fmt: skip
            depth = deepest
        del open_nodes[depth + 1 :]
        open_nodes[-1].children.append(node)
        open_nodes.append(node)
    return root.children


class _LineDepth:
    """Finds the depth of each line, 0 for the top, and sets the node's name. Remembers the style of earlier lines."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.style: tuple[str, int] | None = None  # "dashes" or "indentation", and the line that began with it
        self.indent = ""  # of the first indented line: one level

    def __call__(self, line: str, node: Node) -> int:
        begun = line.lstrip()
        rest = begun.lstrip("-")
        blanks, dashes, node.name = line[: len(line) - len(begun)], begun[: len(begun) - len(rest)], rest.lstrip()
        blanks = blanks.replace("\u00a0", " ")  # web pages and word processors write it for a blank
        if node.name.startswith(_LONG_DASHES):
            self.faults.add(node, f"begins with a typographic dash ({node.name[0]}); a level is two plain ones ('--')")
        if blanks and dashes:
            self.faults.add(node, "has both indentation and dashes; use one of them")
            return len(dashes) // 2
        if dashes:
            if len(dashes) % 2:
                self.faults.add(node, f"begins with {count(len(dashes), 'dash', 'dashes')}; a level is two ('--')")
            self._use("dashes", node)
            return (len(dashes) + 1) // 2
        if blanks:
            self._use("indentation", node)
            return self._indented(blanks, node)
        return 0

    def _use(self, style: str, node: Node) -> None:
        if self.style is None:
            self.style = (style, node.order)
        elif self.style[0] != style:
            first = f"the file began with {self.style[0]} (line {self.style[1]})"
            self.faults.add(node, f"uses {style}, but {first}; use one of them")

    def _indented(self, blanks: str, node: Node) -> int:
        self.indent = self.indent or blanks
        if set(blanks) != set(self.indent):
            self.faults.add(node, "is indented with tabs here and with blanks there; use one of them")
        elif len(blanks) % len(self.indent):
            by = count(len(self.indent), "tab" if "\t" in self.indent else "blank")
            self.faults.add(node, f"is indented by {len(blanks)}; a level is {by} in this file")
        return max(1, len(blanks) // len(self.indent))
