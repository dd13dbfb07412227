"""Put truth and predictions side by side, frame by frame, for the evaluation.

They are paired by case and by time, never by their place in a list. One PairingError lists all that does not fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lsvid.analysis.detections import Detection
from lsvid.analysis.timings import LabelPath, case_time_s, labels_at
from lsvid.annotations.codings import MISSING, NOTHING, IntArray, Runs, runs_of_frames
from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip, GatheredClip, Stage, Track
from lsvid.errors import PairingError, SettingsError
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.video.timebase import FrameIndex, sample_frames

Frames = npt.ArrayLike
"""The frames of a case: integers, shape (T,), -1 for no label, in the truth -100 where nobody looked; or, if a frame
may have several labels, 0 and 1, shape (T, K).
"""

Scored = tuple[float, float, int | str, float]
"""(start_s, end_s, number or name of a label, score) of a prediction."""

LabelSet = frozenset[int]

_MISSING_CLIP = Runs(np.ones(1, np.int64), np.full((2, 1), MISSING))
"""Stands for a clip that cannot be read, so that nothing is joined across it."""

IGNORED = -100
"""In the truth: nobody looked at this frame. torch's losses ignore this value, and `Dataset.windows` gives it."""

MAX_UNNAMED_LABELS = 1000
"""So many labels need names: a single wrong number would otherwise make a table that is larger than any memory."""

MAX_UNEQUAL_FRAMES = 1
"""A prediction may differ in length from its truth by this many frames, from rounding. Both are cut to the shorter."""


@dataclass(frozen=True)
class Pairs:
    """Truth and predictions of every case, frame by frame.

    cases: by name, runs with codes of shape (2, n_runs), the truth first: MISSING where nobody looked, NOTHING for no
    label, then a code for each label (or set of labels). paths: those of the labels, in order. members[label, code]:
    whether the code contains the label. fps: frames a second. truth, found: the stretches of the truth, and the
    predictions with a score, in seconds of the case.
    """

    cases: Mapping[str, Runs]
    paths: Sequence[LabelPath]
    members: npt.NDArray[np.bool_]
    fps: Fraction
    truth: Sequence[Detection] = ()
    found: Sequence[Detection] = ()

    @property
    def labels(self) -> list[str]:
        """The names of the labels."""
        return [join_path(path) for path in self.paths]

    @property
    def several_at_once(self) -> bool:
        """Whether any frame has more than one label."""
        return bool((self.members.sum(axis=0) > 1).any())


@dataclass
class _Codes:
    """Numbers for sets of labels: first the single labels, in order, then sets in the order of their appearance."""

    n_labels: int
    numbers: dict[LabelSet, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {frozenset(): NOTHING} | {frozenset([k]): k + 1 for k in range(self.n_labels)}

    def of(self, labels: Iterable[int]) -> int:
        return self.numbers.setdefault(frozenset(labels), len(self.numbers))

    def members(self) -> npt.NDArray[np.bool_]:
        table = np.zeros((self.n_labels, len(self.numbers)), dtype=bool)
        for labels, code in self.numbers.items():
            table[[label for label in labels if label >= 0], code] = True
        return table


# --- From arrays ------------------------------------------------------------------------------------------------------


def pair_arrays(
    truth: Mapping[str, Frames],
    predictions: Mapping[str, Frames],
    paths: Sequence[LabelPath] | None,
    fps: Fraction,
    findings: Findings,
    *,
    common: bool,
    scored: Mapping[str, Iterable[Scored]] | None = None,
) -> Pairs:
    """The Pairs of two sides of arrays.

    paths: their labels; None: the numbers up to the highest. scored: by case, (start_s, end_s, label, score) of each
    prediction with a score. Raises PairingError with everything that does not fit; with `common`, cases of only one
    side are left out and counted instead.
    """
    faults: list[str] = []
    sides = [_checked(truth, "truth", faults), _checked(predictions, "predictions", faults)]
    names = _common_cases(list(truth), list(predictions), faults, findings, common=common)
    if paths is None:
        paths = _numbered(sides, faults)
    for name, side in zip(("truth", "predictions"), sides, strict=True):
        for case, array in side.items():
            if array.ndim == 2 and array.shape[1] != len(paths):
                faults.append(f"case {case}: {name} have {array.shape[1]} columns for {len(paths)} labels")
            elif _highest(array) >= len(paths) and not (common and side is sides[1] and array.ndim == 1):
                faults.append(f"case {case}: {name} hold label {_highest(array)}, but labels are 0 to {len(paths) - 1}")
    found = _scored(scored or {}, truth, paths, faults, findings)
    codes = _Codes(len(paths))
    cases = {}
    for case in (name for name in names if name in sides[0] and name in sides[1]):
        pair = [sides[0][case], sides[1][case]]
        length = _common_length(case, pair, faults, findings, common=common)
        if not faults:
            cases[case] = _runs([array[:length] for array in pair], codes)
    check_pairing(faults)
    if n_ignored := sum(int(runs.lengths[runs.codes[0] == MISSING].sum()) for runs in cases.values()):
        findings.warn(f"{n_ignored} frames of the truth are {IGNORED}: nobody looked there, and they are left out")
    members = codes.members()
    if not found:
        return Pairs(cases, paths, members, fps)
    spans = [
        Detection(case, label, float(start / fps), float(stop / fps))
        for case, runs in cases.items()
        for label, start, stop in _label_runs(runs.lengths, members[:, np.maximum(runs.codes[0], NOTHING)])
    ]
    return Pairs(cases, paths, members, fps, spans, found)


def _numbered(sides: Sequence[Mapping[str, IntArray]], faults: list[str]) -> list[LabelPath]:
    """The numbers from 0 to the highest label, as labels. Raises PairingError if they are too many."""
    highest = {
        f"case {case}: {name}": _highest(array)
        for name, side in zip(("truth", "predictions"), sides, strict=True)
        for case, array in side.items()
    }
    if many := {where: number for where, number in highest.items() if number >= MAX_UNNAMED_LABELS}:
        check_pairing(
            [*faults, *(f"{where} hold label {n}; name the labels if there are so many" for where, n in many.items())]
        )
    return [(str(number),) for number in range(max(highest.values(), default=-1) + 1)]


def _checked(side: Mapping[str, Frames], name: str, faults: list[str]) -> dict[str, IntArray]:
    """The arrays of a side, int64, of the cases that have no fault."""
    checked = {}
    for case, values in side.items():
        try:
            array = np.asarray(values)
        except ValueError:
            faults.append(f"case {case}: {name} have rows of different lengths")
            continue
        low, high = (int(array.min()), int(array.max())) if array.size and array.dtype.kind in "biu" else (0, 0)
        ignored = array.ndim == 1 and name == "truth" and low == IGNORED
        if ignored:
            low = int(array[array != IGNORED].min(initial=-1))
        if array.ndim not in (1, 2):
            faults.append(f"case {case}: {name} have the shape {array.shape}, not (T,) or (T, K)")
        elif array.size and array.dtype.kind not in "biu":
            faults.append(f"case {case}: {name} are {array.dtype}, not whole numbers")
        elif low < (-1 if array.ndim == 1 else 0):
            faults.append(f"case {case}: {name} hold {low}; -1 is no label")
        elif array.ndim == 2 and high > 1:
            faults.append(f"case {case}: {name} of shape (T, K) hold {high}, not only 0 and 1")
        elif high > np.iinfo(np.int64).max:
            faults.append(f"case {case}: {name} hold {high}, which is no label")
        else:
            checked[case] = array.astype(np.int64, copy=False)
    return checked


def _common_length(case: str, pair: Sequence[IntArray], faults: list[str], findings: Findings, *, common: bool) -> int:
    one, other = map(len, pair)
    if one != other:
        if abs(one - other) > MAX_UNEQUAL_FRAMES and not common:
            asked = "; are both at one rate?" if 2 * min(one, other) <= max(one, other) else ""
            faults.append(f"case {case}: {one} frames of truth, {other} of predictions{asked}")
        findings.leave_out(f"case {case}, from frame {min(one, other)} on", "ends of cases that only one side has")
    return min(one, other)


def _highest(array: IntArray) -> int:
    return int(array.max(initial=-1)) if array.ndim == 1 else array.shape[1] - 1


def _runs(pair: Sequence[IntArray], codes: _Codes) -> Runs:
    """The runs of two sides of equal length."""
    columns = [side[None, :] if side.ndim == 1 else side.T for side in pair]
    runs = runs_of_frames(np.concatenate(columns))
    rows, at = [], 0
    for side, column in zip(pair, columns, strict=True):
        values = runs.codes[at : at + len(column)]
        at += len(column)
        if side.ndim == 1:
            unknown = values[0] >= codes.n_labels
            values = values[0] + 1
            if unknown.any():
                values = np.where(unknown, codes.of([-2]), values)  # an unknown label is never right
            rows.append(values)
        else:
            sets, which = np.unique(values, axis=1, return_inverse=True)
            numbers = np.array([codes.of(np.flatnonzero(one).tolist()) for one in sets.T], dtype=np.int64)
            rows.append(numbers[which.ravel()])
    found = np.array(rows).reshape(2, len(runs.lengths))
    found[:, runs.codes[0] == IGNORED] = MISSING
    return Runs(runs.lengths, found)


def _scored(
    scored: Mapping[str, Iterable[Scored]],
    cases: Mapping[str, Frames],
    paths: Sequence[LabelPath],
    faults: list[str],
    findings: Findings,
) -> list[Detection]:
    numbers: dict[object, int] = {number: number for number in range(len(paths))}
    numbers |= {path[0] if len(path) == 1 else join_path(path): number for number, path in enumerate(paths)}
    found = []
    for case, ones in scored.items():
        if case not in cases:
            findings.warn(f"case {case} has scored predictions but no truth: for mAP they are false")
        for one in ones:
            try:
                start_s, end_s, label, score = one
                detection = Detection(case, numbers[label], float(start_s), float(end_s), float(score))
                valid = detection.start <= detection.stop and bool(np.isfinite(detection[2:]).all())
            except (TypeError, ValueError, KeyError):
                valid = False
            if not valid:
                faults.append(f"case {case}: scored prediction {one!r} is not a valid (start_s, end_s, label, score)")
                continue
            found.append(detection)
    return found


# --- From annotations -------------------------------------------------------------------------------------------------


def pair_clips(
    truth: Stage[AnnotatedClip],
    predictions: Stage[AnnotatedClip],
    labels: Sequence[LabelPath] | None,
    fps: Fraction,
    findings: Findings,
    *,
    level: int = 1,
    common: bool = False,
) -> Pairs:
    """The Pairs of located clips at one level of the labels, at `fps` pictures a second, sampled as in the frame table.

    If a clip has fewer pictures a second than `fps`, all clips are compared at the lowest rate among them.
    A label path that is shorter than the level does not count. A clip without a truth is left out. A clip without a
    prediction is a fault or, with `common`, left out. labels: every path, in order; None: those of the truth. Raises
    PairingError with everything that does not fit.
    """
    faults: list[str] = []
    true_works = _works(truth.clips, "truth", faults)
    said_works = _works(predictions.clips, "predictions", faults)
    n_several = len(faults)
    true_cases, said_cases = (_worked_cases(side.clips) for side in (truth, predictions))
    names = set(_common_cases(true_cases, said_cases, faults, findings, common=common))
    paths = _labels(true_works, said_works, labels, level, faults, findings, common=common)
    rank = {path: number for number, path in enumerate(paths)}
    rate = _compared_rate(
        [clip for clip in truth.clips if clip.id in true_works and clip.id in said_works], fps, findings
    )
    frames_there = {clip.id: clip.index.n_frames for clip in predictions.clips}
    codes = _Codes(len(paths))
    cases: dict[str, Runs] = {}
    true_spans: list[Detection] = []
    found: list[Detection] = []
    for case in truth.cases:
        if case.name not in names:
            continue
        stretches = []
        for clip in Stage(case.clips, case.lost).in_order:
            if isinstance(clip, GatheredClip):
                stretches.append(_MISSING_CLIP)
                continue
            true, said = true_works.get(clip.id), said_works.get(clip.id)
            there = frames_there.get(clip.id, clip.index.n_frames)
            if there != clip.index.n_frames:
                faults.append(f"clip {clip.id}: {clip.index.n_frames} frames on one side, {there} on the other")
            if true is not None and said is None:
                if not common:
                    faults.append(f"clip {clip.id}: annotated, but not predicted")
                findings.leave_out(f"clip {clip.id}", "annotated clips without predictions")
            if true is None and said is not None:
                findings.leave_out(f"clip {clip.id}", "predicted clips that nobody has annotated")
            both = true is not None and (said is not None or not common)
            own = _own_rate(clip.index)
            sampling = fps if own is not None and own <= rate else rate  # in such a clip, fps takes every picture
            stretches.append(_clip_runs(clip, true if both else None, said, rank, level, sampling, codes))
        cases[case.name] = Runs(
            np.concatenate([one.lengths for one in stretches]), np.concatenate([one.codes for one in stretches], axis=1)
        )
        compared = [clip for clip in case.clips if clip.id in true_works and clip.id in said_works]
        true_spans += _joined(case.name, compared, true_works, rank, level)
        found += _joined(case.name, compared, said_works, rank, level, scored=True)
    hints = _hints_to_choose(truth, predictions)
    check_pairing(faults, [*hints, _COMMON_HINT] if len(faults) > n_several else hints)
    return Pairs(cases, paths, codes.members(), rate, true_spans if found else (), found)


def _compared_rate(clips: Iterable[AnnotatedClip], fps: Fraction, findings: Findings) -> Fraction:
    """`fps` or, if that is less, the rate of the slowest clip: tolerances count in pictures that are there."""
    rates = [own for clip in clips if (own := _own_rate(clip.index)) is not None]
    rate = min([fps, *rates])
    if rate < fps:
        findings.warn(
            f"{float(fps):g} pictures a second are asked for, but a clip has only {float(rate):g}: "
            f"all clips are compared at {float(rate):g}"
        )
    return rate


def _own_rate(index: FrameIndex) -> Fraction | None:
    """The clip's pictures a second, the mean if its rate varies; None if it has only one picture, or no length."""
    if index.n_frames == 1 or not index.length_s:
        return None
    return index.rate or (index.n_frames / index.length_s).limit_denominator(1001)


def _works(clips: Iterable[AnnotatedClip], side: str, faults: list[str]) -> dict[str, Track[LocatedSpan]]:
    """The annotation of each clip that has one. Clips with several are faults."""
    works = {}
    for clip in clips:
        if len(clip.tracks) > 1:
            who = ", ".join(work.annotator for work in clip.tracks)
            faults.append(f"clip {clip.id}: {side} by {len(clip.tracks)} ({who}): choose one, or merge them")
        if clip.tracks:
            works[clip.id] = clip.tracks[0]
    return works


def _hints_to_choose(truth: Stage[AnnotatedClip], predictions: Stage[AnnotatedClip]) -> list[str]:
    """What to do if a side has clips with several annotations."""
    hints = {
        "choose one person's truth: <<annotators=NAME>>": truth,
        "choose one model's predictions: <<annotators=MODEL>>": predictions,
    }
    return [hint for hint, side in hints.items() if any(len(clip.tracks) > 1 for clip in side.clips)]


def _worked_cases(clips: Iterable[AnnotatedClip]) -> list[str]:
    return list(dict.fromkeys(clip.clip.case for clip in clips if clip.tracks))


def _labels(
    true_works: Mapping[str, Track[LocatedSpan]],
    said_works: Mapping[str, Track[LocatedSpan]],
    labels: Sequence[LabelPath] | None,
    level: int,
    faults: list[str],
    findings: Findings,
    *,
    common: bool,
) -> list[LabelPath]:
    """The labels at the level, in order."""
    true = {span.label for work in true_works.values() for span in work.spans}
    said = {span.label for work in said_works.values() for span in work.spans}
    paths = labels_at(labels if labels is not None else sorted(true), level)
    known = set(paths)
    for name, found in (("truth", true), ("predictions", said)):
        for path in labels_at(sorted(found), level):
            if path in known:
                continue
            text = join_path(path)
            if common and name == "predictions":
                findings.warn(f"label {text} is predicted, but the truth does not have it: it always counts as wrong")
            else:
                faults.append(f"label {text}: in the {name}, but not among the labels; a label file may name it")
    if not paths:
        raise SettingsError(f"no label has a level {level}", "choose a lower level: 1 is the topmost")
    return paths


def _clip_runs(
    clip: AnnotatedClip,
    true: Track[LocatedSpan] | None,
    said: Track[LocatedSpan] | None,
    rank: Mapping[LabelPath, int],
    level: int,
    fps: Fraction,
    codes: _Codes,
) -> Runs:
    """The runs of a clip's sampled pictures; MISSING if it has no truth."""
    sampled = sample_frames(clip.index, fps)
    if true is None:
        return Runs(np.array([len(sampled)]), np.full((2, 1), MISSING))
    spans = [true.spans, said.spans if said is not None else ()]
    ends = [end for side in spans for span in side for end in (span.start_frame, span.stop_frame)]
    borders = np.unique(np.array([0, clip.index.n_frames, *ends], dtype=np.int64))
    rows = [_codes_between(borders, side, rank, level, codes) for side in spans]
    counts = np.diff(np.searchsorted(sampled, borders))
    return Runs(counts[counts > 0], np.array(rows)[:, counts > 0])


def _codes_between(
    borders: IntArray, spans: Sequence[LocatedSpan], rank: Mapping[LabelPath, int], level: int, codes: _Codes
) -> IntArray:
    """The code between each border and the next."""
    changes: list[list[tuple[int, int]]] = [[] for _ in borders]
    for span in spans:
        if len(span.label) >= level:
            label = rank.get(span.label[:level], -2)  # -2: an unknown label, which is never right
            first, last = np.searchsorted(borders, (span.start_frame, span.stop_frame))
            changes[first].append((label, 1))
            changes[last].append((label, -1))
    active: dict[int, int] = {}
    found = np.zeros(len(borders) - 1, dtype=np.int64)
    for place, these in enumerate(changes[:-1]):
        for label, change in these:
            active[label] = active.get(label, 0) + change
            if not active[label]:
                del active[label]
        found[place] = codes.of(active) if these else found[place - 1] if place else NOTHING
    return found


def _joined(
    case: str,
    clips: Sequence[AnnotatedClip],
    works: Mapping[str, Track[LocatedSpan]],
    rank: Mapping[LabelPath, int],
    level: int,
    *,
    scored: bool = False,
) -> list[Detection]:
    """The spans of a case, in seconds of the case. Spans that were cut at a clip's end are joined; scores are averaged.

    scored: take only spans with a score, each by itself; otherwise spans of a label that overlap or touch are joined.
    """
    pieces: dict[int, list[list[float]]] = {}
    for clip in clips:
        n_frames = clip.index.n_frames
        for span in works[clip.id].spans:
            label = rank.get(span.label[:level]) if len(span.label) >= level else None
            if label is None or (scored and span.score is None):
                continue
            start, stop = span.start_frame, span.stop_frame
            begin, end = (float(case_time_s(clip, frame)) for frame in (start, stop))
            pieces.setdefault(label, []).append([begin, end, span.score or 0.0, float(start == 0), stop == n_frames])
    found = []
    for label, ones in pieces.items():
        joined: list[list[float]] = []
        for begin, end, score, at_start, at_end in sorted(ones):
            last = joined[-1] if joined else None
            touches = last is not None and begin == last[1] and at_start and last[4]
            if last is not None and (touches or (not scored and begin <= last[1])):
                whole = (last[1] - last[0]) + (end - begin)
                last[2] = (last[2] * (last[1] - last[0]) + score * (end - begin)) / whole if whole else score
                last[1], last[4] = max(end, last[1]), at_end
            else:
                joined.append([begin, end, score, at_start, at_end])
        found += [Detection(case, label, begin, end, score) for begin, end, score, *_ in joined]
    return found


# --- Both -------------------------------------------------------------------------------------------------------------


def _common_cases(
    true: Sequence[str], said: Sequence[str], faults: list[str], findings: Findings, *, common: bool
) -> list[str]:
    """The cases that both sides have; the others are faults or, with `common`, left out."""
    there = set(said)
    for names, others, side in ((true, there, "truth"), (said, set(true), "predictions")):
        for case in names:
            if case not in others:
                if common:
                    findings.leave_out(f"case {case}", f"cases that only the {side} have")
                else:
                    faults.append(f"case {case}: only in the {side}")
    return [case for case in true if case in there]


def _label_runs(lengths: IntArray, has: npt.NDArray[np.bool_]) -> Iterable[tuple[int, int, int]]:
    """(label, start, stop) in frames of each stretch of each label; `has`: shape (n_labels, n_runs)."""
    borders = np.concatenate([[0], np.cumsum(lengths)])
    for label, row in enumerate(has):
        changes = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        for first, last in changes.reshape(-1, 2):
            yield label, int(borders[first]), int(borders[last])


_COMMON_HINT = "correct what is listed; or use <<common=True>>, which leaves out and counts what only one side has"


def check_pairing(faults: Sequence[str], hints: Sequence[str] = (_COMMON_HINT,)) -> None:
    """Raise PairingError if there are faults."""
    if faults:
        raise PairingError("truth and predictions do not fit together", "; ".join(hints), faults)
