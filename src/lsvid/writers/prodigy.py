"""Spans as Prodigy's tasks, one a line, as `prodigy db-in` and `audio.manual --loader jsonl` take them.

The inverse of `readers.prodigy`: what it reads, this writes, and the frames are the same before and after. Labels
become one text, since Prodigy's are flat. https://prodi.gy/docs/audio-video, https://prodi.gy/docs/api-database
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span, Status
from lsvid.errors import ClipError
from lsvid.files.paths import file_name, split_suffix
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.readers.prodigy import SOURCE
from lsvid.video.clips import CaseRule
from lsvid.video.lookup import media_path
from lsvid.video.timebase import SECONDS_TOLERANCE

_ANSWER = {
    Status.ACCEPTED: "accept",
    Status.REJECTED: "reject",
    Status.IGNORED: "ignore",
    Status.SKIPPED: "ignore",
    Status.PREDICTION: None,
}


def lines(records: Iterable[Record], separator: str, findings: Findings) -> Iterator[bytes]:
    """A line for each annotation in `records`.

    A record of a clip comes before those of its annotations, and an annotation before its spans.
    A prediction becomes a task without an answer. Drafts, and clips without any annotation, are reported as left out.
    A span whose times are not known in seconds (its clip has not been found) is a fault.
    """
    for task in _tasks(records, separator, findings):
        yield msgspec.json.encode(task) + b"\n"


def _tasks(records: Iterable[Record], separator: str, findings: Findings) -> Iterator[dict[str, Any]]:
    clips: dict[str, tuple[Clip, list[tuple[Annotation, list[Span]]]]] = {}
    for record in records:
        if isinstance(record, Clip):
            clips[record.clip_id] = (record, [])
            continue
        works = clips[record.clip_id][1]
        if isinstance(record, Annotation):
            works.append((record, []))
        else:
            works[-1][1].append(record)
    _tell_alike(
        {span.label for _, works in clips.values() for _, spans in works for span in spans}, separator, findings
    )
    for clip, works in clips.values():
        if not works:
            findings.leave_out(f"clip {clip.clip_id}", "clips without an annotation")
        for annotation, spans in works:
            if annotation.status in _ANSWER:
                yield _task(clip, annotation, spans, separator, findings)
            else:
                findings.leave_out(
                    f"clip {clip.clip_id}, annotation {annotation.annotation_id}", "drafts, which Prodigy does not have"
                )


def _tell_alike(labels: Iterable[tuple[str, ...]], separator: str, findings: Findings) -> None:
    """Warn of different labels that are one in Prodigy: 'A - B', and B below A."""
    texts: dict[str, list[str]] = {}
    for label in sorted(labels):
        texts.setdefault(separator.join(label), []).append(join_path(label))
    for text, paths in texts.items():
        if len(paths) > 1:
            findings.warn(
                f"{' and '.join(map(repr, paths))} are one label in Prodigy: {text!r}", "use another separator"
            )


def _task(
    clip: Clip, annotation: Annotation, spans: Iterable[Span], separator: str, findings: Findings
) -> dict[str, Any]:
    kind, _, part = annotation.part.partition(" ")
    offset_s, chunk_end_s = (float(text) for text in part.split("-")) if kind == "chunk" else (0.0, 0.0)
    name = file_name(media_path(clip.media))
    task: dict[str, Any] = {
        "video": clip.media,
        "text": split_suffix(name)[0],
        "meta": {"file": name, **_own_names(clip)},
        "path": clip.media,
        "_view_id": "blocks" if kind == "region" else "audio_manual",
        "audio_spans": [],
    }
    if annotation.source == SOURCE and (number := re.match(r"-?\d+", annotation.annotation_id)):
        task["_task_hash"] = int(number[0])
    if kind == "chunk":
        task["chunk"] = {"start": offset_s, "end": chunk_end_s}
    seen: Counter[str] = Counter()
    for span in spans:
        times = _seconds(span)
        if times is None:
            findings.fault(
                f"clip {clip.clip_id}, annotation {annotation.annotation_id}, region {span.region_id}",
                "its seconds are not known, because its clip has not been found",
            )
            continue
        seen[span.region_id] += 1
        region_id = span.region_id if seen[span.region_id] == 1 else f"{span.region_id}.{seen[span.region_id]}"
        label = separator.join(span.label)
        region = {"start": times[0] - offset_s, "end": times[1] - offset_s, "label": label, "id": region_id}
        task["audio_spans"].append(region)
        if kind == "region":
            task["user_label"] = label
    if (answer := _ANSWER[annotation.status]) is not None:
        task["answer"] = answer
    if annotation.annotator != SOURCE:
        task |= {"_session_id": annotation.annotator, "_annotator_id": annotation.annotator}
    if (timestamp := _timestamp(annotation.updated_at)) is not None:
        task["_timestamp"] = timestamp
    return task


def _own_names(clip: Clip) -> dict[str, str]:
    """The clip's case and name where the path does not tell them."""
    path = media_path(clip.media)
    names = {}
    try:
        case = CaseRule().case_of(path)
    except ClipError:
        case = None
    if case != clip.case:
        names["case"] = clip.case
    if split_suffix(file_name(path))[0] != clip.clip:
        names["clip"] = clip.clip
    return names


def _seconds(span: Span) -> tuple[float, float] | None:
    if isinstance(span.basis, Seconds) and span.basis.tolerance == float(SECONDS_TOLERANCE):
        return span.basis.start, span.basis.end
    return None if span.start_s is None or span.end_s is None else (span.start_s, span.end_s)


def _timestamp(updated_at: str) -> int | float | None:
    """Unix seconds; None if the source tells no time."""
    if re.fullmatch(r"\d+", updated_at):
        return int(updated_at)
    if re.fullmatch(r"\d+\.\d+", updated_at):
        return float(updated_at)
    try:
        when = datetime.fromisoformat(updated_at)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
