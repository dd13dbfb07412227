"""VIA 3, the VGG Video Annotator: its projects (JSON). Segments in time become spans.

A segment has a value for each attribute. If the project has one attribute for segments, the value is the label; if it
has several, each value is a label below the attribute's name. The value of a choice is the text of the option; for a
checkbox, each ticked option is a label. Times are those of a browser: PTS. A segment with one time is a moment (see
`ReadOptions.point_s`). Regions in pictures, and values for a whole file, are left out and counted.

The format: ox-vgg/via, via-3.x.y/src/js/_via_metadata.js, _via_attribute.js, _via_file.js.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lsvid.annotations.spans import Annotation, Clip, Record, Seconds, Span, Status
from lsvid.errors import ClipError
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import Document, ReadOptions

SOURCE = "via"

_CHECKBOX, _CHOICES = 2, (2, 3, 4, 5)  # _VIA_ATTRIBUTE_TYPE: TEXT 1, CHECKBOX 2, RADIO 3, SELECT 4, IMAGE 5
_INLINE = 4  # _VIA_FILE_LOC: LOCAL 1, URIHTTP 2, URIFILE 3, INLINE 4


class _Attribute(msgspec.Struct):
    aname: str
    type: int = 1
    options: dict[str, str] = {}


class _File(msgspec.Struct):
    fname: str
    src: str = ""
    loc: int = 1


class _Metadata(msgspec.Struct):
    vid: str
    z: list[float] = []
    xy: list[float] = []
    av: dict[str, Any] = {}


class _View(msgspec.Struct):
    fid_list: list[str | int] = []


class _Project(msgspec.Struct):
    attribute: dict[str, _Attribute]
    file: dict[str, _File]
    metadata: dict[str, _Metadata]
    view: dict[str, _View]


def recognises(keys: frozenset[str]) -> bool:
    """Whether a document with these keys is a project."""
    return {"project", "attribute", "file", "metadata", "view"} <= keys


def read(documents: Iterable[Document], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every project."""
    for document in documents:
        try:
            project = msgspec.convert(json.loads(bytes(document.raw)), _Project)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            findings.fault(document.place, f"not a whole project of VIA 3: {str(error)[:200]}")
            continue
        yield from _records(project, document.place, options, findings)


def _records(project: _Project, place: str, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    annotator = options.annotator(SOURCE)
    clips: dict[str, Clip] = {}  # by view
    for vid, clip in _clips(project, place, options, findings):
        clips[vid] = clip
        yield clip
        yield Annotation(
            case=clip.case, clip=clip.clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE,
            annotation_id="",
        )  # fmt: skip
    segments = {mid: one for mid, one in project.metadata.items() if one.z and not one.xy and one.vid in clips}
    for mid, one in project.metadata.items():
        if mid not in segments and one.vid in clips:
            findings.leave_out(f"{place}, {mid}", "annotations of VIA that are no segments in time")
    used = {aid for one in segments.values() for aid, value in one.av.items() if value not in ("", None)}
    points = 0
    for mid, one in segments.items():
        is_point = len(one.z) == 1
        points += is_point
        basis = Seconds(one.z[0], one.z[0] + (options.point_s or 0.0) if is_point else one.z[-1])
        try:
            labels = list(_labels(project.attribute, one.av, several=len(used) > 1))
        except ValueError as error:
            findings.fault(f"{place}, segment {mid}", str(error))
            continue
        fault = basis.fault() if labels else "no label"
        fault = f"{len(one.z)} times" if len(one.z) > 2 else fault
        if fault:
            findings.fault(f"{place}, segment {mid}", fault)
            continue
        for label in labels:
            yield Span(
                case=clips[one.vid].case, clip=clips[one.vid].clip, label=label, annotator=annotator,
                status=Status.ACCEPTED, source=SOURCE, annotation_id="", region_id=mid, basis=basis,
            )  # fmt: skip
    if points and options.point_s is None:
        findings.warn(
            f"{place}: {points} segments of one time: a moment labels no picture",
            "say how long one lasts (<<point_s=S>>) to make spans of them",
        )


def _clips(project: _Project, place: str, options: ReadOptions, findings: Findings) -> Iterator[tuple[str, Clip]]:
    """(id of the view, clip) for each view that shows one file."""
    for vid, view in project.view.items():
        if len(view.fid_list) != 1:
            findings.leave_out(f"{place}, view {vid}", "views of VIA that show several files, or none")
            continue
        file = project.file.get(str(view.fid_list[0]))
        if file is None:
            findings.fault(f"{place}, view {vid}", f"shows file {view.fid_list[0]}, which is not there")
            continue
        media = file.fname if file.loc == _INLINE or not file.src else file.src
        try:
            case, clip = options.identify(media)
        except ClipError as error:
            findings.fault(f"{place}, file {file.fname}", error.message, error.hint)
            continue
        yield vid, Clip(case=case, clip=clip, media=media)


def _labels(
    attributes: Mapping[str, _Attribute], values: Mapping[str, Any], *, several: bool
) -> Iterator[tuple[str, ...]]:
    """The labels in the values of a segment's attributes; with several attributes, below their names.

    Raises ValueError for a value that is none of its attribute's.
    """
    for aid, value in values.items():
        attribute = attributes.get(aid)
        text = str(value if value is not None else "").strip()
        if not text:
            continue
        if not isinstance(value, str | int | float):
            raise ValueError(f"the value of attribute {aid} is no text: {text[:60]}")  # noqa: TRY004 - bad data
        chosen = [text]
        if attribute is not None and attribute.type in _CHOICES:
            ids = [option.strip() for option in (text.split(",") if attribute.type == _CHECKBOX else [text])]
            if unknown := [option for option in ids if option not in attribute.options]:
                raise ValueError(f"attribute {attribute.aname} has no option {unknown[0]}")
            chosen = [attribute.options[option] for option in ids]
        name = (attribute.aname.strip() or aid) if attribute is not None else aid
        for option in chosen:
            path = split_path(option.strip())
            if path:
                yield (name, *path) if several else path
