"""MS-TCN's folders come back as spans on the same frames: lsvid's own exactly, anybody's by the video's name."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, index, placed, read_back, tilings
from factories import VideoFactory
from lsvid.annotations.spans import Clip, Frames, Span
from lsvid.errors import ExportError
from lsvid.findings import Findings
from lsvid.labels.files import parse_labels_text
from lsvid.readers import read_export
from lsvid.readers.documents import ReadOptions
from lsvid.reading import ReadRequest, read_located


def runs(spans: list[Labelled]) -> set[Labelled]:
    """The spans with neighbours of one label joined, as one label a frame cannot tell them apart."""
    joined: list[Labelled] = []
    for name, start, stop in sorted(spans, key=lambda span: span[1]):
        if joined and joined[-1][0] == name and joined[-1][2] == start:
            joined[-1] = (name, joined[-1][1], stop)
        else:
            joined.append((name, start, stop))
    return set(joined)


@settings(max_examples=25, deadline=None)
@given(tilings(), tilings())
def test_round_trip(first: list[Labelled], second: list[Labelled]) -> None:
    clips = placed(clip("op 1.2/a", first, index(60)), clip("op 1.2/b", second, index(60)), clip("op2/a", first))
    for file_format in ("mstcn", "cholec80"):
        with TemporaryDirectory() as folder:
            export(Path(folder, "out"), clips, file_format, LABELS)
            found, _ = read_back(Path(folder, "out"), clips)
        assert found == {"op 1.2/a": runs(first), "op 1.2/b": runs(second), "op2/a": runs(first)}


def test_names_that_were_changed_come_back(tmp_path: Path) -> None:
    spans = [("Suturing / Square knot", 0, 10), ("Closing / Square knot", 10, 20)]
    clips = placed(clip("op1/a", spans))
    export(tmp_path / "out", clips, "mstcn")
    assert read_back(tmp_path / "out", clips)[0] == {"op1/a": set(spans)}


def somebody_elses(folder: Path) -> Path:
    (folder / "groundTruth").mkdir(parents=True)
    (folder / "mapping.txt").write_text("0 background\n1 Blunt_dissection\n", encoding="utf-8")
    text = "background\n" * 10 + "Blunt_dissection\n" * 15  # and a last line without its newline
    (folder / "groundTruth/rgb-01-1.txt").write_text(text.rstrip("\n"), encoding="utf-8")
    return folder


def test_somebody_elses_folder_with_a_label_file(tmp_path: Path, videos: VideoFactory) -> None:
    folder = somebody_elses(tmp_path / "gtea")
    videos.make(tmp_path / "clips/rgb-01-1.mp4", n_frames=25)
    tree = parse_labels_text("Dissection\n--Blunt dissection\n", "labels.txt")
    findings = Findings()
    request = ReadRequest((str(folder),), roots=(str(tmp_path / "clips"),), labels=tree)
    (found,) = read_located(request, findings).located.clips
    assert found.path == str(tmp_path / "clips/rgb-01-1.mp4")
    (span,) = found.tracks[0].spans
    assert (found.id, span.label) == ("rgb-01-1/rgb-01-1", ("Dissection", "Blunt dissection"))
    assert (span.start_frame, span.stop_frame) == (10, 25)
    assert not findings.warnings


@pytest.mark.parametrize(
    ("n_frames", "told"),
    [
        (33, "clip rgb-01-1/rgb-01-1: its annotations count 25 frames"),  # a third of a second more
        (24, "its annotations count 25 frames, .* has 24"),
        (50, "count 25 frames, .* has 50: they were made on another file, or at another rate"),
    ],
)
def test_another_number_of_frames_is_told(tmp_path: Path, videos: VideoFactory, n_frames: int, told: str) -> None:
    request = ReadRequest((str(somebody_elses(tmp_path / "gtea")),), roots=(str(tmp_path / "clips"),))
    videos.make(tmp_path / "clips/rgb-01-1.mp4", n_frames=n_frames)
    findings = Findings()
    if n_frames == 33:
        read_located(request, findings)
        assert told in findings.warnings[0][0]
        assert "the last 8 have no label" in findings.warnings[0][0]
        return
    with pytest.raises(ExportError, match=told):
        read_located(request, findings)


def spans_of(path: Path, options: ReadOptions | None = None) -> list[tuple[str, object]]:
    findings = Findings()
    records = list(read_export(str(path), options or ReadOptions(), findings))
    assert not findings.faults
    return [(" / ".join(r.label), r.basis) for r in records if isinstance(r, Span)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \r\n", "\t\n", "\r"])
@pytest.mark.parametrize("rest", ["", "\n", "\r\n \r\n\n"])
def test_blanks_and_blank_last_lines_are_no_frames_and_no_part_of_a_name(
    tmp_path: Path, encoding: str, end: str, rest: str
) -> None:
    folder = tmp_path / "gt"
    (folder / "groundTruth").mkdir(parents=True)
    text = f"background{end}" * 2 + f"cut\u2028tomäto{end}" * 3 + rest  # U+2028 ends no line here
    (folder / "groundTruth/a.txt").write_bytes(text.encode(encoding))
    assert spans_of(folder) == [("cut\u2028tomäto", Frames(2, 5))]


def test_a_blank_line_between_frames_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "gt"
    (folder / "groundTruth").mkdir(parents=True)
    (folder / "groundTruth/a.txt").write_text("cut\n\n\ncut\n", encoding="utf-8")
    findings = Findings()
    assert not [r for r in read_export(str(folder), ReadOptions(), findings) if isinstance(r, Span)]
    assert findings.faults == [(str(folder / "groundTruth/a.txt"), "frame 1 has no class name (2 frames have none)")]


@pytest.mark.parametrize("manifest", ['{"lsvid": "1", "format": {"classes": {}}}', '{"lsvid": "1", "format": null}'])
def test_a_damaged_manifest_is_one_error(tmp_path: Path, manifest: str) -> None:
    folder = somebody_elses(tmp_path / "gtea")
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(ExportError, match=r"manifest\.json is damaged"):
        spans_of(folder)


def test_one_folder_too_deep_and_a_file_by_itself(tmp_path: Path) -> None:
    folder = somebody_elses(tmp_path / "gtea")
    alone = tmp_path / "elsewhere" / "rgb-01-1.txt"
    alone.parent.mkdir()
    alone.write_bytes((folder / "groundTruth/rgb-01-1.txt").read_bytes())
    expected = [("Blunt_dissection", Frames(10, 25))]
    assert spans_of(folder / "groundTruth") == expected
    assert spans_of(folder / "groundTruth/rgb-01-1.txt") == expected
    assert spans_of(alone) == expected
    alone.write_text("0\n" * 20 + "1\n" * 20, encoding="utf-8")  # numbers only may be anything
    with pytest.raises(ExportError):
        spans_of(alone)


def test_a_label_of_the_backgrounds_name_is_told(tmp_path: Path) -> None:
    tree = parse_labels_text("background\nBlunt_dissection\n", "labels.txt")
    findings = Findings()
    records = list(read_export(str(somebody_elses(tmp_path / "gtea")), ReadOptions(tree=tree), findings))
    assert [r.label for r in records if isinstance(r, Span)] == [("background",), ("Blunt_dissection",)]
    assert "'background' is read as the label of this name" in findings.warnings[0][0]


def test_without_a_label_file_a_class_is_a_label(tmp_path: Path) -> None:
    records = list(read_export(str(somebody_elses(tmp_path / "gtea")), ReadOptions(), Findings()))
    assert [(r.case, r.clip, r.media, r.n_frames) for r in records if isinstance(r, Clip)] == [
        ("rgb-01-1", "rgb-01-1", "rgb-01-1", 25)
    ]
    assert [(r.label, r.basis) for r in records if isinstance(r, Span)] == [(("Blunt_dissection",), Frames(10, 25))]


def test_sampled_files_are_refused(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)])), "mstcn", sample_fps=Fraction(1))
    with pytest.raises(ExportError, match=r"holds only some frames \(sample_fps=1\)"):
        list(read_export(str(tmp_path / "out"), ReadOptions(), Findings()))


def test_a_file_that_was_shortened_is_a_fault(tmp_path: Path) -> None:
    export(tmp_path / "out", placed(clip("op1/a", [("A", 0, 5)])), "mstcn")
    file = tmp_path / "out/groundTruth/op1.txt"
    file.write_text("A\nA\n", encoding="utf-8")
    findings = Findings()
    assert not list(read_export(str(tmp_path / "out"), ReadOptions(), findings))
    assert findings.faults == [(str(file), "has 2 frames, but its clips had 100 when it was written")]


def test_a_folder_of_nothing_known(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is a folder of no format that lsvid reads"):
        read_export(str(tmp_path), ReadOptions(), Findings())


def test_a_folder_from_a_mac_and_endings_in_upper_case(tmp_path: Path) -> None:
    folder = tmp_path / "groundTruth"
    folder.mkdir()
    (folder / "v.TXT").write_text("cut\u200b\ncut \u00a0\nbackground\u200b\n\ufeff\n", encoding="utf-8")
    (folder / "._v.TXT").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X")
    findings = Findings()
    records = list(read_export(str(tmp_path), ReadOptions(), findings))
    assert [(r.clip, r.label, r.basis) for r in records if isinstance(r, Span)] == [("v", ("cut",), Frames(0, 2))]
    assert not findings.faults


@pytest.mark.parametrize("text", ["0 cut\n1 cut\n2 sew\n", "0,cut\n1,cut\n2,sew\n"])
def test_rows_with_their_number_are_no_class_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth/v.txt").write_text(text)
    findings = Findings()
    assert not [r for r in read_export(str(tmp_path), ReadOptions(), findings) if isinstance(r, Span)]
    assert "its rows begin with their number" in findings.faults[0][1]


def test_classes_that_are_numbers_are_told(tmp_path: Path) -> None:
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth/v.txt").write_text("1\n1\n2\n")
    findings = Findings()
    list(read_export(str(tmp_path), ReadOptions(), findings))
    assert "its classes are numbers" in findings.warnings[0][0]
