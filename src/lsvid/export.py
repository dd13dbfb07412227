"""Annotations -> files: what `lsvid export-frames` and `lsvid export-spans` do."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsvid import __version__, storage
from lsvid.clips import natural_key
from lsvid.dataset import (
    AnnotatedClip,
    Selection,
    find_files,
    gather,
    locate,
    raise_faults,
    select,
)
from lsvid.errors import DataError, SettingsError
from lsvid.findings import Findings
from lsvid.frames import FrameTables, TableOptions
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.spans import LABEL_SEPARATOR, SCHEMA_VERSION, Annotation, Clip, Record, Span, to_json_line
from lsvid.writers import WRITERS

MANIFEST = "manifest.json"


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


def read_clips(
    sources: Sources,
    selection: Selection,
    findings: Findings,
    *,
    skip_bad: bool,
    on_probed: Callable[[int, int], None] | None = None,
) -> list[AnnotatedClip]:
    """The clips of all exports with the annotations that count, found, and with every span on its frames.

    Raises ExportError with all faults at once, unless `skip_bad` leaves them out.
    """
    clips = gather(_records(sources, findings), findings)
    select(clips, selection, findings)
    find_files(clips, sources.roots, sources.options.rule, findings, on_probed)
    locate(clips, findings)
    raise_faults(findings, _what(sources), skip_bad=skip_bad)
    return clips


def export_frames(
    clips: Sequence[AnnotatedClip],
    folder: Path,
    sources: Sources,
    options: TableOptions,
    findings: Findings,
    *,
    file_format: str = "csv",
    split_by_case: bool = False,
    include_unannotated: bool = False,
    command: Sequence[str] = (),
    on_clip: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write the frame table of `clips` into `folder`, with `manifest.json`; returns the manifest.

    Clips that nobody annotated are left out, and reported, unless asked for. The folder's files appear whole or not at
    all. Raises DataError where nothing is left to write, or `folder` holds files that are not lsvid's.
    """
    exported = _exported(clips, findings, include_unannotated=include_unannotated)
    writer = WRITERS[file_format]
    frame_tables = FrameTables(exported, options)
    rows = 0

    def tables(members: Iterable[AnnotatedClip]) -> Iterator[Any]:
        nonlocal rows
        for clip in members:
            table = frame_tables.table(clip)
            rows += len(table)
            yield table
            if on_clip:
                on_clip(1)

    with _whole_folder(folder) as (staging, publish):
        if split_by_case:
            cases: dict[str, list[AnnotatedClip]] = {}
            for clip in exported:
                cases.setdefault(clip.clip.case, []).append(clip)
            parts = {f"frames_{case}{writer.suffix}": members for case, members in cases.items()}
        else:
            parts = {f"frames{writer.suffix}": exported}
        for name, members in parts.items():
            writer.write(tables(members), frame_tables.schema, staging / name)
        manifest = _manifest(clips, exported, sources, options, findings, command)
        manifest["counts"] |= {"rows": rows}
        manifest["files"] = [{"name": name, "sha256": sha256(staging / name)} for name in parts]
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        publish([*parts, MANIFEST])
    return manifest


def _exported(clips: Iterable[AnnotatedClip], findings: Findings, *, include_unannotated: bool) -> list[AnnotatedClip]:
    exported = []
    for clip in clips:
        if clip.info is None:
            findings.leave_out(f"clip {clip.id}", "clips whose video is missing or unreadable")
        elif not clip.works and not include_unannotated:
            findings.leave_out(f"clip {clip.id}", "clips that nobody has annotated (--include-unannotated brings them)")
        else:
            exported.append(clip)
    if not exported:
        raise DataError(
            "there is nothing to export: no clip has an annotation that counts",
            "see which do: lsvid export-spans --all; then choose with --status, --annotator, --annotations",
        )
    return exported


def span_records(
    sources: Sources, selection: Selection | None, findings: Findings, *, skip_bad: bool
) -> Iterator[Record]:
    """Every record of the exports: of each clip itself, then its annotations, each followed by its spans.

    `selection` None keeps all annotations of whatever status. Clips that cannot be found leave their spans without
    frames, with a warning. Raises ExportError as `read_clips` does.
    """
    clips = gather(_records(sources, findings), findings)
    if selection is not None:
        select(clips, selection, findings)
    lost = Findings()
    find_files(clips, sources.roots, sources.options.rule, lost)
    for _, reason in lost.faults:
        findings.warn(f"{reason}; its spans have no frames", "name the folder of the clips: --clips DIR")
    locate(clips, findings)
    raise_faults(findings, _what(sources), skip_bad=skip_bad)
    for clip in clips:
        yield clip.clip
        for work in clip.works:
            yield work.annotation
            yield from sorted(work.spans, key=_by_time)


def write_spans(records: Iterable[Record], path: Path) -> int:
    """Write `records` as JSON Lines into `path`, whole or not at all; returns their number."""
    count = 0
    with whole_file(path) as temporary, temporary.open("wb") as file:
        for record in records:
            file.write(to_json_line(record))
            count += 1
    return count


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` to write into; it takes `path`'s place at the end, or vanishes if anything goes wrong."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}", "choose another place with -o") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[tuple[Path, Callable[[Sequence[str]], None]]]:
    """A folder beside `folder` to write into, and a function that moves the named files from it into place.

    What an earlier run of lsvid left in `folder` and this one did not write again is removed.
    """
    _check_ours(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    except OSError as error:
        raise SettingsError(f"cannot write to {folder}: {error.strerror}", "choose another folder with -o") from error

    def publish(names: Sequence[str]) -> None:
        old = _files_of_manifest(folder)
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)  # so that it never describes files that are not there yet
        for name in names:
            (staging / name).replace(folder / name)
        for name in old - set(names):
            (folder / name).unlink(missing_ok=True)

    try:
        yield staging, publish
    except OSError as error:
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}", "free some space, then run it again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def output_folder(target: str) -> Iterator[Path]:
    """The folder to write results into. For an `s3://` prefix it is a temporary one, which is uploaded at the end.

    The manifest goes last, and an earlier one first away, so that it never describes files that are not there. Raises
    SettingsError where the prefix holds tables that are not lsvid's, and ServerError.
    """
    if not storage.is_s3(target):
        yield Path(target)
        return
    prefix = storage.folder_uri(target)
    before = storage.read_bytes(prefix + MANIFEST)
    if before is None:
        _check_ours_in_s3(prefix)
    with tempfile.TemporaryDirectory(prefix="lsvid-") as folder:
        local = Path(folder) / "out"
        yield local
        names = sorted(path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
        if before is not None:
            storage.remove(prefix + MANIFEST)
        for name in sorted(names, key=lambda name: name == MANIFEST):
            storage.upload(local / name, prefix + name)
        for name in _names_in_manifest(before or b"") - set(names):
            storage.remove(prefix + name)


@contextmanager
def output_file(target: str) -> Iterator[Path]:
    """The file to write to. For an `s3://` URI it is a temporary one, which is uploaded at the end."""
    if not storage.is_s3(target):
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="lsvid-") as folder:
        local = Path(folder) / "out"
        yield local
        storage.upload(local, target)


def _check_ours_in_s3(prefix: str) -> None:
    for uri, _ in storage.list_objects(prefix):
        name = uri.removeprefix(prefix)
        if name.startswith("frames"):
            raise SettingsError(
                f"{prefix} holds {name}, but no {MANIFEST} of an earlier export: it would be overwritten",
                "choose another prefix with -o, or remove the object",
            )


def _check_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file", "give -o a folder")
    taken = [p.name for p in folder.glob("frames*") if p.is_file()] if folder.is_dir() else []
    if taken and not (folder / MANIFEST).exists():
        raise SettingsError(
            f"{folder} holds {taken[0]}, but no {MANIFEST} of an earlier export: it would be overwritten",
            "choose another folder with -o, or remove the file",
        )


def _files_of_manifest(folder: Path) -> set[str]:
    try:
        return _names_in_manifest((folder / MANIFEST).read_bytes())
    except OSError:
        return set()


def _names_in_manifest(manifest: bytes) -> set[str]:
    """The names of the files that a manifest describes; none where it is no manifest."""
    try:
        return {Path(file["name"]).name for file in json.loads(manifest)["files"]}
    except (ValueError, KeyError, TypeError):
        return set()


def _manifest(
    clips: Sequence[AnnotatedClip],
    exported: Sequence[AnnotatedClip],
    sources: Sources,
    options: TableOptions,
    findings: Findings,
    command: Sequence[str],
) -> dict[str, Any]:
    names = sources.names or sources.exports
    return {
        "version": 1,
        "lsvid": __version__,
        "span_schema": SCHEMA_VERSION,
        "command": list(command),
        "exports": [
            {"name": name} | ({"sha256": sha256(Path(path))} if path != "-" else {})
            for name, path in zip(names, sources.exports, strict=True)
        ],
        "labels": [LABEL_SEPARATOR.join(path) for path in options.labels],
        "annotators": sorted({work.annotator for clip in exported for work in clip.works}, key=natural_key),
        "clips": [_manifest_clip(clip, exported=clip in exported) for clip in clips if clip.info is not None],
        "counts": {
            "clips": len(exported),
            "annotations": sum(len(clip.works) for clip in exported),
            "spans": sum(len(work.spans) for clip in exported for work in clip.works),
            "frames": sum(clip.info.index.n_frames for clip in exported if clip.info is not None),
            "left_out": findings.left_out_counts(),
            "cut": len(findings.cuts),
        },
        "warnings": [text for text, _ in findings.warnings],
    }


def _manifest_clip(clip: AnnotatedClip, *, exported: bool) -> dict[str, Any]:
    assert clip.info is not None  # noqa: S101 - the caller's business
    index = clip.info.index
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
    }


def _records(sources: Sources, findings: Findings) -> Iterator[Record]:
    for path in sources.exports:
        yield from read_export(path, sources.options, findings)


def _what(sources: Sources) -> str:
    return ", ".join(sources.names or sources.exports)


def _by_time(span: Span) -> tuple[float, float, tuple[str, ...]]:
    return (span.start_s or 0.0, span.end_s or 0.0, span.label)


__all__ = [
    "Annotation", "Clip", "Sources", "export_frames", "output_file", "output_folder", "read_clips", "span_records",
    "write_spans",
]  # fmt: skip
