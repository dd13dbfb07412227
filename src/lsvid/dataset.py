"""`Dataset`, which `lsvid.read` returns: its clips, and everything that can be made from them.

No step changes an object: each returns a new one. `Dataset.findings` holds faults and warnings of all steps.
"""

import html
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from lsvid.annotations.boundaries import BoundaryOptions, join, tidy
from lsvid.annotations.frames import FrameTables, TableOptions
from lsvid.annotations.matching import DEFAULT_SEPARATOR, LabelMatcher, match_labels
from lsvid.annotations.merge import MergeOptions, merge
from lsvid.annotations.spans import Clip as ClipRecord
from lsvid.annotations.spans import LocatedSpan, Record, Status
from lsvid.annotations.stages import AnnotatedClip, Case, Selection, Source, Stage, Track, label_order, raise_faults
from lsvid.errors import DataError, SettingsError, check_choice, check_kind
from lsvid.files.paths import lies_in, resolved, stem
from lsvid.findings import Findings, some
from lsvid.labels.tree import LabelTree, join_path, split_path
from lsvid.progress import Progress, unheard
from lsvid.readers.documents import FurtherOptions, ReadOptions
from lsvid.reading import Connection, ReadRequest, rate_of, read_located, records_of
from lsvid.video.clips import CaseRule
from lsvid.video.index import probe
from lsvid.video.timebase import FrameIndex, exact_seconds
from lsvid.wording import count_of
from lsvid.writers.export import LAYOUTS, Manifest, WriteOptions, WriteRequest, Written, write
from lsvid.writers.formats import FormatOptions

if TYPE_CHECKING:
    from lsvid.errors import LsvidError
    from lsvid.training.clips import TrainingClip
    from lsvid.training.features import CaseFeatures, Extractor, FeatureOptions
    from lsvid.training.windows import Windows
    from lsvid.video.proxies import Copy
    from lsvid.workers.processes import Workers
    from lsvid.writers.images import ImageRequest

LabelPath = tuple[str, ...]
Picture = npt.NDArray[np.uint8]
PathLike = str | os.PathLike[str]


_TIMINGS: dict[str, type[pl.DataType]] = {
    "case": pl.String, "annotator": pl.String, "level": pl.Int64, "label": pl.String, "count": pl.Int64,
    "total_s": pl.Float64, "mean_s": pl.Float64, "median_s": pl.Float64, "min_s": pl.Float64, "max_s": pl.Float64,
    "first_start_s": pl.Float64, "last_end_s": pl.Float64, "gaps": pl.Int64, "gaps_s": pl.Float64,
    "longest_gap_s": pl.Float64,
}  # fmt: skip
_AGREEMENT: dict[str, type[pl.DataType]] = {
    "level": pl.Int64, "case": pl.String, "first": pl.String, "second": pl.String, "clips": pl.Int64,
    "frames": pl.Int64, "accuracy": pl.Float64, "kappa": pl.Float64, "alpha": pl.Float64, "iou": pl.Float64,
    "edit": pl.Float64, "f1_10": pl.Float64, "f1_25": pl.Float64, "f1_50": pl.Float64, "boundaries_matched": pl.Int64,
    "boundaries_start_median_s": pl.Float64, "boundaries_start_abs_median_s": pl.Float64,
    "boundaries_end_median_s": pl.Float64, "boundaries_end_abs_median_s": pl.Float64,
}  # fmt: skip
"""The columns of two tables, which they also have if there is no row."""


class LsvidWarning(UserWarning):
    """A summary of what a step has newly found: warnings, and what it left out. `Dataset.findings` holds all of it.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True, action="always") as told:
    ...     dataset = lsvid.read("export.json", clips="clips").rename({"Stitching": "Suturing"})
    >>> print(told[0].category.__name__, told[0].message)
    LsvidWarning rename=Stitching: no label has this name
    """


@dataclass(frozen=True)
class FrameLabels:
    """The labels that hold on each frame of a clip.

    paths: the label of each column, as a path. values: uint8, shape (n_frames, n_labels), 1 where the label holds.

    >>> labels = lsvid.read("export.json", clips="clips")["op1/clip_1"].labels()
    >>> len(labels), labels.names, labels.paths[1], labels.values[4].tolist()
    (50, ('Dissection', 'Suturing'), ('Suturing',), [1, 0])
    """

    paths: tuple[LabelPath, ...]
    values: npt.NDArray[np.uint8]

    @property
    def names(self) -> tuple[str, ...]:
        """The label of each column, its path joined by " / "."""
        return tuple(join_path(path) for path in self.paths)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Clip:
    """One video file of a case, with its frame index and its annotations.

    >>> clip = lsvid.open_clip("op1/clip_1.mp4")
    >>> clip.n_frames, str(clip.rate)
    (50, '25')
    """

    annotated: AnnotatedClip = field(repr=False)
    label_paths: tuple[LabelPath, ...] = field(default=(), repr=False)
    copy: "Copy | None" = field(default=None, repr=False)
    """The copy from which its pictures are read; None: the file itself."""

    def __repr__(self) -> str:
        marked = "".join(f", {work.annotator}: {len(work.spans)} spans" for work in self.annotated.tracks)
        return f"<Clip {self.id}: {self.n_frames:,} frames{marked}>"

    @property
    def id(self) -> str:
        """`case/name`, which is different for each clip."""
        return self.annotated.id

    @property
    def case(self) -> str:
        """The name of its case: the recording to which it belongs."""
        return self.annotated.case

    @property
    def name(self) -> str:
        """Its name within the case."""
        return self.annotated.name

    @property
    def path(self) -> str:
        """Its file: a path, or a URI in S3."""
        return self.annotated.path

    @property
    def index(self) -> FrameIndex:
        """Its frame index: the PTS of every picture, and every conversion between times and frames."""
        return self.annotated.index

    @property
    def n_frames(self) -> int:
        """The number of its pictures."""
        return self.index.n_frames

    @property
    def rate(self) -> Fraction | None:
        """Frames a second; None if the rate varies."""
        return self.index.rate

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """The PTS of every picture in seconds, shape (n_frames,), as a browser's `currentTime` shows them."""
        return self.index.times_s()

    @property
    def case_frame(self) -> int:
        """The number of frames of its case that come before it."""
        return self.annotated.case_frame

    @property
    def annotators(self) -> tuple[str, ...]:
        """The names of the people who annotated it."""
        return tuple(work.annotator for work in self.annotated.tracks)

    def spans(self, annotator: str | None = None) -> tuple[LocatedSpan, ...]:
        """The spans of `annotator` (None: of everybody), by start.

        >>> spans = lsvid.read("export.json", clips="clips")["op1/clip_1"].spans()
        >>> [(span.label, span.start_frame, span.stop_frame) for span in spans]
        [(('Dissection',), 4, 12), (('Suturing',), 12, 50)]
        """
        works = self.annotated.tracks if annotator is None else [self._work(annotator)]
        return tuple(sorted((span for work in works for span in work.spans), key=_by_frames))

    def labels(self, annotator: str | None = None, level: int | None = None) -> FrameLabels:
        """The labels of each frame: `values` is uint8, shape (n_frames, n_labels), 1 where a label holds.

        annotator: whose labels; None: those of the only annotator. level: cut each label to its first `level` names,
        and leave out shorter ones; None: each label is a column of its own. Raises DataError if there is no such
        annotator, or if there are several and none is named.

        >>> labels = lsvid.read("export.json", clips="clips")["op1/clip_1"].labels()
        >>> labels.names, labels.values.shape
        (('Dissection', 'Suturing'), (50, 2))
        >>> int(labels.values[:, 0].sum())  # frames of Dissection
        8
        """
        paths = _at_level(self.label_paths, level)
        column = {path: number for number, path in enumerate(paths)}
        values = np.zeros((self.n_frames, len(paths)), dtype=np.uint8)
        for span in self._work(annotator).spans:
            path = span.label if level is None else span.label[:level]
            if path in column:
                values[span.start_frame : span.stop_frame, column[path]] = 1
        return FrameLabels(paths, values)

    def pictures(
        self,
        frames: Iterable[int] | None = None,
        *,
        short_side: int | None = None,
        size: tuple[int, int] | None = None,
        missing: Literal["raise", "skip"] = "raise",
    ) -> Iterator[tuple[int, Picture]]:
        """(frame, picture) for each of `frames` (None: all frames), in the given order.

        A picture is RGB, uint8, shape (height, width, 3), upright. short_side: the new length of its shorter side, in
        pixels. size: stretch it to (width, height). Any order is fast. No picture is made up: if one cannot be decoded
        whole, ClipError is raised, or with missing="skip" it is left out.

        >>> for frame, picture in lsvid.open_clip("op1/clip_1.mp4").pictures([40, 7], short_side=120):
        ...     print(frame, picture.shape, picture.dtype)
        40 (120, 160, 3) uint8
        7 (120, 160, 3) uint8
        """
        from lsvid.video.decode import pictures  # noqa: PLC0415 - exports of labels need no decoder

        wanted = range(self.n_frames) if frames is None else frames
        source = self.copy or self.annotated
        yield from pictures(source.path, source.info, wanted, short_side=short_side, size=size, missing=missing)

    def _work(self, annotator: str | None) -> Track[LocatedSpan]:
        works = self.annotated.tracks
        if annotator is None:
            if len(works) > 1:
                raise DataError(
                    f"clip {self.id} has several annotators: {', '.join(self.annotators)}", "name one of them"
                )
            return works[0] if works else Track[LocatedSpan].nobody()
        for work in works:
            if work.annotator == annotator:
                return work
        raise DataError(
            f"clip {self.id} has no annotation by {annotator}",
            f"it has those of {', '.join(self.annotators) or 'nobody'}",
        )


@dataclass(frozen=True)
class Dataset:
    """Clips with their spans, by case, in order. `lsvid.read` returns it.

    >>> dataset = lsvid.read("export.json", clips="clips")
    >>> dataset
    <Dataset: 2 clips of 1 case, 110 frames, 3 spans by 1 annotator>
    >>> [clip.id for clip in dataset]
    ['op1/clip_1', 'op1/clip_2']
    >>> dataset["op1/clip_1"].n_frames
    50
    """

    located: Stage[AnnotatedClip] = field(repr=False)
    tree: LabelTree | None = None
    sources: tuple[Source, ...] = ()
    findings: Findings = field(default_factory=Findings, repr=False)
    changes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    skip_bad: bool = False
    inputs: tuple[str, ...] = field(default=(), repr=False)
    roots: tuple[str, ...] = field(default=(), repr=False)
    project_url: str | None = None
    copies: "Mapping[str, Copy]" = field(default_factory=dict, repr=False)
    """For a clip's id, the copy from which its pictures are read; see `read(proxies=…)`."""

    # --- What is there

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """Its clips, by case, in order."""
        return tuple(Clip(clip, self.labels, self.copies.get(clip.id)) for clip in self.located.clips)

    @cached_property
    def _by_id(self) -> dict[str, Clip]:
        return {clip.id: clip for clip in self.clips}

    @cached_property
    def cases(self) -> tuple[Case[AnnotatedClip], ...]:
        """Its cases, each with its clips, its frames and its time."""
        return tuple(self.located.cases)

    @cached_property
    def annotators(self) -> tuple[str, ...]:
        """The names of all annotators."""
        return tuple(dict.fromkeys(name for case in self.cases for name in case.annotators))

    @cached_property
    def labels(self) -> tuple[LabelPath, ...]:
        """Every label path: the tree's in its own order, then those that only occur in spans."""
        return tuple(label_order(self.located.clips, self.tree))

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.located.clips)

    def __getitem__(self, clip_id: str) -> Clip:
        return self._by_id[clip_id]

    def __repr__(self) -> str:
        spans = sum(len(work.spans) for clip in self.located.clips for work in clip.tracks)
        frames = sum(clip.index.n_frames for clip in self.located.clips)
        return (
            f"<Dataset: {count_of(len(self), 'clip')} of {count_of(len(self.cases), 'case')}, "
            f"{count_of(frames, 'frame')}, {count_of(spans, 'span')} by {count_of(len(self.annotators), 'annotator')}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{html.escape(case.name)}</td><td>{len(case.clips)}</td><td>{case.n_frames:,}</td>"
            f"<td>{float(case.length_s):,.1f}</td><td>{html.escape(', '.join(case.annotators))}</td>"
            f"<td>{sum(len(work.spans) for clip in case.clips for work in clip.tracks):,}</td></tr>"
            for case in self.cases
        ]
        head = "".join(f"<th>{name}</th>" for name in ("case", "clips", "frames", "seconds", "annotators", "spans"))
        return f"<p>{html.escape(repr(self)[1:-1])}</p><table><tr>{head}</tr>{''.join(rows)}</table>"

    def records(self) -> Iterator[Record]:
        """Everything as records of the span schema, also for clips without a readable file.

        >>> records = lsvid.read("export.json", clips="clips").select(clips=["op1/clip_2"]).records()
        >>> [type(record).__name__ for record in records]
        ['Clip', 'Annotation', 'LocatedSpan']
        """
        return records_of(self.located)

    # --- As tables

    def spans(self) -> pl.DataFrame:
        """A table with one row for each span: its place, its annotator, its label.

        Columns: case, clip, annotator, status, region, label, start_frame, stop_frame (half-open, of the clip),
        start_s, end_s (PTS), score.

        >>> lsvid.read("export.json", clips="clips").spans()["label", "start_frame", "stop_frame"].rows()
        [('Dissection', 4, 12), ('Suturing', 12, 50), ('Suturing', 0, 10)]
        """
        return pl.DataFrame(
            [
                (
                    clip.case, clip.name, work.annotator, str(work.annotation.status), span.region_id,
                    join_path(span.label), span.start_frame, span.stop_frame, span.start_s, span.end_s, span.score,
                )
                for clip in self.located.clips
                for work in clip.tracks
                for span in sorted(work.spans, key=_by_frames)
            ],
            schema={
                "case": pl.String, "clip": pl.String, "annotator": pl.String, "status": pl.String, "region": pl.String,
                "label": pl.String, "start_frame": pl.Int64, "stop_frame": pl.Int64, "start_s": pl.Float64,
                "end_s": pl.Float64, "score": pl.Float64,
            },
            orient="row",
        )  # fmt: skip

    def frames(
        self,
        sample_fps: float | str | Fraction | None = None,
        layout: Literal["long", "wide"] = "long",
        background: str | None = None,
    ) -> pl.DataFrame:
        """The frame table: the labels of every frame of every annotated clip.

        layout="long": a row for each frame and label that holds, and one without a label for a frame that has none.
        layout="wide": a row for each frame and annotator, a 0/1 column (uint8) for each label. sample_fps: keep the
        first picture of every 1/sample_fps seconds. background: the label of frames that have none.

        >>> lsvid.read("export.json", clips="clips").frames()["label"].value_counts().sort("count").rows()
        [('Dissection', 8), ('Suturing', 48), (None, 54)]
        """
        clips = [clip for clip in self.located.clips if clip.tracks]
        options = self._table(sample_fps, layout, background)
        if not clips:
            raise DataError("there is no frame: no clip has an annotation that counts")
        return FrameTables(clips, options).table(clips)

    def timings(self, level: int | None = None) -> pl.DataFrame:
        """How long each label took: a row for each case, annotator, level and label. level: only this level.

        >>> timings = lsvid.read("export.json", clips="clips").timings()
        >>> timings["label", "count", "total_s"].rows()
        [('Dissection', 1, 0.32), ('Suturing', 1, 1.92)]
        """
        from lsvid.analysis.timings import label_timings, labels_at, occurrences  # noqa: PLC0415 - where it is asked for

        rows = [
            asdict(timing) | {"label": join_path(timing.label)}
            for case in self.cases
            for annotator in case.annotators
            for at in self._levels(level)
            for timing in label_timings(case, annotator, occurrences(case, annotator, at), labels_at(self.labels, at))
        ]
        return pl.DataFrame(rows, schema=_TIMINGS, orient="row")

    def agreement(self, level: int | None = None) -> pl.DataFrame:
        """How far annotators agree: a row for each level, case (null: all cases) and pair of annotators.

        It has no row if no two people worked on the same clip. level: only this level.

        >>> team = lsvid.read("team.json", clips="clips")
        >>> team.agreement(level=1)["first", "second", "frames", "accuracy"].rows()
        [('anna@example.org', 'ben@example.org', 50, 0.96)]
        """
        from lsvid.analysis.comparison import compare  # noqa: PLC0415 - the same

        _check_level(level)
        comparison = compare(self.cases, self.labels)
        pairs = [pair for pair in comparison.pairs if level in (None, pair.level)] if comparison else []
        rows = []
        for pair in pairs:
            row = asdict(pair)
            del row["labels"]
            rows.append(row | {f"boundaries_{name}": value for name, value in row.pop("boundaries").items()})
        return pl.DataFrame(rows, schema=_AGREEMENT, orient="row")

    def _levels(self, level: int | None) -> Sequence[int]:
        _check_level(level)
        depth = max((len(path) for path in self.labels), default=1)
        return range(1, depth + 1) if level is None else [level]

    def _table(self, sample_fps: float | str | Fraction | None, layout: str, background: str | None) -> TableOptions:
        check_choice("layout", layout, LAYOUTS)
        if background is not None:
            check_kind("background", background, str, "a label's name")
        return TableOptions(list(self.labels), layout == "wide", _rate(sample_fps), background)

    # --- Steps: each gives a new data set

    def select(
        self,
        cases: Iterable[str] | None = None,
        clips: Iterable[str] | None = None,
        annotators: Iterable[str] | None = None,
        labels: Iterable[str | LabelPath] | None = None,
    ) -> "Dataset":
        """Only these cases, clips (by id), annotators, and labels with all below them. None: all of them.

        Raises DataError if the data set has nothing of such a name.

        >>> dataset = lsvid.read("export.json", clips="clips")
        >>> dataset.select(labels=["Suturing"])
        <Dataset: 2 clips of 1 case, 110 frames, 2 spans by 1 annotator>
        >>> dataset.select(cases=["op2"])
        Traceback (most recent call last):
        lsvid.errors.DataError: the data set has no case 'op2'
        hint: it has op1
        """
        in_cases, in_clips, by = _set(cases), _set(clips), _set(annotators)
        tops = None if labels is None else [_path(one) for one in ([labels] if isinstance(labels, str) else labels)]
        _check_known("case", in_cases, (case.name for case in self.cases))
        _check_known("clip", in_clips, (clip.id for clip in self.located.in_order))
        _check_known("annotator", by, self.annotators)
        missing = [top for top in tops or () if not any(_below(path, [top]) for path in self.labels)]
        _check_known("label", map(join_path, missing), map(join_path, self.labels))
        kept = []
        for clip in self.located.clips:
            if (in_cases is None or clip.case in in_cases) and (in_clips is None or clip.id in in_clips):
                works = tuple(
                    replace(work, spans=tuple(span for span in work.spans if _below(span.label, tops)))
                    for work in clip.tracks
                    if by is None or work.annotator in by
                )
                kept.append(replace(clip, tracks=works))
        lost = tuple(clip for clip in self.located.lost if in_cases is None or clip.clip.case in in_cases)
        return replace(self, located=Stage(tuple(kept), lost))

    def rename(self, names: Mapping[str, str], separator: str = DEFAULT_SEPARATOR) -> "Dataset":
        """The data set with labels renamed, old -> new, each a name or a path joined by " / ". Sub labels stay below.

        >>> renamed = lsvid.read("export.json", clips="clips").rename({"Suturing": "Closing"})
        >>> renamed.labels
        (('Closing',), ('Dissection',))
        """
        findings = self.findings.copy()
        clips, changed = match_labels(self.located.clips, LabelMatcher(None, names, separator), findings)
        renamed = {**self.changes.get("label_map", {}), **changed}
        located = Stage(tuple(clips), self.located.lost)
        changes = {**self.changes, "label_map": renamed}
        _warn(findings, self.findings)
        return replace(self, located=located, findings=findings, changes=changes, tree=None)

    def tidy(
        self,
        snap_s: float | str | Fraction | None = None,
        overlap: Literal["keep", "error", "priority"] = "keep",
        priority: Literal["label-order", "longest"] = "label-order",
        join_gap_s: float | str | Fraction | None = None,
    ) -> "Dataset":
        """The data set with boundaries tidied.

        snap_s: if a span ends and another begins within this many seconds, both boundaries move to the middle. overlap:
        spans of different labels that overlap are kept, are an error, or one wins ("priority": the first in label
        order, or the longest). join_gap_s: spans of one label that are at most this many seconds apart become one, also
        across the ends of clips.

        >>> anna = lsvid.read("team.json", clips="clips").select(annotators=["anna@example.org"])
        >>> anna.spans()["label", "start_frame", "stop_frame"].rows()
        [('Dissection', 0, 10), ('Suturing', 12, 50)]
        >>> anna.tidy(snap_s=0.2).spans()["label", "start_frame", "stop_frame"].rows()
        [('Dissection', 0, 11), ('Suturing', 11, 50)]
        """
        dataset = tidied(self, BoundaryOptions(_seconds(snap_s), overlap, priority, _seconds(join_gap_s)))
        _warn(dataset.findings, self.findings)
        return dataset

    def merge(
        self,
        how: Literal["majority", "union", "intersection", "priority"],
        order: Sequence[str] = (),
    ) -> "Dataset":
        """The data set with the annotators of each clip merged into one, named `how`, at each level of the labels.

        order: with "priority", the annotators; the first one counts most.

        >>> merged = lsvid.read("team.json", clips="clips").merge("intersection")
        >>> merged.spans()["annotator", "label", "start_frame", "stop_frame"].rows()
        [('intersection', 'Dissection', 0, 10), ('intersection', 'Suturing', 12, 50)]
        """
        merging = MergeOptions(how, (order,) if isinstance(order, str) else tuple(order))
        dataset = tidied(self, BoundaryOptions(), merging)
        _warn(dataset.findings, self.findings)
        return dataset

    # --- Into files

    def write(
        self,
        folder: PathLike,
        format: str = "csv",  # noqa: A002 - the word that people look for
        *,
        layout: Literal["long", "wide"] = "long",
        sample_fps: float | str | Fraction | None = None,
        background: str | None = None,
        include_unannotated: bool = False,
        format_options: FormatOptions | None = None,
        images: "bool | ImageRequest" = False,
        workers: "Workers | None" = None,
        progress: Progress = unheard,
    ) -> Manifest:
        """Write the labels into `folder`, here or in S3, in a format of `lsvid formats`; returns the manifest.

        format_options: further options of the format, a `lsvid.writers.formats.FormatOptions`. images: write the
        picture of every labelled frame, too; for other frames, sizes or kinds of pictures, give a
        `lsvid.writers.images.ImageRequest` with `lsvid.video.pictures.PictureOptions`. The folder's files appear whole
        or not at all. Raises DataError if nothing is left to write; SettingsError if the folder holds files that lsvid
        did not write, or the format does not take an option.

        >>> manifest = lsvid.read("export.json", clips="clips").write("frames", format="parquet")
        >>> [file["name"] for file in manifest["files"]], manifest["counts"]["rows"]
        (['frames.parquet'], 110)
        >>> from lsvid.video.pictures import PictureOptions
        >>> from lsvid.writers.images import ImageRequest
        >>> small = ImageRequest(PictureOptions(format="png", short_side=120))
        >>> manifest = lsvid.read("export.json", clips="clips").write("pictures", images=small)
        >>> manifest["images"]["count"], manifest["images"]["format"]
        (56, 'png')
        """
        from lsvid.writers.images import ImageRequest  # noqa: PLC0415 - where it is asked for

        options = WriteOptions(
            format=format,
            layout=layout,
            sample_fps=_rate(sample_fps),
            background=background,
            include_unannotated=include_unannotated,
            images=ImageRequest() if images is True else None if images is False else images,
            of_format=format_options or FormatOptions(),
        )
        findings = self.findings.copy()
        written = write_dataset(self, folder, options, findings, workers=workers, progress=progress)
        _warn(findings, self.findings)
        return written.manifest

    def report(self, folder: PathLike, *, project_url: str | None = None) -> dict[str, Any]:
        """Write the report into `folder`: times, agreement, figures, one HTML page. Returns what was written.

        >>> written = lsvid.read("export.json", clips="clips").report("report")
        >>> written["clips"], [name for name in written["files"] if name.endswith(".html")]
        (2, ['report.html'])
        """
        findings = self.findings.copy()
        written = write_dataset_report(self, folder, findings, project_url=project_url)
        _warn(findings, self.findings)
        return written

    def contact_sheet(
        self, path: PathLike, *, short_side: int = 180, jobs: int | None = None, progress: Progress = unheard
    ) -> int:
        """Write one HTML page with the first, middle and last picture of every span; returns the number of spans.

        >>> lsvid.read("export.json", clips="clips").contact_sheet("sheet.html")
        3
        """
        from lsvid.report.contact_sheet import write_contact_sheet  # noqa: PLC0415 - where it is asked for

        findings = self.findings.copy()
        n_spans = write_contact_sheet(
            self.located.clips, os.fspath(path), self.labels, findings, inputs=self.inputs, sources=self.sources,
            project_url=self.project_url, short_side=short_side, jobs=jobs, on_progress=progress,
        )  # fmt: skip
        _warn(findings, self.findings)
        return n_spans

    # --- For training

    def windows(
        self,
        frames: int = 16,
        fps: float | str | Fraction = 1,
        *,
        stride: int = 1,
        where: Literal["past", "centred"] = "past",
        annotator: str | None = None,
        level: int | None = None,
        background: str | None = None,
        labels: Literal["multi", "single"] = "multi",
        sample: Literal["all", "random", "balanced", "case"] = "all",
        n: int | None = None,
        group: int | None = None,
        seed: int = 0,
        jitter: bool = False,
        size: tuple[int, int] | None = None,
        short_side: int | None = None,
        missing: Literal["raise", "skip", "repeat"] = "raise",
        include_unannotated: bool = False,
        threads: int | None = None,
    ) -> "Windows":
        """Windows of pictures and labels over whole cases: a sequence of dicts. Each is made when you ask for it.

        pictures: uint8 (frames, height, width, 3), RGB. labels: uint8 (frames, classes), or with labels="single" int64
        (frames,), -100 for clips that nobody annotated. frame, clip: int64 (frames,). case: str. annotator: whose
        labels; None: those of each clip's only annotator. `lsvid.training.windows.WindowOptions` describes the other
        options. Raises SettingsError and DataError.

        >>> windows = lsvid.read("export.json", clips="clips").windows(frames=4, fps=5, short_side=120)
        >>> windows
        <Windows: 22 of 4 pictures at 5 fps, past, from 1 cases; 2 classes>
        >>> windows[21]["pictures"].shape, windows[21]["frame"].tolist()
        ((4, 120, 160, 3), [40, 45, 50, 55])
        """
        from lsvid.training.clips import training_clips  # noqa: PLC0415 - where it is asked for
        from lsvid.training.windows import WindowOptions, Windows  # noqa: PLC0415 - the same

        options = WindowOptions(
            frames=frames, fps=fps, stride=stride, where=where, sample=sample, n=n, group=group, seed=seed,
            jitter=jitter, size=size, short_side=short_side, labels=labels, level=level, background=background,
            missing=missing, include_unannotated=include_unannotated, threads=threads,
        )  # fmt: skip
        return Windows(training_clips(self.located.clips, annotator, self.copies), self.labels, options)

    def features(
        self,
        extractor: "Extractor | str",
        fps: float | str | Fraction = 1,
        *,
        batch: int = 32,
        size: tuple[int, int] | None = None,
        short_side: int | None = None,
        missing: Literal["raise", "repeat"] = "raise",
        include_unannotated: bool = False,
        progress: Progress = unheard,
    ) -> dict[str, npt.NDArray[np.float32]]:
        """The features that `extractor` makes of every sampled picture, for each whole case: float32 (D, T), T as in
        the frame table.

        extractor: a function, or "module:function". It takes pictures, uint8 (B, height, width, 3), RGB, and returns
        float (B, D). batch: the largest B. missing: a picture that cannot be decoded raises ClipError, or gets the
        features of the one before it. include_unannotated: also take cases with clips that nobody annotated. Raises
        DataError if the function returns anything else. `write_features` writes the features into files, and continues
        after an interruption.

        >>> def brightness(pictures):
        ...     return pictures.mean(axis=(1, 2))
        >>> features = lsvid.read("export.json", clips="clips").features(brightness, fps=5)
        >>> {case: values.shape for case, values in features.items()}
        {'op1': (3, 22)}
        """
        from lsvid.training.features import FeatureOptions, features  # noqa: PLC0415 - where it is asked for

        options = FeatureOptions(fps, batch, size, short_side, missing)
        findings = self.findings.copy()
        clips = self._whole_cases(findings, include_unannotated)
        _warn(findings, self.findings)
        return features(clips, extractor, options, progress)

    def write_features(
        self,
        folder: PathLike,
        extractor: "Extractor | str",
        options: "FeatureOptions | None" = None,
        *,
        include_unannotated: bool = False,
        workers: "Workers | None" = None,
        progress: Progress = unheard,
    ) -> "list[CaseFeatures | LsvidError]":
        """Write `folder`/features/CASE.npy for each whole case; see `lsvid.training.features.write_features`.

        Returns one result for each case; for a case that failed, its error. Cases that an earlier run made from the
        same clips with the same options are kept.

        >>> from lsvid.training.features import FeatureOptions
        >>> def brightness(pictures):
        ...     return pictures.mean(axis=(1, 2))
        >>> dataset = lsvid.read("export.json", clips="clips")
        >>> (made,) = dataset.write_features("training", brightness, FeatureOptions(fps=5))
        >>> made.case, made.dimensions, made.n_frames
        ('op1', 3, 22)
        """
        from lsvid.training.features import FeatureOptions, write_features  # noqa: PLC0415 - where it is asked for

        findings = self.findings.copy()
        clips = self._whole_cases(findings, include_unannotated)
        _warn(findings, self.findings)
        return write_features(clips, extractor, os.fspath(folder), options or FeatureOptions(), workers, progress)

    def _whole_cases(self, findings: Findings, include_unannotated: bool) -> "list[TrainingClip]":
        from lsvid.training.clips import whole_cases  # noqa: PLC0415 - where it is asked for

        return whole_cases(self.located, findings, self.copies, include_unannotated=include_unannotated)


def read(
    *sources: PathLike,
    clips: PathLike | Sequence[PathLike] | None = None,
    labels: PathLike | LabelTree | None = None,
    annotations: Literal["latest", "first", "ground-truth", "all"] = "latest",
    statuses: Iterable[str] = ("accepted",),
    annotators: Iterable[str] | None = None,
    annotator_names: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    label_separator: str = DEFAULT_SEPARATOR,
    case: str | None = None,
    case_from: str | None = None,
    ls_fps: float | str | None = None,
    skip_bad: bool = False,
    proxies: PathLike | None = None,
    workers: "Workers | None" = None,
    progress: Progress = unheard,
    **options: Unpack[FurtherOptions],
) -> Dataset:
    """The clips and spans of exports: Label Studio's, Prodigy's, and all that `lsvid formats` lists for reading.

    clips: folders (or `s3://` prefixes) in which the clips are; None: the places that the exports give. labels: a label
    file or tree. annotations: which annotation counts, if one annotator has several of a clip. statuses: the statuses
    that count. annotator_names: exported name -> new name. rename: old label -> new label. case, case_from: how to find
    the case of a clip. ls_fps: the rate of Label Studio's editor, for tasks that do not say it. skip_bad: leave bad
    data out and count it, instead of raising. proxies: a folder of copies (see make_proxies) from which pictures are
    read; labels are still those of the clips. progress: is called as clips are read. options: see
    `lsvid.readers.documents.ReadOptions`. Raises ExportError with all faults at once.

    >>> lsvid.read("export.json", clips="clips")
    <Dataset: 2 clips of 1 case, 110 frames, 3 spans by 1 annotator>
    """
    dataset = read_dataset(
        ReadRequest(
            exports=tuple(os.fspath(source) for source in sources),
            roots=_paths(clips),
            labels=labels if isinstance(labels, LabelTree) or labels is None else os.fspath(labels),
            options=_read_options(case, case_from, ls_fps, annotator_names, options),
            selection=_selection(annotations, statuses, annotators),
            renames=rename or {},
            separator=label_separator,
            skip_bad=skip_bad,
        ),
        workers=workers,
        on_found=progress,
    )
    dataset = _with_copies(dataset, proxies)
    _warn(dataset.findings)
    return dataset


def read_project(
    project: str | int,
    url: str | None = None,
    api_key: str | None = None,
    *,
    clips: PathLike | Sequence[PathLike] | None = None,
    labels: PathLike | LabelTree | None = None,
    annotations: Literal["latest", "first", "ground-truth", "all"] = "latest",
    statuses: Iterable[str] = ("accepted",),
    annotators: Iterable[str] | None = None,
    annotator_names: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    case: str | None = None,
    case_from: str | None = None,
    ls_fps: float | str | None = None,
    skip_bad: bool = False,
    proxies: PathLike | None = None,
    workers: "Workers | None" = None,
    progress: Progress = unheard,
    **options: Unpack[FurtherOptions],
) -> Dataset:
    """The clips and spans of a Label Studio project, by its id or title. The options are those of `lsvid.read`.

    url, api_key: the server; None: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. clips: None means the project's storages.
    Raises ServerError, AuthError, NotFoundError; ExportError with all faults at once.
    """
    dataset = read_dataset(
        ReadRequest(
            project=str(project),
            connection=Connection(url, api_key),
            roots=_paths(clips),
            labels=labels if isinstance(labels, LabelTree) or labels is None else os.fspath(labels),
            options=_read_options(case, case_from, ls_fps, annotator_names, options),
            selection=_selection(annotations, statuses, annotators),
            renames=rename or {},
            skip_bad=skip_bad,
        ),
        workers=workers,
        on_found=progress,
    )
    dataset = _with_copies(dataset, proxies)
    _warn(dataset.findings)
    return dataset


def open_clip(path: PathLike, case: str | None = None) -> Clip:
    """One clip without annotations: its frame index and its pictures. Raises ClipError, ServerError.

    >>> lsvid.open_clip("op1/clip_1.mp4")
    <Clip op1/clip_1: 50 frames>
    """
    file = os.fspath(path)
    info = probe(file)
    name = stem(file)
    found = case or CaseRule().case_of(resolved(file))
    return Clip(AnnotatedClip(ClipRecord(case=found, clip=name, media=file), (), file, info))


def read_dataset(
    request: ReadRequest,
    *,
    findings: Findings | None = None,
    lenient: bool = False,
    workers: "Workers | None" = None,
    on_downloaded: Progress = unheard,
    on_found: Progress = unheard,
) -> Dataset:
    """The data set that `request` names; `lsvid.read` in the form that the command line uses. See `read_located`.

    findings: collects faults and warnings; it is filled also if reading fails.
    """
    findings = Findings() if findings is None else findings
    found = read_located(
        request, findings, lenient=lenient, workers=workers, on_downloaded=on_downloaded, on_found=on_found
    )
    changes = {"label_map": dict(found.changed_labels)} if found.changed_labels else {}
    return Dataset(
        found.located, found.tree, found.sources, findings, changes, request.skip_bad, request.inputs, found.roots,
        found.project_url,
    )  # fmt: skip


def tidied(dataset: Dataset, boundaries: BoundaryOptions, merging: MergeOptions | None = None) -> Dataset:
    """The data set with its boundaries tidied and its annotators merged.

    The order is: snap, resolve overlaps, merge, join. Raises ExportError with every overlap if overlaps are errors.
    """
    findings, changes = dataset.findings.copy(), dict(dataset.changes)
    clips, report = tidy(dataset.located.clips, boundaries, dataset.labels, findings)
    if merging is not None:
        clips, changes["merge"] = merge(clips, merging, findings)
    if boundaries.join_gap_s is not None:
        clips, report.joined = join(clips, boundaries.join_gap_s)
    raise_faults(findings, ", ".join(source.name for source in dataset.sources), skip_bad=dataset.skip_bad)
    if boundaries.asked_for:
        changes["boundaries"] = {**changes.get("boundaries", {}), **report.as_json(boundaries)}
    return replace(dataset, located=Stage(tuple(clips), dataset.located.lost), findings=findings, changes=changes)


def write_dataset(
    dataset: Dataset,
    folder: PathLike,
    options: WriteOptions,
    findings: Findings,
    *,
    command: Sequence[str] = (),
    workers: "Workers | None" = None,
    progress: Progress = unheard,
) -> Written:
    """Write `dataset` into `folder`; `Dataset.write` in the form that the command line uses. See `writers.export`."""
    for root in dataset.roots if options.format == "clips" else ():
        if lies_in(os.fspath(folder), root):
            raise SettingsError(f"{folder} lies in {root}: the new clips would be read as recordings",
                                "choose a folder outside it")  # fmt: skip
    request = WriteRequest(
        dataset.located, dataset.labels, options, dataset.sources, dataset.changes, dataset.inputs, command
    )
    on_clip = unheard if options.images else progress
    return write(request, os.fspath(folder), findings, workers=workers, on_clip=on_clip, on_image=progress)


def write_dataset_report(
    dataset: Dataset,
    folder: PathLike,
    findings: Findings,
    *,
    project_url: str | None = None,
    spreadsheet_safe: bool = False,
) -> dict[str, Any]:
    """Write the report of `dataset`; `Dataset.report` in the form that the command line uses. See `lsvid.report`."""
    from lsvid.report import write_report  # noqa: PLC0415 - where it is asked for
    from lsvid.report.data import ReportOptions  # noqa: PLC0415 - the same

    names = [source.name for source in dataset.sources]
    options = ReportOptions(list(dataset.labels), dataset.tree, project_url or dataset.project_url, names)
    return write_report(
        dataset.located, os.fspath(folder), options, findings, inputs=dataset.inputs, spreadsheet_safe=spreadsheet_safe
    )


def _warn(findings: Findings, known: Findings | None = None) -> None:
    """Warn once of what was added to `findings`, which began as a copy of `known`.

    Only public functions call this, so that the warning names the line that calls them.
    """
    known = known or Findings()
    new = Findings(
        warnings=findings.warnings[len(known.warnings) :],
        left_out=findings.left_out[len(known.left_out) :],
        cuts=findings.cuts[len(known.cuts) :],
    )
    if noticed := new.summary():
        warnings.warn(noticed, LsvidWarning, stacklevel=3)


def _with_copies(dataset: Dataset, folder: PathLike | None) -> Dataset:
    """The data set whose pictures are read from the copies in `folder`, for the clips that have one."""
    if folder is None:
        return dataset
    from lsvid.video.proxies import copies_in  # noqa: PLC0415 - few data sets have copies

    clips = dataset.located.clips
    found = copies_in(os.fspath(folder), [(clip.case, clip.name, clip.info) for clip in clips])
    copies = {clip.id: copy for clip, copy in zip(clips, found, strict=True) if copy is not None}
    findings = dataset.findings.copy()
    if len(copies) < len(clips):
        findings.warn(
            f"{len(clips) - len(copies)} of {len(clips)} clips have no copy in {os.fspath(folder)}: "
            "their pictures are read from the clips themselves",
            "make them: lsvid make-proxies",
        )
    return replace(dataset, copies=copies, findings=findings)


def _read_options(
    case: str | None,
    case_from: str | None,
    ls_fps: float | str | None,
    names: Mapping[str, str] | None,
    options: FurtherOptions,
) -> ReadOptions:
    rule = CaseRule.parse(case, case_from or "parent") if case is not None or case_from is not None else None
    rate = None if ls_fps is None else str(ls_fps)
    if rate is not None:
        rate_of(rate, "ls_fps")
    unknown = options.keys() - FurtherOptions.__annotations__.keys()
    if unknown:
        raise SettingsError(
            f"no such option of reading: {', '.join(sorted(unknown))}",
            f"choose from {', '.join(FurtherOptions.__annotations__)}",
        )
    # ReadOptions makes what it holds of what is given here.
    return ReadOptions(rule=rule, ls_fps=rate, annotators=names or {}, **options)  # type: ignore[arg-type]


def _selection(annotations: str, statuses: Iterable[str], annotators: Iterable[str] | None) -> Selection:
    try:
        counted = frozenset(Status(status) for status in ([statuses] if isinstance(statuses, str) else statuses))
    except ValueError as error:
        raise SettingsError(f"{error}: choose from {', '.join(Status)}") from error
    return Selection(annotations, counted, _set(annotators))


def _paths(paths: PathLike | Sequence[PathLike] | None) -> tuple[str, ...]:
    if paths is None:
        return ()
    return (os.fspath(paths),) if isinstance(paths, str | os.PathLike) else tuple(os.fspath(path) for path in paths)


def _rate(value: float | str | Fraction | None) -> Fraction | None:
    return None if value is None else rate_of(value, "sample_fps")


def _seconds(value: float | str | Fraction | None) -> Fraction | None:
    if value is None:
        return None
    try:
        return exact_seconds(value)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _check_known(what: str, asked: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise DataError, which lists what is `known`, if it lacks a name of `asked`. what: what the names are of."""
    there = dict.fromkeys(known)
    if unknown := sorted(set(asked or ()) - there.keys()):
        raise DataError(
            f"the data set has no {what} {some([repr(name) for name in unknown])}",
            f"it has {some(list(there), 10)}" if there else f"it has no {what} at all",
        )


def _check_level(level: int | None) -> None:
    if level is not None and (not isinstance(level, int) or level < 1):
        raise SettingsError(f"level {level!r} is not a level of the labels: they count from 1")


def _at_level(paths: Sequence[LabelPath], level: int | None) -> tuple[LabelPath, ...]:
    _check_level(level)
    if level is None:
        return tuple(paths)
    return tuple(dict.fromkeys(path[:level] for path in paths if len(path) >= level))


def _set(names: Iterable[str] | None) -> frozenset[str] | None:
    if isinstance(names, str):
        return frozenset({names})
    return None if names is None else frozenset(names)


def _path(label: str | LabelPath) -> LabelPath:
    return split_path(label) if isinstance(label, str) else tuple(label)


def _below(label: LabelPath, tops: Sequence[LabelPath] | None) -> bool:
    return tops is None or any(label[: len(top)] == top for top in tops)


def _by_frames(span: LocatedSpan) -> tuple[int, int, LabelPath]:
    return span.start_frame, span.stop_frame, span.label


__all__ = ["Clip", "Dataset", "FrameLabels", "LsvidWarning", "open_clip", "read", "read_project"]
