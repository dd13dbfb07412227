"""FiftyOne's labels, read as its FiftyOneTemporalDetectionSampleParser does."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, merged, overlapping, placed


def load_fiftyone(folder: Path) -> dict[str, list[Labelled]]:
    """As the importer's setup and the parser's get_label; frames from 1, both included, become [start, stop) from 0."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    paths = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    classes = labels.get("classes", None)
    samples = {}
    for uuid in sorted(labels.get("labels", {})):
        detections = []
        for label_dict in labels["labels"][uuid]:
            label = label_dict["label"]
            try:
                label = classes[label]
            except TypeError:
                label = str(label)
            first, last = label_dict["support"]
            detections.append((label, first - 1, last))
        samples[paths[uuid]] = detections
    return samples


@settings(max_examples=25, deadline=None)
@given(overlapping())
def test_what_fiftyone_loads_is_what_was_labelled(spans: list[Labelled]) -> None:
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), placed(clip("op1/a", spans, index(60))), "fiftyone", LABELS)
        loaded = load_fiftyone(Path(folder, "out"))
    assert {path: set(found) for path, found in loaded.items()} == {"/videos/op1/a.mp4": merged(spans)}


def test_first_and_last_frame_are_1_and_n(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 1), ("2", 99, 100)])), "fiftyone")
    document = json.loads((tmp_path / "out/labels.json").read_text(encoding="utf-8"))
    assert document == {
        "classes": ["2", "A"],
        "labels": {"op1_a": [{"label": "A", "support": [1, 1]}, {"label": "2", "support": [100, 100]}]},
    }
    assert load_fiftyone(tmp_path / "out") == {"/videos/op1/a.mp4": [("A", 0, 1), ("2", 99, 100)]}
