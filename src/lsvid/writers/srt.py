"""SubRip: <case>/<clip>.srt, a numbered subtitle for every span, its label as text; players show it over the clip.

It differs from WebVTT in the comma in times. Times are those of desktop players, from the container's start. '-->' in a
label is written '→', since the format has no escapes.
"""

from collections.abc import Sequence

from lsvid.writers.base import Export, Made
from lsvid.writers.cues import Cue, write_cues
from lsvid.writers.formats import Format, options
from lsvid.writers.segments import clock

FORMAT = Format(
    "<case>/<clip>.srt",
    holds="every span as a subtitle, to the millisecond; for players",
    loses="frames, levels, unless joined in the text",
    options=options("level"),
)


def write(export: Export) -> Made:
    """Write a file for each clip."""
    return write_cues(export, ".srt", _lines, for_browsers=False)


def _lines(export: Export, cues: Sequence[Cue]) -> list[str]:
    lines: list[str] = []
    for number, (start_ms, end_ms, text) in enumerate(cues, start=1):
        times = " --> ".join(clock(ms / 1000, ",") for ms in (start_ms, end_ms))
        if "-->" in text:
            export.findings.warn("a label has '-->' in it, which SubRip keeps for times: it is written '→'")
        lines += [str(number), times, text.replace("-->", "→"), ""]
    return lines
