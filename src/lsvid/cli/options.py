"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """--url and --api-key, as `url` and `api_key`."""
    command = click.option(
        "--api-key",
        envvar="LABEL_STUDIO_API_KEY",
        metavar="KEY",
        help="Access token; better set LABEL_STUDIO_API_KEY. Never printed or written.",
    )(command)
    return click.option("--url", envvar="LABEL_STUDIO_URL", default="http://localhost:8080", show_default=True,
                        metavar="URL", help="Label Studio's address, or LABEL_STUDIO_URL.")(command)  # fmt: skip


def document_root_option(command: Command) -> Command:
    """--document-root, as `document_root`."""
    return click.option("--document-root", metavar="DIR",
                        help="The folder below which the server serves files, as the server sees it. Default: what the "
                        "server says, else LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.")(command)  # fmt: skip


def case_options(command: Command) -> Command:
    """--case and --case-from, as `case` and `case_from`: how a clip's case is told."""
    command = click.option("--case-from", metavar="RULE", show_default="parent",
                           help="Where a clip's case comes from: parent, grandparent (folder), or a regular expression "
                           "with a group 'case', searched in the path.")(command)  # fmt: skip
    return click.option("--case", metavar="NAME", help="One case for all clips.")(command)
