"""MS-TCN's folder: groundTruth/<video>.txt, a class name a line and frame; level_1/, level_2/ where there are levels.

The folder groundTruth/ itself, or a single such file, is read too. "background" means no label. If a case was stitched
from clips, lsvid's manifest.json says where each clip begins; without one, <video> is the clip's name without its
ending. A last line without a newline counts as a frame; blank lines at the end do not. Blanks are not part of a name.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lsvid.annotations.spans import Record
from lsvid.findings import Findings
from lsvid.readers.documents import ReadOptions
from lsvid.readers.framewise import files_in, level_folders, lines_of, open_dataset, records_of

SOURCE = "mstcn"
_INSIDE = "groundTruth"
_ENOUGH = 12  # lines that a file outside such a folder must have
_WORD = re.compile(rb"(?![\d.]+$)[\x80-\xff\w.'()&+-]+")  # not a number: a number is no class name


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a folder, or a file with one word a line and few different words."""
    if path.is_dir():
        return bool(level_folders(path, _INSIDE)) or (path.name == _INSIDE and bool(files_in(path, ".txt")))
    if path.suffix.lower() != ".txt":
        return False
    lines = head.replace(b"\r", b"\n").strip().split(b"\n")
    names = [line.strip() for line in lines if line.strip()][:-1]  # the last one may be cut off
    if path.absolute().parent.name == _INSIDE:
        return bool(lines)
    return len(names) >= _ENOUGH and len(set(names)) * 4 <= len(names) and all(_WORD.fullmatch(name) for name in names)


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every video in the folder, by name, or of the one file."""
    root = path.absolute().parent
    if path.is_file():
        is_inside = root.name == _INSIDE
        dataset, files = open_dataset(root.parent if is_inside else root, [root]), [[path]]
    elif levels := level_folders(path, _INSIDE):
        dataset = open_dataset(path, levels)
        names = [file.name for file in files_in(levels[0] / _INSIDE, ".txt")]
        files = [[level / _INSIDE / name for level in levels] for name in names]
    else:  # groundTruth itself
        dataset, files = open_dataset(root, [root]), [[file] for file in files_in(path, ".txt")]
    for places in files:
        rows = [lines_of(place) for place in places]
        yield from records_of(dataset, places[0].stem, SOURCE, rows, places[0], options, findings)
