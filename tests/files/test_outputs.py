"""Outputs take nobody's place: here, in folders however deep, and in S3; they stay inside, and appear whole."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from builders import annotation, export, region, rows, run, task
from factories import VideoFactory
from lsvid.errors import DataError, SettingsError
from lsvid.files.folders import folder_at, write_error
from lsvid.files.outputs import listed, whole_file, whole_folder
from s3_server import Bucket

MANIFEST = "manifest.json"


def write(folder: Path | str, files: dict[str, str], inputs: tuple[str, ...] = ()) -> None:
    """Write `files` as an export does."""
    with whole_folder(folder, MANIFEST, "frames*", inputs) as staging:
        for name, text in files.items():
            (staging.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (staging.folder / name).write_text(text)
        document = {"lsvid": "1", "files": list(files)}
        (staging.folder / MANIFEST).write_text(json.dumps(document))
        staging.publish([*files, MANIFEST])


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- Folders ----------------------------------------------------------------------------------------------------------


def test_what_an_earlier_run_wrote_is_replaced_and_the_rest_of_it_removed(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1", "deep/er/b.txt": "1"})
    (tmp_path / "out/mine.txt").write_text("mine")
    write(tmp_path / "out", {"a.txt": "2", "deep/c.txt": "2"})
    assert set(tree(tmp_path / "out")) == {"a.txt", "deep/c.txt", MANIFEST, "mine.txt"}
    assert not (tmp_path / "out/deep/er").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"], "no staging folder is left"


@pytest.mark.parametrize("name", ["a.txt", "deep/er/b.txt", "deep", MANIFEST, "frames.csv"])
def test_what_no_manifest_names_is_neither_overwritten_nor_removed(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"files": ["a.txt"]}')  # somebody else's manifest, too
    before = tree(tmp_path / "out")
    with pytest.raises(SettingsError, match=r"holds .*: it would be overwritten"):
        write(tmp_path / "out", {"a.txt": "1", "deep/er/b.txt": "1", "frames.csv": "1"})
    assert tree(tmp_path / "out") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_manifest_names_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    names = ["../precious.txt", str(tmp_path / "precious.txt"), "a/../../precious.txt", "", ".", "old.txt"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"lsvid": "1", "files": names}))
    (tmp_path / "out/old.txt").write_text("ours")
    write(tmp_path / "out", {"a.txt": "1"})
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert set(tree(tmp_path / "out")) == {"a.txt", MANIFEST}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "no", '{"files": 3, "lsvid": 1}', '{"files": [[]], "lsvid": 1}', "[" * 10_000]
)
def test_what_is_no_manifest(text: str) -> None:
    assert listed(text.encode()) is None


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.txt").write_text("mine")
    (tmp_path / "out/real").mkdir(parents=True)
    (tmp_path / "out/deep").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out/inside").symlink_to(tmp_path / "out/real")
    with pytest.raises(SettingsError, match="is a link that leads out of"):
        write(tmp_path / "out", {"deep/a.txt": "1"})
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"lsvid": "1", "files": ["deep/b.txt"]}))
    with pytest.raises(SettingsError, match="is a link that leads out of"):
        write(tmp_path / "out", {"a.txt": "1"})
    assert tree(tmp_path / "elsewhere") == {"b.txt": "mine"}
    (tmp_path / "out" / MANIFEST).unlink()
    write(tmp_path / "out", {"inside/a.txt": "1"})
    assert (tmp_path / "out/real/a.txt").read_text() == "1"
    (tmp_path / "link").symlink_to(tmp_path / "out")
    write(tmp_path / "link", {"inside/a.txt": "2"})  # the folder itself may be named by a link
    assert (tmp_path / "out/real/a.txt").read_text() == "2"
    assert (tmp_path / "link").is_symlink()


def test_a_loop_of_links_and_a_nul_are_clear_errors(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("loop", "loop/out", "a\0b", "x" * 300):
        with pytest.raises((SettingsError, DataError)):
            write(f"{tmp_path}/{name}", {"a.txt": "1"})
        with pytest.raises((SettingsError, DataError)):
            write_file(f"{tmp_path}/{name}")


def test_what_is_read_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a.txt": "1"})
    for source in ("out", "out/a.txt"):
        with pytest.raises(SettingsError, match="is read, and would be overwritten"):
            write(tmp_path / "out", {"b.txt": "2"}, (str(tmp_path / source),))
    (tmp_path / "out/export.json").write_text("[]")
    write(tmp_path / "out", {"b.txt": "2"}, (str(tmp_path / "out/export.json"),))  # beside it is fine
    assert set(tree(tmp_path / "out")) == {"b.txt", "export.json", MANIFEST}


def test_a_failed_move_loses_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where a file that is open in another program cannot be replaced."""
    write(tmp_path / "out", {"a.txt": "1", "b.txt": "1"})
    replace = os.replace

    def held_open(source: Any, target: Any) -> None:
        if str(target).endswith("b.txt"):
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(source), 32, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", held_open)
    with pytest.raises((SettingsError, DataError), match="cannot access the file"):
        write(tmp_path / "out", {"a.txt": "2", "b.txt": "2"})
    assert listed((tmp_path / "out" / MANIFEST).read_bytes()) == {"a.txt", "b.txt"}
    monkeypatch.undo()
    write(tmp_path / "out", {"a.txt": "2", "b.txt": "2"})
    assert tree(tmp_path / "out") | {MANIFEST: ""} == {"a.txt": "2", "b.txt": "2", MANIFEST: ""}


def test_a_file_that_is_open_elsewhere_on_windows_is_said_to_be() -> None:
    error = PermissionError(errno.EACCES, "in use", "x.tmp")
    error.winerror, error.filename2 = 32, "frames.csv"  # type: ignore[attr-defined]
    assert "close frames.csv in other programs" in write_error("out", error).hint


def test_nothing_is_left_of_a_run_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_folder(tmp_path / "out", MANIFEST) as staging:
            (staging.folder / "a.txt").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_parent_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is mounted, say: what is unfinished lies in it, then."""
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path).endswith("out"))
    with folder_at(tmp_path / "out").scratch() as folder:
        assert folder.parent == tmp_path / "out"
    write(tmp_path / "out", {"a.txt": "1"})
    assert set(tree(tmp_path / "out")) == {"a.txt", MANIFEST}


# --- Pictures and proxies ---------------------------------------------------------------------------------------------


@pytest.fixture
def exported(clips: Path, tmp_path: Path) -> list[object]:
    file = export(tmp_path, task(1, "clip_1", annotation(1, 5, region(5, 8, "A"))))
    return [file, "--clips", clips]


@pytest.mark.parametrize("name", ["000004.jpg", "000005.png", "000040.jpg"])
def test_other_peoples_pictures_stay(exported: list[object], tmp_path: Path, name: str) -> None:
    """In a folder without a record, and beside pictures of ours."""
    command = ["export-frames", *exported, "--images", "--short-side", 16, "-o", tmp_path / "out"]
    theirs = tmp_path / "out/images/op1/clip_1" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"mine")
    first = run(*command)
    if name == "000004.jpg":
        assert first.exit_code == 2
        assert "holds 000004.jpg, which no earlier run wrote" in first.stderr
        assert theirs.read_bytes() == b"mine"
        return
    assert first.exit_code == 0, first.stderr
    assert run(*command, "--quality", 50).exit_code == 0
    assert run(*command, "--image-format", "webp").exit_code == 0
    assert theirs.read_bytes() == b"mine"


def test_an_images_folder_that_is_a_link_is_not_followed(exported: list[object], tmp_path: Path) -> None:
    (tmp_path / "elsewhere/op1/clip_1").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/images").symlink_to(tmp_path / "elsewhere")
    result = run("export-frames", *exported, "--images", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "leads out of" in result.stderr
    assert list((tmp_path / "elsewhere/op1/clip_1").iterdir()) == []


def test_a_recording_in_a_proxys_place_stays(clips: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "proxies/op1/clip_1.mp4"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"mine")
    command = ["make-proxies", clips / "op1/clip_1.mp4", "-o", tmp_path / "proxies", "--height", 16]
    result = run(*command)
    assert result.exit_code == 2
    assert "holds op1/clip_1.mp4, which no earlier run wrote" in result.stderr
    assert theirs.read_bytes() == b"mine"
    theirs.unlink()
    assert run(*command).exit_code == 0
    (tmp_path / "proxies/.proxies.json").unlink()  # as an earlier release left it
    assert "there already 1" in run(*command).stderr
    assert (tmp_path / "proxies/.proxies.json").exists()


def test_names_of_clips_cannot_lead_a_proxy_out(clips: Path, tmp_path: Path) -> None:
    listed_clips = [
        {"path": str(clips / "op1/clip_1.mp4"), "case": "../../escaped", "clip": "c"},
        {"path": str(clips / "op1/clip_2.mp4"), "case": "op", "clip": "../../../escaped/c"},
    ]
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text("".join(json.dumps(one) + "\n" for one in listed_clips))
    out = tmp_path / "deep/er/proxies"
    before = set(tmp_path.rglob("*"))
    result = run("make-proxies", manifest, "-o", out, "--height", 16)
    assert result.exit_code in (0, 1, 2)
    new = set(tmp_path.rglob("*")) - before - {tmp_path / "deep", tmp_path / "deep/er"}
    assert all(path.is_relative_to(out) for path in new)


# --- Single files -----------------------------------------------------------------------------------------------------


def _ours(start: bytes) -> bool:
    return start.startswith(b"ours")


def write_file(target: Path | str, inputs: tuple[str, ...] = ()) -> None:
    with whole_file(target, _ours, inputs) as file:
        file.write_text("ours: new")


@pytest.mark.parametrize("before", [None, "", "ours: old"])
def test_a_file_of_ours_an_empty_one_and_none_are_replaced(tmp_path: Path, before: str | None) -> None:
    if before is not None:
        (tmp_path / "a").write_text(before)
    write_file(tmp_path / "a")
    assert tree(tmp_path) == {"a": "ours: new"}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o044, "others may read it, as the umask says"


def test_a_file_of_another_kind_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(SettingsError, match="exists, and this command did not write it"):
        write_file(tmp_path / "a")
    with pytest.raises(SettingsError, match="is a folder, not a file"):
        write_file(tmp_path)
    with pytest.raises(SettingsError, match="is read, and would be overwritten"):
        write_file(tmp_path / "a", (str(tmp_path / "b"), str(tmp_path / "a")))
    assert tree(tmp_path) == {"a": "mine"}


def test_of_a_link_the_file_is_replaced_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real/a")
    write_file(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert tree(tmp_path / "real") == {"a": "ours: new"}


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_file(tmp_path / "pipe")
    reader.join(timeout=10)
    assert read == ["ours: new"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    before = os.lstat("/dev/null")
    write_file("/dev/null")
    assert os.lstat("/dev/null").st_ino == before.st_ino
    with pytest.raises(DataError, match="No space left on device"):
        write_file("/dev/full")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no such file")
def test_standard_output_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("A\nB\n")
    command = [sys.executable, "-m", "lsvid", "config", str(tmp_path / "labels.txt"), "-q", "-o"]
    before = os.lstat("/dev/stdout")
    piped = subprocess.run([*command, "/dev/stdout"], capture_output=True, check=True)
    with (tmp_path / "file").open("wb") as file:
        file.write(b"head\n")
        file.flush()
        subprocess.run([*command, "/dev/fd/1"], stdout=file, check=True)
    assert piped.stdout.startswith(b"<View")
    assert (tmp_path / "file").read_bytes() == b"head\n" + piped.stdout
    assert os.lstat("/dev/stdout").st_ino == before.st_ino


def test_no_command_overwrites_what_it_reads(exported: list[object], clips: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("- A\n- B\n")
    clip = clips / "op1/clip_1.mp4"
    before = {path: path.read_bytes() for path in (labels, clip, tmp_path / "export.json")}
    for command, target in (
        (["config", labels], labels),
        (["export-spans", *exported], exported[0]),
        (["export-spans", *exported], clip),
        (["export-spans", *exported, "--labels", labels], labels),
        (["contact-sheet", *exported], exported[0]),
        (["contact-sheet", *exported], clip),
        (["contact-sheet", *exported], labels),
    ):
        result = run(*command, "-o", target)
        assert (result.exit_code, "Traceback" in result.output) == (2, False), command
        assert "overwritten" in result.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_the_same_commands_again_replace_their_own(exported: list[object], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("A\n")
    for command in (
        ["config", tmp_path / "labels.txt", "-o", tmp_path / "config.xml"],
        ["export-spans", *exported, "-o", tmp_path / "spans.jsonl"],
        ["export-spans", *exported, "--format", "prodigy", "-o", tmp_path / "tasks.jsonl"],
        ["contact-sheet", *exported, "-o", tmp_path / "sheet.html"],
    ):
        assert [run(*command).exit_code for _ in range(2)] == [0, 0], command
    own = json.dumps({"video": "a.mp4", "audio_spans": [], "_input_hash": 1, "_view_id": "audio_manual"}) + "\n"
    (tmp_path / "annotated.jsonl").write_text(own)
    assert run("export-spans", *exported, "--format", "prodigy", "-o", tmp_path / "annotated.jsonl").exit_code == 2
    assert (tmp_path / "annotated.jsonl").read_text() == own


# --- In S3 ------------------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_what_no_manifest_names_stays_in_s3_too(
    bucket: Bucket, exported: list[object], clips: Path, tmp_path: Path, videos: VideoFactory
) -> None:
    bucket.put("out/op1/clip_1.vtt", b"mine")
    bucket.put("pictures/images/op1/clip_1/000004.jpg", b"mine")
    bucket.put("others/images/op1/clip_1/000040.jpg", b"mine")
    bucket.put("proxies/op1/clip_1.mp4", b"mine")
    bucket.put("spans.jsonl", b"mine")
    before = {key: bucket.get(key) for key in list(bucket.keys())}
    images = ["--images", "--short-side", 16]
    for command, code in (
        (["export-frames", *exported, "--format", "webvtt", "-o", f"{bucket.uri}/out"], 2),
        (["export-frames", *exported, *images, "-o", f"{bucket.uri}/pictures"], 2),
        (["export-frames", *exported, *images, "-o", f"{bucket.uri}/others"], 0),
        (["export-frames", *exported, *images, "--quality", 50, "-o", f"{bucket.uri}/others"], 0),
        (["make-proxies", clips / "op1/clip_1.mp4", "--height", 16, "-o", f"{bucket.uri}/proxies"], 2),
        (["export-spans", *exported, "-o", f"{bucket.uri}/spans.jsonl"], 2),
    ):
        result = run(*command)
        assert result.exit_code == code, (command, result.stderr)
        assert {key: bucket.get(key) for key in before} == before
    write(f"{bucket.uri}/nested", {"deep/a.txt": "1"})
    bucket.put("nested/deep/b.txt", b"mine")
    write(f"{bucket.uri}/nested", {"deep/c.txt": "2"})
    assert [key for key in list(bucket.keys()) if "nested" in key] == [
        "nested/deep/b.txt", "nested/deep/c.txt", "nested/manifest.json"
    ]  # fmt: skip
    with pytest.raises(SettingsError, match=r"holds deep/b\.txt, which no manifest\.json of an earlier run names"):
        write(f"{bucket.uri}/nested", {"deep/b.txt": "3"})
    assert bucket.get("nested/deep/b.txt") == b"mine"


def test_rows_are_there(exported: list[object], tmp_path: Path) -> None:
    """So that the refusals above are no accident."""
    assert run("export-frames", *exported, "-o", tmp_path / "out").exit_code == 0
    assert len(rows(tmp_path / "out")) == 50
