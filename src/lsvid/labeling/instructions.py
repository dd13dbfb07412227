"""The page of instructions that annotators see in Label Studio, from a LabelTree and the project's timeline. Pure.

Label Studio's window keeps line breaks (`white-space: pre-wrap`), so the page is one line. It has no margins, so
sections begin with <br>. It removes `style`, so colours are those of table cells.
"""

from collections.abc import Iterator
from html import escape

from lsvid.labeling.config import Timeline
from lsvid.labels.colours import dressed
from lsvid.labels.tree import Label, LabelTree


def instructions(tree: LabelTree, timeline: Timeline = "frames") -> str:
    """The page as HTML, in one line."""
    labels = dressed(tree).labels
    has_sub_labels = any(label.children for label in labels)
    parts = [_TASK]
    if timeline == "both":
        on_frames = ", ".join(f"<b>{escape(label.name)}</b>" for label in labels if label.timeline == "frames")
        parts += [f"<h4>On the timeline under the video: {on_frames}</h4>", _FRAMES]
        parts += ["<br><h4>On the strip below it: all other labels</h4>", _WAVEFORM]
    else:
        parts.append(_FRAMES if timeline == "frames" else _WAVEFORM)
    if has_sub_labels:
        parts.append(_sub_labels(timeline))
    play = "Ctrl+Alt+Space" if timeline == "frames" else "Space"
    parts += [_keys(play), "<br><h4>Labels</h4>", "<table cellpadding='3'>", *_rows(labels), "</table>"]
    return "".join(parts)


_TASK = (
    "<p>Watch the clip and mark <b>when</b> each task happens, from its first moment to its last. Tasks may overlap. "
    "Leave the rest unmarked. Then press <b>Submit</b>, also when nothing happens in a clip; the next one follows.</p>"
    "<br>"
)

_FRAMES = (
    "<p>1. Press the label's key, or click the label.</p>"
    "<p>2. Drag over the frames in the timeline under the video, beginning where it is empty. A click marks one "
    "frame.</p>"
    "<p>3. <b>Longer than you can drag?</b> Mark its first frames. Go to where it ends and read the frame number, at "
    "the left under the video. Click the region's row, and type that number into <b>End frame</b> at the right.</p>"
    "<p>4. Before the next label press <b>Escape</b>: while a region is selected, a label's key changes that region, "
    "and its sub labels are lost. <b>Alt+L</b> locks a region. Ctrl+Z undoes.</p>"
)

_WAVEFORM = (
    "<p>1. Press the label's key, or click the label.</p>"
    "<p>2. Drag along the <b>time scale</b>, the numbers above the strip, from begin to end. There a drag always marks "
    "something new. In the strip itself it may move or resize what is marked, or do nothing.</p>"
    "<p>3. To correct a mark, click it, double-click the seconds at the right, type, and press Enter.</p>"
    "<p>4. Before the next label press <b>Escape</b>: while a mark is selected, a label's key changes that mark, and "
    "its sub labels are lost. <b>Alt+L</b> locks a mark, so that nothing moves or changes it. Ctrl+Z undoes.</p>"
)

_WHERE = {"frames": "its row on the timeline", "waveform": "it on the strip", "both": "it on its timeline"}


def _sub_labels(timeline: Timeline) -> str:
    return (
        "<br><h4>Sub labels</h4>"
        f"<p>What you have just marked is not selected. <b>Click {_WHERE[timeline]}</b>, or its entry under "
        "<b>Regions</b> at the right: its sub labels appear below the labels. Tick what you see. Tick a group itself "
        "only if you cannot tell which of the group it is.</p>"
    )


def _keys(play: str) -> str:
    keys = [
        (play, "play, pause"),
        ("Shift+F", "find a label: type a part of it, Enter picks it"),
        ("Escape", "unselect"),
        ("Alt+L", "lock the selected one"),
        ("Backspace", "delete the selected one"),
        ("Ctrl+Z", "undo"),
        ("Ctrl+Enter", "submit"),
    ]
    return "<br><h4>Keys</h4><p>" + " &nbsp; ".join(f"<b>{key}</b> {what}" for key, what in keys) + "</p>"


def _rows(labels: tuple[Label, ...]) -> Iterator[str]:
    for label in labels:
        key = label.hotkey or ""
        key = f"Shift+{key[-1].upper()}" if "+" in key else key
        hint = f" <small>{escape(label.hint)}</small>" if label.hint else ""
        sub_labels = ", ".join(_with_children(child) for child in label.children)
        yield (
            f"<tr valign='top'><td bgcolor='{label.color}' width='6'></td><td align='right'><b>{escape(key)}</b></td>"
            f"<td><b>{escape(label.name)}</b>{hint}</td><td>{sub_labels}</td></tr>"
        )


def _with_children(label: Label) -> str:
    if not label.children:
        return escape(label.name)
    return f"{escape(label.name)} ({', '.join(_with_children(child) for child in label.children)})"
