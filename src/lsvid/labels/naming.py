"""Names of classes and videos that other programs can read. Each changed name is reported."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from lsvid.files.names import fold, path_part
from lsvid.findings import Findings, some

LabelPath = tuple[str, ...]


def level_paths(labels: Iterable[LabelPath], level: int) -> list[LabelPath]:
    """The different first `level` names of `labels`, in order; shorter labels are left out."""
    return list(dict.fromkeys(path[:level] for path in labels if len(path) >= level))


def level_names(paths: Sequence[LabelPath]) -> dict[LabelPath, str]:
    """A different name for each path: its last name or, if two paths share it, all its names joined by '/'."""
    count = Counter(path[-1] for path in paths)
    return dict(zip(paths, distinct(p[-1] if count[p[-1]] == 1 else "/".join(p) for p in paths), strict=True))


def without_blanks(names: Mapping[LabelPath, str]) -> dict[LabelPath, str]:
    """`names` with '_' in place of blanks and '#', for readers that split at blanks, or take '#' for a comment."""
    plain = (re.sub(r"[\s#]+", "_", one_line(name)) for name in names.values())
    return dict(zip(names, distinct(plain), strict=True))


def one_line(text: str) -> str:
    """`text` as one line for any reader: ends of lines, control characters and byte order marks become blanks.

    It is never empty.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+", " ", text).strip() or "_"


def one_line_each(names: Mapping[LabelPath, str]) -> dict[LabelPath, str]:
    """`names` as lines of a list of classes, all different."""
    return dict(zip(names, distinct(map(one_line, names.values())), strict=True))


def safe_ids(names: Iterable[str]) -> list[str]:
    """A file name for each of `names`, all different: letters, digits, '_' and '-' only, so no dot and no blank."""
    return distinct((path_part(re.sub(r"[^\w-]+", "_", name)) for name in names), key=fold)


def distinct(names: Iterable[str], key: Callable[[str], str] = str) -> list[str]:
    """`names` with '_2', '_3' and so on after those whose `key` came before."""
    taken: set[str] = set()
    last: dict[str, int] = {}
    result = []
    for name in names:
        number, fresh = last.get(name, 1), name
        while key(fresh) in taken:
            number += 1
            fresh = f"{name}_{number}"
        last[name] = number
        taken.add(key(fresh))
        result.append(fresh)
    return result


def tell_changed(findings: Findings, what: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Warn of each pair (old, new) of names that differ. what: whose names they are, and why they changed."""
    changed = [f"{old!r} -> {new!r}" for old, new in pairs if old != new]
    if changed:
        findings.warn(f"{what}: {some(changed, 5)}")
