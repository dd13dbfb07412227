"""FiftyOne's FiftyOneTemporalDetectionDataset: labels.json, and data.json that says where the videos are.

    labels.json  {"classes": […], "labels": {"<video>": [{"label": "Dissection", "support": [first, last]}, …]}}
    data.json    {"<video>": "/path/to/clip.mp4"}

    import fiftyone
    fiftyone.Dataset.from_dir(
        DIR, dataset_type=fiftyone.types.FiftyOneTemporalDetectionDataset, data_path="data.json"
    )

`support` counts frames from 1, both ends included (voxel51/fiftyone fiftyone/core/labels.py). Frames, never
"timestamps": FiftyOne turns those into frames by 1 + round(t / duration * (N - 1)), which is up to a frame off.
Labels are written as texts: the loader (fiftyone/utils/data/parsers.py) takes a number for an index into `classes`.
"""

import json

from lsvid.writers.base import Export, Made
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "labels.json, data.json",
    holds="segments in frames, from 1, both ends included; the paths of the clips",
    loses="times; levels, unless joined in the name",
    options=options("level"),
)


def write(export: Export) -> Made:
    """Write both files."""
    videos = export.videos()
    names = export.class_names(videos)
    labels = {}
    for video in videos:
        labels[video.name] = [
            {"label": names[segment.label], "support": [segment.start + 1, segment.stop]}
            for segment in video.segments(export.level)
        ]
        export.on_clip(1)
    document = {"classes": list(names.values()), "labels": labels}
    data = {video.name: video.clips[0].path for video in videos}
    files = [
        export.write_text("labels.json", [json.dumps(document, ensure_ascii=False)]),
        export.write_text("data.json", [json.dumps(data, ensure_ascii=False)]),
    ]
    return Made(files, videos)
