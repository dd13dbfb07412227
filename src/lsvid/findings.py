"""What a library function noticed on its way and a person should know: it never prints, it collects.

Nothing is dropped silently: what a reader or an exporter cannot use ends up here, by reason, with its place.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Findings:
    """Faults (bad data), things left out on purpose, and warnings, in the order in which they were met."""

    faults: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    cuts: list[str] = field(default_factory=list)

    def fault(self, place: str, reason: str) -> None:
        """Bad data at `place`; `reason` says what is wrong and gives the value."""
        self.faults.append((place, reason))

    def leave_out(self, place: str, reason: str) -> None:
        """Something sound that does not reach the output, and why; `reason` is the same text for the same cause."""
        self.left_out.append((place, reason))

    def cut(self, place: str) -> None:
        """A span that reached a little past its clip, and was cut to it."""
        self.cuts.append(place)

    def warn(self, text: str, hint: str = "") -> None:
        """Something that a person should look at; the same text is kept once."""
        if (text, hint) not in self.warnings:
            self.warnings.append((text, hint))

    def left_out_counts(self) -> dict[str, int]:
        """How many were left out, by reason."""
        return dict(Counter(reason for _, reason in self.left_out))

    def copy(self) -> "Findings":
        """The same findings, to which others can be added."""
        return Findings(list(self.faults), list(self.left_out), list(self.warnings), list(self.cuts))

    def summary(self) -> str:
        """Warnings, and what was left out or cut, in a few lines; empty where there is nothing."""
        lines = [text for text, _ in self.warnings]
        lines += [f"left out {count} {reason}" for reason, count in self.left_out_counts().items()]
        if self.cuts:
            lines.append(f"cut {len(self.cuts)} spans that reached past their clip")
        return "\n".join(lines)
