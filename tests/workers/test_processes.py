"""The pool of processes: what breaks on one clip stops no other."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import lsvid.workers.processes
from clip_work import dies_here, double, troubled
from lsvid.errors import ClipError, DataError, LsvidError
from lsvid.files.paths import parent_of
from lsvid.workers.processes import Processes, Report


def _slow(item: str, report: Report) -> None:
    Path(item).write_text(str(os.getpid()))
    try:
        while True:
            time.sleep(0.05)
            report(1)
    finally:
        Path(item).unlink()


def test_results_come_with_their_positions_and_reports() -> None:
    reported: dict[int, float] = {}
    results = dict(Processes(2).run_each(double, [3, 4, 5], reported.__setitem__))
    assert results == {0: 6, 1: 8, 2: 10}
    assert reported == {0: 3, 1: 4, 2: 5}
    assert list(Processes(2).run_each(double, [])) == []


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsvid.workers.processes, "cores", lambda: 16)
    assert [Processes().threads(n) for n in (1, 4, 100)] == [16, 4, 1]
    assert [Processes().threads(n, useful=8) for n in (1, 100)] == [16, 8]
    assert [Processes(5).threads(n, useful=8) for n in (1, 100)] == [16, 3]


def test_a_killed_worker_costs_one_retry_and_a_clip_that_always_kills_it_fails_alone(tmp_path: Path) -> None:
    items = ["fine", f"once:{tmp_path / 'died'}", "always", "exit", "data", "bug", "last", "memory"]
    results: dict[int, str | LsvidError] = dict(Processes(2).run_each(troubled, items))
    assert [results[0], results[1], results[6]] == ["fine", "once", "last"]
    said = {position: result for position, result in results.items() if isinstance(result, LsvidError)}
    assert said[2].message == "its process died 2 times (signal SIGKILL)"
    assert said[3].message == "its process died 2 times (exit code 7)"
    assert "fewer jobs" in said[2].hint
    assert type(said[4]) is DataError
    assert (said[4].message, said[4].hint) == ("no", "hint")
    assert type(said[5]) is ClipError
    assert said[5].message == "ZeroDivisionError: oh"
    assert (type(said[7]), said[7].message) == (ClipError, "there is not enough memory for it")


def test_what_killed_workers_left_is_removed_also_where_no_other_takes_its_place(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    items = [str(out / "once.mp4"), str(out / "always.mp4")]
    results: dict[int, LsvidError | None] = dict(Processes(1).run_each(dies_here, items, writes=parent_of))
    assert [results[0], type(results[1])] == [None, ClipError]
    assert {path.name for path in tmp_path.rglob("*")} == {"out", "once.tried", "always.tried"}


def test_work_stops_when_its_results_are_no_longer_wanted(tmp_path: Path) -> None:
    marker = tmp_path / "working"

    def stop(_position: int, _done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(Processes().run_each(_slow, [str(marker)], stop))
    assert not marker.exists(), "the worker cleaned up before it ended"


def _of_session(session: int) -> list[str]:
    """The processes of a session that have not ended, by what /proc says: id, state and name."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().rpartition(")")
            state, _, _, its_session = rest.split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(f"{name} {state}")
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.3, 0.6, 1.0])
def test_workers_and_what_they_started_end_with_a_parent_that_is_killed(tmp_path: Path, delay_s: float) -> None:
    """Also with one that is killed while it starts them."""
    code = (
        "from lsvid.workers.processes import Processes\nfrom clip_work import asleep\n"
        f"open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        "list(Processes(3).run_each(asleep, ['python', 'program', 'python']))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent.parent)])}
    with (tmp_path / "said").open("wb") as said:
        parent = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env=environment, stderr=said)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    time.sleep(delay_s)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while _of_session(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _of_session(parent.pid) == []
    told = (tmp_path / "said").read_text()
    assert not told or "multiprocessing/spawn.py" in told, "one that was just being started has not met our code"


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\nfrom lsvid.workers.processes import Processes\nprint('begun')\n"
        "print(sorted(Processes(2).run_each(operator.eq, [1, 2])))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("begun\n[(0, False), (1, False)]\n", "")
