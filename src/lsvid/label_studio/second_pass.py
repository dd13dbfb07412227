"""Copy the regions of a first pass into the project of a second pass, in which people only pick their labels."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from lsvid.errors import DataError, SettingsError
from lsvid.findings import Findings
from lsvid.label_studio.client import Server
from lsvid.label_studio.export import download_export
from lsvid.label_studio.passes import Drawn, PassTask, pass_tasks
from lsvid.label_studio.project import Project, add_storage, find_project, show_predictions, storage_folders
from lsvid.label_studio.s3 import s3_storages, storage_of
from lsvid.label_studio.tasks import import_tasks
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labeling.second_pass import MODEL_VERSION
from lsvid.labels.tree import REGION_OF_INTEREST


def bring_regions(
    server: Server, first: str, second: str, annotators: Collection[str], findings: Findings, *, dry_run: bool = False
) -> Counter[str]:
    """Make a task in project `second` for each task of `first` that somebody submitted, in order, with its regions.

    Returns how many clips were "added", "updated" (the regions have changed) and "unchanged". annotators: whose regions
    (e-mail); empty: everybody's, if each clip was done by one person. Raises DataError, SettingsError, ServerError.
    """
    of_first, of_second = find_project(server, first), find_project(server, second)
    _check(of_first, of_second)
    wanted = _regions(server, of_first, annotators, findings)
    with download_export(server, str(of_second.id)) as export:
        there = {task.clip: task for task in pass_tasks(export)}
    counts: Counter[str] = Counter()
    new = [task for task, _ in wanted if task.clip not in there]
    counts["added"] = len(new)
    if not dry_run:
        connect_folders(server, of_first, of_second)
        datas = [{**task.data, "id": task.clip} for task in new]
        for task, task_id in zip(new, import_tasks(server, of_second.id, datas), strict=True):
            there[task.clip] = PassTask(task_id, task.data)
    for task, regions in wanted:
        if task.clip not in there:
            continue  # a dry run
        target = there[task.clip]
        ours = [p for p in target.predictions if isinstance(p, Drawn) and p.model_version == MODEL_VERSION]
        if ours and ours[-1].result == regions:
            counts["unchanged"] += 1
            continue
        counts["updated"] += task not in new
        if dry_run:
            continue
        with server.errors(f"bringing regions to task {target.id}"):
            if ours:
                server.sdk.predictions.update(id=ours[-1].id, result=regions)
            else:
                server.sdk.predictions.create(task=target.id, result=regions, model_version=MODEL_VERSION)
    if wanted and not dry_run:
        show_predictions(server, of_second.id, MODEL_VERSION)  # without it, annotators would see no regions
    return counts


def connect_folders(server: Server, first: Project, second: Project) -> None:
    """Give `second` the storage folders of `first`. Raises SettingsError if it lacks an S3 storage."""
    in_s3 = s3_storages(server, second.id)
    lacking = [one.uri for one in s3_storages(server, first.id) if storage_of(one.uri, in_s3) is None]
    if lacking:
        raise SettingsError(
            f"project {second.id} ({second.title}) lacks the storage {lacking[0]} of project {first.id}",
            f"connect it: lsvid setup-project LABELS --pass labels --project {second.id} --storage {lacking[0]}",
        )
    present = {folder.path for folder in storage_folders(server, second.id)}
    for folder in storage_folders(server, first.id):
        if folder.path not in present:
            add_storage(server, second.id, folder)


def _check(first: Project, second: Project) -> None:
    timeline, config = LabelingConfig.parse(first.label_config).timeline, LabelingConfig.parse(second.label_config)
    if not config.is_second_pass or config.timeline != timeline:
        raise SettingsError(
            f"project {second.id} ({second.title}) is not a second pass for project {first.id} ({first.title}), whose "
            f"timeline is {timeline}",
            f"make it with: lsvid setup-project LABELS --pass labels --timeline {timeline} --title TITLE",
        )


def _regions(
    server: Server, project: Project, annotators: Collection[str], findings: Findings
) -> list[tuple[PassTask, list[dict[str, Any]]]]:
    """Each submitted task of the first pass, in order, and the regions of its latest annotation."""
    with download_export(server, str(project.id)) as export:
        tasks, names = pass_tasks(export), export.annotators
    wanted, several = [], []
    for task in tasks:
        done = [one for one in task.annotations if not one.was_cancelled]
        done = [one for one in done if not annotators or names.get(one.completed_by or 0) in annotators]
        people = {names.get(one.completed_by or 0, str(one.completed_by)) for one in done}
        if len(people) > 1:
            several.append(f"  {task.clip}: {', '.join(sorted(people))}")
        elif not done:
            findings.leave_out(f"clip {task.clip}", "clips whose regions nobody has submitted")
        else:
            latest = max(done, key=lambda one: (one.updated_at, one.id))
            wanted.append((task, [_region(result) for result in latest.result or [] if _is_region(result)]))
    if several:
        raise DataError(
            "\n".join([f"regions of several annotators in project {project.id}:", *several]),
            "say whose: <<annotators=E-MAIL>>",
        )
    return wanted


def _is_region(result: dict[str, Any]) -> bool:
    value = result.get("value", {})
    return REGION_OF_INTEREST in (value.get("timelinelabels") or value.get("labels") or [])


def _region(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result[key] for key in ("id", "type", "from_name", "to_name", "value") if key in result}
