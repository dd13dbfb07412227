"""scripts/demo and what it stands on: what a person meets when something is missing or in the way."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import srsly

import lsvid
from environments import ROOT, lsvid_environment
from lsvid.label_studio.environments import find_python, program
from lsvid.label_studio.serve import free_port, port_is_taken


def demo(*arguments: str, timeout: float = 60, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What `scripts/demo` did."""
    return subprocess.run(
        [ROOT / "scripts" / "demo", *arguments], check=False, capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def _program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_help_needs_nothing_installed() -> None:
    result = demo("--help")
    assert result.returncode == 0
    assert "--no-wait" in result.stdout


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    old = _program(tmp_path / "python3.9", "exit 1")
    result = demo(PYTHON=old)
    assert result.returncode == 1
    assert result.stderr == (
        f"error: PYTHON={old} is not a Python 3.11 or newer\nhint: name another, or leave PYTHON out\n"
    )


def test_no_python_new_enough_is_found(tmp_path: Path) -> None:
    _program(tmp_path / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    for needed in ("bash", "dirname"):
        (tmp_path / needed).symlink_to(f"/bin/{needed}")
    result = demo(PATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith("error: no Python 3.11 or newer found (Python 3.9.2)\nhint: install one")


def test_a_python_without_venv_is_refused_where_there_is_no_uv(tmp_path: Path) -> None:
    bare = _program(tmp_path / "python3", 'case "$*" in *venv*) exit 1;; *) exit 0;; esac')
    for needed in ("bash", "dirname"):
        (tmp_path / needed).symlink_to(f"/bin/{needed}")
    result = demo(PYTHON=bare, PATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr == (
        f"error: {bare} cannot make virtual environments: its venv or ensurepip module is missing\n"
        "hint: install uv (https://docs.astral.sh/uv), or on Debian and Ubuntu: apt-get install python3-venv\n"
    )


def test_a_taken_port_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = demo("--no-wait", "--port", str(port), "--folder", str(tmp_path / "demo"))
    assert result.returncode == 1
    assert result.stderr == (
        f"error: port {port} is taken by another program\nhint: choose another: scripts/demo --port {port + 1}\n"
    )
    assert not (tmp_path / "demo").exists()


def test_the_label_configs_beside_the_label_files_are_what_lsvid_makes_of_them() -> None:
    files = sorted((ROOT / "label_configs").glob("*.xml"))
    before = [file.read_text(encoding="utf-8") for file in files]
    subprocess.run([sys.executable, ROOT / "scripts" / "regenerate-label-configs"], check=True, capture_output=True)
    assert [file.read_text(encoding="utf-8") for file in files] == before
    assert files


def test_bench_runs_the_ffmpeg_that_lsvid_uses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bench_pictures import ffmpeg

    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(ffmpeg()).is_relative_to(sys.prefix), "that of imageio-ffmpeg, where the PATH has none"


def test_the_version_is_the_same_everywhere() -> None:
    assert srsly.read_yaml(ROOT / "CITATION.cff")["version"] == lsvid.__version__


def test_continuous_integration_tries_each_python_that_is_said_to_work() -> None:
    workflow = srsly.read_yaml(ROOT / ".github" / "workflows" / "test.yml")
    said = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(said) <= set(workflow["jobs"]["quick"]["strategy"]["matrix"]["python"])


@pytest.mark.server
def test_the_demo_runs_twice_on_two_pythons_and_doubles_nothing(tmp_path: Path) -> None:
    port = str(free_port())
    folder = tmp_path / "demo"
    new = program(lsvid_environment(with_tests=True, python=find_python("3.13") or "3.13"), "python")
    first = demo("--no-wait", "--port", port, "--folder", str(folder), timeout=400, PYTHON=str(new))
    assert first.returncode == 0, first.stdout + first.stderr
    table = (folder / "frames" / "frames.csv").read_bytes()
    second = demo("--no-wait", "--port", port, "--folder", str(folder), timeout=300, PYTHON=sys.executable)
    assert second.returncode == 0, second.stdout + second.stderr

    assert (folder / "frames" / "frames.csv").read_bytes() == table
    lines = table.decode().splitlines()
    assert len(lines) - 1 == 420 + 420  # every frame of the two annotated clips once: their labels do not overlap
    assert sum("Riding / On-board camera / Looking ahead" in line for line in lines) == 91 + 45 + 79
    assert "Annotated 2 of 3 clips" in first.stdout
    assert "Annotated" not in second.stdout
    assert not port_is_taken(int(port)), "--no-wait leaves no server behind"
    assert (folder / "server.json").stat().st_mode & 0o077 == 0, "nobody else may read the token"
