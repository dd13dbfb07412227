"""MS-TCN's folder: groundTruth/<video>.txt, a class name a line and frame; level_1/, level_2/ where there are levels.

"background" labels nothing. Where a case was stitched from clips, lsvid's manifest.json takes it apart again; elsewhere
<video> is the clip's name without its ending. A last line without a newline counts, as its frame is there.
"""

from collections.abc import Iterator
from pathlib import Path

from lsvid.annotations.spans import Record
from lsvid.findings import Findings
from lsvid.readers.documents import ReadOptions
from lsvid.readers.framewise import level_folders, open_dataset, read_text, records_of

SOURCE = "mstcn"
_INSIDE = "groundTruth"


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a folder."""
    return path.is_dir() and bool(level_folders(path, _INSIDE))


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every video in the folder, by name."""
    dataset = open_dataset(path, level_folders(path, _INSIDE))
    for file in sorted((dataset.levels[0] / _INSIDE).glob("*.txt")):
        rows = [read_text(level / _INSIDE / file.name).splitlines() for level in dataset.levels]
        yield from records_of(dataset, file.stem, SOURCE, rows, file, options, findings)
