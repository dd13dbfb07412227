"""Cholec80's phases: phase_annotations/<video>-phase.txt in a folder, or one such file: Frame, Phase; a row a frame.

The folder phase_annotations/ itself is read too, also with commas in place of tabs, and with a header in any case. Row
k must be frame k: a file with one row a second does not say at which frame a phase begins. The phase "background" means
no label. If a case was stitched from clips, lsvid's manifest.json says where each clip begins; without one, <video> is
the clip's name without its ending. The 0/1 files of tools, with one row a second, are not read.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lsvid.annotations.spans import Record
from lsvid.findings import Findings
from lsvid.readers.documents import ReadOptions
from lsvid.readers.framewise import files_in, level_folders, lines_of, open_dataset, records_of

SOURCE = "cholec80"
_INSIDE = "phase_annotations"
_END = "-phase.txt"


def recognises(path: Path, head: bytes) -> bool:
    """Whether `path` is such a folder, or a file with such a header."""
    if path.is_dir():
        return bool(level_folders(path, _INSIDE)) or (path.name == _INSIDE and bool(files_in(path, _END)))
    return re.match(rb"(\xef\xbb\xbf)?frame[ \t,;]+phase\s", head, re.IGNORECASE) is not None


def read(path: Path, options: ReadOptions, findings: Findings) -> Iterator[Record]:
    """The records of every video in the folder, by name, or of the one file."""
    if path.is_dir() and (levels := level_folders(path, _INSIDE)):
        dataset = open_dataset(path, levels)
        names = [file.name for file in files_in(levels[0] / _INSIDE, _END)]
        files = [[level / _INSIDE / name for level in levels] for name in names]
    else:
        root = path.absolute().parent if path.is_dir() else path.absolute().parent.parent
        dataset = open_dataset(root, [root])
        files = [[file] for file in files_in(path, _END)] if path.is_dir() else [[path]]
    for places in files:
        rows = [_phases(place, findings) for place in places]
        known = [row for row in rows if row is not None]
        if len(known) == len(rows):
            name = places[0].name.removesuffix(".gz")
            video = re.sub(rf"({re.escape(_END)}|\.(txt|csv|tsv))$", "", name, flags=re.IGNORECASE)
            yield from records_of(dataset, video, SOURCE, known, places[0], options, findings)


def _phases(file: Path, findings: Findings) -> list[str] | None:
    """The phase of every frame, or None if row k is not frame k."""
    rows = [re.split(r"[\s,;]+", line, maxsplit=1) for line in lines_of(file)]
    first = int(bool(rows) and not rows[0][0][:1].isdecimal())  # below the header, if there is one
    rows = rows[first:]
    for number, row in enumerate(rows):
        if len(row) != 2 or not re.fullmatch(rf"0*{number}(\.0+)?", row[0]):
            findings.fault(f"{file}:{number + first + 1}", _why(rows, number))
            return None
    return [re.sub(r'^"(.*)"$', r"\1", phase) for _, phase in rows]


def _why(rows: Sequence[Sequence[str]], number: int) -> str:
    """What is wrong with row `number`, which is not that frame."""
    written = repr(" ".join(rows[number])[:60])
    numbers = [row[0] for row in rows[:3]]
    if numbers == ["1", "2", "3"]:
        return f"{written}: its rows count from 1; Cholec80's are frames from 0 (AutoLaparo's, from 1, are seconds)"
    if number == 1 and len(numbers) > 2 and numbers[1].isdecimal() and numbers[2] == str(2 * int(numbers[1])):
        return f"{written}: a row every {numbers[1]} frames does not tell where a phase begins; a row a frame does"
    return f"{written} is not frame {number} and its phase"
