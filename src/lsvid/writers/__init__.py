"""Writers: the labelled clips of an export become files of a format; spans become other tools' annotations.

To add a format: write `writers/<name>.py` with `write(export)`, which writes into `export.folder` and returns the names
of the files it wrote; add its line to WRITERS; and prove it by its own reader in `tests/test_writer_<name>.py`.
What writers share (levels, stitching a case, one label a frame, names) is in `writers/base.py`.

Importing this package is cheap: a writer is imported when it is used.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsvid.annotations.spans import Record
    from lsvid.findings import Findings
    from lsvid.writers.base import Export


@dataclass(frozen=True)
class Format:
    """What a format is.

    files: what is written. holds, loses: for people who choose. overlaps: several labels at once on one level.
    annotators: several people's work on one clip. options: of --layout, --sample-fps, --split-by, --background,
    --level, --unit and --split (with --folds), those that mean something to it. unit: what one video is.
    """

    files: str
    holds: str
    loses: str
    overlaps: bool = True
    annotators: bool = False
    options: frozenset[str] = frozenset()
    unit: str = "clip"

    @property
    def is_table(self) -> bool:
        """Whether it is the frame table itself."""
        return "layout" in self.options


def _options(*names: str) -> frozenset[str]:
    return frozenset(names)


_TABLE = {
    "holds": "everything the frame table has: every frame, every label, every annotator",
    "annotators": True,
    "options": _options("layout", "sample_fps", "split_by", "background"),
}

WRITERS: dict[str, Format] = {
    "csv": Format("frames.csv", loses="the types of columns", **_TABLE),  # type: ignore[arg-type]
    "jsonl": Format("frames.jsonl", loses="nothing", **_TABLE),  # type: ignore[arg-type]
    "parquet": Format("frames.parquet", loses="nothing", **_TABLE),  # type: ignore[arg-type]
    "segments": Format(
        "segments.csv, clips.csv",
        holds="every span in frames and seconds, of its clip and of its case; durations; clips with nothing in them",
        loses="scores, status, the source's own values (export-spans keeps them)",
        annotators=True,
        options=_options("split"),
    ),
    "mstcn": Format(
        "groundTruth/*.txt, mapping.txt, splits/*.bundle; a folder per level",
        holds="one label a frame and level, of a case (MS-TCN, ASFormer, DiffAct)",
        loses="times, several labels at once, where one region ends and the next of its label begins",
        overlaps=False,
        options=_options("sample_fps", "background", "level", "unit", "split"),
        unit="case",
    ),
    "cholec80": Format(
        "phase_annotations/*-phase.txt, tool_annotations/*-tool.txt; a folder per level",
        holds="one label a frame and level, of a case, at native rate; 0/1 for every label once a second",
        loses="times, several labels at once (but for the 0/1 files), where regions of one label meet",
        overlaps=False,
        options=_options("background", "level", "unit", "split"),
        unit="case",
    ),
    "activitynet": Format(
        "activitynet.json, classes.txt (with --folds: one JSON a split)",
        holds="segments in seconds, overlapping or not, rate, frames and subset (ActionFormer, OpenTAD, HACS)",
        loses="frames of clips of variable rate; levels, unless joined in the name",
        options=_options("level", "unit", "split"),
    ),
    "mmaction": Format(
        "classes.txt, rawframes.txt, videos.txt, activitynet.json (one of each a part, with splits)",
        holds="segments in frames, labels that occur in a clip, segments in seconds (MMAction2)",
        loses="levels, unless joined in the name; labels of single frames",
        options=_options("level", "split"),
    ),
    "fiftyone": Format(
        "labels.json, data.json",
        holds="segments in frames, from 1, both ends included; where the clips are",
        loses="times; levels, unless joined in the name",
        options=_options("level"),
    ),
    "huggingface": Format(
        "train/<case>/<clip>/<frame>.jpg, train/metadata.parquet (validation/, test/ too with --split)",
        holds="the pictures themselves, with all their labels, for datasets.load_dataset('imagefolder')",
        loses="regions; levels, unless joined in the name",
        options=_options("sample_fps", "background", "level", "split"),
    ),
    "webvtt": Format(
        "<case>/<clip>.vtt",
        holds="every span as a cue, to the millisecond; for players",
        loses="frames, levels, unless joined in the text",
        options=_options("level"),
    ),
    "srt": Format(
        "<case>/<clip>.srt",
        holds="every span as a subtitle, to the millisecond; for players",
        loses="frames, levels, unless joined in the text",
        options=_options("level"),
    ),
    "elan": Format(
        "one .eaf a clip",
        holds="every span on a tier for each level and annotator, in whole milliseconds; the clip as linked media",
        loses="scores; frames of clips of over 500 a second",
        annotators=True,
    ),
}


def writer(name: str) -> "Callable[[Export], list[str]]":
    """The `write` of the format `name`."""
    write: Callable[[Export], list[str]] = importlib.import_module(f"lsvid.writers.{name}").write
    return write


SPAN_WRITERS = ("spans", "prodigy")
"""What `export-spans` writes: `writers/<name>.py` with `lines(records, separator, findings)`."""


def span_writer(name: str) -> "Callable[[Iterable[Record], str, Findings], Iterator[bytes]]":
    """The lines of a file for the records of an export, given what joins a label path that has to be one text."""
    lines: Callable[[Iterable[Record], str, Findings], Iterator[bytes]]
    lines = importlib.import_module(f"lsvid.writers.{name}").lines
    return lines
