"""Spans go to Prodigy and come back as they were."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from factories import NTSC, VFR_GAPS, VideoFactory
from lsvid.annotations.spans import (
    Annotation,
    Basis,
    Clip,
    Frames,
    LsFrames,
    Record,
    Seconds,
    Span,
    Status,
    to_json_line,
)
from lsvid.cli import cli
from lsvid.findings import Findings
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.index import probe
from lsvid.video.timebase import FrameIndex
from lsvid.writers import prodigy

DATA = Path(__file__).parent.parent / "data" / "prodigy"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def read(path: Path) -> list[Record]:
    findings = Findings()
    records = list(read_export(str(path), ReadOptions(), findings))
    assert not findings.faults
    return records


@pytest.mark.parametrize("file", ["first_pass.jsonl", "second_pass.jsonl"])
def test_the_threads_own_lines_come_back(tmp_path: Path, file: str) -> None:
    result = run("export-spans", DATA / file, "--all", "--format", "prodigy", "-o", tmp_path / "back.jsonl")
    assert result.exit_code == 0, result.output
    before = [json.loads(line) for line in (DATA / file).read_text().splitlines()]
    after = [json.loads(line) for line in (tmp_path / "back.jsonl").read_text().splitlines()]
    # Not kept: the input's hash, which Prodigy computes from the task; how a region was coloured; a flag.
    for one in before:
        one.pop("_input_hash")
        one.pop("_is_binary", None)
        for region in one["audio_spans"]:
            region.pop("color")
            region["label"] = one.get("user_label", region["label"])
    assert after == before
    assert read(tmp_path / "back.jsonl") == read(DATA / file)


def records_of(bases: list[Basis], updated_at: str = "", **annotation: Any) -> list[Record]:
    names: dict[str, Any] = {"case": "op1", "clip": "a"}
    who: dict[str, Any] = {
        "annotator": "anna",
        "status": Status.ACCEPTED,
        "source": "lsvid",
        "annotation_id": "1",
        **annotation,
    }
    spans = [
        Span(**names, label=("Suturing", "Knot"), region_id=f"r{n}", basis=basis, **who)
        for n, basis in enumerate(bases)
    ]
    return [Clip(**names, media="/data/op1/a.mp4"), Annotation(**names, **who, updated_at=updated_at), *spans]


def located(records: list[Record], index: FrameIndex) -> list[Record]:
    return [record.located(index) if isinstance(record, Span) else record for record in records]


def there_and_back(records: list[Record], index: FrameIndex, folder: Path) -> list[Record]:
    findings = Findings()
    path = folder / "back.jsonl"
    path.write_bytes(b"".join(prodigy.lines(located(records, index), " - ", findings)))
    assert not findings.faults
    return located(read(path), index)


@pytest.fixture(scope="module", params=[{}, {"rate": NTSC}, {"gaps": VFR_GAPS}, {"rate": NTSC, "cut_s": 0.7}])
def index(request: pytest.FixtureRequest, videos: VideoFactory) -> FrameIndex:
    return probe(videos.make(n_frames=100, **request.param)).index


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(data=st.data())
def test_every_kind_of_span_keeps_its_frames(index: FrameIndex, tmp_path: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, index.n_frames - 1))
    stop = data.draw(st.integers(start + 1, index.n_frames))
    time = st.floats(float(index.start_s), float(index.end_s))
    start_s, end_s = sorted(data.draw(st.tuples(time, time)))
    bases: list[Basis] = [
        Frames(start, stop),
        LsFrames(start + 1, stop, str(float(index.editor_rate))),
        Seconds(start_s, end_s),
        Seconds(start_s, end_s, tolerance=0.006),
    ]
    records = records_of(bases)
    back = there_and_back(records, index, tmp_path)
    before = [(one.start_frame, one.stop_frame) for one in located(records, index) if isinstance(one, Span)]
    assert [(one.start_frame, one.stop_frame) for one in back if isinstance(one, Span)] == before
    assert [one.basis for one in back if isinstance(one, Span)][2] == Seconds(start_s, end_s)


@pytest.mark.parametrize(
    ("status", "back_as"),
    [(one, one) for one in (Status.ACCEPTED, Status.REJECTED, Status.IGNORED, Status.PREDICTION)]
    + [(Status.SKIPPED, Status.IGNORED)],
)
def test_people_and_statuses_come_back(tmp_path: Path, videos: VideoFactory, status: Status, back_as: Status) -> None:
    index = probe(videos.make(n_frames=50)).index
    records = records_of([Seconds(0, 1)], status=status, updated_at="2026-01-02T03:04:05Z")
    _, annotation, span = there_and_back(records, index, tmp_path)
    assert isinstance(annotation, Annotation)
    assert isinstance(span, Span)
    assert (annotation.status, annotation.annotator, span.label) == (back_as, "anna", ("Suturing - Knot",))
    assert annotation.updated_at == "1767323045.0"


def test_case_and_name_that_the_path_does_not_tell_come_back(tmp_path: Path) -> None:
    records: list[Record] = [
        Clip(case="op7", clip="first", media="a.mp4"),
        Annotation(case="op7", clip="first", annotator="a", status=Status.ACCEPTED, source="lsvid", annotation_id="1"),
    ]
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(prodigy.lines(records, " - ", Findings())))
    assert [(one.case, one.clip) for one in read(path)] == [("op7", "first")] * 2


def test_a_path_of_windows_tells_case_and_name() -> None:
    record = Clip(case="op7", clip="first", media="C:\\Videos\\op7\\first.mp4")
    done = Annotation(
        case="op7", clip="first", annotator="a", status=Status.ACCEPTED, source="lsvid", annotation_id="1"
    )
    (line,) = prodigy.lines([record, done], " - ", Findings())
    task = json.loads(line)
    assert (task["text"], task["meta"]) == ("first", {"file": "first.mp4"})


def test_labels_that_are_one_in_prodigy_are_told(videos: VideoFactory) -> None:
    records = located(records_of([Seconds(0, 1), Seconds(1, 2)]), probe(videos.make(n_frames=60)).index)
    labels = iter([("A", "B"), ("A - B",)])
    records = [replace(one, label=next(labels)) if isinstance(one, Span) else one for one in records]
    findings = Findings()
    list(prodigy.lines(records, " - ", findings))
    assert findings.warnings == [("'A / B' and 'A - B' are one label in Prodigy: 'A - B'", "use another separator")]
    list(prodigy.lines(records, " > ", findings := Findings()))
    assert not findings.warnings


def test_chunks_come_back(tmp_path: Path) -> None:
    spans = [{"start": 0.25, "end": 1.5, "label": "Cut", "id": "x"}]
    chunk: dict[str, Any] = {
        "path": "op1/a.mp4",
        "audio_spans": spans,
        "answer": "accept",
        "_task_hash": 3,
        "_timestamp": 9,
    }
    chunk["chunk"] = {"start": 600.5, "end": 1200.0}
    (tmp_path / "in.jsonl").write_text(json.dumps(chunk))
    result = run("export-spans", tmp_path / "in.jsonl", "--all", "--format", "prodigy", "-o", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out.jsonl").read_text())
    assert {name: written[name] for name in chunk} == chunk
    assert read(tmp_path / "out.jsonl") == read(tmp_path / "in.jsonl")


def test_what_prodigy_cannot_hold(tmp_path: Path) -> None:
    records = [*records_of([], status=Status.DRAFT), Clip(case="op1", clip="b", media="op1/b.mp4")]
    findings = Findings()
    assert not list(prodigy.lines(records, " - ", findings))
    assert findings.left_out == [
        ("clip op1/a, annotation 1", "drafts, which Prodigy does not have"),
        ("clip op1/b", "clips without an annotation"),
    ]
    path = tmp_path / "spans.jsonl"
    path.write_bytes(b"".join(map(to_json_line, records_of([Frames(1, 2)]))))
    result = run("export-spans", path, "--format", "prodigy")
    assert result.exit_code == 1
    assert (
        "clip op1/a, annotation 1, region r0: its seconds are not known, because its clip has not been found"
        in result.stderr
    )


def test_sub_labels_of_one_region_get_ids_of_their_own(tmp_path: Path, videos: VideoFactory) -> None:
    index = probe(videos.make(n_frames=50)).index
    records = records_of([Seconds(0, 1), Seconds(0, 1)])
    for record in records[2:]:
        assert isinstance(record, Span)
        record.region_id = "r"
    back = there_and_back(records, index, tmp_path)
    assert [one.region_id for one in back if isinstance(one, Span)] == ["r", "r.2"]
