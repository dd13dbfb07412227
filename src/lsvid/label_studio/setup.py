"""Make or update a project, without removing labels that annotations use."""

import difflib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import msgspec

from lsvid.errors import DataError, LsvidError, ServerError, UnclearError, check_choice
from lsvid.findings import Findings
from lsvid.label_studio import releases
from lsvid.label_studio.client import Server
from lsvid.label_studio.export import download_export
from lsvid.label_studio.project import (
    Project,
    StorageFolder,
    add_storage,
    as_pure_path,
    check_storage,
    find_by_title,
    find_project,
    storage_folders,
)
from lsvid.label_studio.s3 import (
    S3Storage,
    check_cors,
    check_resolved,
    check_s3,
    connect_s3,
    cors_hint,
    first_clip,
    origin,
    s3_storages,
    storage_of,
)
from lsvid.label_studio.views import add_uncertain_view
from lsvid.labeling.changes import LabelChanges, count_uses, label_changes, may_orphan, orphans
from lsvid.labeling.config import Timeline, labeling_config
from lsvid.labeling.instructions import instructions
from lsvid.labeling.parsed import LabelingConfig, Use
from lsvid.labeling.second_pass import NAMING_INSTRUCTIONS, second_pass_config
from lsvid.labels.tree import LabelTree

ORDERS = {"case": "Sequential sampling", "uncertain": "Uncertainty sampling"}
"""Label Studio's names for the order of "Label All Tasks": by the tasks' ids, that is, case by case with clips in
order; or by the score of the prediction that the project shows, the lowest first (1.23.2, measured).
"""

OWN_PAGE = "This page was made by lsvid, which replaces it when the labels change. Without this line it stays as it is."
"""The last line of an instruction page that lsvid made. A page without it was written by a person."""


_SETTLE_S = 2.0
"""How long to wait after an unclear answer, before looking whether the server did it."""


@dataclass(frozen=True)
class Settings:
    """The settings of a project.

    title: None keeps the title of an existing project.
    timeline: None keeps the timeline of an existing project, and is "frames" for a new one, whatever clips its storage
    holds: the same command makes the same project every time, and clips come later. If clips are too long for it,
    import-clips warns, with the command that changes the timeline.
    is_second_pass: the project gets regions, and people pick their labels (lsvid.labeling.second_pass).
    annotations_per_clip: None keeps the number that was set, or Label Studio's default 1.
    speed: of playback when a clip is opened; None keeps that of an existing project.
    order: one of ORDERS, in which clips are served; None keeps that of an existing project, "case" for a new one.
    project: the id or title of the project to update; None: the project with this title, or a new one.
    force: update it even if annotations use labels that are removed. dry_run: change nothing.

    annotations_per_clip is Label Studio's `maximum_annotations`, N. Label Studio Community 1.23.2 (measured, several
    users at once) does not refuse more annotations; it only stops offering the clip. "Label All Tasks" gives a clip to
    at most N people at a time (a person who opens a clip reserves it for a day, also after leaving), and to nobody once
    it has N annotations; a skip does not count, and the clip is offered to others. If somebody still submits one more
    annotation, it is accepted. A change of N holds for all existing tasks. With N above 1 the second person gets clips
    in random order, the first person by id. "Label Tasks As Displayed" follows the tab's order for everybody, but
    reserves nothing: two people in one tab get the same clip, even with N = 1. So one person should take one case (its
    tab).
    """

    tree: LabelTree
    title: str | None
    timeline: Timeline | None = None
    storages: Sequence[StorageFolder | S3Storage] = ()
    is_second_pass: bool = False
    annotations_per_clip: int | None = None
    order: str | None = None
    speed: str | None = None
    project: str | None = None
    force: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raise SettingsError if `order` is not one of ORDERS."""
        check_choice("order", self.order or "case", ORDERS)

    def config(self, timeline: Timeline, before: str | None = None) -> str:
        """The labelling configuration; `before` is that of an existing project."""
        speed = self.speed or (LabelingConfig.parse(before).speed if before else "1")
        return (second_pass_config if self.is_second_pass else labeling_config)(self.tree, timeline, speed)


@dataclass
class SetupReport:
    """What was done, or what a dry run would do: status is created, updated or unchanged.

    diff: the change of the labelling configuration, as a unified diff. storages: path on the server, and whether it
    was connected before.
    """

    status: str
    title: str
    timeline: Timeline
    project_id: int | None = None
    changes: LabelChanges = field(default_factory=LabelChanges)
    diff: str = ""
    storages: list[tuple[str, bool]] = field(default_factory=list)


def setup_project(server: Server, settings: Settings, findings: Findings) -> SetupReport:
    """Make the project titled `settings.title`, or bring it, or the one that `settings.project` names, up to date.

    Raises DataError where an update would take labels from annotations (unless `force`), ServerError, and SettingsError
    where several projects have the title.
    """
    wanted, dry_run = settings.project, settings.dry_run
    project = find_project(server, wanted) if wanted else find_by_title(server, settings.title or "")
    _check_clips_in_s3(server, settings, findings)
    if project is None:
        report = _create(server, settings, findings, dry_run=dry_run)
    else:
        report = _update(server, project, settings, findings, force=settings.force, dry_run=dry_run)
    _connect_storages(server, report, settings.storages, dry_run=dry_run)
    if settings.order == "uncertain" and report.project_id is not None and not dry_run:
        add_uncertain_view(server, report.project_id)
    return report


def _create(server: Server, settings: Settings, findings: Findings, *, dry_run: bool) -> SetupReport:
    title = settings.title or ""
    changes = label_changes(LabelTree(()), settings.tree)
    timeline = settings.timeline or "frames"
    _check_editor(server, timeline, findings)
    config = settings.config(timeline)
    report = SetupReport("created", title, timeline, changes=changes, diff=_diff("", config))
    if dry_run:
        return report
    try:
        with server.errors(f"making the project {title!r}"):
            made = server.sdk.projects.create(
                title=title,
                label_config=config,
                expert_instruction=_page(settings, timeline),
                show_instruction=True,
                sampling=ORDERS[settings.order or "case"],
                maximum_annotations=settings.annotations_per_clip or 1,
            )
        report.project_id = made.id
    except UnclearError:
        time.sleep(_SETTLE_S)
        project = find_by_title(server, title)  # it may exist in spite of the error: look before making it again
        if project is None:
            raise
        _update(server, project, settings, findings, force=False, dry_run=False)
        report.project_id = project.id
    return report


def _update(
    server: Server, project: Project, settings: Settings, findings: Findings, *, force: bool, dry_run: bool
) -> SetupReport:
    timeline = settings.timeline or LabelingConfig.parse(project.label_config).timeline or "frames"
    _check_editor(server, timeline, findings)
    config = settings.config(timeline, project.label_config)
    report = SetupReport("unchanged", settings.title or project.title, timeline, project.id)
    wanted: dict[str, Any] = {}
    if report.title != project.title:
        wanted["title"] = report.title
    sampling = ORDERS[settings.order or "case"]
    if project.sampling != sampling and (settings.order or project.sampling not in ORDERS.values()):
        wanted["sampling"] = sampling
    if settings.annotations_per_clip not in (None, project.annotations_per_clip):
        wanted["maximum_annotations"] = settings.annotations_per_clip
    if project.label_config.strip() != config.strip():
        report.changes = label_changes(_tree(project.label_config), settings.tree)
        report.diff = _diff(project.label_config, config)
        _check_update(server, project, config, findings, force=force)
        wanted["label_config"] = config
    page = _page(settings, timeline)
    if _text(project.instruction) != _text(page):
        if not project.instruction.strip() or _text(OWN_PAGE) in _text(project.instruction):
            wanted |= {"expert_instruction": page, "show_instruction": True}
        else:
            findings.warn(
                f"the instructions of project {project.id} were written by people: they stay as they are",
                "to let lsvid make them, empty them in the project's settings and run the command again",
            )
    if wanted:
        report.status = "updated"
        if not dry_run:
            with server.errors(f"updating project {project.id}"):
                server.sdk.projects.update(id=project.id, **wanted)
    return report


def _check_editor(server: Server, timeline: Timeline, findings: Findings) -> None:
    """Raise ServerError if the server's editor cannot show the timeline; warn if the release is untested."""
    server.require_timeline(timeline)
    if text := releases.untested(server.release):
        findings.warn(text, releases.COMPARE)


# --- What an update would take from annotations -----------------------------------------------------------------------


def _check_update(server: Server, project: Project, config: str, findings: Findings, *, force: bool) -> None:
    """Raise DataError if `config` does not fit the project's annotations, unless `force` and the server allow it.

    The server validates strictly, but its count of labels is wrong (1.23.2, measured): it misses labels in annotations
    with several regions, and reports nested choices as missing even if nothing changes. So the labels that annotations
    use are counted here.
    """
    refusal = _strict_refusal(server, project.id, config)
    old, new = LabelingConfig.parse(project.label_config), LabelingConfig.parse(config)
    if not project.n_tasks or not (refusal or may_orphan(old, new)):
        return
    counts = _uses(server, project)
    if counts and old.timeline != new.timeline:
        raise DataError(
            f"the timeline of project {project.id} cannot change from {old.timeline or 'none'} to {new.timeline} any "
            "more: "
            f"{counts.total()} labels are set",
            "make a new project for it: <<title=TITLE>>",
        )
    lost = orphans(counts, old, new)
    listed = [f"  {name}: {count}" for name, count in sorted(lost.items())]
    if lost and not force:
        raise DataError(
            "\n".join([f"annotations of project {project.id} use labels that this update removes:", *listed]),
            "keep these labels in the label file (give a label an id to rename it), or go on with <<force=True>>: the "
            "annotations stay, but their labels can no longer be chosen",
        )
    if refusal and _MISCOUNTED not in refusal:
        raise DataError(
            f"Label Studio does not accept this update, even with <<force=True>>:\n{refusal}",
            "delete these annotations first, or make a new project: <<title=TITLE>>",
        )
    if lost:
        findings.warn("\n".join(["annotations use labels that are no longer there:", *listed]))


_MISCOUNTED = "These labels still exist in annotations or drafts"
_ABOUT_ANNOTATIONS = (_MISCOUNTED, "Created annotations are incompatible", "you can't remove it")


def _strict_refusal(server: Server, project_id: int, config: str) -> str:
    """Why the server says that `config` does not fit the annotations; empty if it does fit. Raises ServerError."""
    try:
        with server.errors(f"checking the configuration of project {project_id}"):
            server.sdk.projects.validate_label_config(id=project_id, label_config=config)
    except ServerError as error:
        if any(text in error.message for text in _ABOUT_ANNOTATIONS):
            return error.message
        raise
    return ""


class _Work(msgspec.Struct):
    result: list[dict[str, Any]] | None = None


class _Task(msgspec.Struct):
    annotations: list[_Work]
    drafts: list[_Work]


def _uses(server: Server, project: Project) -> Counter[Use]:
    with download_export(server, str(project.id)) as export, export.path.open("rb") as lines:
        tasks = (msgspec.json.decode(line, type=_Task) for line in lines)
        works = (work for task in tasks for work in (*task.annotations, *task.drafts))
        return count_uses(itertools.chain.from_iterable(work.result or [] for work in works))


def _tree(config: str) -> LabelTree:
    try:
        return LabelingConfig.parse(config).tree
    except LsvidError:
        return LabelTree(())  # a configuration of another kind, without labels that lsvid can read


def _diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "project", "label file", lineterm="")
    return "\n".join(lines)


# --- The instruction page ---------------------------------------------------------------------------------------------


def _page(settings: Settings, timeline: Timeline) -> str:
    text = NAMING_INSTRUCTIONS if settings.is_second_pass else instructions(settings.tree, timeline)
    return f"{text}\n<p><small>{OWN_PAGE}</small></p>"


def _text(html: str) -> str:
    """The words of a page. The tags are not compared, since the server cleans the HTML."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.texts).split())


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# --- Storage folders --------------------------------------------------------------------------------------------------


def _check_clips_in_s3(server: Server, settings: Settings, findings: Findings) -> None:
    """Check, before anything is made, that the prefixes can be read from here and by browsers, and hold clips."""
    for wanted in settings.storages:
        if isinstance(wanted, S3Storage):
            uri, _ = first_clip(wanted.uri)
            fault = check_cors(uri, origin(server)) if wanted.presign else None
            if fault:
                findings.warn(fault, cors_hint(server, uri))


def _connect_storages(
    server: Server, report: SetupReport, storages: Sequence[StorageFolder | S3Storage], *, dry_run: bool
) -> None:
    folders = storage_folders(server, report.project_id) if report.project_id is not None and storages else []
    in_s3 = s3_storages(server, report.project_id) if report.project_id is not None and storages else []
    for wanted in storages:
        if isinstance(wanted, S3Storage):
            there = storage_of(wanted.uri, in_s3)
            if there is not None and there.uri == wanted.uri:
                wanted = replace(wanted, id=there.id)  # noqa: PLW2901 - the same storage, which exists already
            present = there == wanted and _still_works(server, report.project_id, wanted)
        else:
            path = as_pure_path(wanted.path)
            present = any(path.is_relative_to(as_pure_path(other.path)) for other in folders)
        report.storages.append((wanted.path, present))
        if present or report.project_id is None:
            continue
        try:
            _connect(server, report.project_id, wanted, dry_run=dry_run)
        except ServerError as error:
            if report.status == "unchanged" or dry_run:
                raise
            raise ServerError(
                f"project {report.project_id} ({report.title}) is {report.status}, but {error.message}",
                f"{error.hint}; then run the same command again",
            ) from error
        if report.status == "unchanged":
            report.status = "updated"


def _connect(server: Server, project_id: int, wanted: StorageFolder | S3Storage, *, dry_run: bool) -> None:
    if isinstance(wanted, S3Storage):
        (check_s3 if dry_run else connect_s3)(server, project_id, wanted)
    else:
        (check_storage if dry_run else add_storage)(server, project_id, wanted)


def _still_works(server: Server, project_id: int | None, there: S3Storage) -> bool:
    """Whether the server can still serve a clip of `there` with the credentials it has; if not, it gets new ones."""
    uri, size = first_clip(there.uri)
    try:
        check_resolved(server, project_id or 0, uri, size)
    except ServerError:
        return False
    return True
