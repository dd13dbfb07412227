"""Names that break the readers of some format, in clips as an export has them: overlapping labels, 120 cases, ..."""

from exports import clip, index, placed
from lsvid.annotations.stages import AnnotatedClip, Stage
from lsvid.labels.tree import join_path
from lsvid.video.timebase import FrameIndex

NAMES = [
    "test op", "a\nb", "a\r\nb", "a\u2028b", "nul\x00", "\x1b[2J", "\ufffe",
    "a --> b\n\n00:00:00.000 --> 00:01:00.000\nX", "A / B", "A", "a/b", "..", ".hidden", "__init", "CON", "<b>&amp;",
    "'one' \"two\"", "=1+1", "#2", "2", "a,b;c\td", "a[0]*?", "%d{}", "\ufeffbom", "e\u0301", "\xe9", "TEST OP",
    "train", "val-1", "\U0001fac0", " blanks ", "x" * 150,
]  # fmt: skip
"""As cases, clips and labels; some of them differ only by what formats cannot hold."""


def labels() -> list[tuple[str, ...]]:
    """Every name by itself and below another."""
    return [*((name,) for name in NAMES), ("A", "B"), *(("Top", name) for name in NAMES)]


def clips(
    times: FrameIndex | None = None, path: str = "", n_cases: int = 120, *, overlapping: bool = True
) -> list[AnnotatedClip]:
    """`n_cases` cases of a clip: all labels in turn, two at once if asked for; a case nobody annotated, and one without
    a label.
    """
    times = times or index(50)
    half = times.n_frames // 2
    made = []
    for number in range(n_cases):
        name = NAMES[number % len(NAMES)] + (f" {number}" if number >= len(NAMES) else "")
        first, second = (join_path(labels()[(2 * number + k) % len(labels())]) for k in (0, 1))
        spans = [(first, 0, half), (second, half - 5 if overlapping else half, times.n_frames)]
        made.append(clip(f"{name}/{NAMES[-1 - number % len(NAMES)]}", spans, times, path))
    made[1] = clip(made[1].id, None, times, path)
    made[2] = clip(made[2].id, [], times, path)
    return [one for one in Stage(tuple(placed(*made))).in_order if isinstance(one, AnnotatedClip)]
