"""The unknown: how familiar a clip is, by the model's confidence and by how near it is to what was learnt from.

A network is sure of one of its labels whatever it hears. How far a clip lies from the training clips does not depend on
the network, and the two err differently. Nothing here needs examples of the unknown: the yardstick is what known
clips of unheard recordings look like.

Sources: Hendrycks and Gimpel, *A baseline for detecting misclassified and out-of-distribution examples*, 2017
(confidence); Sun, Ming, Zhu and Li, *Out-of-distribution detection with deep nearest neighbors*, 2022 (distance).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from earmark.decide.recordings import each_once
from earmark.errors import SettingError
from earmark.types import FloatArray, IntArray

NEIGHBOURS = 3
MOST_ROWS, MOST_BYTES = 2000, 2 * 2**20
UNFAMILIAR = 0.05  # share of known clips that may be taken for unknown
_POINTS = 200  # of a table of quantiles
_LEVELS = (np.arange(_POINTS) + 0.5) / _POINTS
_FARTHEST_ODDS = float(np.log(_LEVELS[-1] / (1 - _LEVELS[-1])))
_FARTHEST = 1e4  # standard deviations: no sound is farther, and its square fits
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Training clips to measure distances from.

    Parameters
    ----------
    mean, scale
        float32[dims]: features are compared as ``(x - mean) * scale``.
    rows
        float16[n, dims], so standardised.
    """

    mean: FloatArray
    scale: FloatArray
    rows: NDArray[np.float16]

    @classmethod
    def of(cls, values: FloatArray, targets: IntArray, groups: IntArray) -> Reference:
        """Take training rows, at most `MOST_ROWS`: of each class as many, of each recording as many.

        Parameters
        ----------
        values, targets, groups
            float32[n, dims], int64[n] and int64[n].
        """
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = np.sqrt(np.square(values - mean).mean(axis=0, dtype=np.float64))
        largest = np.maximum(values.max(axis=0), -values.min(axis=0)).astype(np.float64)
        moves = spread > 1e-6 * (1 + largest)  # what never changes would make rounding errors loud
        scale = np.where(moves, 1 / np.maximum(spread, 1e-12), 0.0).astype(np.float32)
        most = max(NEIGHBOURS, min(MOST_ROWS, MOST_BYTES // (2 * values.shape[1])))
        chosen = _balanced(targets, groups, most)
        return cls(mean, scale, _standard(values[chosen], mean, scale).astype(np.float16))

    def distances(self, values: FloatArray) -> FloatArray:
        """Return how far each of float32[n, dims] is from its nearest rows, float32[n]: their mean Euclidean distance.

        >>> points = np.array([[0.0], [0.0], [0.0], [2.0], [2.0], [2.0]], np.float32)
        >>> reference = Reference.of(points, np.repeat([0, 1], 3), np.arange(6))
        >>> reference.distances(np.array([[2.0], [4.0]], np.float32)).tolist()
        [0.0, 2.0]
        """
        rows = self.rows.astype(np.float32)
        lengths, found = np.einsum("ij,ij->i", rows, rows), np.empty(len(values), np.float32)
        count = min(NEIGHBOURS, len(rows))
        for begin in range(0, len(values), _AT_ONCE):
            part = _standard(values[begin : begin + _AT_ONCE], self.mean, self.scale)
            squares = np.einsum("ij,ij->i", part, part)[:, None] + lengths - 2 * (part @ rows.T)
            nearest = np.partition(squares, count - 1, axis=1)[:, :count]
            found[begin : begin + _AT_ONCE] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
        return found


def _standard(values: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    standard: FloatArray = np.clip((values - mean) * scale, -_FARTHEST, _FARTHEST)
    return standard


def _balanced(targets: IntArray, groups: IntArray, most: int) -> IntArray:
    """Return at most so many rows, ascending: class by class, and in a class recording by recording, in turn."""
    order = np.random.default_rng(0).permutation(len(targets))
    both = targets * (int(groups.max(initial=0)) + 1) + groups
    of_group = _turns(np.unique(both, return_inverse=True)[1].reshape(-1)[order])
    order = order[np.argsort(of_group, kind="stable")]
    of_class = _turns(targets[order])
    return np.sort(order[np.argsort(of_class, kind="stable")][:most])


def _turns(kinds: IntArray) -> IntArray:
    """Return for each entry how many of its kind came before it."""
    order = np.argsort(kinds, kind="stable")
    counts = np.bincount(kinds)
    before = np.empty(len(kinds), np.int64)
    before[order] = np.arange(len(kinds)) - np.repeat(np.cumsum(counts) - counts, counts)
    return before


@dataclass(frozen=True, slots=True)
class Familiarity:
    """What known clips of unheard recordings look like to the model.

    Parameters
    ----------
    confidences, distances, joined
        Quantiles of the highest probability, of the distance, and of both as one; each recording counted once.
    groups
        How many recordings they are of.
    threshold
        Clips with at most this familiarity are unlike anything heard in training.
    reject
        Whether those are answered with "unknown".
    """

    confidences: tuple[float, ...]
    distances: tuple[float, ...]
    joined: tuple[float, ...]
    groups: int
    threshold: float = UNFAMILIAR
    reject: bool = False

    def __post_init__(self) -> None:
        for name in ("confidences", "distances", "joined"):
            table = getattr(self, name)
            if len(table) != _POINTS or any(a > b for a, b in pairwise(table)):
                raise SettingError(f"The quantiles of {name} are not {_POINTS} ascending numbers.")
        if self.groups < 1 or not 0 <= self.threshold <= 1:
            raise SettingError("The familiarity needs one recording or more, and a threshold from 0 to 1.")

    @classmethod
    def learn(
        cls, confidences: FloatArray, distances: FloatArray, groups: IntArray, reject: bool = False
    ) -> Familiarity:
        """Learn from clips that were neither trained on nor stand in the reference, nor do their recordings.

        Parameters
        ----------
        confidences, distances, groups
            float32[n], float32[n] and int64[n].
        """
        weights, recordings = each_once(groups)
        tables = [_quantiles(confidences, weights), _quantiles(distances, weights)]
        both = _join(tables, confidences, distances)
        return cls(tables[0], tables[1], _quantiles(both, weights), recordings, reject=reject)

    def join(self, confidences: FloatArray, distances: FloatArray) -> NDArray[np.float64]:
        """Return both as one number, float64[n]: high is familiar."""
        return _join([self.confidences, self.distances], confidences, distances)

    def of(self, confidences: FloatArray, distances: FloatArray) -> NDArray[np.float64]:
        """Return the familiarity, float64[n], 0 to 1: the share of known recordings' clips that are no more familiar.

        The clip itself counts as one of a recording more, so that at most ``threshold`` of known ones fall to it,
        however few recordings it was learnt from.

        Source: Bates, Candès, Lei, Romano and Sesia, *Testing for outliers with conformal p-values*, 2023.
        """
        both = self.join(confidences, distances)
        share = np.searchsorted(np.array(self.joined), both, side="right") / _POINTS
        return (self.groups * share + 1) / (self.groups + 1)

    def unknown(self, familiarity: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return which are unlike anything heard in training, bool[n]."""
        return familiarity <= self.threshold + 1e-9


def _join(
    tables: list[tuple[float, ...]], confidences: FloatArray, distances: FloatArray
) -> NDArray[np.float64]:
    """Add the ranks among known clips, as log odds: what is unusual in one way weighs more than what is usual in both.

    Beyond the farthest known clip the log odds go on falling with the distance, as steeply as they do from the middle
    to there. A network is often surest of what lies farthest, and no confidence shall make up for that.

    Source: Mudholkar and George, *The logit method for combining probabilities*, 1979.
    """
    sure, far = (_log_odds(table, x) for table, x in zip(tables, (confidences, distances), strict=True))
    middle, last = tables[1][_POINTS // 2], tables[1][-1]
    beyond = np.maximum(distances.astype(np.float64) - last, 0)
    return sure - far - _FARTHEST_ODDS * beyond / max(last - middle, 1e-6)


def _log_odds(table: tuple[float, ...], values: FloatArray) -> NDArray[np.float64]:
    rank = np.interp(values.astype(np.float64), np.array(table), _LEVELS)
    odds: NDArray[np.float64] = np.log(rank / (1 - rank))
    return odds


def _quantiles(values: NDArray[np.floating], weights: NDArray[np.float64]) -> tuple[float, ...]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) - weights[order] / 2
    return tuple(np.interp(_LEVELS, reached / weights.sum(), values[order].astype(np.float64)).tolist())
