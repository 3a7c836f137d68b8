"""The log-mel spectrogram: what networks that see sound as an image start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from earmark.audio.mix import Channel
from earmark.features.mel import DECIBELS
from earmark.features.spectral import Heard, Resampler, Spectral
from earmark.types import FloatArray


@dataclass(frozen=True, slots=True)
class LogMel(Spectral):
    """Power in mel bands over time, in dB: ``librosa.power_to_db(melspectrogram, ref=1.0)``.

    The values are those that half precision holds (at most 0.03 dB from what they would be), so that what was stored
    as float16 and what is computed afresh agree to the bit.

    Parameters
    ----------
    sample_rate
        Hz; sound at other rates is resampled to it.
    resampler
        ``"soxr_hq"`` or ``"kaiser_fast"``.
    n_fft, hop_length, n_mels, fmin, fmax, top_db
        As in librosa. Lengths are samples, frequencies Hz (``fmax=None`` is half the rate); everything more
        than ``top_db`` below a clip's loudest band is raised to that level.
    channel
        Of a file with several: their ``"mean"``, the ``"first"``, or one by its number from 1.

    Examples
    --------
    >>> from earmark.types import Waveform
    >>> silence = Waveform(np.zeros(22_050, np.float32), 22_050)
    >>> values = LogMel().extract(silence)
    >>> values.shape, float(values.max())
    ((44, 128), -100.0)
    """

    name: ClassVar[str] = "log_mel"
    storage: ClassVar[str] = "float16"
    course: ClassVar[bool] = True

    sample_rate: int = 22_050
    resampler: Resampler = "soxr_hq"
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    top_db: float = 80.0
    channel: Channel = "mean"

    def __post_init__(self) -> None:
        self._check()

    @property
    def dims(self) -> int:
        """Length of one frame."""
        return self.n_mels

    def summarise(self, heard: Heard) -> FloatArray:
        """Return float32[frames, n_mels], dB."""
        return halved(heard.log_mel * np.float32(DECIBELS))


def halved(values: FloatArray) -> FloatArray:
    """Round ``values`` in place to what float16 holds and return them.

    On the bits, five times as fast as there and back by ``astype``: to the nearest ten bits of fraction, ties to even.

    >>> halved(np.array([1.0, 1.0004, 1.0005, -79.99], np.float32)).tolist()
    [1.0, 1.0, 1.0009765625, -80.0]
    """
    size = np.abs(values)
    if size.size and (size.min() < 2.0**-14 or not size.max() < 65_504):  # smaller steps, or none at all
        with np.errstate(over="ignore"):
            np.copyto(values, values.astype(np.float16))
        return values
    bits = values.view(np.uint32)
    odd = size.view(np.uint32)
    np.right_shift(bits, 13, out=odd)
    np.bitwise_and(odd, 1, out=odd)
    bits += odd
    bits += 0x0FFF
    bits &= 0xFFFFE000
    return values
