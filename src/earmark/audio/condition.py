"""What is wrong with a sound that is in memory: nothing in it, or more than fits."""

from __future__ import annotations

import numpy as np

from earmark.types import FloatArray

SILENT = 10 ** (-80 / 20)  # peak, full scale 1
FULL = 0.999  # of full scale: from here on a sample counts as clipped
CLIPPED = 0.001  # share of samples at full scale that is worth telling


def is_silent(samples: FloatArray) -> bool:
    """Return whether no sample, float32[T], is above -80 dB of full scale.

    >>> is_silent(np.zeros(100, np.float32)), is_silent(np.full(100, 0.01, np.float32))
    (True, False)
    """
    return float(max(samples.max(initial=0), -samples.min(initial=0))) < SILENT


def clipped(samples: FloatArray) -> float:
    """Return the share of samples at full scale, 0 to 1; 0 where it is too small to be clipping.

    Of sound that was mixed from several channels it is the least: a sample counts where all of them are clipped.

    >>> clipped(np.clip(1.2 * np.sin(np.arange(1000, dtype=np.float32)), -1, 1)) > 0.3
    True
    """
    if max(samples.max(initial=0), -samples.min(initial=0)) < FULL:
        return 0.0
    share = float(np.count_nonzero(np.abs(samples) >= FULL)) / len(samples)
    return share if share > CLIPPED else 0.0
