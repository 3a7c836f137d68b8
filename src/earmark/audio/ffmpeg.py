"""Sound through FFmpeg (PyAV, the extra ``formats``): m4a, 3gp, webm, wma, the sound of films, and odd wavs."""

from __future__ import annotations

import io
from collections import deque
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
BLOCK = 1 << 16  # samples that are given at a time; a packet holds a thousand
_MOST_PLANES = 8  # beyond, PyAV does not know where they end
# How samples may be decoded: the type, the value of silence, and that of full scale.
_PLAIN = {
    name + planar: kind
    for name, kind in {
        "u8": ("uint8", 2**7, 2**7),
        "s16": ("int16", 0, 2**15),
        "s32": ("int32", 0, 2**31),
        "flt": ("float32", 0, 1),
        "dbl": ("float64", 0, 1),
    }.items()
    for planar in ("", "p")
}
_BEHIND = (
    1 << 22
)  # samples that are remembered behind the place: windows overlap, and most formats cannot be sought in


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
        self.rate = self.channels = 0  # until the first frame is decoded
        self._begin()
        self._decode_next()
        if not self._behind:
            if self._bad:
                raise UnreadableAudioError(name, f"none of its {self._bad} packets of sound can be decoded")
            raise EmptyAudioError(name, "the file holds no samples")
        self.encoding = f"{container.title}, {self._stream.codec_context.codec.name}"
        seconds = _seconds(self._stream.duration, self._stream.time_base)
        if seconds is None and len(self._container.streams) == 1:  # or it may be that of pictures
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
            self._leave()
            raise EmptyAudioError(self._name, "there is no sound in it, only other streams")
        self._stream = audio[0]
        if self._stream.codec_context is None:
            self._leave()
            raise UnreadableAudioError(
                self._name, "not readable as sound (its encoding is not known to FFmpeg)"
            )
        self._stream.codec_context.thread_type = "NONE"  # clips run side by side instead
        self._bad = 0
        self._zero: float | None = None  # when the first sample is, seconds of the stream's own time
        self._restart()

    def _restart(self, find: bool = False) -> None:
        self._behind: deque[tuple[int, FloatArray]] = deque()  # blocks, and the frame that each begins at
        self.reached = 0  # of the next frame that is decoded
        self._converter: av.AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None  # format, layout and rate of what is decoded now
        self._blocks = self._gather(find)

    def close(self) -> None:
        """Let go of the file."""
        self._leave()
        self._file.close()

    def _leave(self) -> None:
        with suppress(av.FFmpegError):
            self._container.close()

    def read(self, first: int, last: int | None) -> Iterator[NDArray[Any]]:
        """Yield float32 frames, block by block."""
        self._go_to(first)
        last = self.frames if last is None else last
        blocks = list(self._behind)
        while blocks or ((last is None or self.reached < last) and self._decode_next()):
            begin, frames = blocks.pop(0) if blocks else self._behind[-1]
            wanted = frames[max(0, first - begin) : None if last is None else max(0, last - begin)]
            if len(wanted):
                yield wanted

    def _decode_next(self) -> bool:
        """Decode the next block into what is remembered; say whether there was one."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self._behind.append((self.reached, block))
        self.reached += len(block)
        while self.reached - self._behind[0][0] > max(len(block), _BEHIND // self.channels):
            self._behind.popleft()
        return True

    def _go_to(self, first: int) -> None:
        """See to it that the frame is remembered, or will be decoded next or later."""
        if self._behind and first < self._behind[0][0]:
            self._leave()
            self._begin()
        if self._demuxer in _PRECISE and self._zero is not None and first - self.reached > _FAR * self.rate:
            target = self._zero + first / self.rate - _RUN_UP
            self._container.seek(int(target / (self._stream.time_base or 1)), stream=self._stream)
            self._restart(find=True)
            if not self._decode_next() or self._behind[0][0] > first:  # the index was wrong
                self._leave()
                self._begin()

    def _gather(self, find: bool) -> Iterator[FloatArray]:
        """Yield what is decoded, in larger pieces."""
        parts: list[FloatArray] = []
        count = 0
        for part in self._decode(find):
            parts.append(part)
            count += part.size
            if count >= BLOCK:
                yield np.concatenate(parts)
                parts, count = [], 0
        if parts:
            yield np.concatenate(parts)

    def _decode(self, find: bool) -> Iterator[FloatArray]:
        """Yield float32[n, channels] as it comes; with ``find``, note first where that is."""
        in_a_row = 0
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._bad, in_a_row = self._bad + 1, in_a_row + 1
                self._fault("damaged", f"{self._bad} of its packets cannot be decoded and are left out")
                if in_a_row > _MOST_BAD:
                    return
                continue
            in_a_row = 0
            for frame in decoded:
                when = _seconds(frame.pts, frame.time_base)
                if not self.rate:
                    self._learn(frame)
                if self._zero is None:
                    self._zero = when or 0.0
                if find and when is not None:
                    self.reached, find = round((when - self._zero) * self.rate), False
                yield from self._alike(frame)
        yield from self._flushed()

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, as far as the container can be followed."""
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            if not self.rate:
                raise
            self._fault("damaged", f"{_reason(error)} from about {self.reached / self.rate:.1f} s on")

    def _learn(self, frame: Any) -> None:
        """Take over what the first frame says of the sound."""
        self.rate, self._layout = int(frame.sample_rate), frame.layout
        self.channels = frame.layout.nb_channels
        check_rate(self._name, self.rate)
        if self.channels > MOST_CHANNELS:
            raise UnreadableAudioError(
                self._name, f"{self.channels} channels; at most {MOST_CHANNELS} are read"
            )

    def _alike(self, frame: Any) -> Iterator[FloatArray]:
        """Yield the samples of a frame, brought to the rate and the channels of the first where they are others."""
        shape = frame.format.name, frame.layout.name, int(frame.sample_rate)
        if shape != self._shape:
            yield from self._flushed()
            self._shape = shape
            same = shape[2] == self.rate and frame.layout.nb_channels == self.channels
            if not same:
                told = f"from about {self.reached / self.rate:.1f} s on it has another rate or other channels"
                self._fault("damaged", told)
            apart = frame.format.is_planar and self.channels > _MOST_PLANES
            if not same or apart or frame.format.name not in _PLAIN:
                self._converter = av.AudioResampler("flt", self._layout, self.rate)
        if self._converter is None:
            yield _plain(frame)
        else:
            yield from map(_plain, self._converter.resample(frame))

    def _flushed(self) -> Iterator[FloatArray]:
        """Yield what the converter holds back, and do without it."""
        if self._converter is not None:
            yield from map(_plain, self._converter.resample(None))
        self._converter = None

    def _fault(self, kind: str, told: str) -> None:
        """Note a fault, in place of an earlier one of its kind."""
        self.faults[:] = [*(fault for fault in self.faults if fault[0] != kind), (kind, told)]


def _plain(frame: Any) -> FloatArray:
    """Return float32[n, channels]. PyAV's own way crashes for eight channels that lie apart."""
    kind, silence, full = _PLAIN[frame.format.name]
    n, channels, planes = frame.samples, frame.layout.nb_channels, frame.planes
    if frame.format.is_planar and channels > 1:
        stored = np.stack([np.frombuffer(planes[i], kind, n) for i in range(channels)], axis=1)
    else:
        stored = np.frombuffer(planes[0], kind, n * channels).reshape(n, channels)
    samples = stored.astype(np.float32)
    if full != 1:
        samples -= np.float32(silence)
        samples *= np.float32(1 / full)
    return samples


def _seconds(ticks: int | None, base: Any) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _reason(error: av.FFmpegError) -> str:
    text = str(error.strerror or error).strip().rstrip(".")
    return f"not readable as sound ({text[:1].lower()}{text[1:]})"
