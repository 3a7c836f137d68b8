"""Prediction sets: all labels that may be true, so many that the truth is among them as often as was promised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.decide.recordings import each_once
from earmark.types import IntArray


def set_threshold(
    probabilities: NDArray[np.floating], targets: IntArray, groups: IntArray, coverage: float
) -> float:
    """Return how probable a label must be to be in the set, such that ``coverage`` of new recordings' clips are met.

    Clips of one recording are not so many witnesses as they are clips: each recording counts once in all, and so does
    the new one that the promise is for. From fewer recordings than the promise needs, 0: every label is in every set.

    Source: Lee, Barber and Willett, *Distribution-free inference with hierarchical data*, 2023. The promise there is
    for scores of one model; here each row is scored by the model that did not hear its recording.

    Parameters
    ----------
    probabilities, targets, groups
        [n, labels], int64[n] and int64[n], of rows that were not learnt from.
    coverage
        Above 0, below 1.

    Examples
    --------
    >>> sure = np.linspace(0.99, 0.01, 99)
    >>> of_both, rows = np.stack([sure, 1 - sure], axis=1), np.arange(99)
    >>> round(set_threshold(of_both, np.zeros(99, np.int64), rows, 0.9), 6)
    0.1
    """
    true = np.asarray(probabilities, np.float64)[np.arange(len(targets)), targets]
    weights, recordings = each_once(groups)
    order = np.argsort(-true, kind="stable")
    met = np.cumsum(weights[order])
    enough = np.flatnonzero(met >= coverage * (recordings + 1) - 1e-9)
    return float(true[order][enough[0]]) if len(enough) else 0.0


def prediction_sets(probabilities: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """Return which labels are in the set of each row, bool[n, labels]; the most probable one always is."""
    chosen: NDArray[np.bool_] = probabilities >= threshold
    chosen[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return chosen
