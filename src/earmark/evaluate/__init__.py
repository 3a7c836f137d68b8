"""Scores test rows, through `predict.Predictor`; never trains. Intervals are resampled by group, not by clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate.calibration import Bin, Calibration, calibration_error, reliability
from earmark.evaluate.decided import decided
from earmark.evaluate.interval import LEAST_GROUPS, RESAMPLES, interval, interval_of_ratio, widened
from earmark.evaluate.metrics import (
    PerClass,
    brier_score,
    per_class,
    precisions_of_classes,
)
from earmark.evaluate.multilabel import LabelReport, report_of_labels
from earmark.evaluate.scored import Scored, joined
from earmark.ranking import average_precision
from earmark.types import IntArray

__all__ = [
    "LEAST_GROUPS",
    "RESAMPLES",
    "Bin",
    "Calibration",
    "LabelReport",
    "Report",
    "Scored",
    "average_precision",
    "brier_score",
    "calibration",
    "calibration_error",
    "decided",
    "interval",
    "interval_of_ratio",
    "joined",
    "reliability",
    "report",
    "report_of_labels",
    "spread",
    "widened",
]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What is known about a classifier's quality.

    Parameters
    ----------
    accuracy, sd
        Mean over folds, each the mean of its seeds, and their standard deviation (0 for one fold).
    sd_seeds
        Standard deviation over seeds, each the mean of its folds (0 for one seed).
    seeds
        For each seed the mean accuracy over folds.
    interval
        95 %, of the accuracy, by bootstrap over groups; 0 to 1 where there are fewer than `LEAST_GROUPS`.
    macro_f1, mean_average_precision
        Over the labels that occur.
    per_class
        For each label: precision, recall, f1, average_precision, clips; ``None`` where no clip tested it.
    confusion
        int64[labels, labels]: rows are the truth, columns the answer. Each clip counts once for each seed.
    calibration
        How far the probabilities can be believed.
    clips, groups
        How many were tested.
    """

    accuracy: float
    sd: float
    sd_seeds: float
    seeds: dict[int, float]
    interval: tuple[float, float]
    macro_f1: float
    mean_average_precision: float
    per_class: PerClass
    confusion: IntArray
    calibration: Calibration
    clips: int
    groups: int

    main: ClassVar[str] = "accuracy"

    @property
    def score(self) -> float:
        """The one number that stands for all."""
        return self.accuracy

    @property
    def headline(self) -> dict[str, Any]:
        """The scores that stand for all, ready for JSON."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "interval": list(self.interval)}

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "accuracy": self.accuracy,
            "sd": self.sd,
            "sd_seeds": self.sd_seeds,
            "seeds": [{"seed": seed, "accuracy": value} for seed, value in self.seeds.items()],
            "interval": list(self.interval),
            "macro_f1": self.macro_f1,
            "map": self.mean_average_precision,
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
            "calibration": self.calibration.to_dict(),
            "clips": self.clips,
            "groups": self.groups,
        }


def report(folds: list[Scored], labels: tuple[str, ...], seed: int = 0) -> Report:
    """Judge the scored rows of one or more folds, each by one seed or by the same several.

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
    each = [f.accuracies() for f in folds]
    seeds = {s: float(np.mean([fold[s] for fold in each])) for s in each[0]}
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (targets, probabilities.argmax(axis=1)), 1)
    classes = per_class(confusion, _ranked(folds, list(seeds)), labels, len(seeds))
    tested = [c for c in classes.values() if c["clips"]]
    return Report(
        float(np.mean(accuracies)),
        spread(accuracies),
        spread(list(seeds.values())),
        seeds,
        interval(folds, seed),
        _mean(tested, "f1"),
        _mean(tested, "average_precision"),
        classes,
        confusion,
        Calibration.of(probabilities, targets),
        sum(f.clips for f in folds),
        sum(len(np.unique(f.groups)) for f in folds),
    )


def calibration(parts: list[Scored]) -> Calibration:
    """Measure how far the probabilities of some rows can be believed, all taken together."""
    targets = np.concatenate([part.targets for part in parts])
    likely = np.concatenate([part.probabilities for part in parts]).astype(np.float64)
    return (
        Calibration.of(likely, targets) if parts[0].exclusive else Calibration.of_decisions(likely, targets)
    )


def spread(values: list[float]) -> float:
    """Return the standard deviation of a sample; 0 of a single value, which has none to tell."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _ranked(folds: list[Scored], seeds: list[int]) -> NDArray[np.float64]:
    """Return the average precision of each label, float64[labels]: ranked within each seed, then the mean."""
    found = []
    for seed in seeds:
        rows = [f.by_seed()[seed] for f in folds]
        targets = np.concatenate([f.targets[r] for f, r in zip(folds, rows, strict=True)])
        scores = np.concatenate([f.probabilities[r] for f, r in zip(folds, rows, strict=True)])
        found.append(precisions_of_classes(scores.astype(np.float64), targets))
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _mean(classes: list[dict[str, float | None]], score: str) -> float:
    return float(np.mean([c[score] for c in classes if c[score] is not None]))
