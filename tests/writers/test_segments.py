"""segments.csv: read by another CSV reader, held against the frame table; and read back by lsvid."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings

from exports import LABELS, Labelled, clip, export, frame_table, index, overlapping, placed


@settings(max_examples=25, deadline=None)
@given(overlapping(), overlapping())
def test_the_rows_cover_what_the_frame_table_has(first: list[Labelled], second: list[Labelled]) -> None:
    ntsc = index(60, Fraction(30000, 1001), Fraction(1, 5))
    clips = placed(clip("op1/a", {"x": first, "y": second}, ntsc), clip("op1/b", second, index(60)))
    with TemporaryDirectory() as folder:
        export(Path(folder, "out"), clips, "segments", LABELS)
        rows = pl.read_csv(Path(folder, "out/segments.csv")).to_dicts()
    covered = {
        (row["clip"], row["annotator"], frame, row["label"])
        for row in rows
        for frame in range(row["start_frame"], row["stop_frame"])
    }
    table = frame_table(clips, LABELS).filter(pl.col("label").is_not_null())
    assert covered == {(row["clip"], row["annotator"], row["frame"], row["label"]) for row in table.to_dicts()}
    starts = {(row["clip"], row["frame"]): row for row in table.to_dicts()}
    for row in rows:
        at = starts[row["clip"], row["start_frame"]]
        assert abs(row["start_s"] - at["time_s"]) < 1e-6
        assert abs(row["case_start_s"] - at["case_time_s"]) < 1e-6
        assert row["case_start_frame"] == at["case_frame"]
        assert abs(row["duration_s"] - (row["end_s"] - row["start_s"])) < 2e-6


def test_first_and_last_frame_and_clips_with_nothing(tmp_path: Path) -> None:
    clips = placed(clip("op1/a", [("Dissection / Blunt", 0, 100)]), clip("op1/b", []))
    export(tmp_path / "out", clips, "segments", LABELS)
    header, row = (tmp_path / "out/segments.csv").read_text(encoding="utf-8").splitlines()
    assert header == (
        "case,clip,annotator,region,label,level_1,level_2,start_frame,stop_frame,case_start_frame,case_stop_frame,"
        "start_s,end_s,case_start_s,case_end_s,duration_s,start,end"
    )
    assert row == (
        "op1,a,ann,r0,Dissection / Blunt,Dissection,Blunt,0,100,0,100,"
        "0.000000,4.000000,0.000000,4.000000,4.000000,00:00:00.000,00:00:04.000"
    )
    assert (tmp_path / "out/clips.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "op1,a,ann,/videos/op1/a.mp4,100,25,0.000000,4.000000,0,0.000000",
        "op1,b,ann,/videos/op1/b.mp4,100,25,0.000000,4.000000,100,4.000000",
    ]
