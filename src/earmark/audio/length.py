"""How long a file is, and at what rate, by its header, without decoding where that will do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from earmark.audio import limits
from earmark.audio.sound import open_sound
from earmark.errors import EmptyAudioError

_MOST = 1e7  # seconds, four months: beyond it a header lies, or the length was never written
_LEAST = 30  # bytes of a second of sound: with fewer, even silence is not told, and the header lies


def seconds_of(path: Path, on_progress: Callable[[], None] | None = None) -> float:
    """Return the duration of a sound file in seconds.

    Parameters
    ----------
    on_progress
        Called again and again while a file is decoded whose header does not tell, which may take its time.

    Raises
    ------
    AudioError
        When it cannot be read.
    """
    with open_sound(path, path) as sound:
        limits.check_rate(path, sound.rate)
        if sound.frames == 0:
            raise EmptyAudioError(path, "the file holds no samples")
        if sound.frames is not None:
            told = sound.frames / sound.rate
            if sound.certain or told <= min(_MOST, path.stat().st_size / _LEAST):
                return told
        for _ in sound.read(0, None):  # to its end, be it told or not
            if on_progress:
                on_progress()
        return sound.reached / sound.rate


def rate_of(path: Path) -> int:
    """Return the sample rate of a sound file in Hz. Raises as `seconds_of` does."""
    with open_sound(path, path) as sound:
        limits.check_rate(path, sound.rate)
        return sound.rate
