"""Features: as long as the labels, of the pictures they say, made once."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extractors
from builders import annotation, damaged, export, region, run, succeeded, task
from factories import VideoFactory
from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.training.clips import TrainingClip
from lsvid.training.features import CaseFeatures, FeatureOptions, features, write_features
from lsvid.video.index import probe
from lsvid.workers.processes import Processes
from s3_server import Bucket
from training_cases import MIXED, sampled_plainly, training_case


def _cases(videos: VideoFactory) -> list[TrainingClip]:
    return [
        *training_case(videos, MIXED, [None, None, None]),
        *training_case(videos, MIXED[:1], [None], case="op 2"),
    ]


def _numbers(clips: list[TrainingClip], case: str, fps: Fraction) -> list[int]:
    return [clip.case_frame + f for clip in clips if clip.case == case for f in sampled_plainly(clip, fps)]


@pytest.mark.parametrize("fps", [Fraction(1), Fraction(5), Fraction(25)])
def test_features_are_those_of_the_sampled_pictures_in_order(videos: VideoFactory, fps: Fraction) -> None:
    clips = _cases(videos)
    made = features(clips, extractors.number, FeatureOptions(fps, batch=7, short_side=60))
    assert list(made) == ["op1", "op 2"]
    for case, values in made.items():
        assert values.dtype == np.float32
        assert values.tolist()[0] == _numbers(clips, case, fps)
        assert set(map(tuple, values[1:].T.tolist())) == {(60, 80)}


def test_a_second_run_makes_only_what_is_missing_or_different(videos: VideoFactory, tmp_path: Path) -> None:
    clips = _cases(videos)
    options = FeatureOptions(1)
    done: list[int] = []

    def made(clips: list[TrainingClip], options: FeatureOptions) -> list[bool]:
        done.clear()
        results = write_features(clips, extractors.number, tmp_path, options, on_progress=lambda n, _=0: done.append(n))
        return [result.made for result in results if isinstance(result, CaseFeatures)]

    assert made(clips, options) == [True, True]
    assert sum(done) == len(_numbers(clips, "op1", Fraction(1))) + len(_numbers(clips, "op 2", Fraction(1)))
    values = np.load(tmp_path / "features" / "op_2.npy")
    assert values.shape == (3, 3)
    assert values[0].tolist() == [0, 25, 50]
    assert made(clips, options) == [False, False]
    (tmp_path / "features" / "op1.npy").unlink()
    assert made(clips, options) == [True, False]
    for name, damage in (("op1.npy", b""), ("op1.npy", b"\x93NUMPY"), ("op1.json", b""), ("op1.json", b'{"made')):
        (tmp_path / "features" / name).write_bytes(damage)
        assert made(clips, options) == [True, False], "one that is not whole"
    assert made(clips[1:], options) == [True, False], "another clip less"
    assert made(clips, FeatureOptions(5)) == [True, True]
    assert not list((tmp_path / "features").glob(".*"))


def test_a_function_by_its_name_works_in_processes(videos: VideoFactory, tmp_path: Path) -> None:
    clips = _cases(videos)
    results = write_features(clips, "extractors:number", tmp_path, FeatureOptions(5), Processes(2))
    assert [type(result) for result in results] == [CaseFeatures, CaseFeatures]
    assert np.load(tmp_path / "features" / "op1.npy")[0].tolist() == _numbers(clips, "op1", Fraction(5))


def test_features_into_s3(videos: VideoFactory, bucket: Bucket) -> None:
    clips = _cases(videos)[-1:]
    where = f"{bucket.uri}/set"
    (result,) = write_features(clips, extractors.number, where, FeatureOptions(1))
    assert isinstance(result, CaseFeatures)
    assert result.path == f"{where}/features/op_2.npy"
    (again,) = write_features(clips, extractors.number, where, FeatureOptions(1))
    assert isinstance(again, CaseFeatures)
    assert not again.made


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one_row", "gave float64 of shape (1, 5) for 3 pictures"),
        ("flat", "of shape (3,) for 3 pictures"),
        ("not_finite", "not finite for 3 of 3 pictures"),
        ("words", "of shape (3, 1) for 3 pictures"),
        ("changing", "gave 1 values for each picture, and 3 before"),
    ],
)
def test_an_extractor_that_gives_something_else(videos: VideoFactory, tmp_path: Path, name: str, said: str) -> None:
    clips = training_case(videos, [MIXED[1], MIXED[0]], [None, None])
    with pytest.raises(DataError) as caught:
        write_features(clips, getattr(extractors, name), tmp_path, FeatureOptions(1.5, batch=3))
    assert said in str(caught.value)
    assert not list((tmp_path / "features").glob("*"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("number", "names no function"),
        ("nowhere:number", "cannot load the extractor nowhere:number"),
        ("extractors:nobody", "cannot load the extractor extractors:nobody"),
        ("extractors:nothing", "is no function, but int"),
    ],
)
def test_an_extractor_that_cannot_be_found(videos: VideoFactory, tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        write_features(_cases(videos), name, tmp_path, FeatureOptions())


@pytest.mark.parametrize(
    "options", [{"fps": "0"}, {"batch": 0}, {"missing": "skip"}, {"format": "csv"}, {"size": (1, 1), "short_side": 2}]
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        FeatureOptions(**options)


def test_damage(videos: VideoFactory, tmp_path: Path) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20)  # so 47 to 59 cannot be decoded
    bad = TrainingClip("op1", "clip_1", str(path), probe(path), 0, None)
    good = training_case(videos, MIXED[:1], [None], case="op2")
    failed, fine = write_features([bad, *good], extractors.number, tmp_path, FeatureOptions(5))
    assert isinstance(failed, ClipError)
    assert "picture 50 cannot be decoded" in failed.message
    assert isinstance(fine, CaseFeatures)
    repeated, _ = write_features([bad, *good], extractors.number, tmp_path, FeatureOptions(5, missing="repeat"))
    assert isinstance(repeated, CaseFeatures)
    assert repeated.missing == 2
    assert np.load(repeated.path)[0, 8:14].tolist() == [40, 45, 45, 45, 60, 65]


def test_there_are_as_many_as_labels_in_the_same_folder(videos: VideoFactory, tmp_path: Path) -> None:
    clips = _cases(videos)
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth" / "op_2.txt").write_text("A\nA\nB\n")
    write_features(clips, extractors.number, tmp_path, FeatureOptions(1))
    with pytest.raises(DataError, match=r"case op 2: 14 pictures at 5 fps, but 3 labels in .*groundTruth/op_2.txt"):
        write_features(clips, extractors.number, tmp_path, FeatureOptions(5))


def test_the_command_and_mstcn_agree(clips: Path, tmp_path: Path) -> None:
    file = export(tmp_path, *(
        task(k, f"clip_{k}", annotation(k, 1, region(1, 30, "A"))) for k in (1, 2, 10)
    ))  # fmt: skip
    common = [file, "--clips", clips, "-o", tmp_path / "set"]
    succeeded(run("export-frames", *common, "--format", "mstcn", "--sample-fps", "5"))
    arguments = ["export-features", *common, "--extractor", "extractors:histogram", "--fps", "5", "--json"]
    first, again = (json.loads(succeeded(run(*arguments)).stdout) for _ in range(2))
    assert [case["made"] for case in first["cases"]] == [True]
    assert [case["made"] for case in again["cases"]] == [False]
    n_labels = len((tmp_path / "set" / "groundTruth" / "op1.txt").read_text().splitlines())
    assert np.load(tmp_path / "set" / "features" / "op1.npy").shape == (24, n_labels) == (24, 27)
    refused = run("export-features", *common, "--extractor", "extractors:histogram", "--fps", "1")
    assert refused.exit_code == 1
    assert "6 pictures at 1 fps, but 27 labels" in refused.output
    assert run("export-features", *common, "--extractor", "extractors").exit_code == 2


def test_cases_that_are_not_whole_are_left_out(clips: Path, tmp_path: Path) -> None:
    file = export(tmp_path, task(1, "clip_1", annotation(1, 1)), task(2, "clip_2"), task(10, "clip_10"))
    common = ["export-features", file, "--clips", clips, "-o", tmp_path / "set", "--extractor", "extractors:number"]
    refused = run(*common)
    assert refused.exit_code == 1
    assert "cases with clips that nobody has annotated" in refused.output
    succeeded(run(*common, "--include-unannotated"))
    assert np.load(tmp_path / "set" / "features" / "op1.npy").shape == (3, 2 + 3 + 1)


def test_an_error_is_one_of_lsvid(videos: VideoFactory, tmp_path: Path) -> None:
    with pytest.raises(LsvidError, match="no clip to make features of"):
        write_features([], extractors.number, tmp_path, FeatureOptions())
