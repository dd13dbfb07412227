"""Prodigy's `audio.manual` annotations, as `prodigy db-out` prints them: one task a line, seconds in `audio_spans`.

What else a line holds, and what becomes of it:

answer          the status; a task without an answer is a prediction
path, video, audio, meta.file, text   the clip: the first that names a file; base64 data only if none does
_annotator_id, _session_id   the annotator; "prodigy" if Prodigy made the session's name from the time
chunk           times count from its start; the task covers a part of the clip
user_label      a second pass: the label of the only region in the line; the task covers a part of the clip
_task_hash, _timestamp   several answers of one annotator to one task are versions; the latest counts

https://prodi.gy/docs/audio-video, https://support.prodi.gy/t/annotating-video-regions/6341
"""

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span, Status
from lsvid.errors import ClipError
from lsvid.files.names import path_part
from lsvid.files.unfinished import unfinished_folder
from lsvid.findings import Findings
from lsvid.readers.documents import MAX_DOCUMENT_BYTES, BadDocumentError, Document, ReadOptions, decode
from lsvid.video.index import cache_dir
from lsvid.video.lookup import clip_name, media_path

SOURCE = "prodigy"

_STATUS = {"accept": Status.ACCEPTED, "reject": Status.REJECTED, "ignore": Status.IGNORED, None: Status.PREDICTION}

_UNNAMED_SESSION = re.compile(r"(.*-)?\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")
"""The name of a session without ?session=: the time at which Prodigy's server was started."""


class _AudioSpan(msgspec.Struct):
    start: float | None = None
    end: float | None = None
    label: str | None = None
    id: str | int | None = None


class _Chunk(msgspec.Struct):
    start: float
    end: float


class _Task(msgspec.Struct):
    spans: list[_AudioSpan] | None = msgspec.field(name="audio_spans", default=None)
    video: str | None = None
    audio: str | None = None
    path: str | None = None
    text: Any = None
    meta: Any = None
    answer: str | None = None
    chunk: _Chunk | None = None
    user_label: Any = None
    view_id: str | None = msgspec.field(name="_view_id", default=None)
    session_id: str | None = msgspec.field(name="_session_id", default=None)
    annotator_id: str | None = msgspec.field(name="_annotator_id", default=None)
    task_hash: int | str | None = msgspec.field(name="_task_hash", default=None)
    timestamp: int | float | str | None = msgspec.field(name="_timestamp", default=None)

    @property
    def audio_spans(self) -> list[_AudioSpan]:
        """Its regions; empty if there are none, for which exports have several spellings."""
        return self.spans or []

    @property
    def is_second_pass(self) -> bool:
        """Whether the task is about one region of a clip: a line of a second pass, also a rejected one."""
        return self.user_label is not None or (self.view_id == "blocks" and len(self.audio_spans) == 1)

    @property
    def part(self) -> str:
        """The part of the clip that the task covers (see `Annotation.part`)."""
        if self.is_second_pass:
            name = self.task_hash if self.task_hash is not None else self.audio_spans[0].id if self.audio_spans else ""
            return f"region {name}"
        return f"chunk {self.chunk.start:g}-{self.chunk.end:g}" if self.chunk else ""

    @property
    def annotator(self) -> str:
        """The person who answered."""
        name = self.annotator_id or self.session_id
        return SOURCE if not name or _UNNAMED_SESSION.fullmatch(name) else name

    @property
    def file(self) -> str | None:
        """The clip as the task names it: a path, an address, or a bare file name; None if it names none."""
        in_meta = self.meta.get("file") if isinstance(self.meta, dict) else None
        names = (self.path, self.video, self.audio, in_meta)
        return next((name for name in names if isinstance(name, str) and name and not _is_data(name)), None)

    @property
    def data(self) -> str | None:
        """The clip itself as a data URI, or None."""
        return next((media for media in (self.video, self.audio) if media and _is_data(media)), None)


_decoder = msgspec.json.Decoder(_Task)


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a task of Prodigy's audio or video recipes."""
    return "audio_spans" in keys or ("answer" in keys and bool({"_input_hash", "_task_hash"} & keys))


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every task. The answer becomes the status of its spans."""
    seen: Counter[tuple[str, str, str]] = Counter()  # versions of a task by one annotator
    for number, document in enumerate(documents, start=1):
        try:
            task = decode(_decoder, document.raw)
            media, name = _media(task, options)
            case, clip = _identity(task, name, options)
        except BadDocumentError as error:
            findings.fault(document.place, f"not a Prodigy task: {error}")
            continue
        except ClipError as error:
            findings.fault(document.place, error.message, error.hint)
            continue
        if task.answer not in _STATUS:
            findings.fault(document.place, f"answer {task.answer!r} is not accept, reject or ignore")
            continue
        status, annotator = _STATUS[task.answer], options.annotator(task.annotator)
        task_id = str(task.task_hash if task.task_hash is not None else number)
        seen[case + "/" + clip, annotator, task_id] += 1
        version = seen[case + "/" + clip, annotator, task_id]
        annotation = Annotation(
            case=case, clip=clip, annotator=annotator, status=status, source=SOURCE,
            annotation_id=task_id if version == 1 else f"{task_id}-{version}", part=task.part,
            # Without a time, the latest is the last in the export; '#' sorts before any time.
            updated_at=f"#{number:09d}" if task.timestamp is None else str(task.timestamp),
        )  # fmt: skip
        yield Clip(case=case, clip=clip, media=media)
        yield annotation
        yield from _spans(task, annotation, document.place, findings)


def _spans(task: _Task, annotation: Annotation, place: str, findings: Findings) -> Iterator[Span]:
    user_label = " ".join(task.user_label.split()) if isinstance(task.user_label, str) else ""
    if user_label and len(task.audio_spans) != 1:
        findings.fault(
            place, f"user_label {user_label!r} is in a line with {len(task.audio_spans)} regions: it can name only one"
        )
        return
    if task.user_label is not None and not user_label and annotation.status == Status.ACCEPTED:
        findings.fault(place, f"user_label {task.user_label!r} names no label")
        return
    offset_s = task.chunk.start if task.chunk else 0.0
    for number, span in enumerate(task.audio_spans, start=1):
        own_id = None if span.id in (None, "") else str(span.id)
        region_id = own_id or (f"{annotation.annotation_id}:{number}" if annotation.part else str(number))
        region = f"{place}, region {region_id}"
        label = user_label or span.label
        if span.start is None or span.end is None:
            findings.fault(region, f"no times: start {span.start}, end {span.end}")
            continue
        basis = Seconds(span.start + offset_s, span.end + offset_s)
        fault = basis.fault() if label else "no label"
        if fault:
            findings.fault(region, fault)
            continue
        yield Span(
            case=annotation.case, clip=annotation.clip, label=(str(label),), annotator=annotation.annotator,
            status=annotation.status, source=SOURCE, annotation_id=annotation.annotation_id, region_id=region_id,
            basis=basis,
        )  # fmt: skip


def _identity(task: _Task, name: str, options: ReadOptions) -> tuple[str, str]:
    """Case and name of the clip: as lsvid wrote them, else from the name of its file. Raises ClipError."""
    case, clip = _own(task, "case") if options.rule is None else None, _own(task, "clip")
    if case:
        return case, clip or clip_name(media_path(name))
    case, found = options.identify(task.file or name)
    return case, clip or found


def _media(task: _Task, options: ReadOptions) -> tuple[str, str]:
    """(where the clip is, its name). Raises ClipError."""
    file = task.file
    if file is not None and (task.data is None or "/" in media_path(file) or not options.decode_media):
        return file, media_path(file)
    if task.data is None:
        raise ClipError("no clip: neither 'path', 'video', 'audio' nor 'meta.file' names a file")
    kind, _, payload = task.data.partition(",")
    suffix = "." + kind.removeprefix("data:").partition(";")[0].rpartition("/")[2]
    name = file or (f"{task.text}{suffix}" if isinstance(task.text, str) and task.text else None)
    if not options.decode_media:
        if name is None:
            raise ClipError(
                "its media are base64 data, and nothing names their file", "leave out <<clips>> to use the data"
            )
        return name, name
    if task.chunk:
        raise ClipError("a chunk of a clip whose file is not known", "name the folder of the clips: <<clips=DIR>>")
    if not payload or len(payload) > MAX_DOCUMENT_BYTES:
        raise ClipError(
            f"its media are more than {MAX_DOCUMENT_BYTES >> 20} MB of base64 data, which lsvid does not unpack",
            "name the folder of the clips: <<clips=DIR>>",
        )
    digest = hashlib.sha256(payload.encode()).hexdigest()[:16]
    name = name or f"data-{digest[:8]}{suffix}"
    try:
        content = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClipError(
            f"its base64 data are damaged: {error}", "name the folder of the clips: <<clips=DIR>>"
        ) from error
    path = cache_dir() / "media" / digest / path_part(PurePosixPath(name).name or "clip")
    if not path.exists():
        _write(path, content)
    return str(path), name


def _own(task: _Task, name: str) -> str | None:
    """The value that lsvid wrote into a task's `meta` (writers.prodigy), or None."""
    value = task.meta.get(name) if isinstance(task.meta, dict) else None
    return value if isinstance(value, str) and value else None


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_folder(path.parent, path.stem) as folder:  # another thread or process may write the same file
            (folder / path.name).write_bytes(content)
            (folder / path.name).replace(path)
    except OSError as error:
        raise ClipError(f"cannot unpack base64 data into {path}: {error.strerror}", "free some space there") from error


def _is_data(media: str) -> bool:
    return media.startswith("data:")
