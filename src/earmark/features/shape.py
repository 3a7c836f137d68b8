"""The shape of a power spectrum, frame by frame: where its energy lies, how far it spreads, how noisy it is.

Equal to librosa's ``spectral_centroid``, ``spectral_bandwidth``, ``spectral_rolloff`` and ``spectral_flatness`` when
these are given the power spectrum. Source: G. Peeters, *A large set of audio features for sound description*, 2004.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.audio.scratch import borrow
from earmark.types import FloatArray, IntArray

SHAPES = ("centroid", "bandwidth", "rolloff", "flatness")

ROLL_OFF = 0.85  # the share of the energy that lies at or below the roll-off
AMIN = 1e-10  # a bin's power below this counts as this in the flatness, so that it has a logarithm

# Bins are summed in groups. Energy, mean and spread around the group's own middle are small numbers that single
# precision holds; from them those of the whole follow. The roll-off is looked for among the groups, then within one.
GROUP = 32
_MIDDLE = (GROUP - 1) / 2
_POWERS = np.stack([(np.arange(GROUP) - _MIDDLE) ** power for power in range(4)], axis=1).astype(np.float32)
_POWERS[:, 3] = 0  # four columns are quicker than three


def shape(parts: FloatArray, sample_rate: int, out: FloatArray) -> None:
    """Write the shape of each frame, a column for each of `SHAPES`.

    Parameters
    ----------
    parts
        float32[frames, 2 * bins]: squared real and imaginary parts side by side.
    out
        float32[frames, 4]: Hz, Hz, Hz and a number from 0 to 1. A silent frame has 0, 0, 0 and 1.

    Examples
    --------
    >>> out = np.empty((1, 4), np.float32)
    >>> shape(np.array([[0, 0, 1, 0, 0, 1, 0, 0, 0, 0]], np.float32), 8000, out)
    >>> out.round(3).tolist()
    [[1500.0, 500.0, 2000.0, 0.0]]
    """
    frames, bins = parts.shape[0], parts.shape[1] // 2
    groups = -(-bins // GROUP)
    whole = borrow("shape.power", frames * groups * GROUP, "float32").reshape(frames, groups * GROUP)
    whole[:, bins:] = 0
    # Products with constants, here and below, where a sum along rows would do: several times as fast.
    power = np.matmul(parts.reshape(frames, bins, 2), _ones(2), out=whole[:, :bins])
    moments = np.matmul(whole.reshape(-1, GROUP), _POWERS).reshape(frames, groups, 4).astype(np.float64)
    energy, first, second = moments[..., 0], moments[..., 1], moments[..., 2]
    # Without energy there is no centre: dividing by one leaves it, and the spread around it, at 0.
    total = energy.sum(axis=1)
    silent = total < np.finfo(np.float32).tiny
    total[silent] = 1
    middle = np.arange(groups) * GROUP + _MIDDLE
    centroid = (energy * middle + first).sum(axis=1) / total
    away = middle - centroid[:, None]
    variance = ((away * energy + 2 * first) * away + second).sum(axis=1) / total
    width = sample_rate / 2 / (bins - 1)
    out[:, 0] = centroid * width
    out[:, 1] = np.sqrt(np.maximum(variance, 0)) * width
    out[:, 2] = _rolloff(whole, np.cumsum(energy, axis=1)) * width
    work = borrow("shape.work", frames * bins, "float32").reshape(frames, bins)
    np.maximum(power, _floor(bins), out=work)
    mean = work @ _ones(bins)
    geometric = np.exp(np.log(work, out=work) @ _ones(bins) / np.float32(bins))
    out[:, 3] = np.where(
        silent, 1, np.minimum(geometric * np.float32(bins) / mean, 1)
    )  # above 1 by rounding only


def _rolloff(whole: FloatArray, running: NDArray[np.float64]) -> IntArray:
    """Return the first bin at which the running sum of a row reaches its share of the whole."""
    rows = np.arange(len(whole))
    threshold = ROLL_OFF * running[:, -1]
    group = np.argmax(running >= threshold[:, None], axis=1)
    before = np.where(group > 0, running[rows, group - 1], 0.0)
    inside = whole.reshape(len(whole), -1, GROUP)[rows, group]
    reached = before[:, None] + np.cumsum(inside, axis=1, dtype=np.float64) >= threshold[:, None]
    # By rounding the sum may fall short of its own group's: the last bin is it then.
    reached[:, -1] = True
    found: IntArray = group * GROUP + np.argmax(reached, axis=1)
    return found


@lru_cache(maxsize=8)
def _ones(bins: int) -> FloatArray:
    return np.ones(bins, np.float32)


@lru_cache(maxsize=8)
def _floor(bins: int) -> FloatArray:
    return np.full(bins, AMIN, np.float32)
