"""A video file for each span, and the lists that classifiers of videos read.

    clips/op1_clip_1_Suturing_Knot_00_00_12_440-00_00_17_480.mp4   by case, clip, label, and time in the clip
    train.csv, val.csv, test.csv    "<path> <id>", from this folder (PySlowFast and PyTorchVideo of Kinetics, MMAction2)
    classes.txt                     a label a line; its line number, from 0, is its id
    clips.csv                       path, label, case, clip, start_frame, stop_frame, start_s, end_s of each

A file has exactly the pictures of its span, first and last included, at their times, with their sound; pictures are
encoded anew (see lsvid.video.cuts). Spans that overlap have a file each. Rules of the readers (SlowFast 287ec00,
slowfast/datasets/kinetics.py; open-mmlab/mmaction2 4d6c934, mmaction/datasets/video_dataset.py): a line is split at
blanks, so no path holds one.
"""

from collections.abc import Sequence

from lsvid.errors import DataError, SettingsError
from lsvid.labels.naming import safe_ids
from lsvid.video.cuts import Cut, make_cuts
from lsvid.writers.base import Export, LabelPath, Made, Segment, Video
from lsvid.writers.formats import Format, options
from lsvid.writers.segments import clock

FORMAT = Format(
    "clips/*.mp4, train.csv, val.csv, test.csv, classes.txt, clips.csv",
    holds="every span as a video file with its sound, and its label's id (Kinetics lists, VideoDataset)",
    loses="what nobody labelled; levels, unless joined in the name",
    options=options("level", "splits"),
)

COLUMNS = ("path", "label", "case", "clip", "start_frame", "stop_frame", "start_s", "end_s")


def write(export: Export) -> Made:
    """Write the files of all spans, and the lists."""
    if len(export.folds) > 1:
        raise SettingsError("<<folds>> is not for <<format=clips>>", "it holds one split: <<splits=train=0.8,…>>")
    videos = export.videos()
    names = export.all_class_names()
    ids = {path: number for number, path in enumerate(names)}
    spans = [(video, segment) for video in videos for segment in video.segments(export.level)]
    if not spans:
        raise DataError(
            "nothing is labelled: there is no span to write a file of", "choose other annotations or a level"
        )
    files = [f"clips/{name}.mp4" for name in safe_ids(_name(video, segment, names) for video, segment in spans)]
    by_clip: dict[str, list[Cut]] = {}
    for (video, segment), file in zip(spans, files, strict=True):
        target = str(export.path(file).absolute())
        by_clip.setdefault(video.clips[0].path, []).append(Cut(segment.start, segment.stop, target))
    make_cuts(list(by_clip.items()), export.workers)
    export.on_clip(len(videos))
    rows = [_row(file, video, segment, names) for (video, segment), file in zip(spans, files, strict=True)]
    lists = [*_lists(export, spans, files, ids), export.write_csv("clips.csv", COLUMNS, rows),
             export.write_text("classes.txt", names.values())]  # fmt: skip
    return Made([*files, *lists], videos, {"rows": len(spans)})


def _name(video: Video, segment: Segment, names: dict[LabelPath, str]) -> str:
    times = "-".join(clock(float(video.indexes[0].time_s(frame))) for frame in (segment.start, segment.stop))
    return f"{video.name}_{names[segment.label][:80]}_{times}"


def _row(file: str, video: Video, segment: Segment, names: dict[LabelPath, str]) -> Sequence[object]:
    (clip,), (index,) = video.clips, video.indexes
    times = [f"{float(index.time_s(frame)):.6f}" for frame in (segment.start, segment.stop)]
    return (file, names[segment.label], clip.case, clip.name, segment.start, segment.stop, *times)


def _lists(
    export: Export, spans: Sequence[tuple[Video, Segment]], files: Sequence[str], ids: dict[LabelPath, int]
) -> list[str]:
    fold = export.folds[0] if export.folds else {"train": list(export.cases())}
    if not export.folds:
        export.findings.warn("all spans are in train.csv", "ask for splits by case: <<splits=train=0.8,val=0.2>>")
    return [
        export.write_text(
            f"{part}.csv",
            [
                f"{file} {ids[seg.label]}"
                for (video, seg), file in zip(spans, files, strict=True)
                if video.case in cases
            ],
        )
        for part, cases in fold.items()
    ]
