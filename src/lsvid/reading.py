"""Turns exports and projects into located clips: which sources are read, where their clips are, which annotations
count.

A `ReadRequest` says all of this, and `read_located` does it. The command line and `lsvid.read` both use them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lsvid.annotations.matching import DEFAULT_SEPARATOR, LabelMatcher, match_labels
from lsvid.annotations.slips import warn_of_slips, warn_of_vanished_sub_labels
from lsvid.annotations.spans import Record, Span
from lsvid.annotations.stages import (
    AnnotatedClip,
    Selection,
    Source,
    Stage,
    find_files,
    gather,
    locate,
    raise_faults,
    select,
)
from lsvid.errors import DataError, SettingsError
from lsvid.files.inputs import is_stream
from lsvid.files.outputs import sha256
from lsvid.files.paths import is_in_sight
from lsvid.files.texts import TextError, csv_rows, read_text
from lsvid.findings import Findings
from lsvid.labels.files import read_labels
from lsvid.labels.tree import LabelTree
from lsvid.progress import Progress, unheard
from lsvid.readers import read_export
from lsvid.readers.documents import OTHER_CASES, ReadOptions
from lsvid.readers.prodigy_database import is_database
from lsvid.video.clips import natural_key
from lsvid.video.lookup import ClipFinder
from lsvid.video.timebase import parse_rate

if TYPE_CHECKING:
    from lsvid.label_studio.client import Server
    from lsvid.workers.processes import Workers


@dataclass(frozen=True)
class Connection:
    """A Label Studio server. url, api_key: None: those of the environment, or else those of `lsvid serve`."""

    url: str | None = None
    api_key: str | None = None

    def open(self, findings: Findings, *, changes: bool = False) -> "Server":
        """The server, logged in. Warns if its release is too old for a part of lsvid. Raises the errors of
        `client.connect`.
        """
        from lsvid.label_studio import releases  # noqa: PLC0415 - requests is slow to import
        from lsvid.label_studio.client import connect  # noqa: PLC0415 - the same
        from lsvid.label_studio.serve import server_address  # noqa: PLC0415 - the same

        server = connect(*server_address(self.url, self.api_key), changes=changes)
        if text := releases.shortcoming(server.release):
            findings.warn(text, releases.UPGRADE)
        return server


@dataclass(frozen=True)
class ReadRequest:
    """What is read, and how.

    Give either exports or project. exports: files to read. project: the id or title of a project on the server at
    `connection`. roots: folders and files that hold the clips; empty: the places that the exports, or the project's
    storages, give. labels: a label file or tree; it gives the order of labels, and the names of ids. options: how
    exports are read. selection: which annotations count; None: all of them. renames: old label -> new label. separator:
    the text between a label and its sub label in flat labels. skip_bad: leave bad data out and count it, instead of
    stopping. annotator_order: for merging by priority, the annotators; the first one counts most. files: other files
    from which the values of this request were read.
    """

    exports: tuple[str, ...] = ()
    project: str | None = None
    connection: Connection = field(default_factory=Connection)
    roots: tuple[str, ...] = ()
    labels: str | Path | LabelTree | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    selection: Selection | None = field(default_factory=Selection)
    renames: Mapping[str, str] = field(default_factory=dict)
    separator: str = DEFAULT_SEPARATOR
    skip_bad: bool = False
    annotator_order: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The files that are read. No output may replace them. (Outputs may lie in the folders of the clips.)"""
        labels = () if isinstance(self.labels, LabelTree) or self.labels is None else (str(self.labels),)
        return tuple(name for name in (*self.exports, *labels, *self.files) if not is_stream(name))

    def __post_init__(self) -> None:
        if bool(self.exports) == bool(self.project):
            raise SettingsError("name export files, or a project, not both")
        if self.options.datasets and not any(is_database(export) for export in self.exports):
            raise SettingsError("a dataset is for a Prodigy database, and none of the exports is one")


@dataclass(frozen=True)
class Sources:
    """The opened sources of a ReadRequest: files on this machine, how they are read, and where their clips are.

    names: the exports' names for messages. matcher: matches labels with the tree of a label file. (A project needs
    none: its own tree already holds every label.)
    """

    exports: tuple[str, ...]
    names: tuple[str, ...]
    options: ReadOptions
    roots: tuple[str, ...]
    matcher: LabelMatcher | None = None

    @property
    def tree(self) -> LabelTree | None:
        """The label tree, or None if it is not known."""
        return self.options.tree

    @property
    def what(self) -> str:
        """The sources, for a message."""
        return ", ".join(self.names)

    def hashed(self) -> tuple[Source, ...]:
        """The exports with their hashes. A pipe has none, because it can be read only once."""
        return tuple(
            Source(name, None if is_stream(path) else _sha256_of(Path(path)))
            for name, path in zip(self.names, self.exports, strict=True)
        )


@dataclass(frozen=True)
class Read:
    """What was read.

    changed_labels: old -> new of the labels that were renamed or matched, as texts. roots: where clips were
    looked for. project_url: where its tasks open.
    """

    located: Stage[AnnotatedClip]
    tree: LabelTree | None
    sources: tuple[Source, ...]
    changed_labels: Mapping[str, str]
    roots: tuple[str, ...] = ()
    project_url: str | None = None


@contextmanager
def opened(request: ReadRequest, findings: Findings, progress: Progress = unheard) -> Iterator[Sources]:
    """The sources of `request`; a project is downloaded into a temporary file, which is removed afterwards.

    progress: tasks downloaded. Raises LabelFileError, SettingsError, ServerError; DataError if the clips of a project
    are not on this machine.
    """
    labels = request.labels
    tree = labels if isinstance(labels, LabelTree) or labels is None else read_labels(str(labels))
    matcher = LabelMatcher(tree, request.renames, request.separator) if tree or request.renames else None
    if not request.project:
        options = replace(request.options, tree=tree, decode_media=not request.roots)
        yield Sources(request.exports, request.exports, options, request.roots, matcher)
        return
    from lsvid.label_studio.export import download_export  # noqa: PLC0415 - the same
    from lsvid.labeling.parsed import LabelingConfig  # noqa: PLC0415 - needed only with a server

    with download_export(request.connection.open(findings), request.project, progress) as download:
        emails = {str(user): email for user, email in download.annotators.items()}
        options = replace(
            request.options,
            tree=tree or LabelingConfig.parse(download.label_config).tree,
            label_config=download.label_config,
            annotators=emails | dict(request.options.annotators),
        )
        roots = request.roots or tuple(one for one in download.storages if is_in_sight(one))
        if not roots:
            raise DataError(
                f"cannot find the clips of project {download.id}; looked in its storages: "
                + (", ".join(f"{folder} (not on this machine)" for folder in download.storages) or "it has none"),
                "name the folder of the clips: <<clips=DIR>>",
            )
        name = f"{download.url}/projects/{download.id}"
        yield Sources((str(download.path),), (name,), options, roots, matcher)


def read_located(
    request: ReadRequest,
    findings: Findings,
    *,
    lenient: bool = False,
    workers: "Workers | None" = None,
    on_downloaded: Progress = unheard,
    on_found: Progress = unheard,
) -> Read:
    """The clips of all sources, with the annotations that count and every span on its frames.

    lenient: a clip that cannot be found gives a warning instead of an error, and stays among the lost ones. workers:
    the processes that read the clips; None: those of this machine. on_downloaded: is called as tasks are downloaded;
    on_found: as clips are read. Raises ExportError with all faults at once, unless the request leaves them out.
    """
    with opened(request, findings, on_downloaded) as sources:
        finder = ClipFinder(sources.roots)
        options = replace(sources.options, finder=finder)
        records = (record for path in sources.exports for record in read_export(path, options, findings))
        gathered, changed = gather(_asked_for(records, options, findings), findings), dict[str, str]()
        annotators = request.selection.annotators if request.selection is not None else None
        warn_of_vanished_sub_labels(gathered, findings, annotators)
        if request.selection is not None:
            gathered = select(gathered, request.selection, findings)
        if sources.matcher is not None:
            gathered, changed = match_labels(gathered, sources.matcher, findings)
        of_files = Findings() if lenient else findings
        found = find_files(gathered, finder, options.rule, of_files, on_found, workers)
        if lenient:
            for place_and_reason in of_files.faults:
                hint = of_files.hints.get(place_and_reason, "")
                findings.warn(f"{place_and_reason[1]}; its spans have no frames", hint)
            for warning in of_files.warnings:
                findings.warn(*warning)
        located = locate(found, findings, cut_overrun=options.cut_overrun)
        raise_faults(findings, sources.what, skip_bad=request.skip_bad)
        warn_of_slips(located.clips, findings)
        project_url = sources.names[0] if request.project else None
        return Read(located, sources.tree, sources.hashed(), changed, sources.roots, project_url)


def _asked_for(records: Iterable[Record], options: ReadOptions, findings: Findings) -> Iterator[Record]:
    others = set()
    for record in records:
        if not options.leaves_out(record.case):
            yield record
        elif record.case not in others:
            others.add(record.case)
            findings.leave_out(f"case {record.case}", OTHER_CASES)


def read_map(path: str, columns: str) -> dict[str, str]:
    """The map from the first column to the second, of a CSV file with two columns. columns: what they are, for
    messages. Raises SettingsError.
    """
    return dict(read_pairs(path, columns))


def read_assignment(path: str) -> dict[str, list[str]]:
    """The cases of each person, from a CSV file with the columns case and person. Raises SettingsError."""
    cases: dict[str, set[str]] = {}
    for case, person in (map(str.strip, pair) for pair in read_pairs(path, "case,person")):
        if not case or not person:
            raise SettingsError(
                f"{path}: a case without a person, or a person without a case", "each line: case,person"
            )
        if (case.lower(), person.lower()) != ("case", "person"):
            cases.setdefault(person, set()).add(case)
    return {person: sorted(theirs, key=natural_key) for person, theirs in cases.items()}


def read_pairs(path: str, columns: str) -> list[tuple[str, str]]:
    """The rows of a CSV file with two columns. columns: what they are, for messages. Raises SettingsError."""
    try:
        rows = list(csv_rows(read_text(Path(path)).text))
    except TextError as error:
        raise SettingsError(f"cannot read {path}: {error}", f"it is a CSV file in UTF-8: {columns}") from error
    for number, cells in rows:
        if len(cells) != 2:
            raise SettingsError(f"{path}:{number}: not two columns", f"each line: {columns}")
    return [(first, second) for _, (first, second) in rows]


def rate_of(value: float | str | Fraction, what: str) -> Fraction:
    """`value` as frames a second. what: its name in messages. Raises SettingsError."""
    try:
        return parse_rate(value)
    except ValueError as error:
        raise SettingsError(f"{what}: {error}", "write it as 25, 29.97 or 30000/1001") from error


def records_of(located: Stage[AnnotatedClip]) -> Iterator[Record]:
    """Every record: for each clip the clip itself, then its annotations, each followed by its spans."""
    for clip in located.in_order:
        yield clip.clip
        for work in clip.tracks:
            yield work.annotation
            yield from sorted(work.spans, key=_by_time)


def _by_time(span: Span) -> tuple[float, float, tuple[str, ...]]:
    if span.start_s is None or span.end_s is None:
        return (0.0, 0.0, ())  # the clip was not found: keep the order in which they came
    return (span.start_s, span.end_s, span.label)


def _sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. For a folder: the SHA-256 of its files' names and hashes, so any change is
    seen.
    """
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path)} {sha256(file)}\n".encode())
    return digest.hexdigest()
