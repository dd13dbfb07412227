"""The progress of a project: for each case and annotator, the clips done, skipped, begun and left."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lsvid.label_studio.client import Server
from lsvid.label_studio.export import download_export
from lsvid.label_studio.project import Project, find_project
from lsvid.label_studio.views import assigned_cases
from lsvid.progress import Progress, unheard
from lsvid.video.clips import natural_key

NO_CASE = ""
"""The case of tasks that were not made by import-clips."""


@dataclass
class Share:
    """The work of one annotator in one case, in clips.

    left: clips that still lack annotations, and that this annotator has not annotated. work_s: time in the editor.
    video_s: length of the clips that are done.
    """

    done: int = 0
    skipped: int = 0
    drafts: int = 0
    left: int = 0
    work_s: float = 0.0
    video_s: float = 0.0


@dataclass
class CaseStatus:
    """A case: its clips, how many of them have all their annotations, and each person's work (by e-mail).

    video_s: length of the complete clips, each counted once.
    """

    case: str
    clips: int = 0
    complete: int = 0
    video_s: float = 0.0
    incomplete_done_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    annotators: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))


@dataclass
class ProjectStatus:
    """All cases, in order; assigned: the cases of each person who has a tab."""

    project: Project
    cases: list[CaseStatus]
    assigned: dict[str, list[str]] = field(default_factory=dict)

    @property
    def people(self) -> dict[str, Share]:
        """Each person's work over all cases. left: in the cases assigned to them, or else in those they worked on."""
        names = {who for one in self.cases for who in one.annotators} | self.assigned.keys()
        return {who: self._share(who) for who in sorted(names, key=natural_key)}

    def _share(self, who: str) -> Share:
        total = Share()
        for one in self.cases:
            share = one.annotators.get(who) or Share(left=one.clips - one.complete)
            total.done, total.skipped, total.drafts = (
                total.done + share.done, total.skipped + share.skipped, total.drafts + share.drafts,
            )  # fmt: skip
            total.work_s += share.work_s
            total.video_s += share.video_s
            if one.case in self.assigned[who] if who in self.assigned else who in one.annotators:
                total.left += share.left
        return total


class _Work(msgspec.Struct):
    completed_by: Any = None
    user: Any = None
    was_cancelled: bool = False
    lead_time: float | None = None
    annotation: int | None = None


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[_Work] = []
    drafts: list[_Work | int] = []


def project_status(server: Server, wanted: str, on_task: Progress = unheard) -> ProjectStatus:
    """The progress of the project `wanted` (id or title). Memory does not grow with its size.

    Raises NotFoundError, ServerError, and SettingsError if several projects have the title.
    """
    project = find_project(server, wanted)
    with download_export(server, str(project.id), on_task) as export, export.path.open("rb") as lines:
        names = {str(user): email for user, email in export.annotators.items()}
        tasks = (msgspec.json.decode(line, type=_Task) for line in lines)
        cases = count(tasks, project.annotations_per_clip, names)
    return ProjectStatus(project, cases, assigned_cases(server, project.id))


def count(tasks: Iterable[_Task], wanted: int, names: dict[str, str]) -> list[CaseStatus]:
    """The status of each case, if each task should have `wanted` annotations."""
    cases: dict[str, CaseStatus] = {}
    for task in tasks:
        case = str(task.data.get("case") or NO_CASE)
        status = cases.setdefault(case, CaseStatus(case))
        status.clips += 1
        length = task.data.get("duration_s")
        video_s = float(length) if isinstance(length, int | float) else 0.0
        done_by = set()
        n_done = 0
        for who, work, is_draft in _works(task, names):
            share = status.annotators[who]
            share.work_s += work.lead_time or 0.0
            if is_draft:
                share.drafts += 1
            elif work.was_cancelled:
                share.skipped += 1
            else:
                n_done += 1
                if who not in done_by:
                    share.done += 1
                    share.video_s += video_s
                done_by.add(who)
        if n_done >= wanted:
            status.complete += 1
            status.video_s += video_s
        else:
            for who in done_by:
                status.incomplete_done_by[who] += 1
    for status in cases.values():
        for who, share in status.annotators.items():
            share.left = status.clips - status.complete - status.incomplete_done_by.get(who, 0)
    return sorted(cases.values(), key=lambda status: natural_key(status.case))


def _works(task: _Task, names: dict[str, str]) -> Iterator[tuple[str, _Work, bool]]:
    """(annotator, work, whether it is a draft of an annotation that is not submitted) for each work on a task."""
    for work in task.annotations:
        yield _name(work.completed_by, names), work, False
    for draft in task.drafts:
        if isinstance(draft, _Work) and draft.annotation is None:
            yield _name(draft.user, names), draft, True


def _name(user: Any, names: dict[str, str]) -> str:  # noqa: ANN401 - an id, an e-mail, or the user's record
    if isinstance(user, dict):
        return str(user.get("email") or user.get("id") or "")
    return names.get(str(user), str(user))
