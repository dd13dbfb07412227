"""For how long two people differ about a clip, by the times they set: the clip itself is not needed."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from lsvid.analysis.timings import LabelPath
from lsvid.annotations.spans import LsFrames, Seconds, Span
from lsvid.video.timebase import parse_rate

Stretch = tuple[Fraction, Fraction, LabelPath]
"""[start_s, end_s) and what it is."""


def stretches_of(spans: Iterable[Span]) -> list[Stretch]:
    """The spans by their own times. A range of Label Studio's is as long as its numbers last at the editor's rate.

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


def differing_s(one: Sequence[Stretch], other: Sequence[Stretch]) -> Fraction:
    """The seconds in which the two do not have the same labels. A label and one above it are not the same."""
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
