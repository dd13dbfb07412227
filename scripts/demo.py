"""The whole job on a real video: label file, project, ordered clips, annotations, one label row per frame.

Standard library only. scripts/demo finds a Python and starts it. Everything that it makes is in .envs/ and .demo/.
"""

import argparse
import csv
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from environments import ENVIRONMENTS, ROOT, label_studio_environment, lsvid_environment
from lsvid.errors import LsvidError
from lsvid.label_studio import serve
from lsvid.label_studio.environments import find_uv, program

LABELS = ROOT / "scripts" / "demo_labels.txt"
TITLE = "Opossum demo"

# What an annotator would have marked in the first two clips: the editor's numbers (from 1, both included) and the
# label. The third clip, and the title card in the first, are left for a person.
ANNOTATIONS: dict[str, list[tuple[int, int, str]]] = {
    "clip_1": [
        (1, 165, "Held"),
        (251, 329, "Riding / Toward the camera"),
        (330, 420, "Riding / On-board camera / Looking ahead"),
    ],
    "clip_2": [
        (1, 45, "Riding / On-board camera / Looking ahead"),
        (46, 102, "Riding / On-board camera / Looking into the camera"),
        (103, 183, "Riding / Past the camera"),
        (184, 262, "Riding / On-board camera / Looking ahead"),
        (263, 344, "Riding / Toward the camera"),
        (345, 420, "Riding / Past the camera"),
    ],
}


class DemoError(Exception):
    """The demo cannot continue: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Places:
    """Where the demo keeps what it makes."""

    folder: Path

    @property
    def data(self) -> Path:
        """Label Studio's database, its user's token and its log."""
        return self.folder / "label-studio"

    @property
    def media(self) -> Path:
        """The folder that Label Studio may serve."""
        return self.folder / "media"

    @property
    def clips(self) -> Path:
        """The clips of a case, which has the folder's name."""
        return self.media / "opossum"

    @property
    def frames(self) -> Path:
        """The output of export-frames."""
        return self.folder / "frames"


@dataclass(frozen=True)
class Server:
    """A running Label Studio. is_ours: whether this run of the demo started it."""

    served: serve.Served
    is_ours: bool

    def api(self, method: str, path: str, body: object = None) -> Any:
        """The server's answer."""
        return serve.call(self.served.url, self.served.api_key, method, path, body)


def main() -> None:
    """Run the demo."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a terminated demo stops its server too
    places = Places(arguments.folder.resolve())
    os.environ["LSVID_CONFIG_DIR"] = str(places.folder)  # here lsvid serve keeps address and token
    _check_port(arguments.port)
    find_uv(ENVIRONMENTS)  # before the two steps that need it, which run at the same time
    with _server(places, arguments.port) as (installed, starting):
        lsvid = program(lsvid_environment(with_tests=False), "lsvid")
        _cut_clips(places, lsvid, installed.result())
        server = starting.result()
        _run(lsvid, "setup-project", LABELS, "--title", TITLE, "--storage", places.clips)
        _run(lsvid, "import-clips", places.clips, "--project", TITLE)
        _annotate(server)
        _run(lsvid, "export-frames", "--project", TITLE, "-o", places.frames)
        _show_result(places)
        _go_on(places, server, wait=arguments.wait)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Shows the whole job on a real video: a label file becomes a Label Studio project, three clips "
        "become its tasks, annotations become one label row per frame. The first run installs lsvid and Label Studio "
        "into .envs/ (about 2 minutes); the next ones go on with what is in .demo/.",
    )
    parser.add_argument(
        "--port", type=int, help="Label Studio's port on this machine's loopback (default 8080, or the next free one)"
    )
    parser.add_argument(
        "--no-wait", dest="wait", action="store_false", help="end when done, instead of leaving Label Studio up"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".demo", help="where the demo keeps what it makes (default .demo)"
    )
    return parser.parse_args()


def _check_port(port: int | None) -> None:
    """Raise DemoError, before minutes of installing, if the server could not be started later."""
    running = serve.running()
    if running and port not in (None, int(running.url.rpartition(":")[2])):
        raise DemoError(
            f"the demo's Label Studio is up already, at {running.url}", "leave --port out, or stop it first"
        )
    if not running and port and serve.port_is_taken(port):
        raise DemoError(f"port {port} is taken by another program", f"choose another: scripts/demo --port {port + 1}")


def _cut_clips(places: Places, lsvid: Path, label_studio: Path) -> None:
    if all((places.clips / f"clip_{number}.mp4").exists() for number in (1, 2, 3)):
        return
    video = _sample_video(label_studio)
    print(f"Cutting {video.name} into three clips in {_short(places.clips)}/ …", flush=True)
    cutter = ROOT / "scripts" / "cut_clips.py"
    subprocess.run([lsvid.with_name("python"), cutter, video, places.clips, "3"], check=True)


def _sample_video(label_studio: Path) -> Path:
    found = sorted(label_studio.glob("lib/python*/site-packages/label_studio/**/samples/opossum_snow.mp4"))
    if not found:
        raise DemoError(
            f"this Label Studio brings no opossum_snow.mp4 in {_short(label_studio)}",
            "delete that folder and run the demo again, which installs the release it was written for",
        )
    return found[0]


@contextmanager
def _server(places: Places, port: int | None) -> Iterator[tuple[Future[Path], Future[Server]]]:
    """Label Studio's environment, and its server; both are made in the background."""
    places.clips.mkdir(parents=True, exist_ok=True)
    running, given_up = serve.running(), threading.Event()

    def start(installed: Future[Path]) -> Server:
        executable = program(installed.result(), "label-studio")
        if given_up.is_set():
            raise DemoError("stopped before Label Studio was started", "run the demo again")
        served, is_ours = serve.serve(places.clips, port, tell=_tell, data=places.data, executable=executable)
        if not is_ours:
            _tell(f"Label Studio is up at {served.url}, started by another run of this demo.")
        return Server(served, is_ours)

    with ThreadPoolExecutor(2) as pool:
        installed = pool.submit(label_studio_environment)
        starting = pool.submit(start, installed)
        try:
            yield installed, starting
        finally:
            given_up.set()
            if running is None:
                serve.stop()  # also a server that is still starting
                wait([starting])
                serve.stop()


def _tell(line: str) -> None:
    print(line, flush=True)


def _run(lsvid: Path, *arguments: str | Path) -> None:
    """Show an lsvid command, and run it."""
    shown = [_short(argument) if isinstance(argument, Path) else argument for argument in arguments]
    print(f"\n$ lsvid {shlex.join(shown)}", flush=True)
    done = subprocess.run([lsvid, *shown], check=False, cwd=ROOT, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DemoError(
            f"lsvid {arguments[0]} failed (exit code {done.returncode}), see above", "correct that and run again"
        )


# --- Annotations, as an annotator's browser sends them ----------------------------------------------------------------


def _project(server: Server) -> dict[str, Any]:
    projects = server.api("GET", "/api/projects/?page_size=100")["results"]
    return next(project for project in projects if project["title"] == TITLE)


def _annotate(server: Server) -> None:
    project = _project(server)
    config = ET.fromstring(project["label_config"])  # noqa: S314 - lsvid made it a moment ago
    tasks = server.api("GET", f"/api/tasks?project={project['id']}&fields=all&page_size=100")["tasks"]
    new = [task for task in tasks if task["data"]["clip"] in ANNOTATIONS and not task["total_annotations"]]
    for task in new:
        regions = [
            item
            for number, (start, end, label) in enumerate(ANNOTATIONS[task["data"]["clip"]], start=1)
            for item in _region(config, f"demo{task['id']:03}{number:03}", start, end, label.split(" / "))
        ]
        server.api("POST", f"/api/tasks/{task['id']}/annotations/", {"result": regions, "lead_time": 30.0})
    if new:
        print(f"\nAnnotated {len(new)} of {len(tasks)} clips, as an annotator's browser would.", flush=True)


def _region(config: ET.Element, region_id: str, start: int, end: int, path: list[str]) -> Iterator[dict[str, Any]]:
    """The items of one region on the timeline: its label, and what is chosen below it in the label's own Choices."""
    timeline = next(config.iter("TimelineLabels"))
    label = next(label for label in timeline if label.get("value") == path[0])
    name = label.get("alias") or path[0]
    common = {"id": region_id, "to_name": timeline.get("toName"), "origin": "manual"}
    ranges = [{"start": start, "end": end}]
    yield {**common, "from_name": timeline.get("name"), "type": "timelinelabels",
           "value": {"ranges": ranges, "timelinelabels": [name]}}  # fmt: skip
    if path[1:]:
        choices = next(choices for choices in config.iter("Choices") if choices.get("whenLabelValue") == name)
        chosen = [path[1:]] if choices.get("allowNested") == "true" else path[1:]
        yield {**common, "from_name": choices.get("name"), "type": "choices",
               "value": {"ranges": ranges, "choices": chosen}}  # fmt: skip


# --- The result -------------------------------------------------------------------------------------------------------


def _show_result(places: Places) -> None:
    print("\nWhat went in, and what came out:\n")
    for line in _tree(places.folder, [places.clips, places.frames]):
        print(f"  {line}")
    table = places.frames / "frames.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    label = rows[0].index("label")
    changes = [k for k in range(2, len(rows)) if rows[k][label] != rows[k - 1][label]]
    print(
        f"\n{_short(table)}: {len(rows) - 1} rows, one for each frame and label; the first, and where labels change:\n"
    )
    shown = [0, 1, 2, *(j for k in islice(changes, 3) for j in (k - 1, k))]
    _print_table([rows[k] for k in shown])


def _tree(top: Path, folders: list[Path]) -> Iterator[str]:
    yield f"{_short(top)}/"
    for folder in folders:
        yield f"  {folder.relative_to(top)}/"
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            yield f"    {file.relative_to(folder)!s:<16} {file.stat().st_size / 1000:>9,.0f} kB"


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def _go_on(places: Places, server: Server, *, wait: bool) -> None:
    if not wait:
        print("\nRun scripts/demo without --no-wait to leave Label Studio up and go on annotating.")
        return
    served = server.served
    print(f"\nGo on annotating:  {served.url}/projects/{_project(server)['id']}/data"
          f"\n  user             {served.username}"
          f"\n  password         {served.password}"
          f"\nand export again:  .envs/lsvid/bin/lsvid export-frames --project '{TITLE}' -o {_short(places.frames)}"
          f"\n  after            export LSVID_CONFIG_DIR={_short(places.folder)}", flush=True)  # fmt: skip
    if not server.is_ours:
        return
    print("Ctrl-C stops Label Studio; the next run goes on where this one stopped.", flush=True)
    while serve.is_alive(served.process_id):
        time.sleep(1)
    raise DemoError(f"Label Studio ended by itself (log: {_short(places.data)}/server.log)", "run the demo again")


def _short(path: Path) -> str:
    """`path` as seen from the project's folder, where the demo's commands run."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
    except (DemoError, LsvidError) as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
