"""The frame list of Charades, the only frame format that keeps several labels at once (PySlowFast, PyTorchVideo).

    train.csv, val.csv (and test.csv): blanks between the columns, and a header with a misspelling that readers need
        original_vido_id video_id frame_id path labels
        op_1 0 0 frames/op_1/000000.jpg "0,7"
        op_1 0 1 frames/op_1/000001.jpg ""
    classes.txt                        a label a line; its line number, from 0, is its id
    frames/<video>/000123.jpg          the pictures; the reader's PATH_PREFIX is the folder of this export

A video is a case, its clips stitched (the option unit: each clip). Rules of the reader (facebookresearch/SlowFast
287ec00, slowfast/datasets/utils.py load_image_lists, charades.py): the header begins with "original_vido_id"; a line is
split at blanks into five, so no name holds one; rows of a video stand in their order, and are frames that follow one
another: the option sample_fps keeps some of them, anew in each clip. Training reads train.csv, anything else val.csv.
"""

from collections.abc import Sequence

from lsvid.errors import SettingsError
from lsvid.writers.base import Export, Made, Video
from lsvid.writers.case_pictures import case_pictures, put_pictures
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "train.csv, val.csv, test.csv, classes.txt, frames/<video>/<frame>.jpg",
    holds="the pictures, with all labels of each, several at once (PySlowFast, PyTorchVideo)",
    loses="times, regions; levels, unless joined in the name",
    unit="case",
    options=options("sample_fps", "level", "unit", "splits", "picture"),
)

HEADER = "original_vido_id video_id frame_id path labels"


def write(export: Export) -> Made:
    """Write lists, classes and pictures."""
    if len(export.folds) > 1:
        raise SettingsError("<<folds>> is not for <<format=charades>>", "it holds one split: <<splits=train=0.8,…>>")
    videos = export.videos()
    names = export.all_class_names()
    ids = {path: number for number, path in enumerate(names)}
    fold = export.folds[0] if export.folds else {"train": list(export.cases())}
    lines: dict[str, list[str]] = {part: [HEADER] for part in fold}
    files = []
    n_rows = 0
    with case_pictures(export, [(video, export.sampled(video).tolist()) for video in videos], "jpg") as made:
        for number, (video, pictures) in enumerate(zip(videos, made, strict=True)):
            labels = _labels(export, video, ids)
            paths = [(frame, f"frames/{video.name}/{frame:06d}.jpg") for frame in sorted(pictures)]
            files += put_pictures(export, pictures, paths)
            part = next(part for part, cases in fold.items() if video.case in cases)
            for frame, path in paths:
                text = ",".join(map(str, labels[frame]))
                lines[part].append(f'{video.name} {number} {frame} {path} "{text}"')
            n_rows += len(paths)
            export.on_clip(len(video.clips))
    if not export.folds:
        export.findings.warn("all videos are in train.csv", "ask for splits by case: <<splits=train=0.8,val=0.2>>")
    files += [export.write_text(f"{part}.csv", rows) for part, rows in lines.items()]
    files.append(export.write_text("classes.txt", names.values()))
    return Made(files, videos, {"rows": n_rows})


def _labels(export: Export, video: Video, ids: dict[tuple[str, ...], int]) -> Sequence[list[int]]:
    labels: list[list[int]] = [[] for _ in range(video.n_frames)]
    for segment in sorted(video.segments(export.level), key=lambda segment: ids[segment.label]):
        for frame in range(segment.start, segment.stop):
            labels[frame].append(ids[segment.label])
    return labels
