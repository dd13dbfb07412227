"""How the commands reach Label Studio."""

from typing import TYPE_CHECKING

from lsvid.cli.output import Output

if TYPE_CHECKING:
    from lsvid.label_studio.client import Server


def connected(output: Output, url: str, api_key: str | None, *, changes: bool = False) -> "Server":
    """The server; warns if its release is too old for a part of lsvid. Raises the same errors as `client.connect`.

    changes: whether the command changes something on the server.
    """
    from lsvid.label_studio import releases
    from lsvid.label_studio.client import connect

    server = connect(url, api_key, changes=changes)
    if text := releases.shortcoming(server.release):
        output.warn(text, releases.UPGRADE)
    return server
