"""ELAN's .eaf, one a clip: a tier for every level, each the child of the one above; whole milliseconds.

A level's tier is `level_1`, `level_2`, …, with the annotator if there are several: `level_1@ann`. Times are ELAN's,
from the container's start, rounded to the nearest millisecond at both ends, so that neighbours still touch, and reading
them gives the same frames (lsvid.video.timebase). The clip is linked as the file's media.

Rules of the reader (ELAN; the format's schema, EAFv2.8.xsd; dopefishh/pympi):
- annotations of one tier must not overlap: those that do go to a second set of tiers, `level_1 (2)` and so on;
- a child (constraint Included_In) lies within an annotation of its parent's tier: every span has one on each of its
  levels, of the same times;
- an annotation lasts a millisecond at least;
- XML 1.0 has no control characters, surrogates, U+FFFE and U+FFFF: they become U+FFFD, with a warning.
Two properties, lsvid.case and lsvid.clip, name the clip, so that lsvid finds it again with any name of the media.
"""

import mimetypes
import re
import warnings
from collections.abc import Sequence
from itertools import count

from lsvid.annotations.spans import LocatedSpan
from lsvid.files.paths import absolute, addresses
from lsvid.labels.naming import distinct, one_line, tell_changed
from lsvid.labels.tree import join_path
from lsvid.video.timebase import FrameIndex
from lsvid.writers.base import Export, Made, Video
from lsvid.writers.formats import Format

FORMAT = Format(
    "one .eaf a clip",
    holds="every span on a tier for each level and annotator, in whole milliseconds; the clip as linked media",
    loses="scores; frames of clips of over 500 a second",
    annotators=True,
)

DATE = "1970-01-01T00:00:00+00:00"
"""A fixed date, so that the same annotations give the same file."""


def write(export: Export) -> Made:
    """Write a file for each clip."""
    names = {name: xml_text(name) for path in export.table.labels for name in path}
    tell_changed(export.findings, "labels with characters that XML cannot hold", names.items())
    videos = export.videos()
    return Made([_write_clip(export, video) for video in videos], videos)


def _write_clip(export: Export, video: Video) -> str:
    from pympi.Elan import Eaf  # noqa: PLC0415 - only this format needs it

    clip = video.clips[0]
    eaf = Eaf(author="lsvid")
    eaf.adocument["DATE"] = DATE
    eaf.remove_tier("default")
    eaf.add_linguistic_type("labels")
    eaf.add_linguistic_type("sub-labels", constraints="Included_In")
    eaf.remove_linguistic_type("default-lt")
    eaf.add_property("lsvid.case", xml_text(clip.case))
    eaf.add_property("lsvid.clip", xml_text(clip.name))
    path, media_type = str(clip.path), mimetypes.guess_type(str(clip.path))[0] or "unknown"
    eaf.add_linked_file(*addresses(absolute(path), export.output), media_type)
    depth = max((len(label) for label in export.table.labels), default=1)
    annotators = distinct(one_line(xml_text(work.annotator)) for work in clip.tracks)
    for work, annotator in zip(clip.tracks, annotators, strict=True):
        whose = f"@{annotator}" if len(clip.tracks) > 1 else ""
        for lane in lanes(work.spans) or [[]]:
            # An annotator may be named 'ann (2)', which is also the name of the second row of 'ann'.
            ends = ("" if number == 1 else f" ({number})" for number in count(1))
            end = next(end for end in ends if f"level_1{whose}{end}" not in eaf.tiers)
            tiers: list[str] = []
            for level in range(1, depth + 1):
                parent = tiers[-1] if tiers else None
                tiers.append(f"level_{level}{whose}{end}")
                eaf.add_tier(tiers[-1], "sub-labels" if parent else "labels", parent=parent, ann=annotator)
            for span in lane:
                start_ms, end_ms = _milliseconds(video.indexes[0], span)
                for tier, value in zip(tiers, span.label, strict=False):
                    text = join_path((xml_text(value),))  # readers split the text at ' / '
                    eaf.add_annotation(tier, start_ms, end_ms, text)
    name = f"{video.name}.eaf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eaf.to_file(str(export.path(name)))
    export.on_clip(1)
    return name


_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """`text` without characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", re.sub("\r\n?", "\n", text))


def lanes(spans: Sequence[LocatedSpan]) -> list[list[LocatedSpan]]:
    """The spans by time, in the fewest rows in which no spans overlap."""
    rows: list[list[LocatedSpan]] = []
    for span in sorted(spans, key=lambda s: (s.start_frame, s.stop_frame, s.label)):
        for row in rows:
            if row[-1].stop_frame <= span.start_frame:
                row.append(span)
                break
        else:
            rows.append([span])
    return rows


def _milliseconds(index: FrameIndex, span: LocatedSpan) -> tuple[int, int]:
    start_ms = max(round(index.container_time_s(span.start_frame) * 1000), 0)
    return start_ms, max(round(index.container_time_s(span.stop_frame) * 1000), start_ms + 1)
