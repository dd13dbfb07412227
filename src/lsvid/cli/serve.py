"""`lsvid serve`."""

from typing import TYPE_CHECKING, Any

import click

from lsvid.cli.output import Output, output_options

if TYPE_CHECKING:
    from lsvid.label_studio.serve import Served


@click.command("serve")
@click.argument("folder", required=False)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Port on this machine's loopback. Default: the same as last time, or the first free one from 8080.",
)
@click.option("--stop", "wish", flag_value="stop", help="Stop the server; its projects stay.")
@click.option("--status", "wish", flag_value="status", help="Say whether the server runs, and where.")
@output_options
def serve(output: Output, /, folder: str | None, port: int | None, wish: str | None) -> None:
    """Run a Label Studio of your own, on this machine only, that serves the clips in FOLDER.

    The first start installs it into an environment of its own in your data folder (1 GB), and makes a user. The server
    runs until you stop it. The other commands find it by themselves: they need no address and no token.

    \b
    Examples:
      lsvid serve /data/clips
      lsvid serve --status
      lsvid serve --stop
    """
    from lsvid.label_studio import serve as library

    if (folder is None) == (wish is None):
        raise click.UsageError("give a folder, or --stop, or --status")
    if wish == "stop":
        served, text = library.stop(), "stopped Label Studio at {url}"
    elif wish == "status":
        served, text = library.running(), "Label Studio is up at {url}, serving {folder}"
    else:
        served, started = library.serve(str(folder), port, tell=output.note)
        text = "Label Studio is up at {url}, serving {folder}" + ("" if started else ": it was up already")
    output.document = {"version": 1, "command": "serve", "server": _shown(served)}
    if served is None:
        output.note("no Label Studio of lsvid serve is up")
        return
    output.note(text.format(url=served.url, folder=served.folder))
    if wish != "stop":
        output.note(f"  user      {served.username}\n  password  {served.password}\n"
                    f"  project   lsvid setup-project LABELS --title TITLE --storage {served.folder}")  # fmt: skip


def _shown(served: "Served | None") -> dict[str, Any] | None:
    """The values that a script needs, without the token, which stays in the configuration."""
    if served is None:
        return None
    return {name: getattr(served, name) for name in ("url", "folder", "process_id", "username")}
