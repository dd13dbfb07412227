"""WebVTT: <case>/<clip>.vtt, a cue for every span, its label as text; players show it over the clip.

Times are on the clip's presentation timeline, which is what browsers count, in milliseconds, to the nearest. Cues are
sorted by start; they may overlap. '&', '<' and '>' are escaped, as the standard asks (https://www.w3.org/TR/webvtt1/,
4.2.2): a cue's text must not hold '-->'. A clip in which nothing is labelled has a file without cues.
"""

from collections.abc import Sequence

from lsvid.writers.base import Export, Made
from lsvid.writers.cues import Cue, write_cues
from lsvid.writers.formats import Format, options
from lsvid.writers.segments import clock

FORMAT = Format(
    "<case>/<clip>.vtt",
    holds="every span as a cue, to the millisecond; for players",
    loses="frames, levels, unless joined in the text",
    options=options("level"),
)


def write(export: Export) -> Made:
    """Write a file for each clip."""
    return write_cues(export, ".vtt", _lines, for_browsers=True)


def _lines(_: Export, cues: Sequence[Cue]) -> list[str]:
    lines = ["WEBVTT", ""]
    for start_ms, end_ms, text in cues:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines += [f"{clock(start_ms / 1000)} --> {clock(end_ms / 1000)}", escaped, ""]
    return lines
