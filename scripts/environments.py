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
    made_from = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    plain = ["--editable", str(ROOT)]
    full = [*plain, "--group", f"{ROOT / 'pyproject.toml'}:dev"]
    if not with_tests and not _is_made("lsvid", full, made_from):  # the tests' environment serves the demo as well
        return make("lsvid", plain, "lsvid", made_from)
    return make("lsvid", full, "lsvid", made_from)


def label_studio_environment() -> Path:
    """The folder of Label Studio's environment, made if need be."""
    return make("label-studio", [LABEL_STUDIO], "Label Studio (about 3 minutes, 1 GB)")


def make(name: str, wanted: list[str], title: str, made_from: str = "") -> Path:
    """The folder of the environment `name` with what pip makes of `wanted`; as it is where that was done already.

    made_from: the text that decides, beside `wanted`, what pip makes of it. Raises InstallError.
    """
    folder = _folder(name)
    if _is_made(name, wanted, made_from):
        return folder
    log = ENVIRONMENTS / f"{name}.log"
    print(f"Installing {title} into {folder} …", file=sys.stderr, flush=True)
    ENVIRONMENTS.mkdir(exist_ok=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    steps = [
        [*pip, "pip>=25.1"],  # knows dependency groups; the one that comes with Python 3.11 is older
        [*pip, *wanted],
    ]
    if not _works(folder):
        if folder.exists() and not (folder / "pyvenv.cfg").exists():
            raise InstallError(f"{folder} is there, but is no virtual environment: move it away")
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
    for stamp in folder.glob("made-*"):
        stamp.unlink()
    _stamp(name, wanted, made_from).touch()
    return folder


def _folder(name: str) -> Path:
    """Where the environment is. Resolved: .envs may be a link, by which several clones share one."""
    return (ENVIRONMENTS / name).resolve()


def _is_made(name: str, wanted: list[str], made_from: str) -> bool:
    return _stamp(name, wanted, made_from).exists() and _works(_folder(name))


def _stamp(name: str, wanted: list[str], made_from: str) -> Path:
    """The file that is there once the environment is made so, and until it is made otherwise."""
    made = hashlib.sha256(repr((wanted, made_from, sys.version_info[:2])).encode()).hexdigest()[:16]
    return _folder(name) / f"made-{made}"


def _works(folder: Path) -> bool:
    """Whether the environment has a Python that runs, of this version, and has not been moved since it was made."""
    version = ".".join(map(str, sys.version_info[:2]))
    question = f"import pip, sys; sys.exit('{version}' != '.'.join(map(str, sys.version_info[:2])))"
    try:
        answer = subprocess.run([folder / "bin" / "python", "-c", question], check=False, capture_output=True)
        program = (folder / "bin" / "pip").read_text(encoding="utf-8")  # names its Python by the full path
    except OSError:
        return False
    return answer.returncode == 0 and str(folder) in program


if __name__ == "__main__":
    try:
        lsvid_environment(with_tests=True)
        label_studio_environment()
    except InstallError as error:
        sys.exit(f"error: {error}\nhint: is the network there, and 2 GB of disk? then run it again")
