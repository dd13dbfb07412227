"""Writes the files of an export from located clips, and the manifest that says from what they are made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
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
    nothing_counts,
    raise_faults,
)
from lsvid.errors import DataError, SettingsError, check_choice, check_kind
from lsvid.files.outputs import as_json, sha256, whole_file, whole_folder, write_text
from lsvid.findings import Findings, some
from lsvid.labels.tree import join_path
from lsvid.progress import Progress, unheard
from lsvid.video.clips import natural_key
from lsvid.writers import WRITERS, all_formats, format_of, span_writer, writer
from lsvid.writers.base import Export, Made, clip_paths
from lsvid.writers.formats import FormatOptions

if TYPE_CHECKING:
    from lsvid.workers.processes import Workers
    from lsvid.writers.images import ImageRequest

CHANGES = ("label_map", "merge", "boundaries")
"""Changes of labels and spans, in the order of the manifest."""

LAYOUTS = ("long", "wide")

Manifest = dict[str, Any]
LabelPath = tuple[str, ...]

MANIFEST, TABLES = "manifest.json", "frames*"
"""The manifest, and the files that must not be overwritten if there is no manifest."""


@dataclass(frozen=True)
class WriteOptions:
    """How to write an export.

    format: one of WRITERS. layout: of a frame table, "long" or "wide". sample_fps: keep the first picture of every
    1/sample_fps seconds. background: the label of frames that have none. include_unannotated: write also clips that
    nobody annotated. images: write also pictures of frames. of_format: the options of the format.
    """

    format: str = "csv"
    layout: str = "long"
    sample_fps: Fraction | None = None
    background: str | None = None
    include_unannotated: bool = False
    images: "ImageRequest | None" = None
    of_format: FormatOptions = field(default_factory=FormatOptions)

    def __post_init__(self) -> None:
        """Raise SettingsError if a value is not allowed, or the format has no such option."""
        check_choice("format", self.format, WRITERS)
        check_choice("layout", self.layout, LAYOUTS)
        if self.images is not None:
            from lsvid.writers.images import ImageRequest  # noqa: PLC0415 - multiprocessing comes with it

            check_kind("images", self.images, ImageRequest, "True, False or an ImageRequest")
        if self.background is not None:
            check_kind("background", self.background, str, "a label's name")
        check_kind("format_options", self.of_format, FormatOptions, "a FormatOptions")
        _check_options(self)


@dataclass(frozen=True)
class WriteRequest:
    """What to write.

    labels: every label path, in order. sources: the sources of the clips. changes: how labels and spans were changed,
    for the manifest. inputs: files and folders that no output may replace. command: the command line, for the manifest.
    """

    located: Stage[AnnotatedClip]
    labels: Sequence[LabelPath] = ()
    options: WriteOptions = field(default_factory=WriteOptions)
    sources: Sequence[Source] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    command: Sequence[str] = ()

    @property
    def table(self) -> TableOptions:
        """The frame table that is wanted."""
        options = self.options
        return TableOptions(self.labels, options.layout == "wide", options.sample_fps, options.background)


@dataclass(frozen=True)
class Written:
    """The result of an export: the folder, and its manifest."""

    folder: str
    manifest: Manifest


def write(
    request: WriteRequest,
    folder: str | Path,
    findings: Findings,
    *,
    workers: "Workers | None" = None,
    on_clip: Progress = unheard,
    on_image: Progress = unheard,
) -> Written:
    """Write what `request` asks for into `folder` (or a prefix in S3), with `manifest.json`.

    workers: make the pictures; None: this machine does. Clips that nobody annotated are left out, and reported, unless
    they are asked for. The folder's files appear whole or not at all. Raises DataError if nothing is left to write, or
    the format cannot hold the data; SettingsError if `folder` holds files that are not lsvid's.
    """
    options, asked, chosen = request.options, request.options.of_format, format_of(request.options.format)
    exported = _exported(request, findings)
    there = {clip.id for clip in exported}
    incomplete = frozenset(clip.case for clip in request.located.in_order if clip.id not in there)
    unit = asked.unit or chosen.unit
    if not chosen.annotators:
        _check_one_annotator(options.format, exported)
    folds = _folds([clip for clip in exported if unit == "clip" or clip.case not in incomplete], asked)
    with whole_folder(folder, MANIFEST, TABLES, request.inputs) as staging:
        pictures = None
        if options.images:
            from lsvid.writers import images  # noqa: PLC0415 - multiprocessing comes with it

            planned = images.plan_pictures(exported, request.table, clip_paths(exported, findings), options.images)
            pictures = images.make_pictures(planned, staging.output, options.images, workers, on_image)
        export = Export(
            folder=staging.folder,
            output=staging.output.path,
            format=options.format,
            clips=exported,
            table=request.table,
            findings=findings,
            unit=unit,
            options=asked,
            folds=folds,
            incomplete=incomplete,
            on_clip=on_clip,
            pictures=pictures,
            # What goes to S3 is put together in a folder of this machine, which no other sees.
            workers=workers if staging.output.path else None,
        )
        made = writer(options.format)(export)
        files = [*made.files, *([_write_splits(export)] if folds else [])]
        if pictures:
            images.tell_missing(pictures, findings)
        manifest = _manifest(request, exported, findings)
        manifest["format"] = {"name": options.format, "level": export.level, "unit": unit, **_facts(made)}
        manifest["counts"] |= made.counts
        manifest |= {name: request.changes[name] for name in CHANGES if name in request.changes}
        if pictures:
            manifest["images"] = images.images_manifest(pictures)
        manifest["files"] = [{"name": name, "sha256": sha256(staging.folder / name)} for name in files]
        write_text(staging.folder / MANIFEST, as_json(manifest))
        staging.publish([*files, MANIFEST])
    if pictures:
        images.clear_up(pictures, staging.output)
    return Written(str(folder), manifest)


def _check_options(options: WriteOptions) -> None:
    """Raise SettingsError if an option is given that the format does not have."""
    chosen = format_of(options.format)
    given = {
        "layout": options.layout == "wide",
        "sample_fps": options.sample_fps is not None,
        "background": options.background is not None,
    }
    asked = [name for name, is_given in given.items() if is_given] + options.of_format.given()
    if options.images is not None and not chosen.is_table:
        tables = [name for name, known in all_formats().items() if known.is_table]
        raise SettingsError(f"<<images>> is not for <<format={options.format}>>", f"it is for {', '.join(tables)}")
    for name in asked:
        if name not in chosen.options:
            able = [other for other, known in all_formats().items() if name in known.options]
            raise SettingsError(f"<<{name}>> is not for <<format={options.format}>>", f"it is for {', '.join(able)}")
    if chosen.flavours and options.of_format.flavour not in chosen.flavours:
        known = ", ".join(chosen.flavours)
        said = options.of_format.flavour
        raise SettingsError(
            f"<<format={options.format}>> needs a flavour: the reader that the files are for"
            if said is None
            else f"<<flavour={said}>>: <<format={options.format}>> knows {known}",
            f"choose one with <<flavour>>: {known}",
        )


def _check_one_annotator(file_format: str, clips: Sequence[AnnotatedClip]) -> None:
    """Raise DataError if a clip has several annotators; for formats that hold only one."""
    several = [clip for clip in clips if len(clip.tracks) > 1]
    if several:
        people = ", ".join(dict.fromkeys(work.annotator for clip in several for work in clip.tracks))
        raise DataError(
            f"<<format={file_format}>> holds one annotator, but {len(several)} clips have several ({people}): "
            + some([clip.id for clip in several], separator="; "),
            "choose one with <<annotators>>, or make one with <<merge>>; 'lsvid formats' says which hold several",
        )


def _folds(clips: Iterable[AnnotatedClip], options: FormatOptions) -> list[Fold]:
    weights: dict[str, dict[object, float]] = {}
    for clip in clips:
        times = weights.setdefault(clip.case, {})
        for work in clip.tracks:
            for span in work.spans:
                label = span.label[: options.level]
                times[label] = times.get(label, 0.0) + span.end_s - span.start_s
    return split(weights, options.splits or SplitOptions())


def _facts(made: Made) -> dict[str, Any]:
    """What the manifest says of the format, beside its name."""
    if not made.videos:
        return dict(made.facts)
    videos = [{"name": v.name, "case": v.case, "clips": [clip.name for clip in v.clips]} for v in made.videos]
    return {"videos": videos, **made.facts}


def _write_splits(export: Export) -> str:
    rows = [
        (number, part, case)
        for number, fold in enumerate(export.folds, start=1)
        for part, cases in fold.items()
        for case in cases
    ]
    return export.write_csv("splits.csv", ("split", "part", "case"), rows)


def _exported(request: WriteRequest, findings: Findings) -> list[AnnotatedClip]:
    exported = []
    for clip in request.located.in_order:
        if isinstance(clip, GatheredClip):
            findings.leave_out(f"clip {clip.id}", "clips whose video is missing or unreadable")
        elif not clip.tracks and not request.options.include_unannotated:
            findings.leave_out(
                f"clip {clip.id}", "clips that nobody has annotated (<<include_unannotated=True>> brings them)"
            )
        else:
            exported.append(clip)
    if not exported:
        bad = [place for place, reason in findings.left_out if reason == BAD_DATA]
        if not bad:
            raise nothing_counts("there is nothing to export", request.located.in_order, request.sources, findings)
        why = [f"{len(bad)} were left out as bad data:", *(f"  {place}" for place in bad)]
        raise DataError(
            "\n".join(["there is nothing to export: no clip has an annotation that counts", *why]),
            "correct the bad data at their source",
        )
    return exported


def span_lines(
    records: Iterable[Record], file_format: str, separator: str, findings: Findings, *, skip_bad: bool
) -> list[bytes]:
    """The lines of a file of `records` in `file_format`, one of SPAN_WRITERS.

    Raises ExportError if a record has a fault; with `skip_bad`, such records are left out and counted.
    """
    found = list(span_writer(file_format)(records, separator, findings))
    raise_faults(findings, f"spans as {file_format}", skip_bad=skip_bad)
    return found


def write_lines(lines: Iterable[bytes], path: str | Path, inputs: Iterable[str] = ()) -> None:
    """Write `lines`, those of `span_lines`, into `path`, which may be in S3, whole or not at all; see `whole_file`."""
    with whole_file(path, _is_spans, inputs) as temporary, temporary.open("wb") as file:
        file.writelines(lines)


def _is_spans(start: bytes) -> bool:
    """Whether a file begins like those of `span_lines`."""
    is_tasks = b'"_view_id"' in start and b'"_input_hash"' not in start  # which Prodigy gives to its own
    return start.startswith(b'{"record":') or (start.startswith(b"{") and is_tasks)


def _manifest(request: WriteRequest, exported: Sequence[AnnotatedClip], findings: Findings) -> Manifest:
    exported_ids = {clip.id for clip in exported}
    return {
        "version": 1,
        "lsvid": __version__,
        "span_schema": SCHEMA_VERSION,
        "command": list(request.command),
        "exports": [
            {"name": source.name} | ({"sha256": source.sha256} if source.sha256 else {}) for source in request.sources
        ],
        "labels": [join_path(path) for path in request.labels],
        "annotators": sorted({work.annotator for clip in exported for work in clip.tracks}, key=natural_key),
        "clips": [_manifest_clip(clip, exported=clip.id in exported_ids) for clip in request.located.clips],
        "counts": {
            "clips": len(exported),
            "annotations": sum(len(clip.tracks) for clip in exported),
            "spans": sum(len(work.spans) for clip in exported for work in clip.tracks),
            "frames": sum(clip.index.n_frames for clip in exported),
            "left_out": findings.left_out_counts(),
            "cut": len(findings.cuts),
        },
        "warnings": [text for text, _ in findings.warnings],
    }


def _manifest_clip(clip: AnnotatedClip, *, exported: bool) -> dict[str, Any]:
    index = clip.index
    return {
        "case": clip.case,
        "clip": clip.name,
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
    """The proxy that annotators saw instead of the clip, and whether this export read it too; None without a proxy."""
    proxy = clip.clip.proxy
    if proxy is None:
        return None
    return {
        "path": proxy.path,
        "fingerprint": proxy.fingerprint,
        "read_instead": clip.info.fingerprint == proxy.fingerprint,
    }
