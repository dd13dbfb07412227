"""Pictures of each case once a second, and labels beside them, for the readers of surgical data sets.

A video is a case with its clips stitched: seconds count over the whole case. The picture of second k is the first one
at or after k seconds, with its own labels. Ids count from 0 in label order. classes.csv says what they mean, and
videos.csv says which case a video is, and which frames its seconds are. Frames without a label have a class of their
own, the last one, named as the background: readers take one row after the other as one second after the other, so no
row may be missing. But multibypass leaves out the seconds before the first label and after the last one, as its own
data does. Pickles hold plain Python types.

This is what each reader takes. The commit is the one in which its code was read.

multibypass (CAMMA-public/MultiBypass140 d3ace46, util/data_reader.py, loaders/data_loader_cnn.py): two levels
    labels/train/1fps_100_<fold>.pickle, labels/val|test/1fps_<fold>.pickle; folds count from 0
        {video: [{"Frame_id": "op_00000001", "Original_frame_id": 0, "Phase_gt": 0, "Step_gt": 1, "unique_id": …}]}
    frames/<video>/<Frame_id>.jpg; pictures count from 1; unique_id = video number * 10**10 + second
selfsupsurg (CAMMA-public/SelfSupSurg 8a03d28, vissl/vissl/data/disk_dataset_surgery.py, downstream_phase_tcn)
    labels/train/1fps_100_0.pickle, labels/val|test/1fps.pickle: Frame_id (an int: the native frame from 0), Phase_gt,
        Tool_gt (0 or 1 for each tool, or None), unique_id = video number * 10**8 + Frame_id
    frames/<part>/video01/<Frame_id>.jpg; the reader replaces "labels" in the pickle's path by "frames"
surgformer (isyangshu/Surgformer 21a9578, datasets/phase/Cholec80_phase.py, downstream_phase/datasets_phase.py)
    labels/train/1fpstrain.pickle, labels/test/1fpsval_test.pickle, labels/val/1fpsval.pickle: unique_id (counts through
        the part), frame_id (the second), video_id, tool_gt, phase_gt, phase_name, fps, original_frames, frames
    frames/video01/00000.png; Surgformer's own script also makes frames_cutmargin
tmrnet (YuemingJin/TMRNet 6a0db47, get_paths_labels.py and train_singlenet_phase_1fc.py): train_val_paths_labels.pkl
transsvnet (xjgaocs/Trans-SVNet d6dd3c6, generate_LFB.py): train_val_paths_labels1.pkl, with a test part
    both are a list: paths of train and of val, labels [[id], …] of train and of val, the number of pictures of each
        video of train and of val; with a test part, the same three of it
    cutMargin/<number>/<native frame>.jpg; paths begin at this folder, so training has to start in it
autolaparo (ziyiwangx/AutoLaparo 82995df, t1_video2frame.py; Surgformer's generate_labels_autolaparo.py)
    labels/label_01.txt: "Frame Phase", then a row for each second, from 1; ids from `base`, because its readers differ
    frames/01/0001.jpg; pictures count from 1
plstitch (visurg-ai/PL-Stitch f4a3b19, create_lmdb.py): labels.json {"01/0001.jpg": 0}, labels_<part>.json with splits;
    frames/01/0001.jpg; pictures count from 1
"""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lsvid.annotations.splits import PARTS, Fold
from lsvid.errors import DataError, SettingsError
from lsvid.labels.naming import one_line
from lsvid.writers.base import Export, Level, Made, Video, two_with_one_name
from lsvid.writers.case_pictures import case_pictures, put_pictures
from lsvid.writers.formats import Format, options
from lsvid.writers.mstcn import BACKGROUND

FORMAT = Format(
    "pictures once a second, labels, classes.csv, videos.csv, as the flavour says",
    holds="the pictures of a case once a second with one label a level, under the names that a reader wants",
    loses="times, the frames between seconds, several labels at once (except tools)",
    overlaps=False,
    unit="case",
    options=options("background", "level", "splits", "phases", "tools", "flavour", "base", "picture"),
    flavours={
        "multibypass": "MultiBypass140: phases and steps",
        "selfsupsurg": "SelfSupSurg (Cholec80): phases, tools",
        "surgformer": "Surgformer (Cholec80): phases, tools",
        "tmrnet": "TMRNet, SV-RCNet: phases",
        "transsvnet": "Trans-SVNet: phases, with a test part",
        "autolaparo": "AutoLaparo: phases; the base, 0 or 1, is the id of the first",
        "plstitch": "PL-Stitch: phases",
    },
)


@dataclass(frozen=True)
class Row:
    """A second of a case. second: counts from 0. frame: its picture, from 0 in the stitched case.

    ids, names: its label on each level. position: its place among the seconds that are written. This differs from
    second in multibypass, or after a picture that cannot be decoded.
    """

    second: int
    frame: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    tools: list[int] | None
    position: int = 0


@dataclass(frozen=True)
class Operation:
    """A case with its seconds. number: counts from 1. name: of its folder. parts: its part in each split."""

    number: int
    name: str
    video: Video
    rows: Sequence[Row]
    parts: Sequence[str]


@dataclass(frozen=True)
class Flavour:
    """What one reader takes.

    picture: gives the path of a second's picture. labels: writes the label files and returns their names. name: gives
    the name of a video, from its number, the width of numbers, and the case's name. levels: how many levels it needs.
    trims: whether seconds before the first label and after the last one are left out.
    """

    picture: Callable[[Operation, Row], str]
    labels: Callable[[Export, Sequence[Operation]], list[str]]
    name: Callable[[int, int, str], str]
    image: str = "jpg"
    levels: int = 1
    trims: bool = False
    has_folds: bool = False
    parts: Sequence[str] = PARTS


def write(export: Export) -> Made:
    """Write pictures, labels, classes.csv and videos.csv."""
    flavour = _FLAVOURS[str(export.options.flavour)]
    _check(export, flavour)
    levels, tools = export.phases_and_tools()
    if len(levels) < flavour.levels:
        raise DataError(
            f"flavour {export.options.flavour} needs {flavour.levels} levels of labels, and there is one",
            "give the label file that has them: <<labels=FILE>>",
        )
    levels = levels[: flavour.levels]
    columns = tools[0] if export.options.tools or export.options.phases else None
    videos = export.videos()
    width = max(2, len(str(len(videos))))
    operations = []
    for number, video in enumerate(videos, start=1):
        parts = [next((part for part, cases in fold.items() if video.case in cases), "") for fold in _folds(export)]
        rows = _rows(export, video, levels, columns, trims=flavour.trims)
        operations.append(Operation(number, flavour.name(number, width, video.name), video, rows, parts))
    files = []
    with case_pictures(export, [(one.video, [r.frame for r in one.rows]) for one in operations], flavour.image) as made:
        for number, pictures in enumerate(made):
            rows = [row for row in operations[number].rows if row.frame in pictures]
            one = replace(operations[number], rows=[replace(row, position=n) for n, row in enumerate(rows)])
            operations[number] = one
            files += put_pictures(export, pictures, [(row.frame, flavour.picture(one, row)) for row in one.rows])
            export.on_clip(len(one.video.clips))
    files += flavour.labels(export, operations)
    files += [_classes(export, levels, columns, operations), _videos(export, operations)]
    named = [replace(one.video, name=one.name) for one in operations]
    return Made(list(dict.fromkeys(files)), named, {"rows": sum(len(one.rows) for one in operations)})


def _folds(export: Export) -> Sequence[Fold]:
    return export.folds or [{"train": list(export.cases())}]


def _check(export: Export, flavour: Flavour) -> None:
    name, base = export.options.flavour, export.options.base
    if name == "autolaparo" and base not in (0, 1):
        raise SettingsError(
            "readers of AutoLaparo differ in the id of the first phase: its README counts from 1, Surgformer from 0",
            "say which: <<base=1>> or <<base=0>>",
        )
    if name != "autolaparo" and base not in (None, 0):
        raise SettingsError(f"ids of flavour {name} count from 0", "leave the base out")
    if len(export.folds) > 1 and not flavour.has_folds:
        raise SettingsError(f"flavour {name} holds one split, not folds", "as in <<splits=train=0.7,val=0.1,test=0.2>>")
    for part in {part for fold in export.folds for part in fold} - set(flavour.parts):
        raise SettingsError(f"flavour {name} has no part {part!r}", f"it has {', '.join(flavour.parts)}")
    if not export.folds and name not in ("autolaparo", "plstitch"):
        export.findings.warn(
            "all cases are in the part 'train'", "ask for splits by case: <<splits=train=0.7,val=0.1,test=0.2>>"
        )


def _rows(export: Export, video: Video, levels: Sequence[Level], tools: Level | None, *, trims: bool) -> list[Row]:
    tracks = export.tracks(video, levels)
    bits = export.active(video, tools) if tools else None
    known = [_class_names(export, level) for level in levels]
    rows, labelled = [], []
    for second, frame in enumerate(video.seconds()):
        places = [int(track[frame]) for track in tracks]
        if max(places) >= 0:
            labelled.append(second)
        ids = tuple(place if place >= 0 else len(names) - 1 for place, names in zip(places, known, strict=True))
        texts = tuple(names[place] for place, names in zip(ids, known, strict=True))
        rows.append(Row(second, frame, ids, texts, None if bits is None else bits[:, frame].tolist()))
    if trims:
        return rows[labelled[0] : labelled[-1] + 1] if labelled else []
    return rows


def _class_names(export: Export, level: Level) -> list[str]:
    """The name of each id of a level. The last one stands for no label."""
    return [*(one_line(level.names[path]) for path in level.paths), export.table.background or BACKGROUND]


def _classes(export: Export, levels: Sequence[Level], tools: Level | None, operations: Sequence[Operation]) -> str:
    """Write classes.csv and warn of seconds without a label. Returns the file's name."""
    base = export.options.base or 0
    rows: list[Sequence[object]] = []
    for number, level in enumerate(levels):
        names, last = _class_names(export, level), len(level.paths)
        unlabelled = sum(row.ids[number] == last for one in operations for row in one.rows)
        if unlabelled and names[last] in names[:last]:
            raise two_with_one_name(f"{unlabelled:,} seconds", names[last])
        if unlabelled and export.table.background is None:
            export.findings.warn(
                f"{unlabelled:,} seconds have no label on level {number + 1}: they are {last + base}, {names[last]!r}",
                "<<background=NAME>> gives it another name",
            )
        rows += [(number + 1, at + base, name) for at, name in enumerate(names if unlabelled else names[:last])]
    if tools:
        rows += [("tool", at, one_line(tools.names[path])) for at, path in enumerate(tools.paths)]
    return export.write_csv("classes.csv", ("level", "id", "name"), rows)


def _videos(export: Export, operations: Sequence[Operation]) -> str:
    header = ("video", "number", "case", "clips", "frames", "rate", "part", "first_second", "seconds")
    rows = []
    for one in operations:
        clips, first = " ".join(clip.name for clip in one.video.clips), one.rows[0].second if one.rows else ""
        about = (one.video.case, clips, one.video.n_frames, one.video.rate or "", " ".join(one.parts))
        rows.append((one.name, one.number, *about, first, len(one.rows)))
    return export.write_csv("videos.csv", header, rows)


def _parts(operations: Sequence[Operation]) -> Iterator[tuple[int, str, list[Operation]]]:
    """(number of the split from 0, part, its operations) for each part, in the order of the splits."""
    for split in range(len(operations[0].parts)):
        for part in dict.fromkeys(operation.parts[split] for operation in operations):
            yield split, part, [operation for operation in operations if operation.parts[split] == part]


def _write_pickle(export: Export, name: str, content: object) -> str:
    export.path(name).write_bytes(pickle.dumps(content, protocol=4))  # the newest that Python 3.7 reads
    return name


def _by_video(operations: Sequence[Operation], row_of: Callable[[Operation, Row], dict[str, Any]]) -> dict[str, Any]:
    return {operation.name: [row_of(operation, row) for row in operation.rows] for operation in operations}


# --- Flavours ---------------------------------------------------------------------------------------------------------


def _multibypass(export: Export, operations: Sequence[Operation]) -> list[str]:
    def row_of(operation: Operation, row: Row) -> dict[str, Any]:
        return {
            "Frame_id": _multibypass_id(operation, row), "Original_frame_id": row.second, "Phase_gt": row.ids[0],
            "Step_gt": row.ids[1], "unique_id": operation.number * 10**10 + row.second,
        }  # fmt: skip

    return [
        _write_pickle(
            export, f"labels/{part}/1fps_{'100_' if part == 'train' else ''}{split}.pickle", _by_video(members, row_of)
        )
        for split, part, members in _parts(operations)
    ]


def _multibypass_id(operation: Operation, row: Row) -> str:
    return f"{operation.name}_{row.second + 1:08d}"


def _selfsupsurg(export: Export, operations: Sequence[Operation]) -> list[str]:
    def row_of(operation: Operation, row: Row) -> dict[str, Any]:
        return {
            "Frame_id": row.frame, "Phase_gt": row.ids[0], "Tool_gt": row.tools,
            "unique_id": operation.number * 10**8 + row.frame,
        }  # fmt: skip

    return [
        _write_pickle(
            export, f"labels/{part}/1fps{'_100_0' if part == 'train' else ''}.pickle", _by_video(members, row_of)
        )
        for _, part, members in _parts(operations)
    ]


def _surgformer(export: Export, operations: Sequence[Operation]) -> list[str]:
    files = []
    for _, part, members in _parts(operations):
        rows: dict[str, list[dict[str, Any]]] = {}
        unique_id = 0
        for operation in members:
            rows[operation.name] = []
            for row in operation.rows:
                rows[operation.name].append({
                    "unique_id": unique_id, "frame_id": row.position,
                    "video_id": operation.name, "tool_gt": row.tools, "phase_gt": row.ids[0],
                    "phase_name": row.names[0], "fps": 1, "original_frames": operation.video.n_frames,
                    "frames": len(operation.rows),
                })  # fmt: skip
                unique_id += 1
        name = {"train": "1fpstrain", "val": "1fpsval", "test": "1fpsval_test"}[part]
        files.append(_write_pickle(export, f"labels/{part}/{name}.pickle", rows))
    return files


def _paths_labels(parts: Sequence[str], name: str) -> Callable[[Export, Sequence[Operation]], list[str]]:
    """What writes the list of TMRNet and Trans-SVNet: paths, labels and counts of `parts`, in file `name`."""

    def write_list(export: Export, operations: Sequence[Operation]) -> list[str]:
        members = {part: [one for one in operations if one.parts[0] == part] for part in parts}
        paths = {p: [_cut_margin(one, row) for one in members[p] for row in one.rows] for p in parts}
        labels = {p: [[row.ids[0]] for one in members[p] for row in one.rows] for p in parts}
        counts = {p: [len(one.rows) for one in members[p]] for p in parts}
        content: list[object] = [each[p] for each in (paths, labels, counts) for p in ("train", "val")]
        content += [each["test"] for each in (paths, labels, counts) if "test" in parts]
        return [_write_pickle(export, name, content)]

    return write_list


def _cut_margin(operation: Operation, row: Row) -> str:
    return f"cutMargin/{operation.name}/{row.frame}.jpg"


def _autolaparo(export: Export, operations: Sequence[Operation]) -> list[str]:
    base = export.options.base or 0
    return [
        export.write_text(
            f"labels/label_{one.name}.txt",
            ["Frame\tPhase", *(f"{row.position + 1}\t{row.ids[0] + base}" for row in one.rows)],
        )
        for one in operations
    ]


def _plstitch(export: Export, operations: Sequence[Operation]) -> list[str]:
    files = []
    for split, part, members in _parts(operations):
        suffix = "" if not export.folds else f"_{part}" if len(export.folds) == 1 else f"_{part}_split{split + 1}"
        labels = {
            _numbered_picture(one, row).removeprefix("frames/"): row.ids[0] for one in members for row in one.rows
        }
        files.append(export.write_text(f"labels{suffix}.json", [json.dumps(labels)]))
    return files


def _numbered_picture(operation: Operation, row: Row) -> str:
    return f"frames/{operation.name}/{row.position + 1:04d}.jpg"


def _by_number(prefix: str, *, padded: bool = True) -> Callable[[int, int, str], str]:
    return lambda number, width, _: f"{prefix}{number:0{width if padded else 1}d}"


_FLAVOURS: Mapping[str, Flavour] = {
    "multibypass": Flavour(
        lambda one, row: f"frames/{one.name}/{_multibypass_id(one, row)}.jpg", _multibypass, lambda *args: args[2],
        levels=2, trims=True, has_folds=True,
    ),
    "selfsupsurg": Flavour(
        lambda one, row: f"frames/{one.parts[0]}/{one.name}/{row.frame}.jpg", _selfsupsurg, _by_number("video"),
    ),
    "surgformer": Flavour(
        lambda one, row: f"frames/{one.name}/{row.position:05d}.png", _surgformer, _by_number("video"), "png",
    ),
    "tmrnet": Flavour(
        _cut_margin, _paths_labels(("train", "val"), "train_val_paths_labels.pkl"), _by_number("", padded=False),
        parts=("train", "val"),
    ),
    "transsvnet": Flavour(
        _cut_margin, _paths_labels(("train", "val", "test"), "train_val_paths_labels1.pkl"),
        _by_number("", padded=False),
    ),
    "autolaparo": Flavour(_numbered_picture, _autolaparo, _by_number(""), has_folds=True),
    "plstitch": Flavour(_numbered_picture, _plstitch, _by_number(""), has_folds=True),
}  # fmt: skip
