"""MMAction2's lists, read as its RawframeDataset, VideoDataset and BSN's ground truth do."""

import json
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed
from lsvid.annotations.splits import SplitOptions


def load_rawframes(file: Path, classes: list[str]) -> list[tuple[str, Labelled]]:
    """As RawframeDataset.load_data_list(with_offset=True); the files read are offset + 1 … offset + total_frames."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        line_split = line.strip().split()
        frame_dir, offset, total_frames = line_split[0], int(line_split[1]), int(line_split[2])
        (label,) = [int(x) for x in line_split[3:]]
        files = range(offset + 1, offset + total_frames + 1)
        found.append((frame_dir, (classes[label], files[0] - 1, files[-1])))
    return found


@settings(max_examples=25, deadline=None)
@given(overlapping())
def test_what_mmaction_loads_is_what_was_labelled(spans: list[Labelled]) -> None:
    spans = spans or [("Suturing", 0, 1)]  # a clip in which nothing is labelled is left out of training
    with TemporaryDirectory() as name:
        folder = Path(name, "out")
        export(folder, placed(clip("op1/a", spans, index(60, Fraction(30000, 1001)))), "mmaction", LABELS)
        classes = (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
        segments = load_rawframes(folder / "rawframes.txt", classes)
        assert {segment for _, segment in segments} == merged(spans)
        path, *ids = (folder / "videos.txt").read_text(encoding="utf-8").strip().split(" ")
        assert (path, {classes[int(number)] for number in ids}) == ("/videos/op1/a.mp4", {s[0] for s in spans})
        video = json.loads((folder / "activitynet.json").read_text(encoding="utf-8"))["v_op1_a"]
    corrected = video["feature_frame"] / video["duration_frame"] * video["duration_second"]
    bsn = {
        (a["label"], *(round(max(min(1, t / corrected), 0) * video["feature_frame"]) for t in a["segment"]))
        for a in video["annotations"]
    }
    assert bsn == merged(spans)


def test_keys_survive_the_metric_and_what_has_no_segment_is_left_out(tmp_path: Path) -> None:
    """As ANetMetric and ActivityNetLocalization: `video_name[2:]`, the first two characters being ActivityNet's v_."""
    clips = placed(clip("op1/a", [("A", 0, 10)]), clip("xp1/a", [("A", 0, 20)]), clip("op3/a", []), clip("op4/a", None))
    _, findings = export(tmp_path / "out", clips, "mmaction", include_unannotated=True)
    database = json.loads((tmp_path / "out/activitynet.json").read_text(encoding="utf-8"))
    assert [(name[:2], name[2:]) for name in database] == [("v_", "op1_a"), ("v_", "xp1_a")]
    assert len((tmp_path / "out/videos.txt").read_text(encoding="utf-8").splitlines()) == 2
    assert len(findings.left_out) == 2


def test_parts_are_by_case_and_blanks_in_paths_are_told(tmp_path: Path) -> None:
    clips = placed(*(clip(f"op {n}/a", [("A", 0, 10)], path=f"/my videos/{n}.mp4") for n in range(4)))
    _, findings = export(tmp_path / "out", clips, "mmaction", splits=SplitOptions(folds=2))
    files = sorted(file.name for file in (tmp_path / "out").glob("rawframes*"))
    assert files == [f"rawframes_{part}_split{n}.txt" for part in ("test", "train") for n in (1, 2)]
    train = load_rawframes(tmp_path / "out/rawframes_train_split1.txt", ["A"])
    test = load_rawframes(tmp_path / "out/rawframes_test_split1.txt", ["A"])
    assert sorted(name for name, _ in train + test) == ["op_0_a", "op_1_a", "op_2_a", "op_3_a"]
    assert not list((tmp_path / "out").glob("videos*"))
    assert any("videos.txt is left out" in text for text, _ in findings.warnings)
