"""Hugging Face's datasets and FiftyOne read what lsvid writes: in an environment of their own, since they are heavy."""

import json
import re
import subprocess
import textwrap
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import hostile
from environments import readers_environment
from exports import clip, export, placed
from factories import VideoFactory
from lsvid.annotations.splits import SplitOptions
from lsvid.annotations.stages import AnnotatedClip
from lsvid.labels.tree import join_path
from lsvid.video.index import probe
from lsvid.writers import fiftyone, huggingface

pytestmark = pytest.mark.server


def run(script: str, *arguments: object) -> Any:
    """What `script`, run in the readers' environment, prints last, as JSON."""
    python = readers_environment() / "bin" / "python"
    command = [str(python), "-c", textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def documented(module: Any) -> str:
    """The lines of Python in the documentation of a format, as they are printed there."""
    (code,) = re.findall(r"(?:^    (?:import|datasets|fiftyone|\)| {4}DIR).*\n)+", module.__doc__, re.MULTILINE)
    return textwrap.dedent(code)


LOAD_DATASET = """
import json, sys, datasets, numpy as np
DIR = sys.argv[1]
datasets.config.HF_DATASETS_CACHE = sys.argv[2]
loaded = eval(sys.argv[3])
rows = []
for split, table in loaded.items():
    for row in table:
        image = np.asarray(row["image"].convert("L"))
        bits = [image[bit // 8 * 40 + 20, bit % 8 * 40 + 20] > 127 for bit in range(16)]
        number = sum(1 << place for place, bit in enumerate(bits) if bit)
        rows.append([split, row["case"], row["clip"], row["frame"], number, row["labels"]])
print(json.dumps(rows))
"""


def expected(clips: list[AnnotatedClip], frames: list[int]) -> set[tuple[Any, ...]]:
    return {
        (one.case, one.name, frame, frame, tuple(sorted(join_path(span.label) for work in one.tracks
         for span in work.spans if span.start_frame <= frame < span.stop_frame)))
        for one in clips for frame in frames
    }  # fmt: skip


def test_datasets_loads_the_folder(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=50)
    clips = hostile.clips(probe(path).index, str(path))
    export(
        tmp_path / "out", clips, "huggingface", hostile.labels(), sample_fps=Fraction(1), include_unannotated=True,
    )  # fmt: skip
    rows = run(LOAD_DATASET, tmp_path / "out", tmp_path / "cache", documented(huggingface).splitlines()[-1])
    found = {(case, name, frame, number, tuple(sorted(labels))) for _, case, name, frame, number, labels in rows}
    assert {split for split, *_ in rows} == {"train"}
    assert len(rows) == len(found) == 2 * len(clips)
    assert found == expected(clips, [0, 25])


def test_datasets_loads_the_parts(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=2)
    times = probe(path).index
    clips = placed(
        *(clip(f"{name} op/a", [("A", 0, 2), ("B", 1, 2)], times, str(path)) for name in ("train", "test", "val", "x"))
    )
    shares = {"train": Fraction(1, 2), "val": Fraction(1, 4), "test": Fraction(1, 4)}
    export(tmp_path / "out", clips, "huggingface", splits=SplitOptions(shares=shares))
    rows = run(LOAD_DATASET, tmp_path / "out", tmp_path / "cache", documented(huggingface).splitlines()[-1])
    assert sorted(split for split, *_ in rows) == ["test"] * 2 + ["train"] * 4 + ["validation"] * 2
    assert {(case, name, frame, number, tuple(labels)) for _, case, name, frame, number, labels in rows} == expected(
        clips, [0, 1]
    )


FROM_DIR = """
import json, sys, types
import fiftyone.types
import fiftyone.utils.data.importers as importers

DIR = sys.argv[1]
found = []

class Dataset:  # from_dir without its database: it hands its arguments to this importer, and stores what that gives
    @staticmethod
    def from_dir(dataset_dir, dataset_type, **options):
        importer, _ = importers.build_dataset_importer(dataset_type, dataset_dir=dataset_dir, **options)
        with importer:
            for path, _, label, _ in importer:
                found.append([path, [[one.label, *one.support] for one in label.detections]])

code = sys.argv[2].partition("import fiftyone")[2]
exec(code, {"DIR": DIR, "fiftyone": types.SimpleNamespace(types=fiftyone.types, Dataset=Dataset)})
print(json.dumps(found))
"""


def test_fiftyone_loads_the_labels_by_the_documented_line(tmp_path: Path, videos: VideoFactory) -> None:
    path = videos.make(n_frames=50)
    times = probe(path).index
    clips: list[AnnotatedClip] = []
    for one in hostile.clips(times, str(path)):
        video = tmp_path / "videos" / f"{len(clips)}.mp4"
        videos.make(video, n_frames=50)
        clips.append(replace(one, path=str(video)))
    export(tmp_path / "out", clips, "fiftyone", hostile.labels(), include_unannotated=True)
    code = documented(fiftyone)
    assert 'data_path="data.json"' in code
    rows = run(FROM_DIR, tmp_path / "out", code)
    supports = {path: sorted((first, last) for _, first, last in found) for path, found in rows}
    assert supports == {
        one.path: sorted((span.start_frame + 1, span.stop_frame) for work in one.tracks for span in work.spans)
        for one in clips
    }
    assert len({label for _, found in rows for label, *_ in found}) == len(hostile.labels())
