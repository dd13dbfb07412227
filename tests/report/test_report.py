"""`lsvid report` as a person meets it: the files, the page in a real browser, and what goes wrong."""

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page

from annotated import Marked, annotated_case
from editor import ARTIFACTS, Editor
from environments import ROOT
from factories import VideoFactory
from label_studio_server import LabelStudio
from lsvid.annotations.stages import AnnotatedClip, Stage, label_order
from lsvid.cli import cli
from lsvid.clock import clock
from lsvid.errors import DataError, SettingsError
from lsvid.findings import Findings
from lsvid.labels.colours import PALETTE
from lsvid.labels.files import parse_labels_text, read_labels
from lsvid.report import write_report
from lsvid.report.data import ReportOptions, duration, ink, label_colours, report_data
from lsvid.report.figures import _timeline
from lsvid.report.page import page

TREE = parse_labels_text("Cut\nTie\n--Knot\n--Square\nWash & <rinse>\n", "labels.txt")
PROJECT = "https://ls.example.org/projects/3"
CUT, KNOT = "Cut", "Tie / Knot"


def surgery(case: str = "case01") -> list[AnnotatedClip]:
    """Three clips of 10 s; the second is not annotated; anna, ben and a model in the others."""
    first: dict[str, Marked] = {
        "anna": [(CUT, 0, 100), (KNOT, 100, 150)],
        "ben": [(CUT, 0, 110), (KNOT, 110, 150)],
        "model": [(CUT, 0, 90)],
    }
    last: dict[str, Marked] = {"anna": [(CUT, 50, 100)], "ben": [(CUT, 50, 100)], "model": []}
    return annotated_case([(250, first), (250, {}), (250, last)], case=case, predictions=["model"])


def write(folder: Path, clips: list[AnnotatedClip], url: str | None = PROJECT) -> dict[str, Any]:
    options = ReportOptions(label_order(clips, TREE), TREE, url, ["export.json"])
    return write_report(Stage(tuple(clips)), folder, options, Findings())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "out"
    write(folder, surgery())
    return folder


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds; most tests are about something else."""
    monkeypatch.setattr("lsvid.report.write_figures", lambda *_: [])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_listed(report: Path) -> None:
    listed = json.loads((report / "timings.json").read_text())["files"]
    there = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    assert set(listed) == there
    assert {"report.html", "timings.csv", "agreement.csv", "agreement.json", "disagreements.csv"} <= there
    assert {"figures/timeline_case01.png", "figures/timeline_case01.svg", "figures/durations_anna_level1.svg",
            "figures/transitions_ben_level2.png"} <= there  # fmt: skip
    for path in report.glob("figures/*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    timeline = (report / "figures/timeline_case01.svg").read_text()
    assert "Wash" not in timeline  # never marked
    assert ">Cut</text>" in timeline  # text stays text


def test_the_tables_hold_the_numbers(report: Path) -> None:
    timings = {(r["annotator"], r["label"]): r for r in rows(report / "timings.csv")}
    cut = timings["anna", "Cut"]
    assert (cut["count"], cut["total_s"], cut["median_s"], cut["gaps_s"]) == ("2", "6.0", "3.0", "18.0")
    assert timings["anna", "Tie / Knot"]["first_start_s"] == "4.0"
    assert timings["ben", "Wash & <rinse>"]["count"] == "0"
    pairs = {(r["level"], r["first"], r["second"]): r for r in rows(report / "agreement.csv")}
    assert set(pairs) == {
        (level, *pair) for level in "12" for pair in (("anna", "ben"), ("anna", "model"), ("ben", "model"))
    }
    assert float(pairs["1", "anna", "ben"]["accuracy"]) == pytest.approx(490 / 500)
    assert pairs["1", "anna", "ben"]["boundaries_start_median_s"] == "0.2"
    assert not {"boundaries", "labels"} & pairs["1", "anna", "ben"].keys()
    document = json.loads((report / "agreement.json").read_text())
    assert [coder["name"] for coder in document["coders"] if coder["is_prediction"]] == ["model"]
    assert document["alphas"][0]["annotators"] == ["anna", "ben"]
    times = json.loads((report / "timings.json").read_text())
    assert times["cases"][0]["duration_s"] == 30
    assert [clip["case_time_s"] for clip in times["cases"][0]["clips"]] == [0, 10, 20]
    assert {"case": "case01", "annotator": "anna", "level": 1, "from": ["Cut"], "to": ["Tie"], "count": 1} in times[
        "transitions"
    ]


def test_a_clip_that_one_of_two_annotated_is_grey_in_the_others_rows(tmp_path: Path, no_figures: None) -> None:
    write(
        tmp_path / "out", annotated_case([(250, {"anna": [(CUT, 0, 100)], "ben": [(CUT, 0, 90)]}), (250, {"anna": []})])
    )
    html = (tmp_path / "out/report.html").read_text()
    grey = re.findall(r'<rect class=unseen x="([^"]+)" width="([^"]+)" [^>]*data-t="([^"]+)"', html)
    assert {(x, width) for x, width, _ in grey} == {("50.0000%", "50.0000%")}
    assert all("not annotated by ben" in tip for _, _, tip in grey)
    assert len(grey) == 3  # his row of each level, and his part of the label's


def test_annotated_clips_in_which_nothing_is_marked(tmp_path: Path) -> None:
    clips = annotated_case([(250, {"anna": []})])
    write_report(Stage(tuple(clips)), tmp_path / "out", ReportOptions([], None, None, []), Findings())
    assert rows(tmp_path / "out/timings.csv") == []
    assert (tmp_path / "out/timings.csv").read_text().startswith("case,annotator,level,label,")


def test_bars_are_high_enough_for_their_text(tmp_path: Path, no_figures: None) -> None:
    write(tmp_path / "out", annotated_case([(250, {"anna": [(CUT, 0, 200), (KNOT, 50, 250)]})]))
    html = (tmp_path / "out/report.html").read_text()
    heights = [float(height) for height in re.findall(r'height=([\d.]+) fill="[^"]+" stroke="[^"]+" /><text', html)]
    assert len(heights) == 3  # two of level 1 share its height
    assert min(heights) >= 14  # the text is 11 px


def test_disagreements_name_clip_time_and_task(report: Path) -> None:
    first = rows(report / "disagreements.csv")[0]
    assert (first["clip"], first["start_frame"], first["stop_frame"]) == ("001", "100", "110")
    assert (first["start_s"], first["duration_s"], first["case_start_s"]) == ("4.02", "0.4", "4.0")
    assert (first["first_labels"], first["second_labels"], first["task"]) == ("Tie", "Cut", f"{PROJECT}/data?task=101")


class _Links(HTMLParser):
    """What a page would load, where it leads, and whether its tags are balanced."""

    VOID = frozenset({"meta", "rect", "line", "circle", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads += [str(values[name]) for name in ("src", "data", "srcset") if name in values]
        self.leads += [str(values["href"])] if "href" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_is_well_formed(report: Path) -> None:
    text = (report / "report.html").read_text()
    links = _Links()
    links.feed(text)
    assert links.open == []
    assert links.loads == []
    assert "@import" not in text
    assert "url(" not in text
    assert set(links.leads) == {f"{PROJECT}/data?task={n}" for n in (101, 103)} | {
        f"#{anchor}" for anchor in ("timelines", "times", "durations", "next", "agreement", "definitions")
    }
    assert "Wash &amp; &lt;rinse&gt;" in text


def test_the_same_data_gives_the_same_files(report: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write(again, surgery())
    assert {p.name: p.read_bytes() for p in again.rglob("*.*")} == {p.name: p.read_bytes() for p in report.rglob("*.*")}


@pytest.mark.usefixtures("no_figures")
def test_one_annotator_needs_no_agreement_and_no_links(tmp_path: Path) -> None:
    clips = annotated_case([(250, {"anna": [(CUT, 0, 50)]})])
    done = write(tmp_path / "out", clips, url=None)
    assert "agreement.csv" not in done["files"]
    text = (tmp_path / "out/report.html").read_text()
    assert "Agreement" not in text
    assert "_blank" not in text


def test_annotated_and_nothing_happened(tmp_path: Path) -> None:
    done = write(tmp_path / "out", annotated_case([(250, {"anna": [], "ben": []})]))
    assert done["occurrences"] == 0
    assert rows(tmp_path / "out/timings.csv")[0]["count"] == "0"
    assert rows(tmp_path / "out/agreement.csv")[0]["kappa"] == ""  # not defined


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    one = [(250, {"anna": [(CUT, 0, 50)]})]
    clips = annotated_case(one, case="../a b") + annotated_case(one, case="a/b")
    done = write(tmp_path / "out", clips)
    timelines = [name for name in done["files"] if "timeline" in name and name.endswith(".png")]
    assert timelines == ["figures/timeline_..-a-b.png", "figures/timeline_a-b.png"]
    assert not (tmp_path / "a b.png").exists()


def test_labels_in_any_script_and_with_dollars(tmp_path: Path) -> None:
    clips = annotated_case([(250, {"anna": [("Naht $5_$ ß", 0, 50), ("縫合", 50, 90)]})])
    findings = Findings()
    write_report(Stage(tuple(clips)), tmp_path / "out", ReportOptions(label_order(clips, None)), findings)
    assert [text for text, _ in findings.warnings] == [
        "the PNG figures show boxes for letters that their font (DejaVu Sans) lacks"
    ]
    figure = (tmp_path / "out/figures/timeline_case01.svg").read_text(encoding="utf-8")
    assert "縫合" in figure
    assert "Naht $5_$ ß" in figure


def test_a_second_report_takes_the_place_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, annotated_case([(250, {"anna": [(CUT, 0, 50)]})]))
    (folder / "notes.txt").write_text("mine")
    done = write(folder, annotated_case([(250, {"anna": [(CUT, 0, 50)]})], case="case02"))
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*done["files"], "notes.txt"}


def test_files_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(SettingsError, match=r"holds report.html, but no timings.json of an earlier run"):
        write(tmp_path, surgery())
    assert (tmp_path / "report.html").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="is a file"):
        write(tmp_path / "file", surgery())


@pytest.mark.usefixtures("no_figures")
def test_a_report_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lsvid.report.page", full)
    with pytest.raises(DataError, match="No space left on device"):
        write(tmp_path / "out", surgery())
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 of 1 clips submitted"):
        write(tmp_path / "out", annotated_case([(250, {})]))
    assert not (tmp_path / "out").exists()


def test_colours_are_the_editors_and_shades_of_them() -> None:
    labels = [*TREE.paths(), ("Foreign",)]
    colours = label_colours(labels, TREE)
    assert [colours["Cut",], colours["Tie",]] == PALETTE[:2]
    assert set(colours) == set(labels)
    assert len(set(colours.values())) == len(labels)
    assert label_colours(labels, None)["Cut",] == PALETTE[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.04 s"), (9.996, "10.0 s"), (59.96, "1 min 00 s"), (3599.6, "1 h 00 min"), (7384, "2 h 03 min")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_times_and_ink_for_people() -> None:
    assert (clock(3725.5), clock(59.996, 2), duration(None)) == ("1:02:06", "0:01:00.00", "")
    assert (ink("#ffe000"), ink("#102030")) == ("#000", "#fff")


# --- The command ------------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def export(videos: VideoFactory, tmp_path: Path) -> Path:
    """An export of two clips by two people and a model; the clips lie in clips/op1."""
    tasks = []
    for number, clip in ((11, "a_1"), (12, "a_2")):
        videos.make(tmp_path / "clips" / "op1" / f"{clip}.mp4", n_frames=50)

        def result(end: int) -> list[dict[str, Any]]:
            value = {"ranges": [{"start": 1, "end": end}], "timelinelabels": ["Cut"]}
            return [{"id": "r", "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}]

        tasks.append({
            "id": number,
            "data": {"video": f"/data/local-files/?d=clips/op1/{clip}.mp4", "fps": "25"},
            "annotations": [
                {"id": number * 10 + user, "completed_by": user, "result": result(50 - user)} for user in (1, 2)
            ],
            "predictions": [{"id": number, "model_version": "net", "result": result(25)}],
        })  # fmt: skip
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    return file


@pytest.mark.usefixtures("no_figures")
def test_the_command(export: Path, tmp_path: Path) -> None:
    where = ("--clips", tmp_path / "clips", "--project-url", f"{PROJECT}/", "-o", tmp_path / "out")
    result = run("report", export, *where, "--status", "accepted", "--status", "prediction", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["cases"], document["clips"], document["annotators"]) == (1, 2, ["1", "2", "net"])
    assert "6 occurrences in 1 cases by 3 annotators" in result.stderr
    pairs = {(r["first"], r["second"]): r for r in rows(tmp_path / "out/agreement.csv")}
    assert float(pairs["1", "2"]["accuracy"]) == pytest.approx(98 / 100)
    assert float(pairs["1", "net"]["accuracy"]) == pytest.approx(52 / 100)
    assert f"{PROJECT}/data?task=11" in (tmp_path / "out/report.html").read_text()


def test_the_command_says_what_is_wrong(export: Path, tmp_path: Path) -> None:
    nobody = run("report", export, "--clips", tmp_path / "clips", "--annotator", "zoe", "-o", tmp_path / "out")
    assert nobody.exit_code == 1
    assert "error: there is nothing to report: 0 of 2 clips have an annotation that counts" in nobody.stderr
    assert "hint: see all annotations: lsvid export-spans --all " in nobody.stderr
    shutil.rmtree(tmp_path / "clips")
    lost = run("report", export, "--clips", tmp_path, "-o", tmp_path / "out")
    assert lost.exit_code == 1
    assert "Traceback" not in lost.stderr
    assert not (tmp_path / "out").exists()


# --- In a browser -----------------------------------------------------------------------------------------------------

TASKS_27 = [f"Task {number}" for number in range(1, 28)]


@pytest.fixture(scope="module")
def long_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours in 36 clips, 27 tasks, one of them again and again, and one that lasts two seconds."""
    clips: list[tuple[int, dict[str, Marked]]] = []
    for number in range(36):
        marked = [(TASKS_27[(number + k * 5) % 27], k * 3000, k * 3000 + 2500) for k in range(5)]
        marked += [("Task 27", 14900, 14950)]
        clips.append((15000, {"anna": marked, "ben": marked}))
    case = annotated_case(clips)
    tree = parse_labels_text("\n".join(TASKS_27), "labels.txt")
    data = report_data(Stage(tuple(case)), ReportOptions(label_order(case, tree), tree, PROJECT, ["export.json"]))
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(page(data), encoding="utf-8")
    return path


def opened(browser: Browser, path: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page, and what it complained of or asked the network for."""
    shown = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    noise: list[str] = []
    shown.on("console", lambda message: noise.append(message.text))
    shown.on("pageerror", lambda error: noise.append(str(error)))
    shown.on("request", lambda request: noise.append(request.url) if not request.url.startswith("file:") else None)
    shown.goto(path.as_uri())
    return shown, noise


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (400, "light")])
def test_27_tasks_in_six_hours_stay_readable(browser: Browser, long_case: Path, width: int, scheme: str) -> None:
    shown, noise = opened(browser, long_case, width, scheme)
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page itself never scrolls sideways"
    )
    names = shown.locator(".names .label")
    assert [text.strip() for text in names.all_inner_texts()[:27]] == TASKS_27
    boxes = [names.nth(k).bounding_box() for k in range(27)]
    assert all(box and box["height"] >= 13 for box in boxes)
    # Each row's bars lie at the height of its name, and none is too thin to be seen.
    for row in (0, 26):
        tip = f"{TASKS_27[row]}\n"
        bars = shown.evaluate(
            """tip => [...document.querySelectorAll('.track:not(.plain) [data-t]')]
                 .filter(e => e.dataset.t.startsWith(tip))
                 .map(e => e.querySelector('rect').getBoundingClientRect()).map(b => [b.top, b.bottom, b.width])""",
            tip,
        )
        name = boxes[row]
        assert name
        in_row = [bar for bar in bars if bar[0] >= name["y"] - 1 and bar[1] <= name["y"] + name["height"] + 1]
        assert len(in_row) >= 36 * 5 * 2 // 27
        paint = shown.evaluate("getComputedStyle(document.querySelector('.track a rect')).strokeWidth")
        assert min(bar[2] for bar in in_row) + float(paint.removesuffix("px")) >= 0.8
    background, text = shown.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert (sum(map(int, re.findall(r"\d+", background))) < 150) == (scheme == "dark")
    assert background != text
    assert noise == []
    shown.context.close()


@pytest.fixture
def operation(tmp_path: Path) -> Path:
    """The report of an operation of an hour in six clips, by two people; ben has not annotated the third clip."""
    tree = read_labels(ROOT / "label_configs" / "surgical.txt")
    paths = tree.paths()
    tops = [[path for path in paths if path[0] == top] for top in dict.fromkeys(path[0] for path in paths)]
    clips: list[tuple[int, dict[str, Marked]]] = []
    for number in range(6):
        works: dict[str, list[tuple[str, int, int]]] = {"anna": [], "ben": []}
        at = 250
        for step, task in enumerate(tops[number * 4 : number * 4 + 7]):
            length = 600 + (step * 1103 + number * 709) % 1500
            path = task[(step + number) % len(task)]
            late = (step * 37 + number * 53) % 120 - 60
            works["anna"].append((" / ".join(path), at, at + length))
            works["ben"].append((" / ".join(path[:1] if step == 5 else path), at + late, at + length + late // 2))
            at += length + 130
        clips.append((15000, {who: work for who, work in works.items() if (who, number) != ("ben", 2)}))
    case = annotated_case(clips, case="operation_07")
    data = report_data(Stage(tuple(case)), ReportOptions(label_order(case, tree), tree, PROJECT, ["export.json"]))
    file = tmp_path / "report.html"
    file.write_text(page(data), encoding="utf-8")
    return file


@pytest.mark.browser
def test_texts_lie_in_their_bars_and_grey_in_the_rows_of_who_is_missing(browser: Browser, operation: Path) -> None:
    """The picture in .github/images/report.jpg is this page."""
    shown, noise = opened(browser, operation, 1400, "light")
    ARTIFACTS.mkdir(exist_ok=True)
    shown.locator(".case").first.screenshot(path=ARTIFACTS / "report.png")
    for _ in range(3):
        shown.get_by_label("zoom in").click()
    cut = shown.evaluate(
        """() => [...document.querySelectorAll('.track a .fit')].filter(t => t.style.visibility === 'visible')
             .map(t => [t.getBoundingClientRect(), t.parentElement.querySelector('rect').getBoundingClientRect()])
             .map(([t, bar]) => [t.left >= bar.left, t.right <= bar.right, t.height <= bar.height + 1])"""
    )
    assert len(cut) > 20
    assert all(all(inside) for inside in cut)
    grey = shown.locator(".unseen").evaluate_all("all => all.map(one => one.dataset.t)")
    assert grey
    assert all("not annotated by ben" in tip for tip in grey)
    assert noise == []
    shown.context.close()


@pytest.mark.browser
def test_zoom_hover_and_links(browser: Browser, long_case: Path) -> None:
    shown, noise = opened(browser, long_case, 1400, "light")
    visible = (
        "() => [...document.querySelectorAll('.track a .fit')].filter(t => t.style.visibility === 'visible').length"
    )
    before = shown.evaluate(visible)
    for _ in range(4):
        shown.get_by_label("zoom in").click()
    assert shown.locator(".zoom output").inner_text() == "16×"  # noqa: RUF001 - what the page shows
    assert shown.evaluate(
        "document.querySelector('.scroll').scrollWidth > 15 * document.querySelector('.scroll').clientWidth"
    )
    assert shown.evaluate(visible) > before
    shown.evaluate("document.querySelector('.scroll').scrollLeft = 0")
    bar = shown.locator(".track a").first
    assert bar.get_attribute("href") == f"{PROJECT}/data?task=101"
    bar.hover()
    tip = shown.locator("#tip").inner_text()
    assert tip.splitlines() == [
        "Task 1",
        "0:00:00.00 to 0:01:40.00: 1 min 40 s",
        "clip 001: 0:00:00.02 to 0:01:40.02, frames 0 to 2499",
        "anna",
    ]
    shown.mouse.move(5, 5)
    assert shown.locator("#tip").is_hidden()
    for _ in range(4):
        shown.get_by_label("zoom out").click()
    assert shown.get_by_label("zoom out").is_disabled()
    assert noise == []
    shown.context.close()


@pytest.mark.server
@pytest.mark.browser
@pytest.mark.usefixtures("no_figures")
def test_a_projects_report_leads_to_its_tasks(
    server_environment: LabelStudio, editor: Editor, media_folder: Path, videos: VideoFactory, tmp_path: Path
) -> None:
    server, title = server_environment, "Report"
    (tmp_path / "labels.txt").write_text("Cut\nTie\n")
    videos.make(media_folder / "case" / "a_1.mp4", n_frames=50)
    for command in (
        ("setup-project", tmp_path / "labels.txt", "--title", title, "--storage", media_folder),
        ("import-clips", media_folder / "case", "--project", title),
    ):
        assert run(*command).exit_code == 0
    (project,) = [p["id"] for p in server.api("GET", "/api/projects/?page_size=100")["results"] if p["title"] == title]
    (task,) = server.api("GET", f"/api/tasks?project={project}&page_size=10")["tasks"]
    value = {"ranges": [{"start": 1, "end": 25}], "timelinelabels": ["Tie"]}
    region = {"id": "r", "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}
    server.api("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [region]})
    result = run("report", "--project", title, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    shown = editor.page
    shown.goto((tmp_path / "out/report.html").as_uri())
    with shown.expect_popup() as popup:
        shown.locator(".track a").first.click()
    popup.value.wait_for_selector(".lsf-timeline-frames")
    assert popup.value.url.startswith(f"{server.url}/projects/{project}/data?task={task['id']}")


def test_a_timeline_s_bars_are_one_collection() -> None:
    """An artist for each bar would take 16 ms of each."""
    marked: list[Marked] = [[(CUT, 10 * k, 10 * k + 5) for k in range(25)]]
    case = Stage(tuple(annotated_case([(250, {"anna": marked[0]})] * 40)))
    data = report_data(case, ReportOptions(label_order(case.clips, TREE), TREE))
    figure = Figure()
    _timeline(figure, data, data.cases[0])
    (axes,) = figure.axes
    assert sorted(len(one.get_paths()) for one in axes.collections) == [39, 2000]  # ends of clips; bars at two places
    assert len(axes.lines) == 1


@pytest.mark.usefixtures("no_figures")
def test_what_a_third_decided(tmp_path: Path) -> None:
    """Before: how far two were apart; after: how far each is from what was decided."""
    marked: dict[str, Marked] = {"anna": [(CUT, 0, 100)], "ben": [(CUT, 0, 150)], "cleo": [(CUT, 0, 125)]}
    (clip,) = annotated_case([(250, marked)], predictions=["anna", "ben"])
    (cleo,) = (work for work in clip.tracks if work.annotator == "cleo")
    true = replace(cleo, annotation=msgspec.structs.replace(cleo.annotation, ground_truth=True))
    decided = replace(clip, tracks=(*(work for work in clip.tracks if work is not cleo), true))
    write(tmp_path / "out", [decided])
    document = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert document["decisions"] == [
        {"case": "case01", "clip": "001", "decided_by": "cleo", "before_s": 2.0, "after_s": {"anna": 1.0, "ben": 1.0}}
    ]
    html = (tmp_path / "out" / "report.html").read_text()
    assert "Decided by a third" in html
    assert "anna 1.00 s, ben 1.00 s" in html


def test_every_value_on_the_page_is_escaped(tmp_path: Path, no_figures: None) -> None:
    name = "<b>\"'&"
    marked: dict[str, Marked] = {f"anna {name}": [(f"Cut {name}", 0, 200)], "ben": [(f"Cut {name}", 0, 100)]}
    write(tmp_path / "out", annotated_case([(250, marked), (250, {})], case=f"case {name}"), url=f"https://x/{name}")
    text = (tmp_path / "out/report.html").read_text()
    assert name not in text
    assert "<b>" not in text
    links = _Links()
    links.feed(text)
    assert links.open == []
    assert f"https://x/{name}/data?task=101" in links.leads
