"""Shared by readers of one label a frame: class names become spans, and stitched cases become clips again.

If lsvid wrote the files, `manifest.json` beside them says of which clips a video is made, and which label each class
name means. Otherwise a video is one clip and one case, and a class name is a label, which is looked up in the label
file if there is one.
"""

import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from lsvid.annotations.spans import Annotation, Clip, Frames, Record, Span, Status
from lsvid.errors import ClipError, ExportError
from lsvid.files.names import readable
from lsvid.files.texts import TextError, decode, read_bytes
from lsvid.findings import Findings
from lsvid.labels.naming import LabelPath, level_names, level_paths, without_blanks
from lsvid.labels.tree import LabelTree
from lsvid.readers.documents import ReadOptions

BACKGROUND = "background"


@dataclass(frozen=True)
class Piece:
    """A clip of a stitched video. n_frames: None means all frames."""

    case: str
    clip: str
    media: str
    n_frames: int | None


@dataclass
class Dataset:
    """A folder of such files.

    levels: the folder of each level, from the first. pieces: the clips of each video, by its name. classes: for each
    folder's name ('' or 'level_N/'), the label path of every class name.
    """

    root: Path
    levels: Sequence[Path]
    background: str = BACKGROUND
    pieces: Mapping[str, Sequence[Piece]] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, LabelPath]] = field(default_factory=dict)


def level_folders(root: Path, inside: str) -> list[Path]:
    """The folders below `root` that hold `inside`: level_1, level_2, …, or `root` itself."""
    if (root / inside).is_dir():
        return [root]
    numbered = [folder for folder in root.glob("level_*") if folder.name[6:].isdigit() and (folder / inside).is_dir()]
    return sorted(numbered, key=lambda folder: int(folder.name[6:]))


def open_dataset(root: Path, levels: Sequence[Path]) -> Dataset:
    """The data set at `root`, with the facts of its manifest. Raises ExportError if it leaves out frames."""
    try:
        return _with_facts(Dataset(root, levels), _manifest(root))
    except (KeyError, TypeError, AttributeError) as error:
        raise ExportError(
            f"{root / 'manifest.json'} is damaged ({type(error).__name__}: {error})", "export the folder again"
        ) from error


def _with_facts(dataset: Dataset, manifest: Mapping[str, Any]) -> Dataset:
    root, about = dataset.root, manifest.get("format", {})
    if "classes" not in about:
        return dataset
    if about.get("sample_fps") is not None:
        raise ExportError(
            f"{root} holds only some frames (<<sample_fps={about['sample_fps']}>>): spans cannot be told from them",
            "export it again without <<sample_fps>>, or use <<format=segments>>",
        )
    clips = {(clip["case"], clip["clip"]): clip for clip in manifest["clips"]}
    dataset.background = about["background"]
    dataset.classes = {f: {n: tuple(path) for n, path in names.items()} for f, names in about["classes"].items()}
    dataset.pieces = {
        video["name"]: [
            Piece(video["case"], name, clips[video["case"], name]["path"], clips[video["case"], name]["frames"])
            for name in video["clips"]
        ]
        for video in about["videos"]
    }
    return dataset


def records_of(
    dataset: Dataset, video: str, source: str, rows: Sequence[Sequence[str]], place: Path, options: ReadOptions,
    findings: Findings,
) -> Iterator[Record]:  # fmt: skip
    """The records of one video, from the class name of each frame on each level."""
    video = readable(video)
    lengths = {len(names) for names in rows}
    if len(lengths) != 1:
        findings.fault(str(place), f"its levels count different frames: {', '.join(map(str, sorted(lengths)))}")
        return
    (length,) = lengths
    if fault := next(filter(None, map(_fault, rows)), ""):
        findings.fault(str(place), fault)
        return
    if not dataset.pieces and any(names and all(map(str.isdecimal, names)) for names in rows):
        findings.warn(f"{place}: its classes are numbers, and so are its labels", "rename them to what they stand for")
    pieces = dataset.pieces.get(video)
    if pieces is None:
        try:
            rule = options.rule
            case = options.case_of(str(place)) if rule is not None and (rule.name or rule.pattern) else video
        except ClipError as error:
            findings.fault(str(place), error.message, error.hint)
            return
        pieces = [Piece(case, video, video, length)]
    expected = sum(piece.n_frames or 0 for piece in pieces)
    if expected != length:
        findings.fault(str(place), f"has {length} frames, but its clips had {expected} when it was written")
        return
    paths = [
        _paths(dataset, folder, names, options, findings) for folder, names in zip(dataset.levels, rows, strict=True)
    ]
    annotator = options.annotator(source)
    start = 0
    for piece in pieces:
        stop = start + (piece.n_frames or 0)
        yield Clip(case=piece.case, clip=piece.clip, media=piece.media, n_frames=piece.n_frames)
        yield Annotation(
            case=piece.case, clip=piece.clip, annotator=annotator, status=Status.ACCEPTED, source=source,
            annotation_id="",
        )  # fmt: skip
        frame = 0
        deepest = (_deepest([level[name] for level, name in zip(paths, names, strict=True)])
                   for names in zip(*(names[start:stop] for names in rows), strict=True))  # fmt: skip
        for label, run in groupby(deepest):
            length = sum(1 for _ in run)
            if label:
                yield Span(
                    case=piece.case, clip=piece.clip, label=label, annotator=annotator, status=Status.ACCEPTED,
                    source=source, annotation_id="", region_id=f"frame {frame}", basis=Frames(frame, frame + length),
                )  # fmt: skip
            frame += length
        start = stop


def _fault(names: Sequence[str]) -> str:
    """What is wrong with the class names of all frames; '' where nothing is."""
    if blank := [number for number, name in enumerate(names) if not name]:
        return f"frame {blank[0]} has no class name ({len(blank)} frames have none)"
    if len(names) > 1 and all(re.match(rf"{number}\b", name) for number, name in enumerate(names)):
        return f"its rows begin with their number ({names[0]!r}): a row must hold only a class name"
    return ""


def _deepest(paths: Sequence[LabelPath]) -> LabelPath:
    return next((path for path in reversed(paths) if path), ())


def _paths(
    dataset: Dataset, folder: Path, names: Sequence[str], options: ReadOptions, findings: Findings
) -> dict[str, LabelPath]:
    """The label path of every class name that occurs; empty for the background."""
    key = "" if folder == dataset.root else f"{folder.name}/"
    known = dict(dataset.classes.get(key, {}))
    if not known and options.tree is not None:
        known = names_of_tree(options.tree)
        if dataset.background in known and dataset.background in names:
            findings.warn(
                f"{dataset.root}: {dataset.background!r} is read as the label of this name",
                "frames without a label have the same name in these files: rename the label if they should differ",
            )
    return {name: known.get(name, () if name == dataset.background else (name,)) for name in set(names)}


def names_of_tree(tree: LabelTree) -> dict[str, LabelPath]:
    """The label path of every class name that these formats use for the labels of a tree."""
    known: dict[str, LabelPath] = {}
    all_paths = tree.paths()
    for level in range(tree.depth, 0, -1):  # a name on several levels means the one on the upper level
        known |= {name: path for path, name in without_blanks(level_names(level_paths(all_paths, level))).items()}
    return known


def _manifest(root: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and "lsvid" in manifest else {}


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, without blanks at their ends or blank lines at the end. Raises ExportError."""
    try:
        text = decode(read_bytes(path)).text
    except OSError as error:
        raise ExportError(
            f"cannot read {path}: {error.strerror or error}", "check the path, and who may read it"
        ) from error
    except TextError as error:
        raise ExportError(f"{path}: {error}", "save it again as UTF-8 text") from error
    text = text.rstrip(_BLANKS)
    return [line.strip(_BLANKS) for line in re.split(r"\r\n|\n|\r", text)] if text else []


_BLANKS = string.whitespace + "\u00a0\u200b\u2060\u3000\ufeff"
"""Invisible characters at the ends of a row."""


def files_in(folder: Path, end: str) -> list[Path]:
    """The files of `folder` whose names end in `end`, in any case, by name; not those that macOS hides beside them."""
    found = (file for file in folder.iterdir() if file.name.lower().endswith(end) and not file.name.startswith("."))
    return sorted(found, key=lambda file: file.name)
