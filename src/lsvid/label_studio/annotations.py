"""Put spans into a project as predictions, from which annotators start, or as annotations; a second run doubles none.

Label Studio has no place for who annotated a span in another program, and with which status (a reject, say). lsvid
keeps these in the task's `meta`, by the annotation's `unique_id`; `readers.label_studio` reads them back.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import msgspec

from lsvid.annotations.matching import LabelMatcher, match_labels
from lsvid.annotations.spans import LocatedSpan, Status
from lsvid.annotations.stages import (
    FoundClip,
    GatheredClip,
    Selection,
    Stage,
    Track,
    gather,
    locate,
    raise_faults,
    select,
)
from lsvid.errors import ClipError
from lsvid.findings import Findings
from lsvid.label_studio.client import Server
from lsvid.label_studio.export import download_export
from lsvid.label_studio.project import show_predictions
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labeling.results import Controls
from lsvid.progress import Progress, unheard
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions, iter_documents
from lsvid.readers.label_studio import META_KEY
from lsvid.video.clips import ClipFile
from lsvid.video.index import VideoInfo, probe
from lsvid.video.lookup import AmbiguousClipError, ClipFinder
from lsvid.video.timebase import parse_rate

Kind = Literal["predictions", "annotations"]

_NAMESPACE = uuid.UUID("8d1c2f5e-5a0e-4a3c-9e63-0c9a5f3a7b11")
"""Namespace of the ids that lsvid gives to annotations; chosen once at random."""

_FOR_PREDICTIONS = frozenset({Status.ACCEPTED, Status.PREDICTION})
_FOR_ANNOTATIONS = frozenset({Status.ACCEPTED, Status.REJECTED, Status.IGNORED, Status.SKIPPED})


@dataclass(frozen=True)
class SpanImport:
    """What to import.

    exports: files that lsvid reads. kind: what their spans become. renames, separator: see LabelMatcher.
    """

    exports: Sequence[str]
    options: ReadOptions
    kind: Kind = "predictions"
    renames: Mapping[str, str] = field(default_factory=dict)
    separator: str = " - "
    skip_bad: bool = False
    dry_run: bool = False


class _Found(msgspec.Struct):
    """An annotation or a prediction that the project has already."""

    unique_id: str | None = None
    model_version: str | None = None
    result: list[dict[str, Any]] | None = None


class _Task(msgspec.Struct):
    id: int
    data: dict[str, Any] = {}
    meta: dict[str, Any] | None = None
    annotations: list[_Found] = []
    predictions: list[_Found | int] = []


def import_spans(
    server: Server,
    wanted: str,
    clips: Sequence[ClipFile],
    spans: SpanImport,
    findings: Findings,
    on_done: Progress = unheard,
) -> Counter[str]:
    """Add the annotations in `spans` to the tasks of `clips` in the project `wanted`.

    Returns how many annotations were "added", and how many were "unchanged" (there already). If one annotator has
    several versions, the latest is taken. `on_done` is called with 1 and the total for each annotation.
    Raises ExportError with all faults at once, unless they are to be left out; ServerError.
    """
    with download_export(server, wanted) as project:
        tasks = {
            str(task.data.get("id")): task
            for task in (msgspec.json.decode(one.raw, type=_Task) for one in iter_documents(str(project.path)))
        }
        config = LabelingConfig.parse(project.label_config)
        tree, controls = config.tree, Controls(config)
        users = {email: number for number, email in project.annotators.items()}
    options = replace(spans.options, clips=clips)
    records = [record for export in spans.exports for record in read_export(export, options, findings)]
    found = gather(records, findings)
    statuses = _FOR_PREDICTIONS if spans.kind == "predictions" else _FOR_ANNOTATIONS
    found = select(found, Selection(statuses=statuses), findings)
    found, _ = match_labels(found, LabelMatcher(tree, spans.renames, spans.separator), findings)
    of_task = _find(found, clips, tasks, findings)
    located = locate(Stage(tuple(clip for clip, _ in of_task)), findings)
    plan = [
        (task, work, _results(controls, clip.info, task, work, findings))
        for clip, (_, task) in zip(located.clips, of_task, strict=True)
        for work in clip.tracks
    ]
    raise_faults(findings, ", ".join(spans.exports), skip_bad=spans.skip_bad)
    counts: Counter[str] = Counter()
    for task, work, results in plan:
        add = _add_prediction if spans.kind == "predictions" else _add_annotation
        counts["added" if add(server, task, work, results, users, dry_run=spans.dry_run) else "unchanged"] += 1
        on_done(1, len(plan))
    models = list(dict.fromkeys(work.annotator for _, work, _ in plan))
    if spans.kind == "predictions" and models and not spans.dry_run:
        show_predictions(server, project.id, models[0])
        if len(models) > 1:
            findings.warn(
                f"annotators of project {project.id} start from the predictions of {models[0]}; there are others, too: "
                f"{', '.join(models[1:])}",
                "choose in the project's settings, under Predictions",
            )
    return counts


def _find(
    found: Sequence[GatheredClip], clips: Sequence[ClipFile], tasks: Mapping[str, _Task], findings: Findings
) -> list[tuple[FoundClip, _Task]]:
    """The clips that have spans, each with its task, found by its file, or else by its id. Others are left out."""
    finder = ClipFinder([clip.path for clip in clips])
    by_path = {clip.path: clip for clip in clips}
    by_id = {clip.id: clip for clip in clips}
    pairs = []
    for one in found:
        file = by_id.get(one.id)
        for media in one.media:
            try:
                file = by_path.get(finder.find(media), file)
            except AmbiguousClipError as error:
                if file is None:
                    findings.fault(f"clip {one.id}", error.message, error.hint)
            except ClipError:
                continue
        task = tasks.get(file.id) if file else None
        if file is None or task is None:
            for work in one.tracks:
                findings.leave_out(
                    f"clip {one.id}, {work.annotator}", "annotations of clips that are not among those imported"
                )
            continue
        pairs.append((FoundClip(one.clip, one.tracks, file.path, probe(file.path)), task))
    return pairs


def _results(
    controls: Controls, info: VideoInfo, task: _Task, work: Track[LocatedSpan], findings: Findings
) -> list[dict[str, Any]]:
    rate: Fraction = parse_rate(str(float(parse_rate(task.data.get("fps", info.index.editor_rate)))))
    results, faults = controls.results(work.spans, info.index, rate)
    for span, reason in faults:
        findings.fault(f"task {task.id}, {work.annotator}, region {span.region_id}", reason)
    return results


def _add_prediction(
    server: Server,
    task: _Task,
    work: Track[LocatedSpan],
    results: list[dict[str, Any]],
    users: Mapping[str, int],
    *,
    dry_run: bool,
) -> bool:
    there = [one for one in task.predictions if isinstance(one, _Found) and one.model_version == work.annotator]
    if any(one.result == results for one in there):
        return False
    if not dry_run:
        with server.errors(f"importing predictions into task {task.id}"):
            server.sdk.predictions.create(
                task=task.id, result=results, model_version=work.annotator, score=work.annotation.score
            )
    return True


def _add_annotation(
    server: Server,
    task: _Task,
    work: Track[LocatedSpan],
    results: list[dict[str, Any]],
    users: Mapping[str, int],
    *,
    dry_run: bool,
) -> bool:
    annotation = work.annotation
    identity = (task.id, annotation.source, annotation.annotation_id, work.annotator, annotation.status)
    unique_id = str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, identity))))
    if any(one.unique_id == unique_id for one in task.annotations):
        return False
    if dry_run:
        return True
    told = {"annotator": work.annotator, "status": str(annotation.status)}
    meta = task.meta or {}
    task.meta = {**meta, META_KEY: {**meta.get(META_KEY, {}), unique_id: told}}
    fields: dict[str, Any] = {"result": results, "unique_id": unique_id, "ground_truth": annotation.ground_truth}
    if work.annotator in users:
        fields["completed_by"] = users[work.annotator]
    with server.errors(f"importing annotations into task {task.id}"):
        # Write the annotator first: an entry without its annotation does no harm.
        server.sdk.tasks.update(id=str(task.id), meta=task.meta)
        server.sdk.annotations.create(id=task.id, was_cancelled=annotation.status is not Status.ACCEPTED, **fields)
    return True
