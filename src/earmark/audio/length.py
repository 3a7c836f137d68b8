"""How long a file is, and at what rate, by its header, without decoding where that will do."""

from __future__ import annotations

from pathlib import Path

from earmark.audio import limits
from earmark.audio.sound import open_sound
from earmark.errors import EmptyAudioError

_MOST = 1e7  # seconds, four months: beyond it a header lies, or the length was never written


def seconds_of(path: Path) -> float:
    """Return the duration of a sound file in seconds.

    Raises
    ------
    AudioError
        When it cannot be read.
    """
    with open_sound(path, path) as sound:
        limits.check_rate(path, sound.rate)
        if sound.frames == 0:
            raise EmptyAudioError(path, "the file holds no samples")
        if sound.frames is not None and sound.frames / sound.rate <= _MOST:
            return sound.frames / sound.rate
        for _ in sound.read(0, None):  # a stream that was never told its length
            pass
        return sound.reached / sound.rate


def rate_of(path: Path) -> int:
    """Return the sample rate of a sound file in Hz. Raises as `seconds_of` does."""
    with open_sound(path, path) as sound:
        limits.check_rate(path, sound.rate)
        return sound.rate
