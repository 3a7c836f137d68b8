"""What needs no spectrum: how loud each frame of a sound is, and how often its sign changes."""

from __future__ import annotations

import math

import numpy as np

from earmark.features.mel import DECIBELS, padded
from earmark.features.spectral import AMIN
from earmark.types import FloatArray

NO_SIGN = 1e-10  # a sample that lies no further from 0 than this has no sign


def level(samples: FloatArray, n_fft: int, hop: int) -> FloatArray:
    """Return the mean square of each frame in dB; around the sound there are zeros."""
    # Frames overlap: the squares are summed once for each piece that they share.
    length = math.gcd(n_fft, hop)
    pieces = padded(samples, n_fft)[: (len(samples) + n_fft) // length * length].reshape(-1, length)
    squares = np.einsum("pk,pk->p", pieces, pieces)
    shared = np.lib.stride_tricks.sliding_window_view(squares, n_fft // length)[:: hop // length]
    power = shared.sum(axis=1) / np.float32(n_fft)
    found: FloatArray = np.log(np.maximum(power, np.float32(AMIN))) * np.float32(DECIBELS)
    return found


def crossings(samples: FloatArray, n_fft: int, hop: int) -> FloatArray:
    """Return the share of each frame's samples whose sign differs from the one before."""
    below = samples < -NO_SIGN
    at = np.flatnonzero(below[1:] != below[:-1]) + 1
    first = (
        np.arange(1 + len(samples) // hop) * hop - n_fft // 2
    )  # of each frame; its own first sample is compared with none
    within = np.searchsorted(at, first + n_fft) - np.searchsorted(at, first + 1)
    share: FloatArray = (within / n_fft).astype(np.float32)
    return share
