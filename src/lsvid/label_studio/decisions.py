"""If two people differ on a clip, a third decides: the clip goes into a project for decisions, with both versions.

The versions are predictions with their annotators' names. The third person does not start from one of them, because
people tend to agree with what they see first. What is submitted there is the ground truth: the tasks' data mark it
(`DECIDES`), and the reader of exports uses this mark.

Label Studio 1.23.2: a clip that is opened from a tab of the Data Manager shows all its predictions beside the new
annotation. "Label All Tasks" shows only those of the project's `model_version`, and this project has none.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from fractions import Fraction
from itertools import combinations
from typing import Any

from lsvid.analysis.differing import differing_s, stretches_of
from lsvid.annotations.spans import Span
from lsvid.annotations.stages import GatheredClip, Selection, Track, gather, raise_faults, select
from lsvid.errors import SettingsError
from lsvid.findings import Findings
from lsvid.label_studio.client import Server
from lsvid.label_studio.export import ProjectExport, download_export
from lsvid.label_studio.passes import Drawn, PassTask, pass_tasks
from lsvid.label_studio.project import Project, find_project
from lsvid.label_studio.second_pass import connect_folders
from lsvid.label_studio.tasks import import_tasks
from lsvid.label_studio.views import update_case_views
from lsvid.labeling.parsed import LabelingConfig
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.readers.label_studio import DECIDES
from lsvid.video.clips import natural_key

_DRAWN = ("id", "type", "from_name", "to_name", "value", "score")


def bring_disagreements(
    server: Server,
    first: str,
    second: str,
    annotators: Collection[str],
    more_than_s: Fraction,
    findings: Findings,
    *,
    dry_run: bool = False,
) -> Counter[str]:
    """Make a task in project `second` for each clip of `first` on which two people differ by more than `more_than_s`.

    Returns how many clips were "added", "updated" (the versions have changed), "unchanged", and how many "agree".
    annotators: only these (e-mail); empty: all. The latest submitted annotation of each becomes a prediction. Raises
    SettingsError if the projects do not have the same labels, ExportError, ServerError.
    """
    of_first, of_second = find_project(server, first), find_project(server, second)
    _check(of_first, of_second)
    with download_export(server, str(of_first.id)) as export:
        tasks = pass_tasks(export)
        versions = _versions(export, tasks, annotators, findings)
    with download_export(server, str(of_second.id)) as export:
        there = {task.clip: task for task in pass_tasks(export)}
    counts: Counter[str] = Counter()
    wanted = []
    for task, works in versions:
        if _apart_s(works) > more_than_s:
            wanted.append((task, _results(task, works)))
        else:
            counts["agree"] += 1
    new = [task for task, _ in wanted if task.clip not in there]
    counts["added"] = len(new)
    if not dry_run:
        connect_folders(server, of_first, of_second)
        datas = [{**task.data, "id": task.clip, DECIDES: of_first.title} for task in new]
        for task, task_id in zip(new, import_tasks(server, of_second.id, datas), strict=True):
            there[task.clip] = PassTask(task_id, task.data)
        cases = {str(task.data["case"]) for task in new if "case" in task.data}
        update_case_views(server, of_second.id, sorted(cases, key=natural_key))
    added = {task.clip for task in new}
    for task, results in wanted:
        if task.clip in there:
            changed = _bring(server, there[task.clip], results, dry_run=dry_run)
            if task.clip not in added:
                counts["updated" if changed else "unchanged"] += 1
    return counts


def _check(first: Project, second: Project) -> None:
    """Raise SettingsError unless `second` is another project with the labels and timeline of `first`."""
    one, other = LabelingConfig.parse(first.label_config), LabelingConfig.parse(second.label_config)
    if one.timeline != other.timeline or one.tree != other.tree:
        raise SettingsError(
            f"project {second.id} ({second.title}) does not have the labels and the timeline of project {first.id} "
            f"({first.title})",
            "make it from the same label file: lsvid setup-project LABELS --timeline "
            f"{one.timeline or 'frames'} --title TITLE",
        )
    if first.id == second.id:
        raise SettingsError(
            f"project {first.id} is named as both projects", "a third person decides in another project: name that one"
        )


def _versions(
    export: ProjectExport, tasks: list[PassTask], annotators: Collection[str], findings: Findings
) -> list[tuple[PassTask, list[Track[Span]]]]:
    """The tasks that two or more people have submitted, in order, each with the latest annotation of each person."""
    names = {str(number): email for number, email in export.annotators.items()}
    options = ReadOptions(
        tree=LabelingConfig.parse(export.label_config).tree, label_config=export.label_config, annotators=names
    )
    found = gather(read_export(str(export.path), options, findings), findings)
    chosen = Selection(annotators=frozenset(annotators) or None)
    clips: Mapping[int | None, GatheredClip] = {clip.clip.task_id: clip for clip in select(found, chosen, findings)}
    raise_faults(findings, f"project {export.id}", skip_bad=False)
    versions = []
    for task in tasks:
        works = list(clips[task.id].tracks) if task.id in clips else []
        if len(works) > 1:
            versions.append((task, works))
        elif works:
            findings.leave_out(f"clip {task.clip}", "clips that only one person has submitted")
    return versions


def _apart_s(works: list[Track[Span]]) -> Fraction:
    """The most seconds by which two of them differ."""
    stretches = [stretches_of(work.spans) for work in works]
    return max(differing_s(one, other) for one, other in combinations(stretches, 2))


def _results(task: PassTask, works: list[Track[Span]]) -> dict[str, list[dict[str, Any]]]:
    """The results that each annotator drew, by name."""
    by_id = {str(version.id): version.result or [] for version in task.annotations}
    return {
        work.annotator: [
            {key: result[key] for key in _DRAWN if key in result} for result in by_id[work.annotation.annotation_id]
        ]
        for work in works
    }


def _bring(server: Server, task: PassTask, results: Mapping[str, list[dict[str, Any]]], *, dry_run: bool) -> bool:
    """Bring the task's predictions up to date; returns whether any was missing or different."""
    there = {one.model_version: one for one in task.predictions if isinstance(one, Drawn)}
    changed = False
    for annotator, result in results.items():
        version = there.get(annotator)
        if version is not None and version.result == result:
            continue
        changed = True
        if dry_run:
            continue
        with server.errors(f"bringing the version of {annotator} to task {task.id}"):
            if version is not None:
                server.sdk.predictions.update(id=version.id, result=result)
            else:
                server.sdk.predictions.create(task=task.id, result=result, model_version=annotator)
    return changed
