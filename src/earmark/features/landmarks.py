"""What finds copies in disguise, as a feature, so that it is kept and computed with the others in one decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from earmark.audio.landmarks import RATE, landmarks
from earmark.types import FloatArray, Waveform

NOTHING = -1.0  # the first row of all, so that silence has a row as well


@dataclass(frozen=True, slots=True)
class Marks:
    """The landmarks of a clip: see `earmark.audio.landmarks`. Not to learn from, and without settings.

    Examples
    --------
    >>> Marks().extract(Waveform(np.zeros(8_000, np.float32), 8_000)).tolist()
    [[-1.0]]
    """

    name: ClassVar[str] = "landmarks"
    storage: ClassVar[str] = "float32"  # holds whole numbers up to 2**24, which is more than there are
    course: ClassVar[bool] = True
    sample_rate: ClassVar[int] = RATE
    resampler: ClassVar[str] = "soxr_hq"
    channel: ClassVar[Literal["mean"]] = "mean"
    dims: ClassVar[int] = 1

    def extract(self, waveform: Waveform) -> FloatArray:
        """Return float32[1 + landmarks, 1]."""
        found = landmarks(waveform.samples).astype(np.float32)
        return np.concatenate([np.array([NOTHING], np.float32), found])[:, None]
