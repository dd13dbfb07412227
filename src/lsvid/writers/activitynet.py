"""ActivityNet's JSON, in the superset that ActionFormer, OpenTAD and readers of HACS segments take.

    {"version": …, "taxonomy": [], "external_data": {}, "database": {"<video>": {"subset": "training",
     "duration": 361.0, "frame": 9025, "fps": 25.0, "resolution": "1920x1080", "url": "<path>", "annotations":
     [{"segment": [0.0, 12.44], "label": "Preparation", "label_id": 0}, …]}}}

A video is a clip (with unit="case" a case, its clips stitched); its key names the feature file. Seconds count from the
first picture and are half-open: a segment ends where its last picture does. At a constant rate they are frame / rate.

Rules of the readers:
- ActivityNet's Evaluation/eval_detection.py (82304fa): `database`, `taxonomy` and `version` at the top;
- ActionFormer (61ea7eb), libs/datasets/thumos14.py, anet.py: `subset` (compared in lower case: training, validation,
  testing), `label` and `label_id` both, ids without gaps over the labels that occur, as many as num_classes;
- OpenTAD opentad/datasets/thumos.py: `int(segment / duration * frame)` must be the frame, so a second that would be
  cut one short is moved up by the smallest step there is; classes.txt, one a line, is its class_map; label "Ambiguous"
  is skipped there: refused here;
- ActionFormer's training stops at a video without a segment (thumos14.py gives None for its segments): such a video is
  left out of the subset training, and told. Tests keep it: what a model finds there is wrong.
With the option folds there is a file for each split, its test cases being the validation subset.
"""

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lsvid.annotations.splits import Fold
from lsvid.errors import DataError
from lsvid.writers.base import Export, LabelPath, Made, Video
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "activitynet.json, classes.txt (with folds: one JSON a split)",
    holds="segments in seconds, overlapping or not, rate, frames and subset (ActionFormer, OpenTAD, HACS)",
    loses="frames of clips of variable rate; levels, unless joined in the name",
    options=options("level", "unit", "splits"),
)

SUBSETS = {"train": "training", "val": "validation", "test": "testing"}


def write(export: Export) -> Made:
    """Write the database, one for every split, and classes.txt."""
    videos = export.videos()
    names = export.class_names(videos)
    if "Ambiguous" in names.values():
        raise DataError("a label is called 'Ambiguous', which OpenTAD skips", "rename it in the label file")
    ids = {path: number for number, path in enumerate(names)}
    entries = {video.name: _entry(export, video, names, ids) for video in videos}
    folds: Sequence[Fold] = export.folds or [{"train": list(export.cases())}]
    files = []
    members_of = export.to_train_on(videos, [fold.get("train", ()) for fold in folds])
    for number, (fold, members) in enumerate(zip(folds, members_of, strict=True), start=1):
        subset_of = {case: SUBSETS[part] for part, cases in fold.items() for case in cases}
        if len(folds) > 1:  # a cross-validation has no third part: readers call its test part validation
            subset_of = {
                case: "training" if subset == "training" else "validation" for case, subset in subset_of.items()
            }
        database = {video.name: {"subset": subset_of[video.case]} | entries[video.name] for video in members}
        document = {"version": "lsvid-1", "taxonomy": [], "external_data": {}, "database": database}
        name = "activitynet.json" if len(folds) == 1 else f"activitynet_split{number}.json"
        files.append(export.write_text(name, [json.dumps(document, ensure_ascii=False)]))
    if not export.folds:
        export.findings.warn(
            "all videos are of the subset 'training'",
            "ask for splits by case: <<splits=train=0.7,val=0.3>>, or <<folds=5>>",
        )
    return Made([*files, export.write_text("classes.txt", names.values())], videos)


def _entry(
    export: Export, video: Video, names: Mapping[LabelPath, str], ids: Mapping[LabelPath, int]
) -> dict[str, object]:
    duration = float(video.length_s if video.rate is None else video.n_frames / video.rate)
    if video.rate is None:
        export.findings.warn(
            f"{video.title}: its rate varies, so readers that compute frames from seconds get other frames",
            "use <<format=mstcn>> or csv, which count frames, or make a copy of constant rate",
        )
    info = video.clips[0].info
    annotations = []
    for segment in video.segments(export.level):
        times = [_second(video, duration, frame) for frame in (segment.start, segment.stop)]
        annotations.append({"segment": times, "label": names[segment.label], "label_id": ids[segment.label]})
    export.on_clip(len(video.clips))
    return {
        "duration": duration,
        "frame": video.n_frames,
        "fps": float(video.rate if video.rate is not None else Fraction(video.n_frames) / video.length_s),
        "resolution": f"{info.width}x{info.height}",
        "url": video.clips[0].path if len(video.clips) == 1 else "",
        "annotations": annotations,
    }


def _second(video: Video, duration: float, frame: int) -> float:
    second = float(video.time_s(frame))
    while video.rate is not None and int(second / duration * video.n_frames) < frame:
        second = math.nextafter(second, math.inf)
    return second
