"""What can be said of a clip in one vector: means and spreads of its spectrum, its cepstrum, its shape, its level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from earmark.audio.mix import Channel
from earmark.features.cepstrum import cosines, moments, slope
from earmark.features.change import LAGS, changes, correlations, groups_of
from earmark.features.level import crossings, level
from earmark.features.mel import DECIBELS
from earmark.features.shape import SHAPES
from earmark.features.spectral import Heard, Resampler, Spectral
from earmark.types import FloatArray

Version = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Stats(Spectral):
    """Statistics of a clip from one pass over its spectrum, in this order.

    ==============  ====================================================================================
    2 × ``n_mels``  mean, then standard deviation of each log-mel band, dB
    3 × ``n_mfcc``  mean and standard deviation of each MFCC, then the standard deviation of its slope
    6 × ``n_mfcc``  root mean square change of each MFCC over 1, 2, 4, 8, 16 and 32 frames
    120             correlations over time of 16 groups of log-mel bands, each pair once (fewer bands, fewer groups)
    2 × 4           mean, then standard deviation of the power spectrum's centroid, bandwidth and 85 %
                    roll-off (Hz) and of its flatness (0 to 1)
    2 × 2           mean, then standard deviation of the level (dB) and of the share of samples at which
                    the sign changes
    ==============  ====================================================================================

    Each frame is as in librosa. A silent frame has centroid, bandwidth and roll-off 0 Hz, flatness 1 and a level of
    -100 dB. Only frames that lie wholly within the sound count, or the middle one where none does, and nothing
    depends on how long the sound is: half of one does not look like another kind.

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
    version
        2, or 1 for the statistics of earlier models: without changes and correlations, with the mean of each MFCC's
        slope before its standard deviation, and over all frames, those half beside the sound too.

    Examples
    --------
    >>> from earmark.types import Waveform
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050).astype(np.float32)
    >>> values = Stats().extract(Waveform(tone, 22_050))
    >>> values.shape, round(float(values[556]))  # the centroid, Hz
    ((568,), 1000)
    """

    name: ClassVar[str] = "stats"
    storage: ClassVar[str] = "float32"
    course: ClassVar[bool] = False
    needs_shape: ClassVar[bool] = True
    # What a bundle that lacks these settings was made with.
    earlier: ClassVar[Mapping[str, Any]] = {"version": 1}

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
    version: Version = 2

    def __post_init__(self) -> None:
        self._check(
            (1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})"),
            (type(self.version) is int and self.version in get_args(Version), "version", "1 or 2"),
        )

    @property
    def dims(self) -> int:
        """Length of the vector."""
        cepstrum = 4 if self.version == 1 else 3 + len(LAGS)
        groups = 0 if self.version == 1 else groups_of(self.n_mels)
        pairs = groups * (groups - 1) // 2
        return 2 * self.n_mels + cepstrum * self.n_mfcc + pairs + 2 * len(SHAPES) + 2 * 2

    def summarise(self, heard: Heard) -> FloatArray:
        """Return float32[dims]."""
        if heard.shape is None:
            raise ValueError("stats needs the shape of the spectrum")
        sizes = self.n_fft, self.hop_length
        loudness = np.stack([level(heard.samples, *sizes), crossings(heard.samples, *sizes)], axis=1)
        frames = slice(None) if self.version == 1 else whole_frames(len(heard.samples), *sizes)
        log_mel = heard.log_mel[frames]
        cepstrum = log_mel @ cosines(self.n_mfcc, self.n_mels).astype(np.float32)
        sloping = moments(slope(cepstrum))
        over_time = (
            sloping
            if self.version == 1
            else (sloping[1], changes(cepstrum), correlations(log_mel * np.float32(DECIBELS)))
        )
        parts = (
            *(DECIBELS * moment for moment in moments(log_mel)),
            *moments(cepstrum),
            *over_time,
            *moments(heard.shape[frames]),
            *moments(loudness[frames]),
        )
        return np.concatenate(parts).astype(np.float32)


def whole_frames(samples: int, n_fft: int, hop: int) -> slice:
    """Return which frames of so many samples lie wholly within the sound; where none does, the middle one.

    >>> whole_frames(22_050, 2_048, 512), whole_frames(2_047, 2_048, 512)
    (slice(2, 42, None), slice(2, 3, None))
    """
    first, last = -(-(n_fft // 2) // hop), (samples - n_fft // 2) // hop
    if last < first:
        first = last = (samples + hop) // (2 * hop)
    return slice(first, last + 1)
