"""A run that is killed at any of its file operations: the next gives what an undisturbed one does, and leaves no more.

Each case kills at some operations; with LSVID_ALL_KILLS=1 at every one (some 1,500 kills, a quarter of an hour).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders import annotation, export, region, task
from factories import VideoFactory
from lsvid.writers import WRITERS, format_of
from s3_server import Bucket

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forks")

_TESTS = Path(__file__).parent.parent
_KILLS = 2
"""In each case: at operations that lie evenly between the first and the last."""
_ALL_KILLS = os.environ.get("LSVID_ALL_KILLS") == "1"


@dataclass
class Killer:
    """Runs commands that end themselves at an operation. sources: an export and its clips."""

    process: "subprocess.Popen[str]"
    sources: list[str]
    labels: str
    temporary: Path
    kills: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def run(self, command: list[str], folder: Path, kill: int = 0) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"command": command, "folder": str(folder), "kill": kill}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def _start(folder: Path, videos: VideoFactory, environment: dict[str, str]) -> Killer:
    for name, n_frames in (("clip_1", 12), ("clip_2", 9)):
        videos.make(folder / "clips" / "op1" / f"{name}.mp4", n_frames=n_frames)
    tasks = [
        task(1, "clip_1", annotation(1, 5, region(2, 6, "A"), region(8, 9, "B", "r2"))),
        task(2, "clip_2", annotation(2, 5, region(1, 4, "B"))),
    ]
    exported = export(folder, *tasks)
    (folder / "labels.txt").write_text("A\nB\n")
    (folder / "tmp").mkdir()
    variables = os.environ | environment | {
        "PYTHONPATH": os.pathsep.join([str(_TESTS.parent / "src"), *sys.path]),
        "TMPDIR": str(folder / "tmp"), "LSVID_CACHE_DIR": str(folder / "cache"),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, str(_TESTS / "killable.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=variables,
    )  # fmt: skip
    sources = [str(exported), "--clips", str(folder / "clips")]
    return Killer(process, sources, str(folder / "labels.txt"), folder / "tmp")


def _end(killer: Killer) -> None:
    assert killer.process.stdin is not None
    assert killer.process.stdout is not None
    killer.process.stdin.close()
    killer.process.stdout.close()
    killer.process.wait()


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory, videos: VideoFactory) -> Iterator[Killer]:
    found = _start(tmp_path_factory.mktemp("kills"), videos, {})
    yield found
    _end(found)


def _tree(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below `folder`, and what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def _chosen(operations: int) -> list[int]:
    """The operations to be killed at, from 1."""
    if _ALL_KILLS or operations <= _KILLS:
        return list(range(1, operations + 1))
    return [1 + round((k + 0.5) * (operations - 1) / _KILLS) for k in range(_KILLS)]


def _kill_everywhere(
    killer: Killer, command: list[str], prepare: Callable[[], Path], content: Callable[[], dict[str, bytes | None]]
) -> None:
    """Run `command` after `prepare`, which gives the folder to run it in, undisturbed and killed, and compare."""
    undisturbed = killer.run(command, prepare())
    undisturbed = killer.run(command, prepare())  # now that the clips' indexes are known
    assert undisturbed["code"] == 0
    expected = content()
    operations = undisturbed["operations"]
    assert operations > 2
    for number in _chosen(operations):
        folder = prepare()
        killed = killer.run(command, folder, number)
        assert killed["code"] is None, f"operation {number} of {operations} did not come"
        killer.kills += 1
        again = killer.run(command, folder)
        assert again["code"] == 0, f"after a kill at operation {number} of {operations} the next run fails"
        assert content() == expected, f"after a kill at operation {number} of {operations}"
        assert list(killer.temporary.iterdir()) == []


COMMANDS = {
    **{
        name: ["export-frames", "--format", name, "-o", "out"]
        + (["--flavour", "surgformer"] if format_of(name).flavours else [])
        for name in WRITERS
    },
    "images": ["export-frames", "--images", "--short-side", "16", "-o", "out"],
    "report": ["report", "-o", "out"],
    "export-spans": ["export-spans", "-o", "out/spans.jsonl"],
    "contact-sheet": ["contact-sheet", "-o", "out/sheet.html"],
}


def _local(tmp_path: Path, before: Path | None) -> Callable[[], Path]:
    def prepare() -> Path:
        place = tmp_path / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if before is not None:
            shutil.copytree(before, place / "out")
        return place

    return prepare


@pytest.mark.parametrize("over", [False, True], ids=["first run", "over an earlier run"])
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_on_this_machine(name: str, over: bool, killer: Killer, tmp_path: Path) -> None:
    command = [*COMMANDS[name], *killer.sources]
    before = None
    if over:
        (tmp_path / "before").mkdir()
        # Of other settings, so that files have to go, and others are replaced.
        other = {
            "images": [*COMMANDS["images"], "--all-frames", "--image-format", "png"],
            "csv": COMMANDS["webvtt"], "webvtt": COMMANDS["huggingface"],
            "report": [*COMMANDS["report"], "--snap", "1"],
            "export-spans": [*COMMANDS["export-spans"], "--all"],
            "contact-sheet": [*COMMANDS["contact-sheet"], "--short-side", "20"],
        }.get(name, COMMANDS["csv"])  # fmt: skip
        assert killer.run([*other, *killer.sources], tmp_path / "before")["code"] == 0
        before = tmp_path / "before" / "out"
    _kill_everywhere(killer, command, _local(tmp_path, before), lambda: _tree(tmp_path / "place"))


def test_a_configuration(killer: Killer, tmp_path: Path) -> None:
    command = ["config", killer.labels, "-o", "out/config.xml"]
    _kill_everywhere(killer, command, _local(tmp_path, None), lambda: _tree(tmp_path / "place"))


def test_proxies(killer: Killer, tmp_path: Path) -> None:
    command = ["make-proxies", killer.sources[2], "-o", "out", "--height", "16"]
    _kill_everywhere(killer, command, _local(tmp_path, None), lambda: _tree(tmp_path / "place"))


# --- In S3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize("name", [*COMMANDS, "proxies"])
def test_killed_in_s3(name: str, bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    killer = _start(tmp_path, videos, bucket.server.environment)
    target = f"{bucket.uri}/results"
    if name == "proxies":
        command = ["make-proxies", killer.sources[2], "-o", target, "--height", "16"]
    else:
        command = [word.replace("out", target, 1) if word.startswith("out") else word for word in COMMANDS[name]]
        command += killer.sources

    def prepare() -> Path:
        for key in list(bucket.keys()):
            bucket.server.client.delete_object(Bucket=bucket.name, Key=key)
        bucket.put("results/op1/notes.txt", b"mine")
        return tmp_path

    try:
        _kill_everywhere(killer, command, prepare, lambda: {key: bucket.get(key) for key in list(bucket.keys())})
        assert bucket.get("results/op1/notes.txt") == b"mine"
    finally:
        _end(killer)
