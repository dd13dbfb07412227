"""The virtual environments under .envs/: one for lsvid, one for Label Studio. Standard library only.

`python3 scripts/environments.py` makes both, with what the tests need; scripts/demo makes them without. An environment
is left alone while what it was made from stays the same.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from embedded_label_studio import ENVIRONMENTS, ROOT, last_lines

LABEL_STUDIO = "label-studio==1.23.2"
"""In an environment of its own: it pins some 160 packages. The release that lsvid's facts were measured on."""


class InstallError(Exception):
    """An environment could not be made; the text holds the last lines of the log."""


def lsvid_environment(*, with_tests: bool) -> Path:
    """The folder of lsvid's environment, made or brought up to date: lsvid itself, editable; its tests' packages."""
    wanted = ["--editable", str(ROOT), *(["--group", f"{ROOT / 'pyproject.toml'}:dev"] if with_tests else [])]
    return _environment("lsvid", wanted, "lsvid", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def label_studio_environment() -> Path:
    """The folder of Label Studio's environment, made if need be."""
    return _environment("label-studio", [LABEL_STUDIO], "Label Studio (about 3 minutes, 1 GB)", "")


def _environment(name: str, wanted: list[str], title: str, made_from: str) -> Path:
    folder = ENVIRONMENTS / name
    log = ENVIRONMENTS / f"{name}.log"
    # One file for each way of making it: what the demo asks for is there too once the tests' packages are.
    stamp = folder / f"made-{hashlib.sha256(repr((wanted, made_from, sys.version_info[:2])).encode()).hexdigest()[:16]}"
    if stamp.exists() and _works(folder):
        return folder
    print(f"Installing {title} into {folder.relative_to(ROOT)} …", file=sys.stderr, flush=True)
    ENVIRONMENTS.mkdir(exist_ok=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps = [
        [*pip, "pip>=25.1"],  # knows dependency groups; the one that comes with Python 3.11 is older
        [*pip, *wanted],
    ]
    if not _works(folder):
        shutil.rmtree(folder, ignore_errors=True)
        steps.insert(0, [sys.executable, "-m", "venv", str(folder)])
    with log.open("wb") as output:
        for step in steps:
            # Not beside the sources: Python would import what lies there.
            done = subprocess.run(
                step, check=False, cwd=ENVIRONMENTS, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            if done.returncode:
                raise InstallError(
                    f"installing {title} failed:\n{last_lines(log)}\n(log: {log}; command: {' '.join(step)})"
                )
    stamp.touch()
    return folder


def _works(folder: Path) -> bool:
    """Whether the environment has a Python that runs, of this version: it breaks when that Python is removed."""
    version = ".".join(map(str, sys.version_info[:2]))
    question = f"import pip, sys; sys.exit('{version}' != '.'.join(map(str, sys.version_info[:2])))"
    try:
        answer = subprocess.run([folder / "bin" / "python", "-c", question], check=False, capture_output=True)
    except OSError:
        return False
    return answer.returncode == 0


if __name__ == "__main__":
    try:
        lsvid_environment(with_tests=True)
        label_studio_environment()
    except InstallError as error:
        sys.exit(f"error: {error}\nhint: is the network there, and 2 GB of disk? then run it again")
