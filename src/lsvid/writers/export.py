"""Located clips -> files, and the manifest that tells what they are made from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsvid import __version__
from lsvid.annotations.frames import TableOptions
from lsvid.annotations.spans import SCHEMA_VERSION, Record
from lsvid.annotations.splits import Fold, SplitOptions, split
from lsvid.annotations.stages import (
    BAD_DATA,
    AnnotatedClip,
    GatheredClip,
    Source,
    Stage,
    raise_faults,
)
from lsvid.errors import DataError, SettingsError
from lsvid.files.results import check_ours, sha256, whole_file, whole_folder
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.progress import Progress, unheard
from lsvid.video.clips import natural_key
from lsvid.writers import WRITERS, span_writer, writer
from lsvid.writers.base import Export

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers
    from lsvid.writers.images import ImageRequest

CHANGES = ("label_map", "merge", "boundaries")
"""What may have been done to labels and spans, in the order in which the manifest tells it."""

MANIFEST, TABLES = "manifest.json", "frames*"
"""The manifest, and the files that are not to be overwritten without one."""


def export_frames(
    located: Stage[AnnotatedClip],
    folder: Path,
    sources: Sequence[Source],
    options: TableOptions,
    findings: Findings,
    *,
    file_format: str = "csv",
    split_by_case: bool = False,
    include_unannotated: bool = False,
    changes: Mapping[str, Any] | None = None,
    level: int | None = None,
    unit: str | None = None,
    splits: SplitOptions | None = None,
    command: Sequence[str] = (),
    images: "ImageRequest | None" = None,
    workers: "Workers | None" = None,
    on_clip: Progress = unheard,
    on_image: Progress = unheard,
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
        manifest |= {name: changes[name] for name in CHANGES if changes and name in changes}
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


def _manifest(
    clips: Sequence[AnnotatedClip],
    exported: Sequence[AnnotatedClip],
    sources: Sequence[Source],
    options: TableOptions,
    findings: Findings,
    command: Sequence[str],
) -> dict[str, Any]:
    exported_ids = {clip.id for clip in exported}
    return {
        "version": 1,
        "lsvid": __version__,
        "span_schema": SCHEMA_VERSION,
        "command": list(command),
        "exports": [{"name": source.name} | ({"sha256": source.sha256} if source.sha256 else {}) for source in sources],
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
