"""Annotated clips for training: pictures in order, and the labels of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from lsvid.annotations.stages import AnnotatedClip, Stage
from lsvid.errors import DataError, SettingsError
from lsvid.findings import Findings
from lsvid.labels.naming import LabelPath, level_paths
from lsvid.labels.tree import join_path
from lsvid.video.index import VideoInfo
from lsvid.video.proxies import Copy

NOT_LOOKED = 255
"""In multi-label arrays: nobody has annotated this picture's clip."""

NO_LABEL = -100
"""In single-label arrays: nobody has annotated this picture's clip, or it has no label. Torch's losses ignore it."""

LABEL_KINDS = ("multi", "single")

LabelArray = npt.NDArray[np.uint8] | npt.NDArray[np.int64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingClip:
    """A clip with the spans of one annotator: (label path, start_frame, stop_frame), half-open.

    spans: None if nobody annotated the clip. path, info: those of the file from which pictures are read. case_frame:
    the frame of its first picture in the case, counting every clip of the case.
    """

    case: str
    name: str
    path: str
    info: VideoInfo
    case_frame: int
    spans: tuple[tuple[LabelPath, int, int], ...] | None

    @property
    def id(self) -> str:
        """`case/name`, which is unique for each clip."""
        return f"{self.case}/{self.name}"


def training_clips(
    clips: Iterable[AnnotatedClip], annotator: str | None = None, copies: Mapping[str, Copy] | None = None
) -> list[TrainingClip]:
    """`clips` with the spans of `annotator`; None: those of the one person who annotated each clip.

    copies: by the clip's id, the file from which its pictures are read. Raises SettingsError if a clip has several
    annotators and none is chosen, or if there is no such annotator.
    """
    clips = list(clips)
    names = {work.annotator for clip in clips for work in clip.tracks}
    if annotator is not None and annotator not in names:
        raise SettingsError(f"no annotator is called {annotator!r}", f"there are: {', '.join(sorted(names)) or 'none'}")
    found = []
    for clip in clips:
        works = [work for work in clip.tracks if annotator in (None, work.annotator)]
        if len(works) > 1:
            raise SettingsError(
                f"clip {clip.id} has several annotators: {', '.join(work.annotator for work in works)}",
                "choose one of them (annotator), or merge them into one first",
            )
        spans = tuple((span.label, span.start_frame, span.stop_frame) for span in works[0].spans) if works else None
        found.append(_training_clip(clip, spans, copies or {}))
    return found


def _training_clip(
    clip: AnnotatedClip, spans: tuple[tuple[LabelPath, int, int], ...] | None, copies: Mapping[str, Copy]
) -> TrainingClip:
    source = copies.get(clip.id) or Copy(clip.path, clip.info)
    return TrainingClip(clip.case, clip.name, source.path, source.info, clip.case_frame, spans)


def whole_cases(
    located: Stage[AnnotatedClip],
    findings: Findings,
    copies: Mapping[str, Copy] | None = None,
    *,
    include_unannotated: bool = False,
) -> list[TrainingClip]:
    """The clips, without labels, of the cases that are complete; the other cases are left out and counted.

    As in formats in which a case is one video, a case is not complete if a clip is missing, or if nobody annotated one
    (unless `include_unannotated`): features would not be as long as its labels.
    """
    found = []
    for case in located.cases:
        unannotated = [clip.id for clip in case.clips if not clip.tracks]
        if case.lost:
            findings.leave_out(f"case {case.name}", "cases with clips that cannot be found or read")
        elif unannotated and not include_unannotated:
            findings.leave_out(f"case {case.name}", "cases with clips that nobody has annotated")
        else:
            found += [_training_clip(clip, None, copies or {}) for clip in case.clips]
    return found


class Labelling:
    """Turns spans into numbers. names: the classes, in the order of their numbers; the background is the last.

    kind: "multi" for 0/1 columns, "single" for the number of the only class. level: how many names of a label path
    count; None: all. background: the class of pictures without a label.
    """

    def __init__(
        self, labels: Sequence[LabelPath], kind: Literal["multi", "single"], level: int | None, background: str | None
    ) -> None:
        if kind not in LABEL_KINDS:
            raise SettingsError(f"labels {kind!r}: choose from {', '.join(LABEL_KINDS)}")
        if level is not None and level < 1:
            raise SettingsError(f"level {level}: levels count from 1")
        self._level = level
        paths = list(labels) if level is None else level_paths(labels, level)
        if not paths:
            raise SettingsError(f"no label reaches level {level}" if level else "there is no label at all")
        self._number = {path: number for number, path in enumerate(paths)}
        names = [join_path(path) for path in paths]
        if background in names:
            raise SettingsError(f"the background's name, {background!r}, is a label's", "choose another name")
        self.kind = kind
        self.has_background = background is not None
        self.names: tuple[str, ...] = (*names, background) if background is not None else tuple(names)

    def numbered(self, clip: TrainingClip) -> IntArray:
        """(class, start_frame, stop_frame) of the spans of `clip` that have a class: shape (n, 3), by class and start.

        Spans of one class that overlap or touch are joined. Raises DataError if single labels overlap.
        """
        spans = sorted(
            (self._number[self._cut(path)], start, stop)
            for path, start, stop in clip.spans or ()
            if self._cut(path) in self._number
        )
        merged: list[list[int]] = []
        for number, start, stop in spans:
            if merged and merged[-1][0] == number and start <= merged[-1][2]:
                merged[-1][2] = max(merged[-1][2], stop)
            else:
                merged.append([number, start, stop])
        if self.kind == "single":
            self._check_single(clip, merged)
        return np.array(merged, dtype=np.int64).reshape(-1, 3)

    def _cut(self, path: LabelPath) -> LabelPath:
        return path if self._level is None else path[: self._level]

    def _check_single(self, clip: TrainingClip, spans: list[list[int]]) -> None:
        by_start = sorted(spans, key=lambda span: span[1])
        for (one, _, stop), (other, start, _) in pairwise(by_start):
            if start < stop:
                raise DataError(
                    f"clip {clip.id}: picture {start} has two labels, {self.names[one]} and {self.names[other]}",
                    'ask for labels="multi", for a level at which they are one, or settle overlaps first (tidy)',
                )

    def of(self, frames: IntArray, spans: IntArray, *, looked: bool) -> LabelArray:
        """The labels of `frames`: uint8, shape (n, classes), or int64, shape (n,). spans: as from `numbered`."""
        inside = (frames[:, None] >= spans[:, 1]) & (frames[:, None] < spans[:, 2])  # (n, spans)
        n_classes = len(self.names)
        if self.kind == "multi":
            table = np.full((len(frames), n_classes), 0 if looked else NOT_LOOKED, dtype=np.uint8)
            row, which = np.nonzero(inside)
            table[row, spans[which, 0]] = 1
            if looked and self.has_background:
                table[~inside.any(axis=1), -1] = 1
            return table
        nothing = n_classes - 1 if looked and self.has_background else NO_LABEL
        numbers = np.full(len(frames), nothing, dtype=np.int64)
        row, which = np.nonzero(inside)
        numbers[row] = spans[which, 0]
        return numbers
