"""Import clips into a project: probe them, plan, check, import in order, and verify."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lsvid.errors import ClipError, DataError, ServerError
from lsvid.findings import Findings, some
from lsvid.label_studio.advice import ProbedClip, advise
from lsvid.label_studio.annotations import SpanImport, import_spans
from lsvid.label_studio.client import Server
from lsvid.label_studio.media import Media
from lsvid.label_studio.plan import Imported, plan_import
from lsvid.label_studio.project import Project, StorageFolder, find_project
from lsvid.label_studio.tasks import Task, import_tasks, read_tasks, remove_doubles
from lsvid.label_studio.views import update_case_views, update_person_views
from lsvid.labeling.parsed import LabelingConfig
from lsvid.progress import Progress, unheard
from lsvid.video.clips import ClipFile, clip_key, natural_key, number_clips, recorded_later, recorded_time
from lsvid.video.index import VideoInfo, probe_all
from lsvid.video.proxies import check_made_from, check_proxy, proxy_paths
from lsvid.video.timebase import format_rate
from lsvid.workers.processes import Workers

Bars = Callable[[str, int], AbstractContextManager[Progress]]
"""Called with the name of a stage and its number of steps; shows a bar while open, and yields a function that gets the
steps done."""


def no_progress(_label: str, _total: int) -> AbstractContextManager[Progress]:
    """Show nothing."""
    return nullcontext(unheard)


@dataclass(frozen=True)
class ImportRequest:
    """The clips to import, their project, and how to import them.

    project: its id or title. clips: in order. mappings: folders of this machine that the server sees under another
    path. root: the server's document root, if given. by_recorded_time: order the clips of a case by the time of
    recording, not by name. proxies: the folder, or prefix in S3, of the copies that annotators see in place of the
    clips. assigned: the cases of each person, who gets a tab with them. spans: annotations of the clips, to import
    with them. dry_run: change nothing.
    """

    project: str
    clips: Sequence[ClipFile]
    mappings: Sequence[StorageFolder] = ()
    root: str | None = None
    by_recorded_time: bool = False
    proxies: str | None = None
    assigned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    spans: SpanImport | None = None
    dry_run: bool = False


@dataclass
class ImportItem:
    """The outcome for a clip: status is imported, new (dry run), unchanged, changed or failed."""

    clip: str
    path: str
    status: str
    task: int | None = None
    order: float | None = None
    error: str | None = None
    hint: str = ""

    def becomes(self, status: str, order: float | None, task: int | None = None) -> None:
        """Set the outcome."""
        self.status, self.order, self.task = status, order, task


@dataclass
class ImportReport:
    """The outcome for all clips. spans: how many annotations were "added", or "unchanged" (there already)."""

    project: Project
    items: list[ImportItem]
    spans: Counter[str] = field(default_factory=Counter)

    def count(self, status: str) -> int:
        """The number of clips with this status."""
        return sum(item.status == status for item in self.items)


def import_clips(
    server: Server,
    request: ImportRequest,
    findings: Findings,
    progress: Bars = no_progress,
    workers: Workers | None = None,
) -> ImportReport:
    """Make a task for each clip that the project does not have yet, then import the annotations of the clips.

    A clip that cannot be read, or that the project has with other content, fails alone; the others are imported.
    Tasks that a broken-off import has doubled are deleted if nobody has worked on them. workers: read the clips; None:
    this machine does. Raises ServerError, SettingsError, DataError if clips cannot be put in order, and the errors of
    `import_spans`.
    """
    report = _import_clips(server, request, findings, progress, workers)
    if request.spans:
        there = [
            clip for clip, item in zip(request.clips, report.items, strict=True)
            if item.task is not None and not item.error
        ]  # fmt: skip
        with progress(f"importing {request.spans.kind}", 0) as on_done:
            report.spans = import_spans(server, str(report.project.id), there, request.spans, findings, on_done)
    return report


def _import_clips(
    server: Server, request: ImportRequest, findings: Findings, progress: Bars, workers: Workers | None
) -> ImportReport:
    clips = request.clips
    project = find_project(server, request.project)
    server.require_timeline(LabelingConfig.parse(project.label_config).timeline)
    items = {clip.id: ImportItem(clip.id, clip.path, "failed") for clip in clips}
    infos = _probed(clips, items, progress, workers, findings)
    played = _played([clip for clip in clips if clip.id in infos], infos, request, items, workers)
    readable = [clip for clip in clips if clip.id in played]
    if request.by_recorded_time:
        readable = _by_recorded_time(readable, infos)
    else:
        _warn_of_recorded_times(readable, infos, findings)
    tasks = read_tasks(server, project.id)
    if not request.dry_run:
        tasks = _without_doubles(server, project, tasks, findings)
    existing = _imported(tasks, findings)
    fingerprints = {clip_id: info.fingerprint for clip_id, info in infos.items()}
    unreadable = [clip for clip in clips if clip.id not in played]
    plan = plan_import(existing, readable, fingerprints, findings, unreadable)
    there = {one.id: one for one in existing}
    for clip in plan.unchanged:
        items[clip.id].becomes("unchanged", there[clip.id].order, there[clip.id].task_id)
    for clip, imported in plan.changed:
        items[clip.id].becomes("changed", imported.order, imported.task_id)
        items[clip.id].error = f"{clip.path} is not what was imported as {clip.id} (task {imported.task_id})"
    for clip in plan.new:
        items[clip.id].becomes("new", clip.order)
    if plan.new:
        _warn(project, [played[clip.id] for clip in plan.new], findings)
        seen = [replace(clip, path=played[clip.id].path) for clip in plan.new]
        shown = {clip_id: one.info for clip_id, one in played.items()}
        urls = _served(server, project, seen, shown, request, findings)
        if not request.dry_run:
            datas = [_task_data(clip, infos[clip.id], urls[clip.id], played[clip.id]) for clip in plan.new]
            with progress("importing clips", len(datas)) as on_done:
                import_tasks(server, project.id, datas, on_done)
            arrived = _verified(server, project, [clip.id for clip in plan.new], findings)
            for clip in plan.new:
                items[clip.id].becomes("imported", clip.order, arrived.get(clip.id))
    _warn_of_unknown_cases(request.assigned, {one.case for one in existing} | {clip.case for clip in clips}, findings)
    if not request.dry_run:
        _show_cases(server, project, [clip.case for clip in (*plan.new, *plan.unchanged)], request.assigned, findings)
    return ImportReport(project, list(items.values()))


def _probed(
    clips: Sequence[ClipFile],
    items: dict[str, ImportItem],
    progress: Bars,
    workers: Workers | None,
    findings: Findings,
) -> dict[str, VideoInfo]:
    """The contents of the clips that can be read, by id."""
    infos: dict[str, VideoInfo] = {}
    with progress("reading clips", len(clips)) as on_done:
        for clip, result in zip(clips, probe_all([clip.path for clip in clips], on_done, workers), strict=True):
            if isinstance(result, ClipError):
                items[clip.id].error, items[clip.id].hint = result.message, result.hint
            else:
                infos[clip.id] = result
                for note in result.notes:
                    findings.warn(f"clip {clip.id}: {clip.path} {note}")
    return infos


def _played(
    clips: Sequence[ClipFile],
    infos: dict[str, VideoInfo],
    request: ImportRequest,
    items: dict[str, ImportItem],
    workers: Workers | None,
) -> dict[str, ProbedClip]:
    """The file that annotators see for each clip: the clip itself, or its proxy, which has to match the clip.

    A clip whose proxy is missing or does not match fails alone.
    """
    if request.proxies is None:
        return {clip.id: ProbedClip(clip.id, clip.path, infos[clip.id]) for clip in clips}
    played = {}
    paths = proxy_paths(request.proxies, clips)
    for clip, path, result in zip(clips, paths, probe_all(paths, workers=workers), strict=True):
        try:
            if isinstance(result, ClipError):
                raise result
            check_made_from(infos[clip.id], path)
            check_proxy(infos[clip.id], result, path)
        except ClipError as error:
            items[clip.id].error = f"{clip.id} has no proxy to import: {error.message}"
            items[clip.id].hint = error.hint
        else:
            played[clip.id] = ProbedClip(clip.id, path, result)
    return played


def _by_recorded_time(clips: Sequence[ClipFile], infos: dict[str, VideoInfo]) -> list[ClipFile]:
    times: dict[str, datetime] = {}
    for clip in clips:
        when = recorded_time(infos[clip.id].recorded_at)
        if when is not None:
            times[clip.id] = when
    without = [clip.path for clip in clips if clip.id not in times]
    if without:
        raise DataError(
            "\n".join([f"{len(without)} clips have no time of recording:", *(f"  {path}" for path in without)]),
            "order them by name (<<order=name>>), or in a manifest with the columns path and order",
        )
    ordered = sorted(clips, key=lambda clip: (natural_key(clip.case), times[clip.id], clip_key(clip.name)))
    return number_clips(ordered)


def _warn_of_recorded_times(clips: Sequence[ClipFile], infos: dict[str, VideoInfo], findings: Findings) -> None:
    """Warn if the clips of a case are not in the order of the recording times in their files."""
    cases: dict[str, list[tuple[str, str | None]]] = {}
    for clip in clips:
        cases.setdefault(clip.case, []).append((clip.name, infos[clip.id].recorded_at))
    for case, timed in cases.items():
        if (wrong := recorded_later(timed)) is not None:
            findings.warn(
                f"case {case}: {wrong[0]} comes before {wrong[1]}, but was recorded after it, as the files say",
                "order them by time of recording (<<order=recorded>>), or in a manifest (path, order), if the files "
                "are right",
            )


def _imported(tasks: Sequence[Task], findings: Findings) -> list[Imported]:
    found = []
    for task in tasks:
        data = task.data
        if data.id is None or data.case is None or data.clip is None or data.fingerprint is None:
            continue
        found.append(Imported(task.id, data.case, data.clip, data.order or 0.0, data.fingerprint))
    if len(found) < len(tasks):
        findings.warn(
            f"{len(tasks) - len(found)} tasks of the project were not made by import-clips; they are left as they are",
            "if they show the same clips, the project will have these twice: delete the old tasks in the Data Manager",
        )
    return found


def _warn(project: Project, clips: Sequence[ProbedClip], findings: Findings) -> None:
    config = LabelingConfig.parse(project.label_config)
    timeline = config.timeline
    if not config.reads_rate:
        findings.warn(
            f"project {project.id} does not take the frame rate from its tasks: frame numbers will be wrong",
            'give its Video tag frameRate="$fps", as lsvid setup-project does',
        )
    advise(clips, timeline, findings, project.id)


def _served(
    server: Server,
    project: Project,
    clips: Sequence[ClipFile],
    infos: dict[str, VideoInfo],
    request: ImportRequest,
    findings: Findings,
) -> dict[str, str]:
    """The address of each clip, by id, after the server has served one clip of each storage: its smallest."""
    media = Media(server, project.id, request.mappings, request.root)
    holders = dict(zip((clip.id for clip in clips), media.holders([clip.path for clip in clips]), strict=True))
    urls = {clip.id: media.url(clip.path, holders[clip.id]) for clip in clips}
    largest_first = sorted(clips, key=lambda clip: -infos[clip.id].size)
    for holder, clip in {holders[clip.id]: clip for clip in largest_first}.items():
        if fault := media.check(clip.path, infos[clip.id].size, holder):
            findings.warn(*fault)
    return urls


def _task_data(clip: ClipFile, info: VideoInfo, url: str, played: ProbedClip) -> dict[str, Any]:
    """A task's data. All values are those of the original, except `video` and those that name the proxy, if any."""
    index = info.index
    proxy = {
        "proxy_path": played.path,
        "proxy_fingerprint": played.info.fingerprint,
        "proxy_duration_s": float(played.info.index.duration_s),
    }
    order = clip.order or 0.0
    return {
        "video": url,
        "case": clip.case,
        "clip": clip.name,
        "order": int(order) if order.is_integer() else order,
        "duration_s": float(index.length_s),
        "frames": index.n_frames,
        "fps": format_rate(index.editor_rate),
        "fps_exact": None if index.rate is None else str(index.rate),
        "id": clip.id,
        "fingerprint": info.fingerprint,
        "path": clip.path,
    } | (proxy if played.path != clip.path else {})


def _show_cases(
    server: Server, project: Project, cases: Sequence[str], assigned: Mapping[str, Sequence[str]], findings: Findings
) -> None:
    try:
        update_case_views(server, project.id, sorted(set(cases), key=natural_key))
        update_person_views(server, project.id, assigned)
    except ServerError as error:  # the clips are imported; a tab is only a convenience
        findings.warn(
            f"not every case has its tab in the Data Manager: {error.message}",
            "run the same command again: it makes those that are missing",
        )


def _warn_of_unknown_cases(assigned: Mapping[str, Sequence[str]], known: set[str], findings: Findings) -> None:
    unknown = sorted({case for theirs in assigned.values() for case in theirs} - known, key=natural_key)
    if unknown:
        findings.warn(
            f"assigned cases of which the project has no clip: {some(unknown)}",
            "compare their names with those of the clips' cases; clips that come later find their tab",
        )


def _without_doubles(server: Server, project: Project, tasks: list[Task], findings: Findings) -> list[Task]:
    tasks, doubled = remove_doubles(server, project.id, tasks)
    if doubled:
        findings.warn(
            f"{len(doubled)} clips were in project {project.id} twice, such as {doubled[0]}: their second tasks, "
            "without annotations, were deleted",
            "an import was broken off while Label Studio was still at work on it; there is nothing to do",
        )
    return tasks


def _verified(server: Server, project: Project, clip_ids: Sequence[str], findings: Findings) -> dict[str, int]:
    """Task by clip, read back from the project, to see that each clip is there once, and in ascending order."""
    tasks = _without_doubles(server, project, read_tasks(server, project.id), findings)
    arrived = Counter(task.data.id for task in tasks)
    wrong = [clip_id for clip_id in clip_ids if arrived[clip_id] != 1]
    if wrong:
        findings.warn(
            f"{len(wrong)} clips are not in project {project.id} once, such as {wrong[0]}: {arrived[wrong[0]]} times",
            "was somebody else importing? Delete doubled tasks in the Data Manager, and run the same command again",
        )
    found = {str(task.data.id): task.id for task in tasks}
    ids = [found[clip_id] for clip_id in clip_ids if clip_id in found]
    if ids != sorted(ids):
        findings.warn(
            f"Label Studio numbered the tasks of project {project.id} in another order than that of the clips",
            "in the Data Manager, sort by the column 'order' and label tasks as displayed",
        )
    return found
