"""What identifies a sound, whatever file it is in."""

from __future__ import annotations

import numpy as np
import xxhash

from earmark.types import FloatArray, Waveform


class SoundHash:
    """A hash of samples that come piece by piece, and of their rate.

    Equal sound gives equal hashes whatever format it is in, as long as that loses nothing.
    """

    def __init__(self, sample_rate: int) -> None:
        self._hash = xxhash.xxh3_128(seed=sample_rate)

    def update(self, samples: FloatArray) -> None:
        """Take in the next piece, float32[T]."""
        self._hash.update(np.ascontiguousarray(samples).data)

    def digest(self) -> tuple[int, int]:
        """Return the hash in two halves of 64 bits."""
        whole = self._hash.intdigest()
        return whole >> 64, whole & (2**64 - 1)


def sound_of(wave: Waveform) -> tuple[int, int]:
    """Return the hash of a whole waveform.

    >>> one, other = (Waveform(np.zeros(3, np.float32), rate) for rate in (8000, 16_000))
    >>> sound_of(one) == sound_of(one), sound_of(one) == sound_of(other)
    (True, False)
    """
    found = SoundHash(wave.sample_rate)
    found.update(wave.samples)
    return found.digest()
