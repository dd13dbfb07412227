"""Finding clips, telling their cases, ordering them, and finding again what an export names."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.video.clips import CaseRule, clip_key, find_clips, missing_numbers, natural_key, recorded_later
from lsvid.video.lookup import ClipFinder, media_path

RULE = CaseRule.parse()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_clips_come_in_natural_order_by_case_then_clip(tmp_path: Path) -> None:
    touch(tmp_path, "op10/clip_10.mp4", "op10/clip_2.mp4", "op2/B.mp4", "op2/a.MP4", "op2/notes.txt", ".trash/x.mp4")
    touch(tmp_path, "op2/.hidden.mp4")
    clips = find_clips([str(tmp_path)], RULE)
    assert [(clip.id, clip.order) for clip in clips] == [
        ("op2/a", 1), ("op2/B", 2), ("op10/clip_2", 1), ("op10/clip_10", 2),
    ]  # fmt: skip


def test_sources_are_folders_files_and_globs_and_count_once(tmp_path: Path) -> None:
    touch(tmp_path, "op/1.mp4", "op/2.mp4", "op/3.dat", "op/ü & #1.mov")
    sources = [
        str(tmp_path / "op"),
        str(tmp_path / "op" / "1.mp4"),
        str(tmp_path / "op" / "*"),
        str(tmp_path / "op/3.dat"),
    ]
    assert [clip.name for clip in find_clips(sources, RULE)] == ["1", "2", "3", "ü & #1"]


def test_a_relative_source_has_the_case_of_its_real_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "op7/1.mp4")
    monkeypatch.chdir(tmp_path / "op7")
    assert find_clips(["."], RULE)[0].id == "op7/1"


@pytest.mark.parametrize(
    ("case", "case_from", "expected"),
    [
        (None, "parent", "cam1"),
        (None, "grandparent", "op3"),
        (None, r"/(?P<case>op\d+)/", "op3"),
        ("mine", "parent", "mine"),
    ],
)
def test_the_case_of_a_path(case: str | None, case_from: str, expected: str) -> None:
    assert CaseRule.parse(case, case_from).case_of("/data/op3/cam1/0001.mp4") == expected
    assert CaseRule.parse(case, case_from).case_of("s3://bucket/op3/cam1/0001.mp4") == expected


@pytest.mark.parametrize(
    ("case", "case_from", "message"),
    [
        (None, "([", r"case_from='\(\[' is not a regular expression: "),
        (None, "op(\\d+)", r"has no group named 'case'"),
        (None, "uncle", r"has no group named 'case'"),
        ("a/b", "parent", r"case gives 'a/b', which cannot name a case"),
        (" ", "parent", r"case gives ' ', which cannot name a case"),
    ],
)
def test_a_rule_that_cannot_work_is_a_usage_error(case: str | None, case_from: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        CaseRule.parse(case, case_from)
    assert caught.value.hint


def test_an_expression_that_tries_for_ever_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsvid.video.clips._SEARCH_TIMEOUT_S", 0.2)
    rule = CaseRule.parse(None, r"(?P<case>(a|aa)+)$")
    with pytest.raises(SettingsError) as caught:
        rule.case_of("/data/" + "a" * 60 + "!/001.mp4")
    assert caught.value.message.startswith("case_from='(?P<case>(a|aa)+)$' takes more than 0.2 s on /data/aaa")
    assert "write a simpler expression" in caught.value.hint


def test_a_path_without_a_case_is_an_error() -> None:
    with pytest.raises(ClipError, match=r"001\.mp4 has no folder to name its case"):
        RULE.case_of("001.mp4")
    with pytest.raises(ClipError, match=r"no case found in x/001\.mp4 by case_from"):
        CaseRule.parse(None, "(?P<case>op[0-9])").case_of("x/001.mp4")


def test_two_files_that_would_be_one_clip_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a/op/1.mp4", "b/op/1.mp4", "b/op/2.mp4")
    with pytest.raises(DataError, match=r"several files would be the same clip") as caught:
        find_clips([str(tmp_path)], RULE)
    assert f"op/1: {tmp_path}/a/op/1.mp4, {tmp_path}/b/op/1.mp4" in caught.value.message
    assert "case_from" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "message"), [("none", "there is no "), ("empty", "holds no video"), ("*.mp4", "holds no video")]
)
def test_a_source_without_clips_is_an_error(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError, match=message):
        find_clips([str(tmp_path / source)], RULE)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_manifest_names_clips_cases_and_order(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, "v/b.mp4", "v/a.mp4", "v/c.mp4")
    manifest = tmp_path / f"clips{suffix}"
    if suffix == ".csv":
        manifest.write_text("\ufeffpath,case,clip,order\nv/a.mp4,op1,first,2\nv/b.mp4,op1,,1\nv/c.mp4,,,\n")
    else:
        manifest.write_text(
            '{"path": "v/a.mp4", "case": "op1", "clip": "first", "order": 2}\n'
            '{"path": "v/b.mp4", "case": "op1", "order": 1}\n\n{"path": "v/c.mp4"}\n'
        )
    clips = find_clips([str(manifest)], RULE)
    assert [(clip.id, clip.order, Path(clip.path).name) for clip in clips] == [
        ("op1/b", 1, "b.mp4"), ("op1/first", 2, "a.mp4"), ("v/c", 1, "c.mp4"),
    ]  # fmt: skip


def test_all_faults_of_a_manifest_are_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    manifest = tmp_path / "clips.csv"
    manifest.write_text("path,case,order,cam\na.mp4,op1,one,\n,op1,1,\nb.mp4,op1,2,\na.mp4,op1,3,left,right\n")
    with pytest.raises(DataError) as caught:
        find_clips([str(manifest)], RULE)
    lines = caught.value.message.splitlines()
    assert lines[0].endswith("clips.csv has faults:")
    assert "clips.csv:2: Expected `float`" in lines[1] or "clips.csv:2: " in lines[1]
    assert "clips.csv:3: Object missing required field `path`" in lines[2]
    assert f"clips.csv:4: there is no {tmp_path}/b.mp4" in lines[3]
    assert "clips.csv:5: 5 cells under 4 columns" in lines[4]


@pytest.mark.parametrize(
    "content",
    [
        "Path,Case\na.mp4,op1\n",
        "case;video;Camera;operator\nop1;a.mp4;left;Anna\n",
        "path\tcase\r\na.mp4\top1\r\n",
        "path,case\ra.mp4,op1\r",
        f"path,case,notes\na.mp4,op1,{'x' * 200_000}\n",
    ],
    ids=lambda content: content[:20],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_manifests_as_people_write_them(tmp_path: Path, content: str, encoding: str) -> None:
    touch(tmp_path, "a.mp4")
    manifest = tmp_path / "clips.csv"
    manifest.write_bytes(content.encode(encoding))
    assert [(clip.id, clip.path) for clip in find_clips([str(manifest)], RULE)] == [("op1/a", str(tmp_path / "a.mp4"))]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"path,ordr\na.mp4,2\n", "the column 'ordr' is not known; is it 'order'?"),
        ("m.csv", b"path,order\na.mp4,1e400\n", "m.csv:2: Number out of range"),
        ("m.csv", b"path,order\na.mp4,nan\n", "m.csv:2: order nan"),
        ("m.csv", b"path,case\na\0b.mp4,op1\n", "a NUL character"),
        ("m.csv", b"path,case\n" + b"x" * 10_000 + b".mp4,op1\n", "m.csv:2: there is no "),
        ("m.csv", b"path,case\n\xd6.mp4,op1\n", "line 2: not UTF-8 text (byte 0xd6)"),
        ("m.jsonl", b'{"path": "\xff"}\n', "line 1: not UTF-8 text (byte 0xff)"),
        ("m.jsonl", b'{"path": "a\\u0000b.mp4"}\n', "m.jsonl:1: "),
        ("m.jsonl", b"[" * 100_000, "m.jsonl:1: no JSON: maximum recursion depth"),
        ("m.jsonl", b'["a.mp4"]\n', "m.jsonl:1: no JSON object"),
        ("m.jsonl", b'{"path": "a.mp4", "order": ' + b"9" * 5000 + b"}", "m.jsonl:1: no JSON: "),
    ],
)
def test_a_hostile_manifest_is_one_clear_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        find_clips([str(tmp_path / name)], RULE)
    assert message in caught.value.message
    assert len(caught.value.message) < 700


def test_a_link_to_itself_and_a_path_too_long(tmp_path: Path) -> None:
    touch(tmp_path, "op1/a.mp4")
    (tmp_path / "op1/b.mp4").symlink_to(tmp_path / "op1/b.mp4")
    assert [clip.id for clip in find_clips([str(tmp_path)], RULE)] == ["op1/a", "op1/b"]
    for source in ("x" * 10_000, "a\0b"):
        with pytest.raises(ClipError, match="there is no "):
            find_clips([source], RULE)


@given(st.permutations(["clip_1", "clip_2", "clip_10", "clip_010", "Clip_3", "x"]))
def test_natural_order_does_not_depend_on_the_order_of_arrival(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert [n for n in ordered if "0" not in n] == ["clip_1", "clip_2", "Clip_3", "x"]
    names.reverse()
    assert ordered == sorted(names, key=natural_key)


GOPRO = ["GOPR0099", "GP010099", "GP020099", "gh010155", "GH020155", "GX010156", "GX020156", "GX100156", "GH010157"]


def test_gopros_chapters_are_in_the_order_of_recording() -> None:
    assert sorted({*GOPRO}, key=clip_key) == GOPRO
    plain = ["GH1", "GOPRO_2", "clip_1", "clip_2", "clip_10", "GH010155_cut"]  # not GoPro's scheme: as everywhere
    assert sorted(plain, key=clip_key) == sorted(plain, key=natural_key)
    assert missing_numbers(GOPRO) == [f"GX{number:02}0156" for number in range(3, 10)]
    assert missing_numbers(["GH020155", "GH010156", "GH010165", "GP010001"]) == ["GH010155", "GOPR0001"]


def test_recorded_times_that_contradict_the_order() -> None:
    assert recorded_later([("a", "2021-12-28T08:03:00Z"), ("b", None), ("c", "2021-12-28T08:02:00Z")]) == ("a", "c")
    assert recorded_later([("a", "2021-12-28T08:03:00Z"), ("b", "x"), ("c", "2021-12-28T09:03:00+01:00")]) is None
    assert recorded_later([]) is None


def test_missing_numbers_of_a_sequence() -> None:
    assert missing_numbers(["clip_1", "clip_2", "clip_5", "other"]) == ["clip_3", "clip_4"]
    assert missing_numbers(["001", "003"]) == ["002"]
    assert missing_numbers(["a_9", "a_10", "b_12"]) == []
    assert missing_numbers(["20260101120000", "20260101121000"]) == []


# --- finding again ---


@pytest.mark.parametrize(
    ("media", "path"),
    [
        ("/data/local-files/?d=clips/op%201/%C3%BC%20%26%231.mp4", "clips/op 1/ü &#1.mp4"),
        ("http://localhost:8080/data/local-files/?d=clips/1.mp4", "clips/1.mp4"),
        ("https://host/a%20b/1.mp4?X-Amz-Signature=secret", "/a b/1.mp4"),
        ("s3://bucket/op 1/ü#1.mp4", "s3://bucket/op 1/ü#1.mp4"),
        ("videos/1.mp4", "videos/1.mp4"),
        ("C:\\videos\\op1\\1.mp4", "C:/videos/op1/1.mp4"),
    ],
)
def test_the_path_in_what_an_export_names(media: str, path: str) -> None:
    assert media_path(media) == path


def test_the_longest_shared_end_wins(tmp_path: Path) -> None:
    touch(tmp_path, "case1/001.mp4", "case2/001.mp4", "case2/002.mp4")
    finder = ClipFinder([str(tmp_path)])
    assert finder.find("/mnt/elsewhere/case2/001.mp4") == str(tmp_path / "case2/001.mp4")
    assert finder.find("002.mp4") == str(tmp_path / "case2/002.mp4")


def test_a_tie_lists_both_and_a_miss_lists_where_it_looked(tmp_path: Path) -> None:
    touch(tmp_path, "case1/001.mp4", "case2/001.mp4")
    finder = ClipFinder([str(tmp_path)])
    with pytest.raises(ClipError, match=r"several files could be the clip x/001\.mp4") as caught:
        finder.find("x/001.mp4")
    assert str(tmp_path / "case1/001.mp4") in caught.value.message
    assert str(tmp_path / "case2/001.mp4") in caught.value.message
    with pytest.raises(ClipError, match=rf"cannot find the clip y\.mp4 \(looked in: {tmp_path}\)"):
        finder.find("y.mp4")
    with pytest.raises(ClipError, match=r"there is no .* to look for clips in"):
        ClipFinder([str(tmp_path / "none")])


def test_without_folders_the_path_in_the_export_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "videos/1.mp4")
    monkeypatch.chdir(tmp_path)
    assert ClipFinder([]).find("videos/1.mp4") == str(tmp_path / "videos/1.mp4")
    with pytest.raises(ClipError, match=r"looked in: videos/2\.mp4 itself"):
        ClipFinder([]).find("videos/2.mp4")


def test_every_error_has_a_hint() -> None:
    for source in ("nowhere", os.devnull + "x"):
        with pytest.raises(LsvidError) as caught:
            find_clips([source], RULE)
        assert caught.value.hint
