"""A clip as pictures: its waveform as the path of an SVG, its mel spectrogram as a PNG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.report.png import png
from earmark.types import FloatArray

WIDE, HIGH = 240, 64  # of the waveform's picture
_LEVELS = 32  # colours; more cannot be told apart, and make the file larger
# From silence to full: dark blue, violet, orange, pale yellow. Each is lighter than the one before, so that the order
# is seen without telling colours apart, and in grey.
_STOPS = ((8, 12, 34), (52, 30, 112), (148, 44, 124), (226, 92, 74), (250, 172, 92), (252, 246, 206))


def wave(samples: FloatArray) -> str:
    """Return the outline of a sound as an SVG path, the loudest sample at full height.

    Examples
    --------
    >>> wave(np.array([0.0, 1.0, -0.5], np.float32))
    'M0 32L120 2L240 32L240 47L120 32L0 32Z'
    """
    columns = min(WIDE, len(samples))
    starts = np.arange(columns) * len(samples) // columns
    upper, lower = np.maximum.reduceat(samples, starts), np.minimum.reduceat(samples, starts)
    across = np.linspace(0, WIDE, columns).round().astype(int).tolist()
    middle = HIGH / 2
    scale = (middle - 2) / max(float(np.abs(samples).max()), 1e-9)
    tops = [f"{x} {middle - scale * max(y, 0):.0f}" for x, y in zip(across, upper.tolist(), strict=True)]
    bottoms = [f"{x} {middle - scale * min(y, 0):.0f}" for x, y in zip(across, lower.tolist(), strict=True)]
    return "M" + "L".join([*tops, *reversed(bottoms)]) + "Z"


def spectrogram(decibels: FloatArray, depth: float) -> bytes:
    """Return a PNG of float32[frames, bands], low bands at the bottom; ``depth`` dB below the loudest is dark."""
    share = 1 + (decibels - float(decibels.max())) / depth
    levels = np.clip(np.round(share * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.uint8)
    return png(np.ascontiguousarray(levels.T[::-1]), palette())


def palette() -> NDArray[np.uint8]:
    """Return the colours of a spectrogram, uint8[levels, 3], dark to light."""
    stops = np.array(_STOPS, np.float64)
    at = np.linspace(0, len(stops) - 1, _LEVELS)
    mixed = [np.interp(at, np.arange(len(stops)), channel) for channel in stops.T]
    return np.stack(mixed, axis=1).round().astype(np.uint8)
