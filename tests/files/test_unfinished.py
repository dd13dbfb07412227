"""Unfinished files: hidden, one process's own, and removed once that process has gone."""

import os
import subprocess
from pathlib import Path

from lsvid.files.unfinished import remove_leftovers, unfinished, unfinished_folder

HOST = os.uname().nodename


def _gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_an_unfinished_file_is_hidden_beside_its_target_and_keeps_its_kind(tmp_path: Path) -> None:
    assert unfinished(tmp_path / "a.b.mp4") == tmp_path / f".a.b.{HOST}-{os.getpid()}.part.mp4"


def test_only_what_dead_processes_of_this_machine_left_is_removed(tmp_path: Path) -> None:
    gone = _gone()
    left = [f".a.b.{HOST}-{gone}.part.mp4", f".other.{HOST}-{gone}.part.jpg", f".lsvid.{HOST}-{gone}.part.x1/clip.mkv"]
    kept = [
        f".a.b.{HOST}-{os.getpid()}.part.mp4", f".a.b.elsewhere-{gone}.part.mp4", "a.b.mp4", ".hidden",
        f"a.{HOST}-{gone}.part.mp4",
    ]  # fmt: skip
    for name in (*left, *kept):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "a.b")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, left[1], Path(left[2]).parent.name}
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_a_temporary_folder_goes_and_takes_with_it_what_was_left(tmp_path: Path) -> None:
    (tmp_path / f".lsvid.{HOST}-{_gone()}.part.x1").mkdir()
    with unfinished_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
        (folder / "clip.mkv").touch()
    assert list(tmp_path.iterdir()) == []
