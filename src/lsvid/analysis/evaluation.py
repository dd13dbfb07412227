"""Compare predictions with the truth: by label and by case, unrelaxed and relaxed, by segments and by detections.

Everything is computed on runs of frames (lsvid.analysis.agreement), so the cost depends on the number of spans, not on
the hours of video. All numbers are in percent, except kappa, AP and mAP (0 to 1). Definitions: lsvid.analysis.cells
(measures, strategies, means), lsvid.analysis.relaxed, lsvid.analysis.agreement (edit, F1@k), lsvid.analysis.detections,
lsvid.analysis.published.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from lsvid.analysis.agreement import F1_OVERLAPS, edit_score, f1_counts, f1_score, segments
from lsvid.analysis.cells import (
    STRATEGIES,
    FloatArray,
    Hits,
    cells,
    f1_of_means,
    in_both_orders,
    mean,
    per_label,
    pooled,
    sd,
)
from lsvid.analysis.detections import detections
from lsvid.analysis.evaluated import Evaluation, EvaluationOptions, tolerance
from lsvid.analysis.pairing import Frames, Pairs, Scored, pair_arrays, pair_clips
from lsvid.analysis.published import VARIANTS, cholec80_rule, published
from lsvid.analysis.relaxed import NEIGHBOURS, BoolArray, Rule, judge
from lsvid.analysis.timings import LabelPath
from lsvid.annotations.codings import MISSING, NOTHING, IntArray, Runs, accuracy, cohen_kappa, confusion
from lsvid.annotations.spans import LocatedSpan, Status
from lsvid.annotations.stages import AnnotatedClip, Stage, Track
from lsvid.errors import DataError, SettingsError, check_kind
from lsvid.findings import Findings
from lsvid.labels.tree import join_path
from lsvid.video.timebase import exact


class HasClips(Protocol):
    """An object with annotated clips: an `lsvid.Dataset`."""

    @property
    def located(self) -> Stage[AnnotatedClip]: ...


Side = Mapping[str, Frames] | Stage[AnnotatedClip] | HasClips
"""Arrays by case, or clips with located annotations."""

DEFAULT_FPS = 1
"""Pictures a second that are compared if both sides are annotations, as is usual for surgical phases."""


def evaluate(
    truth: Side,
    predictions: Side,
    *,
    labels: Sequence[str] | Sequence[LabelPath] | None = None,
    fps: float | str | Fraction | None = None,
    level: int = 1,
    relaxed_s: float | str | Fraction = 10,
    strategy: str = "B",
    unlabelled: str | None = None,
    as_: str | Iterable[str] = (),
    common: bool = False,
    scored: Mapping[str, Iterable[Scored]] | None = None,
    sources: Sequence[str] = (),
    findings: Findings | None = None,
) -> Evaluation:
    """An Evaluation of `predictions` against `truth`. It prints like the table of a paper.

    Both sides are arrays by case: integers, shape (T,), -1 for no label, in the truth -100 where nobody looked; or, if
    a frame may have several labels, 0 and 1, shape (T, K). labels: their names; None: their numbers. fps: frames a
    second of both. scored: by case, (start_s, end_s, label, score) of each prediction with a score, for mAP; label is a
    number or a name.

    Or both sides are annotated clips. From `predictions`, the spans with status prediction are taken, or the accepted
    ones if there are none. labels: every label path, in order; None: those of the truth. level: how many names of a
    path count, from 1. fps: pictures a second to compare, sampled as in the frame table (None: 1).

    relaxed_s, strategy, unlabelled, as_: see EvaluationOptions. common: leave out, and count, the cases that only one
    side has, instead of raising. sources: where both come from, for people.

    >>> truth, said = {"op1": [0, 0, 0, 1, 1, 1]}, {"op1": [0, 0, 1, 1, 1, 1]}
    >>> found = lsvid.evaluate(truth, said, labels=["cut", "sew"], fps=1)
    >>> round(found.as_dict()["accuracy"]["mean"], 1)
    83.3
    >>> found.as_dict()["relaxed"]["consistent_neighbours"]["accuracy"]["mean"]
    100.0

    Raises PairingError, which lists everything that does not fit together, and SettingsError for a wrong setting.
    """
    options = evaluation_options(relaxed_s=relaxed_s, strategy=strategy, unlabelled=unlabelled, as_=as_)
    findings = Findings() if findings is None else findings
    paths = None if labels is None else _paths(labels)
    if isinstance(truth, Mapping) and isinstance(predictions, Mapping):
        if fps is None:
            raise SettingsError("arrays do not tell how many frames a second they have", "say it: fps=1")
        check_kind("scored", scored or {}, Mapping, "a dict from cases to predictions with a score")
        pairs = pair_arrays(truth, predictions, paths, _rate(fps), findings, common=common, scored=scored)
        return evaluate_pairs(pairs, options, findings, sources=sources)
    if isinstance(truth, Mapping) or isinstance(predictions, Mapping):
        raise SettingsError("one side is arrays and the other is not", "give both as arrays, or both as annotations")
    rate = _rate(DEFAULT_FPS if fps is None else fps)
    said = predictions_of(_clips(predictions))
    pairs = pair_clips(_clips(truth), said, paths, rate, findings, level=level, common=common)
    return evaluate_pairs(pairs, options, findings, sources=sources, level=level)


def _paths(labels: Sequence[str] | Sequence[LabelPath]) -> list[LabelPath]:
    """The labels as paths. Raises SettingsError if one is there twice."""
    ones = (labels,) if isinstance(labels, str) else labels
    check_kind("labels", ones, Iterable, "a list of names")
    paths = [tuple(label) if isinstance(label, (tuple, list)) else (str(label),) for label in ones]
    if twice := [join_path(path) for path, count in Counter(paths).items() if count > 1]:
        raise SettingsError(f"labels has {', '.join(twice)} twice", "give each label another name")
    return paths


def _clips(side: object) -> Stage[AnnotatedClip]:
    located = side if isinstance(side, Stage) else getattr(side, "located", None)
    if not isinstance(located, Stage):
        raise SettingsError(
            f"a {type(side).__name__} is neither arrays by case nor annotated clips",
            "give {case: a label for each frame}, or what lsvid.read returns",
        )
    return located


def predictions_of(located: Stage[AnnotatedClip]) -> Stage[AnnotatedClip]:
    """The clips with only their predictions; if there are no predictions at all, the clips unchanged."""
    if not any(_is_prediction(work) for clip in located.clips for work in clip.tracks):
        return located
    return replace(
        located,
        clips=tuple(
            replace(clip, tracks=tuple(work for work in clip.tracks if _is_prediction(work))) for clip in located.clips
        ),
    )


def _is_prediction(work: Track[LocatedSpan]) -> bool:
    return work.annotation.status is Status.PREDICTION


def _rate(fps: float | str | Fraction) -> Fraction:
    rate = _exact(fps, "fps")
    if rate <= 0:
        raise SettingsError(f"fps {fps}: choose more than 0")
    return rate


def evaluation_options(
    *, relaxed_s: float | str | Fraction, strategy: str, unlabelled: str | None, as_: str | Iterable[str]
) -> EvaluationOptions:
    """EvaluationOptions from the values that a person gives. Raises SettingsError."""
    names = (as_,) if isinstance(as_, str) else tuple(as_)
    options = EvaluationOptions(_exact(relaxed_s, "relaxed_s"), strategy, unlabelled, names)
    options.check()
    return options


def evaluate_pairs(
    pairs: Pairs,
    options: EvaluationOptions,
    findings: Findings,
    *,
    sources: Sequence[str] = (),
    level: int | None = None,
) -> Evaluation:
    """The Evaluation of `pairs`. Its `warnings` also say what was left out.

    Raises DataError if nothing is left to compare, SettingsError if a published script cannot take the data.
    """
    options.check()
    unlabelled = options.unlabelled or ("background" if pairs.several_at_once else "ignore")
    looked = {case: _kept(runs, runs.codes[0] != MISSING) for case, runs in pairs.cases.items()}
    counted = looked
    if unlabelled == "ignore":
        counted = {case: _kept(runs, runs.codes[0] != NOTHING) for case, runs in looked.items()}
    if not any(runs.lengths.sum() for runs in counted.values()):
        raise DataError("there is nothing to evaluate: no frame has a truth", "see that the labels and cases are right")
    n_codes = pairs.members.shape[1]
    tables = {case: confusion(runs, n_codes=n_codes) for case, runs in counted.items()}
    n_without = sum(int(runs.lengths[runs.codes[0] == NOTHING].sum()) for runs in looked.values())
    hits = _plain_hits(tables.values(), pairs.members)
    results: dict[str, Any] = {
        "frames": {case: int(runs.lengths.sum()) for case, runs in looked.items()},
        "frames_without_truth": n_without,
        "tp_fp_fn": _counts(tables, hits),
        "accuracy": _accuracy({case: accuracy(table) for case, table in tables.items()})
        | {"pooled": _percent(accuracy(sum_of(tables.values())))},
        "kappa_pooled": cohen_kappa(sum_of(tables.values())),
        "unrelaxed": {},
        "pooled": pooled(hits),
        "relaxed": {},
        "segments": _segments(pairs.cases) | {"accuracy_all_frames": _accuracy_of_all(looked, n_codes)},
        "confusion": sum_of(tables.values()).tolist(),
    }
    by_strategy = {strategy: cells(hits, strategy) for strategy in STRATEGIES}
    results["cells"] = {
        strategy: {name: values.T.tolist() for name, values in found.items()} for strategy, found in by_strategy.items()
    }
    results["unrelaxed"] = {strategy: _summary(found) for strategy, found in by_strategy.items()}
    if unlabelled == "ignore" and n_without:
        results["background"] = _background(looked, pairs, n_codes)
    relax_frames = tolerance(options.relaxed_s, pairs.fps)
    results["relaxed"]["consistent_neighbours"] = _relaxed(pairs, relax_frames, unlabelled, NEIGHBOURS)
    results["relaxed"] |= _published(pairs, options, relax_frames, unlabelled)
    if pairs.found:
        results["detections"] = detections(pairs.truth, pairs.found, len(pairs.labels))
    for text in _warnings(pairs, results, unlabelled):
        findings.warn(text)
    warnings = [text for text, _ in findings.warnings]
    warnings += [f"left out {count} {reason}" for reason, count in findings.left_out_counts().items()]
    return Evaluation(pairs, options, unlabelled, results, tuple(warnings), tuple(sources), level)


def sum_of(tables: Iterable[IntArray]) -> IntArray:
    """The sum of the tables."""
    total: IntArray = np.sum(list(tables), axis=0)
    return total


# --- By frame ---------------------------------------------------------------------------------------------------------


def _kept(runs: Runs, keep: BoolArray) -> Runs:
    return Runs(runs.lengths[keep], runs.codes[:, keep])


def _plain_hits(tables: Iterable[IntArray], members: BoolArray) -> Hits:
    has = members.astype(np.int64)
    several = members.sum(axis=0) > 1
    rows = []
    for table in tables:
        one, other = np.nonzero(table)
        apart = (one != other) & (several[one] | several[other])  # else two different codes have no label in common
        one, other = one[apart], other[apart]
        both = has @ table.diagonal() + (members[:, one] & members[:, other]) @ table[one, other]
        true, said = has @ table.sum(axis=1), has @ table.sum(axis=0)
        rows.append((true, said, true + said - both, both, both, both))
    return Hits(*(np.array(column) for column in zip(*rows, strict=True)))


def _counts(tables: Mapping[str, IntArray], hits: Hits) -> dict[str, list[list[int]]]:
    tp = hits.right_either
    found = np.stack([tp, hits.predicted - tp, hits.in_truth - tp], axis=2)
    return {case: rows.tolist() for case, rows in zip(tables, found, strict=True)}


def _summary(found: Mapping[str, FloatArray]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        name: in_both_orders(values) | {"per_label": per_label(values)} for name, values in found.items()
    }
    for order in ("by_case", "by_label"):
        summary[f"f1_of_mean_precision_and_recall_{order}"] = f1_of_means(summary, order)
    return summary


def _accuracy(per_case: Mapping[str, float | None]) -> dict[str, Any]:
    percents = {case: _percent(value) for case, value in per_case.items()}
    values = list(percents.values())
    return {"per_case": percents, "mean": mean(values), "sd_cases": sd(values)}


def _percent(share: float | None) -> float:
    return math.nan if share is None else 100 * share


def _accuracy_of_all(looked: Mapping[str, Runs], n_codes: int) -> float:
    return _percent(accuracy(sum_of(confusion(runs, n_codes=n_codes) for runs in looked.values())))


def _background(looked: Mapping[str, Runs], pairs: Pairs, n_codes: int) -> dict[str, Any]:
    """The counts if frames without a truth are kept."""
    tables = {case: confusion(runs, n_codes=n_codes) for case, runs in looked.items()}
    hits = _plain_hits(tables.values(), pairs.members)
    return {
        "tp_fp_fn": _counts(tables, hits),
        "accuracy_pooled": _percent(accuracy(sum_of(tables.values()))),
        "jaccard_pooled": pooled(hits)["jaccard"]["per_label"],
    }


# --- Relaxed ----------------------------------------------------------------------------------------------------------


def _relaxed(pairs: Pairs, relax_frames: int, unlabelled: str, rule: Rule | None) -> dict[str, Any]:
    """Relaxed means over the cells of strategy B.

    If frames may have several labels, each label is relaxed by itself, and there is no relaxed accuracy.
    """
    rows: list[Hits] = []
    right_shares: dict[str, float | None] = {}
    for case, runs in pairs.cases.items():
        if pairs.several_at_once:
            of_labels = [
                _relaxed_hits(_binary(runs, has), relax_frames, unlabelled, rule, 3)[0] for has in pairs.members
            ]
            rows.append(Hits(*(np.array([getattr(one, name)[2] for one in of_labels]) for name in Hits._fields)))
            right_shares[case] = None
        else:
            found, share = _relaxed_hits(runs, relax_frames, unlabelled, rule, len(pairs.labels) + 2)
            rows.append(Hits(*(counts[1 : len(pairs.labels) + 1] for counts in found)))
            right_shares[case] = share
    hits = Hits(*(np.array(column) for column in zip(*rows, strict=True)))
    values = cells(hits, "B")
    return {
        "accuracy": _accuracy(right_shares),
        "per_label_per_case": {name: table.T.tolist() for name, table in values.items()},
        **{name: in_both_orders(table) for name, table in values.items()},
    }


def _binary(runs: Runs, has: BoolArray) -> Runs:
    """The runs of one label: 2 where it is present, 1 where it is absent, MISSING where nobody looked."""
    return Runs(runs.lengths, np.where(runs.codes == MISSING, MISSING, 1 + has[np.maximum(runs.codes, 0)]))


def _relaxed_hits(
    runs: Runs, relax_frames: int, unlabelled: str, rule: Rule | None, n_codes: int
) -> tuple[Hits, float | None]:
    """(hits by code, share of frames that are right) for one case."""
    judged = judge(runs, relax_frames, rule, nothing=unlabelled == "background")
    keep = judged.runs.codes[0] != MISSING
    if unlabelled == "ignore":
        keep &= judged.runs.codes[0] != NOTHING
    lengths, (truth, said), right = judged.runs.lengths[keep], judged.runs.codes[:, keep], judged.right[keep]
    same = truth == said

    def by_code(codes: IntArray, mask: BoolArray) -> IntArray:
        sums: IntArray = np.zeros(max(n_codes, int(codes.max(initial=0)) + 1), dtype=np.int64)
        np.add.at(sums, codes[mask], lengths[mask])
        return sums[:n_codes]

    everything = np.ones(len(lengths), dtype=bool)
    in_truth, predicted = by_code(truth, everything), by_code(said, everything)
    right_in_truth, right_predicted = by_code(truth, right), by_code(said, right)
    both = by_code(truth, same)
    total = int(lengths.sum())
    hits = Hits(
        in_truth, predicted, in_truth + predicted - both, right_in_truth, right_predicted,
        right_in_truth + right_predicted - both,
    )  # fmt: skip
    return hits, int(lengths[right].sum()) / total if total else None


def _published(pairs: Pairs, options: EvaluationOptions, relax_frames: int, unlabelled: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    n_labels = len(pairs.labels)
    for name in options.as_:
        takes = VARIANTS[name].n_labels if name in VARIANTS else (7,)
        reasons = {
            f"it knows {' or '.join(map(str, takes))} labels in order, and these are {n_labels}": n_labels not in takes,
            "several labels are there at once": pairs.several_at_once,
            f"it knows whole numbers of frames a second, not {float(pairs.fps):g}": pairs.fps.denominator != 1,
            "parts of a case have no truth": any((runs.codes == MISSING).any() for runs in pairs.cases.values()),
        }
        if wrong := [reason for reason, holds in reasons.items() if holds]:
            raise SettingsError(f"cannot evaluate as {name}: {'; '.join(wrong)}")
        if name == "cholec80":
            found["consistent_cholec80"] = _relaxed(pairs, relax_frames, unlabelled, cholec80_rule())
            continue
        for variant in (VARIANTS[name], *([VARIANTS["surgformer"]] if name == "tmrnet" else [])):
            found[variant.name] = published(pairs.cases, n_labels, variant, relax_frames)
    return found


# --- Segments ---------------------------------------------------------------------------------------------------------


def _segments(cases: Mapping[str, Runs]) -> dict[str, Any]:
    """Edit score (mean over cases) and F1@k (from summed counts), over all frames; no label makes no segment."""
    edits: dict[str, float] = {}
    counts: dict[str, list[Any]] = {}
    for case, runs in cases.items():
        hidden = runs.codes[0] == MISSING
        truth = segments(runs.codes[0], runs.lengths)
        found = segments(np.where(hidden, MISSING, runs.codes[1]), runs.lengths)
        score = edit_score(found, truth)
        edits[case] = math.nan if score is None else score
        counts[case] = [f1_counts(found, truth, overlap) for overlap in F1_OVERLAPS]
    scores = [f1_score([of[k] for of in counts.values()]) for k in range(len(F1_OVERLAPS))]
    return {
        "edit": mean(list(edits.values())),
        "f1_10_25_50": [math.nan if score is None else score for score in scores],
        "edit_per_case": edits,
        "tp_fp_fn_per_case_10_25_50": {case: [list(one) for one in of] for case, of in counts.items()},
    }


# --- What a reader of the numbers must know ---------------------------------------------------------------------------


def _warnings(pairs: Pairs, results: Mapping[str, Any], unlabelled: str) -> Iterable[str]:
    n_cases = len(pairs.cases)
    if n_cases == 1:
        yield "one case: there is no SD over cases"
    without = results["frames_without_truth"]
    if without and unlabelled == "ignore":
        share = 100 * without / sum(results["frames"].values())
        yield f"{without} frames ({share:.1f} %) have no truth, and are ignored"
    totals = np.array(list(results["tp_fp_fn"].values())).sum(axis=0)
    in_truth = [sum(tp + fn > 0 for tp, _, fn in column) for column in zip(*results["tp_fp_fn"].values(), strict=True)]
    for k, (label, (tp, fp, fn)) in enumerate(zip(pairs.labels, totals, strict=True)):
        if fp and not tp + fn:
            yield f"label {label} is in no truth, but {fp} frames are predicted to be it: strategy B hides them"
        elif fn and not tp + fp:
            yield f"label {label} is never predicted: it has no precision"
        elif 0 < in_truth[k] < n_cases:
            yield f"label {label}: its means are over {in_truth[k]} of {n_cases} cases"
    for name, found in results["relaxed"].items():
        if found.get("clamped") or found.get("infinite"):
            yield (
                f"{name}: {found['clamped']} cells were above 100, {found['infinite']} of them infinite, and were cut "
                "to 100, as the published script does"
            )


def _exact(value: float | str | Fraction, name: str) -> Fraction:
    try:
        return exact(value)
    except ValueError as error:
        raise SettingsError(f"{name} {value!r} is not a number") from error
