"""The same for clips with any number of labels: each label is a decision of its own, with a threshold of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.decide.recordings import each_once
from earmark.decide.target import Target, threshold
from earmark.decide.temperature import LEAST, best_temperature
from earmark.types import FloatArray, IntArray

EVEN = 0.5  # the threshold of a label of which nothing was learnt: more likely than not
F1 = "f1"  # what is aimed at where nothing else was said


def sigmoid(logits: NDArray[np.floating], temperature: float = 1.0) -> FloatArray:
    """Return probabilities float32[n, labels] of ``logits / temperature``, each label's for itself.

    >>> sigmoid(np.array([[2.0, 0.0]]), 2.0).round(3).tolist()
    [[0.7310000061988831, 0.5]]
    """
    probabilities: FloatArray = _sigmoid(np.asarray(logits, np.float64) / temperature).astype(np.float32)
    return probabilities


def fit_temperature_of_labels(
    logits: NDArray[np.floating], marks: NDArray[np.bool_], groups: IntArray, known: NDArray[np.bool_]
) -> float:
    """Return the temperature with the least Brier score over all labels, each recording counted once.

    As `earmark.decide.fit_temperature`, with the same caution where recordings are few, or all decisions right.

    Parameters
    ----------
    logits, marks, groups
        [n, labels], bool[n, labels] and int64[n], of clips that the networks did not hear.
    known
        bool[n, labels]: the scores of labels that the networks had clips to learn from.

    Examples
    --------
    Three of four decisions are right, and said with 95 %:

    >>> logits, rows = np.full((400, 2), 3.0), np.arange(400)
    >>> marks = np.repeat(rows[:, None] % 4 != 3, 2, axis=1)
    >>> temperature = fit_temperature_of_labels(logits, marks, rows, np.ones((400, 2), bool))
    >>> round(float(sigmoid(logits, temperature)[0, 0]), 2)
    0.75
    """
    if len(marks) < LEAST or not known.any():
        return 1.0
    scores = np.asarray(logits, np.float64)
    each, recordings = each_once(groups)
    weights = each[:, None] * known
    doubt = 1 / (recordings + 2)
    meant = np.where(marks, 1 - doubt, doubt)

    def brier(log_temperature: float) -> float:
        return float((weights * (_sigmoid(scores * np.exp(-log_temperature)) - meant) ** 2).sum())

    return best_temperature(brier, recordings)


def thresholds_of_labels(
    probabilities: NDArray[np.floating], marks: NDArray[np.bool_], known: NDArray[np.bool_], target: Target
) -> tuple[float, ...]:
    """Return for each label how probable it must be to be said.

    Parameters
    ----------
    probabilities, marks, known
        [n, labels], as `fit_temperature_of_labels` takes them.

    Examples
    --------
    >>> likely, true = np.array([[0.9, 0.3], [0.8, 0.2], [0.1, 0.1]]), np.array([[True, True], [False, True]])
    >>> marks = np.vstack([true, [False, False]])
    >>> thresholds_of_labels(likely, marks, np.ones((3, 2), bool), Target.of("f1"))
    (0.9, 0.2)
    """
    found = []
    for scores, own, rows in zip(probabilities.T, marks.T, known.T, strict=True):
        wanted = int(own[rows].sum())
        found.append(threshold(scores[rows], own[rows], wanted, target) if wanted else EVEN)
    return tuple(found)


def _sigmoid(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.exp(-np.logaddexp(0, -scores))
    return result
