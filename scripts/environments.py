"""The virtual environments under .envs/: one for lsvid, one for Label Studio. Standard library only.

An environment is made again only if its sources have changed. scripts/demo makes both; for scripts/test

    environments.py server   makes both, with what the tests need
    environments.py quick    makes one for lsvid on each Python of this machine, and one with the lowest versions that
                             pyproject.toml allows
    environments.py this     makes one for lsvid on the Python that runs this

and print a line for each environment of lsvid: its name and its folder.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # the parts of lsvid that are used here need no other packages

from lsvid.label_studio.environments import (  # noqa: E402
    LABEL_STUDIO,
    SERVER_PYTHONS,
    InstallError,
    find_python,
    find_uv,
    is_made,
    make,
    program,
    python_version,
    pythons_here,
    uv_settings,
)

ENVIRONMENTS = ROOT / ".envs"
TORCH = "torch==2.13.0"
# Its newest release for Python 3.11, with the packages for its code of projects and events, but without Qt and mpv.
BORIS = ["--no-deps", "boris-behav-obs==8.27.4", "tablib>=3.9"]
READERS = ["datasets>=5", "fiftyone>=1.22", "pillow>=10"]
_PYPROJECT = ROOT / "pyproject.toml"
_TESTS = ["--editable", str(ROOT), "--group", f"{_PYPROJECT}:dev"]


def lsvid_environment(*, with_tests: bool, python: str | Path | None = None) -> Path:
    """The folder of lsvid's environment, made or updated: lsvid itself, editable, and the packages of its tests.

    python: None means one on which all of lsvid works.
    """
    python = python or server_python()
    folder = _folder("lsvid", python)
    made_from = _PYPROJECT.read_text(encoding="utf-8")
    # The environment of the tests is good for the demo too.
    wanted = _TESTS if with_tests or is_made(folder, _TESTS, made_from) else _TESTS[:2]
    return make(folder, wanted, title="lsvid", python=python, tell=_tell, made_from=made_from)


def label_studio_environment() -> Path:
    """The folder of Label Studio's environment, made if needed."""
    folder = ENVIRONMENTS / "label-studio"
    wanted = os.environ.get("LSVID_TEST_LABEL_STUDIO", LABEL_STUDIO)  # for tests with another release
    return make(folder, [wanted], title="Label Studio (1 GB)", python=server_python(), tell=_tell)


def readers_environment() -> Path:
    """The folder of an environment with readers of formats that are too big for lsvid's own, made if needed."""
    folder = ENVIRONMENTS / "readers"
    return make(folder, READERS, title="readers of formats (1 GB)", python=server_python(), tell=_tell)


def boris_environment() -> Path:
    """The folder of an environment with BORIS's code, but without its user interface, made if needed (6 MB)."""
    return make(ENVIRONMENTS / "boris", BORIS, title="BORIS", python=server_python(), tell=_tell)


def torch_environment() -> Path:
    """The folder of an environment with lsvid and a CPU build of torch, made if needed (1 GB). Raises InstallError.

    pip is asked first, since it knows builds that are on this machine. If it would install one for CUDA, of several GB,
    uv installs the CPU build from torch's own index.
    """
    made_from = _PYPROJECT.read_text(encoding="utf-8")
    wanted, python = [*_TESTS[:2], "pip>=25.1"], find_python("3.11") or server_python()
    folder = make(
        ENVIRONMENTS / "with-torch", wanted, title="torch (1 GB)", python=python, tell=_tell, made_from=made_from
    )
    program_path = str(program(folder, "python"))
    if _run([program_path, "-c", "import torch"]).returncode == 0:
        return folder
    pip = [program_path, "-m", "pip", "install", "--quiet", TORCH]
    plan = _run([*pip, "--dry-run", "--report", "-"])
    brings = [item["metadata"]["name"] for item in json.loads(plan.stdout)["install"]] if plan.stdout else ["nvidia"]
    uv = [*find_uv(ENVIRONMENTS), "pip", "install", "--python", program_path, "--torch-backend", "cpu", TORCH]
    done = _run(uv if any(name.startswith(("nvidia", "cuda")) for name in brings) else pip)
    if done.returncode:
        raise InstallError(f"no CPU build of {TORCH} can be had: {done.stderr}", "is the network there?")
    return folder


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, check=False, cwd=ENVIRONMENTS, env=uv_settings(), capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def quick_environments() -> dict[str, Path]:
    """Environments for the quick tests, by name: one for each Python of this machine, one with the lowest versions."""
    each = {version: lsvid_environment(with_tests=True, python=python) for version, python in pythons_here().items()}
    return {**each, "lowest": _lowest_environment()}


def _lowest_environment() -> Path:
    """The lowest versions that pyproject.toml allows, on the lowest Python; the tests' packages are new."""
    lowest = ENVIRONMENTS / "lowest.txt"
    python = find_python("3.11") or "3.11"
    ENVIRONMENTS.mkdir(exist_ok=True)
    done = subprocess.run(
        [*find_uv(ENVIRONMENTS), "pip", "compile", "--quiet", "--all-extras", "--resolution", "lowest-direct",
         "--python-version", "3.11", str(_PYPROJECT), "--output-file", str(lowest)],
        check=False, cwd=ENVIRONMENTS, env=uv_settings(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise InstallError(f"the lowest versions that pyproject.toml allows do not fit: {done.stderr}", "raise one")
    return make(
        ENVIRONMENTS / "lsvid-lowest",
        ["--constraints", str(lowest), *_TESTS],
        title="lsvid with the lowest versions that it allows",
        python=python,
        tell=_tell,
        made_from=_PYPROJECT.read_text(encoding="utf-8"),
    )


def server_python() -> str | Path:
    """A Python on which all of lsvid works: this one, another on this machine, or a version that uv downloads."""
    this = ".".join(map(str, sys.version_info[:2]))
    wanted = (this, *SERVER_PYTHONS) if this in SERVER_PYTHONS else SERVER_PYTHONS
    return find_python(*wanted) or SERVER_PYTHONS[0]


def _folder(name: str, python: str | Path) -> Path:
    """The folder of the environment: .envs/lsvid, or .envs/lsvid-3.13 if that one has another Python."""
    folder = ENVIRONMENTS / name
    version = python if isinstance(python, str) else python_version(python)
    there = python_version(program(folder, "python"))
    return folder if there in (None, version) else ENVIRONMENTS / f"{name}-{version}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _made(which: str) -> dict[str, Path]:
    if which == "quick":
        return quick_environments()
    if which == "this":
        return {"this": lsvid_environment(with_tests=True, python=Path(sys.executable))}
    label_studio_environment()
    return {"server": lsvid_environment(with_tests=True)}


if __name__ == "__main__":
    try:
        for name, environment in _made(sys.argv[1]).items():
            print(name, environment)
    except InstallError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
