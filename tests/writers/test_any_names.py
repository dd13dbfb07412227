"""Whatever a label, a case or a clip is called: files are well-formed, and no two labels become one."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory

import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import clip, export, placed, read_back
from lsvid.labels.tree import join_path

CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]), st.sampled_from(" /\\\n\r\t\x00-\u2028<>&#,\"'=\ufeff")
)
NAMES = st.text(CHARACTERS, min_size=1, max_size=12).filter(str.strip)
LABELS = st.lists(st.lists(NAMES, min_size=1, max_size=2).map(tuple), min_size=2, max_size=4, unique=True)


@settings(max_examples=60, deadline=None)
@given(LABELS, NAMES, NAMES)
def test_lists_cues_and_xml(labels: list[tuple[str, ...]], case: str, name: str) -> None:
    spans = [(join_path(label), 10 * number, 10 * number + 15) for number, label in enumerate(labels)]
    clips = placed(clip(f"{case.replace('/', '_')}/{name.replace('/', '_')}", spans))
    with TemporaryDirectory() as folder:
        for file_format in ("activitynet", "mmaction", "webvtt", "srt", "elan"):
            manifest, _ = export(Path(folder, file_format), clips, file_format, labels)
            assert all(Path(folder, file_format, file["name"]).is_file() for file in manifest["files"])
        for file_format in ("activitynet", "mmaction"):
            classes = Path(folder, file_format, "classes.txt").read_text(encoding="utf-8").splitlines()
            assert len(set(classes)) == len(classes) == len(labels)
            document = json.loads(Path(folder, file_format, "activitynet.json").read_text(encoding="utf-8"))
            (video,) = document.get("database", document).values()
            assert [each["label"] for each in video["annotations"]] == classes
        (vtt,) = Path(folder, "webvtt").rglob("*.vtt")
        assert len(list(webvtt.read(str(vtt)))) == len(labels)
        (subtitles,) = Path(folder, "srt").rglob("*.srt")
        content = subtitles.read_bytes().decode("utf-8")
        assert len(list(srt.parse(content, ignore_errors=False))) == len(labels)
        (eaf,) = Path(folder, "elan").glob("*.eaf")
        ET.parse(eaf)  # noqa: S314 - made here


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_one_label_a_frame(labels: list[tuple[str, ...]]) -> None:
    labels = [label[:1] for label in dict.fromkeys(label[:1] for label in labels)]
    spans = [(join_path(label), 10 * number, 10 * number + 10) for number, label in enumerate(labels)]
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), placed(clip("video01/a", spans)), "mstcn", labels, background="nothing at all")
        lines = Path(folder, "out/groundTruth/video01.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == 100
    assert all(len(line.split()) == 1 for line in lines)
    assert len(set(lines)) == len(labels) + 1


@settings(max_examples=60, deadline=None)
@given(LABELS.filter(lambda labels: not any("\0" in name for label in labels for name in label)))  # refused, and told
def test_segments_are_read_back(labels: list[tuple[str, ...]]) -> None:
    spans = [(join_path(label), 10 * number, 10 * number + 15) for number, label in enumerate(labels)]
    clips = placed(clip("op1/a", spans))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "segments", labels)
        back, _ = read_back(Path(folder, "out/segments.csv"), clips)
    assert back == {"op1/a": set(spans)}
