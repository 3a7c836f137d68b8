"""Mel-frequency cepstral coefficients, summarised over time. Equal to ``librosa.feature.mfcc`` with its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from earmark.audio.mix import Channel
from earmark.features.cepstrum import cosines, moments, slope
from earmark.features.spectral import Heard, Resampler, Spectral
from earmark.types import FloatArray

Statistic = Literal["mean", "std", "delta_mean", "delta_std"]


@dataclass(frozen=True, slots=True)
class Mfcc(Spectral):
    """Mel-frequency cepstral coefficients.

    Parameters
    ----------
    sample_rate
        Hz; sound at other rates is resampled to it.
    resampler
        ``"soxr_hq"`` or ``"kaiser_fast"``.
    n_mfcc, n_fft, hop_length, n_mels, fmin, fmax, top_db
        As in librosa. Lengths are samples, frequencies Hz (``fmax=None`` is half the rate); everything more
        than ``top_db`` below a clip's loudest band is raised to that level.
    channel
        Of a file with several: their ``"mean"``, the ``"first"``, or one by its number from 1.
    statistics
        What is kept of each coefficient's course over time, in the order of the vector: ``mean``, ``std``, and
        ``delta_mean`` and ``delta_std`` of its slope. Empty: the course itself is returned, frame by frame.

    Examples
    --------
    >>> from earmark.types import Waveform
    >>> silence = Waveform(np.zeros(22_050, np.float32), 22_050)
    >>> Mfcc().extract(silence).shape, Mfcc(statistics=()).extract(silence).shape
    ((40,), (44, 40))
    """

    name: ClassVar[str] = "mfcc"
    storage: ClassVar[str] = "float32"

    sample_rate: int = 22_050
    resampler: Resampler = "soxr_hq"
    n_mfcc: int = 40
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    top_db: float = 80.0
    channel: Channel = "mean"
    statistics: tuple[Statistic, ...] = ("mean",)

    def __post_init__(self) -> None:
        known = get_args(Statistic)
        self._check(
            (1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})"),
            (set(self.statistics) <= set(known), "statistics", f"among {', '.join(known)}"),
            (len(set(self.statistics)) == len(self.statistics), "statistics", "without repetition"),
        )

    @property
    def dims(self) -> int:
        """Length of the vector, or of one frame."""
        return self.n_mfcc * max(1, len(self.statistics))

    @property
    def course(self) -> bool:
        """Whether time is kept: without statistics it is."""
        return not self.statistics

    def summarise(self, heard: Heard) -> FloatArray:
        """Return float32[dims], or float32[frames, n_mfcc] when ``statistics`` is empty."""
        transform = cosines(self.n_mfcc, self.n_mels)
        if self.statistics == ("mean",):
            # Mean and cosine transform are both linear, so the mean may come first.
            mean: FloatArray = (heard.log_mel.mean(axis=0, dtype=np.float64) @ transform).astype(np.float32)
            return mean
        course: FloatArray = heard.log_mel @ transform.astype(np.float32)
        if not self.statistics:
            return course
        found = dict(zip(("mean", "std"), moments(course), strict=True))
        if any(s.startswith("delta") for s in self.statistics):
            found |= zip(("delta_mean", "delta_std"), moments(slope(course)), strict=True)
        return np.concatenate([found[s] for s in self.statistics]).astype(np.float32)
