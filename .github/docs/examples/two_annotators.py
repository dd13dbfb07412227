"""Two annotators compared.

    python two_annotators.py export.json clips/ report/

Prints how far each two annotators agree, how long each of them says that a task took, and where the labels of the first
two differ for longest. Writes report/report.html, which shows the same with a timeline for each case.
"""

import sys

import numpy as np

import lsvid


def differences(clip, first, second):
    """(seconds, start_s) of each stretch on which the labels of two annotators differ; the longest comes first."""
    differs = (clip.labels(first).values != clip.labels(second).values).any(axis=1)
    edges = np.flatnonzero(np.diff(differs, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]  # half-open, in frames
    times_s = np.append(clip.times_s, clip.times_s[-1])  # a stretch may run to the end of the clip
    begin_s, end_s = times_s[starts], times_s[stops]
    return sorted(zip((end_s - begin_s).tolist(), begin_s.tolist(), strict=True), reverse=True)


def main(export, clips, folder):
    dataset = lsvid.read(export, clips=clips)
    print(dataset)

    # A row for each level of the labels, each pair, and each case; case is null in the row for all cases.
    agreement = dataset.agreement()
    print(agreement["level", "case", "first", "second", "frames", "accuracy", "kappa", "edit", "f1_50"])

    # How long each label took, by annotator.
    print(dataset.timings()["case", "annotator", "label", "count", "total_s"])

    first, second = dataset.annotators[:2]
    for clip in dataset:
        if first in clip.annotators and second in clip.annotators:
            for seconds, start_s in differences(clip, first, second)[:3]:
                print(f"{clip.id}: {first} and {second} differ for {seconds:.2f} s from {start_s:.2f} s")

    dataset.report(folder)
    return agreement


if __name__ == "__main__":
    main(*sys.argv[1:4])
