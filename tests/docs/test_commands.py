"""Every command that a page shows is one that lsvid takes: its name, its options, and their values."""

import shlex
from pathlib import Path

import click
import pytest

from lsvid.cli import COMMANDS, cli
from lsvid.cli.output import Output

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / ".github" / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    """The lines of blocks of code that call lsvid, those that go on joined."""
    found, fence = [], None
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("```"):
            fence = None if fence is not None else line.strip().removeprefix("```")
        elif fence in ("", "bash", "sh", "console") or (fence is None and line.startswith("    ")):
            found.append(line.strip())
    return [line for line in found if line.startswith("lsvid ") and "…" not in line]


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)])
def test_commands_of_the_pages(page: Path, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((k for k, word in enumerate(words) if word in ("|", ">", "&&", ";")), len(words))]
    if words[0].startswith("-"):
        return  # lsvid --help
    assert words[0] in COMMANDS, f"{page.name}: {line}"
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    try:
        command.make_context(words[0], words[1:], obj=Output())
    except click.exceptions.Exit:  # --help
        pass
    except click.ClickException as error:
        pytest.fail(f"{page.name}: {line}\n{error.format_message()}")


def test_the_pages_show_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 50
