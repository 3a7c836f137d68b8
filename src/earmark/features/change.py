"""How much a course changes over spans of time, and which of its bands move together: what single frames do not show.

Both are means over pairs that do not depend on how long a sound is. Sources: Kolmogorov, *The local structure of
turbulence*, 1941 (structure function); Mandel and Ellis, *Song-level features and support vector machines for music
classification*, 2005 (covariances of a course).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.types import FloatArray

LAGS = (1, 2, 4, 8, 16, 32)  # frames
GROUPS = 16  # of neighbouring bands

LEAST_VARIANCE = 1.0  # dB², added to a group's variance: of a group that hardly moves nothing is known


def changes(course: FloatArray) -> FloatArray:
    """Return the root mean square change of each column over each of `LAGS`, float32[len(LAGS) * columns].

    This is the square root of the structure function, lag by lag. Of a sound shorter than a lag it is the change over
    its longest one, and of a single frame 0.

    Parameters
    ----------
    course
        float32[frames, columns], frames ≥ 1.

    Examples
    --------
    >>> changes(np.array([[0], [1], [2], [3]], np.float32)).tolist()
    [1.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    """
    frames, columns = course.shape
    found = np.zeros((len(LAGS), columns), np.float32)
    if frames > 1:
        for row, lag in zip(found, LAGS, strict=True):
            step = min(lag, frames - 1)
            apart = course[step:] - course[:-step]
            np.sqrt(np.einsum("fc,fc->c", apart, apart) / np.float32(frames - step), out=row)
    return found.ravel()


def groups_of(bands: int) -> int:
    """Return how many groups so many bands are put into."""
    return min(GROUPS, bands)


def correlations(decibels: FloatArray) -> FloatArray:
    """Return how groups of neighbouring bands move together, each pair of groups once.

    Parameters
    ----------
    decibels
        float32[frames, bands], frames ≥ 1.

    Returns
    -------
    float32[groups * (groups - 1) / 2], row by row of the upper triangle: the correlation over time of their mean
    levels, with 1 dB² added to each variance, so that it is 0 where nothing moves.

    Examples
    --------
    >>> correlations(np.array([[0, 0, 0], [90, 90, -90]], np.float32)).round(2).tolist()
    [1.0, -1.0, -1.0]
    """
    frames, bands = decibels.shape
    groups = groups_of(bands)
    begins = np.arange(groups) * bands // groups
    means = np.add.reduceat(decibels, begins, axis=1) / np.diff(begins, append=bands)
    means -= means.mean(axis=0)
    together = means.T @ means / frames
    spread = np.sqrt(np.diag(together) + LEAST_VARIANCE)
    together /= np.outer(spread, spread)
    return upper(together)


def upper(square: NDArray[np.floating]) -> FloatArray:
    """Return what lies above the diagonal, row by row."""
    return square[np.triu_indices(len(square), 1)].astype(np.float32)
