"""What a command says while it works, and without any arguments."""

import io
import sys

import click
import pytest

from builders import run
from lsvid.cli.output import Output


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("total", [0, 6])
def test_progress_counts_to_a_number_that_is_there(total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Output().progress("Reading annotations", total) as step:
        for _ in range(6):
            step(1)
    said = click.unstyle(terminal.getvalue())
    assert "/0" not in said
    assert ("6/6" if total else " 6") in said


def test_a_total_that_shows_later_is_counted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Output().progress("Reading annotations") as step:
        step(1)
        step(1, 4)
    assert "2/4" in terminal.getvalue()


def test_lsvid_by_itself_is_help() -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout == run("--help").stdout
    assert "setup-project" in result.stdout
