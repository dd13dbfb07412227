"""Reading JSON of any encoding, from anywhere; and what is said of files that no reader knows."""

import gzip
import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lsvid.annotations.spans import LsFrames, Record, Seconds, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.readers import documents, read_export
from lsvid.readers.documents import BadDocumentError, ReadOptions, as_frame, as_seconds, decode, iter_documents


def read(path: Path | str, **options: Any) -> tuple[list[Record], Findings]:
    findings = Findings()
    return list(read_export(str(path), ReadOptions(**options), findings)), findings


def spans(path: Path | str, **options: Any) -> list[tuple[tuple[str, ...], Any]]:
    records, findings = read(path, **options)
    assert not findings.faults
    return [(record.label, record.basis) for record in records if isinstance(record, Span)]


def region(**value: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "type": "labels",
        "from_name": "l",
        "value": {"start": 1.0, "end": 3.5, "labels": ["Öffnen"]} | value,
    }


def task(*results: dict[str, Any], **fields: Any) -> dict[str, Any]:
    annotation = {"id": 5, "completed_by": 1, "result": list(results)} | fields.pop("annotation", {})
    return {"id": 1, "data": {"video": "/data/local-files/?d=s1/a.mp4"}, "annotations": [annotation]} | fields


SPANS = [(("Öffnen",), Seconds(1.0, 3.5))]
TEXT = json.dumps([task(region())], ensure_ascii=False)
LINE = json.dumps(task(region()), ensure_ascii=False)


# --- encodings ---


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("utf-16"), TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"), LINE.encode("utf-16"), json.dumps(task(region()), indent=1).encode(),
        b"\n\n \r\n" + LINE.encode() + b"\r\n\r\n", b"\r" + LINE.encode() + b"\r",
        gzip.compress(TEXT.encode(), mtime=0),
        gzip.compress(LINE.encode("utf-16"), mtime=0),
    ],
    ids=lambda content: content[:6].hex(),
)  # fmt: skip
def test_every_encoding_of_json_is_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(content)
    assert spans(file) == SPANS


def test_bytes_that_are_no_utf8_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(LINE.encode() + b"\n" + LINE.encode("cp1252") + b"\n")
    _, findings = read(file)
    ((place, reason),) = findings.faults
    assert place == f"{file}:2"
    assert "not UTF-8 text (byte 0xd6 at " in reason
    assert "as Windows-1252 it would read" in reason
    assert "Öffnen" in reason


def test_places_count_blank_lines(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(f"\n{LINE}\n\n\n{LINE}\n")
    assert [document.place for document in iter_documents(str(file))] == [f"{file}:2", f"{file}:5"]


def test_a_gigabyte_of_blank_lines_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(b"\n" * (50 << 20) + LINE.encode())
    begun = time.monotonic()
    assert [document.place for document in iter_documents(str(file))] == [f"{file}:{(50 << 20) + 1}"]
    assert time.monotonic() - begun < 10


def test_an_export_too_large_for_memory_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_IN_MEMORY_BYTES", 50)
    for name, content in (("a.json", TEXT), ("a.jsonl", f"{LINE}\n{LINE}")):
        (tmp_path / name).write_text(content)
        assert spans(tmp_path / name)[0] == SPANS[0]
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress(content.encode(), mtime=0))
        assert spans(packed)[0] == SPANS[0]


# --- from anywhere ---


def test_pipes_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(TEXT)
    program = [sys.executable, "-m", "lsvid", "export-spans", "--quiet"]
    for command in ("cat export.json | {} -", "cat export.json | {} /dev/stdin", "{} <(sleep 0.2; cat export.json)",
                    "{} /dev/stdin < export.json", "timeout 30 cat export.json > pipe & {} pipe"):  # fmt: skip
        if not (tmp_path / "pipe").exists():
            os.mkfifo(tmp_path / "pipe")
        done = subprocess.run(
            ["bash", "-c", command.format(" ".join(program))],
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr.decode())
        assert b'"label":["\xc3\x96ffnen"]' in done.stdout


def test_what_cannot_be_read_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsvid.files.inputs._WRITER_WAIT_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setattr(sys, "stdin", None)
    for path, reason in (
        (tmp_path / "pipe", "it is a pipe that nobody writes into"),
        ("/dev/zero", "it is a device, not a file"),
        (tmp_path / "loop", "Too many levels of symbolic links"),
        ("x" * 10_000, "File name too long"),
        ("a\0b", "null "),
        (tmp_path / "none", "No such file or directory"),
        ("-", "standard input is closed"),
    ):
        with pytest.raises(ExportError) as caught:
            read(path)
        assert reason in caught.value.message
        assert len(caught.value.message) < 400


def test_a_file_that_is_cut_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(f"{LINE}\n{LINE}\n")
    monkeypatch.setattr("os.fstat", lambda _: os.stat_result((0, 0, 0, 0, 0, 0, 10**6, 0, 0, 0)))
    with pytest.raises(ExportError, match="was cut while it was read"):
        read(file)


def test_reading_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text(TEXT)
    tracemalloc.start()
    try:
        assert spans(tmp_path / "export.json") == SPANS
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_a_sparse_file_is_told_at_once(tmp_path: Path) -> None:
    with (tmp_path / "export.json").open("wb") as file:
        file.truncate(5 << 30)
    begun = time.monotonic()
    with pytest.raises(ExportError, match="begins with nothing but NUL bytes"):
        read(tmp_path / "export.json")
    assert time.monotonic() - begun < 5


def test_a_process_survives_a_cut_export(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(f"{LINE}\n" * 3000)
    documents_there = iter_documents(str(file))
    next(documents_there)
    os.truncate(file, 0)
    assert sum(1 for _ in documents_there) == 2999


# --- one document ---


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'["\xff"]', "not UTF-8 text"),
        (b"1" * 5000, "out of range"),
        (b"1e400", "out of range"),
        (b'["\xed\xa0\x80"]', "not UTF-8 text"),
        (b"{", "truncated"),
    ],
)
def test_all_that_can_be_wrong_with_a_document(raw: bytes, reason: str) -> None:
    with pytest.raises(BadDocumentError, match=reason):
        decode(msgspec.json.Decoder(), raw)


def test_numbers() -> None:
    assert [as_seconds(value) for value in (1, "2.5", 10**400, None, True, [1], "x")] == [
        1.0, 2.5, float("inf"), None, None, None, None,
    ]  # fmt: skip
    assert [as_frame(value) for value in (25, 25.0, "25", 25.5, 10**400, "1e400", True, None)] == [
        25, 25, 25, None, None, None, None, None,
    ]  # fmt: skip


# --- Label Studio, as people have it ---


@pytest.mark.parametrize(
    "variant",
    [
        task(region() | {"id": 5}),
        task(region(labels="Öffnen")),
        task(region(start="1.0", end="3.5")),
        task(region(), annotation={"was_cancelled": None, "ground_truth": None}, predictions=None, drafts=None),
        {**task(), "annotations": None, "completions": task(region())["annotations"]},
        task(region(labels=None, choices=["Öffnen"]) | {"type": "choices"}),
        task(region(), {"id": "r1", "type": "rating", "value": {"start": 1.0, "end": 3.5, "rating": 4}}),
        task(region(), {"id": "b", "type": "timelinelabels", "value": {"framesCount": 9, "sequence": [{"frame": 3}]}}),
    ],
    ids=str,
)
def test_variants_of_label_studio(tmp_path: Path, variant: dict[str, Any]) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps([variant]))
    assert spans(file) == SPANS


def test_choices_of_a_range_without_a_label(tmp_path: Path) -> None:
    chosen = {
        "id": "r",
        "type": "choices",
        "value": {"ranges": [{"start": 1, "end": "5"}], "choices": [["A", "B"], ["A"]]},
    }
    file = tmp_path / "export.json"
    file.write_text(json.dumps([task(chosen)]))
    assert spans(file, ls_fps="25") == [(("A", "B"), LsFrames(1, 5, "25"))]


@pytest.mark.parametrize("value", [10**400, "1e400", float("1e308"), -(10**400)])
@pytest.mark.parametrize("key", ["start", "end"])
def test_times_out_of_range_are_faults(tmp_path: Path, key: str, value: Any) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps([task(region(**{key: value}))]))
    _, findings = read(file)
    assert len(findings.faults) in (0, 1)
    if value != float("1e308"):
        assert len(findings.faults) == 1


# --- what no reader knows ---


@pytest.mark.parametrize(
    ("name", "content", "looks", "hint"),
    [
        ("a.mp4", b"\0\0\0\x20ftypisom", "a video", "with clips"),
        ("a.xlsx", b"PK\3\4....", "a ZIP archive, or a workbook of Excel", "CSV"),
        ("a.csv", b"annotation_id,annotator,id,lead_time,video\n1,1,1,2.0,x\n", "Label Studio's own CSV", "as JSON"),
        ("a.csv", b"video,id,t_start\nx,1,2\n", "the columns video, id, t_start", "needs the columns clip"),
        ("a.csv", "video;id\nx;1\n".encode("utf-16"), "a table with the columns video, id", "needs the columns clip"),
        ("a.csv", "annotation_id,annotator,lead_time\n1,1,2\n".encode("utf-16-le"), "Label Studio's own CSV", "JSON"),
        ("a.json.gz", gzip.compress(b"[" + b"{}," * 500 + b"{}]", mtime=0)[:-9], "not a whole gzip file", "copy it"),
        ("a.txt", b"1-30 SIL\n31-150 take_bowl\n", "segments without a header, such as '1-30 SIL'", "columns clip"),
        ("a.txt", b"SIL\nSIL\ntake\n", "one label a frame", "groundTruth"),
        ("a.xml", b"<?xml version='1.0'?><html><body>log in</body></html>", "a web page", "Download"),
        ("a.xml", b"<View><Video/></View>", "a labelling configuration", "export the annotations"),
        ("a.bin", b"\0" * 5000, "begins with nothing but NUL bytes", "copy it again"),
    ],
)  # fmt: skip
def test_a_file_that_no_reader_knows_is_described(
    tmp_path: Path, name: str, content: bytes, looks: str, hint: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    with pytest.raises(ExportError) as caught:
        read(file)
    assert looks in caught.value.message
    assert hint in caught.value.hint
    assert "cut off" not in caught.value.hint


def test_a_folder_that_no_reader_knows_is_described(tmp_path: Path) -> None:
    (tmp_path / "a/groundTruth").mkdir(parents=True)
    for name, hint in (("b/a.mp4", "with clips"), ("c/a.json", "c/a.json")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
        with pytest.raises(ExportError) as caught:
            read((tmp_path / name).parent)
        assert hint in caught.value.hint
    with pytest.raises(ExportError) as caught:
        read(tmp_path)
    assert str(tmp_path / "a") in caught.value.hint
