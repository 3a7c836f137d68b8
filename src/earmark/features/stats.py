"""What can be said of a clip in one vector: means and spreads of its spectrum, its cepstrum, its shape, its level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from earmark.audio.mix import Channel
from earmark.features.cepstrum import cosines, moments, slope
from earmark.features.mel import DECIBELS, padded
from earmark.features.shape import SHAPES
from earmark.features.spectral import AMIN, Heard, Resampler, Spectral
from earmark.types import FloatArray

_ZERO = 1e-10  # a sample that lies no further from 0 than this has no sign


@dataclass(frozen=True, slots=True)
class Stats(Spectral):
    """Statistics of a clip from one pass over its spectrum, in this order.

    ==============  ====================================================================================
    2 × ``n_mels``  mean, then standard deviation of each log-mel band, dB
    4 × ``n_mfcc``  mean and standard deviation of each MFCC, then both of its slope
    2 × 4           mean, then standard deviation of the power spectrum's centroid, bandwidth and 85 %
                    roll-off (Hz) and of its flatness (0 to 1)
    2 × 2           mean, then standard deviation of the level (dB) and of the share of samples at which
                    the sign changes
    ==============  ====================================================================================

    Everything is as in librosa. A silent frame has centroid, bandwidth and roll-off 0 Hz, flatness 1 and a level of
    -100 dB.

    Parameters
    ----------
    sample_rate
        Hz; sound at other rates is resampled to it.
    resampler
        ``"soxr_hq"`` or ``"kaiser_fast"``.
    n_mfcc, n_fft, hop_length, n_mels, fmin, fmax, top_db
        As in librosa. Lengths are samples, frequencies Hz (``fmax=None`` is half the rate); everything more
        than ``top_db`` below a clip's loudest mel band is raised to that level.
    channel
        Of a file with several: their ``"mean"``, the ``"first"``, or one by its number from 1.

    Examples
    --------
    >>> from earmark.types import Waveform
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050).astype(np.float32)
    >>> values = Stats().extract(Waveform(tone, 22_050))
    >>> values.shape, round(float(values[336]))  # the centroid, Hz
    ((348,), 1000)
    """

    name: ClassVar[str] = "stats"
    storage: ClassVar[str] = "float32"
    course: ClassVar[bool] = False
    needs_shape: ClassVar[bool] = True

    sample_rate: int = 22_050
    resampler: Resampler = "soxr_hq"
    n_mfcc: int = 20
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    top_db: float = 80.0
    channel: Channel = "mean"

    def __post_init__(self) -> None:
        self._check((1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})"))

    @property
    def dims(self) -> int:
        """Length of the vector."""
        return 2 * self.n_mels + 4 * self.n_mfcc + 2 * len(SHAPES) + 2 * 2

    def summarise(self, heard: Heard) -> FloatArray:
        """Return float32[dims]."""
        if heard.shape is None:
            raise ValueError("stats needs the shape of the spectrum")
        course = heard.log_mel @ cosines(self.n_mfcc, self.n_mels).astype(np.float32)
        sizes = self.n_fft, self.hop_length
        level = np.stack([_level(heard.samples, *sizes), _crossings(heard.samples, *sizes)], axis=1)
        parts = (
            *(DECIBELS * moment for moment in moments(heard.log_mel)),
            *moments(course),
            *moments(slope(course)),
            *moments(heard.shape),
            *moments(level),
        )
        return np.concatenate(parts).astype(np.float32)


def _level(samples: FloatArray, n_fft: int, hop: int) -> FloatArray:
    """Return the mean square of each frame in dB; around the sound there are zeros."""
    # Frames overlap: the squares are summed once for each piece that they share.
    length = math.gcd(n_fft, hop)
    pieces = padded(samples, n_fft)[: (len(samples) + n_fft) // length * length].reshape(-1, length)
    squares = np.einsum("pk,pk->p", pieces, pieces)
    shared = np.lib.stride_tricks.sliding_window_view(squares, n_fft // length)[:: hop // length]
    power = shared.sum(axis=1) / np.float32(n_fft)
    level: FloatArray = np.log(np.maximum(power, np.float32(AMIN))) * np.float32(DECIBELS)
    return level


def _crossings(samples: FloatArray, n_fft: int, hop: int) -> FloatArray:
    """Return the share of each frame's samples whose sign differs from the one before."""
    below = samples < -_ZERO
    at = np.flatnonzero(below[1:] != below[:-1]) + 1
    first = (
        np.arange(1 + len(samples) // hop) * hop - n_fft // 2
    )  # of each frame; its own first sample is compared with none
    within = np.searchsorted(at, first + n_fft) - np.searchsorted(at, first + 1)
    share: FloatArray = (within / n_fft).astype(np.float32)
    return share
