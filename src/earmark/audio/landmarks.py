"""What is left of a sound in whatever disguise: the peaks of its spectrum, and when they come.

Peaks stand above what surrounds them, so they stay where they are when a sound is coded at a low rate, resampled, made
louder or softer, cut at its ends or repeated. Not kept are a change of pitch or of speed.

Source of the method: A. L.-C. Wang, *An industrial-strength audio search algorithm*, ISMIR 2003.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fourier import rfft
from earmark.types import FloatArray

RATE = 8_000  # Hz; what telephones and the lowest rates of coders leave lies below half of it
HOP = 128  # samples between frames
MOST_SECONDS = 300  # of a longer sound only the beginning is looked at
BINS = 256  # a landmark is its frame times this, plus its bin

_FRAME = 512
_LOW, _HIGH = 6, 224  # bins; 94 to 3,484 Hz
_NEAR_FRAMES, _NEAR_BINS = 3, 8  # a peak is the highest within these, either way
_BLOCK, _STRONGEST = 32, 16  # frames; how many peaks of so many frames are kept
_FLOOR = 2.6e-7  # power: a sine 108 dB below full scale
_SPAN = 128 * _BLOCK  # frames at a time

Landmarks = NDArray[np.uint32]


def landmarks(samples: FloatArray) -> Landmarks:
    """Return the landmarks of a sound, ascending: about 32 a second, none of silence.

    Parameters
    ----------
    samples
        float32[T] at `RATE`.

    Returns
    -------
    uint32[n]: ``frame * BINS + bin``.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    >>> len(landmarks(noise)), len(landmarks(np.zeros(8_000, np.float32)))
    (32, 0)
    """
    samples = samples[: MOST_SECONDS * RATE]
    if len(samples) < _FRAME:
        samples = np.concatenate([samples, np.zeros(_FRAME - len(samples), np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::HOP]
    found = [_peaks(frames, begin) for begin in range(0, len(frames), _SPAN)]
    return np.concatenate(found)


def _peaks(frames: FloatArray, begin: int) -> Landmarks:
    """Return the landmarks of `_SPAN` frames, those around them being heard."""
    first, last = max(0, begin - _NEAR_FRAMES), min(len(frames), begin + _SPAN + _NEAR_FRAMES)
    with np.errstate(all="ignore"):  # what is no number is higher than nothing
        parts = rfft(frames[first:last] * _window())[:, : _HIGH + _NEAR_BINS].view(np.float32)
        parts = parts * parts
        power = parts[:, ::2] + parts[:, 1::2]
        around = _highest(_highest(power.T, _NEAR_BINS).T, _NEAR_FRAMES)
        peaks = (power == around) & (power > _FLOOR)
    frame, bin_ = np.nonzero(peaks[:, _LOW:_HIGH])
    bin_ += _LOW
    strength, frame = power[frame, bin_], frame + first
    own = (frame >= begin) & (frame < begin + _SPAN)
    frame, bin_, strength = frame[own], bin_[own], strength[own]
    by_block = np.lexsort((-strength, frame // _BLOCK))
    block = frame[by_block] // _BLOCK
    rank = np.arange(len(block)) - np.searchsorted(block, block)
    kept = np.sort(by_block[rank < _STRONGEST])
    return (frame[kept] * BINS + bin_[kept]).astype(np.uint32)


def _highest(power: FloatArray, reach: int) -> FloatArray:
    """Return the maximum over ``reach`` rows either way. Each step doubles how far it looks."""
    nothing = np.zeros((reach, power.shape[1]), np.float32)
    highest, width = np.concatenate([nothing, power, nothing]), 1
    while width < 2 * reach + 1:
        step = min(width, 2 * reach + 1 - width)
        highest = np.maximum(highest[:-step], highest[step:])
        width += step
    return highest


class Ear:
    """Finds the landmarks of a sound that comes piece by piece, at any rate, in bounded memory."""

    def __init__(self, rate: int) -> None:
        self._rate, self._left = rate, MOST_SECONDS * rate
        self._heard: list[FloatArray] = []
        self._stream = None
        if rate != RATE:
            import soxr

            self._stream = soxr.ResampleStream(rate, RATE, 1, "float32", quality="HQ")

    def hear(self, samples: FloatArray) -> None:
        """Take in the next piece, float32[T]."""
        piece = samples[: self._left]
        self._left -= len(piece)
        if len(piece):
            self._heard.append(self._stream.resample_chunk(piece) if self._stream else piece.copy())

    def landmarks(self) -> Landmarks:
        """Return the landmarks of all that came."""
        rest = [self._stream.resample_chunk(np.empty(0, np.float32), last=True)] if self._stream else []
        return landmarks(np.concatenate([*self._heard, *rest, np.empty(0, np.float32)]))


@lru_cache(maxsize=1)
def _window() -> FloatArray:
    return np.hanning(_FRAME).astype(np.float32)
