"""Finding the file for what an annotation names as its video, however it is named there."""

import base64
import time
import unicodedata
from pathlib import Path

import pytest

from lsvid.errors import ClipError
from lsvid.video import lookup
from lsvid.video.lookup import AmbiguousClipError, ClipFinder, clip_name, media_path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def encoded(uri: str) -> str:
    return base64.urlsafe_b64encode(uri.encode()).decode()


NFD = unicodedata.normalize("NFD", "öp/Ärzte.mp4")

NAMES = [
    ("s1/CNGT0001_S1.mp4", "/data/upload/3/1d2f3e4a-CNGT0001_S1.mp4"),
    ("s1/my clip (1).mp4", "/data/upload/3/1d2f3e4a-my_clip_1.mp4"),
    ("s1/CNGT0001_S1.mp4", "http://localhost:8080/data/upload/1d2f3e4a-CNGT0001_S1.mp4"),
    ("s1/a.mp4", f"/tasks/7127/resolve/?fileuri={encoded('s3://recordings/s1/a.mp4')}"),
    ("s1/a.mp4", "http://host/tasks/7/resolve/?fileuri=" + encoded("s3://recordings/s1/a.mp4").replace("=", "%3D")),
    ("s1/a.mp4", f"/api/projects/7/file-proxy/?fileuri={encoded('gs://recordings/s1/a.mp4')}"),
    ("s1/a.mp4", "http://host/projects/7/presign/?fileuri=s3%3A%2F%2Frecordings%2Fs1%2Fa.mp4"),
    ("s1/cat+dog.mp4", "/data/local-files/?d=s1/cat%2Bdog.mp4"),
    ("s1/cat+dog.mp4", "/data/local-files/?d=s1/cat+dog.mp4"),
    ("s1/cat dog.mp4", "/data/local-files/?d=s1/cat+dog.mp4"),
    ("s1/a b.mp4", "https://host/s1/a+b.mp4"),
    ("s1/a%20b.mp4", "https://host/s1/a%20b.mp4"),
    ("s1/a b.mp4", "s1/a%20b.mp4"),
    ("s1/a.mp4", "/data/local-files/?d=s1%5Ca.mp4"),
    ("s1/a.mp4", r"C:\data/s1\a.mp4"),
    ("s1/a.mp4", r"\\server\share\s1\a.mp4"),
    ("öp/Ärzte.mp4", NFD),
    (NFD, "öp/Ärzte.mp4"),
    ("S1/CLIP_1.MP4", "s1/clip_1.mp4"),
    ("s1/a.mp4", "s1/a.wav"),
    ("s1/a.mp4", "/data/upload/3/1d2f3e4a-a.wav"),
    ("s1/v1.2.mp4", "s1/v1.2"),
    ("s1/a.mp4", "<video src='/data/local-files/?d=s1/a.mp4' width=100% muted /><img src onerror=\"$=n\"/>"),
    ("s1/a&b.mp4", '<video controls><source src="https://host/s1/a&amp;b.mp4?X-Amz-Signature=1"></video>'),
    ("s1/[x.mp4", "http://[bad/s1/[x.mp4"),
]


@pytest.mark.parametrize(("name", "media"), NAMES)
def test_a_clip_is_found_as_people_name_it(tmp_path: Path, name: str, media: str) -> None:
    touch(tmp_path, name, "s1/other.mp4", "s2/another.mp4")
    assert ClipFinder([str(tmp_path)]).find(media) == str(tmp_path / name)


@pytest.mark.parametrize(
    ("exact", "loose", "media"),
    [
        ("s1/1d2f3e4a-a.mp4", "s1/a.mp4", "/data/upload/3/1d2f3e4a-a.mp4"),
        ("s1/cat dog.mp4", "s1/cat+dog.mp4", "/data/local-files/?d=s1/cat+dog.mp4"),
        ("s1/a.mp4", "s1/A.mp4", "x/a.mp4"),
        ("op1/a.mp4", "OP1/A.MP4", "s1/op1/a.mp4"),
        ("s2/a.MP4", "s2/a.mp4", "s2/a.MP4"),
    ],
)
def test_an_exact_match_wins(tmp_path: Path, exact: str, loose: str, media: str) -> None:
    touch(tmp_path, exact, loose)
    finder = ClipFinder([str(tmp_path)])
    assert finder.find(media) == str(tmp_path / exact)
    assert not finder.loosely


@pytest.mark.parametrize(
    ("names", "media"),
    [
        (("s1/a.mp4", "s2/a.mp4"), "/data/upload/3/1d2f3e4a-a.mp4"),
        (("s1/A.mp4", "s1/a.MP4"), "s1/a.mp4"),
        (("s1/a.mp4", "s1/a.mov"), "s1/a.wav"),
        (("s1/a b.mp4", "s1/a_b.mp4"), "/data/upload/3/1d2f3e4a-a_b_.mp4"),
    ],
)
def test_several_loose_matches_are_an_error_or_a_miss(tmp_path: Path, names: tuple[str, ...], media: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(ClipError) as caught:
        ClipFinder([str(tmp_path)]).find(media)
    if isinstance(caught.value, AmbiguousClipError):
        assert all(str(tmp_path / name) in caught.value.message for name in names)
    else:
        assert "the nearest there: " in caught.value.message


@pytest.mark.parametrize(
    ("there", "lies_elsewhere", "media"),
    [
        ("op6/b.mp4", "op5/a.mp4", "/d/op6/a.mp4"),
        ("OP6/b.mp4", "op5/a.MP4", "D:\\d\\op6\\a.mp4"),
        ("op6/cam2/a.mp4", "op5/cam1/a.mp4", "op6/cam1/a.mp4"),
    ],
)
def test_a_video_of_the_same_name_in_another_folder_is_none(
    tmp_path: Path, there: str, lies_elsewhere: str, media: str
) -> None:
    touch(tmp_path, there, lies_elsewhere)
    finder = ClipFinder([str(tmp_path)])
    with pytest.raises(ClipError, match="cannot find the clip"):
        finder.find(media)
    assert ClipFinder([str(tmp_path / "op5")]).find(media) == str(tmp_path / lies_elsewhere)  # as it is called there


def test_folders_that_agree_loosely_decide_between_files_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "op1/clip_1.mp4", "op2/clip_1.mp4")
    finder = ClipFinder([str(tmp_path)])
    assert finder.find(r"D:\Films\OP2\clip_1.mp4") == str(tmp_path / "op2/clip_1.mp4")
    assert finder.find("OP1/clip_1") == str(tmp_path / "op1/clip_1.mp4")


def test_the_nearest_names_are_shown(tmp_path: Path) -> None:
    touch(tmp_path, "op1/clip_01.mp4", "op1/interview.mp4")
    with pytest.raises(ClipError, match=r"; the nearest there: clip_01\.mp4\nhint"):
        ClipFinder([str(tmp_path)]).find("op1/clip_1.mp4")


def test_what_was_found_loosely_is_remembered(tmp_path: Path) -> None:
    touch(tmp_path, "op1/clip_1.mp4")
    finder = ClipFinder([str(tmp_path)])
    finder.find("op1/clip_1")
    assert not finder.loosely  # label formats leave the ending out
    finder.find("op1/clip_1.wav")
    assert finder.loosely == {"op1/clip_1.wav": str(tmp_path / "op1/clip_1.mp4")}


def test_paths_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [r"C:\clips\op1\clip_1.mp4", r"C:\clips\op2\clip_1.mp4", r"\\nas\share\op3\clip_1.mp4"]
    monkeypatch.setattr(lookup, "videos_of_root", lambda _: iter(files))
    finder = ClipFinder(["C:\\clips"])
    assert finder.find("/data/local-files/?d=op2/clip_1.mp4") == files[1]
    assert finder.find(r"D:\other\op3\clip_1.mp4") == files[2]
    assert clip_name(files[0]) == "clip_1"
    with pytest.raises(AmbiguousClipError):
        finder.find("clip_1.mp4")


HOSTILE = [
    "//[x", "http://[bad", "a\0b.mp4", "x" * 10_000 + ".mp4", "", "/", "<video src=''>", "/data/local-files/",
    "/x/resolve/?fileuri=%FF%FE", "\\\\", "1d2f3e4a-",
]  # fmt: skip


@pytest.mark.parametrize("media", HOSTILE)
def test_hostile_names_are_not_found(tmp_path: Path, media: str) -> None:
    touch(tmp_path, "op1/clip_1.mp4")
    for roots in ([], [str(tmp_path)]):
        with pytest.raises(ClipError):
            ClipFinder(roots).find(media)
    media_path(media)


def test_no_secret_of_an_address_is_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClipError) as caught:
        ClipFinder([str(tmp_path)]).find("https://user:pw@host/op1/a.mp4?X-Amz-Signature=5E3C&X-Amz-Expires=9")
    assert "https://host/op1/a.mp4" in caught.value.message
    for secret in ("5E3C", "pw", "Expires"):
        assert secret not in caught.value.message


def test_a_search_does_not_grow_with_the_files_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(n: int) -> float:
        files = [f"/mnt/data/op{number}/clip_0.mp4" for number in range(n)]
        monkeypatch.setattr(lookup, "videos_of_root", lambda _: iter(files))
        finder = ClipFinder(["/mnt/data"])
        finder.find("/elsewhere/op0/clip_0.mp4")
        finder.find("/elsewhere/OP0/clip_0.mp4")  # makes both indexes
        begun = time.process_time()
        for number in range(1000):
            assert finder.find(f"/elsewhere/op{number}/clip_0.mp4") == files[number]
            assert finder.find(f"/elsewhere/OP{number}/clip_0.mp4") == files[number]
        return time.process_time() - begun

    assert seconds(20_000) < 5 * seconds(1000) + 0.1
