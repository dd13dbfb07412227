"""Names that other people chose (of cases, clips, annotators, labels), as parts of paths and as text.

Only here a name becomes a part of a path. Every folder and file with the name of a case or a clip gets it from
`path_part`, or from `path_parts` if several lie side by side.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MOST_BYTES = 180
"""The longest part, in bytes. File systems take 255, but endings (`.parquet`) and names of unfinished files need
some.
"""

_NOT_IN_PATHS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # control characters
    r'/\\:*?"<>|'  # separators, and characters that Windows reserves
    r"\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"  # ends of lines, and marks of text direction
    r"\ud800-\udfff\ufffe\uffff]"  # code points that are no characters, such as bytes that are not UTF-8
)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)", re.IGNORECASE)
"""Devices of Windows, with any ending. Source: learn.microsoft.com, 'Naming Files, Paths, and Namespaces'."""


def path_part(name: str) -> str:
    """`name` as one part of a path that is valid on every system; unchanged if possible.

    It holds no separator and no control character, is not hidden and not '..', is not reserved on Windows, does not end
    with a dot or a blank, and has at most `MOST_BYTES` bytes in UTF-8. A changed name ends with the first eight digits
    of its SHA-256, so two names never become the same part. The same name always becomes the same part.
    """
    part = _NOT_IN_PATHS.sub("_", name)
    part = re.sub(r"^[. ]|[. ]$", "_", part) or "_"
    is_reserved = _RESERVED.fullmatch(part.partition(".")[0].rstrip(" ")) is not None
    if is_reserved:
        part = f"_{part}"
    if part == name and len(part.encode()) <= MOST_BYTES:
        return part
    return _marked(part, name)


def path_parts(names: Iterable[str]) -> dict[str, str]:
    """`path_part` of each of `names`, which lie side by side. All are different, also on systems where upper and lower
    case, or two spellings of one letter in Unicode, are the same (macOS, Windows). The first of such names stays
    unchanged.
    """
    parts: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in parts:
            continue
        part = path_part(name)
        while fold(part) in taken:
            part = _marked(part, name + part)
        taken.add(fold(part))
        parts[name] = part
    return parts


def places(clips: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """For each clip (case, name) its folder, or its file without the ending, as 'case/name'; see `path_parts`."""
    by_case: dict[str, list[str]] = {}
    for case, name in clips:
        by_case.setdefault(case, []).append(name)
    cases = path_parts(by_case)
    return {
        (case, name): f"{cases[case]}/{part}"
        for case, names in by_case.items()
        for name, part in path_parts(names).items()
    }


def fold(name: str) -> str:
    """A key that is equal for two names that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _marked(part: str, name: str) -> str:
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{short(part, MOST_BYTES - 9)}-{digits}"


def short(text: str, most_bytes: int) -> str:
    """The beginning of `text`, with at most this many bytes in UTF-8."""
    return text.encode()[:most_bytes].decode(errors="ignore")


def readable(text: str) -> str:
    """`text` (of a path, for example) in a form that can be encoded: bytes that are not UTF-8 become hexadecimal."""
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # JSON may escape half of a surrogate pair
        raw = text.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "backslashreplace")
