"""Every error that lsvid raises on purpose.

LsvidError                  what went wrong, a hint (what to do), and the exit code
├── DataError               exit 1: the data is bad: a file, a clip, an export
│   ├── LabelFileError      a label file; all its faults at once
│   ├── ExportError         an annotation export; all its faults at once
│   ├── PairingError        truth and predictions do not fit together; all faults at once
│   └── ClipError           a video that cannot be found or read, or several that fit
├── SettingsError           exit 2: the command or its configuration is wrong, not the data
└── ServerError             exit 3: Label Studio or the storage cannot be reached, or it refused
    ├── AuthError           the key is missing, wrong, expired or not allowed
    ├── NotFoundError       the server has no such project, task or bucket
    └── UnclearError        no clear answer came: the server may or may not have done it

Catch `LsvidError` to catch all of them, and the others if you react to them in different ways.
"""

from collections.abc import Collection, Sequence

from lsvid.redaction import redacted
from lsvid.wording import worded


class LsvidError(Exception):
    """What went wrong (`message`, one line or more) and what to do about it (`hint`, may be empty).

    A notebook shows the hint below the message. Secrets in addresses are removed from both.

    >>> try:
    ...     lsvid.open_clip("no-such-clip.mp4")
    ... except lsvid.LsvidError as error:
    ...     print(type(error).__name__, error.exit_code, error.message)
    ClipError 1 cannot read no-such-clip.mp4: No such file or directory
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(redacted(message), redacted(hint))
        self.message, self.hint = redacted(worded(message)), redacted(worded(hint))
        if hint:
            self.add_note(f"hint: {self.hint}")

    def __reduce__(self) -> tuple[object, ...]:
        # Without the texts of this process: a worker does not know how the program that it works for names options.
        state = {name: value for name, value in self.__dict__.items() if name not in ("message", "hint", "__notes__")}
        return type(self), self.args, state

    def __str__(self) -> str:
        return self.message


class DataError(LsvidError):
    """The data is bad: a file, a clip, an export."""


class _FaultsError(DataError):
    """Several faults that are reported together. `faults` has a line for each, with its place."""

    def __init__(self, message: str, hint: str = "", faults: Sequence[str] = ()) -> None:
        text = "\n".join([message, *(f"  {fault}" for fault in faults)])
        super().__init__(text, hint)
        self.faults = [redacted(worded(fault)) for fault in faults]


class LabelFileError(_FaultsError):
    """A label file has faults; `faults` lists each with file and line, or file and place in the tree."""


class ExportError(_FaultsError):
    """An annotation export has faults; `faults` lists each with task, region and value."""


class PairingError(_FaultsError):
    """Truth and predictions do not fit together; `faults` lists each fault with its case."""


class ClipError(DataError):
    """A video cannot be found or read, or several fit."""


class SettingsError(LsvidError):
    """The command or its configuration is wrong, not the data."""

    exit_code = 2


def check_choice(option: str, value: object, choices: Collection[str]) -> None:
    """Raise SettingsError, which lists `choices`, unless `value` is one of them. option: the name for messages."""
    if value not in choices:
        raise SettingsError(f"{option} {value!r} is not known", f"choose from {', '.join(choices)}")


def check_kind(option: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Raise SettingsError, which says what is `wanted`, unless `value` is of one of `kinds`. A bool is not a number."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise SettingsError(f"{option} {value!r} is not {wanted}")


class ServerError(LsvidError):
    """Label Studio or the storage cannot be reached, or it refused."""

    exit_code = 3


class AuthError(ServerError):
    """The key is missing, wrong, expired, or not allowed to do this."""


class NotFoundError(ServerError):
    """The server has no such project, task, storage or bucket."""


class UnclearError(ServerError):
    """No clear answer came (timeout, broken connection, 5xx): the server may or may not have done what was asked."""
