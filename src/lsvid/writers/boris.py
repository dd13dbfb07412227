"""BORIS's project, annotations.boris: an observation for each clip and annotator, with every span as a state event.

A top-level label is a behaviour, with its own key as long as there are keys. Its sub labels are modifiers, in a set for
each level ("None" if a span has no label there). Times are milliseconds from the container's start, as BORIS counts.
Case, clip and annotator are independent variables, so that lsvid can read them back.

Rules of the reader (olivierfriard/BORIS at 73bdf07, 9.12.3: boris/project_functions.py, add_modifier.py, config.py):
- a state is two events of one subject, behaviour and modifiers, START and STOP in turn: overlapping spans of one label
  are written as one, with a warning;
- a behaviour has as many modifiers as sets are defined for it; "(", ")", "|", ",", "`" and "~" are not allowed in them;
- every file has a length, a rate, and whether it has sound; every variable is defined.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip
from lsvid.labels.naming import LabelPath, distinct, tell_changed
from lsvid.labels.tree import join_path
from lsvid.readers.boris import ANNOTATOR, CASE, CLIP
from lsvid.video.timebase import FrameIndex
from lsvid.writers.base import Export, Made
from lsvid.writers.elan import DATE
from lsvid.writers.formats import Format

FORMAT = Format(
    "annotations.boris",
    holds="every span to the millisecond, its sub labels as modifiers; keys, and the clips in place: BORIS opens it",
    loses="frames, scores, status; of one label, spans that overlap become one",
    annotators=True,
)

_KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"
_PLAYERS = 8
_NONE = "None"
_UNSEEN = r"\s\x00-\x1f\x7f\ufeff\ufffe\uffff"  # of a class of characters: blanks, control characters, none


def write(export: Export) -> Made:
    """Write the project."""
    names = _Names(export)
    titles, observations = [], []
    for clip in export.clips:
        works = [(work.annotator, work.spans) for work in clip.tracks] or [("", ())]
        for annotator, spans in works:
            title = clip.id if len(works) < 2 else f"{clip.id} {annotator}"
            titles.append(re.sub(rf"[{_UNSEEN}]+", " ", title).strip())
            observations.append(_observation(export, names, clip, annotator, spans))
        export.on_clip(1)
    project = {
        "time_format": "hh:mm:ss",
        "project_date": DATE[:19],
        "project_name": "lsvid",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {},
        "behaviors_conf": names.behaviours(),
        "observations": dict(zip(distinct(titles), observations, strict=True)),
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {
            str(number): {
                "label": name, "description": "named by lsvid", "type": "text", "default value": "",
                "possible values": "",
            }
            for number, name in enumerate((CASE, CLIP, ANNOTATOR))
        },
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }  # fmt: skip
    file = export.write_text("annotations.boris", [json.dumps(project, ensure_ascii=True, indent=1)])
    return Made([file], counts={"events": sum(len(one["events"]) for one in observations)})


class _Names:
    """The names of labels in BORIS: a behaviour, and modifiers in sets, one for each level below."""

    def __init__(self, export: Export) -> None:
        paths = list(dict.fromkeys(path[:n] for path in export.table.labels for n in range(1, len(path) + 1)))
        self._tops = _named([path[0] for path in paths if len(path) == 1], re.compile(rf"[|{_UNSEEN}]+"))
        inner = list(dict.fromkeys(name for path in paths for name in path[1:]))
        self._inner = _named(inner, re.compile(rf"[(|),`~{_UNSEEN}]+"))
        self._below: dict[str, list[dict[str, None]]] = {}
        for path in paths:
            sets = self._below.setdefault(path[0], [])
            for level, name in enumerate(path[1:]):
                if level == len(sets):
                    sets.append({})
                sets[level][self._inner[name]] = None
        changed = [*self._tops.items(), *self._inner.items()]
        tell_changed(export.findings, "names of labels that BORIS cannot take", changed)

    def behaviours(self) -> dict[str, Any]:
        """The ethogram."""
        return {
            str(number): {
                "type": "State event", "key": _KEYS[number] if number < len(_KEYS) else "", "code": code,
                "description": "", "color": "", "category": "", "excluded": "", "coding map": "",
                "modifiers": {
                    str(level): {
                        "name": f"level {level + 2}", "description": "", "type": 0, "ask at stop": False,
                        "values": list(values),
                    }
                    for level, values in enumerate(self._below[label])
                },
            }
            for number, (label, code) in enumerate(self._tops.items())
        }  # fmt: skip

    def of(self, label: LabelPath) -> tuple[str, str]:
        """The behaviour's code and the modifiers."""
        inner = [self._inner[name] for name in label[1:]]
        return self._tops[label[0]], "|".join([*inner, *[_NONE] * (len(self._below[label[0]]) - len(inner))])


def _named(names: Iterable[str], forbidden: re.Pattern[str]) -> dict[str, str]:
    """A name that BORIS takes for each of `names`, all different."""
    known = list(dict.fromkeys(names))
    plain = [forbidden.sub(" ", name).strip() or "_" for name in known]
    return dict(zip(known, distinct(f"{name}_" if name == _NONE else name for name in plain), strict=True))


def _observation(
    export: Export, names: _Names, clip: AnnotatedClip, annotator: str, spans: Sequence[LocatedSpan]
) -> dict[str, Any]:
    path = str(clip.path)
    rate = clip.index.rate or clip.index.n_frames / clip.index.length_s
    events = sorted(_events(export, names, clip, spans))
    return {
        "type": "MEDIA",
        "date": DATE[:19],
        "description": "",
        "file": {str(player): [path] if player == 1 else [] for player in range(1, _PLAYERS + 1)},
        "time offset": 0.0,
        "events": [list(event) for event in events],
        "observation time interval": [0, 0],
        "independent_variables": {CASE: clip.case, CLIP: clip.name, ANNOTATOR: annotator},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {path: round(float(clip.index.duration_s), 3)},
            "fps": {path: round(float(rate), 3)},
            "hasVideo": {path: True},
            "hasAudio": {path: clip.info.has_audio},
            "offset": {str(player): 0.0 for player in range(1, _PLAYERS + 1)},
        },
    }


_Event = tuple[float, str, str, str, str, str]  # time_s, subject, code, modifiers, comment, frame


def _events(export: Export, names: _Names, clip: AnnotatedClip, spans: Sequence[LocatedSpan]) -> list[_Event]:
    """START and STOP of every stretch of each label."""
    by_label: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for span in sorted(spans, key=lambda one: (one.start_frame, one.stop_frame)):
        stretches = by_label.setdefault(names.of(span.label), [])
        if stretches and span.start_frame < stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], span.stop_frame))
            export.findings.warn(
                f"clip {clip.id}: spans of {join_path(span.label)} that overlap are one in BORIS, which cannot tell "
                "which of two ends"
            )
        else:
            stretches.append((span.start_frame, span.stop_frame))
    return [
        (time_s, "", code, modifiers, "", "NA")
        for (code, modifiers), stretches in by_label.items()
        for stretch in stretches
        for time_s in _seconds(clip.index, *stretch)
    ]


def _seconds(index: FrameIndex, start_frame: int, stop_frame: int) -> tuple[float, float]:
    start_ms = max(round(index.container_time_s(start_frame) * 1000), 0)
    return start_ms / 1000, max(round(index.container_time_s(stop_frame) * 1000), start_ms + 1) / 1000
