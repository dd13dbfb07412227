"""Projects of BORIS (.boris, .boris.gz) and its tables of aggregated events (CSV, TSV). State events become spans.

The levels of a label are: the subject (who is observed), the category of the behaviour if it has one, the behaviour's
code, and one level for each set of modifiers. If several modifiers of a set hold at once, each becomes a span of the
same region. The subject is part of the label because two subjects may do the same at once. `ReadOptions.tier_names`
"none" leaves it out, and "annotator" takes it as the annotator. Otherwise a variable or column named observer, coder,
annotator or rater names the annotator.

Times are seconds with three decimals, from the start of the first file's container. All files of player 1 play one
after another. BORIS adds the observation's time offset to the times; it is subtracted here. A state that goes on over
the end of a file becomes a span in each file. Other players show the same from another view. A point event has no
length. It becomes a span without a picture, which is reported; if `ReadOptions.point_s` is set, it becomes a span of
so many seconds. Live observations, and observations of pictures, have no video, and are left out.

The format, read in olivierfriard/BORIS at 73bdf07 (9.12.3): boris/config.py (names), project_functions.py (opening,
pairing of state events), write_event.py (offset, queued files), export_observation.py (aggregated events).
"""

import csv
import io
import itertools
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.texts import TextError, decode, first_line, read_bytes
from lsvid.findings import Findings
from lsvid.readers.documents import ReadOptions

SOURCE = "boris"

CASE, CLIP, ANNOTATOR = "lsvid.case", "lsvid.clip", "lsvid.annotator"
"""Independent variables in the projects that lsvid writes. They hold facts for which BORIS has no field of its own."""

_ANNOTATORS = (ANNOTATOR, "annotator", "observer", "coder", "rater")
_NOBODY = ("", "no focal subject", "na")
_WITHOUT_VIDEO = "observations of BORIS without a video (live, or of pictures)"
_HINT = "open it in BORIS (Project, Check project integrity), correct it there and save it again"


class _Behaviour(msgspec.Struct):
    code: str
    type: str = "State event"
    category: str | None = None


class _MediaInfo(msgspec.Struct):
    length: dict[str, float] = {}


class _Observation(msgspec.Struct):
    events: list[list[Any]]
    type: str = "MEDIA"
    file: dict[str, list[str]] | list[str] | str = {}
    media_info: _MediaInfo = msgspec.field(default_factory=_MediaInfo)
    independent_variables: dict[str, Any] = {}
    offset_s: float | None = msgspec.field(default=None, name="time offset")
    from_creation: bool | None = msgspec.field(default=None, name="media_creation_date_as_offset")


class _Project(msgspec.Struct):
    behaviors_conf: dict[str, _Behaviour]
    observations: dict[str, _Observation]


@dataclass(frozen=True)
class _Media:
    """A file of an observation, and the seconds of the observation at which it starts and ends."""

    path: str
    start_s: float
    end_s: float


class _Event(NamedTuple):
    """A state or a point, in seconds of its observation. A point has the same `start_s` and `end_s`."""

    place: str
    label: tuple[str, ...]
    start_s: float
    end_s: float
    is_point: bool
    choices: tuple[tuple[str, ...], ...]  # the chosen modifiers of each set
    subject: str


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is a project (by its name or its first keys) or a table of aggregated events."""
    if _is_named_so(path):
        return True
    if re.match(rb'\s*\{\s*"(time_format|project_name|project_date)"', head):
        return True
    columns = {name.lower() for name in _cells(first_line(head))}
    return {"behavior", "start (s)", "stop (s)"} <= columns and bool({"observation id", "behavior type"} & columns)


def _is_named_so(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith((".boris", ".boris.gz"))


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every observation."""
    try:
        text, guessed = decode(read_bytes(path), windows=True)
    except (OSError, TextError) as error:
        raise ExportError(f"cannot read {path}: {error}", _HINT) from error
    if guessed:
        findings.warn(f"{path} is {guessed}")
    points = 0
    seen: dict[tuple[str, str, str], str] = {}  # (case, clip, annotator): observation
    is_project = _is_named_so(path) or text.lstrip().startswith("{")
    observations = _of_project if is_project else _of_table
    for place, media, variables, events in observations(path, text, findings):
        observation = list(events)
        points += sum(event.is_point for event in observation)
        for record in _records(place, path, media, variables, observation, options, findings):
            if isinstance(record, Annotation):
                other = seen.setdefault((record.case, record.clip, record.annotator), place)
                if other != place:
                    findings.warn(
                        f"{place} is of the same clip as {other.rpartition(', ')[2]}: both are read as the work of "
                        f"{record.annotator}",
                        "if two people made them, give each observation a variable named observer",
                    )
            yield record
    if points and options.point_s is None:
        findings.warn(
            f"{path}: {points} point events: a moment labels no picture",
            "say how long one lasts (<<point_s=S>>) to make spans of them",
        )


_Observed = tuple[str, Sequence[_Media], Mapping[str, str], Iterable[_Event]]


def _records(
    where: str,
    path: Path,
    media: Sequence[_Media],
    variables: Mapping[str, str],
    events: Iterable[_Event],
    options: ReadOptions,
    findings: Findings,
) -> Iterator[Record]:
    """The records of one observation."""
    clips = []
    for one in media:
        try:
            case, clip, full = _identify(one.path, path, variables, options)
        except ClipError as error:
            findings.fault(where, error.message, error.hint)
            return
        clips.append((case, clip))
        yield Clip(case=case, clip=clip, media=full)
    name = next((variables[key] for key in _ANNOTATORS if variables.get(key)), SOURCE)
    by_subject = options.tier_names == "annotator"
    who = {event: options.annotator((event.subject if by_subject else "") or name) for event in events}
    for (case, clip), annotator in itertools.product(clips, dict.fromkeys(who.values()) or [options.annotator(name)]):
        yield Annotation(
            case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE, annotation_id=""
        )
    for event in events:
        end_s = event.start_s + options.point_s if event.is_point and options.point_s is not None else event.end_s
        parts = list(_parts(media, event.start_s, end_s))
        if not parts:
            findings.fault(event.place, f"{event.start_s:.3f} s lies past the end of the observation's files")
        for (number, start_s, stop_s), label in itertools.product(parts, _labels(event, options)):
            case, clip = clips[number]
            basis = ContainerSeconds(start_s, stop_s)
            if fault := basis.fault():
                findings.fault(event.place, fault)
                continue
            yield Span(
                case=case, clip=clip, label=label, annotator=who[event], status=Status.ACCEPTED, source=SOURCE,
                annotation_id="", region_id=event.place.rpartition(", ")[2], basis=basis,
            )  # fmt: skip


def _labels(event: _Event, options: ReadOptions) -> list[tuple[str, ...]]:
    """The labels of an event: several if several modifiers of a set hold at once."""
    subject = (event.subject,) if event.subject and options.tier_names not in ("none", "annotator") else ()
    chosen = itertools.product(*(values or [""] for values in event.choices))
    return [(*subject, *event.label, *(value for value in values if value)) for values in chosen]


def _identify(media: str, project: Path, variables: Mapping[str, str], options: ReadOptions) -> tuple[str, str, str]:
    """(case, clip, media) of a file; a name without a folder means a file beside the project."""
    known = variables.get(CASE, ""), variables.get(CLIP, "")
    if all(known) and options.rule is None:
        return *known, media
    return options.identify_beside(media, project)


def _parts(media: Sequence[_Media], start_s: float, end_s: float) -> Iterator[tuple[int, float, float]]:
    """(number of the file, start and end in seconds from its beginning) for each file in which an event lies."""
    last = len(media) - 1
    for number, one in enumerate(media):
        start = max(start_s, one.start_s if number else -math.inf)
        end = min(end_s, one.end_s if number < last else math.inf)
        if start < end or (start_s == end_s == start and (start < one.end_s or number == last)):
            yield number, round(start - one.start_s, 6), round(end - one.start_s, 6)


def _queued(paths: Sequence[str], lengths: Mapping[str, float], where: str, findings: Findings) -> list[_Media]:
    """The files, each with its place in the observation. If a length is needed but not known: none, and a fault."""
    found, start_s = [], 0.0
    for number, path in enumerate(paths, start=1):
        length_s = lengths.get(path, math.nan)
        if not (math.isfinite(length_s) and length_s >= 0):
            if number < len(paths):
                findings.fault(where, f"the length of {path} is not known, so neither is where the next file starts")
                return []
            length_s = math.inf
        found.append(_Media(path, start_s, start_s + length_s))
        start_s += length_s
    return found


# A project


def _of_project(path: Path, text: str, findings: Findings) -> Iterator[_Observed]:
    try:
        project = msgspec.convert(json.loads(text), _Project)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ExportError(f"{path} is not a whole project of BORIS: {str(error)[:200]}", _HINT) from error
    behaviours = {one.code: one for one in project.behaviors_conf.values()}
    for name, observation in project.observations.items():
        where = f"{path}, observation {name}"
        files = observation.file
        first = files.get("1", []) if isinstance(files, dict) else [files] if isinstance(files, str) else files[:1]
        if observation.type.upper() in ("LIVE", "IMAGES") or not first:
            findings.leave_out(where, _WITHOUT_VIDEO)
            continue
        if observation.from_creation:
            findings.fault(where, "counts time from the creation of its files, not from the start of the film")
            continue
        if isinstance(files, dict) and (views := [player for player, more in files.items() if player != "1" and more]):
            findings.warn(f"{where}: its labels are those of player 1; player {', '.join(views)} shows the same")
        media = _queued(first, observation.media_info.length, where, findings)
        if media:
            variables = {str(key).lower(): str(value) for key, value in observation.independent_variables.items()}
            yield where, media, variables, _events(where, observation, behaviours, findings)


def _events(
    where: str, observation: _Observation, behaviours: Mapping[str, _Behaviour], findings: Findings
) -> Iterator[_Event]:
    """The states and points, in order of time. Two events of the same subject, behaviour and modifiers are a state."""
    offset_s = observation.offset_s or 0.0
    started: dict[tuple[str, str, str], tuple[str, float]] = {}
    for number, values in sorted(enumerate(observation.events, start=1), key=lambda item: _order(item[1])):
        place = f"{where}, event {number}"
        time_s = _time(values) - offset_s
        subject, code, modifiers = (str(value or "") for value in (*values[1:4], "", "", "")[:3])
        behaviour = behaviours.get(code)
        if behaviour is None or not math.isfinite(time_s):
            findings.fault(place, f"no time: {values[:1]}" if behaviour else f"the behaviour {code!r} is not defined")
            continue
        label = (*([behaviour.category] if behaviour.category else []), code)
        rest = (_choices(modifiers), "" if subject.lower() in _NOBODY else subject)
        if behaviour.type.lower().startswith("point"):
            yield _Event(place, label, time_s, time_s, True, *rest)
            continue
        key = (subject, code, modifiers)
        if key not in started:
            started[key] = (place, time_s)
            continue
        place, start_s = started.pop(key)
        yield _Event(place, label, start_s, time_s, False, *rest)
    for (subject, code, modifiers), (place, time_s) in started.items():
        of = " ".join(filter(None, (code, modifiers and f"({modifiers})", subject and f"of {subject}")))
        findings.fault(place, f"{of} starts at {time_s:.3f} s and does not stop")


def _time(values: Sequence[Any]) -> float:
    time_s = values[0] if values else None
    return float(time_s) if isinstance(time_s, int | float) and abs(time_s) < 1e12 else math.nan  # a bool is not a time


def _order(values: Sequence[Any]) -> float:
    time_s = _time(values)
    return math.inf if math.isnan(time_s) else time_s


def _choices(modifiers: str) -> tuple[tuple[str, ...], ...]:
    """For each set of modifiers, those that were chosen."""
    return tuple(
        tuple(value for text in chosen.split(",") if (value := text.strip()) and value != "None")
        for chosen in modifiers.split("|")
    )


# Aggregated events


def _of_table(path: Path, text: str, findings: Findings) -> Iterator[_Observed]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_delimiter(next((line for line in text.splitlines() if line.strip()), "")))
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise ExportError(f"{path}:{reader.line_num}: {error}", "export it from BORIS again, as CSV or TSV") from error
    header = [name.lower() for name in rows[0][1]]
    observations: dict[str, list[tuple[int, dict[str, str]]]] = defaultdict(list)
    for number, cells in rows[1:]:
        row = dict(zip(header, cells, strict=False))
        observations[row.get("observation id", "")].append((number, row))
    modifiers = [name for name in header if name.startswith("modifier")]
    for name, members in observations.items():
        where = f"{path}, observation {name}"
        row = members[0][1]
        paths, lengths = _told_media(row)
        if not paths or row.get("observation type", "").lower().startswith(("live", "from pic")):
            findings.leave_out(where, _WITHOUT_VIDEO)
            continue
        media = _queued(paths, lengths, where, findings)
        if media:
            yield where, media, row, _told_events(path, members, modifiers, findings)


def _told_media(row: Mapping[str, str]) -> tuple[list[str], dict[str, float]]:
    """The files of player 1 in an observation's row, and their lengths in seconds."""
    source = row.get("source", "")
    if source.startswith("player #1:"):
        paths = source.removeprefix("player #1:").split("|player #")[0].split(";")
        told = row.get("media duration (s)", "").split("|")[0].split(";")
    else:
        old = row.get("media file", "") or row.get("media file name", "") or source
        paths, told = [old] if old and old != "NA" else [], [row.get("total length", "")]
    lengths = {path: _number(text) for path, text in zip(paths, told, strict=False)}
    return paths, lengths


def _told_events(
    path: Path, rows: Iterable[tuple[int, Mapping[str, str]]], modifiers: Sequence[str], findings: Findings
) -> Iterator[_Event]:
    for number, row in rows:
        place = f"{path}, row {number}"
        offset_s = _number(row.get("time offset (s)", "") or "0")
        is_point = row.get("behavior type", "").upper() == "POINT"
        start_s = _number(row.get("start (s)", "")) - offset_s
        end_s = start_s if is_point else _number(row.get("stop (s)", "")) - offset_s
        code, category = row.get("behavior", ""), row.get("behavioral category", "")
        if not code or not (math.isfinite(start_s) and math.isfinite(end_s)) or end_s < start_s:
            wrong = f"start {row.get('start (s)', '')[:40]!r}, stop {row.get('stop (s)', '')[:40]!r}: no such times"
            findings.fault(place, wrong if code else "no behaviour")
            continue
        label = (*([category] if category not in ("", "Not defined", "NA") else []), code)
        subject = row.get("subject", "")
        choices = tuple(chosen for name in modifiers for chosen in _choices(row.get(name, "")))
        yield _Event(place, label, start_s, end_s, is_point, choices, "" if subject.lower() in _NOBODY else subject)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=_delimiter(line)), [])]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)
