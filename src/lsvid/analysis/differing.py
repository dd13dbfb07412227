"""How many seconds two people differ on a clip, and how many each of them differs from a third person's decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from lsvid.analysis.timings import LabelPath
from lsvid.annotations.spans import LocatedSpan, LsFrames, Seconds, Span
from lsvid.annotations.stages import AnnotatedClip, Track
from lsvid.video.timebase import parse_rate

Stretch = tuple[Fraction, Fraction, LabelPath]
"""Seconds [start_s, end_s), and the label."""


def stretches_of(spans: Iterable[Span]) -> list[Stretch]:
    """The spans by their own times. For frame numbers of Label Studio, these follow from the editor's rate.

    Raises TypeError for spans in frames of a clip, which have no times by themselves.
    """
    found = []
    for span in spans:
        if isinstance(span.basis, LsFrames):
            rate = parse_rate(span.basis.ls_fps)
            found.append((Fraction(span.basis.start - 1) / rate, Fraction(span.basis.end) / rate, span.label))
        elif isinstance(span.basis, Seconds):
            found.append((Fraction(span.basis.start), Fraction(span.basis.end), span.label))
        else:
            raise TypeError("frames of a clip have no times without it")
    return found


@dataclass(frozen=True)
class Decision:
    """A clip on which people differed, and for which a third person decided.

    before_s: the most seconds by which two of the others differ. after_s: by name, the seconds by which each of them
    differs from the decision.
    """

    clip: AnnotatedClip
    decided_by: str
    before_s: float
    after_s: dict[str, float]


def decisions(clips: Iterable[AnnotatedClip]) -> list[Decision]:
    """The clips with one ground-truth annotation and two or more others."""
    found = []
    for clip in clips:
        true = [work for work in clip.tracks if work.annotation.ground_truth]
        others = [work for work in clip.tracks if not work.annotation.ground_truth]
        if len(true) != 1 or len(others) < 2:
            continue
        decided = _located(clip, true[0])
        versions = {work.annotator: _located(clip, work) for work in others}
        before_s = max(differing_s(one, other) for one, other in combinations(versions.values(), 2))
        after_s = {name: float(differing_s(version, decided)) for name, version in versions.items()}
        found.append(Decision(clip, true[0].annotator, float(before_s), after_s))
    return found


def _located(clip: AnnotatedClip, work: Track[LocatedSpan]) -> list[Stretch]:
    time_s = clip.index.time_s
    return [(time_s(span.start_frame), time_s(span.stop_frame), span.label) for span in work.spans]


def differing_s(one: Sequence[Stretch], other: Sequence[Stretch]) -> Fraction:
    """The seconds in which the two have different labels. A label and its parent are different."""
    changes = sorted(
        ((time_s, side, label, change) for side, stretches in enumerate((one, other))
         for start_s, end_s, label in stretches for time_s, change in ((start_s, 1), (end_s, -1))),
        key=lambda change: change[0],
    )  # fmt: skip
    active: tuple[dict[LabelPath, int], dict[LabelPath, int]] = ({}, {})
    total, before_s = Fraction(0), Fraction(0)
    for time_s, side, label, change in changes:
        if active[0].keys() != active[1].keys():
            total += time_s - before_s
        before_s = time_s
        active[side][label] = active[side].get(label, 0) + change
        if not active[side][label]:
            del active[side][label]
    return total
