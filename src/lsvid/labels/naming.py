"""Names that other people's readers can take: of classes and of videos. What had to change is told, never silent."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from lsvid.files.names import fold, path_part
from lsvid.findings import Findings, some

LabelPath = tuple[str, ...]


def level_paths(labels: Iterable[LabelPath], level: int) -> list[LabelPath]:
    """The distinct beginnings of `labels` of `level` names, in their order; shorter labels have none."""
    return list(dict.fromkeys(path[:level] for path in labels if len(path) >= level))


def level_names(paths: Sequence[LabelPath]) -> dict[LabelPath, str]:
    """A name for each path, all different: its last; where two paths share it, those from the root, joined by '/'."""
    count = Counter(path[-1] for path in paths)
    return dict(zip(paths, distinct(p[-1] if count[p[-1]] == 1 else "/".join(p) for p in paths), strict=True))


def without_blanks(names: Mapping[LabelPath, str]) -> dict[LabelPath, str]:
    """`names` with '_' for whatever a reader that splits at blanks, or takes '#' for a comment, would break at."""
    plain = (re.sub(r"[\s#]+", "_", one_line(name)) for name in names.values())
    return dict(zip(names, distinct(plain), strict=True))


def one_line(text: str) -> str:
    """`text` as one line, whatever its reader takes for the end of one: ends of lines and control characters, and the
    mark that may begin a file in Unicode, become a blank. Never empty.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+", " ", text).strip() or "_"


def one_line_each(names: Mapping[LabelPath, str]) -> dict[LabelPath, str]:
    """`names` as lines of a list of classes, all different."""
    return dict(zip(names, distinct(map(one_line, names.values())), strict=True))


def safe_ids(names: Iterable[str]) -> list[str]:
    """A file name for each of `names`, all different: letters, digits, '_' and '-' only, so no dot and no blank."""
    return distinct((path_part(re.sub(r"[^\w-]+", "_", name)) for name in names), key=fold)


def distinct(names: Iterable[str], key: Callable[[str], str] = str) -> list[str]:
    """`names` with '_2', '_3' and so on behind those whose `key` stood before."""
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
    """Warn of every name that is written otherwise than it is read: `what` says whose names, and why."""
    changed = [f"{old!r} -> {new!r}" for old, new in pairs if old != new]
    if changed:
        findings.warn(f"{what}: {some(changed, 5)}")
