"""Annotations -> files: what `lsvid export-frames` and `lsvid export-spans` do."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsvid import __version__
from lsvid.annotations.boundaries import BoundaryOptions, join, tidy
from lsvid.annotations.frames import TableOptions
from lsvid.annotations.matching import LabelMatcher, match_labels
from lsvid.annotations.merge import MergeOptions, merge
from lsvid.annotations.spans import SCHEMA_VERSION, Annotation, Clip, Record, Span
from lsvid.annotations.splits import Fold, SplitOptions, split
from lsvid.annotations.stages import (
    BAD_DATA,
    AnnotatedClip,
    GatheredClip,
    Selection,
    Stage,
    find_files,
    gather,
    label_order,
    locate,
    raise_faults,
    select,
)
from lsvid.errors import DataError, SettingsError
from lsvid.files.results import check_ours, whole_file, whole_folder
from lsvid.findings import Findings
from lsvid.labels.tree import LabelTree, join_path
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import natural_key
from lsvid.video.lookup import ClipFinder
from lsvid.writers import WRITERS, span_writer, writer
from lsvid.writers.base import Export

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers
    from lsvid.writers.images import ImageRequest

MANIFEST, TABLES = "manifest.json", "frames*"
"""The manifest, and the files that are not to be overwritten without one."""


@dataclass(frozen=True)
class Sources:
    """Where annotations come from.

    exports: files to read. names: what the manifest calls them, where not by their path (a downloaded project).
    roots: folders and files to look for clips in; none: where the exports say they are.
    """

    exports: Sequence[str]
    options: ReadOptions = field(default_factory=ReadOptions)
    roots: Sequence[str] = ()
    names: Sequence[str] = ()


@dataclass
class Treatment:
    """What is done to spans on their way, none of it by default. `report` says what was done, for the manifest.

    matcher: renames labels and finds them in the label tree. boundaries: what is done to where spans begin and end.
    merge: how the annotators of a clip become one.
    """

    matcher: LabelMatcher | None = None
    boundaries: BoundaryOptions = field(default_factory=BoundaryOptions)
    merge: MergeOptions | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def of_labels(self, clips: list[GatheredClip], findings: Findings) -> list[GatheredClip]:
        """The clips with their labels renamed and matched."""
        if self.matcher is None:
            return clips
        clips, changed = match_labels(clips, self.matcher, findings)
        if changed:
            self.report["label_map"] = changed
        return clips

    def of_spans(
        self, located: Stage[AnnotatedClip], tree: LabelTree | None, findings: Findings
    ) -> Stage[AnnotatedClip]:
        """The clips with the boundaries of their spans tidied, and their annotators merged."""
        clips, report = tidy(located.clips, self.boundaries, label_order(located.clips, tree), findings)
        if self.merge is not None:
            clips, self.report["merge"] = merge(clips, self.merge, findings)
        if self.boundaries.join_gap_s is not None:
            clips, report.joined = join(clips, self.boundaries.join_gap_s)
        if self.boundaries.asked_for:
            self.report["boundaries"] = report.as_json(self.boundaries)
        return Stage(tuple(clips), located.lost)


def read_clips(
    sources: Sources,
    selection: Selection,
    findings: Findings,
    *,
    skip_bad: bool,
    treatment: Treatment | None = None,
    on_probed: Callable[[int, int], None] | None = None,
    workers: "Workers | None" = None,
) -> Stage[AnnotatedClip]:
    """The clips of all exports with the annotations that count, found, and with every span on its frames.

    workers: who reads the clips; None: this machine.
    Raises ExportError with all faults at once, unless `skip_bad` leaves them out.
    """
    treatment = treatment or Treatment()
    finder = ClipFinder(sources.roots)
    gathered = select(gather(_records(sources, finder, findings), findings), selection, findings)
    gathered = treatment.of_labels(gathered, findings)
    found = find_files(gathered, finder, sources.options.rule, findings, on_probed, workers)
    located = locate(found, findings, cut_overrun=sources.options.cut_overrun)
    located = treatment.of_spans(located, sources.options.tree, findings)
    raise_faults(findings, _what(sources), skip_bad=skip_bad)
    return located


def export_frames(
    located: Stage[AnnotatedClip],
    folder: Path,
    sources: Sources,
    options: TableOptions,
    findings: Findings,
    *,
    file_format: str = "csv",
    split_by_case: bool = False,
    include_unannotated: bool = False,
    treatment: Treatment | None = None,
    level: int | None = None,
    unit: str | None = None,
    splits: SplitOptions | None = None,
    command: Sequence[str] = (),
    images: "ImageRequest | None" = None,
    workers: "Workers | None" = None,
    on_clip: Callable[[int], None] | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the clips as `file_format` into `folder`, with `manifest.json`; returns the manifest.

    With `images` also pictures, and the column `image`; see ExportedImages, which `on_image` is passed to.
    workers: who makes the pictures of a format that consists of pictures; None: this machine.
    unit: what the format is to take for one video, 'clip' or 'case', where that is not to be its own choice.
    Clips that nobody annotated are left out, and reported, unless asked for. The folder's files appear whole or not at
    all. Raises DataError where nothing is left to write, or it holds what the format cannot; SettingsError where
    `folder` holds files that are not lsvid's, or an option means nothing to the format.
    """
    exported = _exported(located, findings, include_unannotated=include_unannotated)
    chosen = WRITERS[file_format]
    there = {clip.id for clip in exported}
    export = Export(
        folder=folder,
        format=file_format,
        clips=exported,
        table=options,
        findings=findings,
        unit=unit or chosen.unit,
        level=level,
        split_by="case" if split_by_case else None,
        incomplete=frozenset(clip.clip.case for clip in located.in_order if clip.id not in there),
        workers=workers,
    )
    if on_clip:
        export.on_clip = on_clip
    if images:
        from lsvid.writers.images import ExportedImages  # noqa: PLC0415 - multiprocessing comes with it

        export.pictures = partial(
            ExportedImages, exported, folder=folder, request=images, findings=findings, on_progress=on_image
        )
    check_options(export, unit=unit, splits=splits)
    if not chosen.annotators:
        export.check_one_annotator()
    export.folds = _folds(export, splits or SplitOptions())
    check_ours(folder, MANIFEST, TABLES)
    with whole_folder(folder, MANIFEST) as (staging, publish):
        export.folder = staging
        files = writer(file_format)(export)
        if export.folds:
            files.append(_write_splits(export))
        manifest = _manifest(located.clips, exported, sources, options, findings, command)
        manifest["format"] = {"name": file_format, "level": level, "unit": export.unit, **export.facts}
        manifest["counts"] |= export.counts
        manifest |= treatment.report if treatment else {}
        if export.made_pictures:
            manifest["images"] = export.made_pictures.manifest()
        manifest["files"] = [{"name": name, "sha256": sha256(staging / name)} for name in files]
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        publish([*files, MANIFEST])
    if export.made_pictures:
        export.made_pictures.clear_up()
    return manifest


def check_options(export: Export, *, unit: str | None, splits: SplitOptions | None) -> None:
    """Raise SettingsError where an option is given that means nothing to the format."""
    given = {
        "layout": export.table.wide,
        "sample_fps": export.table.sample_fps is not None,
        "split_by": export.split_by is not None,
        "background": export.table.background is not None,
        "level": export.level is not None,
        "unit": unit is not None,
        "split": splits is not None and (splits.shares is not None or splits.folds is not None),
    }
    if export.pictures is not None and not WRITERS[export.format].is_table:
        tables = [name for name, known in WRITERS.items() if known.is_table]
        raise SettingsError(f"--images means nothing to --format {export.format}", f"it does to {', '.join(tables)}")
    for name, is_given in given.items():
        if is_given and name not in WRITERS[export.format].options:
            able = [other for other, known in WRITERS.items() if name in known.options]
            raise SettingsError(
                f"--{name.replace('_', '-')} means nothing to --format {export.format}", f"it does to {', '.join(able)}"
            )


def _folds(export: Export, splits: SplitOptions) -> list[Fold]:
    weights: dict[str, dict[object, float]] = {}
    for clip in export.clips:
        if export.unit == "case" and clip.clip.case in export.incomplete:
            continue
        times = weights.setdefault(clip.clip.case, {})
        for work in clip.works:
            for span in work.spans:
                label = span.label[: export.level]
                times[label] = times.get(label, 0.0) + (span.end_s or 0.0) - (span.start_s or 0.0)
    return split(weights, splits)


def _write_splits(export: Export) -> str:
    rows = [
        (number, part, case)
        for number, fold in enumerate(export.folds, start=1)
        for part, cases in fold.items()
        for case in cases
    ]
    return export.write_csv("splits.csv", ("split", "part", "case"), rows)


def _exported(located: Stage[AnnotatedClip], findings: Findings, *, include_unannotated: bool) -> list[AnnotatedClip]:
    exported = []
    for clip in located.in_order:
        if isinstance(clip, GatheredClip):
            findings.leave_out(f"clip {clip.id}", "clips whose video is missing or unreadable")
        elif not clip.works and not include_unannotated:
            findings.leave_out(f"clip {clip.id}", "clips that nobody has annotated (--include-unannotated brings them)")
        else:
            exported.append(clip)
    if not exported:
        bad = [place for place, reason in findings.left_out if reason == BAD_DATA]
        why = [f"{len(bad)} were left out as bad data:", *(f"  {place}" for place in bad)] if bad else []
        raise DataError(
            "\n".join(["there is nothing to export: no clip has an annotation that counts", *why]),
            "mend the bad data at their source"
            if bad
            else "see which do: lsvid export-spans --all; then choose with --status, --annotator, --annotations",
        )
    return exported


def span_records(
    sources: Sources,
    selection: Selection | None,
    findings: Findings,
    *,
    skip_bad: bool,
    treatment: Treatment | None = None,
) -> Iterator[Record]:
    """Every record of the exports: of each clip itself, then its annotations, each followed by its spans.

    `selection` None keeps all annotations of whatever status. Clips that cannot be found leave their spans without
    frames, with a warning. Raises ExportError as `read_clips` does.
    """
    treatment = treatment or Treatment()
    finder = ClipFinder(sources.roots)
    gathered = gather(_records(sources, finder, findings), findings)
    if selection is not None:
        gathered = select(gathered, selection, findings)
    gathered = treatment.of_labels(gathered, findings)
    lost = Findings()
    found = find_files(gathered, finder, sources.options.rule, lost)
    for fault in lost.faults:
        findings.warn(f"{fault[1]}; its spans have no frames", lost.hints.get(fault, ""))
    for warning in lost.warnings:
        findings.warn(*warning)
    located = locate(found, findings, cut_overrun=sources.options.cut_overrun)
    located = treatment.of_spans(located, sources.options.tree, findings)
    raise_faults(findings, _what(sources), skip_bad=skip_bad)
    for clip in located.in_order:
        yield clip.clip
        for work in clip.works:
            yield work.annotation
            yield from sorted(work.spans, key=_by_time)


def span_lines(
    records: Iterable[Record], file_format: str, separator: str, findings: Findings, *, skip_bad: bool
) -> list[bytes]:
    """The lines of a file of `records` in `file_format`, one of SPAN_WRITERS. Raises ExportError, as `read_clips`."""
    found = list(span_writer(file_format)(records, separator, findings))
    raise_faults(findings, f"spans as {file_format}", skip_bad=skip_bad)
    return found


def write_lines(lines: Iterable[bytes], path: Path) -> None:
    """Write `lines` into `path`, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.writelines(lines)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_of(path: Path) -> str:
    """`sha256` of a file; of a folder, of its files' names and hashes, so that any change shows."""
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path)} {sha256(file)}\n".encode())
    return digest.hexdigest()


def _manifest(
    clips: Sequence[AnnotatedClip],
    exported: Sequence[AnnotatedClip],
    sources: Sources,
    options: TableOptions,
    findings: Findings,
    command: Sequence[str],
) -> dict[str, Any]:
    names = sources.names or sources.exports
    exported_ids = {clip.id for clip in exported}
    return {
        "version": 1,
        "lsvid": __version__,
        "span_schema": SCHEMA_VERSION,
        "command": list(command),
        "exports": [
            {"name": name} | ({"sha256": _sha256_of(Path(path))} if path != "-" else {})
            for name, path in zip(names, sources.exports, strict=True)
        ],
        "labels": [join_path(path) for path in options.labels],
        "annotators": sorted({work.annotator for clip in exported for work in clip.works}, key=natural_key),
        "clips": [_manifest_clip(clip, exported=clip.id in exported_ids) for clip in clips],
        "counts": {
            "clips": len(exported),
            "annotations": sum(len(clip.works) for clip in exported),
            "spans": sum(len(work.spans) for clip in exported for work in clip.works),
            "frames": sum(clip.index.n_frames for clip in exported),
            "left_out": findings.left_out_counts(),
            "cut": len(findings.cuts),
        },
        "warnings": [text for text, _ in findings.warnings],
    }


def _manifest_clip(clip: AnnotatedClip, *, exported: bool) -> dict[str, Any]:
    index = clip.index
    return {
        "case": clip.clip.case,
        "clip": clip.clip.clip,
        "path": clip.path,
        "fingerprint": clip.info.fingerprint,
        "frames": index.n_frames,
        "rate": None if index.rate is None else str(index.rate),
        "vfr": index.rate is None,
        "first_pts_s": float(index.start_s),
        "length_s": float(index.length_s),
        "case_frame": clip.case_frame,
        "case_time_s": float(clip.case_time_s),
        "exported": exported,
    } | ({"proxy": proxy} if (proxy := _manifest_proxy(clip)) else {})


def _manifest_proxy(clip: AnnotatedClip) -> dict[str, Any] | None:
    """What annotators saw instead of the clip, and whether this export was made from it too."""
    proxy = clip.clip.proxy
    if proxy is None:
        return None
    return {
        "path": proxy.path,
        "fingerprint": proxy.fingerprint,
        "read_instead": clip.info.fingerprint == proxy.fingerprint,
    }


def _records(sources: Sources, finder: ClipFinder, findings: Findings) -> Iterator[Record]:
    options = replace(sources.options, finder=finder)
    for path in sources.exports:
        yield from read_export(path, options, findings)


def _what(sources: Sources) -> str:
    return ", ".join(sources.names or sources.exports)


def _by_time(span: Span) -> tuple[float, float, tuple[str, ...]]:
    if span.start_s is None or span.end_s is None:
        return (0.0, 0.0, ())  # of a clip that has not been found: as they came
    return (span.start_s, span.end_s, span.label)


__all__ = [
    "Annotation", "Clip", "Sources", "export_frames", "read_clips", "span_lines", "span_records", "write_lines",
]  # fmt: skip
