"""Finds the video file that an annotation names, among the files that exist.

People and programs seldom give the exact name of a file. Label Studio writes its own addresses, puts eight hex digits
before the name of an uploaded file, and quotes paths; Windows writes backslashes; a Mac writes an umlaut as two
characters. So the exact name is tried first, and looser forms after it. The first form that finds a file decides.
Several files that fit equally well are an error.
"""

import base64
import binascii
import difflib
import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from urllib.parse import SplitResult, unquote, unquote_plus, urlsplit

from lsvid.errors import ClipError
from lsvid.files.names import fold, readable
from lsvid.files.paths import is_file_in_sight, parts_of, resolved, split_suffix, stem, with_slashes
from lsvid.video.clips import VIDEO_SUFFIXES, videos_of_root

AUDIO_SUFFIXES = frozenset(".wav .mp3 .m4a .aac .flac .ogg .oga .opus .aif .aiff .wma".split())  # noqa: SIM905
"""Suffixes of sound files, which people cut from a video to mark its sound. Each stands for the video of the same
name.
"""

_LISTED = 10
"""The largest number of files in an error."""
_NEAREST_SEARCHES = 20
"""The largest number of missing clips for which the nearest names are searched, because that is slow."""


class AmbiguousClipError(ClipError):
    """Several files could be the clip."""


# --- What a name says -------------------------------------------------------------------------------------------------


_TAG = re.compile(r"<(?:video|source|audio)\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_UPLOAD = re.compile(r"/upload/(?:\d+/)?[0-9a-f]{8}-[^/]+$")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")


def media_path(media: str) -> str:
    """The path in an annotation's name for its video, with slashes only.

    `media` is a path of this or another machine, a URL, an `s3://` URI, one of Label Studio's own addresses (of a local
    file, an upload, an object in a storage), or the `<video src=…>` of its old template for video.
    """
    return with_slashes(_spellings(media)[0])


def is_upload(path: str) -> bool:
    """Whether `path` is Label Studio's name for an uploaded file, whose folder says nothing about the recording."""
    return _UPLOAD.search(path) is not None


def clip_name(path: str) -> str:
    """The clip's name in a path: its file's, without the ending, and without what an upload puts before it."""
    name = stem(path)
    return _UPLOAD_PREFIX.sub("", name) if is_upload(path) else name


def _spellings(media: str) -> list[str]:
    """The paths that `media` may mean, the likeliest first: quoted parts are unquoted in several ways."""
    tag = _TAG.search(media)
    if tag:
        media = html.unescape(next(filter(None, tag.groups()), ""))
    parts = _split(media)
    if parts.path.endswith("/data/local-files/"):
        quoted = _parameter(parts.query, "d")
        return [unquote_plus(quoted), unquote(quoted), quoted]
    if quoted := _parameter(parts.query, "fileuri"):  # …/resolve/?fileuri=, …/presign/, …/file-proxy/
        media = _resolved(unquote(quoted))
        parts = _split(media)
    match parts.scheme:
        case "http" | "https":
            return [unquote(parts.path), unquote_plus(parts.path), parts.path]
        case "s3":
            return [media]
    return [media, unquote(media), unquote_plus(media)]


def _split(media: str) -> SplitResult:
    try:
        return urlsplit(media)
    except ValueError:  # "Invalid IPv6 URL": no address, then, but a path with a bracket in it
        return SplitResult("", "", media, "", "")


def _parameter(query: str, name: str) -> str:
    """The value of a parameter in the query, still quoted."""
    return next((value for key, _, value in (part.partition("=") for part in query.split("&")) if key == name), "")


def _resolved(fileuri: str) -> str:
    """The URI of an object in Label Studio's address for it: in base64, or in old releases as plain text."""
    letters = fileuri.replace("+", "-").replace("/", "_")
    try:
        return base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4)).decode()
    except (binascii.Error, ValueError):
        return fileuri


def _wanted(media: str) -> list[tuple[str, ...]]:
    """The paths that `media` may mean, in parts: first as they stand, then with every backslash a slash."""
    spellings = _spellings(media)
    as_they_stand = [text.split("/") for text in spellings]
    windows = [text.replace("\\", "/").split("/") for text in spellings]
    found = dict.fromkeys(tuple(part for part in parts if part not in ("", ".")) for parts in as_they_stand + windows)
    return [parts for parts in found if parts]


# --- How a name may differ from the file's ----------------------------------------------------------------------------


def _same(name: str) -> str:
    return readable(name)  # as records hold it


def _loose(name: str) -> str:
    return fold(readable(name))


def _as_uploaded(name: str) -> str:
    """The name that an uploaded file gets, without its prefix (Django's get_valid_filename)."""
    return fold(re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_")))


def _without_suffix(name: str) -> str:
    return split_suffix(name)[0]


class _Node:
    """The files whose paths share an end: the parts on the way to here, read from the file's name backwards."""

    __slots__ = ("below", "paths")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.paths: list[str] = []


class _Ends:
    """The files by the ends of their paths. The time of a search grows with the depth of a path, not with their number.

    key: the part of a folder's or file's name that has to agree. of_file: the part of a file's name to which `key` is
    applied.
    """

    def __init__(
        self, paths: Iterable[str], key: Callable[[str], str], of_file: Callable[[str], str] | None = None
    ) -> None:
        self._key = key
        self._root = _Node()
        for path in paths:
            parts = parts_of(path)
            if of_file:
                parts[-1] = of_file(parts[-1])
            node = self._root
            for part in reversed(parts):
                node = node.below.setdefault(key(part), _Node())
                node.paths.append(path)

    def longest(self, parts: Sequence[str]) -> list[list[str]]:
        """The files whose paths share the longest end with `parts`; after them those of ever shorter ends."""
        found: list[list[str]] = []
        node = self._root
        for part in reversed(parts):
            below = node.below.get(self._key(part))
            if below is None:
                break
            node = below
            found.append(node.paths)
        return found[::-1]


class ClipFinder:
    """Finds the file for what an export names as its video, among the videos under `roots` (folders, files, S3).

    loosely: media -> path, for clips that were found under a slightly different name.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = list(roots)
        self.loosely: dict[str, str] = {}
        self._paths = list(dict.fromkeys(found for root in roots for found in videos_of_root(root)))
        self._found: dict[str, str | ClipError] = {}
        self._misses = 0

    def find(self, media: str) -> str:
        """The path of the file whose path shares the longest end with `media`.

        Raises ClipError if there is none, AmbiguousClipError if several fit equally well.
        """
        if media not in self._found:
            try:
                self._found[media] = self._find(media)
            except ClipError as error:
                self._found[media] = error
        found = self._found[media]
        if isinstance(found, ClipError):
            raise found.with_traceback(None)
        return found

    def _find(self, media: str) -> str:
        wanted = _wanted(media)
        for candidates in self._tries(wanted):
            if len(candidates) > 1:
                listed = [f"  {path}" for path in candidates[:_LISTED]]
                more = [f"  and {len(candidates) - _LISTED} more"] if len(candidates) > _LISTED else []
                raise AmbiguousClipError(
                    "\n".join([f"several files could be the clip {media}:", *listed, *more]),
                    "name a narrower folder with <<clips>>",
                )
            if candidates and (is_upload(media_path(media)) or not self._lies_elsewhere(candidates[0], wanted)):
                if not _is_named(candidates[0], media):
                    self.loosely[media] = candidates[0]
                return candidates[0]
        if not self.roots:
            path = media_path(media)
            for text in (media, path):
                if is_file_in_sight(text):
                    return resolved(text)
            raise ClipError(
                f"cannot find the clip {media} (looked in: {path} itself)", "name its folder: <<clips=DIR>>"
            )
        raise ClipError(
            f"cannot find the clip {media} (looked in: {', '.join(self.roots)})" + self._nearest(wanted),
            "name its folder: <<clips=DIR>>",
        )

    def _tries(self, wanted: Sequence[tuple[str, ...]]) -> Iterator[list[str]]:
        """The files that each way of looking finds, from the strictest on: mostly none, or one."""
        if not self._paths:
            return
        for parts in wanted:  # first the exact name: as it is, then unquoted
            yield self._best(self._exact.longest(parts), self._loose, parts)
        for parts in wanted:
            yield _first(self._loose.longest(parts))
        for name in dict.fromkeys(parts[-1] for parts in wanted if _UPLOAD_PREFIX.match(parts[-1])):
            own = _UPLOAD_PREFIX.sub("", name)
            yield _first(self._exact.longest([own]))
            yield _first(self._uploaded.longest([own]))
        for parts in wanted:  # label formats leave out the ending; sound was cut from the video of the same name
            stem, suffix = split_suffix(parts[-1])
            if suffix.lower() in VIDEO_SUFFIXES:
                continue
            for name in (parts[-1], stem) if suffix.lower() in AUDIO_SUFFIXES else (parts[-1],):
                named = [*parts[:-1], name]
                yield self._best(self._stems.longest(named), self._loose_stems, named)
                yield _first(self._loose_stems.longest(named))
                if _UPLOAD_PREFIX.match(name):
                    yield _first(self._loose_stems.longest([_UPLOAD_PREFIX.sub("", name)]))

    def _lies_elsewhere(self, path: str, wanted: Sequence[tuple[str, ...]]) -> bool:
        """Whether the folder that is wanted is there, and `path` lies in another one: it only has the same name."""
        found = [fold(part) for part in reversed(parts_of(path))]
        tellings = []
        for names in ([fold(part) for part in reversed(parts)] for parts in wanted if len(parts) > 1):
            both = min(len(found), len(names))
            differs = next((depth for depth in range(1, both) if found[depth] != names[depth]), None)
            tellings.append(differs is not None and (differs, names[differs]) in self._folders)
        return bool(tellings) and all(tellings)

    @cached_property
    def _folders(self) -> set[tuple[int, str]]:
        """The folders that hold videos, by how far above them: 1 is the parent."""
        return {
            (depth, fold(part))
            for path in self._paths
            for depth, part in enumerate(reversed(parts_of(path)[:-1]), start=1)
        }

    def _best(self, groups: list[list[str]], loose: "_Ends", parts: Sequence[str]) -> list[str]:
        """The files that share the longest end; of several, those whose other folders agree loosely, if any do."""
        best = _first(groups)
        if len(best) < 2:
            return best
        looser = loose.longest(parts)
        exact_end = tuple(parts[len(parts) - len(groups) : -1])
        for group in looser[: len(looser) - len(groups)]:
            alike = [path for path in group if _ends_with(parts_of(path), exact_end, parts[-1])]
            if alike:
                return alike
        return best

    @cached_property
    def _exact(self) -> _Ends:
        return _Ends(self._paths, _same)

    @cached_property
    def _loose(self) -> _Ends:
        return _Ends(self._paths, _loose)

    @cached_property
    def _uploaded(self) -> _Ends:
        return _Ends(self._paths, _as_uploaded)

    @cached_property
    def _stems(self) -> _Ends:
        return _Ends(self._paths, _same, _without_suffix)

    @cached_property
    def _loose_stems(self) -> _Ends:
        return _Ends(self._paths, _loose, _without_suffix)

    def _nearest(self, wanted: Sequence[tuple[str, ...]]) -> str:
        """The names nearest to those wanted, for an error's text."""
        self._misses += 1
        if self._misses > _NEAREST_SEARCHES:
            return ""
        names = {fold(parts_of(path)[-1]): parts_of(path)[-1] for path in self._paths}
        near = difflib.get_close_matches(fold(_UPLOAD_PREFIX.sub("", wanted[0][-1])), names, n=3) if wanted else []
        return f"; the nearest there: {', '.join(names[name] for name in near)}" if near else ""


def _first(groups: list[list[str]]) -> list[str]:
    return groups[0] if groups else []


def _is_named(path: str, media: str) -> bool:
    """Whether `media` gives the file's exact name, with or without its ending."""
    name = readable(parts_of(path)[-1])
    given = (_spellings(media)[0].rpartition("/")[2], media_path(media).rpartition("/")[2])
    return name in given or split_suffix(name)[0] in given


def _ends_with(path: Sequence[str], folders: tuple[str, ...], name: str) -> bool:
    """Whether a path ends with exactly these folders and this name, with or without its ending."""
    return name in (path[-1], split_suffix(path[-1])[0]) and tuple(path[-1 - len(folders) : -1]) == folders
