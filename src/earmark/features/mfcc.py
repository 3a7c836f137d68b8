"""Mel-frequency cepstral coefficients, summarised over time.

Equal to ``librosa.feature.mfcc`` with its defaults. Sources: Davis and Mermelstein, *Comparison of parametric
representations for monosyllabic word recognition*, 1980; deltas by regression as in Young et al., *The HTK Book*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.features.mel import MelSpectrum
from earmark.types import FloatArray, Waveform

Resampler = Literal["soxr_hq", "kaiser_fast"]
Statistic = Literal["mean", "std", "delta_mean", "delta_std"]

_AMIN = 1e-10  # power below this counts as this, so that silence has a logarithm
_DELTA_REACH = 4


@dataclass(frozen=True, slots=True)
class Mfcc:
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
    statistics
        What is kept of each coefficient's course over time, in the order of the vector: ``mean``, ``std``, and
        ``delta_mean`` and ``delta_std`` of its slope. Empty: the course itself is returned, frame by frame.

    Examples
    --------
    >>> silence = Waveform(np.zeros(22_050, np.float32), 22_050)
    >>> Mfcc().extract(silence).shape, Mfcc(statistics=()).extract(silence).shape
    ((40,), (44, 40))
    """

    name: ClassVar[str] = "mfcc"

    sample_rate: int = 22_050
    resampler: Resampler = "soxr_hq"
    n_mfcc: int = 40
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    top_db: float = 80.0
    statistics: tuple[Statistic, ...] = ("mean",)

    def __post_init__(self) -> None:
        half = self.sample_rate / 2
        known = get_args(Statistic)
        rules = (
            (1000 <= self.sample_rate <= 768_000, "sample_rate", "from 1000 to 768000"),
            (self.resampler in get_args(Resampler), "resampler", "'soxr_hq' or 'kaiser_fast'"),
            (16 <= self.n_fft <= 65_536 and self.n_fft % 2 == 0, "n_fft", "even, from 16 to 65536"),
            (1 <= self.hop_length <= self.n_fft, "hop_length", f"from 1 to n_fft ({self.n_fft})"),
            (1 <= self.n_mels <= 1024, "n_mels", "from 1 to 1024"),
            (1 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"from 1 to n_mels ({self.n_mels})"),
            (0 < self.top_hz <= half, "fmax", f"above 0 and at most half the sample rate ({half:g})"),
            (0 <= self.fmin < self.top_hz, "fmin", f"from 0 to below fmax ({self.top_hz:g})"),
            (self.top_db > 0, "top_db", "above 0"),
            (set(self.statistics) <= set(known), "statistics", f"among {', '.join(known)}"),
            (len(set(self.statistics)) == len(self.statistics), "statistics", "without repetition"),
        )
        for good, name, allowed in rules:
            if not good:
                raise SettingError(f"[feature] {name} is {getattr(self, name)!r}, but must be {allowed}.")

    @property
    def top_hz(self) -> float:
        """The upper edge of the highest mel band, Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def dims(self) -> int:
        """Length of the vector."""
        return self.n_mfcc * max(1, len(self.statistics))

    def extract(self, waveform: Waveform) -> FloatArray:
        """Return float32[dims], or float32[frames, n_mfcc] when ``statistics`` is empty.

        Raises
        ------
        ValueError
            When the waveform has another sample rate or no samples: the caller resamples.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(
                f"the waveform has {waveform.sample_rate} Hz, the feature needs {self.sample_rate} Hz"
            )
        if len(waveform.samples) == 0:
            raise ValueError("the waveform has no samples")
        mel = MelSpectrum(self.sample_rate, self.n_fft, self.hop_length, self.n_mels, self.fmin, self.fmax)
        power = mel.power(waveform.samples)
        # The floor of top_db below the maximum, taken before the logarithm: the same, and cheaper.
        floor = max(_AMIN, float(power.max()) * 10.0 ** (-self.top_db / 10.0))
        np.maximum(power, np.float32(floor), out=power)
        log_power = np.log(power, out=power)
        transform = _cosines(self.n_mfcc, self.n_mels)
        if self.statistics == ("mean",):
            # Mean and cosine transform are both linear, so the mean may come first.
            mean: FloatArray = (log_power.mean(axis=0, dtype=np.float64) @ transform).astype(np.float32)
            return mean
        course: FloatArray = log_power @ transform.astype(np.float32)
        if not self.statistics:
            return course
        slope = _slope(course) if any(s.startswith("delta") for s in self.statistics) else course
        summaries = {
            "mean": lambda: course.mean(axis=0, dtype=np.float64),
            "std": lambda: course.std(axis=0, dtype=np.float64),
            "delta_mean": lambda: slope.mean(axis=0, dtype=np.float64),
            "delta_std": lambda: slope.std(axis=0, dtype=np.float64),
        }
        return np.concatenate([summaries[s]() for s in self.statistics]).astype(np.float32)


@lru_cache(maxsize=8)
def _cosines(n_mfcc: int, n_mels: int) -> NDArray[np.float64]:
    """Return the orthonormal DCT-II as float64[n_mels, n_mfcc], with the step from natural logarithm to dB."""
    k, m = np.arange(n_mfcc), np.arange(n_mels)
    basis = np.cos(np.pi / n_mels * np.outer(m + 0.5, k)) * np.sqrt(2.0 / n_mels)
    basis[:, 0] /= np.sqrt(2.0)
    result: NDArray[np.float64] = basis * (10.0 / np.log(10.0))
    return result


def _slope(course: FloatArray) -> FloatArray:
    """Return the regression slope of each column over nine frames, edges repeated; float32, same shape."""
    frames = len(course)
    padded = np.pad(course, ((_DELTA_REACH, _DELTA_REACH), (0, 0)), mode="edge")
    total = np.zeros_like(course)
    for n in range(1, _DELTA_REACH + 1):
        ahead = padded[_DELTA_REACH + n : _DELTA_REACH + n + frames]
        behind = padded[_DELTA_REACH - n : _DELTA_REACH - n + frames]
        total += n * (ahead - behind)
    result: FloatArray = total / np.float32(2 * sum(n * n for n in range(1, _DELTA_REACH + 1)))
    return result
