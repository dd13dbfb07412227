"""Makes one annotator of a clip's several, for training: for each frame, and each level of the label tree. Pure.

Annotators vote for each label on each frame. A vote for a sub label is also a vote for the labels above it. So if two
people agree on "Suturing" but not on its kind, the frame gets "Suturing".
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from lsvid.annotations.codings import Runs, accuracy, cohen_kappa, confusion
from lsvid.annotations.spans import Annotation, Frames, LocatedSpan, Span, Status
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.errors import SettingsError, check_choice
from lsvid.findings import Findings

MERGES = ("majority", "union", "intersection", "priority")
SOURCE = "lsvid-merge"

LabelPath = tuple[str, ...]
Labels = frozenset[LabelPath]


@dataclass(frozen=True)
class MergeOptions:
    """how: one of MERGES. order: for priority, the annotators; the first one counts most."""

    how: str
    order: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise SettingsError if `how` is not one of MERGES."""
        check_choice("merge", self.how, MERGES)

    def check(self) -> None:
        """Raise SettingsError if priority has no order."""
        if self.how == "priority" and not self.order:
            raise SettingsError(
                "<<merge=priority>> does not know whose word counts first",
                "name all annotators in that order: <<annotators=ANNA>> <<annotators=BEN>>",
            )


@dataclass(frozen=True)
class _Votes:
    """The labels of each annotator, on segments of frames on which nothing changes.

    lengths: frames of each segment. marked: by annotator, the labels on each segment, those above them included.
    """

    lengths: Sequence[int]
    marked: Mapping[str, Sequence[Labels]]

    def at_level(self, annotator: str, level: int) -> list[Labels]:
        """The labels of `annotator` on each segment, at one level (from 1)."""
        return [frozenset(path for path in labels if len(path) == level) for labels in self.marked[annotator]]


def merge(
    clips: Iterable[AnnotatedClip], options: MergeOptions, findings: Findings
) -> tuple[list[AnnotatedClip], dict[str, Any]]:
    """(the clips, each with one annotation, by an annotator named `options.how`, in place of its own; a report).

    Its spans are runs of frames with one label. If a frame has a label and one below it, it gets the lower one.
    majority: more than half of the clip's annotators. priority: at each level, the labels of the first annotator in the
    order who marked anything. Ties (exactly half) are no majority: a warning counts them, and the report holds them,
    with the agreement of annotators before merging. Raises the SettingsError of `MergeOptions.check`.
    """
    options.check()
    reports, merged = [], []
    all_tied = 0
    for clip in clips:
        if not clip.tracks:
            merged.append(clip)
            continue
        votes = _votes(clip.tracks, clip.index.n_frames)
        depth = max((len(path) for ones in votes.marked.values() for labels in ones for path in labels), default=1)
        kept: list[set[LabelPath]] = [{()} for _ in votes.lengths]
        levels: list[dict[str, float | None]] = []
        for level in range(1, depth + 1):
            chosen, tied, undecided = _choose(votes, kept, level, options)
            all_tied += tied
            kept = [before | now for before, now in zip(kept, chosen, strict=True)]
            levels.append({"level": level, **agreement(votes, level), "tied_frames": tied,
                           "undecided_frames": undecided})  # fmt: skip
        reports.append({"case": clip.case, "clip": clip.name, "annotators": list(votes.marked), "levels": levels})
        merged.append(replace(clip, tracks=(_merged(clip, votes, kept, options.how),)))
    if all_tied:
        findings.warn(
            f"{all_tied:,} frames (counted at each level) had exactly half of the annotators for a label: no majority",
            "these frames do not get the label; manifest.json names the clips; <<merge=priority>> would decide",
        )
    return merged, {"how": options.how, "order": list(options.order), "clips": reports}


def _votes(works: Sequence[Track[LocatedSpan]], n_frames: int) -> _Votes:
    spans = [span for work in works for span in work.spans]
    borders = np.array(sorted({0, n_frames, *(b for span in spans for b in _frames(span))}), dtype=np.int64)
    marked: dict[str, list[Labels]] = {}
    for work in works:
        on_segments: list[set[LabelPath]] = [set() for _ in borders[1:]]
        for span in work.spans:
            first, last = np.searchsorted(borders, _frames(span))
            for segment in range(int(first), int(last)):
                on_segments[segment].update(span.label[:n] for n in range(1, len(span.label) + 1))
        marked[work.annotator] = [frozenset(labels) for labels in on_segments]
    return _Votes([int(length) for length in np.diff(borders)], marked)


def _choose(
    votes: _Votes, kept: Sequence[set[LabelPath]], level: int, options: MergeOptions
) -> tuple[list[set[LabelPath]], int, int]:
    """(the labels of this level on each segment, tied frames, frames on which labels were marked but none is chosen).

    Only labels below those `kept` at the level above are chosen.
    """
    by_annotator = {annotator: votes.at_level(annotator, level) for annotator in votes.marked}
    order = [name for name in options.order if name in by_annotator]
    order += [name for name in by_annotator if name not in order]
    n = len(by_annotator)
    chosen: list[set[LabelPath]] = []
    tied = undecided = 0
    for segment, length in enumerate(votes.lengths):
        marked = [{path for path in by_annotator[a][segment] if path[:-1] in kept[segment]} for a in order]
        count = Counter(path for labels in marked for path in labels)
        if options.how == "priority":
            now = _first_word(marked)
        else:
            needed = {"majority": n // 2 + 1, "union": 1, "intersection": n}[options.how]
            now = {path for path, number in count.items() if number >= needed}
        chosen.append(now)
        if options.how == "majority" and any(2 * number == n for number in count.values()):
            tied += length
        elif count and not now:
            undecided += length
    return chosen, tied, undecided


def _first_word(marked: Sequence[set[LabelPath]]) -> set[LabelPath]:
    """For each label of the level above, the labels of the first of `marked` that has any below it."""
    chosen: set[LabelPath] = set()
    for labels in marked:
        decided = {path[:-1] for path in chosen}
        chosen |= {path for path in labels if path[:-1] not in decided}
    return chosen


def _merged(clip: AnnotatedClip, votes: _Votes, kept: Sequence[set[LabelPath]], how: str) -> Track[LocatedSpan]:
    names: dict[str, Any] = {
        "case": clip.case, "clip": clip.name, "annotator": how, "status": Status.ACCEPTED, "source": SOURCE,
        "annotation_id": how,
    }  # fmt: skip
    runs: dict[LabelPath, list[list[int]]] = {}
    start = 0
    for labels, length in zip(kept, votes.lengths, strict=True):
        for path in labels:
            if not path or any(len(other) > len(path) and other[: len(path)] == path for other in labels):
                continue
            ones = runs.setdefault(path, [])
            if ones and ones[-1][1] == start:
                ones[-1][1] = start + length
            else:
                ones.append([start, start + length])
        start += length
    ordered = sorted((start, stop, path) for path, ones in runs.items() for start, stop in ones)
    spans = tuple(
        Span(**names, label=path, region_id=str(number), basis=Frames(start, stop)).located(clip.index)
        for number, (start, stop, path) in enumerate(ordered, start=1)
    )
    return Track(Annotation(**names), spans, how)


def agreement(votes: _Votes, level: int) -> dict[str, float | None]:
    """How far annotators agree on the labels of one level: means over their pairs; None if not defined.

    agreement: the share of frames on which both have the same labels. kappa: Cohen's; a category is a frame's set of
    labels, which may be empty.
    """
    numbers: dict[Labels, int] = {}
    codes = [[numbers.setdefault(said, len(numbers)) for said in votes.at_level(name, level)] for name in votes.marked]
    runs = Runs(np.array(votes.lengths, dtype=np.int64), np.array(codes, dtype=np.int64))
    tables = [confusion(runs, one, other) for one, other in combinations(range(len(codes)), 2)]
    return {"agreement": _mean(map(accuracy, tables)), "kappa": _mean(map(cohen_kappa, tables))}


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _frames(span: LocatedSpan) -> tuple[int, int]:
    return span.start_frame, span.stop_frame
