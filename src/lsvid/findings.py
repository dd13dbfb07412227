"""What a library function noticed on its way and a person should know: it never prints, it collects.

Nothing is dropped silently: what a reader or an exporter cannot use ends up here, by reason, with its place.
"""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from lsvid.redaction import redacted


@dataclass
class Findings:
    """Faults (bad data), things left out on purpose, and warnings, in the order in which they were met.

    Each is a place and a reason. hints: what to do about a fault, where it is not to be mended at its source.
    """

    faults: list[tuple[str, str]] = field(default_factory=list)
    hints: dict[tuple[str, str], str] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    cuts: list[str] = field(default_factory=list)
    _warned: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def fault(self, place: str, reason: str, hint: str = "") -> None:
        """Bad data at `place`; `reason` says what is wrong and gives the value; `hint` what helps against it."""
        self.faults.append((redacted(place), redacted(reason)))
        if hint:
            self.hints[self.faults[-1]] = redacted(hint)

    def leave_out(self, place: str, reason: str) -> None:
        """Something sound that does not reach the output, and why; `reason` is the same text for the same cause."""
        self.left_out.append((redacted(place), redacted(reason)))

    def cut(self, place: str) -> None:
        """A span that reached a little past its clip, and was cut to it."""
        self.cuts.append(place)

    def warn(self, text: str, hint: str = "") -> None:
        """Something that a person should look at; the same text is kept once."""
        warning = (redacted(text), redacted(hint))
        if warning not in self._warned:
            self._warned.add(warning)
            self.warnings.append(warning)

    def left_out_counts(self) -> dict[str, int]:
        """How many were left out, by reason."""
        return dict(Counter(reason for _, reason in self.left_out))

    def copy(self) -> "Findings":
        """The same findings, to which others can be added."""
        return deepcopy(self)

    def summary(self) -> str:
        """Warnings, and what was left out or cut, in a few lines; empty if there is nothing."""
        lines = [text for text, _ in self.warnings]
        lines += [f"left out {count} {reason}" for reason, count in self.left_out_counts().items()]
        if self.cuts:
            lines.append(f"cut {len(self.cuts)} spans that reached past their clip")
        return "\n".join(lines)


def some(items: Sequence[str], shown: int = 3, separator: str = ", ") -> str:
    """The first `shown` of `items`, and how many more there are: 'a, b, c and 4 more'."""
    return separator.join(items[:shown]) + (f" and {len(items) - shown} more" if len(items) > shown else "")
