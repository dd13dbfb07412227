"""README and the pages beside it: every link leads somewhere, every command stands on one, and Python examples run."""

import pkgutil
import re
from pathlib import Path

import pytest

from builders import annotation, export, region, task
from factories import VideoFactory
from lsvid.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / ".github").rglob("*.md"))]
_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=_NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name}: {target}"
        if anchor and linked.suffix == ".md":
            heads = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{page.name}: {target}"


def test_every_command_stands_on_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [name for name in COMMANDS if f"lsvid {name}" not in text]


def test_the_page_on_python_names_the_function_behind_each_command() -> None:
    text = (ROOT / ".github" / "docs" / "python.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `lsvid ([a-z-]+)` \| (.*) \|$", text, re.MULTILINE))
    assert rows.keys() == COMMANDS.keys()
    for command, functions in rows.items():
        names = re.findall(r"`(lsvid\.[\w.]+)`", functions)
        assert names, command
    for name in re.findall(r"`(lsvid\.[\w.]+)[`(]", text):
        assert pkgutil.resolve_name(name), name  # it is imported


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = PAGES[0].read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 250
    pages = sorted(path.name for path in (ROOT / ".github" / "docs").glob("*.md"))
    assert not [name for name in pages if f"docs/{name}" not in readme]


def test_the_page_on_python_runs(
    videos: VideoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, n_frames in (("clip_1", 50), ("clip_2", 60)):
        videos.make(tmp_path / "clips" / "op1" / f"{name}.mp4", n_frames=n_frames)
    one = annotation(1, 5, region(5, 12, "Dissection"), region(13, 50, "Suturing", "r2"))
    export(tmp_path, task(1, "clip_1", one), task(2, "clip_2", annotation(2, 5, region(1, 10, "Suturing"))))
    (tmp_path / "labels.txt").write_text("Dissection\nSuturing\n--Knot\n")
    monkeypatch.chdir(tmp_path)
    for page in (ROOT / ".github" / "docs" / "python.md", ROOT / "README.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        assert blocks
        exec("\n".join(blocks), {})  # noqa: S102 - our own page
    assert "<Dataset: 2 clips of 1 case, 110 frames, 3 spans by 1 annotator>" in capsys.readouterr().out
    assert (tmp_path / "frames" / "frames.parquet").exists()
