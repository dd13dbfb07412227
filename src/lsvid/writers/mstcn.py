r"""MS-TCN's layout, which ASFormer and DiffAct read too: a file for each video, with a class name for each frame.

    groundTruth/<video>.txt   a line for each frame that sample_fps keeps: the name of its class
    mapping.txt               "<id> <name>" for each class; ids count from 0, without gaps
    splits/train.split1.bundle, splits/test.split1.bundle, …   the files' names, with .txt

If there are several levels, each is a data set of its own in level_1/, level_2/ and so on. A video is a case, with its
clips stitched in order: the models read long sequences, and features are made from them in the same order.

The readers have these rules (yabufarha/ms-tcn 33ed91c, batch_gen.py, eval.py; ChinaYi/ASFormer batch_gen.py;
Finspire13/DiffAct dataset.py). They give no error if a file breaks one:
- `read().split('\n')[:-1]`: a file whose last line has no newline loses this line. So each file ends with one.
- `line.split()[1]` cuts a class name at a blank, and DiffAct's np.loadtxt takes '#' for a comment. So a class name
  has neither.
- `vid.split('.')[0]` cuts a video's name at its first dot. So a name has no dot before .txt.
- The metrics leave out only the name "background". So frames without a label get this name. If a label has the same
  name, nobody could tell the two apart: that is refused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from lsvid.labels.naming import tell_changed, without_blanks
from lsvid.writers.base import Export, LabelPath, Level, Made, two_with_one_name
from lsvid.writers.formats import Format, options

FORMAT = Format(
    "groundTruth/*.txt, mapping.txt, splits/*.bundle; a folder per level",
    holds="one label a frame and level, of a case (MS-TCN, ASFormer, DiffAct)",
    loses="times, several labels at once, borders between regions of one label",
    overlaps=False,
    options=options("sample_fps", "background", "level", "unit", "splits"),
    unit="case",
)

BACKGROUND = "background"


def write(export: Export) -> Made:
    """Write all levels."""
    levels, videos = export.levels(), export.videos()
    background = export.table.background or BACKGROUND
    background = "_".join(background.split())
    names = {level.number: class_names(export, level) for level in levels}
    files: list[str] = []
    unlabelled: Counter[int] = Counter()
    for video in videos:
        kept = export.sampled(video)
        for level, track in zip(levels, export.tracks(video, levels), strict=True):
            classes = [*(names[level.number][path] for path in level.paths), background]  # -1 is the last
            lines = [classes[label] for label in track[kept]]
            unlabelled[level.number] += int((track[kept] < 0).sum())
            files.append(export.write_text(f"{level.folder}groundTruth/{video.name}.txt", lines))
        export.on_clip(len(video.clips))
    for level in levels:
        mapping = dict.fromkeys([background, *names[level.number].values()])
        lines = [f"{number} {name}" for number, name in enumerate(mapping)]
        files.append(export.write_text(f"{level.folder}mapping.txt", lines))
        folds = export.folds or [{"train": list(dict.fromkeys(video.case for video in videos))}]
        for number, fold in enumerate(folds, start=1):
            for part, cases in fold.items():
                members = [f"{video.name}.txt" for video in videos if video.case in cases]
                files.append(export.write_text(f"{level.folder}splits/{part}.split{number}.bundle", members))
    if not export.folds:
        export.findings.warn(
            "all videos are in splits/train.split1.bundle, and there is no test split",
            "ask for splits by case: <<folds=5>>, or <<splits=train=0.8,test=0.2>>",
        )
    tell_unlabelled(export, names, unlabelled, background)
    facts = {
        "classes": classes_by_folder(levels, names),
        "background": background,
        "sample_fps": None if export.table.sample_fps is None else str(export.table.sample_fps),
    }
    return Made(files, videos, facts=facts)


ClassNames = Mapping[LabelPath, str]
"""The class name of each label of one level."""


def class_names(export: Export, level: Level) -> ClassNames:
    """The class name of each label of `level`, without blanks. Warns of changes."""
    names = without_blanks(level.names)
    changed = ((level.names[path], name) for path, name in names.items())
    tell_changed(export.findings, f"class names that readers of {export.format} cannot take", changed)
    return names


def classes_by_folder(levels: Sequence[Level], names: Mapping[int, ClassNames]) -> dict[str, dict[str, list[str]]]:
    """For the manifest: the label path of each class, by the level's folder. names: by the level's number."""
    return {level.folder: {name: list(path) for path, name in names[level.number].items()} for level in levels}


def tell_unlabelled(
    export: Export, names: Mapping[int, ClassNames], unlabelled: Mapping[int, int], background: str
) -> None:
    """Warn of frames without a label that got `background`, if the user did not ask for it or nobody saw them.

    names, unlabelled: the classes, and the number of these frames, of each level, by its number. Raises DataError if a
    label is also called `background`: nobody could tell the two apart.
    """
    for level, classes in names.items():
        if unlabelled[level] and background in classes.values():
            raise two_with_one_name(f"{unlabelled[level]:,} frames", background)
    frames = unlabelled[min(names)]
    unseen = [clip.id for clip in export.clips if not clip.tracks]
    if unseen:
        export.findings.warn(
            f"{len(unseen)} clips that nobody has annotated are {background!r} in every frame: {', '.join(unseen[:3])}",
            "leave out <<include_unannotated=True>> unless nothing happens in them",
        )
    if frames and export.table.background is None:
        export.findings.warn(
            f"{frames:,} frames have no label on the first level; {export.format} needs one: {background!r}",
            "<<background=NAME>> gives it another name",
        )
