"""What `lsvid evaluate` writes: files, and the page."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from annotated import annotated_case
from lsvid.analysis.evaluation import evaluate
from lsvid.annotations.stages import Stage
from lsvid.errors import SettingsError
from lsvid.labels.files import parse_labels_text
from lsvid.report.evaluation import page, write_evaluation

TREE = parse_labels_text("Cut\nTie\nWash & <rinse>\n", "labels.txt")


def sides() -> tuple[Any, Any]:
    truth = annotated_case([(500, {"anna": [("Cut", 0, 250), ("Tie", 250, 500)]})] * 2)
    said = annotated_case(
        [(500, {"net": [("Cut", 0, 300), ("Tie", 300, 450), ("Wash & <rinse>", 450, 500)]})] * 2, predictions=["net"]
    )
    return Stage(tuple(truth)), Stage(tuple(said))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files(tmp_path: Path) -> None:
    found = evaluate(*sides(), labels=list(TREE.paths()), fps=25, as_=())
    written = write_evaluation(found, tmp_path / "out", TREE)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(written)
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["accuracy"]["mean"] == 80
    assert document["settings"]["strategy"] == "B"
    assert document["files"] == written
    rows = table(tmp_path / "out" / "labels.csv")
    assert [row["label"] for row in rows] == ["Cut", "Tie", "Wash & <rinse>"]
    assert rows[2]["recall"] == ""  # not defined, not 0
    confusion = table(tmp_path / "out" / "confusion.csv")
    assert confusion[2] == {"truth": "Tie", "(none)": "0", "Cut": "100", "Tie": "300", "Wash & <rinse>": "100"}
    write_evaluation(found, tmp_path / "out", TREE)  # its own files are replaced


def test_somebody_else_s_file_stays(tmp_path: Path) -> None:
    (tmp_path / "evaluation.html").write_text("mine")
    with pytest.raises(SettingsError, match="would be overwritten"):
        write_evaluation(evaluate(*sides(), labels=list(TREE.paths())), tmp_path)
    assert (tmp_path / "evaluation.html").read_text() == "mine"


def test_the_page_holds_the_numbers_and_escapes_names() -> None:
    html = page(evaluate(*sides(), labels=list(TREE.paths()), fps=25), TREE)
    assert "Wash &amp; &lt;rinse&gt;" in html
    assert "<rinse>" not in html
    for text in ("unrelaxed", "relaxed 10 s", "strategy B", "80.0", "label Wash &amp; &lt;rinse&gt; is in no truth"):
        assert text in html, text


def test_ribbons_are_thinned_where_no_screen_shows_them() -> None:
    generator = np.random.default_rng(0)
    truth = {"a": generator.integers(0, 2, 60_000)}
    html = page(evaluate(truth, truth, labels=["x", "y"], fps=25))
    assert html.count("<rect") < 45_000
    assert "coarser step" in html


def test_several_labels_at_once_have_a_row_each() -> None:
    truth = {"a": np.array([[1, 1], [1, 0], [0, 0], [0, 1]])}
    html = page(evaluate(truth, truth, labels=["x", "y"], fps=1))
    assert ">x: truth<" in html
    assert ">y: predicted<" in html


@pytest.mark.browser
def test_the_page_in_a_browser(tmp_path: Path, browser: Browser) -> None:
    found = evaluate(*sides(), labels=list(TREE.paths()), fps=25)
    (tmp_path / "evaluation.html").write_text(page(found, TREE), encoding="utf-8")
    view = browser.new_page(viewport={"width": 1366, "height": 768})
    problems: list[str] = []
    view.on("console", lambda message: problems.append(message.text))
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.goto((tmp_path / "evaluation.html").as_uri())
    bars = view.locator("svg.track rect")
    assert bars.count() == 4 + 6 + 4  # truth, prediction, differences: a bar for each maximal run
    bars.first.hover()
    assert "Cut" in view.locator("#tip").inner_text()
    view.screenshot(path=tmp_path / "evaluation.png", full_page=True)
    assert problems == []
