"""How well scores put what is true before what is not: average precision, its kin by row, and AUROC.

Rows or labels of equal score are told apart by no threshold, so each counts with the last of its equals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precision(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Return the area below the steps of the precision-recall curve; NaN where nothing is relevant.

    With the rows in the order of their scores, highest first, it is the sum over thresholds n of
    ``(recall[n] - recall[n - 1]) * precision[n]``. Rows of equal score are told apart by no threshold.

    Parameters
    ----------
    scores, relevant
        Of each row, [n].

    Examples
    --------
    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))
    0.8333333333333333
    """
    wanted = int(relevant.sum())
    if not wanted:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # of the rows with this score
    hits = np.cumsum(relevant[order])[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / wanted)


def average_precisions(scores: NDArray[np.floating], marks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the average precision of each label, float64[labels], NaN for one that no row has.

    Parameters
    ----------
    scores, marks
        [n, labels].
    """
    columns = zip(scores.T, marks.T, strict=True)
    return np.array([average_precision(column, own) for column, own in columns], np.float64)


def mean_average_precision(scores: NDArray[np.floating], marks: NDArray[np.bool_]) -> float:
    """Return the mean of `average_precisions` over the labels that occur; NaN where none does."""
    occur = marks.any(axis=0)
    return (
        float(average_precisions(scores[:, occur], marks[:, occur]).mean()) if occur.any() else float("nan")
    )


def auroc(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Return how often a relevant row has a higher score than another one, equal scores counting half.

    NaN where all rows or none are relevant.

    Examples
    --------
    >>> auroc(np.array([0.9, 0.8, 0.7, 0.7]), np.array([True, False, True, False]))
    0.625
    """
    wanted, n = int(relevant.sum()), len(relevant)
    if not 0 < wanted < n:
        return float("nan")
    _, level, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2  # the mean of those that are equal
    above = float(ranks[level][relevant].sum()) - wanted * (wanted + 1) / 2
    return above / (wanted * (n - wanted))


def label_ranking_precision(scores: NDArray[np.floating], marks: NDArray[np.bool_]) -> float:
    """Return the label-weighted label-ranking average precision (lwlrap); NaN where no row has a label.

    For each label of a row: of the labels that score as high there, the share that are the row's. The mean counts every
    label of every row once.

    Source: Fonseca et al., *Audio tagging with noisy labels and minimal supervision*, 2019.

    Parameters
    ----------
    scores, marks
        [n, labels].

    Examples
    --------
    >>> label_ranking_precision(np.array([[0.9, 0.5, 0.1]]), np.array([[True, False, True]]))
    0.8333333333333333
    """
    if not marks.any():
        return float("nan")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked, own = np.take_along_axis(scores, order, axis=1), np.take_along_axis(marks, order, axis=1)
    labels = scores.shape[1]
    last = np.ones(ranked.shape, bool)
    last[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    ends = np.where(last, np.arange(labels), labels)
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(np.cumsum(own, axis=1), ends, axis=1)
    return float((hits / (ends + 1))[own].mean())
