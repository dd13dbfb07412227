"""What a machine does to a program: full disks, closed streams, signals, locales. One clear error, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import annotation, export, region, run, task

pytestmark = pytest.mark.skipif(os.name == "nt", reason="what is asked for here is POSIX's")

LSVID = [sys.executable, "-m", "lsvid"]


@pytest.fixture
def exported(clips: Path, tmp_path: Path) -> list[str]:
    return [str(export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 8, "Ü"))))), "--clips", str(clips)]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.txt"
    file.write_text("Schnitt\nNähen 手\n", encoding="utf-8")
    return file


def shell(command: list[str], how: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """`command` in a shell, with `how` behind it."""
    words = " ".join(f"'{word}'" for word in command)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} {how}"],
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )


def test_standard_output_that_takes_no_more(exported: list[str], labels: Path) -> None:
    for command in (["config", str(labels)], ["export-spans", *exported], ["formats"]):
        done = shell([*LSVID, *command], "> /dev/full")
        assert done.returncode == 1, done.stderr
        assert b"error: cannot write to standard output: No space left on device\nhint: free some space" in done.stderr
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr


def test_standard_output_that_is_closed(exported: list[str], labels: Path, tmp_path: Path) -> None:
    for command in (["config", str(labels)], ["export-spans", *exported, "-q"]):
        done = shell([*LSVID, *command], ">&-")
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, b"error: standard output is closed")
    done = shell([*LSVID, "export-frames", *exported, "-o", str(tmp_path / "out")], ">&-")
    assert done.returncode == 0, done.stderr


def test_standard_error_that_is_closed_breaks_nothing_and_gets_into_no_file(
    exported: list[str], tmp_path: Path
) -> None:
    command = ["export-frames", *exported, "--images", "--short-side", "16", "-o"]
    assert shell([*LSVID, *command, str(tmp_path / "out")], "2>&- >&- <&-").returncode == 0
    assert shell([*LSVID, *command, str(tmp_path / "whole")], "").returncode == 0
    same = [(tmp_path / name / "frames.csv").read_bytes() for name in ("out", "whole")]
    assert same[0] == same[1]
    assert shell([*LSVID, "config", "none.txt"], "2> /dev/full").returncode == 1


def test_a_reader_that_goes_away(exported: list[str], labels: Path) -> None:
    for command in (
        ["config", str(labels)],
        ["formats"],
        ["--help"],
        ["export-frames", "--help"],
        ["export-spans", *exported],
    ):
        done = shell([*LSVID, *command], "| head -1")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), (command, done.stderr)
        assert b"Traceback" not in done.stderr
        assert b"rror" not in done.stderr


@pytest.mark.parametrize("command", ["export-spans", "contact-sheet", "config", "report", "make-proxies", "images"])
def test_files_that_take_no_more(command: str, exported: list[str], labels: Path, tmp_path: Path) -> None:
    arguments = {
        "config": ["config", str(labels)],
        "make-proxies": ["make-proxies", exported[2], "--height", "32"],
        "images": ["export-frames", *exported, "--images"],
    }.get(command, [command, *exported])
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); import lsvid.report;"
        "lsvid.report.write_figures = lambda *_: []; from lsvid.cli import main; main()"
    )
    (tmp_path / "at").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "-o", str(tmp_path / "at/out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert "hint: " in done.stderr
    left = [path for path in (tmp_path / "at").rglob("*") if path.is_file() and path.name != ".proxies.json"]
    assert all(path.name == ".pictures.json" for path in left), "nothing half-written"


def test_a_place_where_nothing_may_be_written(exported: list[str], labels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in (["export-frames", *exported], ["config", str(labels)], ["export-spans", *exported]):
        for place in (str(tmp_path / "file" / "out"), "/proc/nothing/out", "/dev/null/x"):
            done = run(*command, "-o", place)
            assert done.exit_code == 2, (place, done.stderr)
            assert done.stderr.startswith("error: ")


def test_locales_that_know_ascii_only(clips: Path, tmp_path: Path) -> None:
    (clips / "op1").rename(clips / "Übung 手")
    one = task(1, "clip_1", annotation(1, 5, region(5, 8, "Ü")))
    one["data"]["video"] = "/data/local-files/?d=clips/Übung 手/clip_1.mp4"
    exported = [str(export(tmp_path, one)), "--clips", str(clips)]
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}):
        for name in ("elan", "webvtt"):
            place = tmp_path / f"{len(locale)}-{name}"
            done = shell([*LSVID, "export-frames", *exported, "--format", name, "-o", str(place)], "", **locale)
            assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{len(locale)}-webvtt/Übung 手/clip_1.vtt").exists()
        assert (tmp_path / f"{len(locale)}-elan/Übung_手_clip_1.eaf").exists()
        spans = shell([*LSVID, "export-spans", *exported], "", **locale)
        assert "Übung 手" in spans.stdout.decode("utf-8")


def test_no_home(exported: list[str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    environment.pop("LSVID_CACHE_DIR")
    code = (
        "import os, pathlib; pathlib.Path.home = classmethod(lambda _: (_ for _ in ()).throw(RuntimeError('no home')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; from lsvid.cli import main; main()", "export-frames", *exported, "-o",
         str(tmp_path / "out")],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


_DROPPED = """
import signal, time
from lsvid.cli.program import Interrupted, catch_signals

class Freed:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

catch_signals()
try:
    Freed()
    time.sleep(100)
except Interrupted as error:
    print("ended by", error.number)
"""


def test_a_signal_that_strikes_where_python_drops_errors_ends_the_program_in_silence() -> None:
    done = subprocess.run([sys.executable, "-c", _DROPPED], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == (f"ended by {int(signal.SIGTERM)}\n", "")


def _interrupt(ready: Callable[[], bool], command: list[str], number: int) -> tuple[int, str]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not ready() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_clean_up(clips: Path, exported: list[str], tmp_path: Path, number: int) -> None:
    """In the middle of the work on clips, with workers and programs that they started."""
    (tmp_path / "tmp").mkdir()
    command = ["env", f"TMPDIR={tmp_path / 'tmp'}", *LSVID, "make-proxies", str(clips), "-o", str(tmp_path / "p")]
    begun = lambda: any((tmp_path / "p").rglob(".*.part*"))  # noqa: E731
    code, said = _interrupt(begun, [*command, "--crf", "1"], number)
    assert code in (0, 128 + number)
    if code:
        assert said.splitlines()[-2:] == [
            "error: interrupted", "hint: run the same command again: it goes on where it stopped"
        ]  # fmt: skip
    assert "Traceback" not in said
    assert list((tmp_path / "p").rglob(".*.part*")) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("delay_s", [0.1, 0.3, 0.6, 1.0])
def test_ctrl_c_at_any_time_gives_no_traceback(exported: list[str], tmp_path: Path, delay_s: float) -> None:
    begin = time.monotonic()
    command = [*LSVID, "export-frames", *exported, "--format", "parquet", "-o", str(tmp_path / "out")]
    code, said = _interrupt(lambda: time.monotonic() - begin > delay_s, command, signal.SIGINT)
    assert code in (0, 130, -signal.SIGINT) or "Traceback" in said
    assert "Traceback" not in said or "in main\n" not in said, "else Python itself had not yet come to us"
