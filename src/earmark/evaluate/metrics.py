"""Scores of each class, and the Brier score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.ranking import average_precisions
from earmark.types import IntArray

LEAST = 1e-12  # a probability; one of 0 would make a single wrong answer cost infinity
PerClass = dict[str, dict[str, float | None]]


def per_class(
    confusion: IntArray, precisions: NDArray[np.float64], labels: tuple[str, ...], seeds: int = 1
) -> PerClass:
    """Return precision, recall, F1, average precision and clips of each label.

    Parameters
    ----------
    confusion
        int64[labels, labels], summed over seeds: rows are the truth, columns the answer.
    precisions
        float64[labels], the average precisions.
    """
    result: PerClass = {}
    for i, label in enumerate(labels):
        hits, said, true = int(confusion[i, i]), int(confusion[:, i].sum()), int(confusion[i].sum())
        result[label] = {
            # Nothing is known of a class that no clip tested.
            "precision": (hits / said if said else 0.0) if true else None,
            "recall": hits / true if true else None,
            "f1": 2 * hits / (said + true) if true else None,
            "average_precision": float(precisions[i]) if true else None,
            "clips": true // seeds,
        }
    return result


def precisions_of_classes(probabilities: NDArray[np.float64], targets: IntArray) -> NDArray[np.float64]:
    """Return the average precision of each label against all others, float64[labels]."""
    return average_precisions(probabilities, targets[:, None] == np.arange(probabilities.shape[1]))


def brier_score(probabilities: NDArray[np.float64], targets: IntArray) -> float:
    """Return the mean over rows of the summed squared differences to the truth: 0 is best, 2 is sure and wrong.

    Source: Brier, *Verification of forecasts expressed in terms of probability*, 1950.

    Examples
    --------
    >>> brier_score(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 0]))
    0.25
    """
    rows = np.arange(len(targets))
    # (p - 1)² = p² - 2p + 1 at the target, p² elsewhere
    return float(((probabilities**2).sum(axis=1) - 2 * probabilities[rows, targets] + 1).mean())


def log_loss(probabilities: NDArray[np.float64], targets: IntArray) -> float:
    """Return the mean negative log-likelihood of the truth; a sure and wrong answer costs 27.6, not infinity."""
    chosen = np.maximum(probabilities[np.arange(len(targets)), targets], LEAST)
    return float(-np.log(chosen).mean())
