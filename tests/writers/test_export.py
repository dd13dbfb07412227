"""export-frames and export-spans as a person meets them: options, files, manifest, and what goes wrong."""

import gzip
import json
import re
import shlex
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from builders import annotation, export, region, rows, run, task
from factories import NTSC, VFR_GAPS, VideoFactory
from lsvid.annotations.spans import DECODER, Span
from lsvid.annotations.stages import Source, nothing_counts
from lsvid.files.outputs import sha256
from lsvid.findings import Findings


def test_every_frame_is_there_in_order_with_its_label(clips: Path, tmp_path: Path) -> None:
    exported = export(
        tmp_path,
        task(2, "clip_2", annotation(2, 5, region(1, 10, "B"))),
        task(1, "clip_1", annotation(1, 5, region(5, 12, "A"), region(13, 50, "B", "r2"))),
    )
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    made = rows(tmp_path / "out")
    assert [(r["clip"], int(r["frame"])) for r in made] == [("clip_1", k) for k in range(50)] + [
        ("clip_2", k) for k in range(60)
    ]
    assert [r["label"] for r in made] == [""] * 4 + ["A"] * 8 + ["B"] * 38 + ["B"] * 10 + [""] * 50
    assert [int(r["case_frame"]) for r in made] == list(range(110))
    assert made[-1]["case_time_s"] == "4.36"
    assert "110 rows for 110 frames of 2 clips, 3 spans, 1 annotators" in result.stderr
    assert "left out 1 clips that nobody has annotated" in result.stderr
    assert "no clip numbered clip_3, clip_4" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["frames.csv", "manifest.json"]


def test_the_manifest_says_what_was_exported_and_from_what(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["version"] == 1
    assert manifest["exports"] == [{"name": str(exported), "sha256": sha256(exported)}]
    assert manifest["files"] == [{"name": "frames.csv", "sha256": sha256(tmp_path / "out/frames.csv")}]
    assert manifest["counts"]["frames"] == 50
    assert manifest["counts"]["rows"] == 50
    first, second, third = manifest["clips"]
    assert (first["clip"], first["frames"], first["rate"], first["vfr"], first["exported"]) == (
        "clip_1",
        50,
        "25",
        False,
        True,
    )
    assert (second["clip"], second["case_frame"], second["exported"]) == ("clip_2", 50, False)
    assert (third["clip"], third["case_time_s"]) == ("clip_10", 4.4)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_the_formats_hold_the_same_rows(clips: Path, tmp_path: Path, file_format: str) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, 'A, "x"'))))
    out = tmp_path / "out"
    assert run("export-frames", exported, "--clips", clips, "-o", out, "--format", file_format).exit_code == 0
    path = out / f"frames.{file_format}"
    readers: dict[str, Any] = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
    made = readers[file_format](path)
    assert made.columns[:3] == ["case", "clip", "frame"]
    assert [str(label) if label is not None else None for label in made["label"]] == [None] * 4 + ['A, "x"'] * 8 + [
        None
    ] * 38
    assert made["time_s"].to_list() == [k / 25 for k in range(50)]


def test_another_format_replaces_the_file_of_the_last_run(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    out = tmp_path / "out"
    run("export-frames", exported, "--clips", clips, "-o", out)
    (out / "mine.txt").write_text("kept")
    run("export-frames", exported, "--clips", clips, "-o", out, "--format", "parquet")
    assert sorted(path.name for path in out.iterdir()) == ["frames.parquet", "manifest.json", "mine.txt"]


def test_a_second_run_writes_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    contents = []
    for _ in range(2):
        run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]


def test_annotators_stay_apart_and_can_be_chosen_and_named(clips: Path, tmp_path: Path) -> None:
    exported = export(
        tmp_path, task(1, "clip_1", annotation(1, 5, region(1, 5, "A")), annotation(2, 6, region(3, 9, "A")))
    )
    out = tmp_path / "out"
    names = tmp_path / "names.csv"
    names.write_text("5,anna\n6,eve\n")
    run("export-frames", exported, "--clips", clips, "-o", out, "--annotators", names)
    assert [r["annotator"] for r in rows(out)] == ["anna"] * 50 + ["eve"] * 50
    result = run("export-frames", exported, "--clips", clips, "-o", out, "--annotators", names, "--annotator", "eve")
    assert [r["label"] for r in rows(out)] == [""] * 2 + ["A"] * 7 + [""] * 41
    assert "left out 1 annotations by annotators not asked for: task 1, clip op1/clip_1, annotation 1" in result.stderr


@pytest.mark.parametrize(
    ("which", "labels"), [("latest", {"B"}), ("first", {"A"}), ("ground-truth", {"A"}), ("all", {"A", "B"})]
)
def test_which_of_several_annotations_counts(clips: Path, tmp_path: Path, which: str, labels: set[str]) -> None:
    mine = [annotation(1, 5, region(1, 50, "A"), ground_truth=True), annotation(2, 5, region(1, 50, "B"))]
    exported = export(tmp_path, task(1, "clip_1", *reversed(mine)))
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--annotations", which)
    assert {r["label"] for r in rows(tmp_path / "out")} == labels
    assert ("left out 1 annotations other than" in result.stderr) == (which != "all")
    if which == "all":
        assert {r["annotator"] for r in rows(tmp_path / "out")} == {"5 #1", "5 #2"}


def test_a_clip_submitted_with_no_region_is_annotated(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)), task(2, "clip_2"))
    run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
    assert {r["clip"] for r in rows(tmp_path / "out")} == {"clip_1"}
    run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--include-unannotated")
    assert [r["annotator"] for r in rows(tmp_path / "out")] == ["5"] * 50 + [""] * 85


def test_skipped_work_counts_only_when_asked_for(clips: Path, tmp_path: Path) -> None:
    exported = export(
        tmp_path, task(1, "clip_1", annotation(1, 5, was_cancelled=True)), task(2, "clip_2", annotation(2, 5))
    )
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
    assert "left out 1 annotations that are skipped" in result.stderr
    assert {r["clip"] for r in rows(tmp_path / "out")} == {"clip_2"}
    run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--status", "skipped")
    assert {r["clip"] for r in rows(tmp_path / "out")} == {"clip_1"}


def test_wide_split_sampled_with_background(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(1, 10, "A"))))
    labels = tmp_path / "labels.txt"
    labels.write_text("B\nA\n--x\n")
    out = tmp_path / "out"
    result = run("export-frames", exported, "--clips", clips, "-o", out, "--layout", "wide", "--split-by", "case",
                 "--sample-fps", "5", "--background", "nothing", "--labels", labels)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    made = rows(out, "frames_op1.csv")
    assert list(made[0])[7:] == ["B", "A", "A / x", "nothing"]
    assert [(r["frame"], r["A"], r["nothing"]) for r in made[:4]] == [
        ("0", "1", "0"), ("5", "1", "0"), ("10", "0", "1"), ("15", "0", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("parameters", [{"rate": NTSC}, {"gaps": VFR_GAPS}, {"start_s": Fraction(3, 2)}], ids=str)
def test_times_are_the_pictures_own(videos: VideoFactory, tmp_path: Path, parameters: dict[str, Any]) -> None:
    videos.make(tmp_path / "clips/op1/clip_1.mp4", n_frames=40, **parameters)
    from factories import Video

    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    run("export-frames", exported, "--clips", tmp_path / "clips", "-o", tmp_path / "out")
    made = rows(tmp_path / "out")
    times = Video(n_frames=40, **parameters).times_s
    assert [float(r["time_s"]) for r in made] == [float(t) for t in times]
    assert [float(r["case_time_s"]) for r in made] == [float(t - times[0]) for t in times]


# --- what goes wrong ---


def test_all_faults_are_reported_at_once_and_nothing_is_written(clips: Path, tmp_path: Path) -> None:
    exported = export(
        tmp_path,
        task(1, "clip_1", annotation(1, 5, region(9, 3, "A"), region(1, 76, "A", "r2"))),
        task(2, "clip_2", annotation(2, 5, region(1, 2, "", "r3"), region(0, 2, "A", "r4"))),
        task(3, "clip_7", annotation(3, 5)),
    )
    arguments = ["export-frames", exported, "--clips", clips, "-o", tmp_path / "out"]
    result = run(*arguments)
    assert result.exit_code == 1
    for text in (
        "task 1, annotation 1, region r1: reversed: frames 9 to 3",
        "task 1, clip op1/clip_1, annotation 1, region r2: number 76 lies past the clip's last, 50 at 25 fps",
        "task 2, annotation 2, region r4: frame 0 is below 1",
        "clip op1/clip_7: cannot find the clip /data/local-files/?d=clips/op1/clip_7.mp4 (looked in: ",
        "hint: correct them at their source and export again; name its folder: --clips DIR; --cut-overrun cuts what",
    ):
        assert text in result.stderr
    assert not (tmp_path / "out").exists()
    skipped = run(*arguments, "--skip-bad")
    assert skipped.exit_code == 0
    assert "bad data" in skipped.stderr
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["counts"]["left_out"]["bad data"] == 5


def test_spans_without_a_picture_and_ends_just_outside_are_counted(clips: Path, tmp_path: Path) -> None:
    prodigy = tmp_path / "p.jsonl"
    spans = [{"start": 1.0, "end": 1.0, "label": "A"}, {"start": 1.5, "end": 2.4, "label": "A"}]
    prodigy.write_text(
        json.dumps({"path": "op1/clip_1.mp4", "audio_spans": spans, "answer": "accept", "_task_hash": 1})
    )
    result = run("export-frames", prodigy, "--clips", clips, "-o", tmp_path / "out")
    assert "left out 1 spans that hold no picture: clip op1/clip_1, annotation 1, region 1" in result.stderr
    assert "cut 1 spans that reached past their clip" in result.stderr
    assert [int(r["frame"]) for r in rows(tmp_path / "out") if r["label"]] == list(range(38, 50))


def test_a_clip_that_changed_since_its_import_is_an_error(clips: Path, tmp_path: Path) -> None:
    one = task(1, "clip_1", annotation(1, 5))
    one["data"] |= {"case": "op1", "clip": "clip_1", "fingerprint": "0" * 32}
    result = run("export-frames", export(tmp_path, one), "--clips", clips, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "is not the video that was imported: its content differs" in result.stderr


def test_one_id_for_two_videos_is_an_error(clips: Path, tmp_path: Path) -> None:
    first, second = task(1, "clip_1", annotation(1, 5)), task(2, "clip_2", annotation(2, 5))
    for one, print_ in ((first, "a"), (second, "b")):
        one["data"] |= {"case": "op1", "clip": "same", "fingerprint": print_}
    result = run("export-frames", export(tmp_path, first, second), "--clips", clips, "-o", tmp_path / "out")
    assert "clip op1/same: two different videos have this id" in result.stderr
    assert result.exit_code == 1


def test_nothing_to_export_is_an_error(clips: Path, tmp_path: Path) -> None:
    result = run("export-frames", export(tmp_path, task(1, "clip_1")), "--clips", clips, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "error: there is nothing to export: 0 of 3 clips submitted" in result.stderr


@pytest.mark.parametrize("command", ["export-frames", "report", "contact-sheet"])
def test_the_command_that_a_hint_names_works_as_typed(clips: Path, tmp_path: Path, command: str) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, was_cancelled=True)), name="an export.json")
    result = run(command, exported, "--clips", clips, "-o", tmp_path / "out.html")
    assert result.exit_code == 1
    assert "0 of 3 clips have an annotation that counts" in result.stderr
    named = re.search(r"hint: .*: lsvid (export-spans --all [^;]+);", result.stderr)
    assert named, result.stderr
    shown = run(*shlex.split(named[1]), "--clips", clips)
    assert shown.exit_code == 0, shown.stderr
    assert '"status":"skipped"' in shown.stdout


def test_a_hint_names_a_project_by_its_id() -> None:
    sources = [Source("http://localhost:8080/projects/12", None)]
    error = nothing_counts("there is nothing to export", [1, 2], sources, Findings())
    assert "lsvid export-spans --all --project 12;" in error.hint


def test_files_that_are_not_lsvids_are_not_overwritten(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/frames.csv").write_text("precious")
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "holds frames.csv, but no manifest.json of an earlier run: it would be overwritten" in result.stderr
    assert (tmp_path / "out/frames.csv").read_text() == "precious"
    result = run("export-frames", exported, "--clips", clips, "-o", exported)
    assert f"{exported} is a file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name export files, or a project with --project, not both"),
        (("x.json", "--project", "1"), "name export files, or a project with --project, not both"),
        (("x.json", "--sample-fps", "fast"), "'fast' is not a rate in frames a second"),
        (("x.json", "--ls-fps", "0"), "'0' is not a rate in frames a second"),
        (("x.json", "--format", "xls"), "'xls' is not one of"),
        (("x.json", "--case-from", "uncle"), "has no group named 'case'"),
        (("x.json", "--annotators", "none.csv"), "cannot read none.csv"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    result = run("export-frames", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert text in result.stderr
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_export_is_named(tmp_path: Path) -> None:
    result = run("export-frames", tmp_path / "none.json", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert f"error: cannot read {tmp_path}/none.json" in result.stderr


def test_json_is_one_document_also_on_failure(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    result = run("export-frames", exported, "--clips", clips, "-o", tmp_path / "out", "--json", "-q")
    assert json.loads(result.stdout)["manifest"]["counts"]["rows"] == 50
    assert result.stderr == ""
    failed = run("export-frames", tmp_path / "none.json", "-o", tmp_path / "out", "--json")
    document = json.loads(failed.stdout)
    assert (document["exit_code"], document["error"][:11]) == (1, "cannot read")


def test_the_key_is_in_no_file(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    arguments = ["export-frames", str(exported), "--clips", str(clips), "-o", str(tmp_path / "out")]
    for secret in (["--api-key", "hunter2"], ["--api-key=hunter2"]):
        monkeypatch.setattr(sys, "argv", ["lsvid", *arguments, *secret])
        assert run(*arguments, *secret).exit_code == 0
        assert "hunter2" not in (tmp_path / "out/manifest.json").read_text()


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_rows_do_not_depend_on_how_many_clips_are_written_at_once(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    exported = export(
        tmp_path,
        task(1, "clip_1", annotation(1, 5, region(5, 12, "A"), region(10, 20, "B", "r2")), annotation(2, 6)),
        task(2, "clip_2", annotation(3, 6, region(1, 60, "B"))),
        task(3, "clip_10"),
    )
    command = ["export-frames", exported, "--clips", clips, "--include-unannotated", "--layout", layout]
    assert run(*command, "-o", tmp_path / "together").exit_code == 0
    monkeypatch.setattr("lsvid.writers.tables._ROWS_AT_ONCE", 1)
    assert run(*command, "-o", tmp_path / "alone").exit_code == 0
    assert (tmp_path / "together/frames.csv").read_text() == (tmp_path / "alone/frames.csv").read_text()
    assert {row["clip"] for row in rows(tmp_path / "alone")} == {"clip_1", "clip_2", "clip_10"}


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_leaves_the_last_result_whole(clips: Path, tmp_path: Path, ending: signal.Signals) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    out = tmp_path / "out"
    run("export-frames", exported, "--clips", clips, "-o", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    command = [sys.executable, "-m", "lsvid", "export-frames", str(exported), "--clips", str(clips), "-o", str(out)]
    for _ in range(20):  # the folder that is seen here lives for milliseconds
        process = subprocess.Popen([*command, "--format", "parquet"], stderr=subprocess.PIPE, text=True)
        staging: list[Path] = []
        while process.poll() is None and not (staging := list(tmp_path.glob(".out.*.part.*"))):
            pass
        process.send_signal(signal.SIGSTOP)
        process.send_signal(ending)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
        names = {path.name for path in out.iterdir()}
        if json.loads((out / "manifest.json").read_text()).get("state") == "unfinished":
            pass  # just when files were moved: the next run knows them for its own
        elif "frames.csv" in names:
            assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        else:  # it came to its end
            assert names == {"frames.parquet", "manifest.json"}
        left = list(tmp_path.glob(".out.*"))
        if ending == signal.SIGKILL:
            assert left == staging or "frames.parquet" in names
        elif process.returncode != 0:
            assert (left, said, process.returncode) == ([], _INTERRUPTED, 128 + ending)
        assert run("export-frames", exported, "--clips", clips, "-o", out).exit_code == 0
        assert list(tmp_path.glob(".out.*")) == []
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        if staging and process.returncode != 0:
            return
    pytest.fail("it was never hit while it was at work")


_INTERRUPTED = "error: interrupted\nhint: run the same command again: it goes on where it stopped\n"


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_disk_that_takes_no_more_is_one_clear_error(clips: Path, tmp_path: Path, file_format: str) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5)))
    command = [
        "export-frames",
        str(exported),
        "--clips",
        str(clips),
        "-o",
        str(tmp_path / "out"),
        "--format",
        file_format,
    ]
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500));"
        "from lsvid.cli import main; sys.argv[0] = 'lsvid'; main()"
    )
    result = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "File too large" in result.stderr
    assert result.stderr.startswith(f"error: cannot write to {tmp_path / 'out'}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "export.json"]


# --- spans ---


def test_spans_go_to_standard_output_and_back_in(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    result = run("export-spans", exported, "--clips", clips)
    assert result.exit_code == 0
    spans = tmp_path / "spans.jsonl"
    spans.write_text(result.stdout)
    (span,) = [r for r in map(DECODER.decode, result.stdout.splitlines()) if isinstance(r, Span)]
    assert (span.start_frame, span.stop_frame, span.start_s, span.end_s) == (4, 12, 0.16, 0.48)
    tables = []
    for source in (exported, spans):
        run("export-frames", source, "--clips", clips, "-o", tmp_path / "out")
        tables.append((tmp_path / "out/frames.csv").read_bytes())
    assert tables[0] == tables[1]


def test_spans_to_a_file_of_every_status(clips: Path, tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, was_cancelled=True)))
    target = tmp_path / "deep" / "spans.jsonl"
    result = run("export-spans", exported, "--clips", clips, "-o", target, "--all")
    assert result.exit_code == 0
    assert '"status":"skipped"' in target.read_text()
    assert [path.name for path in target.parent.iterdir()] == ["spans.jsonl"]


def test_spans_of_clips_that_are_elsewhere_have_no_frames(tmp_path: Path) -> None:
    exported = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 12, "A"))))
    result = run("export-spans", exported)
    assert result.exit_code == 0
    assert '"start_frame":null' in result.stdout
    assert "its spans have no frames" in result.stderr


def test_an_export_may_be_packed(clips: Path, tmp_path: Path) -> None:
    packed = tmp_path / "export.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(task(1, "clip_1", annotation(1, 5))).encode()))
    assert run("export-frames", packed, "--clips", clips, "-o", tmp_path / "out").exit_code == 0


def test_json_and_spans_do_not_share_standard_output(tmp_path: Path) -> None:
    result = run("export-spans", tmp_path / "x.json", "--json")
    assert result.exit_code == 2
    assert "name a file with -o" in result.stderr
