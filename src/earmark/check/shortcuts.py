"""Shortcuts: whether the class can be told without listening, by the file's format, rate, level or length alone.

A model takes such a way where there is one, and fails where recordings come from elsewhere. Each measure is judged by
the smallest of models, the commonest class of each of a few bins, over recordings that it has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.check.measures import Measures
from earmark.dataset import Dataset
from earmark.split import Rows
from earmark.types import IntArray, Problem

_FOLDS, _BINS = 5, 16
_LEAST_CLIPS, _LEAST_GROUPS = 40, 10
_SURE = 3.0  # standard errors
# What a measure must add to the share of the largest class, of what that leaves. Format and rate are the file's own
# affair; how loud, how wide and how long a sound is belongs to it in part.
_FILE, _SOUND = 0.1, 0.25
_MEASURES = {
    "encoding": ("the format", _FILE), "rate": ("the sample rate", _FILE),
    "channels": ("the number of channels", _FILE), "seconds": ("the duration", _FILE),
    "offset": ("the constant (DC) offset", _FILE),
    "peak": ("the peak", _SOUND), "level": ("the level", _SOUND), "bandwidth": ("the bandwidth", _SOUND),
}  # fmt: skip


class Shortcut(NamedTuple):
    """How well one measure tells the class of recordings that it was not seen with.

    Parameters
    ----------
    accuracy, error
        Share of clips told rightly, and its standard error over recordings.
    largest
        Share of the largest class.
    """

    accuracy: float
    error: float
    largest: float

    def adds(self) -> float:
        """Return how much of what the largest class leaves is told, at the least."""
        return (self.accuracy - _SURE * self.error - self.largest) / max(1 - self.largest, 1e-9)


def shortcuts(dataset: Dataset, measures: Measures, rows: Rows | None) -> Iterator[Problem]:
    """Yield each measure that tells the class by itself. Few clips or recordings say nothing."""
    if rows is None or len(rows) < _LEAST_CLIPS or len(np.unique(rows.joined)) < _LEAST_GROUPS:
        return
    used = measures.values[measures.rows]
    for field, (what, least) in _MEASURES.items():
        found = judge(used[field], rows.targets, rows.joined)
        if found is not None and found.adds() > least:
            detail = (
                f"{what} alone tells the class in {found.accuracy:.0%} of clips of recordings that it was not learnt"
                f" from; the largest class is {found.largest:.0%}: a model may learn that and not the sound"
            )
            yield Problem("shortcut", field, detail)


def judge(values: NDArray[Any], targets: IntArray, groups: IntArray) -> Shortcut | None:
    """Judge one measure; ``None`` where it is the same for all clips.

    Examples
    --------
    >>> rows = np.arange(200)
    >>> found = judge(rows % 2 * 8_000 + 8_000, rows % 2, rows // 2 * 2 + rows % 2)
    >>> found.accuracy, found.largest
    (1.0, 0.5)
    """
    distinct = np.unique(values)
    if len(distinct) < 2 or len(np.unique(targets)) < 2:
        return None
    if len(distinct) <= _BINS:
        bins = np.searchsorted(distinct, values)
    else:
        edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
        bins = np.searchsorted(edges, values, "right")
    ids = np.unique(groups, return_inverse=True)[1]
    fold = (np.random.default_rng(0).permutation(int(ids.max()) + 1) % _FOLDS)[ids]
    right = np.zeros(len(targets), bool)
    for i in range(_FOLDS):
        learnt, tested = fold != i, fold == i
        counts = np.zeros((int(bins.max()) + 1, int(targets.max()) + 1), np.int64)
        np.add.at(counts, (bins[learnt], targets[learnt]), 1)
        # Of what an empty bin means nothing is known: the largest class.
        counts[counts.sum(axis=1) == 0] = counts.sum(axis=0)
        right[tested] = counts.argmax(axis=1)[bins[tested]] == targets[tested]
    accuracy = float(right.mean())
    # Clips of one recording stand and fall together.
    surplus = np.bincount(ids, right - accuracy)
    many = len(surplus)
    error = math.sqrt(float((surplus**2).sum()) * many / max(many - 1, 1)) / len(targets)
    largest = float(np.bincount(targets).max() / len(targets))
    return Shortcut(accuracy, error, largest)
