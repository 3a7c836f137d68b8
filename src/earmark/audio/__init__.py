"""The only place that opens, mixes, cuts and resamples sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.audio import limits
from earmark.audio.mix import Channel, column, mix
from earmark.audio.resample import RESAMPLERS, resample
from earmark.audio.sound import Sound, open_sound
from earmark.errors import EmptyAudioError, NotFiniteAudioError, TooLongAudioError
from earmark.types import FloatArray, Waveform

__all__ = [
    "RESAMPLERS", "Channel", "decode", "decode_bytes", "load", "pieces", "read_stream", "resample",
]  # fmt: skip

# Past this, powers overflow. Such samples are bytes in the wrong order, not sound.
LOUDEST = 1e12


def load(
    path: Path,
    sample_rate: int,
    resampler: str = "soxr_hq",
    start: float | None = None,
    end: float | None = None,
    channel: Channel = "mean",
) -> Waveform:
    """Decode, mix to mono, cut and resample, in that order.

    Parameters
    ----------
    path
        A file that libsndfile reads (WAV of every kind, FLAC, Ogg, Opus, MP3, AIFF, AU, CAF, …) or, where the extra
        ``formats`` is installed, FFmpeg (m4a, mp4, 3gp, webm, wma, …).
    sample_rate
        Hz, of the result.
    resampler
        A key of `RESAMPLERS`.
    start, end
        Seconds; ``None`` is the file's own start or end.
    channel
        ``"mean"`` of all, the ``"first"``, or a number from 1.

    Raises
    ------
    AudioError
        One of its kinds, with the path and the reason.

    Examples
    --------
    >>> import tempfile, wave
    >>> path = Path(tempfile.mkdtemp()) / "silence.wav"
    >>> with wave.open(str(path), "wb") as file:
    ...     file.setnchannels(2), file.setsampwidth(2), file.setframerate(44_100)
    ...     file.writeframes(bytes(4 * 44_100))
    (None, None, None)
    >>> load(path, 22_050).samples.shape
    (22050,)
    """
    wave = decode(path, start, end, channel)
    return Waveform(resample(wave.samples, wave.sample_rate, sample_rate, resampler), sample_rate)


def decode(
    path: Path,
    start: float | None = None,
    end: float | None = None,
    channel: Channel = "mean",
    longest: float | None = None,
) -> Waveform:
    """Decode, mix to mono and cut, at the file's own rate. Raises as `load` does.

    Parameters
    ----------
    longest
        Seconds: a file whose header tells of more is refused before it is decoded, and one that turns out to have
        more when it does. ``None`` takes what fits into memory.
    """
    with open_sound(path, path, start) as sound:
        if longest is not None:
            limits.check_rate(path, sound.rate)
            told = max(sound.frames or 0, sound.promised or 0) / sound.rate
            if told > longest:
                raise limits.longer(path, longest, told)
        return _mono(path, sound, start, end, channel, longest)


def decode_bytes(data: bytes, name: str, channel: Channel = "mean") -> Waveform:
    """Decode a whole file that is already in memory; ``name`` stands in for its path in errors."""
    with open_sound(data, name) as sound:
        return _mono(name, sound, None, None, channel)


def read_stream(stream: BinaryIO, name: str, limit: int = 2**30, channel: Channel = "mean") -> Waveform:
    """Read a whole sound file from a stream such as standard input, at most ``limit`` bytes.

    Raises
    ------
    TooLongAudioError
        When there are more bytes than that.
    """
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise TooLongAudioError(name, f"more than {limit // 2**20} MiB on the stream")
    if not data:
        raise EmptyAudioError(name, "nothing came on the stream")
    return decode_bytes(data, name, channel)


def pieces(path: Path | str, sound: Sound, start: float | None, end: float | None) -> Iterator[NDArray[Any]]:
    """Yield the frames of a cut as [n, channels], each valid until the next, in constant memory.

    Raises
    ------
    AudioError
        When there is no such cut; for a file that does not know its length, at its end.
    """
    rate, total = sound.rate, sound.frames
    limits.check_rate(path, rate)
    if total is not None:
        yield from sound.read(*limits.span(path, total, rate, start, end))
        return
    # Asked as if it went on for ever, so that only the cut itself is looked at.
    first, last = limits.span(path, 2**62, rate, start, end)
    got = 0
    for frames in sound.read(first, None if end is None else last):
        got += len(frames)
        yield frames
    if end is None or first + got < last:
        limits.span(path, sound.reached, rate, start, end)


def _mono(
    path: Path | str,
    sound: Sound,
    start: float | None,
    end: float | None,
    channel: Channel,
    longest: float | None = None,
) -> Waveform:
    which = column(path, channel, sound.channels)
    rate, most = sound.rate, (longest or limits.MAX_SECONDS) * sound.rate
    parts: list[FloatArray] = []
    whole: FloatArray | None = None
    if sound.certain and sound.frames is not None:
        first, last = limits.span(path, sound.frames, rate, start, end)
        if last - first > most:
            raise limits.too_long(path)
        whole, found = np.empty(last - first, np.float32), sound.read(first, last)
    else:
        found = pieces(path, sound, start, end)
    count = 0
    for frames in found:
        part = np.empty(len(frames), np.float32) if whole is None else whole[count : count + len(frames)]
        mix(frames, which, sound.full, sound.silence, part)
        parts.append(part)
        count += len(part)
        if count > most:
            raise limits.too_long(path) if longest is None else limits.longer(path, longest)
    if whole is None:
        whole = parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.float32)])
    if count < limits.MIN_SECONDS * rate:
        raise limits.too_short(path, count / rate)
    return Waveform(whole if sound.whole_numbers else finite(path, whole), rate)


def finite(path: Path | str, samples: FloatArray) -> FloatArray:
    """Return ``samples``, unless something in them is no number that a sound can have."""
    peak = max(samples.max(initial=0), -samples.min(initial=0))
    if peak <= LOUDEST:
        return samples
    raise not_finite(path, int(np.count_nonzero(~np.isfinite(samples))), len(samples), float(peak))


def not_finite(path: Path | str, bad: int, count: int, peak: float) -> NotFiniteAudioError:
    """Return the error for ``bad`` of ``count`` samples that are no numbers, or for one as large as ``peak``."""
    if bad:
        return NotFiniteAudioError(path, f"{bad} of {count} samples are NaN or infinite")
    return NotFiniteAudioError(path, f"samples of up to {peak:.0e}, where full scale is 1")
