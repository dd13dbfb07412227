"""A model's probabilities, a row for each time of a whole case, as spans of its clips."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import run, succeeded
from factories import VideoFactory
from lsvid.annotations.probabilities import ProbabilityOptions
from lsvid.annotations.spans import Status
from lsvid.annotations.stages import AnnotatedClip, Selection, Stage
from lsvid.errors import ExportError, SettingsError
from lsvid.findings import Findings
from lsvid.labels.files import parse_labels_text
from lsvid.labels.tree import join_path
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located
from lsvid.video.timebase import sample_frames

CLASSES = ["background", "Cut", "Tie"]
TREE = parse_labels_text("Cut\nTie\n--Knot\n", "labels.txt")
KNOT = join_path(("Tie", "Knot"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, videos: VideoFactory) -> Path:
    """A case of three clips of 3.2, 2 and 3.2 s, at different rates; and another of one clip."""
    root = tmp_path_factory.mktemp("probabilities") / "clips"
    (root / "op1").mkdir(parents=True)
    (root / "op2").mkdir()
    for number, (n_frames, rate) in enumerate([(16, 5), (20, 10), (16, 5)], start=1):
        videos.make(root / "op1" / f"clip_{number}.mp4", n_frames=n_frames, rate=Fraction(rate))
    videos.make(root / "op2" / "clip_1.mp4", n_frames=10, rate=Fraction(5))
    return root


def one_hot(*codes: int) -> np.ndarray[Any, Any]:
    return np.eye(len(CLASSES))[list(codes)] * 0.8 + 0.1


def folder(tmp_path: Path, **cases: np.ndarray[Any, Any]) -> Path:
    path = tmp_path / "net"
    path.mkdir()
    (path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for case, values in cases.items():
        np.save(path / f"{case}.npy", values)
    return path


def read(path: Path, clips: Path, findings: Findings | None = None, **options: Any) -> Stage[AnnotatedClip]:
    tree = options.pop("tree", None)
    chosen = ProbabilityOptions(**({"fps": Fraction(1)} | options))
    selection = Selection(statuses=frozenset({Status.PREDICTION}))
    request = ReadRequest(
        (str(path),), roots=(str(clips),), labels=tree, options=ReadOptions(probabilities=chosen), selection=selection
    )
    return read_located(request, findings or Findings()).located


def spans(located: Stage[AnnotatedClip]) -> list[tuple[str, str, int, int]]:
    return [(clip.name, span.label[0], span.start_frame, span.stop_frame)
            for clip in located.clips for work in clip.tracks for span in work.spans]  # fmt: skip


def test_rows_of_each_clip_s_own_sampling(tmp_path: Path, clips: Path) -> None:
    """4 + 2 + 4 rows: a clip's last row is short where its length is no whole number of rows."""
    path = folder(tmp_path, op1=one_hot(0, 1, 1, 1, 1, 2, 2, 0, 0, 1))
    located = read(path, clips)
    assert spans(located) == [
        ("clip_1", "Cut", 5, 16),
        ("clip_2", "Cut", 0, 10),  # one stretch, cut at the clip's end
        ("clip_2", "Tie", 10, 20),
        ("clip_3", "Tie", 0, 5),
        ("clip_3", "Cut", 15, 16),
    ]
    works = [work for clip in located.clips for work in clip.tracks]
    assert {work.annotator for work in works} == {"net"}
    assert [work.annotation.score for work in works] == pytest.approx([0.9, 0.9, 0.9])
    assert {round(span.score or 0, 9) for work in works for span in work.spans} == {0.9}


def test_rows_of_the_case_s_own_time(tmp_path: Path, clips: Path) -> None:
    """At 2 a second the clips have 7 + 4 + 7 pictures, but the case of 8.4 s has 17 times."""
    codes = [0] * 6 + [1, 1] + [2] * 9
    located = read(folder(tmp_path, op1=one_hot(*codes)), clips, fps=Fraction(2))
    # 3.0 s and 4.0 s of the case: the last picture of clip_1 is at 3.0, 0.8 s of clip_2 are at 4.0.
    assert spans(located) == [("clip_1", "Cut", 15, 16), ("clip_2", "Cut", 0, 8), ("clip_2", "Tie", 8, 20),
                              ("clip_3", "Tie", 0, 16)]  # fmt: skip


@pytest.mark.parametrize("fps", [1, 2, 3, 5])
def test_sampled_again_each_row_has_its_class(tmp_path: Path, clips: Path, fps: int) -> None:
    n_rows = {1: 10, 2: 18, 3: 26, 5: 42}[fps]
    codes = np.random.default_rng(fps).integers(0, 3, n_rows)
    found = []
    for clip in read(folder(tmp_path, op1=one_hot(*codes)), clips, fps=Fraction(fps)).clips:
        labels = np.zeros(clip.index.n_frames, int)
        for span in clip.tracks[0].spans:
            labels[span.start_frame : span.stop_frame] = CLASSES.index(span.label[0])
        found += labels[sample_frames(clip.index, Fraction(fps))].tolist()
    assert found == codes.tolist()


@pytest.mark.parametrize("fps", [10, 25, 100])
@pytest.mark.parametrize("hysteresis", [None, (0.5, 0.5)])
def test_above_the_rate_of_the_clips_times_are_theirs(
    tmp_path: Path, clips: Path, fps: int, hysteresis: tuple[float, float] | None
) -> None:
    """16 pictures of 0.2 s, 20 of 0.1 s, 16 of 0.2 s: stretches of 1.6 s, then of 1.6 + 0.6, 1.4 and 3.2 s."""
    codes = [0] * 8 + [1] * 8 + [1] * 6 + [2] * 14 + [1] * 16
    path = folder(tmp_path, op1=one_hot(*codes))
    whole = [("clip_1", "Cut", 8, 16), ("clip_2", "Cut", 0, 6), ("clip_2", "Tie", 6, 20), ("clip_3", "Cut", 0, 16)]
    options: dict[str, Any] = {"fps": Fraction(fps), "hysteresis": hysteresis}
    assert spans(read(path, clips, **options)) == whole
    assert spans(read(path, clips, **options, min_duration_s=Fraction("1.4"))) == whole
    found = spans(read(path, clips, **options, min_duration_s=Fraction("1.5")))
    if hysteresis is None:
        assert found == [("clip_1", "Cut", 8, 16), ("clip_2", "Cut", 0, 20), ("clip_3", "Cut", 0, 16)]
    else:
        assert found == [span for span in whole if span[1] == "Cut"]


def test_npz_and_csv(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path)
    np.savez(path / "op2.npz", probabilities=one_hot(1, 2), fps=1)
    assert spans(read(path, clips, fps=None)) == [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]
    (path / "op2.npz").unlink()
    (path / "op2.csv").write_text("background,Cut,Tie\n0.1,0.9,0\n0,0.1,0.9\n")
    assert spans(read(path, clips)) == [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]
    assert spans(read(path / "op2.csv", clips)) == [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]


def test_hysteresis_gives_several_at_once(tmp_path: Path, clips: Path) -> None:
    located = read(folder(tmp_path, op2=np.array([[0.0, 0.9, 0.4], [0.0, 0.4, 0.9]])), clips, hysteresis=(0.8, 0.3))
    assert spans(located) == [("clip_1", "Cut", 0, 10), ("clip_1", "Tie", 0, 10)]


def test_all_that_is_wrong_is_one_error(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op1=one_hot(0, 1, 2), op3=one_hot(1))
    np.save(path / "op2.npy", np.array([[0.5, np.nan], [3.0, 0.0]]))
    (path / "op4.csv").write_text("0.1,0.2\n0.3\n")
    np.savez(path / "op5.npz", a=one_hot(1), b=one_hot(2))
    np.save(path / "op6.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ExportError) as caught:
        read(path, clips)
    faults = [fault.replace(f"{path}/", "") for fault in caught.value.faults]
    assert faults == [
        "op1.npy: has 3 rows; its 3 clips have 10 pictures at 1 a second, or 9 by the time of the whole case",
        "op2.npy: has 2 columns for 3 classes",
        "op2.npy: holds 1 that are no number, the first in row 0, column 1",
        "op2.npy: holds 1 outside 0 to 1, the first in row 1, column 0: 3; are these logits?",
        "op3.npy: no clips of a case op3 are known; known cases: op1, op2",
        "op4.csv: no clips of a case op4 are known; known cases: op1, op2",
        "op4.csv: cannot be read: its lines have 1 to 2 columns",
        "op5.npz: no clips of a case op5 are known; known cases: op1, op2",
        "op5.npz: cannot be read: it holds a, b; call the array 'probabilities'",
        "op6.npy: no clips of a case op6 are known; known cases: op1, op2",
        "op6.npy: cannot be read: Object arrays cannot be loaded when allow_pickle=False",
    ]


def test_damaged_arrays_are_faults(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op1=one_hot(1), op2=one_hot(1))
    sound = (path / "op2.npy").read_bytes()
    (path / "op1.npy").write_bytes(sound.replace(b"'<f8'", b"('<f8"))  # the header is no Python expression
    (path / "op2.npy").write_bytes(b"")
    (path / "op3.npy").write_bytes(sound.replace(b"(1, 3)", b"(1" + b"0" * 16 + b", 3)"))  # more than any memory
    np.savez(path / "op4.npz", probabilities=one_hot(1), fps=-1)
    (path / "op5.npz").write_bytes((path / "op4.npz").read_bytes()[:-30])
    with pytest.raises(ExportError) as caught:
        read(path, clips, fps=None)
    faults = [fault.replace(f"{path}/", "") for fault in caught.value.faults if "no clips of a case" not in fault]
    assert [fault.partition(": ")[:1] for fault in faults] == [
        (f"op{n}.np{'y' if n < 4 else 'z'}",) for n in range(1, 6)
    ]
    assert all("cannot be read: " in fault for fault in faults), faults
    assert "it has -1 rows a second" in faults[3]


def test_a_class_that_no_label_has(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    (path / "classes.txt").write_text("background\nKnot\nSew\n")
    with pytest.raises(ExportError, match="class 'Sew' is no label"):
        read(path, clips, tree=TREE)


def faults_in(path: Path, clips: Path, **options: Any) -> list[str]:
    with pytest.raises(ExportError) as caught:
        read(path, clips, **options)
    return [fault.replace(f"{path}", "net") for fault in caught.value.faults]


def test_no_fault_hides_another(tmp_path: Path, clips: Path) -> None:
    """Wrong rows, a value that is no number, and a class that is no label, in one file and in a second."""
    values = one_hot(*[0] * 7)
    values[2, 1] = np.nan
    path = folder(tmp_path, op1=values, op2=one_hot(*[1] * 7))
    (path / "classes.txt").write_text("background\nKnot\nNope\n")
    assert faults_in(path, clips, tree=TREE) == [
        "net/classes.txt: class 'Nope' is no label",
        "net/op1.npy: holds 1 that are no number, the first in row 2, column 1",
        "net/op1.npy: has 7 rows; its 3 clips have 10 pictures at 1 a second, or 9 by the time of the whole case",
        "net/op2.npy: has 7 rows; its 1 clips have 2 pictures at 1 a second",
    ]


def test_a_fault_in_one_case_leaves_out_that_case_alone(tmp_path: Path, clips: Path) -> None:
    path, findings = folder(tmp_path, op1=one_hot(1), op2=one_hot(1, 2)), Findings()
    selection = Selection(statuses=frozenset({Status.PREDICTION}))
    options = ReadOptions(probabilities=ProbabilityOptions(fps=Fraction(1)))
    request = ReadRequest((str(path),), roots=(str(clips),), options=options, selection=selection, skip_bad=True)
    located = read_located(request, findings).located
    assert spans(located) == [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]
    assert [clip.case for clip in located.clips] == ["op2"]


def test_two_files_of_one_case(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    (path / "op2.csv").write_text("0,0,1\n0,1,0\n0,0,2\n0,0,1\n")
    assert faults_in(path, clips) == [
        "net: 2 files of case op2: op2.csv, op2.npy",
        "net/op2.csv: holds 1 outside 0 to 1, the first in row 2, column 2: 2; are these logits?",
        "net/op2.csv: has 4 rows; its 1 clips have 2 pictures at 1 a second",
    ]


@pytest.mark.parametrize(
    ("classes", "same"),
    [
        (["Cut", "Tie", "Tie"], "'Tie', 'Tie'"),
        (["background", "Cut", "background"], "'background', 'background'"),
        (["Knot", KNOT, "Cut"], f"'Knot', '{KNOT}'"),
    ],
)
def test_two_classes_of_one_label(tmp_path: Path, clips: Path, classes: list[str], same: str) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    (path / "classes.txt").write_text("\n".join(classes))
    assert faults_in(path, clips, tree=TREE) == [f"net/classes.txt: several classes are one label: {same}"]


def test_csv_files_that_name_their_columns_need_no_list_of_classes(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path)
    (path / "classes.txt").unlink()
    (path / "op2.csv").write_text("background,Cut,Tie\n0.1,0.9,0\n0,0.1,0.9\n")
    expected = [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]
    assert spans(read(path, clips)) == spans(read(path / "op2.csv", clips)) == expected
    (path / "op1.csv").write_text("background,Sew,Tie\n" + "0,0,1\n" * 10)
    (path / "op2.csv").write_text("background,Sew,Tie\n0.1,0.9,0\n0,0.1,0.9\n")
    assert faults_in(path, clips, tree=TREE) == ["net/op1.csv: class 'Sew' is no label"]
    (path / "op2.csv").write_text("0.1,0.9,0\n0,0.1,0.9\n")
    assert faults_in(path, clips) == [
        "net/op2.csv: its columns have no names: write classes.txt beside it, a name a line"
    ]
    (path / "op1.csv").unlink()
    with pytest.raises(ExportError, match="of no format"):
        read(path, clips)


def test_two_rates_for_one_file(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path)
    np.savez(path / "op2.npz", probabilities=one_hot(1, 2), fps=np.float32(1))
    assert spans(read(path, clips, fps=Fraction(1))) == spans(read(path, clips, fps=None))
    assert faults_in(path, clips, fps=Fraction(2))[0] == (
        "net/op2.npz: says itself that it has 1 rows a second; you gave 2"
    )
    np.savez(path / "op2.npz", probabilities=one_hot(*[1] * 10), fps=29.97)
    assert spans(read(path, clips, fps=Fraction(30000, 1001))) == [("clip_1", "Cut", 0, 10)]


def test_the_rate_and_the_clips_must_be_known(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    with pytest.raises(ExportError, match="how many rows a second"):
        read(path, clips, fps=None)
    with pytest.raises(ExportError, match="the clips of these cases are not known"):
        read_located(ReadRequest((str(path),)), Findings())


def test_numbered_classes(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    (path / "classes.txt").write_text("0 background\n1 Cut\n2 Tie\n")
    assert spans(read(path, clips)) == [("clip_1", "Cut", 0, 5), ("clip_1", "Tie", 5, 10)]


def test_commands(tmp_path: Path, clips: Path) -> None:
    path = folder(tmp_path, op2=one_hot(1, 2))
    arguments = ("--clips", clips, "--probability-fps", 1)
    result = succeeded(run("export-spans", path, *arguments, "--status", "prediction"))
    truth = tmp_path / "truth.jsonl"
    truth.write_text(result.stdout.replace('"prediction"', '"accepted"'))
    result = succeeded(
        run("evaluate", truth, path, "--probability-fps", 1, "--min-duration", 0.5, "-o", tmp_path / "out")
    )
    assert "accuracy" in result.stderr
    assert "unrelaxed       100.0" in result.stderr
    assert "detections      mAP activitynet 1.000" in result.stderr
    result = run("evaluate", truth, path, "--hysteresis", "0.2,0.5", "-o", tmp_path / "out")
    assert result.exit_code == 2


def test_options_may_be_a_dict() -> None:
    options = ReadOptions(probabilities={"fps": 1, "median_s": 2})  # type: ignore[arg-type]
    assert options.probabilities == ProbabilityOptions(fps=Fraction(1), median_s=Fraction(2))
    with pytest.raises(SettingsError, match="probabilities") as caught:
        ReadOptions(probabilities={"rate": 1})  # type: ignore[arg-type]
    assert "choose from fps, model" in caught.value.hint
