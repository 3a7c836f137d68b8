"""Clips of one recording are not so many witnesses as they are clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.types import IntArray


def each_once(groups: IntArray) -> tuple[NDArray[np.float64], int]:
    """Return what each clip counts, float64[n], so that every recording counts once; and how many recordings there are.

    >>> weights, recordings = each_once(np.array([7, 7, 3]))
    >>> weights.tolist(), recordings
    ([0.5, 0.5, 1.0], 2)
    """
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = (1 / sizes)[own.reshape(-1)]
    return weights, len(sizes)
