"""The Python environments that lsvid makes: for Label Studio, which pins 160 packages, and for lsvid's demo and tests.

uv makes them: it needs 12 s for Label Studio, and pip needs two minutes (measured, nothing cached). This module uses
the standard library only, since scripts/demo and scripts/test use it before anything is installed.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lsvid.errors import LsvidError
from lsvid.label_studio import releases

LABEL_STUDIO = f"label-studio=={releases.TESTED}"

SERVER_PYTHONS = ("3.13", "3.12", "3.11")
"""The Pythons on which Label Studio and its SDK can be installed, best first."""

_UV_RELEASE = (0, 7)
"""The first release of uv with dependency groups."""


class InstallError(LsvidError):
    """An environment could not be made; the text holds the last lines of the log."""

    exit_code = 3


# --- Which Python -----------------------------------------------------------------------------------------------------


def find_python(*versions: str) -> Path | None:
    """A CPython of the first of `versions` ("3.13") that this machine has; None if it has none of them.

    Each candidate is run, since a program on the PATH may not work (a pyenv shim of a version that is not active).
    """
    return _first(versions, python_version)


def pythons_here() -> dict[str, Path]:
    """Every CPython from 3.11 up on this machine, one for each version, oldest first."""
    ask_once = functools.cache(python_version)
    found = {f"3.{minor}": _first([f"3.{minor}"], ask_once) for minor in range(11, 30)}
    return {version: python for version, python in found.items() if python is not None}


def python_version(python: Path) -> str | None:
    """The version of a CPython, as "3.13"; None if `python` does not run or is another implementation."""
    question = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", question], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, _, version = answer.stdout.strip().partition(" ")
    return version if answer.returncode == 0 and name == "cpython" else None


def _first(versions: Sequence[str], version_of: Callable[[Path], str | None]) -> Path | None:
    for version in versions:
        for candidate in _candidates(version):
            if version_of(candidate) == version:
                return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    names = [f"python{version}", f"python{version}.exe"]
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    yield from (folder / name for folder in folders for name in names if (folder / name).is_file())
    yield from (folder / "python3" for folder in folders if (folder / "python3").is_file())
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)


# --- uv ---------------------------------------------------------------------------------------------------------------


def find_uv(beside: Path) -> list[str]:
    """The command that runs uv: the machine's own, else one that pip installs into the folder `beside`/uv.

    Raises InstallError.
    """
    own = beside / "uv"
    for command in ([shutil.which("uv") or ""], [sys.executable, "-m", "uv"], [str(program(own, "uv"))]):
        if _runs_uv(command):
            return command
    beside.mkdir(parents=True, exist_ok=True)
    log = beside / "uv.log"
    shutil.rmtree(own, ignore_errors=True)
    _run_steps(
        [
            [sys.executable, "-m", "venv", str(own)],
            [str(program(own, "python")), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "uv"],
        ],
        log,
        "uv",
        "install uv (https://docs.astral.sh/uv), or on Debian and Ubuntu python3-venv; then run it again",
    )
    return [str(program(own, "uv"))]


def _runs_uv(command: Sequence[str]) -> bool:
    try:
        answer = subprocess.run([*command, "--version"], check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    numbers = re.match(r"uv (\d+)\.(\d+)", answer.stdout)
    return answer.returncode == 0 and numbers is not None and (int(numbers[1]), int(numbers[2])) >= _UV_RELEASE


def uv_settings() -> dict[str, str]:
    """The environment variables for uv: those of this process. A package index that is set for pip holds for uv too."""
    index = os.environ.get("PIP_INDEX_URL")
    return {**({"UV_DEFAULT_INDEX": index} if index else {}), "UV_NO_PROGRESS": "1", **os.environ}


# --- Environments -----------------------------------------------------------------------------------------------------


def make(
    folder: Path,
    wanted: Sequence[str],
    *,
    title: str,
    python: str | Path,
    tell: Callable[[str], None],
    made_from: str = "",
) -> Path:
    """The path of the environment in `folder`, resolved. uv installs `wanted` into it, unless that was done already.

    python: the Python for it, or a version ("3.13"), which uv finds or downloads; an environment that works keeps its
    Python. made_from: a text that, beside `wanted`, decides what is installed. tell: is called with a line before slow
    steps. Raises InstallError.
    """
    folder = folder.resolve()  # it may be a link, so that several clones share one environment
    if is_made(folder, wanted, made_from):
        return folder
    uv = find_uv(folder.parent)
    log = folder.with_name(f"{folder.name}.log")
    tell(f"Installing {title} into {folder} …")
    folder.parent.mkdir(parents=True, exist_ok=True)
    steps = [[*uv, "pip", "install", "--python", str(program(folder, "python")), *wanted]]
    if not _works(folder):
        if folder.exists() and not (folder / "pyvenv.cfg").exists():
            raise InstallError(f"{folder} is there, but is no virtual environment", "move it away")
        shutil.rmtree(folder, ignore_errors=True)
        steps.insert(0, [*uv, "venv", "--python", str(python), str(folder)])
    _run_steps(steps, log, title, "is the network there, and 2 GB of disk? then run it again")
    for stamp in folder.glob("made-*"):
        stamp.unlink()
    _stamp(folder, wanted, made_from).write_text(str(folder), encoding="utf-8")
    return folder


def is_made(folder: Path, wanted: Sequence[str], made_from: str = "") -> bool:
    """Whether `folder` is an environment with exactly that, at the place where it was made."""
    folder = folder.resolve()
    return _stamp(folder, wanted, made_from).exists() and _works(folder)


def program(folder: Path, name: str) -> Path:
    """The path of the program `name` in the environment in `folder`."""
    return folder / "Scripts" / f"{name}.exe" if os.name == "nt" else folder / "bin" / name


def last_lines(log: Path, count: int = 12) -> str:
    """The last lines of a log, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)


def _stamp(folder: Path, wanted: Sequence[str], made_from: str) -> Path:
    """The file that marks an environment as made with these packages; it holds the folder's path."""
    made = hashlib.sha256(repr((list(wanted), made_from)).encode()).hexdigest()[:16]
    return folder / f"made-{made}"


def _works(folder: Path) -> bool:
    """Whether the environment's Python runs, and the folder was not moved since it was made."""
    made_at = {stamp.read_text(encoding="utf-8") for stamp in folder.glob("made-*")} - {""}
    return made_at <= {str(folder)} and python_runs(program(folder, "python"))


def python_runs(python: Path) -> bool:
    """Whether `python` is a Python that runs."""
    try:
        return subprocess.run([python, "-c", ""], check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run_steps(steps: Sequence[Sequence[str]], log: Path, title: str, hint: str) -> None:
    with log.open("wb") as output:
        for step in steps:
            # Not in the folder of the sources: Python would import modules from it.
            done = subprocess.run(
                step, check=False, cwd=log.parent, env=uv_settings(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
            if done.returncode:
                raise InstallError(
                    f"installing {title} failed:\n{last_lines(log)}\n(log: {log}; command: {' '.join(step)})", hint
                )
