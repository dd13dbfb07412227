"""Collects faults and warnings of library functions, for people. The library never prints.

Nothing is dropped silently: everything that a reader or an exporter cannot use is noted here with reason and place.
"""

from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

from lsvid.redaction import redacted
from lsvid.wording import worded


@dataclass
class Findings:
    """Faults (bad data), things left out on purpose, and warnings, in the order in which they were found.

    Each is a place and a reason. hints: what to do about a fault, if it is not simply to be corrected in the data.
    """

    faults: list[tuple[str, str]] = field(default_factory=list)
    hints: dict[tuple[str, str], str] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    cuts: list[str] = field(default_factory=list)
    _warned: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def fault(self, place: str, reason: str, hint: str = "") -> None:
        """Note bad data at `place`. `reason` says what is wrong, with the value; `hint` says what to do."""
        self.faults.append((redacted(place), redacted(worded(reason))))
        if hint:
            self.hints[self.faults[-1]] = redacted(worded(hint))

    def leave_out(self, place: str, reason: str) -> None:
        """Note good data that does not reach the output. The same cause has the same text as `reason`."""
        self.left_out.append((redacted(place), redacted(worded(reason))))

    def cut(self, place: str) -> None:
        """Note a span that ended a little after its clip, and was cut."""
        self.cuts.append(place)

    def warn(self, text: str, hint: str = "") -> None:
        """Note something that a person should look at. The same text is kept once."""
        warning = (redacted(worded(text)), redacted(worded(hint)))
        if warning not in self._warned:
            self._warned.add(warning)
            self.warnings.append(warning)

    def left_out_counts(self) -> dict[str, int]:
        """The number of things left out, by reason."""
        return dict(Counter(reason for _, reason in self.left_out))

    def copy(self) -> "Findings":
        """A copy, to which more findings can be added."""
        return Findings(**{name: copy(value) for name, value in vars(self).items()})

    def summary(self) -> str:
        """Warnings, and what was left out or cut, in a few lines; empty if there is nothing."""
        lines = [text for text, _ in self.warnings]
        lines += [f"left out {count} {reason}" for reason, count in self.left_out_counts().items()]
        if self.cuts:
            lines.append(f"cut {len(self.cuts)} spans that reached past their clip")
        return "\n".join(lines)


def some(items: Sequence[str], shown: int = 3, separator: str = ", ") -> str:
    """The first `shown` of `items`, and the number of the others: 'a, b, c and 4 more'."""
    return separator.join(items[:shown]) + (f" and {len(items) - shown} more" if len(items) > shown else "")
