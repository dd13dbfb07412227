"""The environments that lsvid makes by uv: which Python, when they are made anew, and what is never deleted."""

import subprocess
import sys
from pathlib import Path

import pytest

from environments import ROOT
from lsvid.label_studio import environments
from lsvid.label_studio.environments import InstallError, find_python, find_uv, last_lines, make, program, pythons_here

NOT_THERE = ["--no-index", "no-such-package"]


def _made(folder: Path, *wanted: str) -> list[str]:
    """What `make` told while it made the environment in `folder`."""
    told: list[str] = []
    make(folder, wanted, title="Something", python=Path(sys.executable), tell=told.append)
    return told


@pytest.fixture
def package(tmp_path: Path) -> str:
    """A package that needs nothing from anywhere to be installed: a wheel of one file."""
    import zipfile

    wheel = tmp_path / "nothing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nothing.py", "")
        archive.writestr("nothing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n")
        archive.writestr(
            "nothing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("nothing-1.0.dist-info/RECORD", "")
    return str(wheel)


def test_an_environment_is_made_once(tmp_path: Path, package: str) -> None:
    folder = tmp_path / "envs" / "one"
    assert _made(folder, package) == [f"Installing Something into {folder} …"]
    subprocess.run([program(folder, "python"), "-c", "import nothing"], check=True)
    assert _made(folder, package) == []
    assert _made(folder, "--no-deps", package), "other wishes"


def test_one_that_was_moved_is_made_anew(tmp_path: Path, package: str) -> None:
    _made(tmp_path / "old", package)
    (tmp_path / "old").rename(tmp_path / "new")
    assert _made(tmp_path / "new", package)
    assert str(tmp_path / "old") not in (tmp_path / "new" / "bin" / "activate").read_text()


def test_a_failed_install_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"installing Something failed:\n(.*\n)*.*no-such-package") as failed:
        _made(tmp_path / "something", *NOT_THERE)
    assert "network" in failed.value.hint


def test_one_reached_through_a_link_is_left_alone(tmp_path: Path, package: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    _made(tmp_path / "link" / "shared", package)
    somebodys = tmp_path / "real" / "shared" / "somebodys-work"
    somebodys.touch()
    for way in ("real", "link"):
        with pytest.raises(InstallError):
            _made(tmp_path / way / "shared", *NOT_THERE)
        assert somebodys.exists()


def test_what_is_no_environment_is_not_deleted(tmp_path: Path) -> None:
    somebodys = tmp_path / "lsvid" / "somebodys-work"
    somebodys.parent.mkdir()
    somebodys.touch()
    with pytest.raises(InstallError, match="is no virtual environment"):
        _made(tmp_path / "lsvid")
    assert somebodys.exists()


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def somebodys_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but what the test puts into bin/ and pyenv/versions/ of this folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(sys, "executable", str(_program(tmp_path / "python3", "echo cpython 3.14")))
    return tmp_path


def test_a_python_is_found_past_shims_that_fail_and_other_implementations(somebodys_machine: Path) -> None:
    bin_ = somebodys_machine / "bin"
    _program(bin_ / "python3.13", "echo pyenv: python3.13: command not found >&2; exit 127")
    _program(bin_ / "python3.12", "echo pypy 3.12")
    _program(bin_ / "python3", "echo cpython 3.11")
    assert find_python("3.13", "3.12", "3.11") == bin_ / "python3"
    real = _program(somebodys_machine / "pyenv" / "versions" / "3.13.7" / "bin" / "python3.13", "echo cpython 3.13")
    assert find_python("3.13", "3.12", "3.11") == real
    assert find_python("3.12") is None
    assert list(pythons_here()) == ["3.11", "3.13", "3.14"]


def test_a_uv_that_works_is_taken_and_one_that_does_not_is_passed_over(somebodys_machine: Path) -> None:
    shim = _program(somebodys_machine / "bin" / "uv", "exit 127")
    own = _program(somebodys_machine / "envs" / "uv" / "bin" / "uv", "echo uv 0.9.1")
    assert find_uv(somebodys_machine / "envs") == [str(own)]
    _program(shim, "echo uv 0.6.9")
    assert find_uv(somebodys_machine / "envs") == [str(own)], "too old for dependency groups"
    _program(shim, "echo uv 1.0.0")
    assert find_uv(somebodys_machine / "envs") == [str(shim)]


def test_without_uv_and_venv_the_hint_tells_what_to_install(somebodys_machine: Path) -> None:
    _program(Path(sys.executable), "echo No module named venv >&2; exit 1")
    with pytest.raises(InstallError, match="installing uv failed:\n    No module named venv") as failed:
        find_uv(somebodys_machine / "envs")
    assert "python3-venv" in failed.value.hint


def test_an_index_that_is_set_for_pip_holds_for_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example.org/simple")
    assert environments.uv_settings()["UV_DEFAULT_INDEX"] == "https://mirror.example.org/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example.org/simple")
    assert environments.uv_settings()["UV_DEFAULT_INDEX"] == "https://other.example.org/simple"


def test_it_needs_nothing_that_has_to_be_installed() -> None:
    """-S: without site-packages. The scripts import it on a bare Python."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); import lsvid.label_studio.environments"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\xff\nthree\n")
    assert last_lines(log, 2) == "    two\ufffd\n    three"
