"""Prodigy's `audio.manual` annotations, as `prodigy db-out` prints them: one task a line, seconds in `audio_spans`."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from lsvid.clips import media_path
from lsvid.errors import ClipError
from lsvid.findings import Findings
from lsvid.readers.documents import Document, ReadOptions
from lsvid.spans import Annotation, Clip, Record, Seconds, Span, Status

SOURCE = "prodigy"

_STATUS = {"accept": Status.ACCEPTED, "reject": Status.REJECTED, "ignore": Status.IGNORED}


class _AudioSpan(msgspec.Struct):
    start: float | None = None
    end: float | None = None
    label: str | None = None
    id: str | None = None


class _Task(msgspec.Struct):
    audio_spans: list[_AudioSpan] = []
    video: str | None = None
    audio: str | None = None
    path: str | None = None
    answer: str | None = None
    session_id: str | None = msgspec.field(name="_session_id", default=None)
    annotator_id: str | None = msgspec.field(name="_annotator_id", default=None)
    task_hash: int | str | None = msgspec.field(name="_task_hash", default=None)
    timestamp: Any = msgspec.field(name="_timestamp", default=None)


_decoder = msgspec.json.Decoder(_Task)


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a task of Prodigy's audio or video recipes."""
    return "audio_spans" in keys or ("answer" in keys and bool({"_input_hash", "_task_hash"} & keys))


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every task; an answer other than accept becomes the status of its spans."""
    for document in documents:
        try:
            task = _decoder.decode(document.raw)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            findings.fault(document.place, f"not a Prodigy task: {error}")
            continue
        media = next((m for m in (task.path, task.video, task.audio) if m and not m.startswith("data:")), None)
        if media is None:
            findings.fault(document.place, "no clip: neither 'path', 'video' nor 'audio' names a file")
            continue
        if task.answer not in _STATUS:
            findings.fault(document.place, f"answer {task.answer!r} is not accept, reject or ignore")
            continue
        path = media_path(media)
        try:
            case = options.case_of(path)
        except ClipError as error:
            findings.fault(document.place, error.message)
            continue
        clip = PurePosixPath(path).stem
        status = _STATUS[task.answer]
        annotator = options.annotator(task.annotator_id or task.session_id or SOURCE)
        annotation_id = str(task.task_hash if task.task_hash is not None else document.place)
        yield Clip(case=case, clip=clip, media=media)
        yield Annotation(
            case=case, clip=clip, annotator=annotator, status=status, source=SOURCE, annotation_id=annotation_id,
            updated_at="" if task.timestamp is None else str(task.timestamp),
        )  # fmt: skip
        for number, span in enumerate(task.audio_spans, start=1):
            region_id = span.id or str(number)
            place = f"{document.place}, region {region_id}"
            if span.start is None or span.end is None:
                findings.fault(place, f"no times: start {span.start}, end {span.end}")
                continue
            basis = Seconds(span.start, span.end)
            fault = basis.fault() if span.label else "no label"
            if fault:
                findings.fault(place, fault)
                continue
            yield Span(
                case=case, clip=clip, label=(str(span.label),), annotator=annotator, status=status, source=SOURCE,
                annotation_id=annotation_id, region_id=region_id, basis=basis,
            )  # fmt: skip
