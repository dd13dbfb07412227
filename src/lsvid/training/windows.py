"""Windows: sequences of pictures with their labels, as a map-style sequence of numpy arrays, without image files."""

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lsvid.errors import ClipError, SettingsError
from lsvid.labels.naming import LabelPath
from lsvid.training.clips import IntArray, LabelArray, Labelling, TrainingClip
from lsvid.training.sampling import Anchors, check_sample, draw
from lsvid.video.decode import Image, Reader, check_size
from lsvid.video.index import VideoInfo
from lsvid.video.timebase import PackedFrameIndex, pack_pts, parse_rate, sample_frames, unpack_pts

WHERE = ("past", "centred")
MISSING = ("raise", "skip", "repeat")

_OPEN = 8
"""How many clips a thread keeps open."""


@dataclass(frozen=True)
class WindowOptions:
    """Which windows there are, and what they hold. A wrong value raises SettingsError, which lists the right ones.

    frames: pictures in a window. fps: pictures a second, sampled as in the frame table. stride: sampled pictures from
    one window to the next. where: "past": a window is for its last picture; "centred": for picture frames // 2. At the
    ends of a case the first or last picture is repeated.
    sample, n, group: see lsvid.training.sampling.draw. seed: for everything random.
    jitter: each epoch begins at another point between two sampled pictures.
    size, short_side: see lsvid.video.decode.pictures.
    labels: "multi" for uint8 (frames, classes), "single" for int64 (frames,). level: how many names of a label path
    count; None: all. background: the class of annotated pictures without a label.
    missing: what to do if a picture cannot be decoded. "raise": raise ClipError; "skip": take the next complete window
    instead; "repeat": take the picture of the window before it instead, or else after it, with that picture's label. If
    none of the window can be decoded, one of the pictures before it, or else after it, fills the window.
    include_unannotated: make windows also for clips that nobody annotated.
    threads: so many stretches of a clip are decoded at a time; None: two if key pictures are far apart, else one.
    """

    frames: int = 16
    fps: float | str | Fraction = 1
    stride: int = 1
    where: Literal["past", "centred"] = "past"
    sample: Literal["all", "random", "balanced", "case"] = "all"
    n: int | None = None
    group: int | None = None
    seed: int = 0
    jitter: bool = False
    size: tuple[int, int] | None = None
    short_side: int | None = None
    labels: Literal["multi", "single"] = "multi"
    level: int | None = None
    background: str | None = None
    missing: Literal["raise", "skip", "repeat"] = "raise"
    include_unannotated: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.frames < 1 or self.stride < 1:
            raise SettingsError(f"frames {self.frames}, stride {self.stride}: 1 or more of each")
        if self.where not in WHERE:
            raise SettingsError(f"where {self.where!r}: choose from {', '.join(WHERE)}")
        if self.missing not in MISSING:
            raise SettingsError(f"missing {self.missing!r}: choose from {', '.join(MISSING)}")
        check_size(self.size, self.short_side)
        check_fps(self.fps)


def check_fps(fps: float | str | Fraction) -> Fraction:
    """`fps` as an exact rate. Raises SettingsError."""
    try:
        return parse_rate(fps)
    except ValueError as error:
        raise SettingsError(f"fps: {error}", "give pictures a second: 1, 2.5, '30000/1001'") from error


class Windows:
    """Windows over whole cases: `len(windows)`, `windows[i]`. A window is decoded when it is asked for.

    A window is a dict that torch's DataLoader can collate:
    pictures  uint8 (frames, height, width, 3), RGB
    labels    uint8 (frames, classes), 255 for clips that nobody annotated; or int64 (frames,), -100 for these and for
              pictures without a label
    frame     int64 (frames,): the number of each picture in its clip, from 0
    clip      int64 (frames,): the place of each picture's clip in `dataset.clips`
    case      str
    missing   int: different pictures that could not be decoded on the way to it; only with missing="repeat" or "skip"

    `windows[i]` depends only on (seed, epoch, i). `set_epoch` sets the epoch; `windows[epoch, i]` gives it directly.
    Files are opened in the process that asks for a window. A pickled instance is small.
    """

    def __init__(self, clips: Sequence[TrainingClip], labels: Sequence[LabelPath], options: WindowOptions) -> None:
        self.options = options
        self.fps = check_fps(options.fps)
        self._labelling = Labelling(labels, options.labels, options.level, options.background)
        self._clips = [_Clip.of(clip, self._labelling.numbered(clip)) for clip in clips]
        self._epoch = 0
        self._damaged: set[tuple[int, int]] = set()  # (clip, frame)
        self._readers = _Readers()
        self._orders: dict[int, IntArray] = {}
        check_sample(options.sample, options.n, options.group, self._grid.anchors)

    @property
    def missing(self) -> Counter[str]:
        """How many pictures of each clip (case/name) could not be decoded so far, in this process."""
        return Counter(self._clips[clip].id for clip, _ in self._damaged)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, by number; the background is the last."""
        return self._labelling.names

    def counts(self) -> IntArray:
        """The number of windows for each class: int64, shape (classes,). No picture is decoded for this."""
        return self._grid.anchors.counts()

    def class_weights(self) -> npt.NDArray[np.float64]:
        """A weight for each class: the median of the counts divided by its count; 1 if it does not occur.

        float64, shape (classes,). As in CAMMA-public/MultiBypass140 (util/utils.py, compute_class_weights).
        """
        counts = self.counts()
        occur = counts > 0
        weights = np.ones(len(counts))
        weights[occur] = np.median(counts[occur]) / counts[occur]
        return weights

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of `windows[i]`. Persistent workers of a DataLoader do not notice it: use `keys` with them."""
        self._epoch = epoch

    def keys(self, epoch: int, start: int = 0) -> list[tuple[int, int]]:
        """(epoch, i) of every window from `start` on: a sampler for persistent workers, or to resume an epoch."""
        return [(epoch, i) for i in range(start, len(self))]

    def __len__(self) -> int:
        return len(self._grid.anchors.places) if self.options.n is None else self.options.n

    def __repr__(self) -> str:
        options = self.options
        return (
            f"<Windows: {len(self):,} of {options.frames} pictures at {self.fps} fps, {options.where}, from "
            f"{len({clip.case for clip in self._clips})} cases; {len(self.labels)} classes>"
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, i = key if isinstance(key, tuple) else (self._epoch, key)
        i = i + len(self) if i < 0 else i
        if not 0 <= i < len(self):
            raise IndexError(f"window {i} of {len(self)}")
        order, phase = self._order(epoch), self._phase(epoch)
        met: set[tuple[int, int]] = set()
        for further in range(len(self)):
            window = self._window(int(order[(i + further) % len(self)]), phase, met)
            if window is not None:
                return window if self.options.missing == "raise" else window | {"missing": len(met)}
        raise ClipError("every window holds a picture that cannot be decoded", "copy the clips again from their source")

    def __getstate__(self) -> dict[str, Any]:
        as_quickly_made_again = ("_grid", "_orders", "_readers", "_damaged")
        return {name: value for name, value in self.__dict__.items() if name not in as_quickly_made_again}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _orders={}, _readers=_Readers(), _damaged=set())

    @cached_property
    def _grid(self) -> "_Grid":
        return _Grid.of(self._clips, self.fps, self.options, len(self.labels))

    def _order(self, epoch: int) -> IntArray:
        """The places of an epoch's windows in the grid."""
        if epoch not in self._orders:
            options = self.options
            drawn = draw(self._grid.anchors, options.sample, options.n, options.group, (options.seed, epoch))
            self._orders = {epoch: drawn}
        return self._orders[epoch]

    def _phase(self, epoch: int) -> Fraction:
        """How far an epoch's sampled pictures lie after those of the frame table, as a part of the gap between two."""
        if not self.options.jitter:
            return Fraction(0)
        return Fraction(int(np.random.default_rng([self.options.seed, epoch, 1]).integers(1 << 20)), 1 << 20)

    def _window(self, place: int, phase: Fraction, met: set[tuple[int, int]]) -> dict[str, Any] | None:
        """The window for the picture at `place` in the grid; None if it has to be skipped for damaged pictures.

        The damaged pictures that it meets (clip, frame) are added to `met`.
        """
        repeats = self.options.missing == "repeat"
        places = self._places(place)
        clips, frames = self._pictures_at(places, phase)
        pictures, whole = self._decoded(clips, frames, met)
        if not whole.all():
            if not repeats:
                return None
            if pictures is None:
                return self._filled(places, phase, met)
            shown = _nearest(whole)
            pictures, clips, frames = pictures[shown], clips[shown], frames[shown]
        return self._item(pictures, clips, frames)

    def _filled(self, places: IntArray, phase: Fraction, met: set[tuple[int, int]]) -> dict[str, Any] | None:
        """A window of the nearest undamaged picture before `places`, or else after them; None if there is none."""
        begin, end = self._grid.run_of(int(places[0]))
        step = len(places)
        before = (np.arange(max(begin, stop - step), stop) for stop in range(int(places[0]), begin, -step))
        after = (np.arange(start, min(end, start + step)) for start in range(int(places[-1]) + 1, end, step))
        for some, nearest in [*((one, -1) for one in before), *((one, 0) for one in after)]:
            clips, frames = self._pictures_at(some, phase)
            pictures, whole = self._decoded(clips, frames, met)
            if pictures is not None:
                shown = np.repeat(np.flatnonzero(whole)[nearest], step)
                return self._item(pictures[shown], clips[shown], frames[shown])
        return None

    def _item(self, pictures: Image | None, clips: IntArray, frames: IntArray) -> dict[str, Any]:
        return {
            "pictures": pictures,
            "labels": self._labels(clips, frames),
            "frame": frames,
            "clip": clips,
            "case": self._clips[int(clips[0])].case,
        }

    def _places(self, place: int) -> IntArray:
        """The places in the grid of the pictures of the window for the picture at `place`."""
        options = self.options
        before = options.frames - 1 if options.where == "past" else options.frames // 2
        begin, end = self._grid.run_of(place)
        return np.asarray(np.arange(place - before, place - before + options.frames).clip(begin, end - 1))

    def _pictures_at(self, places: IntArray, phase: Fraction) -> tuple[IntArray, IntArray]:
        """The clips and frames at `places` in the grid."""
        grid = self._grid
        clips = grid.anchors.clips(places)
        frames = np.empty_like(places)
        for clip in np.unique(clips):
            index = self._clips[clip].info.index
            sampled = sample_frames(index, self.fps, phase)
            if not len(sampled):  # the clip is shorter than the phase
                sampled = sample_frames(index, self.fps)
            number = places[clips == clip] - grid.anchors.first_of_clip[clip]
            frames[clips == clip] = sampled[np.minimum(number, len(sampled) - 1)]
        return clips, frames

    def _decoded(
        self, clips: IntArray, frames: IntArray, met: set[tuple[int, int]]
    ) -> tuple[Image | None, npt.NDArray[np.bool_]]:
        """The pictures, and which of them are undamaged; None if none is. The others have undefined contents.

        Damaged ones are added to `met`. Known ones are not decoded again; and to skip a window, one is enough.
        """
        options = self.options
        pictures: Image | None = None
        whole = np.zeros(len(frames), dtype=bool)
        missing = "raise" if options.missing == "raise" else "skip"
        for number in np.unique(clips):
            clip, rows = self._clips[number], np.flatnonzero(clips == number)
            reader = self._readers.of(clip.path, clip.info, options.threads or self._grid.threads[number])
            rows_of: dict[int, list[int]] = {}
            for row in rows.tolist():
                rows_of.setdefault(int(frames[row]), []).append(row)
            known = {frame for frame in rows_of if (int(number), frame) in self._damaged}
            met |= {(int(number), frame) for frame in known}
            if known and options.missing == "skip":
                break
            found = set[int]()
            for frame, picture in reader.pictures(
                sorted(rows_of.keys() - known), size=options.size, short_side=options.short_side, missing=missing
            ):
                if pictures is None:
                    pictures = np.empty((len(frames), *picture.shape), dtype=np.uint8)
                if picture.shape != pictures.shape[1:]:
                    raise SettingsError(
                        f"pictures of {clip.path} are {picture.shape[1]}x{picture.shape[0]}, others of the same window "
                        f"{pictures.shape[2]}x{pictures.shape[1]}",
                        "bring all to one size: size=(width, height)",
                    )
                found.add(frame)
                for row in rows_of[frame]:
                    pictures[row] = picture
                whole[rows_of[frame]] = True
            damaged = {(int(number), frame) for frame in rows_of.keys() - known - found}
            met |= damaged
            self._damaged |= damaged
        return pictures, whole

    def _labels(self, clips: IntArray, frames: IntArray) -> LabelArray:
        numbers = list(dict.fromkeys(clips.tolist()))  # in the order of the window, in which each clip is one stretch
        found: LabelArray = np.concatenate(
            [
                self._labelling.of(frames[clips == n], self._clips[n].spans, looked=self._clips[n].looked)
                for n in numbers
            ]
        )
        return found


def _nearest(whole: npt.NDArray[np.bool_]) -> IntArray:
    """For each place, the nearest `whole` one at or before it; if there is none, the first `whole` one."""
    latest = np.maximum.accumulate(np.where(whole, np.arange(len(whole)), -1))
    return np.where(latest < 0, int(np.argmax(whole)), latest)


@dataclass(frozen=True)
class _Clip:
    """A clip in the form that is sent to workers, with its times packed. spans: see Labelling.numbered."""

    case: str
    name: str
    path: str
    case_frame: int
    packed: VideoInfo
    keys: bytes
    spans: IntArray
    looked: bool

    @classmethod
    def of(cls, clip: TrainingClip, spans: IntArray) -> "_Clip":
        info = replace(clip.info, index=PackedFrameIndex.of(clip.info.index), key_pts=_NO_KEYS)
        looked = clip.spans is not None
        keys = pack_pts(clip.info.key_pts)
        return cls(clip.case, clip.name, clip.path, clip.case_frame, info, keys, spans, looked)

    @property
    def id(self) -> str:
        return f"{self.case}/{self.name}"

    @property
    def info(self) -> VideoInfo:
        return replace(self.packed, key_pts=unpack_pts(self.keys))


_NO_KEYS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Grid:
    """All sampled pictures of all clips in order, and those for which there are windows.

    runs: the place at which each run of consecutive clips of a case begins, and the end of the last run.
    threads: the decoder's threads for each clip.
    """

    anchors: Anchors
    runs: IntArray
    threads: list[int]

    @classmethod
    def of(cls, clips: Sequence[_Clip], fps: Fraction, options: WindowOptions, n_classes: int) -> "_Grid":
        firsts, begins, threads = [], [], []
        stretches: list[IntArray] = [np.zeros((0, 3), dtype=np.int64)]
        total = 0
        next_up: tuple[str, int] | None = None  # the case, and its picture that would come next
        for clip in clips:
            info = clip.info
            sampled = sample_frames(info.index, fps)
            if next_up != (clip.case, clip.case_frame):
                begins.append(total)
            next_up = (clip.case, clip.case_frame + info.index.n_frames)
            places = np.searchsorted(sampled, clip.spans[:, 1:])
            found = np.column_stack([clip.spans[:, 0], places + total])[places[:, 0] < places[:, 1]]
            if clip.looked and options.background is not None:
                nothing = _gaps(found[:, 1:], total, total + len(sampled))
                found = np.concatenate([found, np.insert(nothing, 0, n_classes - 1, axis=1)])
            stretches.append(found)
            firsts.append(total)
            threads.append(1 if 2 * len(info.key_pts) >= len(sampled) else 2)
            total += len(sampled)
        first_of_clip, runs = np.array([*firsts, total]), np.array([*begins, total])
        number = {case: position for position, case in enumerate(dict.fromkeys(clip.case for clip in clips))}
        grid = np.arange(total)
        wanted = (grid - np.repeat(runs[:-1], np.diff(runs))) % options.stride == 0
        if not options.include_unannotated:
            wanted &= np.repeat([clip.looked for clip in clips], np.diff(first_of_clip))
        case_of_clip = np.array([number[clip.case] for clip in clips])
        anchors = Anchors(grid[wanted], first_of_clip, case_of_clip, np.concatenate(stretches), n_classes)
        return cls(anchors, runs, threads)

    def run_of(self, place: int) -> tuple[int, int]:
        """Begin and end of the run that holds `place`."""
        which = int(np.searchsorted(self.runs, place, side="right"))
        return int(self.runs[which - 1]), int(self.runs[which])


def _gaps(stretches: IntArray, begin: int, end: int) -> IntArray:
    """(start, stop) of the parts from `begin` to `end` that `stretches`, each (start, stop), do not cover."""
    change = np.zeros(end - begin + 1, dtype=np.int64)
    np.add.at(change, stretches[:, 0] - begin, 1)
    np.add.at(change, stretches[:, 1] - begin, -1)
    empty = np.concatenate([[0], np.cumsum(change[:-1]) == 0, [0]]).astype(np.int8)
    return np.asarray(np.flatnonzero(np.diff(empty)).reshape(-1, 2) + begin)


class _Readers(threading.local):
    """The few clips that a thread of this process keeps open."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._open: OrderedDict[str, Reader] = OrderedDict()

    def of(self, path: str, info: VideoInfo, threads: int) -> Reader:
        """The open clip at `path`."""
        if self._process != os.getpid():
            self._process, self._open = os.getpid(), OrderedDict()
        if path not in self._open:
            while len(self._open) >= _OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[path] = Reader(path, info, threads)
        self._open.move_to_end(path)
        return self._open[path]
