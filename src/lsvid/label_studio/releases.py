"""What works on which release of Label Studio. Each fact was measured on that release, or read in its source.

Before 1.17, number n of the video timeline shows picture n, counted from 0; from 1.17 on it shows picture n - 1, and
lsvid reads it so (`lsvid.video.timebase.shown`). An export does not say the release. The waveform needs an audio track
without a decoder, which the editor has from 1.22 on; before, it shows an error in place of the video.
"""

import re

TESTED = "1.23.2"
"""The release with which all of lsvid is tested."""

_NUMBERS_FROM = (1, 17)
_WAVEFORM_FROM = (1, 22)


def numbers(release: str) -> tuple[int, ...]:
    """(1, 23, 2) for "1.23.2"; () for a text that is no release. An unknown release passes every check."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", release)
    return tuple(int(number) for number in found.groups() if number) if found else ()


def refusal(release: str) -> str:
    """Why lsvid refuses this release; empty if it does not."""
    if not _is_before(release, _NUMBERS_FROM):
        return ""
    return (
        f"Label Studio {release} is too old: before 1.17 its video timeline numbers pictures differently, "
        "and every label would be one picture too early"
    )


def lacks_waveform(release: str) -> bool:
    """Whether the editor of this release cannot show the timelines waveform and both."""
    return _is_before(release, _WAVEFORM_FROM)


def shortcoming(release: str) -> str:
    """What does not work on this release, in one line; empty if nothing is known."""
    if not lacks_waveform(release):
        return ""
    return (
        f"Label Studio {release} is old: the timelines waveform and both work from 1.22 on, the frames timeline works"
    )


def untested(release: str) -> str:
    """A line that says that this release is newer than the tested one; empty if it is not."""
    if numbers(release) <= numbers(TESTED):
        return ""
    return f"Label Studio {release} is newer than the release that lsvid is tested with, {TESTED}"


UPGRADE = f"install Label Studio {TESTED}, the release that lsvid is tested with"
COMPARE = "compare one short annotation with its export before you rely on it"


def _is_before(release: str, first: tuple[int, ...]) -> bool:
    return () < numbers(release) < first
