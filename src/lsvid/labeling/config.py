"""Makes Label Studio's labelling configuration (XML) from a LabelTree. Pure; the same tree gives the same bytes.

The top level is drawn as regions (TimelineLabels on the video's timeline, Labels on the waveform). For each label with
sub labels there is one Choices that shows while a region of that label is selected: `perRegion` and an exact
`whenLabelValue` (with `visibleWhen` Label Studio would cut that value at its commas). Deeper levels are nested in it.

The facts about the editor were read in the source of Label Studio 1.23.2, and tried in Chromium.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

from lsvid.errors import SettingsError, check_choice
from lsvid.labeling.style import STYLE
from lsvid.labels.colours import dressed
from lsvid.labels.tree import Label, LabelTree

Timeline = Literal["frames", "waveform", "both"]
"""Where annotators draw: on the video's frames, on the waveform strip, or some labels on each."""

VIDEO, AUDIO = "video", "audio"
REGIONS, AUDIO_REGIONS = "task", "task_audio"
"""Names of the controls that hold the top-level labels."""

SUB_LABELS = '<View className="lsvid-sub">\n'
"""Begins the part with the sub labels of the selected region."""

_FILTER_KEY = "shift+f"

# The editor gives each control without a key a free one, even a key of its tools. And the key of a sub label works
# while the sub label is hidden, on any selected region. So they get U+200B, which no keyboard has, and nobody sees.
NO_KEY = "\u200b"

_HEAD = [
    '      <View className="lsvid-clip"><Header value="$case / $clip" size="5"/></View>',
    (
        '      <View className="lsvid-selected" visibleWhen="region-selected">'
        '<Header value="Esc, or a label changes this span" size="5"/></View>'
    ),
]
"""Above the labels: the name of the clip, and a warning while a span is selected, since a label would change it."""


def control_name(path: Sequence[str]) -> str:
    """The name of the Choices with the sub labels of the label at `path`, whose parts are ids, or else names.

    It is readable and unique, and stays the same if labels are added, reordered, or renamed under an id.
    """
    ascii_only = unicodedata.normalize("NFKD", path[-1]).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_only)[:24].strip("_")
    digest = hashlib.sha256("\0".join(path).encode()).hexdigest()[:8]
    return f"sub_{slug}_{digest}" if slug else f"sub_{digest}"


def labeling_config(tree: LabelTree, timeline: Timeline = "frames", speed: str = "1") -> str:
    """The configuration for `tree`, as XML. speed: the playback speed of an opened clip, such as "2".

    With "both", labels marked `timeline: frames` are drawn on the frames and the rest on the waveform.
    Raises SettingsError if that leaves one of them without a label, or there is no such timeline.

    >>> xml = lsvid.labeling_config(lsvid.read_labels("labels.txt"), timeline="waveform")
    >>> next(line.strip() for line in xml.splitlines() if "Suturing" in line)
    '<Label value="Suturing" background="#00a000" hotkey="2"/>'
    """
    check_choice("timeline", timeline, get_args(Timeline))
    labels = dressed(tree).labels
    on_frames = [label for label in labels if timeline == "frames" or (timeline, label.timeline) == ("both", "frames")]
    on_waveform = [label for label in labels if label not in on_frames]
    if timeline == "both" and not (on_frames and on_waveform):
        which = "no label is" if on_waveform else "all labels are"
        raise SettingsError(
            f"<<timeline=both>>: {which} marked for the frames",
            "name the short events (<<frames=LABEL>>), or mark them in a YAML label file: {name: Clip applied, "
            "timeline: frames}",
        )
    lines = ["<View>", f"  <Style>{STYLE}  </Style>", f'  <View className="lsvid lsvid-{timeline}">']
    lines.append('    <View className="lsvid-video">')
    video = {"name": VIDEO, "value": "$video", "frameRate": "$fps"}
    if on_waveform:
        video |= {"sync": AUDIO, "muted": "true"}
    video |= {"height": "340" if on_frames and on_waveform else "400"}
    if on_frames:
        video |= {"timelineHeight": str(_timeline_height(len(on_frames), most=4 if on_waveform else 7))}
    lines.append(_tag(6, "Video", video | {"defaultPlaybackSpeed": speed, "minPlaybackSpeed": "0.25"}))
    if on_waveform:
        audio = {"name": AUDIO, "value": "$video", "sync": VIDEO, "decoder": "none", "hotkey": "space"}
        audio |= {"height": "100" if on_frames else "140", "defaultspeed": speed}
        lines.append(_tag(6, "Audio", audio))
    lines += ["    </View>", '    <View className="lsvid-labels">', *_HEAD]
    if on_frames:
        lines += _label_lines("TimelineLabels", REGIONS, VIDEO, on_frames, "On the frames" if on_waveform else "")
    if on_waveform:
        name, header = (AUDIO_REGIONS, "On the waveform") if on_frames else (REGIONS, "")
        lines += _label_lines("Labels", name, AUDIO, on_waveform, header)
    lines.append(f"      {SUB_LABELS.rstrip()}")
    for label in labels:
        if label.children:
            lines += _choices_lines(label, VIDEO if label in on_frames else AUDIO)
    return "\n".join([*lines, "      </View>", "    </View>", "  </View>", "</View>", ""])


def _timeline_height(n_labels: int, *, most: int) -> int:
    """The height in pixels: rows of 24 for each label, at most `most`, and one more to draw in; further rows scroll.

    There are at least five rows if there is room: the editor adds a row if a label is marked again.
    """
    return 24 * (min(max(n_labels, 5), most) + 1)


def _label_lines(tag: str, name: str, to_name: str, labels: Iterable[Label], header: str) -> Iterator[str]:
    if header:
        yield _tag(6, "Header", {"value": header, "size": "5"})
    search = {"name": f"filter_{name}", "toName": name, "minlength": "0", "placeholder": "Find a label"}
    yield _tag(6, "Filter", search | {"hotkey": _FILTER_KEY if name == REGIONS else NO_KEY})
    yield _tag(6, tag, {"name": name, "toName": to_name, "showInline": "false"}, is_open=True)
    for label in labels:
        looks = {"background": label.color, "hotkey": label.hotkey or NO_KEY, "hint": label.hint}
        yield _tag(8, "Label", {"value": label.name, "alias": label.id, **looks})
    yield f"      </{tag}>"


def _choices_lines(label: Label, to_name: str) -> Iterator[str]:
    nested = any(child.children for child in label.children)
    attributes = {
        "name": control_name((label.export_value,)),
        "toName": to_name,
        "perRegion": "true",
        "whenLabelValue": label.export_value,
        "choice": "multiple" if label.multiple else "single",
        "allowNested": "true" if nested else None,
        "showInline": "false",
    }
    yield _tag(8, "Choices", attributes, is_open=True)
    for child in label.children:
        yield from _choice_lines(child, 10)
    yield "        </Choices>"


def _choice_lines(label: Label, indent: int) -> Iterator[str]:
    attributes = {"value": label.name, "alias": label.id, "hotkey": NO_KEY, "hint": label.hint}
    yield _tag(indent, "Choice", attributes, is_open=bool(label.children))
    for child in label.children:
        yield from _choice_lines(child, indent + 2)
    if label.children:
        yield f"{' ' * indent}</Choice>"


def _tag(indent: int, name: str, attributes: Mapping[str, str | None], *, is_open: bool = False) -> str:
    text = "".join(f' {key}="{_escaped(value)}"' for key, value in attributes.items() if value is not None)
    return f"{' ' * indent}<{name}{text}{'>' if is_open else '/>'}"


def _escaped(value: str) -> str:
    """`value` for an attribute in double quotes. Characters that are invisible, or read as a space, become numbers."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        value = value.replace(char, entity)
    return re.sub(r"[\t\n\r\u200b]", lambda match: f"&#{ord(match[0])};", value)
