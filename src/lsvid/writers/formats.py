"""`Format` describes a format (each writer's file has its own), and `FormatOptions` are the options of writers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from lsvid.annotations.splits import SplitOptions
from lsvid.errors import SettingsError

if TYPE_CHECKING:
    from lsvid.video.pictures import PictureOptions  # with PyAV behind it


@dataclass(frozen=True)
class Format:
    """The description of a format.

    files: the files that it writes. holds, loses: texts that help people to choose. overlaps: whether several labels
    may hold at once on one level. annotators: whether a clip may have several. unit: what one video is: 'clip' or
    'case'. options: which of `FormatOptions`, and of layout, sample_fps and background (of the frame table), it takes.
    flavours: the values of the option `flavour`, and what each is.
    """

    files: str
    holds: str
    loses: str
    overlaps: bool = True
    annotators: bool = False
    unit: str = "clip"
    options: frozenset[str] = frozenset()
    flavours: dict[str, str] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        """Whether it is the frame table itself."""
        return "layout" in self.options


@dataclass(frozen=True)
class FormatOptions:
    """The options of writers; None or empty means the writer's default. A format takes those that its `Format` names.

    split_by: 'case': a file for each. level: the one level of the labels that is wanted, from 1. unit: what one video
    is: 'clip' or 'case'. splits: into training and test parts. phases, tools: labels, with all below them, that are one
    label a frame, and that may hold at once. flavour: whose reader is to take it. base: the id of the first label.
    picture: what pictures look like. spreadsheet_safe: texts that a spreadsheet would run get an apostrophe.
    """

    split_by: str | None = None
    level: int | None = None
    unit: str | None = None
    splits: SplitOptions | None = None
    phases: Sequence[str] = ()
    tools: Sequence[str] = ()
    flavour: str | None = None
    base: int | None = None
    picture: "PictureOptions | None" = None
    spreadsheet_safe: bool = False

    def __post_init__(self) -> None:
        if self.split_by not in (None, "case"):
            raise SettingsError(f"split by {self.split_by!r}: a table can be split by case", "leave it out, or 'case'")
        if self.unit not in (None, "clip", "case"):
            raise SettingsError(f"unit {self.unit!r}: a video is a clip or a case", "choose 'clip' or 'case'")
        if self.level is not None and self.level < 1:
            raise SettingsError(f"level {self.level}: levels count from 1", "choose 1 or more")

    def given(self) -> list[str]:
        """The names of the options that are asked for."""
        asked = [each.name for each in fields(self) if getattr(self, each.name)]
        return asked if self.base is None or "base" in asked else [*asked, "base"]  # 0 is one


def options(*names: str) -> frozenset[str]:
    """A set of names of options."""
    return frozenset(names)


TABLE_OPTIONS = options("layout", "sample_fps", "split_by", "background")
TABLE_HOLDS = "everything the frame table has: every frame, every label, every annotator"
