"""Sound through FFmpeg (PyAV, the extra ``formats``): m4a, 3gp, webm, wma, the sound of films, and odd wavs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from earmark.audio import kept
from earmark.audio.limits import check_rate
from earmark.audio.magic import Container
from earmark.audio.mix import MOST_CHANNELS
from earmark.errors import EmptyAudioError, UnreadableAudioError
from earmark.types import FloatArray

_FAR = 60.0  # seconds ahead, from where on it is worth to look for the place instead of decoding up to it
_RUN_UP = 2.0  # seconds decoded before the place that was looked for: a decoder leans on what it has heard
# Where a packet says to the sample when it is. Elsewhere it is a millisecond, or nothing at all.
_PRECISE = frozenset({"mov"})
_MOST_BAD = 1000  # packets in a row that cannot be decoded, before the rest is given up


@contextmanager
def opened(source: Path | bytes, name: Path | str, container: Container) -> Iterator[FfmpegSound]:
    """Open a file, or one in memory; ``name`` stands for it in errors.

    Raises
    ------
    UnreadableAudioError, EmptyAudioError
        When there is no sound in it that FFmpeg can make sense of.
    """
    try:
        if isinstance(source, bytes):
            with closing(FfmpegSound(io.BytesIO(source), name, container)) as sound:
                yield sound
        else:
            with kept.reused(
                "FFmpeg", source, lambda: _open(source, name, container), lambda _: True
            ) as sound:
                yield sound
    except av.FFmpegError as error:
        raise UnreadableAudioError(name, _reason(error)) from None


def _open(source: Path, name: Path | str, container: Container) -> FfmpegSound:
    file = source.open("rb")
    try:
        return FfmpegSound(file, name, container)
    except BaseException:
        file.close()
        raise


class FfmpegSound:
    """A file open in FFmpeg. A `earmark.audio.sound.Sound`.

    Of several streams of sound the first is read.
    """

    certain = False
    full, silence = 1.0, 0.0
    whole_numbers = False

    def __init__(self, file: BinaryIO, name: Path | str, container: Container) -> None:
        self._file, self._name, self._demuxer = file, name, container.demuxer
        self.faults: list[tuple[str, str]] = []
        self._begin()
        stream = self._stream
        first = next(self._decoded, None)
        if first is None:
            if self._bad:
                raise UnreadableAudioError(name, f"none of its {self._bad} packets of sound can be decoded")
            raise EmptyAudioError(name, "the file holds no samples")
        self._pending: FloatArray | None = first
        self.rate, self.channels = self._rate, first.shape[1]
        self.encoding = f"{container.title}, {stream.codec_context.codec.name}"
        seconds = _seconds(stream.duration, stream.time_base)
        if (
            seconds is None and len(self._container.streams) == 1
        ):  # or the whole file's may be that of pictures
            seconds = _seconds(self._container.duration, Fraction(1, av.time_base))
        skipped = max(0.0, self._zero or 0.0)  # what the encoder put before the sound
        self.promised = None if seconds is None else max(0, round((seconds - skipped) * self.rate))
        # Of most, only decoding tells how long they are. A wav says it, and ends there, whatever its last packet holds.
        self.frames = self.promised if self._demuxer == "wav" else None
        count = len(self._container.streams.audio)
        if count > 1:
            self.faults.append(("several_streams", f"it has {count} streams of sound; the first is read"))

    def _begin(self) -> None:
        """Open the container at its beginning."""
        self._file.seek(0)
        self._container = av.open(
            self._file, "r", format=self._demuxer, metadata_errors="replace",
            options={"protocol_whitelist": "none"},  # nothing else is opened on a file's word
        )  # fmt: skip
        audio = self._container.streams.audio
        if not audio:
            self._container.close()
            raise EmptyAudioError(self._name, "there is no sound in it, only other streams")
        self._stream = audio[0]
        if self._stream.codec_context is None:
            self._container.close()
            raise UnreadableAudioError(
                self._name, "not readable as sound (its encoding is not known to FFmpeg)"
            )
        self._stream.codec_context.thread_type = "NONE"  # clips run side by side instead
        self._bad, self._rate = 0, 0
        self._zero: float | None = None  # when the first sample is, seconds of the stream's own time
        self.reached = 0  # of the next frame that is decoded
        self._decoded = self._decode()

    def close(self) -> None:
        """Let go of the file."""
        self._leave()
        self._file.close()

    def _leave(self) -> None:
        with suppress(av.FFmpegError):
            self._container.close()

    def read(self, first: int, last: int | None) -> Iterator[NDArray[Any]]:
        """Yield float32 frames, a packet's worth at a time."""
        self._go_to(first)
        last = self.frames if last is None else last
        while last is None or self.reached < last:
            if self._pending is None:
                self._pending = next(self._decoded, None)
                if self._pending is None:
                    break
            frames, begin = self._pending, self.reached
            self.reached += len(frames)
            self._pending = None
            wanted = frames[max(0, first - begin) : None if last is None else max(0, last - begin)]
            if last is not None and self.reached > last:  # for who reads on from there
                self._pending, self.reached = frames[last - begin :], last
            if len(wanted):
                yield wanted
        if self._bad:
            told = f"{self._bad} of its packets could not be decoded and are left out"
            self.faults = [f for f in self.faults if f[0] != "damaged"] + [("damaged", told)]

    def _go_to(self, first: int) -> None:
        if first < self.reached:
            self._leave()
            self._begin()
            self._pending = None
        if self._demuxer in _PRECISE and self._zero is not None and first - self.reached > _FAR * self.rate:
            target = self._zero + first / self.rate - _RUN_UP
            self._container.seek(int(target / (self._stream.time_base or 1)), stream=self._stream)
            self._pending, self._decoded = None, self._decode(find=True)
            self._pending = next(self._decoded, None)
            if self._pending is None or self.reached > first:  # the index was wrong
                self._leave()
                self._begin()
                self._pending = None

    def _decode(self, find: bool = False) -> Iterator[FloatArray]:
        """Yield float32[n, channels] as it comes; with ``find``, note first where that is."""
        converter: av.AudioResampler | None = None
        in_a_row = 0
        for packet in self._container.demux(self._stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._bad, in_a_row = self._bad + 1, in_a_row + 1
                if in_a_row > _MOST_BAD:
                    return
                continue
            in_a_row = 0
            for frame in decoded:
                if converter is None:
                    self._rate = self._rate or int(frame.sample_rate)
                    check_rate(self._name, self._rate)
                    if len(frame.layout.channels) > MOST_CHANNELS:
                        raise UnreadableAudioError(self._name, f"{len(frame.layout.channels)} channels")
                    # Whatever comes later, another rate or layout, is brought to what came first.
                    converter = av.AudioResampler("flt", frame.layout, self._rate)
                    when = _seconds(frame.pts, frame.time_base)
                    if self._zero is None:
                        self._zero = when or 0.0
                    if find and when is not None:
                        self.reached = round((when - self._zero) * self._rate)
                for one in converter.resample(frame):
                    yield _plain(one)


def _plain(frame: Any) -> FloatArray:
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    return np.ascontiguousarray(samples, np.float32)


def _seconds(ticks: int | None, base: Any) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _reason(error: av.FFmpegError) -> str:
    text = str(error.strerror or error).strip().rstrip(".")
    return f"not readable as sound ({text[:1].lower()}{text[1:]})"
