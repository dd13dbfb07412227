"""lsvid.evaluate against published programs' numbers (tests/data/evaluation) and against plain counting."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lsvid.analysis.evaluated import Evaluation
from lsvid.analysis.evaluation import _plain_hits, evaluate
from lsvid.errors import PairingError, SettingsError

DATA = Path(__file__).parent.parent / "data" / "evaluation"
EXPECTED = json.loads((DATA / "expected.json").read_text())
SETS = list(EXPECTED["sets"])
LABELS = [f"phase {k}" for k in range(7)]
EVERY = ("tmrnet", "tmrnet-fixed", "surgformer", "tmrnet-m2cai", "svrcnet-m2cai", "cholec80")


def arrays(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and predictions of a golden set: by case, a label for each frame."""
    sides: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
    with (DATA / f"{name}.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            for side, column in zip(sides, ("truth", "prediction"), strict=True):
                side.setdefault(row["case"], []).extend([int(row[column])] * (int(row["stop"]) - int(row["start"])))
    truth, said = ({case: np.array(values) for case, values in side.items()} for side in sides)
    return truth, said


def golden(name: str, **more: Any) -> Evaluation:
    truth, said = arrays(name)
    return evaluate(truth, said, labels=LABELS, fps=1, as_=EVERY, **more)


def differences(found: Any, expected: Any, place: str = "") -> list[str]:
    """Where `found` lacks something of `expected`, or has another number."""
    if isinstance(expected, dict):
        lacking = [f"{place}.{key}: not there" for key in expected if key not in found]
        return lacking + [d for key, value in expected.items() if key in found
                          for d in differences(found[key], value, f"{place}.{key}")]  # fmt: skip
    if isinstance(expected, list):
        if len(found) != len(expected):
            return [f"{place}: {len(found)} values, not {len(expected)}"]
        return [
            d for k, (a, b) in enumerate(zip(found, expected, strict=True)) for d in differences(a, b, f"{place}[{k}]")
        ]
    if isinstance(expected, str) or expected is None or found is None:
        return [] if found == expected else [f"{place}: {found}, not {expected}"]
    return [] if found == pytest.approx(expected, rel=0, abs=1e-9) else [f"{place}: {found}, not {expected}"]


@pytest.mark.parametrize("name", SETS)
def test_golden(name: str) -> None:
    expected = dict(EXPECTED["sets"][name])
    expected["relaxed"] = {key: value for key, value in expected["relaxed"].items() if key != "tmrnet_fps25"}
    assert differences(golden(name).as_dict(), expected) == []


@pytest.mark.parametrize("name", SETS)
def test_golden_of_the_wrong_rate(name: str) -> None:
    """M2CAI's script takes 25 fps for files of 1 fps: it relaxes by 250 s."""
    expected = EXPECTED["sets"][name]["relaxed"]["tmrnet_fps25"]
    assert differences(golden(name, relaxed_s=250).as_dict()["relaxed"]["tmrnet"], expected) == []


def scored() -> dict[str, list[tuple[float, float, int, float]]]:
    found: dict[str, list[tuple[float, float, int, float]]] = {}
    with (DATA / "7_detections.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            one = (float(row["start"]), float(row["stop"]), int(row["label"]), float(row["score"]))
            found.setdefault(row["case"], []).append(one)
    return found


def test_golden_detections() -> None:
    expected = {key: value for key, value in EXPECTED["detections"].items() if key != "truth"}
    assert differences(golden("4_order", scored=scored()).as_dict()["detections"], expected) == []


def test_it_prints_the_paper_s_table() -> None:
    truth, said = arrays("1_plain")
    lines = str(evaluate(truth, said, labels=LABELS, fps=1)).splitlines()
    assert lines == [
        "4 cases, 7 labels, 2459 frames at 1 fps; 0 frames without truth (ignored)",
        "                accuracy      precision     recall        Jaccard       F1",
        "unrelaxed       95.2 ± 1.6    95.6 ± 0.8    94.3 ± 2.8    90.1 ± 3.4    94.7 ± 2.0",
        "relaxed 10 s    100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0   100.0 ± 0.0",
        "segments        edit 100.0    F1@10 100.0   F1@25 100.0   F1@50 100.0",
        "mean over the labels in a case's truth (strategy B), then mean ± SD (n-1) over cases",
    ]


def test_what_is_published_says_so() -> None:
    text = str(golden("2_absent"))
    assert "as tmrnet       93.1 ± 3.2    95.8 ± 2.8    92.1 ± 7.3    87.8 ± 7.3" in text
    assert "a published script's numbers, its faults included" in text
    warnings = golden("2_absent").warnings
    assert any("tmrnet: " in one and "infinite" in one and "cut to 100" in one for one in warnings)


# --- Against plain counting -------------------------------------------------------------------------------------------


@st.composite
def two_sides(draw: st.DrawFn, several: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for case in range(draw(st.integers(1, 3))):
        runs = draw(
            st.lists(st.tuples(st.integers(1, 12), st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=8)
        )
        for side, place in zip(sides, (1, 2), strict=True):
            values = np.array([run[place] for run in runs for _ in range(run[0])])
            side[f"v{case}"] = np.stack([values + 1 & 1, values + 1 >> 1 & 1, values >> 1 & 1]).T if several else values
    return sides


def plain(truth: list[int], said: list[int], label: int, t: int, *, ignore: bool) -> dict[str, Any]:
    """Counts of one label, one frame after the other."""
    n = len(truth)
    counts = dict.fromkeys(("true", "said", "either", "ok_true", "ok_said", "ok_either", "tp"), 0)
    for i in range(n):
        if truth[i] < 0 and ignore:
            continue
        start = i
        while start and truth[start - 1] == truth[i]:
            start -= 1
        stop = i + 1
        while stop < n and truth[stop] == truth[i]:
            stop += 1
        least = -1 if ignore else -2  # what counts as a neighbour: no label too, or not
        before = truth[start - 1] if start and truth[start - 1] > least else -9
        after = truth[stop] if stop < n and truth[stop] > least else -9
        right = said[i] == truth[i] or (i < start + t and said[i] == before) or (i >= stop - t and said[i] == after)
        counts["true"] += truth[i] == label
        counts["said"] += said[i] == label
        counts["either"] += label in (truth[i], said[i])
        counts["tp"] += truth[i] == said[i] == label
        counts["ok_true"] += right and truth[i] == label
        counts["ok_said"] += right and said[i] == label
        counts["ok_either"] += right and label in (truth[i], said[i])
    return counts


@given(two_sides(), st.integers(0, 6), st.sampled_from(["ignore", "background"]))
def test_single_labels(sides: tuple[dict[str, Any], dict[str, Any]], t: int, unlabelled: str) -> None:
    truth, said = sides
    assume(unlabelled == "background" or any((values >= 0).any() for values in truth.values()))
    found = evaluate(truth, said, labels=list("abcd"), fps=1, relaxed_s=t, unlabelled=unlabelled).as_dict()
    relaxed = found["relaxed"]["consistent_neighbours"]["per_label_per_case"]
    for number, case in enumerate(truth):
        for label in range(4):
            of = plain(truth[case].tolist(), said[case].tolist(), label, t, ignore=unlabelled == "ignore")
            assert found["tp_fp_fn"][case][label] == [of["tp"], of["said"] - of["tp"], of["true"] - of["tp"]]
            if of["true"] == 0:
                assert relaxed["jaccard"][label][number] is None
                continue
            assert relaxed["jaccard"][label][number] == pytest.approx(100 * of["ok_either"] / of["either"])
            assert relaxed["recall"][label][number] == pytest.approx(100 * of["ok_true"] / of["true"])
            precision = 100 * of["ok_said"] / of["said"] if of["said"] else None
            assert relaxed["precision"][label][number] == (precision if precision is None else pytest.approx(precision))
            assert found["cells"]["B"]["recall"][label][number] == pytest.approx(100 * of["tp"] / of["true"])


@given(two_sides(several=True), st.integers(0, 6))
def test_several_labels_at_once(sides: tuple[dict[str, Any], dict[str, Any]], t: int) -> None:
    """Each label is a yes or no of its own."""
    truth, said = sides
    found = evaluate(truth, said, labels=list("abc"), fps=1, relaxed_s=t, unlabelled="background").as_dict()
    several = any((values.sum(axis=1) > 1).any() for side in sides for values in side.values())
    for number, case in enumerate(truth):
        for label in range(3):
            row, other = (side[case][:, label].tolist() for side in sides)
            of = plain(row, other, 1, t, ignore=False)
            assert found["tp_fp_fn"][case][label] == [of["tp"], of["said"] - of["tp"], of["true"] - of["tp"]]
            jaccard = found["relaxed"]["consistent_neighbours"]["per_label_per_case"]["jaccard"][label][number]
            if several:
                expected = pytest.approx(100 * of["ok_either"] / of["either"]) if of["true"] else None
                assert jaccard == expected


@given(st.integers(0, 5), st.lists(st.sets(st.integers(0, 4), min_size=2), max_size=4), st.data())
def test_counts_without_a_cube(n_labels: int, sets: list[set[int]], data: st.DataObject) -> None:
    """The counts of labels are those of the plain formula: every pair of codes, for every label."""
    columns = [set(), *({k} for k in range(n_labels)), *sets]
    members = np.array([[label in column for column in columns] for label in range(5)])
    n = len(columns)
    counts = data.draw(st.lists(st.lists(st.integers(0, 99), min_size=n, max_size=n), min_size=n, max_size=n))
    table, has = np.array(counts), members.astype(np.int64)
    hits = _plain_hits([table], members)
    assert hits.right_either[0].tolist() == np.einsum("li,ij,lj->l", has, table, has).tolist()


def test_thousands_of_labels_take_seconds() -> None:
    labels = [f"label {k}" for k in range(2000)]
    began = time.process_time()
    found = evaluate({"a": [0, 1999]}, {"a": [0, 1]}, labels=labels, fps=1)
    assert time.process_time() - began < 5
    assert found.as_dict()["accuracy"]["mean"] == 50


@given(two_sides(), st.integers(0, 20))
def test_relaxed_is_never_less_and_never_above_100(sides: tuple[dict[str, Any], dict[str, Any]], t: int) -> None:
    truth, said = sides
    assume(any((values >= 0).any() for values in truth.values()))
    found = evaluate(truth, said, labels=list("abcd"), fps=1, relaxed_s=t).as_dict()
    relaxed = found["relaxed"]["consistent_neighbours"]["per_label_per_case"]
    for measure in ("precision", "recall", "jaccard"):
        pairs = zip(np.array(found["cells"]["B"][measure], float).ravel(), np.array(relaxed[measure], float).ravel(),
                    strict=True)  # fmt: skip
        assert all(np.isnan(a) or a - 1e-9 <= b <= 100 + 1e-9 for a, b in pairs)
    if t == 0:
        assert relaxed["jaccard"] == found["cells"]["B"]["jaccard"]


@given(two_sides())
def test_the_truth_finds_itself(sides: tuple[dict[str, Any], dict[str, Any]]) -> None:
    truth, _ = sides
    assume(any((values >= 0).any() for values in truth.values()))
    found = evaluate(truth, truth, labels=list("abcd"), fps=1).as_dict()
    assert found["accuracy"]["mean"] == 100
    assert found["unrelaxed"]["A"]["jaccard"]["by_case"]["mean"] == 100
    assert found["segments"]["f1_10_25_50"] in ([100, 100, 100], [None] * 3)


def test_ten_million_frames_take_seconds() -> None:
    generator = np.random.default_rng(1)
    truth, said = {}, {}
    for case in range(20):
        runs = generator.integers(20, 500, 2000)
        truth[f"v{case}"] = np.repeat(generator.integers(-1, 7, len(runs)), runs)[:500_000]
        said[f"v{case}"] = np.roll(truth[f"v{case}"], 40)
        noise = generator.integers(0, 500_000, 5000)
        said[f"v{case}"][noise] = generator.integers(0, 7, len(noise))
    began = time.process_time()
    evaluate(truth, said, labels=LABELS, fps=25)
    assert time.process_time() - began < 10


# --- What does not fit ------------------------------------------------------------------------------------------------


def test_all_that_does_not_fit_is_one_error() -> None:
    truth: dict[str, Any] = {
        "a": np.zeros(10, int),
        "b": np.zeros(10, int),
        "c": np.zeros(10),
        "d": np.zeros(10, int),
        "e": [0, 9],
    }
    said: dict[str, Any] = {"a": np.zeros(12, int), "c": np.zeros(10, int), "d": np.full(10, -2), "e": [0, 1], "f": [1]}
    with pytest.raises(PairingError) as caught:
        evaluate(truth, said, labels=["x", "y"], fps=1)
    assert caught.value.faults == [
        "case c: truth are float64, not whole numbers",
        "case d: predictions hold -2; -1 is no label",
        "case b: only in the truth",
        "case f: only in the predictions",
        "case e: truth hold label 9, but labels are 0 to 1",
        "case a: 10 frames of truth, 12 of predictions",
    ]


def test_what_both_have_in_common() -> None:
    truth, said = {"a": [0] * 10, "b": [1] * 4}, {"a": [0] * 8 + [5] * 4, "c": [1]}
    found = evaluate(truth, said, labels=["x", "y"], fps=1, common=True)
    assert found.as_dict()["frames"] == {"a": 10}
    assert found.as_dict()["accuracy"]["mean"] == 80
    assert "left out 1 cases that only the truth have" in found.warnings


def test_another_rate_is_asked_for() -> None:
    with pytest.raises(PairingError, match="250 frames of truth, 10 of predictions; are both at one rate"):
        evaluate({"a": [0] * 250}, {"a": [0] * 10}, labels=["x"], fps=25)


def test_one_frame_more_is_rounding() -> None:
    found = evaluate({"a": [0] * 10}, {"a": [0] * 11}, labels=["x"], fps=1)
    assert found.as_dict()["frames"] == {"a": 10}
    assert any("ends of cases" in text for text in found.warnings)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64, np.int8, bool])
def test_arrays_of_every_kind_of_whole_numbers(kind: type) -> None:
    truth: npt.NDArray[Any] = np.array([0, 1, 1, 1], kind)
    said: npt.NDArray[Any] = np.array([0, 1, 0, 1], kind)
    for sides in ((truth, said), (np.stack([truth, 1 - truth.astype(int)]).T.astype(kind),) * 2):
        found = evaluate({"a": sides[0]}, {"a": sides[1]}, labels=["x", "y"], fps=1)
        assert found.as_dict()["accuracy"]["mean"] == (75 if sides[0] is truth else 100)
    assert evaluate({"a": truth}, {"a": said}, fps=1).pairs.labels == ["0", "1"]


def test_where_nobody_looked_nothing_counts() -> None:
    """-100, which torch's losses ignore and `windows` gives, is not "no label": it never counts."""
    truth: dict[str, Any] = {"a": [0, 0, -100, -100, 1, -1]}
    said: dict[str, Any] = {"a": [0, 1, 1, 1, 1, 1]}
    found = evaluate(truth, said, labels=["x", "y"], fps=1, unlabelled="background", relaxed_s=0).as_dict()
    assert found["frames"] == {"a": 4}
    assert found["accuracy"]["mean"] == 50
    assert found["tp_fp_fn"]["a"] == [[1, 0, 1], [1, 2, 0]]
    assert any("2 frames of the truth are -100: nobody looked there" in text for text in found["warnings"])
    with pytest.raises(PairingError, match="predictions hold -100; -1 is no label"):
        evaluate(said, truth, labels=["x", "y"], fps=1)


def test_scored_predictions_name_a_label_or_give_its_number() -> None:
    sides: Any = ({"a": [0, 0, 1, 1]},) * 2
    by_name, by_number = (
        evaluate(*sides, labels=["x / y", "z"], fps=1, scored={"a": [(0, 2, label, 0.9)]}).as_dict()["detections"]
        for label in ("x / y", 0)
    )
    assert by_name == by_number
    assert by_name["n_found"] == 1
    with pytest.raises(PairingError) as caught:
        evaluate(*sides, labels=["x", "y"], fps=1, scored={"a": [(0, 2, "z", 1), (0, 2, 0), (3, 2, 1, 1), None]})  # type: ignore[list-item]
    assert caught.value.faults == [
        "case a: scored prediction (0, 2, 'z', 1) is not a valid (start_s, end_s, label, score)",
        "case a: scored prediction (0, 2, 0) is not a valid (start_s, end_s, label, score)",
        "case a: scored prediction (3, 2, 1, 1) is not a valid (start_s, end_s, label, score)",
        "case a: scored prediction None is not a valid (start_s, end_s, label, score)",
    ]


def test_one_wrong_number_does_not_fill_the_memory() -> None:
    with pytest.raises(PairingError) as caught:
        evaluate({"a": [0, 1]}, {"a": [0, 100_000]}, fps=1)
    assert caught.value.faults == ["case a: predictions hold label 100000; name the labels if there are so many"]


def test_rows_of_different_lengths_are_a_fault() -> None:
    with pytest.raises(PairingError, match="case a: truth have rows of different lengths"):
        evaluate({"a": [[0], [0, 1]]}, {"a": [[0, 1]] * 2}, labels=["x", "y"], fps=1)


def test_what_is_neither_arrays_nor_annotations() -> None:
    sides: Any = [[0, 1]]
    with pytest.raises(SettingsError, match="a list is neither arrays by case nor annotated clips"):
        evaluate(sides, sides, labels=["x", "y"], fps=1)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fps": None}, "how many frames a second"),
        ({"strategy": "C"}, "choose from A, B, zero"),
        ({"unlabelled": "drop"}, "choose from ignore, background"),
        ({"as_": "tmrnet"}, "knows 7 labels in order, and these are 2"),
        ({"as_": "trans"}, "choose from tmrnet"),
        ({"relaxed_s": -1}, "choose 0 or more"),
        ({"relaxed_s": "x"}, "is not a number"),
        ({"relaxed_s": "1e999999999"}, "is not a number"),
        ({"labels": ["x", "y", "x"]}, "labels has x twice"),
        ({"labels": 2}, "labels 2 is not a list of names"),
        ({"scored": [(0, 1, 0, 1)]}, "is not a dict from cases"),
    ],
)
def test_wrong_settings(more: dict[str, Any], says: str) -> None:
    settings: dict[str, Any] = {"fps": 1, "labels": ["x", "y"]}
    with pytest.raises(SettingsError, match=says):
        evaluate({"a": [0, 1]}, {"a": [0, 1]}, **(settings | more))


def test_tables() -> None:
    truth, said = arrays("2_absent")
    found = evaluate(truth, said, labels=LABELS, fps=1)
    assert found.per_label["label"].to_list() == LABELS
    assert found.per_label["jaccard_n_cases"].to_list()[4] < len(truth)
    assert found.per_case["case"].to_list() == list(truth)
    assert found.summary.row(by_predicate=(pl.col("variant") == "unrelaxed") & (pl.col("measure") == "jaccard"))[
        2
    ] == pytest.approx(80.1495, abs=1e-4)
    assert found.confusion.select(pl.exclude("truth")).sum().sum_horizontal().item() == sum(map(len, truth.values()))
