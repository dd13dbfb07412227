"""Texts of the library name options as Python does; the command line turns them into its flags."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import lsvid
from clip_work import troubled
from lsvid.cli import COMMANDS, cli
from lsvid.cli.flags import as_flag
from lsvid.errors import ClipError, ExportError, SettingsError
from lsvid.findings import Findings
from lsvid.wording import spoken
from lsvid.workers.processes import Processes

SRC = Path(__file__).resolve().parent.parent / "src" / "lsvid"
OPTION = re.compile(r"<<([a-z][a-z0-9_]*)(?:=(.*?))?>>", re.DOTALL)


def flags() -> set[str]:
    """Every flag of every command."""
    context = click.Context(cli)
    commands = [command for name in COMMANDS if (command := cli.get_command(context, name)) is not None]
    return {
        flag
        for command in commands
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--")
    }


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The texts in a module, with their lines: no docstrings, and no words that are arguments of a program."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    passed_over: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed_over.add(id(node.value))
        elif isinstance(node, ast.List):
            passed_over |= {id(element) for element in node.elts if isinstance(element, ast.Constant)}
        elif isinstance(node, ast.JoinedStr):
            passed_over |= {id(part) for part in node.values}
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
            yield node.lineno, node.value


LIBRARY = [file for file in sorted(SRC.rglob("*.py")) if file.relative_to(SRC).parts[0] != "cli"]


def test_no_text_of_the_library_names_a_flag() -> None:
    """A command for a shell may stand in a text, with its flags: it is the same for everybody."""
    known = flags()
    assert "--clips" in known
    wrong = []
    for file in LIBRARY:
        for line, text in texts(file):
            rest = re.sub(r"(?:\blsvid [a-z-]+|uv tool install|aws s3api) [^;)]*", "", text)
            found = {flag for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", rest) if flag in known}
            wrong += [f"{file.relative_to(SRC)}:{line}: {flag} in {text!r}" for flag in sorted(found)]
    assert not wrong, "name the option as Python does, <<name=VALUE>>:\n" + "\n".join(wrong)


def test_every_option_that_a_text_names_is_a_flag_of_a_command() -> None:
    known, seen = flags(), 0
    for file in LIBRARY:
        for line, text in texts(file) if file.name != "wording.py" else ():
            for name, value in OPTION.findall(text):
                seen += 1
                assert as_flag(name, value or None).partition(" ")[0] in known, f"{file}:{line}: {name}"
    assert seen > 90


@pytest.mark.parametrize(
    ("text", "in_python", "on_the_command_line"),
    [
        ("<<clips=DIR>>", "clips=DIR", "--clips DIR"),
        ('<<probabilities={"fps": R}>>', 'probabilities={"fps": R}', "--probability-fps R"),
        ("<<skip_bad=True>> counts", "skip_bad=True counts", "--skip-bad counts"),
        ("with <<presign=False>>", "with presign=False", "with --no-presign"),
        ("<<statuses>>, <<endpoint=URL>>", "statuses, endpoint=URL", "--status, --s3-endpoint URL"),
        ("a << b", "a << b", "a << b"),
    ],
)
def test_options_in_the_words_of_who_runs_it(text: str, in_python: str, on_the_command_line: str) -> None:
    def said() -> set[str]:
        findings = Findings()
        findings.warn(text, text)
        findings.fault("here", text, text)
        findings.leave_out("here", text)
        error, listed = SettingsError(text, text), ExportError("faults", faults=[text])
        return {
            error.message, error.hint, *listed.faults, *findings.warnings[0], findings.faults[0][1],
            findings.left_out[0][1], *findings.hints.values(),
        }  # fmt: skip

    assert said() == {in_python}
    with spoken(as_flag):
        assert said() == {on_the_command_line}
    assert said() == {in_python}


def test_an_error_of_a_worker_names_options_as_the_program_does_that_gets_it() -> None:
    with spoken(as_flag):
        ((_, error),) = Processes(1).run_each(troubled, ["marked"])
    assert isinstance(error, ClipError)
    assert error.hint == "name its folder: --clips DIR"
    assert error.__notes__ == ["hint: name its folder: --clips DIR"]


def test_the_same_error_in_both_worlds(tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text('[{"id": 1, "data": {"video": "/none/clip_1.mp4"}, "annotations": []}]', encoding="utf-8")
    with pytest.raises(lsvid.LsvidError) as caught:
        lsvid.read(export)
    assert "name its folder: clips=DIR; skip_bad=True leaves them out" in caught.value.hint
    result = CliRunner().invoke(cli, ["export-frames", str(export), "-o", str(tmp_path / "out")])
    assert "name its folder: --clips DIR; --skip-bad leaves them out" in result.stderr
