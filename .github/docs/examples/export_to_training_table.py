"""From an export to a training table.

    python export_to_training_table.py export.json clips/ table/

Writes table/frames.parquet: one row for each second, one 0/1 column for each label, and the column `part`, which says
whether the row is for training or for testing. Whole cases go into one part, so that no recording is in both.
"""

import sys
from pathlib import Path

import polars as pl

import lsvid


def main(export, clips, folder):
    dataset = lsvid.read(export, clips=clips)
    print(dataset)
    for text, hint in dataset.findings.warnings:
        print("warning:", text, "-", hint)

    # Annotators leave small gaps: a span that ends within 0.2 s of the next one shares its boundary with it.
    # Where spans of two labels overlap, the label that comes first keeps the frames.
    tidy = dataset.tidy(snap_s=0.2, overlap="priority")

    # One picture for each second. A frame that somebody looked at and gave no label is "none".
    frames = tidy.frames(layout="wide", sample_fps=1, background="none")

    # Every third case is for testing.
    cases = frames["case"].unique(maintain_order=True)
    tests = cases.gather_every(3, offset=2)
    frames = frames.with_columns(
        part=pl.when(pl.col("case").is_in(tests.implode())).then(pl.lit("test")).otherwise(pl.lit("train"))
    )

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames.write_parquet(folder / "frames.parquet")
    print(frames)
    return frames


if __name__ == "__main__":
    main(*sys.argv[1:4])
