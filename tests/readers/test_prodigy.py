"""Prodigy's exports, those of the thread that asked for lsvid among them, become spans on the right frames."""

import base64
import gzip
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from factories import VideoFactory
from lsvid.annotations.spans import Annotation, Clip, Seconds, Span, Status
from lsvid.cli import cli
from lsvid.errors import ExportError, SettingsError
from lsvid.findings import Findings
from lsvid.readers import documents, read_export
from lsvid.readers.documents import ReadOptions
from lsvid.video.clips import CaseRule

DATA = Path(__file__).parent.parent / "data" / "prodigy"
NAME = "CleanShot 2023-02-10 at 14.26.05"


def task(**fields: Any) -> dict[str, Any]:
    """A line of db-out: one accepted region of 1 to 2 s in videos/a.mp4; a field of None is left out."""
    fields = {
        "path": "videos/a.mp4", "audio_spans": [{"start": 1, "end": 2, "label": "Cut", "id": "r1"}], "answer": "accept",
        "_task_hash": 7, **fields,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}


def write(path: Path, *tasks: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in tasks))
    return str(path)


def read(path: str, **options: Any) -> tuple[list[Any], Findings]:
    findings = Findings()
    return list(read_export(path, ReadOptions(**options), findings)), findings


def spans_of(records: list[Any]) -> list[Span]:
    return [record for record in records if isinstance(record, Span)]


def faults_of(tmp_path: Path, *tasks: dict[str, Any], **options: Any) -> list[str]:
    _, findings = read(write(tmp_path / "out.jsonl", *tasks), **options)
    return ["; ".join(filter(None, (fault[1], findings.hints.get(fault)))) for fault in findings.faults]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def spans_by_command(*arguments: object) -> list[Span]:
    """What `lsvid export-spans` gives."""
    result = run("export-spans", *arguments)
    assert result.exit_code == 0, result.output
    return [Span(**_fields(line)) for line in map(json.loads, result.stdout.splitlines()) if line["record"] == "span"]


def _fields(line: dict[str, Any]) -> dict[str, Any]:
    del line["record"]
    return line


def shown(spans: list[Span]) -> list[tuple[Any, ...]]:
    return [(" / ".join(span.label), span.start_frame, span.stop_frame) for span in spans]


# --- The thread's own examples ---------------------------------------------------------------------------------------


def frames_of_thread(start: float, end: float) -> tuple[int, int]:
    """`to_frames` of the thread: the pictures of a clip of 25 fps with start <= time <= end."""
    inside = [count for count in range(160) if start <= count / 25 <= end]
    return inside[0], inside[-1] + 1


@pytest.fixture
def clips(tmp_path: Path, videos: VideoFactory) -> Path:
    videos.make(tmp_path / "videos" / f"{NAME}.mp4", n_frames=160)
    return tmp_path


@pytest.mark.parametrize("file", ["first_pass.jsonl", "first_pass_expanded.json"])
def test_first_pass_of_the_thread(clips: Path, file: str) -> None:
    spans = spans_by_command(DATA / file, "--clips", clips)
    regions = json.loads((DATA / "first_pass.jsonl").read_text())["audio_spans"]
    assert shown(spans) == [(one["label"], *frames_of_thread(one["start"], one["end"])) for one in regions]
    assert [span.region_id for span in spans] == [one["id"] for one in regions]
    assert {(span.case, span.clip, span.annotator, span.annotation_id) for span in spans} == {
        ("videos", NAME, "prodigy", "-469870525")
    }


def test_second_pass_of_the_thread_gives_full_paths(clips: Path) -> None:
    spans = spans_by_command(DATA / "second_pass.jsonl", "--clips", clips, "--labels", DATA / "stages.txt")
    assert shown(spans) == [
        ("Stage Middle / Situation Mild", 28, 57),
        ("Stage Early / Situation Severe", 81, 116),
        ("Stage End / Situation Severe", 132, 151),
    ]


def test_lines_of_a_second_pass_are_one_annotation(clips: Path, tmp_path: Path) -> None:
    result = run("export-frames", DATA / "second_pass.jsonl", "--clips", clips, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["annotators"] == ["prodigy"]
    assert manifest["counts"]["annotations"] == 1
    assert manifest["counts"]["spans"] == 3
    assert manifest["counts"]["rows"] == 160


# --- Where a line comes from -----------------------------------------------------------------------------------------


def test_packed_and_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (DATA / "second_pass.jsonl").read_bytes()
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(content))
    plain, _ = read(str(DATA / "second_pass.jsonl"))
    assert len(spans_of(plain)) == 3
    assert read(str(packed))[0] == plain
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read("-")[0] == plain


def test_damaged_gz(tmp_path: Path) -> None:
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"audio_spans": []}' * 1000)[:-20])
    with pytest.raises(
        ExportError, match=r"cannot read .*out.jsonl.gz: not a whole gzip file: Compressed file ended"
    ) as caught:
        read(str(packed))
    assert caught.value.hint == "copy it again from its source"


def test_media_of_a_long_line_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1000)
    data = "data:video/mp4;base64," + "A" * 3000
    file = write(tmp_path / "out.jsonl", task(video=data), task(video=data, _task_hash=8, path="videos/b.mp4"))
    records, findings = read(file)
    assert not findings.faults
    assert [(span.clip, span.basis) for span in spans_of(records)] == [("a", Seconds(1, 2)), ("b", Seconds(1, 2))]


def test_line_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1 << 20)
    file = write(tmp_path / "out.jsonl", task(), task(note="A" * (2 << 20)))
    with pytest.raises(ExportError, match=r"out.jsonl:2 is 1 MB long; lsvid reads lines of up to 1 MB"):
        read(file)


# --- The clip ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "case", "clip", "media"),
    [
        ({"video": "https://host/op1/a%20b.mp4?X=1", "path": None}, "op1", "a b", "https://host/op1/a%20b.mp4"),
        ({"video": "s3://bucket/op1/a.mp4", "path": None}, "op1", "a", "s3://bucket/op1/a.mp4"),
        ({"audio": "op2/a.wav", "path": None}, "op2", "a", "op2/a.wav"),
        ({"video": "https://host/1/a.mp4", "path": "/data/op3/a.mp4"}, "op3", "a", "/data/op3/a.mp4"),
        ({"video": "data:video/mp4;base64,AAAA", "path": "op4/a.mp4"}, "op4", "a", "op4/a.mp4"),
        ({"path": "data:video/mp4;base64,AAAA", "video": "op5/a.mp4"}, "op5", "a", "op5/a.mp4"),
    ],
)
def test_what_names_the_clip(tmp_path: Path, fields: dict[str, Any], case: str, clip: str, media: str) -> None:
    records, findings = read(write(tmp_path / "out.jsonl", task(**fields)))
    assert not findings.faults
    (found,) = (record for record in records if isinstance(record, Clip))
    assert (found.case, found.clip, found.media) == (case, clip, media)


def test_base64_data_that_have_a_name_are_looked_for(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "op1" / "a.mp4", n_frames=50)
    lost = task(path=None, video="data:video/mp4;base64,AAAA", meta={"file": "a.mp4"})
    file = write(tmp_path / "out.jsonl", lost)
    assert shown(spans_by_command(file, "--clips", tmp_path / "op1", "--case", "op1")) == [("Cut", 25, 50)]
    by_text = write(tmp_path / "text.jsonl", {**lost, "meta": {}, "text": "a"})
    assert shown(spans_by_command(by_text, "--clips", tmp_path / "op1", "--case", "op1")) == [("Cut", 25, 50)]


def test_base64_data_of_no_known_file_are_unpacked(tmp_path: Path, videos: VideoFactory) -> None:
    data = "data:video/mp4;base64," + base64.b64encode(videos.make(n_frames=50).read_bytes()).decode()
    file = write(tmp_path / "out.jsonl", task(path=None, video=data, text="a"))
    spans = spans_by_command(file, "--case", "op1")
    assert shown(spans) == [("Cut", 25, 50)]
    assert spans[0].clip == "a"
    unnamed = spans_by_command(write(tmp_path / "unnamed.jsonl", task(path=None, video=data)), "--case", "op1")
    assert shown(unnamed) == [("Cut", 25, 50)]
    assert unnamed[0].clip.startswith("data-")


def test_many_may_unpack_the_same_data_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 4000
    data = "data:video/mp4;base64," + base64.b64encode(content).decode()
    file = write(tmp_path / "out.jsonl", task(path=None, video=data, text="a"))
    n_readers = 8
    together = threading.Barrier(n_readers)

    def unpacked(_: int) -> tuple[str, list[str]]:
        together.wait()
        records, findings = read(file, rule=CaseRule("op1"), decode_media=True)
        return records[0].media if records else "", [str(fault) for fault in findings.faults]

    with ThreadPoolExecutor(n_readers) as readers:
        for number in range(20):
            cache = tmp_path / str(number)
            monkeypatch.setenv("LSVID_CACHE_DIR", str(cache))
            media = cache / "media" / hashlib.sha256(data.partition(",")[2].encode()).hexdigest()[:16] / "a.mp4"
            assert list(readers.map(unpacked, range(n_readers))) == [(str(media), [])] * n_readers
            assert media.read_bytes() == content
            assert [path for path in cache.rglob("*") if path.is_file()] == [media]


def test_what_a_killed_process_left_beside_unpacked_data_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSVID_CACHE_DIR", str(tmp_path / "cache"))
    data = "data:video/mp4;base64," + base64.b64encode(b"film").decode()
    file = write(tmp_path / "out.jsonl", task(path=None, video=data, text="a"))
    digest = hashlib.sha256(data.partition(",")[2].encode()).hexdigest()[:16]
    code = (
        "import os, sys; from pathlib import Path; from lsvid.files.unfinished import unfinished_folder\n"
        "with unfinished_folder(Path(sys.argv[1]), 'a') as folder: (folder / 'a.mp4').write_bytes(b'fi'); os._exit(9)"
    )
    folder = tmp_path / "cache" / "media" / digest
    folder.mkdir(parents=True)
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 9
    assert len(list(folder.iterdir())) == 1
    (clip, *_), findings = read(file, rule=CaseRule("op1"), decode_media=True)
    assert not findings.faults
    assert list(folder.iterdir()) == [Path(clip.media)]


@pytest.mark.parametrize(
    ("fields", "options", "fault"),
    [
        ({"path": None}, {}, "no clip: neither 'path', 'video', 'audio' nor 'meta.file' names a file"),
        ({"path": "a.mp4"}, {}, "a.mp4 has no folder to name its case; name the case: case=NAME"),
        (
            {"path": None, "video": "data:video/mp4;base64,AAAA"},
            {},
            "its media are base64 data, and nothing names their file; leave out clips to use the data",
        ),
        (
            {"path": None, "video": "data:video/mp4;base64,"},
            {"decode_media": True},
            (
                "its media are more than 256 MB of base64 data, which lsvid does not unpack; "
                "name the folder of the clips: clips=DIR"
            ),
        ),
        (
            {"path": None, "video": "data:video/mp4;base64,A"},
            {"decode_media": True},
            (
                "its base64 data are damaged: Invalid base64-encoded string: number of data characters (1) cannot be 1 "
                "more than a multiple of 4; name the folder of the clips: clips=DIR"
            ),
        ),
        (
            {"path": None, "video": "data:video/mp4;base64,AAAA", "chunk": {"start": 0, "end": 9}},
            {"decode_media": True},
            "a chunk of a clip whose file is not known; name the folder of the clips: clips=DIR",
        ),
        ({"answer": "maybe"}, {}, "answer 'maybe' is not accept, reject or ignore"),
        ({"audio_spans": [{"label": "Cut", "end": 2}]}, {}, "no times: start None, end 2.0"),
        ({"audio_spans": [{"label": "Cut", "start": 3, "end": 2}]}, {}, "reversed: 3.0 to 2.0 s"),
        ({"audio_spans": [{"start": 1, "end": 2}]}, {}, "no label"),
        ({"audio_spans": "none"}, {}, "not a Prodigy task: Expected `array | null`, got `str` - at `$.audio_spans`"),
        ({"user_label": " "}, {}, "user_label ' ' names no label"),
        (
            {"user_label": "Knot", "audio_spans": []},
            {},
            "user_label 'Knot' is in a line with 0 regions: it can name only one",
        ),
    ],
)
def test_faults(tmp_path: Path, fields: dict[str, Any], options: dict[str, Any], fault: str) -> None:
    assert faults_of(tmp_path, task(**fields), **options) == [fault]


# --- Answers, people, versions, parts --------------------------------------------------------------------------------


def test_answers(tmp_path: Path) -> None:
    answers = ["accept", "reject", "ignore", None]
    records, _ = read(write(tmp_path / "out.jsonl", *(task(answer=one, _task_hash=n) for n, one in enumerate(answers))))
    statuses = [Status.ACCEPTED, Status.REJECTED, Status.IGNORED, Status.PREDICTION]
    assert [record.status for record in records if isinstance(record, Annotation)] == statuses
    assert [span.status for span in spans_of(records)] == statuses


@pytest.mark.parametrize(
    ("fields", "annotator"),
    [
        ({"_session_id": "ds-anna"}, "ds-anna"),
        ({"_session_id": "ds-anna", "_annotator_id": "anna"}, "anna"),
        ({"_session_id": "2023-02-17_11-49-30"}, "prodigy"),
        ({"_session_id": "ds-2023-02-17_11-49-30", "_annotator_id": "ds-2023-02-17_11-49-30"}, "prodigy"),
        ({}, "prodigy"),
    ],
)
def test_annotator(tmp_path: Path, fields: dict[str, Any], annotator: str) -> None:
    records, _ = read(write(tmp_path / "out.jsonl", task(**fields)))
    assert {record.annotator for record in records if not isinstance(record, Clip)} == {annotator}


def versions(tmp_path: Path, *times: int | None) -> str:
    """One clip labelled again and again, the k-th time with the region k to k + 1 s."""
    return write(
        tmp_path / "out.jsonl",
        *(
            task(_timestamp=time, audio_spans=[{"start": 0.4 * k, "end": 0.4 * k + 0.2, "label": "Cut"}])
            for k, time in enumerate(times)
        ),
    )


@pytest.mark.parametrize(
    ("times", "latest", "first"),
    [((100, 300, 200), 10, 0), ((None, None, None), 20, 0), ((100, 100, 100), 20, 0), ((200, None, 300), 20, 10)],
)
def test_the_latest_version_counts(
    tmp_path: Path, videos: VideoFactory, times: tuple[int | None, ...], latest: int, first: int
) -> None:
    videos.make(tmp_path / "videos" / "a.mp4", n_frames=50)
    file = versions(tmp_path, *times)
    assert shown(spans_by_command(file, "--clips", tmp_path)) == [("Cut", latest, latest + 5)]
    assert shown(spans_by_command(file, "--clips", tmp_path, "--annotations", "first")) == [("Cut", first, first + 5)]
    everything = spans_by_command(file, "--clips", tmp_path, "--all-versions")
    assert sorted(shown(everything)) == [("Cut", 0, 5), ("Cut", 10, 15), ("Cut", 20, 25)]
    assert len({span.annotation_id for span in everything}) == 3


def test_versions_count_by_annotator(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "videos" / "a.mp4", n_frames=50)
    file = write(
        tmp_path / "out.jsonl", task(_session_id="ds-anna", _timestamp=1), task(_session_id="ds-ben", _timestamp=2)
    )
    assert [span.annotator for span in spans_by_command(file, "--clips", tmp_path)] == ["ds-anna", "ds-ben"]


def test_chunks_are_parts_of_one_annotation(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "videos" / "a.mp4", n_frames=100)
    region = {"start": 0.2, "end": 0.4, "label": "Cut"}
    tasks = [
        task(chunk={"start": 0, "end": 2}, _task_hash=1, _timestamp=1, audio_spans=[region]),
        task(chunk={"start": 2, "end": 4}, _task_hash=2, _timestamp=2, audio_spans=[region]),
        task(chunk={"start": 2, "end": 4}, _task_hash=2, _timestamp=3, audio_spans=[{**region, "end": 0.6}]),
    ]
    spans = spans_by_command(write(tmp_path / "out.jsonl", *tasks), "--clips", tmp_path)
    assert shown(spans) == [("Cut", 5, 10), ("Cut", 55, 65)]
    assert len({span.annotation_id for span in spans}) == 1
    assert len({span.region_id for span in spans}) == 2


def test_rejected_line_of_a_second_pass_takes_nothing_else_along(tmp_path: Path, videos: VideoFactory) -> None:
    videos.make(tmp_path / "videos" / "a.mp4", n_frames=100)
    tasks = [
        task(_task_hash=1, _view_id="blocks", user_label="Cut", _timestamp=1),
        task(_task_hash=2, _view_id="blocks", answer="reject", _timestamp=2),
    ]
    file = write(tmp_path / "out.jsonl", *tasks)
    assert shown(spans_by_command(file, "--clips", tmp_path)) == [("Cut", 25, 50)]


# --- The database -----------------------------------------------------------------------------------------------------


def database(path: Path, datasets: dict[str, list[dict[str, Any]]]) -> Path:
    """A prodigy.db; each example is linked to its dataset and to a session, as Prodigy does."""
    with sqlite3.connect(path) as connection:
        connection.executescript("""
            CREATE TABLE dataset (id INTEGER PRIMARY KEY, name TEXT, created INTEGER, meta BLOB, session INTEGER);
            CREATE TABLE example (id INTEGER PRIMARY KEY, input_hash INTEGER, task_hash INTEGER, content BLOB);
            CREATE TABLE link (id INTEGER PRIMARY KEY, example_id INTEGER, dataset_id INTEGER);
            INSERT INTO dataset VALUES (1, '2023-02-17_11-49-30', 0, '{}', 1);
        """)
        for number, (name, tasks) in enumerate(datasets.items(), start=2):
            connection.execute("INSERT INTO dataset VALUES (?, ?, 0, '{}', 0)", (number, name))
            for one in tasks:
                content = json.dumps(one).encode()
                example = connection.execute("INSERT INTO example VALUES (NULL, 1, 2, ?)", (content,)).lastrowid
                connection.execute("INSERT INTO link VALUES (NULL, ?, ?)", (example, number))
                connection.execute("INSERT INTO link VALUES (NULL, ?, 1)", (example,))
    connection.close()
    return path


@pytest.fixture
def prodigy_db(tmp_path: Path) -> Path:
    return database(
        tmp_path / "prodigy.db",
        {
            "timeline": [json.loads(line) for line in (DATA / "first_pass.jsonl").read_text().splitlines()],
            "second": [json.loads(line) for line in (DATA / "second_pass.jsonl").read_text().splitlines()],
            "empty": [],
        },
    )


def test_database_reads_as_db_out_does(prodigy_db: Path) -> None:
    before = prodigy_db.read_bytes()
    for name, file in (("timeline", "first_pass.jsonl"), ("second", "second_pass.jsonl")):
        assert read(str(prodigy_db), datasets=(name,))[0] == read(str(DATA / file))[0]
    both, _ = read(str(prodigy_db), datasets=("timeline", "second"))
    assert len(spans_of(both)) == 7
    assert prodigy_db.read_bytes() == before
    assert not list(prodigy_db.parent.glob("prodigy.db-*"))


def test_database_that_cannot_be_written(prodigy_db: Path) -> None:
    prodigy_db.chmod(0o444)
    prodigy_db.parent.chmod(0o555)
    try:
        assert len(spans_of(read(str(prodigy_db), datasets=("timeline",))[0])) == 4
    finally:
        prodigy_db.parent.chmod(0o755)


def test_database_without_dataset_lists_them(prodigy_db: Path) -> None:
    result = run("export-spans", prodigy_db)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {prodigy_db} is a Prodigy database; its datasets:\n  empty (0 annotations)\n"
        "  second (3 annotations)\n  timeline (1 annotations)\nhint: name one of these: --dataset\n"
    )


def test_unknown_dataset_lists_them(prodigy_db: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no dataset 'timelin'; it has:\n  empty \(0 annotations\)\n"):
        read(str(prodigy_db), datasets=("timelin",))


def test_empty_database(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"its datasets:\n  none\nhint"):
        read(str(database(tmp_path / "prodigy.db", {})))


def test_other_database(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE task (id INTEGER)")
    connection.close()
    with pytest.raises(ExportError, match=r"cannot read .*other.db as a Prodigy database: it does not have the tables"):
        read(str(path), datasets=("x",))


def test_example_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsvid.readers.prodigy_database.MAX_DOCUMENT_BYTES", 1000)
    path = database(tmp_path / "prodigy.db", {"ds": [task(video="data:video/mp4;base64," + "A" * (2 << 20))]})
    with pytest.raises(ExportError, match=r"dataset ds, example 1 is 2 MB: it holds its media as base64 data") as error:
        read(str(path), datasets=("ds",))
    assert error.value.hint == "in a file, lsvid skips such data: prodigy db-out ds > ds.jsonl, then read that"


def test_dataset_of_no_database() -> None:
    result = run("export-spans", DATA / "first_pass.jsonl", "--dataset", "x")
    assert result.exit_code == 2
    assert "a dataset is for a Prodigy database, and none of the exports is one" in result.stderr


# --- Labels -----------------------------------------------------------------------------------------------------------


def labelled(tmp_path: Path, videos: VideoFactory, *labels: str) -> str:
    videos.make(tmp_path / "videos" / "a.mp4", n_frames=50)
    regions = [{"start": 1, "end": 2, "label": label} for label in labels]
    return write(tmp_path / "out.jsonl", task(audio_spans=regions))


def test_labels_that_match_nothing_are_listed_with_the_nearest(tmp_path: Path, videos: VideoFactory) -> None:
    (tmp_path / "labels.txt").write_text("Scope insert\nSuturing\n--Knot\nClosing\n--Knot\n")
    file = labelled(tmp_path, videos, "Scope_insert", "Scope_insert", "Knot", "Zebra", "Closing - Knot", "Suturing")
    result = run("export-spans", file, "--clips", tmp_path, "--labels", tmp_path / "labels.txt")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[:4] == [
        f"error: {file}: 3 faults",
        (
            "  label 'Scope_insert' (2 spans): not among the labels; the nearest is 'Scope insert': "
            "--rename 'Scope_insert=Scope insert'"
        ),
        (
            "  label 'Knot' (1 span): 2 labels have this name: Suturing / Knot, Closing / Knot; say which: "
            "--rename 'Knot=Suturing / Knot'"
        ),
        "  label 'Zebra' (1 span): not among the labels, nor like one of them; say what it means: --rename 'Zebra=…'",
    ]
    renames = ["--rename", "Scope_insert=Scope insert", "--rename", "Knot=Suturing / Knot", "--rename", "Zebra=Closing"]
    spans = spans_by_command(file, "--clips", tmp_path, "--labels", tmp_path / "labels.txt", *renames)
    assert sorted({" / ".join(span.label) for span in spans}) == [
        "Closing", "Closing / Knot", "Scope insert", "Suturing", "Suturing / Knot",
    ]  # fmt: skip
    left = run("export-spans", file, "--clips", tmp_path, "--labels", tmp_path / "labels.txt", "--skip-bad")
    assert left.exit_code == 0
    assert "left out 3 bad data: label 'Scope_insert' (2 spans): not among the labels" in left.stderr


def test_renames_from_a_file_and_in_the_manifest(tmp_path: Path, videos: VideoFactory) -> None:
    file = labelled(tmp_path, videos, "A", "B")
    (tmp_path / "renames.csv").write_text("A,Suturing / Knot\nC,D\n")
    result = run(
        "export-frames", file, "--clips", tmp_path, "--rename", tmp_path / "renames.csv", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "warning: --rename C: no label has this name\n  hint: check the spelling" in result.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["label_map"] == {"A": "Suturing / Knot"}
    assert manifest["labels"] == ["B", "Suturing / Knot"]


def test_own_separator(tmp_path: Path, videos: VideoFactory) -> None:
    (tmp_path / "labels.txt").write_text("Suturing\n--Knot\nClosing\n--Knot\n")
    file = labelled(tmp_path, videos, "Closing:Knot")
    options = ["--clips", tmp_path, "--labels", tmp_path / "labels.txt", "--label-separator", ":"]
    assert shown(spans_by_command(file, *options)) == [("Closing / Knot", 25, 50)]


def test_bad_rename(tmp_path: Path) -> None:
    result = run("export-spans", DATA / "first_pass.jsonl", "--rename", "LABEL_A")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: --rename 'LABEL_A' is neither OLD=NEW nor a file\n"
        "hint: write --rename 'old label=new label', or name a CSV file of two columns\n"
    )
    (tmp_path / "renames.csv").write_text("A\n")
    result = run("export-spans", DATA / "first_pass.jsonl", "--rename", tmp_path / "renames.csv")
    assert result.stderr == (
        f"error: {tmp_path}/renames.csv:1: not two columns\nhint: each line: old label, new label\n"
    )


@pytest.mark.parametrize("in_use", [False, True])
def test_a_database_in_wal_mode_is_read_whole_and_left_as_it_was(tmp_path: Path, in_use: bool) -> None:
    path = database(tmp_path / "prodigy.db", {"ds": [task()]})
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE example SET content = ?", (json.dumps(task(answer="reject")),))
    writer.commit()
    if not in_use:
        writer.close()
    there = {file.name for file in tmp_path.iterdir()}
    records, findings = read(str(path), datasets=("ds",))
    assert not findings.faults
    assert {record.status for record in records if isinstance(record, Annotation)} == {Status.REJECTED}
    assert {file.name for file in tmp_path.iterdir()} == there
    writer.close()


def test_a_view_that_never_ends_is_no_table(tmp_path: Path) -> None:
    path = database(tmp_path / "prodigy.db", {"ds": [task()]})
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE example; CREATE VIEW example AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id FROM n) "
            "SELECT id, id AS content FROM n"
        )
    connection.close()
    with pytest.raises(ExportError, match="it does not have the tables dataset, example and link"):
        read(str(path), datasets=("ds",))
