"""CSV files that are safe in spreadsheets. A spreadsheet runs a cell that begins with = + - @ as a formula.

A label or a name may begin with one of these. By default a file holds the text unchanged, because other readers need
it, and a warning says so. On request such a cell gets an apostrophe before it, which tells a spreadsheet that it is
text (as OWASP's page on CSV injection advises).
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from lsvid.findings import Findings, some

FORMULA = r"^[=+\-@\t\r]"
"""A regular expression for the beginning of a text that a spreadsheet takes for a formula."""
NUMBER = r"^[+\-]?(\d+(\.\d*)?|\.\d+)([eE][+\-]?\d+)?$"
"""A number is not a formula, with or without a sign."""

_is_formula, _is_number = re.compile(FORMULA).match, re.compile(NUMBER).match


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes `text` for a formula."""
    return _is_formula(text) is not None and _is_number(text) is None


def as_text(cell: object) -> object:
    """`cell`, with an apostrophe before it if it is a text that a spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and is_formula(cell) else cell


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, safe: bool = False) -> None:
    """Write a CSV file with a header, in UTF-8, with LF at the end of lines. safe: write formulas as text."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in chain([header], rows):
            cells = [as_text(cell) for cell in row] if safe else row
            # Before Python 3.13, csv quotes no CR, which its readers take for the end of a line.
            has_cr = any("\r" in cell for cell in cells if isinstance(cell, str))
            (quoted if has_cr else table).writerow(cells)


def write_rows(
    path: Path,
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str] = (),
    findings: Findings | None = None,
    *,
    safe: bool = False,
) -> None:
    """`write_csv` for rows as dicts; the columns are by default those of the first row. Warns of formulas."""
    columns = columns or list(rows[0])
    texts = (cell for row in rows for cell in row.values() if isinstance(cell, str))
    if findings is not None:
        tell_formulas(texts, findings, safe=safe)
    write_csv(path, columns, ([row[column] for column in columns] for row in rows), safe=safe)


def tell_formulas(names: Iterable[str], findings: Findings, *, safe: bool) -> None:
    """Warn of those of `names` in a CSV file that a spreadsheet takes for formulas, unless the file is `safe`."""
    found = sorted({name for name in names if is_formula(name)})
    if found and not safe:
        findings.warn(
            f"{len(found)} labels or names begin like a formula, which a spreadsheet would run: "
            + some([repr(name) for name in found]),
            "import the columns as text, or ask for files that are safe there: <<spreadsheet_safe=True>>",
        )
