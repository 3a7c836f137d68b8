"""Intervals by bootstrap over groups: clips of one recording stand and fall together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate.scored import Scored

RESAMPLES = 2000
LEAST_GROUPS = 3
_AT_ONCE = 4_000_000  # drawn counts held at a time: 32 MB


def interval(folds: list[Scored], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean accuracy over folds, resampling whole groups.

    Resampling single clips would make the interval far too narrow. A group is drawn with all answers about it, those of
    every seed. Groups are drawn from all folds together, for a fold may hold a single one. From fewer than
    `LEAST_GROUPS` nothing can be said, which is the interval from 0 to 1.
    """
    hits, sizes = [], []
    for fold in folds:
        groups = np.unique(fold.groups, return_inverse=True)[1]
        weight = 1 / len(groups)  # so that every fold counts alike, as in the mean
        hits.append(np.bincount(groups, weights=fold.correct) * weight)
        sizes.append(np.bincount(groups) * weight)
    hit, size = np.concatenate(hits), np.concatenate(sizes)
    if len(size) < LEAST_GROUPS:
        return 0.0, 1.0
    low, high = interval_of_ratio(hit, size, seed)
    return max(0.0, low), min(1.0, high)


def interval_of_ratio(
    total: NDArray[np.float64], size: NDArray[np.float64], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of ``total.sum() / size.sum()``, resampling the entries, one a group.

    With few groups a percentile interval is too narrow, so it is widened as Student's t is against the normal
    distribution.

    Source: Hesterberg, *What teachers should know about the bootstrap*, 2015 (the expanded percentile interval).

    Examples
    --------
    >>> low, high = interval_of_ratio(np.arange(30.0), np.ones(30))
    >>> low < 14.5 < high
    True
    """
    n = len(size)
    # Groups that are alike are drawn as one kind: the same distribution, and 100,000 single clips are only two kinds.
    kinds, counts = np.unique(np.stack([total, size], axis=1), axis=0, return_counts=True)
    rng, ratios = np.random.default_rng([seed, 2]), np.empty(RESAMPLES)
    for part in _parts(RESAMPLES, max(1, _AT_ONCE // len(kinds))):
        drawn = rng.multinomial(n, counts / n, size=part.stop - part.start) @ kinds
        ratios[part] = drawn[:, 0] / drawn[:, 1]
    return widened(ratios, float(total.sum() / size.sum()), n)


def widened(drawn: NDArray[np.float64], centre: float, n: int) -> tuple[float, float]:
    """Return the percentile interval of what was drawn anew, as much wider as ``n`` groups ask for."""
    from scipy.special import stdtrit

    low, high = np.percentile(drawn, [2.5, 97.5])
    wider = float(stdtrit(n - 1, 0.975) / stdtrit(np.inf, 0.975) * np.sqrt(n / (n - 1)))
    return centre - wider * (centre - float(low)), centre + wider * (float(high) - centre)


def _parts(whole: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, whole)) for i in range(0, whole, size))
