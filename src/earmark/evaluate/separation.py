"""How well a score parts clips of known classes from those of an unknown one: high is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.types import IntArray

KEPT = 0.95  # share of the known that is accepted where false accepts are counted
RESAMPLES = 1000
LEAST_GROUPS = 3
_AT_ONCE = 4_000_000  # weights held at a time: 32 MB
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The test clips of one model that had no example of a class.

    Parameters
    ----------
    known, unknown
        float64[n] and float64[m]: a score of the clips of its classes, and of those of the class it never met.
    known_groups, unknown_groups
        int64[n] and int64[m]: their recordings.
    """

    known: Floats
    unknown: Floats
    known_groups: IntArray
    unknown_groups: IntArray


def auroc(known: Floats, unknown: Floats) -> float:
    """Return how often a known clip scores higher than an unknown one; a tie counts half.

    >>> auroc(np.array([0.9, 0.8, 0.4]), np.array([0.4, 0.1]))
    0.9166666666666666
    """
    wins, pairs = _wins(known, unknown, np.ones((1, len(known))), np.ones((1, len(unknown))))
    return float(wins[0] / pairs[0])


def false_accepts(known: Floats, unknown: Floats) -> float:
    """Return the share of unknown clips that are accepted where 95 % of the known ones are, or just more.

    >>> false_accepts(np.arange(20.0), np.array([0.5, 1.0, 7.0]))
    0.6666666666666666
    """
    accepted, all_ = _accepted(known, unknown, np.ones((1, len(known))), np.ones((1, len(unknown))))
    return float(accepted[0] / all_[0])


def separation(classes: Sequence[Sequence[Sides]], seed: int = 0) -> tuple[Floats, Floats, Floats, Floats]:
    """Measure each class that was left out, and draw all recordings anew for the uncertainty of that.

    Parameters
    ----------
    classes
        For each class, what the models of the folds said. A clip is only compared with clips of its own model.

    Returns
    -------
    AUROC float64[classes]; false accepts float64[classes]; and the same of the draws, float64[draws, classes] each. In
    each draw a recording counts as often in every class; with the same ``seed`` and recordings, the draws are the same.
    """
    groups = [g for sides in classes for s in sides for g in (s.known_groups, s.unknown_groups)]
    names = np.unique(np.concatenate(groups))
    rng, once = np.random.default_rng([seed, 3]), np.ones((1, len(names)))
    area, accepts = _measure(classes, names, once)
    drawn = [np.empty((0, len(classes))), np.empty((0, len(classes)))]
    step = max(1, _AT_ONCE // max(len(names), max(map(len, groups))))
    for begin in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - begin)
        weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        found = _measure(classes, names, weights.astype(np.float64))
        drawn = [np.concatenate([before, now]) for before, now in zip(drawn, found, strict=True)]
    return area[0], accepts[0], drawn[0], drawn[1]


def interval_of_draws(value: float, draws: Floats, groups: int) -> tuple[float, float]:
    """Return the 95 % interval of a value from its draws; 0 to 1 from fewer than `LEAST_GROUPS` recordings.

    It is widened as Student's t is against the normal distribution, as `earmark.evaluate.interval_of_ratio` is.
    """
    from scipy.special import stdtrit

    found = draws[np.isfinite(draws)]
    if groups < LEAST_GROUPS or not len(found):
        return 0.0, 1.0
    low, high = np.percentile(found, [2.5, 97.5])
    wider = float(stdtrit(groups - 1, 0.975) / stdtrit(np.inf, 0.975) * np.sqrt(groups / (groups - 1)))
    return value - wider * (value - float(low)), value + wider * (float(high) - value)


def _measure(classes: Sequence[Sequence[Sides]], names: IntArray, weights: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and false accepts, float64[draws, classes] each, for weights of the groups, [draws, groups]."""
    area, accepts = [], []
    for sides in classes:
        sums = np.zeros((4, len(weights)))
        for s in sides:
            if len(s.known) and len(s.unknown):
                of_known = weights[:, np.searchsorted(names, s.known_groups)]
                of_unknown = weights[:, np.searchsorted(names, s.unknown_groups)]
                sums[:2] += _wins(s.known, s.unknown, of_known, of_unknown)
                sums[2:] += _accepted(s.known, s.unknown, of_known, of_unknown)
        with np.errstate(invalid="ignore"):  # no recording of the class was drawn
            area.append(sums[0] / sums[1])
            accepts.append(sums[2] / sums[3])
    return np.stack(area, axis=1), np.stack(accepts, axis=1)


def _wins(known: Floats, unknown: Floats, of_known: Floats, of_unknown: Floats) -> tuple[Floats, Floats]:
    """Return how many pairs the known win, and how many there are, float64[draws] each."""
    order = np.argsort(known, kind="stable")
    below = np.zeros((len(of_known), len(known) + 1))
    np.cumsum(of_known[:, order], axis=1, out=below[:, 1:])
    first, last = (np.searchsorted(known[order], unknown, side=side) for side in ("left", "right"))
    total = below[:, -1]
    above = total[:, None] - (below[:, first] + below[:, last]) / 2
    return (above * of_unknown).sum(axis=1), total * of_unknown.sum(axis=1)


def _accepted(known: Floats, unknown: Floats, of_known: Floats, of_unknown: Floats) -> tuple[Floats, Floats]:
    """Return how many unknown clips are accepted, and how many there are, float64[draws] each."""
    order = np.argsort(-known, kind="stable")
    reached = np.cumsum(of_known[:, order], axis=1)
    enough = (reached >= KEPT * reached[:, -1:] - 1e-9).argmax(axis=1)
    threshold = known[order][enough]
    return ((unknown >= threshold[:, None]) * of_unknown).sum(axis=1), of_unknown.sum(axis=1)
