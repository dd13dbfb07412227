"""Names of cases and clips that other people chose: no format writes outside its folder, or loses one of them."""

import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from builders import annotation, region, rows, run, task
from builders import export as export_file
from exports import clip, export, placed
from factories import VideoFactory
from lsvid.annotations.stages import AnnotatedClip
from lsvid.video.index import probe
from lsvid.workers.processes import Report
from lsvid.writers import WRITERS, format_of

NAMES = [
    ("op1", "clip_1"), ("op1", "CLIP_1"), ("OP1", "clip_1"), ("../../../escaped", "clip_1"),
    ("op1", "../../../escaped"), ("/escaped", "clip"), ("..", ".."), ("NUL", "con.txt"), ("op\x1b[2J", "a\nb"),
    ("a" * 300, "\u00dc" * 200), ("op1", "a:b"), ("op1", "a?b"), ("\u202etxt", "tail. "), ("op1", "\u00e9"),
    ("op1", "e\u0301"), ("op1", ".hidden"),
]  # fmt: skip


def _options(name: str) -> dict[str, str]:
    """What a format is asked for: a file a clip, and for a reader where it has several."""
    known = format_of(name)
    unit = {"unit": "clip"} if "unit" in known.options else {}
    return unit | ({"flavour": "surgformer"} if known.flavours else {})


@pytest.fixture
def hostile(videos: VideoFactory) -> list[AnnotatedClip]:
    path = videos.make(n_frames=6)
    made = []
    for case, name in NAMES:
        one = clip("op1/x", [("A", 1, 4)], probe(path).index, str(path))
        work = one.tracks[0]
        spans = tuple(msgspec.structs.replace(span, case=case, clip=name) for span in work.spans)
        record = msgspec.structs.replace(one.clip, case=case, clip=name)
        made.append(replace(one, clip=record, tracks=(replace(work, spans=spans),)))
    return placed(*made)


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_outside_and_nothing_is_lost(
    name: str, hostile: list[AnnotatedClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lsvid.workers.processes.Processes.run_each", _run_each)
    deep = tmp_path / "very/deep/folder"
    deep.mkdir(parents=True)
    options: Any = _options(name)
    manifest, findings = export(deep / "out", hostile, name, **options)
    assert list(deep.iterdir()) == [deep / "out"]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(deep / "out")] == []
    assert not os.path.lexists("/escaped")
    files = [file["name"] for file in manifest["files"]]
    there = [path.relative_to(deep / "out").as_posix() for path in (deep / "out").rglob("*") if path.is_file()]
    assert sorted([*files, "manifest.json"]) == sorted(there)
    assert len({unicodedata.normalize("NFD", file).casefold() for file in files}) == len(files)
    assert all(len(part.encode()) <= 255 for file in files for part in file.split("/"))
    if name in ("webvtt", "srt", "elan", "huggingface"):
        assert len(
            {Path(file).with_suffix("") if name != "huggingface" else Path(file).parent for file in files}
        ) >= len(NAMES)
        assert any("names" in text and "escaped" in text for text, _ in findings.warnings), "what had to change is told"


def _run_each(
    _self: object, function: Callable[[Any, Report], Any], items: Sequence[Any], *_: Any, **_options: Any
) -> Iterator[tuple[int, Any]]:
    """Without processes of its own, for which the clips are too small."""
    for position, item in enumerate(items):
        yield position, function(item, lambda _done: None)


def test_on_the_command_line(clips: Path, tmp_path: Path) -> None:
    tasks = []
    for number, (case, name) in enumerate(
        [("../../escaped", "c"), ("op1", "../../../escaped/c"), ("a\x1b]0;PWNED\x07", "c")]
    ):
        one = task(number, ("clip_1", "clip_2", "clip_10")[number], annotation(number + 1, 5, region(2, 4, "A")))
        one["data"] |= {"case": case, "clip": name, "order": 1}
        tasks.append(one)
    exported = export_file(tmp_path, *tasks)
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "deep/er/out"
    for more in (["--images", "--short-side", 16, "--split-by", "case"], ["--format", "webvtt"], ["--format", "srt"]):
        result = run("export-frames", exported, "--clips", clips, "-o", out, *more)
        assert result.exit_code == 0, result.stderr
        assert "names that cannot be those of files" in result.stderr
        assert not set("\x1b\x07") & set(result.stderr), "escapes do not reach the terminal"
        new = set(tmp_path.rglob("*")) - before - {tmp_path / "deep", tmp_path / "deep/er"}
        assert all(path.is_relative_to(out) for path in new)
    assert len(list(out.rglob("*.srt"))) == 3


def test_the_column_image_names_the_picture(clips: Path, tmp_path: Path) -> None:
    one = task(1, "clip_1", annotation(1, 5, region(2, 4, "A")))
    one["data"] |= {"case": "op:1", "clip": "con", "order": 1}
    exported = export_file(tmp_path, one)
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--images", "--short-side", 16)
    assert result.exit_code == 0, result.stderr
    named = [row["image"] for row in rows(tmp_path / "out") if row["image"]]
    assert len(named) == 3
    assert all((tmp_path / "out" / name).is_file() for name in named)
    assert all(row["case"] == "op:1" for row in rows(tmp_path / "out")), "in the table it is called as it is"


def test_a_clip_whose_name_is_not_utf8(clips: Path, tmp_path: Path, videos: VideoFactory) -> None:
    wild = os.fsdecode(b"caf\xe9.mp4")
    videos.make(clips / "op1" / wild, n_frames=7)
    exported = export_file(tmp_path, task(1, "clip_1", annotation(1, 5, region(2, 4, "A"))))
    for name in WRITERS:
        more = [word for option, value in _options(name).items() for word in (f"--{option}", value)]
        result = run(
            "export-frames", exported, "--clips", clips, "-o", tmp_path / f"as-{name}", "--include-unannotated",
            "--format", name, *more,
        )  # fmt: skip
        assert result.exit_code == 0, (name, result.output)
        manifest = json.loads((tmp_path / f"as-{name}" / "manifest.json").read_text(encoding="utf-8"))
        assert r"caf\xe9" in [one["clip"] for one in manifest["clips"]]
    spans = run("export-spans", exported, "--clips", clips)
    assert spans.exit_code == 0, spans.output
    assert r"caf\\xe9" in spans.stdout
    assert run("report", exported, "--clips", clips, "-o", tmp_path / "report").exit_code == 0


def test_cases_annotated_in_folders_that_are_not_utf8(clips: Path, tmp_path: Path, videos: VideoFactory) -> None:
    """A case that only the clip's folder names; the output's folder is no UTF-8 either."""
    videos.make(clips / os.fsdecode(b"caf\xe9") / "only.mp4", n_frames=7)
    exported = tmp_path / "segments.csv"
    exported.write_text("clip,label,start_s,end_s\nonly,A,0.04,0.2\n")
    for name in WRITERS:
        more = [word for option, value in _options(name).items() for word in (f"--{option}", value)]
        out = tmp_path / os.fsdecode(b"\xff" + name.encode())
        result = run("export-frames", exported, "--clips", clips, "-o", out, "--format", name, *more)
        assert result.exit_code == 0, (name, result.output)
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        assert [one["case"] for one in manifest["clips"]] == [r"caf\xe9"], name
    spans = tmp_path / "spans.jsonl"
    assert run("export-spans", exported, "--clips", clips, "-o", spans).exit_code == 0
    again = run("export-frames", spans, "--clips", clips, "-o", tmp_path / "again")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize("option", ["--background", "--rename"])
def test_words_of_the_command_that_are_not_utf8(clips: Path, tmp_path: Path, option: str) -> None:
    exported = export_file(tmp_path, task(1, "clip_1", annotation(1, 5, region(2, 4, "A"))))
    value = ("A=" if option == "--rename" else "") + os.fsdecode(b"\xff")
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", option, value)
    assert result.exit_code == 2
    assert "not UTF-8" in result.stderr
    assert not (tmp_path / "out").exists()
