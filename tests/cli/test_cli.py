"""What all commands share: help, exit codes, one place for errors, and that `--help` is quick."""

import errno
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import lsvid.errors
from lsvid import __version__
from lsvid.cli import COMMANDS, cli
from lsvid.cli.output import Output, output_options, reader_has_gone
from lsvid.errors import LabelFileError, LsvidError, ServerError
from lsvid.findings import Findings

README = Path(__file__).parent.parent.parent / "README.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_stands_in_the_readme(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: cli {name} " in result.stdout
    assert re.search(rf"Examples:\n(    .*\n)*?    lsvid {name} ", result.stdout)
    assert f"lsvid {name}" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("export-frames", ["What is read", "What is written", "Pictures", "Boundaries and annotators", "Server", "S3"]),
        ("export-spans", ["What is read", "What is written", "Boundaries and annotators", "Server", "S3"]),
        ("export-features", ["What is read", "What is written", "Features", "Server", "S3"]),
        ("report", ["What is read", "What is written", "Boundaries and annotators", "Server", "S3"]),
        ("contact-sheet", ["What is read", "What is written", "Pictures", "Boundaries and annotators", "Server", "S3"]),
        ("evaluate", ["What is read", "What is written", "What is compared", "Boundaries and annotators", "Server"]),
        ("make-proxies", ["What is written", "What is read", "S3"]),
        ("import-clips", ["Project", "What is read", "Clips", "Annotators", "Annotations that come along", "Server"]),
        ("setup-project", ["Project", "The annotator's page", "Clips", "Annotators", "Server", "S3"]),
    ],
)
def test_the_help_of_a_command_with_many_options_shows_them_in_sections(name: str, sections: list[str]) -> None:
    shown = re.findall(r"^([A-Z].*):$", CliRunner().invoke(cli, [name, "--help"]).stdout, re.MULTILINE)
    assert [title for title in shown if title in sections] == sections
    assert shown[-1] == "General"
    assert set(shown) - set(sections) <= {"S3", "General"}, "each section is named above"


def test_an_option_is_in_its_section() -> None:
    shown = CliRunner().invoke(cli, ["export-frames", "--help"]).stdout
    sections = dict(re.findall(r"^([A-Z].*):\n((?:  .*\n)+)", shown, re.MULTILINE))
    options = {
        "What is read": ("--clips", "--annotator"), "What is written": ("--output", "--format"),
        "Pictures": ("--images", "--short-side"), "Boundaries and annotators": ("--snap", "--merge"),
        "Server": ("--url",), "S3": ("--s3-endpoint",), "General": ("--json",),
    }  # fmt: skip
    for title, names in options.items():
        for name in names:
            assert [at for at, text in sections.items() if re.search(rf"^  (-\w, )?{name}\b", text, re.MULTILINE)] == [
                title
            ]


def test_help_lists_the_commands_and_the_version_is_said() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["--help"]).stdout.split())
    assert all(name in shown and text in shown for name, (_, text) in COMMANDS.items())
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"lsvid {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from lsvid.cli import cli; cli(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for module in (
        "numpy",
        "polars",
        "av",
        "cv2",
        "msgspec",
        "label_studio_sdk",
        "boto3",
        "requests",
        "srsly",
        "distributed",
    ):
        assert f"'{module}'" not in shown


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "lsvid", "--version"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == f"lsvid {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_tab_completion(shell: str) -> None:
    environment = os.environ | {"_LSVID_COMPLETE": f"{shell}_source"}
    shown = subprocess.run(
        [sys.executable, "-m", "lsvid"], check=False, capture_output=True, text=True, env=environment
    )
    assert "_LSVID_COMPLETE" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["exprot"], "error: No such command 'exprot'."),
        (["config"], "error: Missing argument 'LABELS'."),
        (["config", "--colour", "x"], "error: No such option '--colour'"),
    ],
)
def test_wrong_usage_is_one_line_a_hint_and_exit_2(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(text)
    assert "hint: run '" in result.stderr


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> dict[str, BaseException]:
    """A command `lsvid config` that raises what is put in here under "error"."""
    raises: dict[str, BaseException] = {}

    @click.command("config")
    @output_options
    def failing(output: Output) -> None:
        raise raises["error"]

    import lsvid.cli.config

    monkeypatch.setattr(lsvid.cli.config, "config", failing)
    return raises


def test_an_expected_error_has_its_message_hint_and_exit_code(command: dict[str, BaseException]) -> None:
    command["error"] = ServerError("the server is down", "start it")
    result = CliRunner().invoke(cli, ["config"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: the server is down\nhint: start it\n"
    result = CliRunner().invoke(cli, ["config", "--json"])
    assert json.loads(result.stdout) == {
        "error": "the server is down", "hint": "start it", "exit_code": 3, "warnings": [],
    }  # fmt: skip


def test_many_faults_are_cut_on_the_terminal_and_whole_with_json(command: dict[str, BaseException]) -> None:
    command["error"] = LabelFileError("x.txt has faults:", "mend them", [f"x.txt:{n}: bad" for n in range(1, 101)])
    result = CliRunner().invoke(cli, ["config", "--json"])
    assert "x.txt:19: bad\n  … and 81 more (all of them with --json)" in result.stderr
    assert json.loads(result.stdout)["error"].endswith("x.txt:100: bad")


def test_an_interrupt_says_how_to_go_on(command: dict[str, BaseException]) -> None:
    command["error"] = KeyboardInterrupt()
    result = CliRunner().invoke(cli, ["config"])
    assert result.exit_code == 130
    assert "hint: run the same command again: it goes on where it stopped" in result.stderr


def test_a_fault_of_ours_is_called_that_and_has_its_traceback_on_request(
    command: dict[str, BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    command["error"] = ZeroDivisionError("ours")
    result = CliRunner().invoke(cli, ["config", "--json"])
    assert result.exit_code == 1
    assert "error: ZeroDivisionError: ours: this is a fault of lsvid, not yours\n" in result.stderr
    assert "export LSVID_DEBUG=1" in json.loads(result.stdout)["hint"]
    monkeypatch.setenv("LSVID_DEBUG", "1")
    assert isinstance(CliRunner().invoke(cli, ["config"]).exception, ZeroDivisionError)
    command["error"] = ServerError("theirs")
    assert isinstance(CliRunner().invoke(cli, ["config"]).exception, ServerError)


class PanicException(BaseException):
    """What polars raises where its Rust code gives up."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: there is not enough memory\n"),
        (PanicException("could not spawn threads: IOError"), "error: there is not enough memory\n"),
        (PanicException("index out of bounds"), "error: RuntimeError: index out of bounds: this is a fault of lsvid"),
    ],
)
def test_what_polars_and_python_raise_without_memory_is_one_error(
    error: BaseException, said: str, command: dict[str, BaseException]
) -> None:
    command["error"] = error
    result = CliRunner().invoke(cli, ["config"])
    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"Task {n}" for n in range(9000)))  # more than a pipe holds
    writer = subprocess.Popen(
        [sys.executable, "-m", "lsvid", "config", str(labels)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait() == 0
    writer.stderr.close()


def test_how_each_system_says_that_the_reader_has_gone() -> None:
    gone, invalid = BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EINVAL, "Invalid argument")
    assert [reader_has_gone(error, on_windows=False) for error in (gone, invalid)] == [True, False]
    assert [reader_has_gone(error, on_windows=True) for error in (gone, invalid)] == [True, True]
    assert not reader_has_gone(OSError(errno.EINVAL, "Invalid argument", "a file"), on_windows=True)
    assert not reader_has_gone(OSError(errno.ENOSPC, "No space left on device"), on_windows=True)


@pytest.mark.parametrize("habit", ["cp1252", "ascii", "utf-8"])
def test_files_and_pipes_get_utf8_whatever_the_systems_habit(tmp_path: Path, habit: str) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("Węzeł 結び目\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": habit}
    for arguments in (["config", str(labels)], ["config", str(labels), "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "lsvid", *arguments], capture_output=True, check=True, env=environment
        )
        assert "Węzeł 結び目" in done.stdout.decode("utf-8")
    missing = subprocess.run(
        [sys.executable, "-m", "lsvid", "config", "結び目.txt"], capture_output=True, check=False, env=environment
    )
    assert "結び目.txt" in missing.stderr.decode("utf-8")


def test_every_error_survives_pickling_and_has_an_exit_code() -> None:
    kinds = [kind for kind in vars(lsvid.errors).values() if isinstance(kind, type) and issubclass(kind, LsvidError)]
    assert len(kinds) > 8
    for kind in kinds:
        again = pickle.loads(pickle.dumps(kind("what", "do")))  # noqa: S301 - our own
        assert (type(again), again.message, again.hint, str(again)) == (kind, "what", "do", "what")
        assert again.exit_code in (1, 2, 3)


def test_findings_are_counted_by_reason() -> None:
    findings = Findings()
    for number in range(5):
        findings.leave_out(f"task {number}", "skipped ones")
    findings.warn("look", "there")
    findings.warn("look", "there")
    assert findings.left_out_counts() == {"skipped ones": 5}
    assert findings.warnings == [("look", "there")]
