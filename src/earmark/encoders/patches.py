"""The front end of YAMNet: log-mel patches of 96 frames, as its authors define them.

Frames of 25 ms every 10 ms at 16 kHz, a periodic Hann window, the magnitude (not the power) of 512 points, 64 mel
bands from 125 to 7,500 Hz, and the logarithm of what is 0.001 above it. Source: the definition that comes with the
model, ``features.py`` and ``params.py`` of ``tensorflow/models/research/audioset/yamnet``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from earmark.audio.fourier import rfft
from earmark.types import FloatArray

RATE = 16_000
FRAMES, BANDS = 96, 64
STEP = 48  # frames from one patch to the next
WINDOW, HOP, POINTS = 400, 160, 512
_LOW, _HIGH = 125.0, 7_500.0
OFFSET = np.float32(0.001)


def log_mel_patches(samples: FloatArray) -> FloatArray:
    """Return the patches of a sound, float32[n, 96, 64], n ≥ 1.

    Parameters
    ----------
    samples
        float32[T] at 16 kHz, as many as whole patches take: 15,600 and any number of times 7,680 more.

    Examples
    --------
    >>> patches = log_mel_patches(np.zeros(15_600 + 7_680, np.float32))
    >>> patches.shape, round(float(patches.max()), 3)
    ((2, 96, 64), -6.908)
    """
    window, filters = plan()
    views = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    frames = np.zeros((len(views), POINTS))
    # In double precision: what a loud tone leaves elsewhere by rounding would be heard next to so small an offset.
    frames[:, :WINDOW] = np.multiply(views, window, dtype=np.float32)
    log_mel = np.log(np.abs(rfft(frames)).astype(np.float32) @ filters + OFFSET)
    patches: FloatArray = np.lib.stride_tricks.sliding_window_view(log_mel, FRAMES, axis=0)[::STEP]
    return np.ascontiguousarray(patches.swapaxes(1, 2))


@lru_cache(1)
def plan() -> tuple[FloatArray, FloatArray]:
    """Return the window, and the filters float32[257, 64]: triangles in mel, of height 1."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    bins = _mel(np.linspace(0, RATE / 2, POINTS // 2 + 1))[:, None]
    edges = np.linspace(_mel(np.array(_LOW)), _mel(np.array(_HIGH)), BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    filters = np.maximum(0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    filters[0] = 0  # what is constant is no sound
    return window.astype(np.float32), filters.astype(np.float32)


def _mel(hz: np.ndarray) -> np.ndarray:
    """Return mels as HTK has them."""
    return 1127.0 * np.log(1.0 + hz / 700.0)
