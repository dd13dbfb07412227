"""Every format takes hostile names, 120 cases, overlapping labels, and clips with nothing in them; its readers agree.

Readers of other projects that need an environment of their own are run in test_real_readers.py.
"""

import json
from pathlib import Path

import polars as pl
import pympi
import pytest
import srt
import webvtt

import hostile
from exports import export
from lsvid.annotations.stages import AnnotatedClip
from lsvid.findings import Findings
from lsvid.writers import WRITERS, format_of

NO_PICTURES = [name for name in WRITERS if name not in ("surgical", "charades", "clips", "huggingface")]
"""The formats that do not open the clips."""


def written(folder: Path, name: str) -> tuple[dict[str, list[AnnotatedClip]], list[Path], Findings]:
    """The clips that were written, the files there, and what was found."""
    clips = hostile.clips(overlapping=format_of(name).overlaps)
    manifest, findings = export(folder / "in/out", clips, name, hostile.labels(), include_unannotated=True)
    files = [folder / "in/out" / file["name"] for file in manifest["files"]]
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(
        [*files, folder / "in/out/manifest.json"]
    )
    return {"clips": clips}, files, findings


@pytest.mark.parametrize("name", NO_PICTURES)
def test_files_are_the_ones_named_and_lie_in_the_folder(tmp_path: Path, name: str) -> None:
    _, files, _ = written(tmp_path, name)
    assert len(set(map(str.casefold, map(str, files)))) == len(files)


@pytest.mark.parametrize("name", ["activitynet", "mmaction"])
def test_a_list_of_classes_has_a_line_for_each(tmp_path: Path, name: str) -> None:
    _, files, _ = written(tmp_path, name)
    (classes,) = [file.read_text(encoding="utf-8") for file in files if file.name == "classes.txt"]
    assert len(set(classes.splitlines())) == len(classes.splitlines()) == len(hostile.labels())
    document = json.loads(next(file for file in files if file.suffix == ".json").read_text(encoding="utf-8"))
    labels = {each["label"] for video in document.get("database", document).values() for each in video["annotations"]}
    assert labels == set(classes.splitlines())


def test_pympi_reads_elan(tmp_path: Path) -> None:
    clips, files, findings = written(tmp_path, "elan")
    assert any("characters that XML cannot hold" in text for text, _ in findings.warnings)
    for one, file in zip(clips["clips"], files, strict=True):
        eaf = pympi.Eaf(str(file))
        found = sorted(
            mark
            for tier in eaf.get_tier_names()
            if "level_1" in tier
            for mark in eaf.get_annotation_data_for_tier(tier)
        )
        spans = one.tracks[0].spans if one.tracks else []
        assert [(start, end) for start, end, _ in found] == [(s.start_frame * 40, s.stop_frame * 40) for s in spans]


def test_webvtt_py_reads_webvtt(tmp_path: Path) -> None:
    clips, files, _ = written(tmp_path, "webvtt")
    for one, file in zip(clips["clips"], files, strict=True):
        found = [(cue.start_time.milliseconds, bool(cue.text.strip())) for cue in webvtt.read(str(file))]
        assert len(found) == sum(len(work.spans) for work in one.tracks)
        assert all(text for _, text in found)


def test_srt_reads_srt(tmp_path: Path) -> None:
    clips, files, findings = written(tmp_path, "srt")
    for one, file in zip(clips["clips"], files, strict=True):
        found = list(srt.parse(file.read_bytes().decode("utf-8"), ignore_errors=False))
        assert len(found) == sum(len(work.spans) for work in one.tracks)
        assert not any("-->" in cue.content for cue in found)
    assert any("'-->'" in text for text, _ in findings.warnings)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_polars_reads_the_tables(tmp_path: Path, name: str) -> None:
    clips, (file,), _ = written(tmp_path, name)
    if name == "parquet":
        table = pl.read_parquet(file)
    else:
        table = (pl.read_csv if name == "csv" else pl.read_ndjson)(file, infer_schema_length=None)
    table = table.cast({"label": pl.String, "case": pl.String})
    first = table.filter(pl.col("label").is_not_null()).group_by("case", "label").agg(pl.col("frame").min())
    expected = {
        (one.clip.case, "/".join(span.label), span.start_frame)
        for one in clips["clips"]
        for work in one.tracks
        for span in work.spans
    }
    assert len(first) == len(expected)
    assert set(first["case"]) == {case for case, _, _ in expected}
    assert table["label"].n_unique() == len(hostile.labels()) + 1


@pytest.mark.parametrize("name", ["mstcn", "cholec80"])
def test_class_names_of_one_label_a_frame_are_one_word(tmp_path: Path, name: str) -> None:
    _, files, _ = written(tmp_path, name)
    for file in files:
        if file.match("groundTruth/*.txt") or file.match("*-phase.txt"):
            lines = file.read_text(encoding="utf-8").split("\n")[:-1]
            words = 1 if name == "mstcn" else 2
            assert len(lines) == 49 + words  # the other has a header
            assert all(len(line.split()) == words for line in lines)
