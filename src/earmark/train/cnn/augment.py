"""Batches as no microphone heard them: blended, filtered and masked, a batch at a time, on any device.

What is random is drawn by NumPy for the whole batch from (seed, epoch, step), so that it depends neither on the device
nor on how many processes share the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earmark.models.cnn import Cnn
from earmark.models.cnn_graph import NEPERS
from earmark.types import FloatArray, IntArray

Tensor = Any

_KNOTS = 6  # of the equaliser's curve
_LOWEST, _HIGHEST = (
    0.2,
    0.45,
)  # the band that is left reaches up to there from below, down to there from above
_SLOPE = 20.0  # dB a band beyond its edges
_DEPTH = 80.0  # dB that it ends at
_BACKGROUND = (5.0, 20.0)  # dB below the clip
_ALPHA = 0.3  # of the Beta distribution of mixup


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What is random about a batch; the first axis of each array is the batch.

    Parameters
    ----------
    starts, others
        int64[n]: where the window of each clip begins, and that of the clip that it is blended with.
    share
        float32[n], from 0.5 to 1: what of its label each clip keeps.
    below
        float32[n], dB: how much quieter the other clip is.
    curve
        float32[n, bands], dB: what the filters add.
    hidden_frames, hidden_bands
        int64[n, 2]: begin and end of what is hidden.
    """

    starts: IntArray
    others: IntArray
    share: FloatArray
    below: FloatArray
    curve: FloatArray
    hidden_frames: IntArray
    hidden_bands: IntArray


def draw(
    settings: Cnn, seeds: list[int], frames: IntArray, other_frames: IntArray, window: int, bands: int
) -> Draws:
    """Draw what is random about a batch of windows of clips of so many frames."""
    generator = np.random.default_rng(seeds)
    n = len(frames)
    starts = (generator.random(n) * frames).astype(np.int64)
    others = (generator.random(n) * other_frames).astype(np.int64)
    weight = generator.beta(_ALPHA, _ALPHA, n)
    weight = np.maximum(weight, 1 - weight)
    # The quieter clip's share of the label is its share of the amplitude.
    below = 20 * np.log10(weight / np.maximum(1 - weight, 1e-6))
    kind = generator.random(n)
    mixed = kind < settings.mixup
    beside = ~mixed & (generator.random(n) < settings.background)
    share = np.where(mixed, weight, 1.0)
    below = np.where(mixed, below, np.where(beside, generator.uniform(*_BACKGROUND, n), 400.0))
    curve = _smooth(generator, n, bands) * settings.equalizer
    curve += _band(generator, n, bands, settings.band_limit)
    return Draws(
        starts,
        others,
        share.astype(np.float32),
        below.astype(np.float32),
        curve.astype(np.float32),
        _spans(generator, n, window, settings.mask),
        _spans(generator, n, bands, settings.mask),
    )


def _smooth(generator: np.random.Generator, n: int, bands: int) -> NDArray[np.float64]:
    """Curves through normal numbers at a few bands, float64[n, bands]."""
    at = np.linspace(0, _KNOTS - 1, bands)
    low = np.minimum(at.astype(int), _KNOTS - 2)
    part = at - low
    part = part * part * (3 - 2 * part)
    knots = generator.standard_normal((n, _KNOTS))
    result: NDArray[np.float64] = knots[:, low] * (1 - part) + knots[:, low + 1] * part
    return result


def _band(generator: np.random.Generator, n: int, bands: int, share: float) -> NDArray[np.float64]:
    """What is lost outside a band from one random frequency to another, float64[n, bands], for a share of clips."""
    low = generator.random((n, 1)) * _LOWEST * bands
    high = (1 - generator.random((n, 1)) * (1 - _HIGHEST)) * bands
    at = np.arange(bands)
    beyond = np.maximum(np.maximum(low - at, at - high), 0)
    chosen = generator.random((n, 1)) < share
    return np.where(chosen, -np.minimum(beyond * _SLOPE, _DEPTH), 0.0)


def _spans(generator: np.random.Generator, n: int, length: int, most: float) -> IntArray:
    """One random span in each row, of at most a share ``most`` of ``length``: int64[n, 2]."""
    size = (generator.random(n) * (most * length + 1)).astype(np.int64)
    begin = (generator.random(n) * (length - size + 1)).astype(np.int64)
    return np.stack([begin, begin + size], axis=1)


def blend(inputs: Tensor, others: Tensor, below: Tensor) -> Tensor:
    """Add to each clip the power of another, so many dB below it; float32[n, frames, bands] of one loudness."""
    sums: Tensor = torch.logaddexp(inputs * NEPERS, (others - below[:, None, None]) * NEPERS)
    return sums / NEPERS


def filtered(inputs: Tensor, curve: Tensor) -> Tensor:
    """Add a curve over frequency, float32[n, bands] in dB. Nothing falls below the lowest value of its clip."""
    floor = inputs.amin((1, 2), keepdim=True)
    return torch.maximum(inputs + curve[:, None, :], floor)


def hidden(inputs: Tensor, frames: Tensor, bands: Tensor) -> Tensor:
    """Put 0 in place of a span of frames and one of bands, int64[n, 2] each; float32[n, views, frames, bands]."""

    def outside(spans: Tensor, length: int) -> Tensor:
        at = torch.arange(length, device=inputs.device)
        return (at < spans[:, :1]) | (at >= spans[:, 1:])

    kept = outside(frames, inputs.shape[2])[:, :, None] & outside(bands, inputs.shape[3])[:, None, :]
    return inputs * kept[:, None]
