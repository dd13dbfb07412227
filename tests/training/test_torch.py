"""torch's DataLoader takes windows as they are: in an environment of its own, since torch is heavy."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from environments import torch_environment
from factories import VideoFactory
from lsvid.label_studio.environments import program
from lsvid.training.windows import WindowOptions, Windows
from training_cases import LABELS, MIXED, Spans, label_plainly, training_case

pytestmark = pytest.mark.server

SPANS: list[Spans | None] = [((("A",), 10, 40), (("B", "x"), 30, 70)), ((("C",), 50, 90),), None]

LOAD = """
import json, pickle, sys
import torch
from torch.utils.data import DataLoader
from factories import read_burnt_number

if __name__ == "__main__":
    windows = pickle.load(open(sys.argv[1], "rb"))
    how = json.loads(sys.argv[2])
    windows[0]["pictures"]  # files are open here, with threads, when workers are forked
    rows = []
    loaders = {
        "shuffled": [DataLoader(windows, batch_size=3, shuffle=True, num_workers=4, multiprocessing_context=how)],
        "keys": [
            DataLoader(windows, batch_size=3, sampler=windows.keys(epoch, start), num_workers=2,
                       multiprocessing_context=how)
            for epoch, start in ((0, 0), (1, 0), (1, 12))
        ],
    }
    for name, several in loaders.items():
        for number, loader in enumerate(several):
            for batch in loader:
                assert batch["pictures"].dtype == torch.uint8 and batch["pictures"].shape[1:] == (4, 120, 160, 3)
                assert batch["labels"].dtype == torch.uint8 and batch["labels"].shape[1:] == (4, 4)
                assert batch["frame"].dtype == batch["clip"].dtype == torch.int64
                for k, case in enumerate(batch["case"]):
                    numbers = [read_burnt_number(picture.numpy()) for picture in batch["pictures"][k]]
                    rows.append([name, number, case, batch["clip"][k].tolist(), batch["frame"][k].tolist(), numbers,
                                 batch["labels"][k].tolist()])
    print(json.dumps(rows))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader_with_four_workers_gets_every_window(videos: VideoFactory, tmp_path: Path, method: str) -> None:
    clips = training_case(videos, MIXED, SPANS)
    options = WindowOptions(frames=4, fps=5, sample="random", short_side=120, include_unannotated=True, threads=2)
    windows = Windows(clips, LABELS, options)
    stored, script = tmp_path / "windows.pickle", tmp_path / "load.py"
    stored.write_bytes(pickle.dumps(windows))
    script.write_text(textwrap.dedent(LOAD))
    command = [str(program(torch_environment(), "python")), str(script), str(stored), json.dumps(method)]
    ours = [path for path in sys.path if path and "site-packages" not in path]  # lsvid as tested here; the factories
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(ours)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows: list[Any] = json.loads(done.stdout.splitlines()[-1])
    for *_, case, places, frames, numbers, labels in rows:
        assert case == "op1"
        assert numbers == [clips[place].case_frame + frame for place, frame in zip(places, frames, strict=True)]
        assert labels == [label_plainly(clips[place], frame) for place, frame in zip(places, frames, strict=True)]
    last = [(name, number, places[-1], frames[-1]) for name, number, _, places, frames, *_ in rows]
    every = sorted((clip, frame) for clip, frame in {(clip, frame) for *_, clip, frame in last})
    assert len(every) == len(windows)
    for loader in (("shuffled", 0), ("keys", 0), ("keys", 1)):
        assert sorted(row[2:] for row in last if row[:2] == loader) == every
    first, second, resumed = ([row[2:] for row in last if row[:2] == ("keys", number)] for number in range(3))
    assert first != second
    assert resumed == second[12:], "an epoch goes on where it stopped"
