"""Unfinished files: hidden, one process's own, and removed once that process has gone."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lsvid.files.unfinished import (
    is_running,
    item_name,
    made_for,
    remove_leftovers,
    runs_on_windows,
    unfinished,
    unfinished_folder,
)

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


def test_what_was_made_for_an_item_is_told_by_it_and_by_its_process(tmp_path: Path) -> None:
    item, other = item_name("0a1b", 7), item_name("0a1b", 70)
    files = []
    for one in (item, other):
        with made_for(one):
            files.append(unfinished(tmp_path / "a.b.mp4"))
    assert files[0].name == f".a.b.item-0a1b-7.{HOST}-{os.getpid()}.part.mp4"
    assert unfinished(tmp_path / "a.mp4").name == f".a.{HOST}-{os.getpid()}.part.mp4"
    elsewhere = [file.with_name(file.name.replace(f"{HOST}-{os.getpid()}", "else.where-1")) for file in files]
    for file in [*files, *elsewhere]:
        file.touch()
    remove_leftovers(tmp_path, item=item)
    assert set(tmp_path.iterdir()) == {files[1], elsewhere[1]}
    files[1].rename(tmp_path / files[1].name.replace(str(os.getpid()), str(_gone())))
    remove_leftovers(tmp_path, "a.b")
    assert set(tmp_path.iterdir()) == {elsewhere[1]}


def test_a_host_may_have_dots_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "node1.lab.example.org")
    left = unfinished(tmp_path / "a.mp4")
    left.with_name(left.name.replace(str(os.getpid()), str(_gone()))).touch()
    left.touch()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [left]


def test_what_another_machine_left_goes_when_nothing_has_changed_for_a_week(tmp_path: Path) -> None:
    old, fresh = (tmp_path / f".out.{name}-7.part.x" for name in ("container1", "container2"))
    for folder in (old, fresh):
        folder.mkdir()
        (folder / "frames.csv").touch()
    long_ago = time.time() - 8 * 24 * 3600
    for path in (old / "frames.csv", old, fresh):
        os.utime(path, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh], "a file in it has just been written"


def test_a_process_that_has_ended_and_was_not_asked_how_is_gone() -> None:
    process = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while is_running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(process.pid)
    process.wait()
    assert is_running(os.getpid())
    assert is_running(1), "another user's, perhaps"


class _Kernel32:
    """What Windows answers: a handle for the processes that it knows, whether they run or have ended."""

    def __init__(self, running: int, ended: int) -> None:
        self.running, self.ended, self.open = running, ended, 0

    def OpenProcess(self, access: int, inherit: bool, process_id: int) -> int:  # noqa: N802
        assert (access, inherit) == (0x100000, False)
        self.open += (known := process_id in (self.running, self.ended))
        return process_id if known else 0

    def WaitForSingleObject(self, handle: int, timeout_ms: int) -> int:  # noqa: N802
        assert timeout_ms == 0
        return 0x102 if handle == self.running else 0

    def CloseHandle(self, handle: int) -> None:  # noqa: N802
        self.open -= 1


def test_on_windows_a_process_is_asked_for_without_being_ended() -> None:
    kernel32 = _Kernel32(running=4, ended=5)
    assert runs_on_windows(4, kernel32, lambda: 0)
    assert not runs_on_windows(5, kernel32, lambda: 0)
    assert not runs_on_windows(6, kernel32, lambda: 87), "there is no such process"
    assert runs_on_windows(6, kernel32, lambda: 5), "there is one, of somebody else"
    assert kernel32.open == 0


def test_a_temporary_folder_goes_and_takes_with_it_what_was_left(tmp_path: Path) -> None:
    (tmp_path / f".lsvid.{HOST}-{_gone()}.part.x1").mkdir()
    with unfinished_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]
        (folder / "clip.mkv").touch()
    assert list(tmp_path.iterdir()) == []
