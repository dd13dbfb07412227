"""Colours and hotkeys for labels."""

from dataclasses import replace
from itertools import cycle

from lsvid.labels.tree import LabelTree

_COLOURS = """
    d70582 00a000 0091d2 c87305 7350ff 007d73 ff0a28 787346 967da0 96645a eb14fa 5f739b 649169 829100 dc5f73 c34600
    9b55af 37788c a58205 a58264 5582ff a05f78 507d23 cd6e55 9678dc cd64aa 0a96a0 91692d dc0a46 00824b 059b82 b405eb
    0073be f5500f 2d64f0 a5643c ff2d8c af787d be4b3c 78699b 7d7300 d214b9 8287af 828c55 96875f 647855 af55ff 7364c3
    5091aa ff00b9 239b55 b4505f b969cd 699637 af5091 aa5f00 cd692d ff3755 508c82 af7d6e dc1905 c36e8c 918737 4b7d64
"""
PALETTE = [f"#{colour}" for colour in _COLOURS.split()]
"""Colours for labels, in order. Any two are at least 8 apart in CIEDE2000 (12 among the first 27). Each has a contrast
of 3:1 against the backgrounds of both themes of the editor, and against white, the text of a selected label.

They were found by repeatedly taking the colour that is farthest from those taken (relative luminance 0.158 to 0.252,
chroma at least 22)."""

HOTKEYS = [*"1234567890", *"acdfgijlnqstxyz", *(f"shift+{letter}" for letter in "acdgijlnqstxyz")]
"""Keys for labels, in order; further labels have none. No key is one of the editor (`labels.EDITOR_KEYS`)."""


def dressed(tree: LabelTree) -> LabelTree:
    """`tree` with a colour for each top-level label, and hotkeys as long as there are any. Those in the file stay."""
    own_colours = [label.color for label in tree.labels if label.color]
    free = [colour for colour in PALETTE if all(_distance(colour, own) > _NEAR for own in own_colours)]
    colours = cycle(free or PALETTE)
    own_keys = {label.hotkey for label in tree.labels}
    keys = (key for key in HOTKEYS if key not in own_keys)
    return LabelTree(
        tuple(
            replace(label, color=label.color or next(colours), hotkey=label.hotkey or next(keys, None))
            for label in tree.labels
        )
    )


_NEAR = 100


def _distance(one: str, other: str) -> float:
    """How different two colours look, about 0 to 765 ("redmean", https://www.compuphase.com/cmetric.htm)."""
    (r1, g1, b1), (r2, g2, b2) = (bytes.fromhex(colour[1:]) for colour in (one, other))
    red = (r1 + r2) / 2
    squares = (2 + red / 256) * (r1 - r2) ** 2 + 4 * (g1 - g2) ** 2 + (2 + (255 - red) / 256) * (b1 - b2) ** 2
    return float(squares**0.5)
