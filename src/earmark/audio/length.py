"""`seconds_of` and `rate_of`: how long a file is and its sample rate, by its header."""

from __future__ import annotations

import os
from pathlib import Path

from earmark.audio import MAX_RATE, _reason, decode, riff
from earmark.errors import EmptyAudioError, UnreadableAudioError

_MOST = 1e7  # seconds, four months: beyond it a header lies, or the length was never written


def seconds_of(path: Path) -> float:
    """Return the duration of a sound file in seconds.

    Raises
    ------
    AudioError
        When it cannot be read.
    """
    import soundfile

    try:
        with path.open("rb", buffering=0) as file:
            header = riff.parse(file)
        if header is not None:
            return header.frames / header.sample_rate
        with soundfile.SoundFile(str(path) if os.name == "nt" else os.fsencode(path)) as sound:
            rate, frames, in_place = int(sound.samplerate), int(sound.frames), sound.seekable()
    except OSError as error:
        raise UnreadableAudioError(path, (error.strerror or str(error)).lower()) from error
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _reason(error)) from None
    if not 0 < rate <= MAX_RATE:
        raise UnreadableAudioError(path, f"its header says {rate} Hz; at most {MAX_RATE} Hz are read")
    if frames == 0:
        raise EmptyAudioError(path, "the file holds no samples")
    if not in_place or frames / rate > _MOST:  # a stream that was never told its length
        return decode(path).seconds
    return frames / rate


def rate_of(path: Path) -> int:
    """Return the sample rate of a sound file in Hz, by its header alone.

    Raises
    ------
    AudioError
        When it cannot be read.
    """
    import soundfile

    try:
        with path.open("rb", buffering=0) as file:
            header = riff.parse(file)
        rate = (
            header.sample_rate
            if header is not None
            else int(soundfile.info(str(path) if os.name == "nt" else os.fsencode(path)).samplerate)
        )
    except OSError as error:
        raise UnreadableAudioError(path, (error.strerror or str(error)).lower()) from error
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _reason(error)) from None
    if not 0 < rate <= MAX_RATE:
        raise UnreadableAudioError(path, f"its header says {rate} Hz; at most {MAX_RATE} Hz are read")
    return rate
