"""Prodigy's own SQLite database (`prodigy.db`), opened read-only: the tasks of its datasets, as `db-out` prints them.

Its tables, which users of Prodigy read too: `dataset(id, name, session)`, `example(id, content)`,
`link(example_id, dataset_id)`. Each example is linked twice: to its dataset, and to the session in which it was
annotated, which is a dataset with `session` 1. So examples are read by dataset, never all at once.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from lsvid.annotations.spans import Record
from lsvid.errors import ExportError, SettingsError
from lsvid.files.inputs import is_stream, open_input
from lsvid.findings import Findings
from lsvid.readers import prodigy
from lsvid.readers.documents import MAX_DOCUMENT_BYTES, Document, ReadOptions

_MAGIC = b"SQLite format 3\0"

_EXAMPLES = """
    SELECT e.id, length(CAST(e.content AS BLOB)),
           CASE WHEN length(CAST(e.content AS BLOB)) <= ? THEN CAST(e.content AS BLOB) END
    FROM example e JOIN link l ON l.example_id = e.id JOIN dataset d ON d.id = l.dataset_id
    WHERE d.name = ? ORDER BY l.id
"""
_DATASETS = """
    SELECT d.name, COUNT(l.example_id) FROM dataset d LEFT JOIN link l ON l.dataset_id = d.id
    WHERE NOT COALESCE(d.session, 0) GROUP BY d.id ORDER BY d.name
"""
_TABLES = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('dataset', 'example', 'link')"


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file begins as a SQLite database does."""
    return head.startswith(_MAGIC)


def is_database(path: str) -> bool:
    """Whether the file at `path` is a SQLite database."""
    if is_stream(path):
        return False  # a pipe can be read only once
    try:
        with open_input(path) as file:
            return recognises(Path(path), file.read(len(_MAGIC)))
    except OSError:
        return False  # the reader of the export reports this better


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of the tasks of `options.datasets`."""
    return prodigy.read(iter_documents(str(path), options.datasets), options, findings)


def iter_documents(path: str, datasets: Sequence[str]) -> Iterator[Document]:
    """The tasks of `datasets`, in the order in which they were annotated. The database is not changed.

    Raises SettingsError, which lists the datasets, if `datasets` is empty or one is unknown; ExportError if the
    database cannot be read, or is not Prodigy's.
    """
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?{_mode(path)}", uri=True)) as database:
            if database.execute(_TABLES).fetchone() != (3,):  # a view could run any query, even one without an end
                raise sqlite3.DatabaseError("it does not have the tables dataset, example and link")
            known = {_text(name): count for name, count in database.execute(_DATASETS).fetchall()}
            _check(path, datasets, known)
            for name in datasets:
                place = f"{path}, dataset {name}"
                for number, size, content in database.execute(_EXAMPLES, (MAX_DOCUMENT_BYTES, name)):
                    if size is None:
                        continue  # not even an empty task
                    if content is None:
                        raise ExportError(
                            f"{place}, example {number} is {size >> 20:,} MB: it holds its media as base64 data",
                            f"in a file, lsvid skips such data: prodigy db-out {name} > {name}.jsonl, then read that",
                        )
                    yield Document(f"{place}, example {number}", msgspec.Raw(content))
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise ExportError(
            f"cannot read {path} as a Prodigy database: {error}",
            "prodigy db-out DATASET > annotations.jsonl gives a file that lsvid reads",
        ) from error


def _mode(path: str) -> str:
    """The mode for opening it: read-only. If no changes wait in a log beside it, SQLite makes no files there either."""
    log = Path(f"{path}-wal")
    return "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check(path: str, datasets: Sequence[str], known: dict[str, int]) -> None:
    listed = "\n".join(f"  {name} ({count:,} annotations)" for name, count in known.items()) or "  none"
    unknown = [name for name in datasets if name not in known]
    if unknown:
        raise SettingsError(
            f"{path} has no dataset {unknown[0]!r}; it has:\n{listed}", "name one of these: <<datasets>>"
        )
    if not datasets:
        raise SettingsError(f"{path} is a Prodigy database; its datasets:\n{listed}", "name one of these: <<datasets>>")
