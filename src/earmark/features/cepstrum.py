"""From log-mel to MFCCs, and from a course over time to one vector.

Sources: Davis and Mermelstein, *Comparison of parametric representations for monosyllabic word recognition*, 1980;
deltas by regression as in Young et al., *The HTK Book*.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.features.mel import DECIBELS
from earmark.types import FloatArray

REACH = 4  # frames on either side that a slope is over

Vector = NDArray[np.float64]


@lru_cache(maxsize=8)
def cosines(n_mfcc: int, n_mels: int) -> NDArray[np.float64]:
    """Return the orthonormal DCT-II as float64[n_mels, n_mfcc], with the step from natural logarithm to dB."""
    k, m = np.arange(n_mfcc), np.arange(n_mels)
    basis = np.cos(np.pi / n_mels * np.outer(m + 0.5, k)) * np.sqrt(2.0 / n_mels)
    basis[:, 0] /= np.sqrt(2.0)
    result: NDArray[np.float64] = basis * DECIBELS
    return result


def moments(course: FloatArray) -> tuple[Vector, Vector]:
    """Return mean and standard deviation of each column.

    >>> moments(np.array([[1.0], [3.0]], np.float32))
    (array([2.]), array([1.]))
    """
    mean = course.mean(axis=0, dtype=np.float64)
    off = course - mean.astype(np.float32)
    return mean, np.sqrt(np.square(off, out=off).mean(axis=0, dtype=np.float64))


def slope(course: FloatArray) -> FloatArray:
    """Return the regression slope of each column over nine frames, edges repeated; float32, same shape."""
    frames = len(course)
    padded = np.pad(course, ((REACH, REACH), (0, 0)), mode="edge")
    total = np.zeros_like(course)
    for n in range(1, REACH + 1):
        ahead = padded[REACH + n : REACH + n + frames]
        behind = padded[REACH - n : REACH - n + frames]
        total += n * (ahead - behind)
    result: FloatArray = total / np.float32(2 * sum(n * n for n in range(1, REACH + 1)))
    return result
