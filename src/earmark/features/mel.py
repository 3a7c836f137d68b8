"""Mel power spectra, lean: framing, window, FFT, power and filter bank over reused memory.

Equal to ``librosa.feature.melspectrogram`` (centred frames, zero padding, periodic Hann window, Slaney mels with
area normalisation). Source of the scale: M. Slaney, *Auditory Toolbox*, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.audio.fourier import rfft
from earmark.audio.scratch import borrow
from earmark.types import FloatArray

_BANDS = 8  # the filter bank is multiplied in this many pieces, each over only the bins that it touches
_FRAMES = 64  # frames at a time: enough for BLAS, few enough that what is made of them stays in the cache

DECIBELS = 10.0 / math.log(10.0)  # the step from the natural logarithm of a power

Look = Callable[[slice, FloatArray], None]


def hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Slaney mels: linear below 1 kHz, logarithmic above.

    >>> hz_to_mel(np.array([0.0, 1000.0, 6400.0])).tolist()
    [0.0, 15.0, 42.0]
    """
    hz = np.asarray(hz, np.float64)
    above = 15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hz < 1000.0, hz * 3.0 / 200.0, above)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    above = 1000.0 * np.exp(np.log(6.4) * (np.maximum(mel, 15.0) - 15.0) / 27.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, above)


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> FloatArray:
    """Return triangular filters of unit area, float32[n_mels, n_fft // 2 + 1]."""
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    low, high = hz_to_mel(np.array([fmin, fmax]))
    edges = mel_to_hz(np.linspace(low, high, n_mels + 2))
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class MelSpectrum:
    """Settings of a mel power spectrum.

    Examples
    --------
    >>> mel = MelSpectrum(sample_rate=22_050)
    >>> mel.power(np.zeros(22_050, np.float32)).shape
    (44, 128)
    """

    sample_rate: int
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None

    def power(self, samples: FloatArray, look: Look | None = None) -> FloatArray:
        """Return float32[1 + T // hop_length, n_mels], valid until this thread calls it again.

        Parameters
        ----------
        samples
            float32[T], T ≥ 1.
        look
            Is shown each piece of the spectrum in passing: which frames, and float32[n, 2 * bins], their squared
            real and imaginary parts side by side.
        """
        n_fft = self.n_fft
        window, bands = _plan(self)
        views = np.lib.stride_tricks.sliding_window_view(padded(samples, n_fft), n_fft)[:: self.hop_length]
        frames = len(views)
        mel = borrow("mel.power", frames * self.n_mels, "float32").reshape(frames, self.n_mels)
        windowed = borrow("mel.windowed", _FRAMES * n_fft, "float32").reshape(_FRAMES, n_fft)
        for begin in range(0, frames, _FRAMES):
            end = min(begin + _FRAMES, frames)
            chunk = np.multiply(views[begin:end], window, out=windowed[: end - begin])
            # Real and imaginary parts side by side, squared in place; their sum is left to the filter bank,
            # whose rows are doubled for it.
            parts = rfft(chunk).view(np.float32)
            np.square(parts, out=parts)
            for first, last, columns, filters in bands:
                np.matmul(parts[:, first:last], filters, out=mel[begin:end, columns])
            if look is not None:
                look(slice(begin, end), parts)
        return mel


def padded(samples: FloatArray, n_fft: int) -> FloatArray:
    """Return the samples with ``n_fft // 2`` zeros on either side, valid until this thread calls it again."""
    half = n_fft // 2
    whole: FloatArray = borrow("mel.padded", len(samples) + n_fft, "float32")
    whole[:half] = 0
    whole[half : half + len(samples)] = samples
    whole[half + len(samples) :] = 0
    return whole


@lru_cache(maxsize=8)
def _plan(
    settings: MelSpectrum,
) -> tuple[FloatArray, list[tuple[int, int, slice, FloatArray]]]:
    """Return the window and, for each band of mels, the span of squared parts it touches and its filters."""
    n_fft, n_mels = settings.n_fft, settings.n_mels
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    fmax = settings.sample_rate / 2 if settings.fmax is None else settings.fmax
    filters = mel_filters(settings.sample_rate, n_fft, n_mels, settings.fmin, fmax)
    bands = []
    for columns in np.array_split(np.arange(n_mels), min(_BANDS, n_mels)):
        used = np.flatnonzero(filters[columns].any(axis=0))
        first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
        doubled = np.repeat(filters[columns, first:last].T, 2, axis=0)
        span = slice(int(columns[0]), int(columns[-1]) + 1)
        bands.append((2 * first, 2 * last, span, np.ascontiguousarray(doubled)))
    return window, bands
