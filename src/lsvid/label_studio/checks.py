"""The checks of `lsvid check`: whether the server, the storage and the clips work together.

Each check is a small function that returns one Check or a few; an LsvidError becomes a failed Check.
"""

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
import urllib3

from lsvid.errors import LsvidError, ServerError
from lsvid.files import storage
from lsvid.findings import Findings
from lsvid.label_studio import releases, s3
from lsvid.label_studio.advice import ProbedClip, advise
from lsvid.label_studio.client import Server, clean_url, connect, open_session
from lsvid.label_studio.failures import DOWN_HINT, json_content
from lsvid.label_studio.media import Media, parse_storage
from lsvid.label_studio.project import Project, StorageFolder, check_storage, find_project
from lsvid.label_studio.s3 import S3Storage
from lsvid.labeling.parsed import LabelingConfig
from lsvid.video.clips import CaseRule, ClipFile, find_clips
from lsvid.video.index import cache_dir, probe_all
from lsvid.wording import worded

_SAMPLES = 3
_LITTLE_DISK, _NO_DISK = 1_000_000_000, 100_000_000

Status = Literal["pass", "warn", "fail"]
Checks = Generator["Check", None, list[ClipFile]]
"""Checks of a storage; returns the clips that were found there."""


@dataclass(frozen=True)
class Check:
    """The result of a check: `status` is pass, warn or fail; `remedy` says what to do; `exit_code` is for a fail."""

    name: str
    status: Status
    message: str
    remedy: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class CheckOptions:
    """What to check. sources: folders (DIR or DIR=SERVER_DIR) and prefixes in S3. project: id or title."""

    url: str
    api_key: str | None
    sources: Sequence[str] = ()
    project: str | None = None
    document_root: str | None = None
    presign: bool = True


def run_checks(options: CheckOptions) -> Iterator[Check]:
    """All checks that `options` allow, one after the other; without a server, those that need one are not made."""
    yield _checked("server", lambda: check_version(options.url))
    server: Server | None = None
    project: Project | None = None
    try:
        server = connect(options.url, options.api_key)
        yield Check("token", "pass", "Label Studio takes the access token")
        if options.project:
            project = find_project(server, options.project)
            yield Check("project", "pass", f"{project.id} ({project.title}), {project.n_tasks} tasks")
    except LsvidError as error:
        yield _failed("token" if server is None else "project", error)
    for source in options.sources:
        yield from _check_source(source, server, project, options)
    yield check_disk()


def _check_source(
    source: str, server: Server | None, project: Project | None, options: CheckOptions
) -> Iterator[Check]:
    try:
        wanted = parse_storage(source, presign=options.presign)
    except LsvidError as error:
        yield _failed(f"storage {source}", error)
        return
    if isinstance(wanted, StorageFolder):
        clips = yield from _check_folder(wanted, server, project)
    else:
        clips = yield from _check_prefix(wanted, server, project, options)
    if server is not None and project is not None and clips:
        yield _checked("clip", lambda: check_clip(server, project, clips[0].path, options.document_root))


def _checked(name: str, ask: Callable[[], Check]) -> Check:
    """The Check that `ask` returns, or a failed Check with the text of its error."""
    try:
        return ask()
    except LsvidError as error:
        return _failed(name, error)


def _failed(name: str, error: LsvidError) -> Check:
    return Check(name, "fail", error.message, error.hint, error.exit_code)


# --- The server -------------------------------------------------------------------------------------------------------


class _Version(msgspec.Struct):
    release: str


def check_version(url: str) -> Check:
    """Whether a Label Studio of a usable release answers at `url`. Raises ServerError, SettingsError."""
    address, doing = clean_url(url), "asking for its version"
    try:
        with open_session() as session:
            body = json_content(session.get(f"{address}/api/version", timeout=30), address, doing)
        version = msgspec.json.decode(body, type=_Version).release
    except (OSError, ValueError, RecursionError, urllib3.exceptions.HTTPError) as error:  # also requests', msgspec's
        raise ServerError(
            f"no Label Studio answers at {address} ({type(error).__name__})",
            DOWN_HINT,
        ) from error
    if refusal := releases.refusal(version):
        return Check("server", "fail", f"{refusal} ({address})", releases.UPGRADE, ServerError.exit_code)
    if text := releases.shortcoming(version):
        return Check("server", "warn", f"{text} ({address})", releases.UPGRADE)
    if text := releases.untested(version):
        return Check("server", "warn", f"{text} ({address})", releases.COMPARE)
    return Check("server", "pass", f"{address} is Label Studio {version}")


# --- Clips in S3 ------------------------------------------------------------------------------------------------------


def _check_prefix(wanted: S3Storage, server: Server | None, project: Project | None, options: CheckOptions) -> Checks:
    prefix = wanted.uri.rstrip("/")
    name = f"storage {prefix}"
    try:
        uri, _ = s3.first_clip(prefix)
    except LsvidError as error:
        yield _failed(name, error)
        return []
    yield Check(name, "pass", f"the bucket can be listed; its first clip is {uri}")
    if server is not None:
        if options.presign:
            yield _checked("CORS", lambda: check_cors(server, uri))
        yield _checked("S3 from the server", lambda: check_s3_from_server(server, project, wanted))
    return (yield from _check_clips(prefix, project))


def check_cors(server: Server, uri: str) -> Check:
    """Whether the object's presigned address answers a range request with 206, and lets the server's pages read it."""
    fault = s3.check_cors(uri, s3.origin(server))
    if fault:
        return Check("CORS", "fail", fault, s3.cors_hint(server, uri), 3)
    return Check("CORS", "pass", f"a presigned address answers with 206, and lets pages of {s3.origin(server)} read")


def check_s3_from_server(server: Server, project: Project | None, wanted: s3.S3Storage) -> Check:
    """Whether the server reaches the S3 service. Without a project, only whether it accepts the storage."""
    name = "S3 from the server"
    try:
        s3.check_s3(server, project.id if project else None, wanted)
    except ServerError as error:
        if project is None and "project" in error.message:  # the only thing it still asks for
            return Check(
                name,
                "pass",
                "Label Studio does not refuse the service's address (with a project, lsvid also asks it to connect)",
            )
        raise
    return Check(name, "pass", f"Label Studio takes {wanted.uri} as a storage")


# --- Clips in folders -------------------------------------------------------------------------------------------------


def _check_folder(wanted: StorageFolder, server: Server | None, project: Project | None) -> Checks:
    name = f"storage {wanted.local}"
    if server is not None and project is not None:
        yield _checked(name, lambda: check_folder(server, project, wanted))
    else:
        yield Check(
            name,
            "warn",
            f"{wanted.local} is a folder; the server was not asked whether it may serve it",
            worded("name a project to ask in: <<project=ID|TITLE>>"),
        )
    return (yield from _check_clips(wanted.local, project))


def check_folder(server: Server, project: Project, folder: StorageFolder) -> Check:
    """Whether the server accepts the folder: it sees it, strictly below its document root. Raises ServerError."""
    check_storage(server, project.id, folder)
    return Check(f"storage {folder.local}", "pass", f"Label Studio takes {folder.path} as a storage")


def check_clip(server: Server, project: Project, path: str, root: str | None) -> Check:
    """Whether the project serves the clip at `path`. Raises ServerError, SettingsError."""
    media = Media(server, project.id, root=root)
    (holder,) = media.holders([path])
    if fault := media.check(path, storage.stat(path).size, holder):
        return Check("clip", "fail", *fault, 3)
    return Check("clip", "pass", f"Label Studio gives out {holder.on_server(path)}")


# --- Clips themselves, and this machine -------------------------------------------------------------------------------


def _check_clips(source: str, project: Project | None) -> Checks:
    """Yield whether a few clips can be read and annotated well; return the clips that were found."""
    try:
        clips = find_clips([source], CaseRule())
    except LsvidError as error:
        yield _failed("clips", error)
        return []
    some = list(islice(clips, _SAMPLES))
    probed = []
    for clip, info in zip(some, probe_all([clip.path for clip in some]), strict=True):
        if isinstance(info, LsvidError):
            yield _failed("clips", info)
        else:
            probed.append(ProbedClip(clip.id, clip.path, info))
    findings = Findings()
    advise(
        probed,
        LabelingConfig.parse(project.label_config).timeline if project else None,
        findings,
        project.id if project else None,
    )
    for text, hint in findings.warnings:
        yield Check("clips", "warn", text, hint)
    if probed and not findings.warnings:
        yield Check("clips", "pass", f"{len(clips)} found; the first {len(probed)} play in browsers")
    return clips


def check_disk() -> Check:
    """Whether there is room for frame indexes and downloaded annotations."""
    folders = [cache_dir(), Path(tempfile.gettempdir())]
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    folder, least = min(free.items(), key=lambda item: item[1])
    message = f"{least / 1e9:.1f} GB free for {folder}"
    if least < _LITTLE_DISK:
        status: Status = "fail" if least < _NO_DISK else "warn"
        return Check("disk", status, message, "free some, or set LSVID_CACHE_DIR and TMPDIR to another disk", 1)
    return Check("disk", "pass", message)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())
