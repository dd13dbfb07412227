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
from lsvid.cli.flags import as_flag
from lsvid.errors import ClipError, DataError, LsvidError, SettingsError
from lsvid.training.clips import TrainingClip
from lsvid.training.features import CaseFeatures, FeatureOptions, features, write_features
from lsvid.video.index import probe
from lsvid.wording import spoken
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
    assert made(clips[1:], options) == [True, False], "another clip less"
    assert made(clips, FeatureOptions(5)) == [True, True]
    assert not list((tmp_path / "features").glob(".*"))


def _fitting(clips: list[TrainingClip], folder: str | Path) -> bool:
    """Whether the run made the features anew."""
    (result,) = write_features(clips, extractors.number, folder, FeatureOptions(1))
    assert isinstance(result, CaseFeatures)
    return result.made


@pytest.mark.parametrize("where", ["here", "s3"])
def test_what_a_killed_run_left_is_not_trusted(
    videos: VideoFactory, tmp_path: Path, request: pytest.FixtureRequest, where: str
) -> None:
    clips = _cases(videos)[-1:]
    bucket: Bucket | None = request.getfixturevalue("bucket") if where == "s3" else None
    folder: str | Path = f"{bucket.uri}/set" if bucket else tmp_path / "set"

    def get(name: str) -> bytes:
        return bucket.get(f"set/features/{name}") if bucket else (tmp_path / "set/features" / name).read_bytes()

    def put(name: str, content: bytes) -> None:
        if bucket:
            bucket.put(f"set/features/{name}", content)
        else:
            (tmp_path / "set/features" / name).write_bytes(content)

    assert [_fitting(clips, folder), _fitting(clips, folder)] == [True, False]
    values, record = get("op_2.npy"), get("op_2.json")
    for name, left in [
        ("op_2.npy", b""), ("op_2.npy", values[:-1]), ("op_2.npy", values[:128]),
        ("op_2.json", b""), ("op_2.json", record[:40]), ("op_2.json", b"[]"),
    ]:  # fmt: skip
        put(name, left)
        assert _fitting(clips, folder), (name, left)
        assert (get("op_2.npy"), get("op_2.json")) == (values, record)
    assert not _fitting(clips, folder)


def test_a_cluster_makes_the_same_bytes(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    file = export(tmp_path, *(
        task(k, f"clip_{k}", annotation(k, 1, region(1, 30, "A"))) for k in (1, 2, 10)
    ))  # fmt: skip
    work = tmp_path / "mine"  # the extractor's module lies only where the command runs
    work.mkdir()
    (work / "shades_of_mine.py").write_text("def means(pictures):\n    return pictures.mean(axis=(1, 2))\n")
    monkeypatch.chdir(work)
    command = ["export-features", file, "--clips", clips, "--extractor", "shades_of_mine:means", "--fps", "5", "--json"]
    here = json.loads(succeeded(run(*command, "-o", tmp_path / "here")).stdout)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=60,
        env={"LSVID_CACHE_DIR": str(tmp_path / "cache")}, local_directory=str(tmp_path / "dask"),
    ) as made:  # fmt: skip
        on_cluster = [*command, "-o", tmp_path / "there", "--scheduler", made.scheduler_address]
        there, again = (json.loads(succeeded(run(*on_cluster)).stdout) for _ in range(2))
    assert [case["made"] for case in [*here["cases"], *there["cases"], *again["cases"]]] == [True, True, False]

    def content(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert np.load(tmp_path / "there" / "features" / "op1.npy").shape[0] == 3


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


def test_the_last_picture_is_damaged(videos: VideoFactory, tmp_path: Path) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [95], n_frames=101, gop=20)  # so 95 to 99, and not 100
    bad = TrainingClip("op1", "clip_1", str(path), probe(path), 0, None)
    options = FeatureOptions(Fraction(25, 19))  # the last of the pictures 0, 19, … 95
    with pytest.raises(ClipError, match="picture 95 cannot be decoded"):
        features([bad], extractors.number, options)


@pytest.mark.parametrize("where", ["here", "in a process"])
def test_a_function_that_fails(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    extractor: Any = extractors.broken if where == "here" else "extractors:broken"
    said = "case op 2: your function extractors:broken failed: RuntimeError: CUDA out of memory"

    def made() -> tuple[CaseFeatures | LsvidError, ...]:
        return tuple(write_features(_cases(videos), extractor, tmp_path, FeatureOptions(1), Processes(1)))

    monkeypatch.delenv("LSVID_DEBUG", raising=False)
    fine, failed = made()
    assert isinstance(fine, CaseFeatures), "the other case is made"
    assert isinstance(failed, ClipError)
    assert failed.message == said
    assert failed.hint.startswith("lsvid only calls this function")
    monkeypatch.setenv("LSVID_DEBUG", "1")
    _, failed = made()
    assert isinstance(failed, ClipError)
    first, *lines = failed.message.splitlines()
    assert first == said
    assert "extractors.py" in lines[1]
    assert "in broken" in lines[1]
    assert not any("features.py" in line for line in lines)
    with pytest.raises(ClipError, match="your function extractors:broken failed") as caught:
        features(_cases(videos), extractor, FeatureOptions(1))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_the_command_says_whose_function_failed(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = export(tmp_path, *(task(k, f"clip_{k}", annotation(k, 1)) for k in (1, 2, 10)))
    (tmp_path / "module_that_fails.py").write_text("1 / 0\n")
    (tmp_path / "function_that_fails.py").write_text("def shades(pictures):\n    raise RuntimeError('CUDA')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSVID_DEBUG", raising=False)
    command = ["export-features", file, "--clips", clips, "-o", tmp_path / "set", "--extractor"]
    result = run(*command, "function_that_fails:shades")
    assert result.exit_code == 1
    assert "case op1: your function function_that_fails:shades failed: RuntimeError: CUDA" in result.output
    assert "report" not in result.output
    result = run(*command, "module_that_fails:shades")
    assert result.exit_code == 2
    assert "module_that_fails fails: ZeroDivisionError: division by zero" in result.output
    assert "report" not in result.output


def test_damage(videos: VideoFactory, tmp_path: Path) -> None:
    path = damaged(videos, tmp_path / "a.mp4", [47], n_frames=120, gop=20)  # so 47 to 59 cannot be decoded
    bad = TrainingClip("op1", "clip_1", str(path), probe(path), 0, None)
    good = training_case(videos, MIXED[:1], [None], case="op2")
    failed, fine = write_features([bad, *good], extractors.number, tmp_path, FeatureOptions(5))
    assert isinstance(failed, ClipError)
    assert "picture 50 cannot be decoded" in failed.message
    assert "copy the clip again from its source" in failed.hint
    with spoken(as_flag):
        failed, _ = write_features([bad, *good], extractors.number, tmp_path, FeatureOptions(5))
    assert isinstance(failed, ClipError)
    assert failed.hint.endswith("the features of the one before: --damaged repeat")
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
