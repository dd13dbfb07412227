"""The command line. A command is one file here: it parses, calls one library function, and reports.

To add a command: write `cli/<name>.py` with a click command in it, and add its line to COMMANDS. A command is imported
when it runs, so `lsvid --help` does not wait for OpenCV or the Label Studio SDK.
"""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from lsvid import __version__
from lsvid.cli import program
from lsvid.cli.flags import as_flag
from lsvid.cli.output import Output, ReaderGoneError, forget_stdout
from lsvid.errors import LsvidError
from lsvid.wording import spoken

COMMANDS: dict[str, tuple[str, str]] = {
    # name: ("module:command", one line for `lsvid --help`)
    "serve": ("lsvid.cli.serve:serve", "Run a Label Studio of your own that serves a folder of clips."),
    "setup-project": (
        "lsvid.cli.setup_project:setup_project",
        "Make or update a Label Studio project from a label file.",
    ),
    "import-clips": ("lsvid.cli.import_clips:import_clips", "Put video clips into a project, in ascending order."),
    "second-pass": (
        "lsvid.cli.second_pass:second_pass",
        "Bring the regions of a first pass to the project of a second.",
    ),
    "make-proxies": (
        "lsvid.cli.make_proxies:make_proxies",
        "Make small copies of clips for annotators: the same frames, fast to seek.",
    ),
    "export-frames": (
        "lsvid.cli.export_frames:export_frames",
        "Turn annotations into one row of labels for each frame.",
    ),
    "export-features": (
        "lsvid.cli.export_features:export_features",
        "Make features by your own function, as long as the labels.",
    ),
    "export-spans": ("lsvid.cli.export_spans:export_spans", "Turn annotations into spans, one on each line."),
    "status": ("lsvid.cli.status:status", "Show the progress of a project, by case and annotator."),
    "contact-sheet": (
        "lsvid.cli.contact_sheet:contact_sheet",
        "Show the first, middle and last picture of every span on one page.",
    ),
    "formats": ("lsvid.cli.formats:formats", "List the formats, with what each holds and loses."),
    "report": ("lsvid.cli.report:report", "Times, agreement between annotators, and pictures of both."),
    "evaluate": ("lsvid.cli.evaluate:evaluate", "Compare predictions with the truth: the numbers of a paper's table."),
    "check": ("lsvid.cli.check:check", "Check that server, storage and clips work together."),
    "config": ("lsvid.cli.config:config", "Print the labelling configuration (XML) of a label file."),
}


_AGAIN = "run the same command again: it goes on where it stopped"


class _LsvidGroup(click.Group):
    """Finds commands without importing them, and is the only place where errors become messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        output = Output()
        args = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            with spoken(as_flag):
                result = super().main(args, prog_name, complete_var, standalone_mode=False, obj=output, **extra)
            output.finish()
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "lsvid"
            output.error(error.format_message(), f"run '{command} --help'", error.exit_code)
        except click.ClickException as error:
            output.error(error.format_message(), "", error.exit_code)
        except (click.Abort, KeyboardInterrupt) as error:
            code = program.exit_code_of(error)
            output.error("interrupted", _AGAIN, code)
        except LsvidError as error:
            if os.environ.get("LSVID_DEBUG") == "1":
                raise
            output.error(error.message, error.hint, error.exit_code)
        except ReaderGoneError:
            forget_stdout()
            sys.exit(0)
        except Exception as error:  # noqa: BLE001 - the outermost place: users should not have to read a traceback
            output.error(*_told(error, args))
        if standalone_mode:
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with program.before_click():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with program.before_click():
            return super().invoke(ctx)


def _told(error: Exception, args: Sequence[str] | None) -> tuple[str, str, int]:
    """Message, hint and exit code of an error that is not an LsvidError."""
    if (signal := program.interrupted_by()) is not None:  # a library turned the interruption into an error of its own
        return "interrupted", _AGAIN, 128 + signal
    if isinstance(error, OSError | MemoryError | RuntimeError):
        return (*(_refused(error) or _own_fault(error)), 1)
    return _unforeseen(error, args)


def _refused(error: Exception) -> tuple[str, str] | None:
    """Message and hint if the machine ran out of something (disk, memory, threads); None if it is a bug of lsvid."""
    if isinstance(error, OSError):
        where = error.filename or "a file"
        return f"cannot use {where}: {error.strerror or error}", "check it, its folder and the disk"
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return "there is not enough memory", "free some, or work on fewer clips at a time"
    return None


def _own_fault(error: Exception) -> tuple[str, str]:
    """Message and hint for a bug of lsvid. Raises the error itself with LSVID_DEBUG=1."""
    if os.environ.get("LSVID_DEBUG") == "1":
        raise error
    text = " ".join(str(error).split())[:200]
    return (
        f"{type(error).__name__}: {text}: {OWN_FAULT}",
        "please report it, with what the same command shows after: export LSVID_DEBUG=1",
    )


def _unforeseen(error: Exception, args: Sequence[str] | None) -> tuple[str, str, int]:
    """Message, hint and exit code: for arguments that are not UTF-8 and cannot be written, or else for a bug."""
    from lsvid.files.names import readable

    words = sys.argv[1:] if args is None else args
    odd = [shown for word in words if (shown := readable(word)) != word]
    if odd and isinstance(error, UnicodeEncodeError):
        hint = "names of folders and files may be like this; labels, other names and patterns may not"
        return f"not UTF-8: {', '.join(odd)}", hint, 2
    return *_own_fault(error), 1


OWN_FAULT = "this is a fault of lsvid, not yours"


@click.command(cls=_LsvidGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="lsvid %(version)s")
def cli() -> None:
    """Label time in video with Label Studio, and get exact per-frame labels out.

    \b
    The main job, in three commands:
      lsvid setup-project labels.txt --title Surgery --storage /data/clips
      lsvid import-clips /data/clips --project Surgery
      lsvid export-frames --project Surgery -o frames/

    The server and its key come from --url and --api-key, else from LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY, else
    from lsvid serve.
    Tab completion (bash; zsh and fish alike): eval "$(_LSVID_COMPLETE=bash_source lsvid)"
    """


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 bad data or partly failed, 2 usage, 3 server unreachable or refused."""
    program.begin()
    gc.set_threshold(200_000, 10, 100)  # there are few cycles, and looking for them takes 5 % of a short command
    cli.main(prog_name="lsvid")
    sys.exit(0)
