"""The only place that opens, mixes, cuts and resamples sound."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.audio import riff
from earmark.audio.kept import opened
from earmark.audio.resample import RESAMPLERS, resample
from earmark.audio.scratch import borrow
from earmark.errors import (
    EmptyAudioError,
    NotFiniteAudioError,
    TooLongAudioError,
    TooShortAudioError,
    UnreadableAudioError,
)
from earmark.types import FloatArray, Waveform

__all__ = ["MAX_SECONDS", "MIN_SECONDS", "RESAMPLERS", "decode", "decode_bytes", "load", "resample"]

MIN_SECONDS = 0.01
MAX_SECONDS = 3600.0
MAX_RATE = 1_000_000
# A label may end a little after its file: editors round, and lossy codecs trim.
_END_TOLERANCE = 0.1
# Past this, powers overflow. Such samples are bytes in the wrong order, not sound.
_LOUDEST = 1e12
# What libsndfile says of a stream that was never told its length, as a FLAC file written to a pipe, is larger.
_UNKNOWN_FRAMES = 2**62
_BLOCK = 1 << 20  # samples decoded at a time
_PIECE = 1 << 20  # samples of a plain wav read at a time


def load(
    path: Path,
    sample_rate: int,
    resampler: str = "soxr_hq",
    start: float | None = None,
    end: float | None = None,
) -> Waveform:
    """Decode, mix to mono, cut and resample, in that order.

    Parameters
    ----------
    path
        A file that libsndfile reads: WAV of every kind, FLAC, Ogg, Opus, MP3, AIFF, AU, CAF, …
    sample_rate
        Hz, of the result.
    resampler
        A key of `RESAMPLERS`.
    start, end
        Seconds; ``None`` is the file's own start or end.

    Raises
    ------
    AudioError
        `UnreadableAudioError`, `EmptyAudioError`, `NotFiniteAudioError`, `TooShortAudioError` or
        `TooLongAudioError`, each with the path and the reason.

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
    wave = decode(path, start, end)
    return Waveform(resample(wave.samples, wave.sample_rate, sample_rate, resampler), sample_rate)


def decode(path: Path, start: float | None = None, end: float | None = None) -> Waveform:
    """Decode, mix to mono and cut, at the file's own rate. Raises as `load` does."""
    try:
        with path.open("rb", buffering=0) as file:
            header = riff.parse(file)
            if header is not None:
                rate = header.sample_rate
                first, last = _span(path, header.frames, rate, start, end)
                if last - first > MAX_SECONDS * rate:
                    raise _too_long(path)
                samples = _read_riff(file, header, first, last)
                if samples is not None:
                    return _checked(path, _finite(path, samples, header.encoding.dtype), rate)
    except OSError as error:
        raise UnreadableAudioError(path, (error.strerror or str(error)).lower()) from None
    if path.suffix.lower() == ".raw":  # soundfile believes the name
        raise UnreadableAudioError(path, "raw samples without a header; convert it to wav")
    # Bytes, where the system's names are bytes: they need not be text.
    return _decode_sndfile(path, str(path) if os.name == "nt" else os.fsencode(path), start, end)


def decode_bytes(data: bytes, name: str) -> Waveform:
    """Decode a whole file that is already in memory; ``name`` stands in for its path in errors."""
    return _decode_sndfile(name, _Memory(data), None, None)


class _Memory(io.BytesIO):
    """Bytes as a file. A damaged header sends libsndfile to places before the start: it stays where it is."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


def _read_riff(file: io.FileIO, header: riff.Header, first: int, last: int) -> FloatArray | None:
    """Return the frames mixed to mono, or ``None`` if the file became shorter."""
    _, _, full, silence = header.encoding
    samples = np.empty(last - first, np.float32)
    step = max(1, _PIECE // header.channels)
    for begin in range(first, last, step):
        frames = riff.read(file, header, begin, min(begin + step, last))
        if frames is None:
            return None
        part = samples[begin - first : begin - first + len(frames)]
        with np.errstate(invalid="ignore", over="ignore"):  # `_finite` speaks of these
            _downmix(frames, 1 / full, part)
        if silence:
            part -= np.float32(silence / full)
    return samples


def _decode_sndfile(
    path: Path | str, source: str | bytes | io.BytesIO, start: float | None, end: float | None
) -> Waveform:
    import soundfile

    try:
        with opened(source, start) as file:
            rate, total = int(file.samplerate), int(file.frames)
            limit = int(MAX_SECONDS * rate) + 1
            in_place = total < _UNKNOWN_FRAMES and type(file).seekable(file)
            file.seekable = lambda: False  # or soundfile seeks after each read, to where the file stands
            if in_place:
                first, last = _span(path, total, rate, start, end)
                if first != file.tell():
                    file.seek(first)
                samples = _read_mono(file, min(last - first, limit))
            else:  # telephone codecs, and streams that were never told their length
                samples = _read_mono(file, limit)
                first, last = _span(path, len(samples), rate, start, end)
                samples = samples[first:last]
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(path, _reason(error)) from None
    return _checked(path, _finite(path, samples), rate)


def _read_mono(file: Any, count: int) -> FloatArray:
    """Return the next ``count`` frames, or what there is of them, mixed to mono.

    Block by block: a header may claim hours that are not there, so nothing is allocated on its word alone.
    """
    channels = int(file.channels)
    block = max(1, min(count, _BLOCK // channels))
    buffer = borrow("sndfile", block * channels, "float32").reshape(block, channels)
    parts = []
    while count > 0:
        frames = file.read(out=buffer[:count])
        if len(frames) == 0:
            break
        part = np.empty(len(frames), np.float32)
        with np.errstate(invalid="ignore", over="ignore"):  # `_finite` speaks of these
            _downmix(frames, 1.0, part)
        parts.append(part)
        count -= len(part)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _downmix(frames: NDArray[Any], scale: float, out: FloatArray) -> None:
    """Write the mean over channels times ``scale``. A matrix product: 25 times as fast as ``mean(axis=1)``."""
    n, channels = frames.shape
    if channels == 1:
        np.multiply(frames[:, 0], np.float32(scale), out=out, casting="unsafe", dtype=np.float32)
        return
    if frames.dtype != np.float32:
        wide = borrow("downmix", frames.size, "float32").reshape(n, channels)
        np.copyto(wide, frames, casting="unsafe")
        frames = wide
    np.matmul(frames, np.full(channels, scale / channels, np.float32), out=out)


def _span(path: Path | str, total: int, rate: int, start: float | None, end: float | None) -> tuple[int, int]:
    """Return the first frame between ``start`` and ``end`` seconds, and the first one after them."""
    if rate > MAX_RATE:
        raise UnreadableAudioError(path, f"its header says {rate} Hz; at most {MAX_RATE} Hz are read")
    if total == 0:
        raise EmptyAudioError(path, "the file holds no samples")
    begin, seconds = start or 0.0, total / rate
    if not begin >= 0:
        raise EmptyAudioError(path, f"the clip starts at {begin:g} s, but must start at 0 s or later")
    if begin >= seconds:
        raise EmptyAudioError(path, f"the clip starts at {begin:g} s, but the file is {seconds:g} s long")
    if end is None:
        return round(begin * rate), total
    if not end > begin:
        raise EmptyAudioError(
            path, f"the clip starts at {begin:g} s and ends at {end:g} s: nothing is between"
        )
    if end > seconds + _END_TOLERANCE:
        raise TooShortAudioError(path, f"the clip ends at {end:g} s, but the file is {seconds:g} s long")
    return round(begin * rate), min(round(end * rate), total)


def _checked(path: Path | str, samples: FloatArray, rate: int) -> Waveform:
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        least = MIN_SECONDS * 1000
        raise TooShortAudioError(path, f"{seconds * 1000:.1f} ms of sound; at least {least:.0f} ms needed")
    if seconds > MAX_SECONDS:
        raise _too_long(path)
    return Waveform(samples, rate)


def _finite(path: Path | str, samples: FloatArray, source: str = "float") -> FloatArray:
    """Return ``samples``, unless something in them is no number that a sound can have. Integers always are."""
    if not source.startswith("float"):
        return samples
    peak = max(samples.max(initial=0), -samples.min(initial=0))
    if peak <= _LOUDEST:
        return samples
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise NotFiniteAudioError(path, f"{bad} of {len(samples)} samples are NaN or infinite")
    raise NotFiniteAudioError(path, f"samples of up to {peak:.0e}, where full scale is 1")


def _too_long(path: Path | str) -> TooLongAudioError:
    hours = MAX_SECONDS / 3600
    return TooLongAudioError(path, f"more than {hours:g} h of sound; cut it with start and end in a table")


def _reason(error: Any) -> str:
    """Return libsndfile's own words without the path, which stands beside them anyway."""
    text = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return f"not readable as sound ({text[:1].lower()}{text[1:]})"


def read_stream(stream: BinaryIO, name: str, limit: int = 2**30) -> Waveform:
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
    return decode_bytes(data, name)
