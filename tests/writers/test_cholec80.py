"""Cholec80's files, read as TMRNet's and Surgformer's scripts do."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, level_rows, placed, tilings, vfr_index
from lsvid.errors import DataError, SettingsError


def surgformer_phases(folder: Path, video: str, fps: int) -> dict[int, str]:
    """As generate_labels_ch80.py: the phase of every frame that it keeps."""
    lines = (folder / f"phase_annotations/{video}-phase.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    phase_results = lines[1:]
    phases = {}
    for frame_id in range(len(phase_results)):
        if frame_id % fps == 0:
            phase = phase_results[frame_id].strip().split()
            assert int(phase[0]) == frame_id
            phases[frame_id] = phase[1]
    return phases


def surgformer_tools(folder: Path, video: str) -> tuple[list[str], dict[int, list[int]]]:
    """As generate_labels_ch80.py: the tools' names, and their 0/1 by frame."""
    tools = {}
    with (folder / f"tool_annotations/{video}-tool.txt").open(encoding="utf-8") as file:
        tool = file.readline().strip().split()
        names = tool[1:]
        while tool:
            tool = file.readline().strip().split()
            if tool:
                numbers = [int(value) for value in tool]
                tools[numbers[0]] = numbers[1:]
    return names, tools


def tmrnet_phases(folder: Path) -> dict[int, list[tuple[int, str]]]:
    """As get_paths_labels.py: the frames kept at 1 fps and their phases, by the video's number."""
    videos = {}
    for file in sorted((folder / "phase_annotations").iterdir()):
        number = int(file.stem[5:7])
        rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()][1:]
        videos[number] = [(int(row[0]), row[1]) for row in rows if int(row[0]) % 25 == 0]
    return videos


@settings(max_examples=25, deadline=None)
@given(tilings(), tilings())
def test_what_the_readers_load_is_the_frame_table(first: list[Labelled], second: list[Labelled]) -> None:
    clips = placed(clip("video07/a", first, index(60)), clip("video07/b", second, index(60)))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "cholec80", LABELS)
        for level in (1, 2):
            data, rows = Path(folder, "out", f"level_{level}"), level_rows(clips, "video07", level, LABELS)
            assert surgformer_phases(data, "video07", 1) == dict(enumerate(rows))  # first and last frame included
            assert tmrnet_phases(data) == {7: [(frame, rows[frame]) for frame in range(0, 120, 25)]}
            names, tools = surgformer_tools(data, "video07")
            assert list(tools) == list(range(0, 120, 25))
            for frame, bits in tools.items():
                assert [name for name, bit in zip(names, bits, strict=True) if bit] == [
                    name for name in [rows[frame]] if name != "background"
                ]


def test_cases_of_other_names_are_numbered_and_told(tmp_path: Path) -> None:
    clips = placed(clip("op 2/a", [("Blunt dissection", 0, 100)]), clip("op 10/a", [("Blunt dissection", 0, 100)]))
    _, findings = export(tmp_path / "out", clips, "cholec80")
    assert tmrnet_phases(tmp_path / "out")[2][0] == (0, "Blunt_dissection")
    videos = (tmp_path / "out/videos.csv").read_text(encoding="utf-8").splitlines()
    assert videos == ["video,case,clips,frames,rate", "video01,op 2,a,100,25", "video02,op 10,a,100,25"]
    assert any("numbered in their order" in text for text, _ in findings.warnings)


TREE = [("Phases",), ("Phases", "Prep"), ("Phases", "Cut"), ("Tools",), ("Tools", "Hook"), ("Tools", "Clipper")]
BRANCHED = [("Phases / Prep", 0, 50), ("Phases / Cut", 50, 100), ("Tools / Hook", 20, 80), ("Tools / Clipper", 60, 90)]


@pytest.mark.parametrize(("phases", "tools"), [(["Phases"], ["Tools"]), (["Phases"], []), ([], ["Tools"])])
def test_phases_and_tools_are_branches_and_tools_hold_at_once(
    tmp_path: Path, phases: list[str], tools: list[str]
) -> None:
    export(tmp_path / "out", placed(clip("video01/a", BRANCHED)), "cholec80", TREE, phases=phases, tools=tools)
    assert surgformer_phases(tmp_path / "out", "video01", 25) == {0: "Prep", 25: "Prep", 50: "Cut", 75: "Cut"}
    names, held = surgformer_tools(tmp_path / "out", "video01")
    assert names == ["Hook", "Clipper"]
    assert held == {0: [0, 0], 25: [1, 0], 50: [1, 0], 75: [1, 1]}


def test_labels_of_a_flat_list_are_named_one_by_one(tmp_path: Path) -> None:
    spans = [("Prep", 0, 50), ("Cut", 50, 100), ("Hook", 20, 80), ("Clipper", 60, 90)]
    clips = placed(clip("video01/a", spans))
    with pytest.raises(DataError, match=r"Prep and Hook"):
        export(tmp_path / "out", clips, "cholec80")
    export(tmp_path / "out", clips, "cholec80", phases=["Prep", "Cut"])
    assert surgformer_tools(tmp_path / "out", "video01")[1][75] == [1, 1]
    with pytest.raises(SettingsError, match="'Prep' is both a phase and a tool"):
        export(tmp_path / "out", clips, "cholec80", phases=["Prep"], tools=["Prep"])
    with pytest.raises(SettingsError, match="'prep' is no label"):
        export(tmp_path / "out", clips, "cholec80", phases=["prep"])
    with pytest.raises(SettingsError, match="phases is not for format=csv"):
        export(tmp_path / "csv", clips, "csv", phases=["Prep"])


def test_120_videos_have_numbers_of_one_width(tmp_path: Path) -> None:
    """Files sorted as text and folders of pictures sorted as numbers are paired by place."""
    clips = placed(*(clip(f"op{n}/a", [(f"L{n % 3}", 0, 30)], index(30)) for n in range(120)))
    _, findings = export(tmp_path / "out", clips, "cholec80")
    files = sorted(file.name for file in (tmp_path / "out/phase_annotations").iterdir())
    assert files == [f"video{n:03}-phase.txt" for n in range(1, 121)]
    assert any("120 videos have numbers of 3 digits" in text for text, _ in findings.warnings)


def test_rates_that_the_readers_cannot_sample_are_warned_about(tmp_path: Path) -> None:
    ntsc = clip("video01/a", [("A", 0, 61)], index(61, Fraction(30000, 1001)))
    _, findings = export(tmp_path / "out", placed(ntsc), "cholec80")
    assert any("a rate that is not one whole number" in text for text, _ in findings.warnings)
    _, tools = surgformer_tools(tmp_path / "out", "video01")
    assert list(tools) == [0, 30, 60]
    _, findings = export(
        tmp_path / "out30", placed(clip("video01/a", [("A", 0, 9)], index(9, Fraction(30)))), "cholec80"
    )
    assert any("30 frames a second; TMRNet's" in text for text, _ in findings.warnings)


def test_variable_rate_has_the_first_frame_of_every_second(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("video01/a", [("A", 0, 4)], vfr_index([400, 700, 900, 500]))), "cholec80")
    _, tools = surgformer_tools(tmp_path / "out", "video01")
    assert list(tools) == [0, 2, 3]  # at 0, 1.1 and 2.0 s
