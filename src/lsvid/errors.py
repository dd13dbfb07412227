"""Every error that lsvid raises on purpose.

LsvidError                  what went wrong, and a hint: what to do; carries the exit code
├── DataError               exit 1: the data is bad: a file, a clip, an export
│   ├── LabelFileError      a label file; all its faults at once
│   ├── ExportError         an annotation export; all its faults at once
│   ├── PairingError        truth and predictions that do not fit together; all that does not at once
│   └── ClipError           a video that cannot be found, read, or told from another
├── SettingsError           exit 2: the command or its configuration is wrong, not the data
└── ServerError             exit 3: Label Studio or storage unreachable, or it refused
    ├── AuthError           the key is missing, wrong, expired or not allowed
    ├── NotFoundError       the server has no such project, task or bucket
    └── UnclearError        no clear answer came: the server may have done it or not

Catch `LsvidError` for all of them; the others where the remedy differs.
"""

from collections.abc import Collection, Sequence

from lsvid.redaction import redacted


class LsvidError(Exception):
    """What went wrong (`message`, one line or more) and what to do about it (`hint`, may be empty).

    A notebook shows the hint below the message. No secret that an address carries is in either.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        message, hint = redacted(message), redacted(hint)
        super().__init__(message, hint)  # both in args: an error must survive the trip out of a worker process
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        return self.message


class DataError(LsvidError):
    """The data is bad: a file, a clip, an export."""


class _FaultsError(DataError):
    """Several faults of one file, reported together: `faults`, each a line that names its place."""

    def __init__(self, message: str, hint: str = "", faults: Sequence[str] = ()) -> None:
        text = "\n".join([message, *(f"  {fault}" for fault in faults)])
        super().__init__(text, hint)
        self.faults = list(faults)


class LabelFileError(_FaultsError):
    """A label file has faults; `faults` lists each with file and line, or file and place in the tree."""


class ExportError(_FaultsError):
    """An annotation export has faults; `faults` lists each with task, region and value."""


class PairingError(_FaultsError):
    """Truth and predictions do not fit together; `faults` lists all that does not, each with its case."""


class ClipError(DataError):
    """A video cannot be found, read, or told from another."""


class SettingsError(LsvidError):
    """The command or its configuration is wrong, not the data."""

    exit_code = 2


def check_choice(option: str, value: object, choices: Collection[str]) -> None:
    """Raise SettingsError, which lists `choices`, where `value` is none of them. `option` is what a person set."""
    if value not in choices:
        raise SettingsError(f"{option} {value!r} is not known", f"choose from {', '.join(choices)}")


def check_kind(option: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Raise SettingsError, which says what is `wanted`, where `value` is of none of `kinds`; a bool is no number."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise SettingsError(f"{option} {value!r} is not {wanted}")


class ServerError(LsvidError):
    """Label Studio or storage is unreachable, or refused."""

    exit_code = 3


class AuthError(ServerError):
    """The key is missing, wrong, expired, or not allowed to do this."""


class NotFoundError(ServerError):
    """The server has no such project, task, storage or bucket."""


class UnclearError(ServerError):
    """No clear answer came (a timeout, a broken connection, a 5xx): the server may have done what was asked, or not."""
