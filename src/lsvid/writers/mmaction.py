"""MMAction2's lists of raw frames and of videos, and its ActivityNet JSON for BSN and BMN.

    classes.txt      a line for each class; the number of the line, from 0, is its id
    rawframes.txt    a line for each segment, "<video> <offset> <frames> <id>", for RawframeDataset(with_offset=True);
                     offset is the number of frames before it; pictures are <video>/img_00001.jpg … (start_index=1)
    videos.txt       a line for each clip, "<path> <id> <id> …", with the labels that occur in it, for
                     VideoDataset(multi_class=True)
    activitynet.json {"v_<video>": {"duration_second": …, "duration_frame": …, "feature_frame": …, "annotations": …}}

With splits, each part has files of its own: rawframes_train.txt, or with the option folds rawframes_train_split1.txt.

The readers have these rules (open-mmlab/mmaction2 4d6c934 of 2023-10-12, mmaction/datasets/rawframe_dataset.py,
video_dataset.py, activitynet_dataset.py; transforms/loading.py):
- Lines are split at blanks. So a video's name has no blank. If the path of a clip has one, videos.txt is left out,
  with a warning.
- BSN's times are seconds from the first picture, scaled by feature_frame / duration_frame. So both are the number of
  frames.
- The metric AR@AN (evaluation/metrics/anet_metric.py, evaluation/functional/eval_detection.py) cuts two characters
  from each key: ActivityNet's `v_`. So each key has them, and features are v_<video>.csv.
- Training fails at a video without a segment (models/localizers/bmn.py takes columns of an empty array). So such a
  video is left out of training, with a warning.
"""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lsvid.annotations.splits import Fold
from lsvid.writers.base import Export, LabelPath, Made, Video
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "classes.txt, rawframes.txt, videos.txt, activitynet.json (one of each a part, with splits)",
    holds="segments in frames, labels that occur in a clip, segments in seconds (MMAction2)",
    loses="levels, unless joined in the name; labels of single frames",
    options=options("level", "splits"),
)


def write(export: Export) -> Made:
    """Write the lists of every part of every split."""
    videos = export.videos()
    names = export.class_names(videos)
    ids = {path: number for number, path in enumerate(names)}
    folds: Sequence[Fold] = export.folds or [{"train": list(export.cases())}]
    members_of = export.to_train_on(videos, [fold.get("train", ()) for fold in folds])
    parts: dict[str, Sequence[Video]] = {} if export.folds else {"": members_of[0]}
    for number, fold in enumerate(export.folds, start=1):
        for part, cases in fold.items():
            suffix = f"_{part}" if len(export.folds) == 1 else f"_{part}_split{number}"
            parts[suffix] = [video for video in members_of[number - 1] if video.case in cases]
    blank = [video.title for video in videos if len(str(video.clips[0].path).split()) != 1]
    if blank:
        export.findings.warn(
            f"videos.txt is left out: MMAction2 splits its lines at blanks, and the path of {blank[0]} has one",
            "make a link without blanks to the clips' folder, and name it with <<clips>>",
        )
    files = [export.write_text("classes.txt", names.values())]
    for suffix, members in parts.items():
        files.append(export.write_text(f"rawframes{suffix}.txt", _rawframes(export, members, ids)))
        if not blank:
            files.append(export.write_text(f"videos{suffix}.txt", _videos(export, members, ids)))
        database = {f"v_{video.name}": _entry(export, video, names) for video in members}
        files.append(export.write_text(f"activitynet{suffix}.json", [json.dumps(database, ensure_ascii=False)]))
    export.on_clip(len(videos))
    return Made(files, videos)


def _rawframes(export: Export, videos: Sequence[Video], ids: Mapping[LabelPath, int]) -> list[str]:
    return [
        f"{video.name} {segment.start} {segment.stop - segment.start} {ids[segment.label]}"
        for video in videos
        for segment in video.segments(export.level)
    ]


def _videos(export: Export, videos: Sequence[Video], ids: Mapping[LabelPath, int]) -> list[str]:
    lines = []
    for video in videos:
        labels = sorted({ids[segment.label] for segment in video.segments(export.level)})
        lines.append(" ".join([str(video.clips[0].path), *map(str, labels)]))
    return lines


def _entry(export: Export, video: Video, names: Mapping[LabelPath, str]) -> dict[str, object]:
    rate = float(video.rate if video.rate is not None else Fraction(video.n_frames) / video.length_s)
    return {
        "duration_second": float(video.length_s if video.rate is None else video.n_frames / video.rate),
        "duration_frame": video.n_frames,
        "feature_frame": video.n_frames,
        "annotations": [
            {
                "segment": [float(video.time_s(segment.start)), float(video.time_s(segment.stop))],
                "label": names[segment.label],
            }
            for segment in video.segments(export.level)
        ],
        "fps": rate,
        "rfps": rate,
    }
