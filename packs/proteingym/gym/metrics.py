"""The five measures of the benchmark, of a score against a measured fitness: more is better for all of them.

Each takes two arrays of the same length, of finite numbers in which higher means fitter, and returns a float: `nan`
where the measure is not defined (a constant array, a single class). The definitions follow the benchmark's own
performance script, with one difference: where scores tie at the edge of the NDCG's top tenth, the script leaves it
to an unstable sort who comes first, here it is the order of the rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

TOP = 10.0  # per cent, of NDCG and of top-recall
MEASURES = ("Spearman", "AUC", "MCC", "NDCG", "Top_recall")


def ranks(values: Array) -> Array:
    """The ranks from 1, ties at the mean of theirs."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    last = np.append(first[1:], values.size)
    found = np.empty(values.size)
    found[order] = np.repeat((first + last + 1) / 2.0, last - first)
    return found


def spearman(fitness: Array, score: Array) -> float:
    """Spearman's rank correlation."""
    if fitness.size < 2:
        return float("nan")
    return spearman_of_ranks(ranks(fitness), ranks(score))


def spearman_of_ranks(first: Array, second: Array) -> float:
    """Spearman's correlation of two arrays that are ranks already."""
    middle = (first.size + 1) / 2.0
    a, b = first - middle, second - middle
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def auc(fit: Truth, score: Array) -> float:
    """The chance that a fit variant scores above an unfit one, ties half: the area under the ROC curve."""
    return auc_of_ranks(fit, ranks(score))


def auc_of_ranks(fit: Truth, ranked: Array) -> float:
    """As `auc`, of a score that was ranked already."""
    good = int(fit.sum())
    bad = fit.size - good
    if good == 0 or bad == 0:
        return float("nan")
    return (float(ranked[fit].sum()) - good * (good + 1) / 2.0) / (good * bad)


def mcc(fit: Truth, score: Array, cut: float | None = None) -> float:
    """Matthews' correlation of fitness with "the score is at least `cut`", which is the scores' median by default.

    0 where one of the two is constant.
    """
    if fit.size == 0:
        return float("nan")
    high = score >= (np.median(score) if cut is None else cut)
    both, good, above, count = float((fit & high).sum()), float(fit.sum()), float(high.sum()), float(fit.size)
    spread = good * (count - good) * above * (count - above)
    return (both * count - good * above) / float(np.sqrt(spread)) if spread > 0 else 0.0


def ndcg(fitness: Array, score: Array) -> float:
    """The normalised discounted cumulative gain of the tenth with the highest scores; gains are scaled to 0 to 1."""
    count = int(np.floor(fitness.size * (TOP / 100.0)))
    low, high = (float(fitness.min()), float(fitness.max())) if fitness.size else (0.0, 0.0)
    if high <= low:
        return float("nan") if count else 0.0
    gains = (fitness - low) / (high - low)
    top = gains[np.argsort(-score, kind="stable")[:count]]
    if not top.any():
        return 0.0
    weights = 1.0 / np.log2(np.arange(2, count + 2))
    best = np.sort(np.partition(gains, gains.size - count)[gains.size - count :])[::-1]
    return float(top @ weights) / float(best @ weights)


def top_recall(fitness: Array, score: Array) -> float:
    """The share of the fittest tenth that is in the tenth with the highest scores (ties at the edge are all in)."""
    if fitness.size == 0:
        return float("nan")
    best = fitness >= np.percentile(fitness, 100.0 - TOP)
    found = score >= np.percentile(score, 100.0 - TOP)
    return float((best & found).sum()) / float(best.sum())


def measures(fitness: Array, fit: Truth, score: Array, cut: float | None = None) -> dict[str, float]:
    """All five, by the benchmark's names, with the score sorted once.

    `fit`: which variants count as fit (`DMS_score_bin`). `cut`: the score from which on a variant is predicted to be
    fit, for MCC; a part of an assay is judged by the median of the whole. All are `nan` where a score is `nan`, so
    that the cell is empty: models are compared on the same variants.
    """
    if fitness.size == 0 or not np.isfinite(score).all():
        return dict.fromkeys(MEASURES, float("nan"))
    ranked = ranks(score)
    return {
        "Spearman": spearman_of_ranks(ranks(fitness), ranked) if fitness.size > 1 else float("nan"),
        "AUC": auc_of_ranks(fit, ranked),
        "MCC": mcc(fit, score, cut),
        "NDCG": ndcg(fitness, score),
        "Top_recall": top_recall(fitness, score),
    }
