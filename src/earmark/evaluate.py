"""Scores test rows, through `predict.Predictor`; never trains. Intervals are resampled by group, not by clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.types import FloatArray, IntArray

_RESAMPLES = 2000
LEAST_GROUPS = 3
_BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Test rows with what a model said about them.

    Parameters
    ----------
    positions
        int64[n], rows of the feature table.
    targets, groups
        int64[n].
    probabilities
        float32[n, labels].
    """

    positions: IntArray
    targets: IntArray
    groups: IntArray
    probabilities: FloatArray

    @property
    def correct(self) -> NDArray[np.bool_]:
        """bool[n]."""
        correct: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.targets
        return correct

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable label is the right one."""
        return float(self.correct.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What is known about a classifier's quality.

    Parameters
    ----------
    accuracy, sd
        Mean over folds, and their standard deviation (0 for one fold).
    interval
        95 %, of the accuracy, by bootstrap over groups; 0 to 1 where there are fewer than `LEAST_GROUPS`.
    macro_f1
        Over the labels that occur.
    per_class
        For each label: precision, recall, f1, clips; ``None`` where no clip tested it.
    confusion
        int64[labels, labels]: rows are the truth, columns the answer.
    ece, nll
        Expected calibration error (15 bins of equal width) and mean negative log-likelihood.
    clips, groups
        How many were tested.
    """

    accuracy: float
    sd: float
    interval: tuple[float, float]
    macro_f1: float
    per_class: dict[str, dict[str, float | None]]
    confusion: IntArray
    ece: float
    nll: float
    clips: int
    groups: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "accuracy": self.accuracy,
            "sd": self.sd,
            "interval": list(self.interval),
            "macro_f1": self.macro_f1,
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
            "calibration": {"ece": self.ece, "nll": self.nll},
            "clips": self.clips,
            "groups": self.groups,
        }


def report(folds: list[Scored], labels: tuple[str, ...], seed: int = 0) -> Report:
    """Judge the scored rows of one or more folds.

    Examples
    --------
    >>> rows = np.arange(4)
    >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    >>> result = report([Scored(rows, np.array([0, 0, 1, 1]), rows, sure)], ("cat", "dog"))
    >>> result.accuracy, result.confusion.tolist()
    (0.75, [[2, 0], [1, 1]])
    """
    targets = np.concatenate([f.targets for f in folds])
    probabilities = np.concatenate([f.probabilities for f in folds]).astype(np.float64)
    accuracies = [f.accuracy for f in folds]
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (targets, probabilities.argmax(axis=1)), 1)
    per_class = _per_class(confusion, labels)
    occurring = [c["f1"] for c in per_class.values() if c["f1"] is not None]
    chosen = np.maximum(probabilities[np.arange(len(targets)), targets], 1e-12)
    return Report(
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)) if len(folds) > 1 else 0.0,
        interval(folds, seed),
        float(np.mean(occurring)),
        per_class,
        confusion,
        calibration_error(probabilities, targets),
        float(-np.log(chosen).mean()),
        len(targets),
        sum(len(np.unique(f.groups)) for f in folds),
    )


def _per_class(confusion: IntArray, labels: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
    result = {}
    for i, label in enumerate(labels):
        hits, said, true = int(confusion[i, i]), int(confusion[:, i].sum()), int(confusion[i].sum())
        result[label] = {
            # Nothing is known of a class that no clip tested.
            "precision": (hits / said if said else 0.0) if true else None,
            "recall": hits / true if true else None,
            "f1": 2 * hits / (said + true) if true else None,
            "clips": true,
        }
    return result


def interval(folds: list[Scored], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean accuracy over folds, resampling whole groups.

    Clips of one recording stand and fall together; resampling single clips would make the interval far too narrow.
    Groups are drawn from all folds together, for a fold may hold a single one. With few groups a percentile
    interval is too narrow, so it is widened as Student's t is against the normal distribution. From fewer than
    `LEAST_GROUPS` nothing can be said, which is the interval from 0 to 1.

    Source: Hesterberg, *What teachers should know about the bootstrap*, 2015 (the expanded percentile interval).
    """
    names, hits, sizes = 0, [], []
    for fold in folds:
        groups = np.unique(fold.groups, return_inverse=True)[1]
        weight = 1 / len(groups)  # so that every fold counts alike, as in the mean
        hits.append(np.bincount(groups, weights=fold.correct) * weight)
        sizes.append(np.bincount(groups) * weight)
        names += len(sizes[-1])
    if names < LEAST_GROUPS:
        return 0.0, 1.0
    hit, size = np.concatenate(hits), np.concatenate(sizes)
    centre = float(hit.sum() / size.sum())
    rng = np.random.default_rng([seed, 2])
    drawn = rng.multinomial(names, np.full(names, 1 / names), size=_RESAMPLES)
    low, high = np.percentile((drawn @ hit) / (drawn @ size), [2.5, 97.5])
    from scipy.special import stdtrit

    wider = float(stdtrit(names - 1, 0.975) / stdtrit(np.inf, 0.975) * np.sqrt(names / (names - 1)))
    return (
        max(0.0, centre - wider * (centre - float(low))),
        min(1.0, centre + wider * (float(high) - centre)),
    )


def calibration_error(probabilities: NDArray[np.float64], targets: IntArray) -> float:
    """Return the expected calibration error: how far confidence and accuracy part, over 15 bins of equal width.

    Source: Naeini, Cooper and Hauskrecht, *Obtaining well calibrated probabilities using Bayesian binning*, 2015.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    counts = np.maximum(np.bincount(bins, minlength=_BINS), 1)
    gaps = np.bincount(bins, confidence, _BINS) / counts - np.bincount(bins, correct, _BINS) / counts
    return float((np.abs(gaps) * np.bincount(bins, minlength=_BINS)).sum() / len(targets))
