"""How far confidence can be believed: of the clips answered with 0.8, 80 % should be right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate.metrics import LEAST, brier_score, log_loss
from earmark.types import IntArray

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """A point of the reliability curve: rows of like confidence, and how many of them are right.

    Parameters
    ----------
    confidence, accuracy
        Mean over the bin's rows.
    count
        Rows.
    """

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the probabilities of some rows can be believed.

    Where rows have any number of labels, each label of each row is a decision of its own.

    Parameters
    ----------
    ece, ece_adaptive
        Expected calibration error, over 15 bins of equal width and of equal numbers of clips.
    nll, brier
        Mean negative log-likelihood, and the Brier score over all labels. Of decisions of their own, the means over
        them all.
    reliability
        The points of the reliability curve, over bins of equal width.
    """

    ece: float
    ece_adaptive: float
    nll: float
    brier: float
    reliability: tuple[Bin, ...]

    @classmethod
    def of(cls, probabilities: NDArray[np.float64], targets: IntArray) -> Calibration:
        """Measure it on rows, [n, labels] and int64[n]."""
        return cls(
            calibration_error(probabilities, targets),
            calibration_error(probabilities, targets, adaptive=True),
            log_loss(probabilities, targets),
            brier_score(probabilities, targets),
            reliability(probabilities, targets),
        )

    @classmethod
    def of_decisions(cls, probabilities: NDArray[np.float64], marks: NDArray[np.bool_]) -> Calibration:
        """Measure it on [n, labels] decisions, each with its own probability of being true."""
        likely, true = probabilities.ravel(), marks.ravel()
        curve, even = (_curve(likely, true, adaptive) for adaptive in (False, True))
        chosen = np.maximum(np.where(true, likely, 1 - likely), LEAST)
        return cls(
            _error(curve),
            _error(even),
            float(-np.log(chosen).mean()),
            float(((likely - true) ** 2).mean()),
            curve,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self) | {"reliability": [asdict(point) for point in self.reliability]}


def reliability(
    probabilities: NDArray[np.float64], targets: IntArray, adaptive: bool = False
) -> tuple[Bin, ...]:
    """Return the reliability curve over 15 bins of the highest probability; empty bins are left out.

    Parameters
    ----------
    adaptive
        Bins of equal numbers of rows, as nearly as rows of the same confidence stay together; otherwise of equal
        width.
    """
    confidence = probabilities.max(axis=1)
    return _curve(confidence, probabilities.argmax(axis=1) == targets, adaptive)


def _curve(confidence: NDArray[np.float64], correct: NDArray[np.bool_], adaptive: bool) -> tuple[Bin, ...]:
    if adaptive:
        starts = np.arange(1, BINS) * len(confidence) // BINS
        bins = np.searchsorted(np.sort(confidence)[starts], confidence, side="right")
    else:
        bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    confidences, hits = np.bincount(bins, confidence, BINS), np.bincount(bins, correct, BINS)
    return tuple(
        Bin(float(confidences[b] / n), float(hits[b] / n), n) for b, n in enumerate(counts.tolist()) if n
    )


def calibration_error(probabilities: NDArray[np.float64], targets: IntArray, adaptive: bool = False) -> float:
    """Return the expected calibration error: how far confidence and accuracy part, on average over rows.

    Sources: Naeini, Cooper and Hauskrecht, *Obtaining well calibrated probabilities using Bayesian binning*, 2015
    (bins of equal width); Nixon et al., *Measuring calibration in deep learning*, 2019 (adaptive bins).

    Examples
    --------
    >>> sure = np.array([[0.8, 0.2]] * 4)
    >>> round(calibration_error(sure, np.array([0, 0, 1, 1])), 6)
    0.3
    """
    return _error(reliability(probabilities, targets, adaptive))


def _error(curve: tuple[Bin, ...]) -> float:
    return sum(abs(b.confidence - b.accuracy) * b.count for b in curve) / sum(b.count for b in curve)
