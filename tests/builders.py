"""Builders of exports, tasks and regions, and readers of what a command wrote."""

import csv
import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from click.testing import CliRunner, Result

from factories import VideoFactory
from lsvid.cli import cli

TASK = dict[str, Any]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def region(start: int, end: int, label: str, region_id: str = "r1") -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"id": region_id, "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}


def annotation(number: int, user: int | dict[str, Any], *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": number, "completed_by": user, "result": list(results), "updated_at": f"2026-01-{number:02d}"} | more


def task(number: int, clip: str, *annotations: dict[str, Any], fps: str = "25") -> TASK:
    data = {"video": f"/data/local-files/?d=clips/op1/{clip}.mp4", "fps": fps}
    return {"id": number, "data": data, "annotations": list(annotations)}


def export(folder: Path, *tasks: TASK, name: str = "export.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(tasks))
    return file


def rows(folder: Path, name: str = "frames.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def read_picture(path: Path) -> npt.NDArray[Any]:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image)


def damaged(videos: VideoFactory, path: Path, frames: list[int], **parameters: Any) -> Path:
    """A clip whose pictures `frames`, in the order of storage, are overwritten from a quarter of their length on."""
    clip = videos.make(path, **parameters)
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for frame in frames:
        position, size = packets[frame]
        assert position is not None
        begin = position + max(size // 4, 8)
        data[begin : position + size] = bytes((7 * k + 13) % 256 for k in range(position + size - begin))
    clip.write_bytes(data)
    return clip


def succeeded(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


class Steps:
    """Takes note of the steps that a library function tells: an `lsvid.progress.Progress`."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.totals: set[int] = set()

    def __call__(self, done: int, total: int = 0, /) -> None:
        self.done.append(done)
        self.totals.add(total)
