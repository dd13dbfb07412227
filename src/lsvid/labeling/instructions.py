"""The page of instructions that annotators see in Label Studio, from a LabelTree and what its project draws on. Pure.

Label Studio shows it in a window that keeps line breaks (`white-space: pre-wrap`), so the page is one line; without
margins, so sections begin with <br>; and lets no `style` through, so colours are those of table cells.
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
        parts.append(_SUB_LABELS)
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
)

_WAVEFORM = (
    "<p>1. Press the label's key, or click the label.</p>"
    "<p>2. Drag over the strip under the video, from begin to end. Ctrl+wheel zooms, the wheel scrolls.</p>"
    "<p>3. To correct it, drag its edges, or click it and type the times at the right.</p>"
    "<p><b>Careful where tasks overlap:</b> a drag that begins inside a marked region moves that region. Begin outside "
    "it, or hold <b>Shift</b> while you drag. Ctrl+Z undoes.</p>"
)

_SUB_LABELS = (
    "<br><h4>Sub labels</h4>"
    "<p>A region that you have just drawn is not selected. <b>Click its row</b> on the timeline, or its entry under "
    "<b>Regions</b> at the right: its sub labels appear below the labels. Tick what you see. Tick a group itself only "
    "if you cannot tell which of the group it is.</p>"
)


def _keys(play: str) -> str:
    keys = [
        (play, "play, pause"),
        ("Shift+F", "find a label"),
        ("Escape", "unselect"),
        ("Backspace", "delete the selected region"),
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
