"""Subtitles: WebVTT (.vtt) and SubRip (.srt). Each cue is a span, and its text is the label.

The clip is the video of the file's name: <case>/<clip>.vtt, as lsvid writes them, or a.srt for a.mp4. WebVTT has the
times of browsers; SubRip has those of desktop players, which count from the container's start. Tags of WebVTT are left
out, and its escapes are undone. The lines of one cue become one line. Comments, styles and positions are not read.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from lsvid.annotations.spans import Annotation, Clip, ContainerSeconds, Record, Seconds, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.texts import TextError, first_line, read_text
from lsvid.findings import Findings
from lsvid.labels.tree import split_path
from lsvid.readers.documents import ReadOptions, parse_seconds

SOURCE = "subtitles"

_NAME = re.compile(r"\.(vtt|srt)(\.gz)?$", re.IGNORECASE)
_ENDING = re.compile(r"\.(vtt|srt|txt)(\.gz)?$", re.IGNORECASE)
_CLOCK = r"(?:\d{1,6}:)?\d{1,2}:\d{1,2}[.,]\d{1,3}"
_TIMES = re.compile(rf"\s*({_CLOCK})\s*-->\s*({_CLOCK})(?:\s.*)?")
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*\d+\s*[\r\n]\s*[\d:,.]+\s*-->")
_TAG = re.compile(r"</?[A-Za-z\d][^<>]*>|</>")


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is named so, or begins as WebVTT and SubRip do."""
    begins_so = first_line(head).startswith("WEBVTT") or _BEGINNING.match(head) is not None
    return path.is_file() and (begins_so or bool(_NAME.search(path.name)))


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of one file: a clip, its annotation, and a span for each cue."""
    try:
        text, guessed = read_text(path, windows=True)
    except TextError as error:
        raise ExportError(f"{path}: {error}", "save it again as UTF-8 text") from error
    if guessed:
        findings.warn(f"{path} is {guessed}", "if the text is wrong, save it again in UTF-8")
    is_web = text.lstrip().startswith("WEBVTT")
    if text.strip() and not is_web and "-->" not in text:
        raise ExportError(f"{path} holds no subtitles", "in WebVTT and SubRip a line with '-->' gives their times")
    try:
        case, clip, media = options.identify_beside(_ENDING.sub("", path.name), path)
    except ClipError as error:
        findings.fault(str(path), error.message, error.hint)
        return
    annotator = options.annotator(SOURCE)
    yield Clip(case=case, clip=clip, media=media)
    yield Annotation(case=case, clip=clip, annotator=annotator, status=Status.ACCEPTED, source=SOURCE, annotation_id="")
    for number, times, words in _cues(text):
        place = f"{path}:{number}"
        match = _TIMES.fullmatch(times)
        if match is None:
            findings.fault(place, f"no such times: {times.strip()[:60]!r}")
            continue
        if "-->" in words:  # neither format can have it in a text
            findings.fault(place, "there is no blank line between this and the next one")
            continue
        start_s, end_s = parse_seconds(match[1]), parse_seconds(match[2])
        basis = Seconds(start_s, end_s) if is_web else ContainerSeconds(start_s, end_s)
        label = split_path(html.unescape(_TAG.sub("", words)) if is_web else words)
        fault = basis.fault() if label else "no label"
        if fault:
            findings.fault(place, fault)
            continue
        yield Span(
            case=case, clip=clip, label=label, annotator=annotator, status=Status.ACCEPTED, source=SOURCE,
            annotation_id="", region_id=f"line {number}", basis=basis,
        )  # fmt: skip


def _cues(text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, times, text) of each cue: a line with '-->', and the lines after it up to a blank one."""
    lines = re.split(r"\r\n|\n|\r", text)
    number, is_note = 0, False
    while number < len(lines):
        line = lines[number]
        number += 1
        is_note = bool(line.strip()) and (is_note or re.match(r"(NOTE|STYLE|REGION)(\s|$)", line) is not None)
        if is_note or "-->" not in line:
            continue
        first = number
        while number < len(lines) and lines[number].strip():
            number += 1
        yield first, line, " ".join(words.strip() for words in lines[first:number])
