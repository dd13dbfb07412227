"""From labels to a model and back: a complete small example. The model is a toy; put yours in its place.

    python train_on_it.py annotated.json clips/ labels.txt out/

Trains on every case but the last one, predicts all of them, and writes:
    out/net/           probabilities: a file for each case, a row for each second, and classes.txt
    out/evaluation/    the numbers of a paper's table for the last case; evaluation.html shows truth over prediction
"""

import sys
from pathlib import Path

import numpy as np

import lsvid
from lsvid.report.evaluation import write_evaluation

FPS = 1  # pictures a second that the model sees, as surgical phases are evaluated
BACKGROUND = "background"  # what an annotator looked at and gave no label


# --- What your own model takes the place of ---------------------------------------------------------------------------


def features(window):
    """A few numbers of a window of pictures, uint8 (frames, height, width, 3): its last picture, very small, and what
    moved. float (D,).
    """
    pictures = window["pictures"][:, ::8, ::8] / 255
    return np.concatenate([pictures[-1].ravel(), pictures.std(axis=0).ravel(), [1.0]])


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def train(x, y, n_classes, steps=300, rate=0.5):
    """The weights (D, classes) of a softmax regression, by gradient descent."""
    weights = np.zeros((x.shape[1], n_classes))
    wanted = np.eye(n_classes)[y]
    for _ in range(steps):
        weights -= rate * x.T @ (softmax(x @ weights) - wanted) / len(x)
    return weights


# --- From labels to probabilities -------------------------------------------------------------------------------------


def windows_of(dataset, case):
    """Every window of a case, one for each second, over the ends of its clips; labels int64, -100 for no label."""
    return dataset.select(cases=[case]).windows(
        frames=4, fps=FPS, short_side=48, labels="single", level=1, background=BACKGROUND
    )


def main(export, clips, labels, out):
    dataset = lsvid.read(export, clips=clips, labels=labels)
    *training, held_out = [case.name for case in dataset.cases]
    print(f"{dataset!r}; trained on {', '.join(training)}, evaluated on {held_out}")

    x, y = [], []
    for case in training:
        for window in windows_of(dataset, case):
            x.append(features(window))
            y.append(window["labels"][-1])  # a window is for its last picture
    x, y = np.array(x), np.array(y)
    classes = windows_of(dataset, held_out).labels  # the background's is the last
    weights = train(x[y >= 0], y[y >= 0], len(classes))

    net = Path(out) / "net"
    net.mkdir(parents=True, exist_ok=True)
    (net / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    for case in [*training, held_out]:
        rows = np.array([features(window) for window in windows_of(dataset, case)])
        np.save(net / f"{case}.npy", softmax(rows @ weights))  # (T, classes)

    # Back as spans with scores: no shorter than two seconds. The same folder goes into Label Studio, see the page.
    options = {"fps": FPS, "min_duration_s": 2}
    predictions = lsvid.read(net, clips=clips, labels=labels, statuses=["prediction"], probabilities=options)
    found = lsvid.evaluate(
        dataset.select(cases=[held_out]), predictions.select(cases=[held_out]), labels=dataset.labels, fps=FPS
    )
    print(found)
    write_evaluation(found, Path(out) / "evaluation")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
