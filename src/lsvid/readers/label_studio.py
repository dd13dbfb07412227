"""Label Studio's JSON export: regions on a video timeline or on the audio strip, with per-region choices.

Facts (Label Studio 1.23.2): a region and its choices are separate results with the same `id`. `timelinelabels` have
`ranges` of frame numbers from 1, both ends included. `labels` on Audio have `start` and `end` in seconds. Flat choices
are strings; nested choices are lists of paths, and a click on a parent lists it with all its children. Only the task's
own data tell the rate that the editor used.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import msgspec

from lsvid.annotations.spans import MOST_FRAMES, Annotation, Basis, Clip, LsFrames, Proxy, Record, Seconds, Span, Status
from lsvid.errors import ClipError, DataError
from lsvid.findings import Findings
from lsvid.labeling.config import control_name
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labels.tree import REGION_OF_INTEREST, LabelTree
from lsvid.readers.documents import (
    BadDocumentError,
    Document,
    ReadOptions,
    as_frame,
    as_seconds,
    decode,
    shown,
)
from lsvid.video.clips import VIDEO_SUFFIXES
from lsvid.video.lookup import clip_name, media_path
from lsvid.video.timebase import parse_rate

SOURCE = "label-studio"

META_KEY = "lsvid"
"""Key in a task's meta. Its value: for each annotation's unique_id, its annotator and status in another program."""

DECIDES = "decides"
"""Key in a task's data. Its value: the project whose annotators differ on this clip. An annotation that is submitted
for the task is the ground truth."""

_EDITOR_DEFAULT_RATE = Fraction(24)


class _Value(msgspec.Struct):
    ranges: list[dict[str, Any]] | None = None
    timelinelabels: list[str] | str | None = None
    start: Any = None
    end: Any = None
    labels: list[str] | str | None = None
    choices: list[Any] | str | None = None
    taxonomy: list[Any] | None = None
    sequence: Any = None


class _Result(msgspec.Struct):
    type: str = ""
    id: str | int | None = None
    from_name: str | None = None
    score: float | None = None
    value: _Value = msgspec.field(default_factory=_Value)


_Region = tuple[str, tuple[str, ...], Basis, float | None]


class _Work(msgspec.Struct):
    """An annotation, a draft or a prediction."""

    id: int | str | None = None
    result: list[_Result] | None = None
    completed_by: Any = None
    user: Any = None
    was_cancelled: bool | None = None
    unique_id: str | None = None
    ground_truth: bool | None = None
    updated_at: str | None = None
    created_at: str | None = None
    model_version: str | None = None
    score: float | None = None


class _Carried(msgspec.Struct):
    annotator: str
    status: Status


class _Task(msgspec.Struct):
    data: dict[str, Any] = {}
    meta: dict[str, Any] | None = None
    id: int | str | None = None
    annotations: list[_Work | int] | None = None
    completions: list[_Work | int] | None = None
    drafts: list[_Work | int] | None = None
    predictions: list[_Work | int] | None = None


_decoder = msgspec.json.Decoder(_Task)


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a task of Label Studio's JSON export."""
    return "data" in keys and bool({"annotations", "completions", "predictions", "drafts"} & keys)


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every task: its clip, and its annotations, drafts and predictions with their spans."""
    config = _Config.parse(options.label_config)
    for document in documents:
        try:
            task = decode(_decoder, document.raw)
        except BadDocumentError as error:
            findings.fault(document.place, f"not a Label Studio task: {error}")
            continue
        place = document.place if task.id is None else f"task {task.id}"
        yield from _TaskReader(task, place, options, config, findings).read()


@dataclass(frozen=True)
class _Config:
    """From the project's XML: the data key of the video, and its frameRate attribute."""

    video_key: str | None = None
    frame_rate: str | None = None
    known: bool = False

    @classmethod
    def parse(cls, xml: str | None) -> "_Config":
        try:
            video = LabelingConfig.parse(xml).video if xml else None
        except DataError:
            video = None
        if video is None:
            return cls()
        return cls(video.get("value", "").lstrip("$") or None, video.get("frameRate"), known=True)


class _TaskReader:
    def __init__(self, task: _Task, place: str, options: ReadOptions, config: _Config, findings: Findings) -> None:
        self.task, self.place, self.options, self.config, self.findings = task, place, options, config, findings
        self.case = self.clip = ""

    def read(self) -> Iterator[Record]:
        clip = self._clip()
        if clip is None:
            return
        self.case, self.clip = clip.case, clip.clip
        yield clip
        annotations = (self.task.annotations or []) + (self.task.completions or [])  # completions: before release 1.0
        for kind, works in (("annotation", annotations), ("draft", self.task.drafts),
                            ("prediction", self.task.predictions)):  # fmt: skip
            for work in works or []:
                if isinstance(work, int):
                    self.findings.leave_out(
                        f"{self.place}, {kind} {work}", f"a {kind} of which the export gives only the id"
                    )
                else:
                    yield from self._work(kind, work)

    def _clip(self) -> Clip | None:
        data = self.task.data
        media = self._media()
        if media is None:
            self.findings.fault(self.place, "no clip: its data name no video")
            return None
        try:
            case, clip = self._identity(media)
        except ClipError as error:
            self.findings.fault(self.place, error.message, error.hint)
            return None
        order, frames, duration_s = data.get("order"), data.get("frames"), data.get("duration_s")
        return Clip(
            case=case,
            clip=clip,
            media=str(data.get("path") or media),
            order=_plausible(order),
            n_frames=frames if isinstance(frames, int) and _plausible(frames) is not None else None,
            rate=str(data["fps_exact"]) if data.get("fps_exact") else None,
            duration_s=_plausible(duration_s),
            fingerprint=str(data["fingerprint"]) if data.get("fingerprint") else None,
            task_id=self.task.id if isinstance(self.task.id, int) else None,
            proxy=_proxy(data),
        )

    def _identity(self, media: str) -> tuple[str, str]:
        """Case and name of the clip: as lsvid's import wrote them, else from the media. Raises ClipError."""
        case, clip = self.task.data.get("case"), self.task.data.get("clip")
        if not case:
            return self.options.identify(media)
        path = media_path(media)
        return str(case) if self.options.rule is None else self.options.case_of(path), str(clip or clip_name(path))

    def _media(self) -> str | None:
        data = self.task.data
        for key in (self.config.video_key, "video"):
            if key and isinstance(data.get(key), str) and data[key]:
                return str(data[key])
        texts = [value for value in data.values() if isinstance(value, str)]
        videos = [text for text in texts if PurePosixPath(media_path(text)).suffix.lower() in VIDEO_SUFFIXES]
        return videos[0] if len(videos) == 1 else None

    @cached_property
    def _ls_fps(self) -> str | None:
        """The rate that the editor used for this task, as a decimal; None if it is not known."""
        attribute = self.config.frame_rate
        if self.config.known and not (attribute or "").startswith("$"):
            value: Any = attribute
        else:
            value = self.task.data.get((attribute or "$fps").removeprefix("$"))
            if value is None and not self.config.known:
                return self.options.ls_fps
        # As the editor does it: JavaScript's Number(). No number becomes 24, silently; a rate below 1 is inverted.
        try:
            rate = parse_rate(float(str(value).strip()))
            rate = rate if rate >= 1 else 1 / rate
        except (ValueError, OverflowError):
            self.findings.warn(
                f"{self.place}: the rate {shown(value)} is no decimal: the editor takes {_EDITOR_DEFAULT_RATE} fps",
                "frames are read at that rate; import the clips with lsvid to annotate at their own",
            )
            rate = _EDITOR_DEFAULT_RATE
        return str(float(rate))

    def _work(self, kind: str, work: _Work) -> Iterator[Record]:
        if kind == "annotation":
            status = Status.SKIPPED if work.was_cancelled else Status.ACCEPTED
            annotator = self.options.annotator(_user(work.completed_by))
            if carried := self._carried(work):
                annotator = self.options.annotator(carried.annotator)
                if (carried.status is Status.ACCEPTED) != bool(work.was_cancelled):  # else it was changed here
                    status = carried.status
        elif kind == "draft":
            status, annotator = Status.DRAFT, self.options.annotator(_user(work.user))
        else:
            status, annotator = Status.PREDICTION, work.model_version or "prediction"
        annotation_id = str(work.id)
        yield Annotation(
            case=self.case, clip=self.clip, annotator=annotator, status=status, source=SOURCE,
            annotation_id=annotation_id,
            ground_truth=bool(work.ground_truth) or (kind == "annotation" and DECIDES in self.task.data),
            updated_at=work.updated_at or work.created_at or "", score=work.score,
        )  # fmt: skip
        where = f"{self.place}, {kind} {annotation_id}"
        for region_id, label, basis, score in self._regions(where, work.result or []):
            yield Span(
                case=self.case, clip=self.clip, label=label, annotator=annotator, status=status, source=SOURCE,
                annotation_id=annotation_id, region_id=region_id, basis=basis,
                score=work.score if score is None else score,
            )  # fmt: skip

    def _carried(self, work: _Work) -> _Carried | None:
        """What an import of spans noted about `work` (label_studio.annotations), or None."""
        noted = (self.task.meta or {}).get(META_KEY)
        found = noted.get(work.unique_id) if isinstance(noted, dict) else None
        try:
            return msgspec.convert(found, _Carried) if found else None
        except msgspec.ValidationError:
            return None

    def _regions(self, where: str, results: Sequence[_Result]) -> Iterator[_Region]:
        """(region id, label path, values, score) of every span in one annotation's results."""
        choices: defaultdict[str, list[_Result]] = defaultdict(list)
        regions = []
        for number, result in enumerate(results, start=1):
            region_id = f"#{number}" if result.id in (None, "") else str(result.id)
            if result.type == "timelinelabels" and not result.value.ranges and result.value.sequence is not None:
                # https://github.com/HumanSignal/label-studio/issues/9744
                self.findings.leave_out(
                    f"{where}, region {region_id}",
                    "a rectangle that Label Studio lists once more among the time lines, without a time",
                )
            elif result.type in ("timelinelabels", "labels"):
                regions.append((region_id, result))
            elif result.type in ("choices", "taxonomy"):
                choices[region_id].append(result)
            else:
                self.findings.leave_out(
                    f"{where}, region {region_id}", f"a result of type {result.type!r}, which marks no time"
                )
        known = {region_id for region_id, _ in regions}
        for region_id in [one for one in choices if one not in known]:
            yield from self._chosen_without_label(f"{where}, region {region_id}", region_id, choices[region_id])
        for region_id, result in regions:
            place = f"{where}, region {region_id}"
            names = _texts(result.value.timelinelabels if result.type == "timelinelabels" else result.value.labels)
            if not names or not all(name.strip() for name in names):
                self.findings.fault(place, "no label")
                continue
            for basis in self._values(place, result):
                for label in self._labels(place, names, choices[region_id]):
                    yield region_id, label, basis, result.score

    def _chosen_without_label(self, place: str, region_id: str, results: Sequence[_Result]) -> Iterator[_Region]:
        """The spans of a region that was drawn without a label, but has choices: the choices are its label."""
        for result in results:
            if not result.value.ranges and (result.value.start is None or result.value.end is None):
                self.findings.leave_out(place, "a choice that belongs to no region in time")
                continue
            paths, nested = _paths(result)
            for basis in self._values(place, result):
                for path in _meant(paths, multiple=True) if nested else paths:
                    yield region_id, _named(self.options.tree, path), basis, result.score

    def _values(self, place: str, result: _Result) -> Iterator[Basis]:
        value = result.value
        if result.type == "labels" or (result.type != "timelinelabels" and not value.ranges):
            start_s, end_s = as_seconds(value.start), as_seconds(value.end)
            if start_s is None or end_s is None:
                self.findings.fault(place, f"no times: start {shown(value.start)}, end {shown(value.end)}")
                return
            yield from self._sound(place, Seconds(start_s, end_s))
            return
        if not value.ranges:
            self.findings.fault(place, "no ranges")
            return
        ls_fps = self._ls_fps
        if ls_fps is None:
            self.findings.fault(
                place,
                "the export does not say which frame rate the editor used (no 'fps' in the task): give it, <<ls_fps>>",
            )
            return
        for one in value.ranges:
            start, end = as_frame(one.get("start")), as_frame(one.get("end"))
            if start is None or end is None:
                self.findings.fault(
                    place,
                    f"not whole frame numbers: {shown(one.get('start'))} to {shown(one.get('end'))}",
                )
            else:
                yield from self._sound(place, LsFrames(start, end, ls_fps))

    def _sound(self, place: str, basis: Seconds | LsFrames) -> Iterator[Basis]:
        if fault := basis.fault():
            self.findings.fault(place, fault)
        else:
            yield basis

    def _labels(self, place: str, names: Sequence[str], choices: Sequence[_Result]) -> list[tuple[str, ...]]:
        """The label paths of a region: each of its labels, followed by the choices that belong to it."""
        tree = self.options.tree
        chosen: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for result in choices:
            paths, nested = _paths(result)
            for name in names:
                if len(names) == 1 or result.from_name in {control_name(p) for p in _spellings(tree, name)}:
                    multiple = _is_multiple(tree, name)
                    chosen[name] += _meant(paths, multiple=multiple) if nested else paths
                    break
            else:
                self.findings.leave_out(
                    f"{place}, {result.from_name}",
                    "a choice of which the export does not say to which label it belongs",
                )
        # In a second pass the label of a region is only what was chosen.
        return [
            _named(tree, path if path and name == REGION_OF_INTEREST else (name, *path))
            for name in dict.fromkeys(names)
            for path in (chosen[name] or [()])
        ]


def _texts(value: list[str] | str | None) -> list[str]:
    """A list of names. Old or foreign exports write a single name as a text."""
    return [value] if isinstance(value, str) else value or []


def _paths(result: _Result) -> tuple[list[tuple[str, ...]], bool]:
    """The choices as paths, and whether they are nested."""
    raw = result.value.taxonomy if result.type == "taxonomy" else result.value.choices
    items = [raw] if isinstance(raw, str) else raw or []
    paths = [tuple(map(str, item)) if isinstance(item, list) else (str(item),) for item in items]
    return [path for path in paths if path], any(isinstance(item, list) for item in items)


def _meant(paths: Sequence[tuple[str, ...]], *, multiple: bool) -> list[tuple[str, ...]]:
    """The paths that a person meant with the nested choices `paths`.

    If only one may be chosen, a parent that is listed with two or more of its children means the parent. Otherwise a
    path that is a prefix of another is dropped.
    """
    listed = dict.fromkeys(paths)
    kept: list[tuple[str, ...]] = []
    whole = {p for p in listed if not multiple and sum(q[:-1] == p for q in listed) > 1}
    for path in listed:
        if any(path[:n] in whole for n in range(1, len(path))):
            continue
        if path in whole or not any(len(q) > len(path) and q[: len(path)] == path for q in listed):
            kept.append(path)
    return kept


def _named(tree: LabelTree | None, path: tuple[str, ...]) -> tuple[str, ...]:
    """`path` with ids replaced by names, as far as the tree has them."""
    names: list[str] = []
    level = tree.labels if tree else ()
    for value in path:
        label = next((one for one in level if one.id == value), None) or next(
            (one for one in level if one.name == value), None
        )
        names.append(label.name if label else value)
        level = label.children if label else ()
    return tuple(names)


def _spellings(tree: LabelTree | None, name: str) -> set[tuple[str, ...]]:
    return {(name,), _named(tree, (name,))}


def _is_multiple(tree: LabelTree | None, name: str) -> bool:
    label = tree.find(_named(tree, (name,))) if tree else None
    return bool(label and label.multiple)


def _proxy(data: Mapping[str, Any]) -> Proxy | None:
    """The proxy that `lsvid import-clips --proxies` wrote into a task's data."""
    path, fingerprint, duration_s = (data.get(f"proxy_{name}") for name in ("path", "fingerprint", "duration_s"))
    if isinstance(path, str) and isinstance(fingerprint, str) and isinstance(duration_s, int | float):
        return Proxy(path, fingerprint, float(duration_s))
    return None


def _user(value: Any) -> str:  # noqa: ANN401 - an id, or the user's record
    if isinstance(value, dict):
        return str(value.get("email") or value.get("id") or "")
    return "" if value is None else str(value)


def _plausible(value: object) -> float | None:
    """`value` if a clip can have so many frames or seconds, or such an order; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_FRAMES:
        return None
    return float(value)
