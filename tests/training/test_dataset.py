"""Windows, features and training copies from Python: what `lsvid.read` gives leads to them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extractors
import lsvid
from builders import annotation, export, region, run, succeeded, task
from factories import VideoFactory, read_burnt_number


@pytest.fixture
def exported(videos: VideoFactory, tmp_path: Path) -> Path:
    """An export of two clips of a case, whose pictures carry their numbers in the case, and its clips beside it."""
    for number, first in ((1, 0), (2, 60)):
        videos.make(tmp_path / "clips" / "op1" / f"clip_{number}.mp4", n_frames=60, gop=60, first_number=first)
    tasks = [task(k, f"clip_{k}", annotation(k, 1, region(11, 40, "A"))) for k in (1, 2)]
    return export(tmp_path, *tasks)


def test_windows_from_copies_have_the_labels_of_the_originals(exported: Path) -> None:
    folder = exported.parent
    plain = lsvid.read(exported, clips=folder / "clips")
    arguments = ["make-proxies", folder / "clips", "-o", folder / "copies", "--for-training", "--height", "120"]
    succeeded(run(*arguments))
    copied = lsvid.read(exported, clips=folder / "clips", proxies=folder / "copies")
    originals, copies = (dataset.windows(3, 5, background="none") for dataset in (plain, copied))
    assert len(originals) == len(copies) == 2 * 12
    for i in range(0, len(originals), 5):
        one, other = originals[i], copies[i]
        assert (one["pictures"].shape, other["pictures"].shape) == ((3, 240, 320, 3), (3, 120, 160, 3))
        numbers = [60 * clip + frame for clip, frame in zip(one["clip"], one["frame"], strict=True)]
        for window in (one, other):
            assert [read_burnt_number(picture) for picture in window["pictures"]] == numbers
        for name in ("labels", "frame", "clip"):
            assert np.array_equal(one[name], other[name])
        assert one["labels"][:, 0].tolist() == [int(10 <= frame < 40) for frame in one["frame"]]
    (frame, picture), *_ = copied["op1/clip_2"].pictures([30])
    assert (frame, picture.shape, read_burnt_number(picture)) == (30, (120, 160, 3), 90)
    assert set(copied.select(annotators=["1"]).copies) == {"op1/clip_1", "op1/clip_2"}


def test_a_clip_without_a_copy_is_told(exported: Path) -> None:
    folder = exported.parent
    succeeded(run("make-proxies", folder / "clips" / "op1" / "clip_1.mp4", "-o", folder / "copies", "--for-training"))
    with pytest.warns(lsvid.LsvidWarning, match="1 of 2 clips have no copy"):
        dataset = lsvid.read(exported, clips=folder / "clips", proxies=folder / "copies")
    assert list(dataset.copies) == ["op1/clip_1"]


def test_features(exported: Path) -> None:
    folder = exported.parent
    dataset = lsvid.read(exported, clips=folder / "clips")
    done: list[int] = []
    made = dataset.features(extractors.number, 5, progress=lambda count, _=0: done.append(count))
    numbers = [number for clip in (0, 60) for number in range(clip, clip + 60, 5)]
    assert made["op1"][0].tolist() == numbers
    assert sum(done) == len(numbers)
    assert made["op1"].shape[1] == dataset.frames(sample_fps=5, layout="wide").height, "as long as the labels"
    dataset.write_features(folder / "set", "extractors:number")
    assert np.load(folder / "set" / "features" / "op1.npy")[0].tolist() == [0, 25, 50, 60, 85, 110]


_DOCS = Path(__file__).parents[2] / ".github" / "docs" / "training.md"


def test_what_the_documentation_shows_works(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = exported.parent
    text = _DOCS.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (extractor,) = (block for block in blocks if "def features" in block)
    (folder / "my_model.py").write_text(extractor)
    monkeypatch.chdir(folder)
    commands = [line.split()[1:] for line in re.findall(r"^    lsvid .*", text, re.MULTILINE)]
    assert len(commands) == 4
    for command in commands:
        words = [word.replace("/data", str(folder)).replace("annotated.json", str(exported)) for word in command]
        if "make-proxies" in words or "hdf5" not in words:  # h5py is an extra
            succeeded(run(*words))
    assert np.load(folder / "set" / "features" / "op1.npy").shape == (24, 6)
    shown: dict[str, Any] = {}
    here = blocks[0].replace("/data", str(folder)).replace('"annotated.json"', repr(str(exported)))
    exec(here, shown)  # noqa: S102 - what the documentation shows
    assert shown["windows"].labels == ("A", "idle")
    assert shown["windows"][0]["pictures"].shape[:2] == (16, 224)
