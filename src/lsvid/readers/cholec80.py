"""Cholec80's phases: phase_annotations/<video>-phase.txt in a folder, or one such file: Frame, Phase; a row a frame.

Row k must be frame k: files sampled to one a second do not tell where a phase begins. The phase "background" labels
nothing. Where a case was stitched from clips, lsvid's manifest.json takes it apart again; elsewhere <video> is the
clip's name without its ending. The 0/1 files of tools, one row a second, are not read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lsvid.annotations.spans import Record
from lsvid.findings import Findings
from lsvid.readers.documents import ReadOptions
from lsvid.readers.framewise import level_folders, open_dataset, read_text, records_of

SOURCE = "cholec80"
_INSIDE = "phase_annotations"
_END = "-phase.txt"


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a folder, or a file with such a header."""
    if path.is_dir():
        return bool(level_folders(path, _INSIDE))
    return re.match(rb"(\xef\xbb\xbf)?Frame\s+Phase\s", head) is not None


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every video in the folder, by name, or of the one file."""
    if path.is_dir():
        dataset = open_dataset(path, level_folders(path, _INSIDE))
        files = sorted((dataset.levels[0] / _INSIDE).glob(f"*{_END}"))
    else:
        root = path.absolute().parent.parent
        dataset, files = open_dataset(root, [root]), [path]
    for file in files:
        places = [level / _INSIDE / file.name for level in dataset.levels] if path.is_dir() else [file]
        rows = [_phases(place, findings) for place in places]
        if all(row is not None for row in rows):
            known = [row for row in rows if row is not None]
            video = file.name.removesuffix(_END).removesuffix(".txt")
            yield from records_of(dataset, video, SOURCE, known, file, options, findings)


def _phases(file: Path, findings: Findings) -> list[str] | None:
    """The phase of every frame, or None where a row is not of its frame."""
    phases: list[str] = []
    for number, line in enumerate(read_text(file).splitlines()[1:], start=2):
        row = line.split(maxsplit=1)
        if len(row) != 2 or row[0] != str(len(phases)):
            findings.fault(f"{file}:{number}", f"{line!r} is not frame {len(phases)} and its phase")
            return None
        phases.append(row[1].strip())
    return phases
