"""Shared by all writers: the export, its videos (clips, or cases with their clips stitched), one label a frame."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsvid.annotations.frames import TableOptions
from lsvid.annotations.splits import Fold
from lsvid.annotations.stages import AnnotatedClip
from lsvid.errors import DataError, SettingsError
from lsvid.files.names import places
from lsvid.files.spreadsheets import tell_formulas, write_csv
from lsvid.findings import Findings, some
from lsvid.labels.naming import level_names, level_paths, one_line_each, safe_ids, tell_changed
from lsvid.labels.tree import join_path
from lsvid.progress import Progress, unheard
from lsvid.video.timebase import FrameIndex, sample_frames
from lsvid.writers import format_of
from lsvid.writers.formats import FormatOptions

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers
    from lsvid.writers.images import ExportedPictures  # with multiprocessing behind it: only where pictures are wanted

LabelPath = tuple[str, ...]
LabelArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Level:
    """One level of the label tree. folder: '' or 'level_N/'. paths: its labels, in order; names: what to write."""

    number: int
    folder: str
    paths: Sequence[LabelPath]
    names: Mapping[LabelPath, str]


@dataclass(frozen=True)
class Segment:
    """A labelled stretch of a video: frames `[start, stop)` of it, counted from 0 at its first picture."""

    label: LabelPath
    start: int
    stop: int
    region: str = ""


@dataclass(frozen=True)
class Video:
    """One video of a format: a clip, or a case whose clips follow one another.

    name: safe as a file name (no dot, no blank). title: its name for people: `case`, or `case/clip`.
    """

    name: str
    title: str
    case: str
    clips: Sequence[AnnotatedClip]

    @cached_property
    def indexes(self) -> list[FrameIndex]:
        """The frame index of every clip."""
        return [clip.index for clip in self.clips]

    @cached_property
    def n_frames(self) -> int:
        """The number of its pictures."""
        return sum(index.n_frames for index in self.indexes)

    @property
    def length_s(self) -> Fraction:
        """The time that the pictures cover, in seconds."""
        return sum((index.length_s for index in self.indexes), Fraction(0))

    @cached_property
    def rate(self) -> Fraction | None:
        """The constant rate of all its clips; None if they have no common constant rate."""
        rates = {index.rate for index in self.indexes}
        return rates.pop() if len(rates) == 1 else None

    @cached_property
    def starts(self) -> list[tuple[int, Fraction]]:
        """For the beginning of each clip, and the end of the last: the number of the frame, and its time in seconds."""
        starts = [(0, Fraction(0))]
        for index in self.indexes:
            frames, time_s = starts[-1]
            starts.append((frames + index.n_frames, time_s + index.length_s))
        return starts

    def time_s(self, frame: int) -> Fraction:
        """The time of `frame` in seconds from the first picture; `n_frames`: the time at which the last one ends.

        At a constant rate it is frame / rate, so a reader that multiplies by the rate gets the frame.
        """
        if self.rate is not None:
            return frame / self.rate
        number = bisect_right(self.starts, frame, key=lambda start: start[0]) - 1
        first, passed_s = self.starts[number]
        if number == len(self.indexes):
            return passed_s
        index = self.indexes[number]
        return passed_s + index.time_s(frame - first) - index.start_s

    def seconds(self) -> list[int]:
        """For every second from the first picture: the first frame at or after it. At a whole rate, this is every
        rate-th frame.

        If the rate varies, a frame that lasts for several seconds is given for each of them.
        """
        if self.rate is not None:
            count = math.floor((self.n_frames - 1) / self.rate) + 1
            return [math.ceil(second * self.rate) for second in range(count)]
        times_s = np.concatenate([
            index.times_s() - float(index.start_s) + float(passed_s)
            for index, (_, passed_s) in zip(self.indexes, self.starts, strict=False)
        ])  # fmt: skip
        wanted = np.arange(math.floor(times_s[-1] + 1e-9) + 1) - 1e-9  # the times are doubles
        return [int(frame) for frame in np.searchsorted(times_s, wanted)]

    def segments(self, level: int | None = None) -> list[Segment]:
        """The labelled segments, by time. With `level`, labels are cut to that many names, and shorter ones are left
        out.

        Overlapping spans of one label become one segment. So do touching parts of one region, and spans that meet at
        the end of a clip.
        """
        found: list[Segment] = []
        ending: dict[LabelPath, int] = {}  # the segments, by their place in `found`, that reach the end of a clip
        for clip, (offset, _), (end, _) in zip(self.clips, self.starts, self.starts[1:], strict=False):
            inside = []
            for work in clip.tracks:
                for span in work.spans:
                    if level is not None and len(span.label) < level:
                        continue
                    start, stop = offset + span.start_frame, offset + span.stop_frame
                    inside.append(Segment(span.label[:level], start, stop, f"{work.annotator} {span.region_id}"))
            before, ending = ending, {}
            parts = _united(inside, key=lambda s: (s.label, s.region), touching=True)
            for segment in _united(parts, key=lambda s: s.label, touching=False):
                place = before.get(segment.label) if segment.start == offset else None
                if place is None:
                    place = len(found)
                    found.append(segment)
                else:
                    found[place] = replace(found[place], stop=segment.stop)
                if segment.stop == end:
                    ending[segment.label] = place
        return sorted(found, key=lambda s: (s.start, s.stop, s.label))


def _united(segments: Iterable[Segment], key: Callable[[Segment], object], *, touching: bool) -> list[Segment]:
    """The segments by their starts. Those of one key that overlap (or, if asked for, touch) become one."""
    united: list[Segment] = []
    last: dict[object, int] = {}  # the place in `united` of the last segment of each key, which ends last of all
    for segment in sorted(segments, key=lambda s: (s.start, s.stop)):
        place = last.get(key(segment))
        if place is not None and segment.start < united[place].stop + touching:
            united[place] = replace(united[place], stop=max(united[place].stop, segment.stop))
        else:
            last[key(segment)] = len(united)
            united.append(segment)
    return united


@dataclass(frozen=True)
class Made:
    """What a writer has made, for the manifest.

    files: their names. videos: those of the format, if it has any. counts: more numbers. facts: more about the format.
    """

    files: Sequence[str]
    videos: Sequence[Video] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """The data that a writer gets, and the folder for its files.

    folder: the writer writes into it; its files are moved into place later. output: that place on this machine; None if
    it is in S3. format, unit: the format's name, and what one video is (a clip or a case). clips: located, by case, in
    order. incomplete: cases of which some clips are not exported. table: label order, layout, sampling, background.
    options: the other options. folds: the splits, each with its cases. pictures: those of the frame table, if they are
    wanted. workers: make pictures, for formats that consist of them; None: this machine does.
    """

    folder: Path
    format: str
    clips: Sequence[AnnotatedClip]
    table: TableOptions
    findings: Findings
    output: Path | None = None
    unit: str = "clip"
    options: FormatOptions = field(default_factory=FormatOptions)
    folds: Sequence[Fold] = ()
    incomplete: frozenset[str] = frozenset()
    on_clip: Progress = unheard
    pictures: "ExportedPictures | None" = None
    workers: "Workers | None" = None

    @property
    def level(self) -> int | None:
        """The level of the label tree that is wanted, from 1; None: all levels."""
        return self.options.level

    def cases(self) -> dict[str, list[AnnotatedClip]]:
        """The clips of each case."""
        cases: dict[str, list[AnnotatedClip]] = {}
        for clip in self.clips:
            cases.setdefault(clip.case, []).append(clip)
        return cases

    def videos(self) -> list[Video]:
        """The clips, or the cases, as videos. Warns of changed names.

        If one of its clips is missing, a case is left out: its frames would be at wrong places. Raises DataError if no
        case is left.
        """
        if self.unit == "clip":
            groups = {clip.id: [clip] for clip in self.clips}
        else:
            groups = {}
            for case, clips in self.cases().items():
                if case in self.incomplete:
                    self.findings.leave_out(f"case {case}", _INCOMPLETE)
                else:
                    groups[case] = clips
        if not groups:
            raise DataError(
                f"<<format={self.format}>> takes a case for one video, and no case has all its clips annotated",
                "<<include_unannotated=True>> brings the rest as unlabelled; <<unit=clip>> takes each clip for one "
                "video",
            )
        plain = [title.replace("/", "_", 1) for title in groups]
        names = safe_ids(plain)
        what = f"names of videos that readers of {self.format} cannot take"
        tell_changed(self.findings, what, zip(plain, names, strict=True))
        return [
            Video(name, title, clips[0].case, clips) for name, (title, clips) in zip(names, groups.items(), strict=True)
        ]

    def clip_paths(self) -> dict[str, str]:
        """See `clip_paths` of this module."""
        return clip_paths(self.clips, self.findings)

    def case_paths(self) -> dict[str, str]:
        """The first part of `clip_paths`, by case."""
        paths = self.clip_paths()
        return {clip.case: paths[clip.id].partition("/")[0] for clip in self.clips}

    def levels(self) -> list[Level]:
        """The levels to write. If there are several, each has its own folder."""
        depth = max((len(path) for path in self.table.labels), default=0)
        if self.level is not None and self.level > depth:
            raise SettingsError(f"<<level={self.level}>>: the labels have {depth} levels", "choose one of them")
        if not depth:
            raise DataError("no labels: nothing is labelled, and no label file is given", "name it: <<labels=FILE>>")
        levels = _levels(self.table.labels, 0)
        if self.level is not None:
            levels = [replace(level, folder="") for level in levels if level.number == self.level]
        return levels

    def phases_and_tools(self) -> tuple[list[Level], list[Level]]:
        """The levels of the phases (one label holds at a time), and for each level the tools (several may hold at
        once).

        They are the labels below those that the options `phases` and `tools` name, or these themselves if they have no
        sub labels. If one option is missing, it means all other labels; if both are missing, both mean all labels. If
        tools have several levels, the first is taken. Raises SettingsError if a label is both.
        """
        phases, tools = self.options.phases, self.options.tools
        if not phases and not tools:
            levels = self.levels()
            return levels, levels
        below, others = self._branch(phases or tools)
        if phases and tools:
            chosen, _ = self._branch(tools)
            if both := set(below) & set(chosen):
                raise SettingsError(f"{join_path(min(both))!r} is both a phase and a tool", "name labels that differ")
        else:
            chosen = others if phases else below
            below = below if phases else others
        if not below or not chosen:
            raise SettingsError("no label is left that is a phase, or a tool", "name both: phases and tools")
        levels = _levels(below, _base(below))
        if self.level is not None:
            levels = [replace(level, folder="") for level in levels[self.level - 1 : self.level]]
        return levels, [_levels(chosen, _base(chosen))[0]] * len(levels)

    def _branch(self, asked: Sequence[str]) -> tuple[list[LabelPath], list[LabelPath]]:
        """The labels that `asked` names with those below them, and all others."""
        roots = {self._label(text) for text in asked}
        below = [path for path in self.table.labels if any(path[: len(root)] == root for root in roots)]
        above = {root[:n] for root in roots for n in range(1, len(root))}
        return below, [path for path in self.table.labels if path not in below and path not in above]

    def _label(self, text: str) -> LabelPath:
        every = list(dict.fromkeys(path[:n] for path in self.table.labels for n in range(1, len(path) + 1)))
        found = [path for path in every if join_path(path) == text] or [path for path in every if path[-1] == text]
        if len(found) == 1:
            return found[0]
        among = found or every
        raise SettingsError(
            f"{text!r} is no label" if not found else f"{len(found)} labels are called {text!r}",
            f"name one of {some([join_path(path) for path in among], 10)}",
        )

    def label_names(self) -> dict[LabelPath, str]:
        """The text for every label in a format of segments: its joined path, or its name on the one level."""
        if self.level is None:
            return {path: join_path(path) for path in self.table.labels}
        return dict(self.levels()[0].names)

    def class_names(self, videos: Iterable[Video]) -> dict[LabelPath, str]:
        """The text for every label that occurs, in their order, each on one line. Warns of changed names.

        For a format that knows labels by their names. A format that numbers them takes `all_class_names`: then two
        exports with one label file have the same numbers.
        """
        used = {segment.label for video in videos for segment in video.segments(self.level)}
        return self.lines_of({path: name for path, name in self.label_names().items() if path in used})

    def all_class_names(self) -> dict[LabelPath, str]:
        """The text for every label, also for those that do not occur, in their order, each on one line."""
        return self.lines_of(self.label_names())

    def to_train_on(self, videos: Sequence[Video], trainings: Iterable[Collection[str]]) -> list[list[Video]]:
        """For each of `trainings` (the cases that a split trains on), `videos` without those of its cases in which
        nothing is labelled. These are reported as left out, once.
        """
        unlabelled = {video.title for video in videos if not video.segments(self.level)}
        kept: list[list[Video]] = []
        left_out: dict[str, None] = {}
        for cases in trainings:
            lost = dict.fromkeys(video.title for video in videos if video.title in unlabelled and video.case in cases)
            kept.append([video for video in videos if video.title not in lost])
            left_out |= lost
        for title in left_out:
            self.findings.leave_out(f"video {title}", _NOT_TO_TRAIN_ON)
        return kept

    def lines_of(self, names: Mapping[LabelPath, str]) -> dict[LabelPath, str]:
        """`names` as one line each, all different. Warns of changed names."""
        lines = one_line_each(names)
        what = f"names of labels that readers of {self.format} cannot take"
        tell_changed(self.findings, what, zip(names.values(), lines.values(), strict=True))
        return lines

    def tracks(self, video: Video, levels: Sequence[Level]) -> list[LabelArray]:
        """For each level an array with the position of every frame's label in the level's `paths`; -1 for no label.

        Raises DataError if a frame has two labels of one level; for formats that hold only one.
        """
        tracks: list[LabelArray] = []
        clashes: list[str] = []
        for level in levels:
            rank = {path: number for number, path in enumerate(level.paths)}
            track = np.full(video.n_frames, -1, dtype=np.int32)
            for segment in video.segments(level.number):
                if segment.label not in rank:  # of another branch
                    continue
                part = track[segment.start : segment.stop]
                other = np.flatnonzero((part >= 0) & (part != rank[segment.label]))
                if len(other):
                    names = [level.names[level.paths[part[other[0]]]], level.names[segment.label]]
                    clashes.append(f"{video.title}, frame {segment.start + int(other[0])}: {' and '.join(names)}")
                part[:] = rank[segment.label]
            tracks.append(track)
        if clashes:
            hint = "<<overlap=priority>> settles which; 'lsvid formats' says which formats hold several"
            if "phases" in format_of(self.format).options:
                hint = "say which labels are phases: <<phases=LABEL>>; or which goes first: <<overlap=priority>>"
            raise DataError(
                f"<<format={self.format}>> holds one label a frame on each level, but some have more: "
                + some(clashes, separator="; "),
                hint,
            )
        return tracks

    def active(self, video: Video, level: Level) -> npt.NDArray[np.uint8]:
        """0/1, of shape (labels of `level`, frames of `video`): 1 where the label holds on the frame; several labels
        may hold.
        """
        active = np.zeros((len(level.paths), video.n_frames), dtype=np.uint8)
        row = {path: number for number, path in enumerate(level.paths)}
        for segment in video.segments(level.number):
            if segment.label in row:
                active[row[segment.label], segment.start : segment.stop] = 1
        return active

    def sampled(self, video: Video) -> npt.NDArray[np.int64]:
        """The frames of `video` that sampling keeps, counted anew in each clip; without sampling, all frames."""
        if self.table.sample_fps is None:
            return np.arange(video.n_frames, dtype=np.int64)
        kept, offset = [], 0
        for index in video.indexes:
            kept.append(sample_frames(index, self.table.sample_fps) + offset)
            offset += index.n_frames
        return np.concatenate(kept)

    def path(self, name: str) -> Path:
        """The file `name` in the folder to write into. Its own folder is made if needed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_text(self, name: str, lines: Iterable[str]) -> str:
        """Write `lines` into the file `name`, with LF at the end of each; returns `name`."""
        with self.path(name).open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
        return name

    def tell_formulas(self) -> None:
        """Warn of labels and names that a spreadsheet takes for formulas, once."""
        names = {name for clip in self.clips for name in (clip.case, clip.name)}
        names |= {name for path in self.table.labels for name in path}
        names |= {work.annotator for clip in self.clips for work in clip.tracks}
        regions = {span.region_id for clip in self.clips for work in clip.tracks for span in work.spans}
        names |= {region for region in regions if not re.fullmatch(r"[\w-]*", region)}  # Label Studio's begin with any
        tell_formulas(names, self.findings, safe=self.options.spreadsheet_safe)

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
        """Write a CSV file with a header; returns `name`. Warns of texts that spreadsheets would run, or makes them
        safe.
        """
        self.tell_formulas()
        write_csv(self.path(name), header, rows, safe=self.options.spreadsheet_safe)
        return name


def clip_paths(clips: Sequence[AnnotatedClip], findings: Findings) -> dict[str, str]:
    """`case/clip` of every clip as a path below a folder, by the clip's id. Warns of changed names."""
    found = places((clip.case, clip.name) for clip in clips)
    paths = {clip.id: found[clip.case, clip.name] for clip in clips}
    tell_changed(findings, "names that cannot be those of files", paths.items())
    return paths


def _levels(labels: Sequence[LabelPath], base: int) -> list[Level]:
    """The levels of `labels` below the first `base` names of each."""
    depth = max(len(path) for path in labels)
    levels = []
    for number in range(base + 1, depth + 1):
        paths = level_paths(labels, number)
        folder = f"level_{number - base}/" if depth > base + 1 else ""
        levels.append(Level(number, folder, paths, level_names(paths)))
    return levels


def _base(labels: Sequence[LabelPath]) -> int:
    """The number of names before the first one in which `labels` differ. For one label and all below it: the number of
    its own names.
    """
    shortest = min(len(path) for path in labels)
    shared = next((n for n in range(shortest) if len({path[n] for path in labels}) > 1), shortest)
    return min(shared, max(len(path) for path in labels) - 1)


_INCOMPLETE = (
    "cases with clips that are not exported (<<include_unannotated=True>> brings those; <<unit=clip>> takes each alone)"
)


_NOT_TO_TRAIN_ON = "videos without any label, left out of training, which would fail on them"


def two_with_one_name(what: str, background: str) -> DataError:
    """The error if `what` ("3 frames") has no label and would get the name of a label: nobody could tell the two."""
    return DataError(
        f"{what} without a label would be called {background!r}, which is also the name of a label",
        "give them another name: <<background=NAME>>; or the label: <<rename=OLD=NEW>>",
    )
