"""The base of the features that start from a mel spectrum: its settings, what they may be, one way in.

A feature says what it makes of a `Heard`. Features with equal settings can therefore share one (`extract_each`).
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np

from earmark.audio.mix import MOST_CHANNELS, Channel
from earmark.audio.scratch import borrow
from earmark.errors import SettingError
from earmark.features.mel import MelSpectrum
from earmark.features.shape import SHAPES, shape
from earmark.types import FloatArray, Waveform

Resampler = Literal["soxr_hq", "kaiser_fast"]
Rule = tuple[bool, str, str]  # whether it is kept, the setting, what it must be

AMIN = 1e-10  # power below this counts as this, so that silence has a logarithm


class Heard(NamedTuple):
    """What one pass over a sound gives. Valid until this thread listens again; only to be read.

    Parameters
    ----------
    samples
        float32[T].
    log_mel
        float32[frames, n_mels], natural logarithm of the power, floor applied.
    shape
        float32[frames, 4], a column for each of `SHAPES`, or nothing where no feature asked for it.
    """

    samples: FloatArray
    log_mel: FloatArray
    shape: FloatArray | None


class Spectral:
    """What every such feature has in common; a subclass is a frozen dataclass that declares the settings."""

    __slots__ = ()
    needs_shape: ClassVar[bool] = False

    sample_rate: int
    resampler: Resampler
    n_fft: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float | None
    top_db: float
    channel: Channel

    def summarise(self, heard: Heard) -> FloatArray:
        """Return the feature's values, in memory of their own."""
        raise NotImplementedError

    def extract(self, waveform: Waveform) -> FloatArray:
        """Return float32[dims], or float32[frames, dims] where `course` is true.

        Raises
        ------
        ValueError
            When the waveform has another sample rate or no samples: the caller resamples.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(
                f"the waveform has {waveform.sample_rate} Hz, the feature needs {self.sample_rate} Hz"
            )
        return self.summarise(hear(waveform.samples, self.spectrum, self.top_db, self.needs_shape))

    @property
    def spectrum(self) -> MelSpectrum:
        """The settings of the spectrum that it starts from."""
        return MelSpectrum(self.sample_rate, self.n_fft, self.hop_length, self.n_mels, self.fmin, self.fmax)

    @property
    def top_hz(self) -> float:
        """The upper edge of the highest mel band, Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    def _check(self, *more: Rule) -> None:
        half = self.sample_rate / 2
        rules = (
            (1000 <= self.sample_rate <= 768_000, "sample_rate", "from 1000 to 768000"),
            (self.resampler in get_args(Resampler), "resampler", "'soxr_hq' or 'kaiser_fast'"),
            (16 <= self.n_fft <= 65_536 and self.n_fft % 2 == 0, "n_fft", "even, from 16 to 65536"),
            (1 <= self.hop_length <= self.n_fft, "hop_length", f"from 1 to n_fft ({self.n_fft})"),
            (1 <= self.n_mels <= 1024, "n_mels", "from 1 to 1024"),
            (0 < self.top_hz <= half, "fmax", f"above 0 and at most half the sample rate ({half:g})"),
            (0 <= self.fmin < self.top_hz, "fmin", f"from 0 to below fmax ({self.top_hz:g})"),
            (self.top_db > 0, "top_db", "above 0"),
            (is_channel(self.channel), "channel", "'mean', 'first', or a number from 1"),
            *more,
        )
        for good, name, allowed in rules:
            if not good:
                raise SettingError(f"[feature] {name} is {getattr(self, name)!r}, but must be {allowed}.")


def is_channel(channel: Channel) -> bool:
    """Say whether a setting names a channel."""
    return channel in ("mean", "first") or (isinstance(channel, int) and 1 <= channel <= MOST_CHANNELS)


def hear(samples: FloatArray, spectrum: MelSpectrum, top_db: float, needs_shape: bool) -> Heard:
    """Pass once over float32[T] with T ≥ 1: one short-time Fourier transform, whatever is made of it."""
    if len(samples) == 0:
        raise ValueError("the waveform has no samples")
    shapes: FloatArray | None = None
    if needs_shape:
        frames = 1 + len(samples) // spectrum.hop_length
        shapes = columns = borrow("shape", frames * len(SHAPES), "float32").reshape(frames, len(SHAPES))
        power = spectrum.power(samples, lambda at, parts: shape(parts, spectrum.sample_rate, columns[at]))
    else:
        power = spectrum.power(samples)
    # The floor of top_db below the maximum, taken before the logarithm: the same, and cheaper.
    floor = max(AMIN, float(power.max()) * 10.0 ** (-top_db / 10.0))
    np.maximum(power, np.float32(floor), out=power)
    return Heard(samples, np.log(power, out=power), shapes)
