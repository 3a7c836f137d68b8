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
from earmark.audio.endings import has_index
from earmark.audio.faults import DAMAGED, SEVERAL_STREAMS, Fault
from earmark.audio.limits import check_rate
from earmark.audio.magic import Container
from earmark.audio.mix import MOST_CHANNELS
from earmark.audio.uniform import Uniform
from earmark.errors import EmptyAudioError, UnreadableAudioError
from earmark.types import FloatArray

_FAR = 60.0  # seconds ahead, from where on it is worth to look for the place instead of decoding up to it
_RUN_UP = 2.0  # seconds decoded before the place that was looked for: a decoder leans on what it has heard
# Where a packet says to the sample when it is. Elsewhere it is a millisecond, or nothing at all.
_PRECISE = frozenset({"mov"})
_PADDING = 0.5  # seconds: more than any encoder puts behind the sound to fill its last packets
_MOST_BAD = 1000  # packets in a row that cannot be decoded, before the rest is given up
BLOCK = 1 << 18  # samples that are given at a time; a packet holds a thousand
# Samples that are remembered behind the place: windows overlap, and in few formats a place can be looked for.
_BEHIND = 1 << 22


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
        self.faults: list[Fault] = []
        self._uniform: Uniform | None = None  # until the first frame is decoded
        self.promised: int | None = None
        self._begin()
        self._decode_next()
        if not self._behind:
            if self._bad:
                raise UnreadableAudioError(name, f"not readable as sound (0 of its {self._bad} packets)")
            raise EmptyAudioError(name, "the file holds no samples")
        self.encoding = f"{container.title}, {self._stream.codec_context.codec.name}"
        # Of most, only decoding tells how long they are; a film's table of samples says it.
        indexed = self._demuxer in _PRECISE and self._stream.frames and self.promised
        self.frames: int | None = self.promised if indexed else None
        self.slack = 0.005 if indexed else 0.1
        count = len(self._container.streams.audio)
        if count > 1:
            self.faults.append((SEVERAL_STREAMS, f"it has {count} streams of sound; the first is read"))

    def _begin(self) -> None:
        """Open the container at its beginning."""
        self._file.seek(0)
        try:
            self._container = av.open(
                self._file, "r", format=self._demuxer, metadata_errors="replace",
                options={"protocol_whitelist": "none"},  # nothing else is opened on a file's word
            )  # fmt: skip
        except av.FFmpegError:
            if self._demuxer == "mov" and not has_index(self._file):
                told = "not readable as sound (it has no index, as when a recorder or a copy is cut off)"
                raise UnreadableAudioError(self._name, told) from None
            raise
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
        if self._uniform is not None:
            self._uniform.restart()
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
            with suppress(av.FFmpegError):
                self._container.seek(int(target / (self._stream.time_base or 1)), stream=self._stream)
                self._restart(find=True)
                if self._decode_next() and self._behind[0][0] <= first:
                    return
            self._leave()  # its index is wrong
            self._begin()

    def _gather(self, find: bool) -> Iterator[FloatArray]:
        """Yield what is decoded, in larger pieces."""
        parts: list[FloatArray] = []
        count = 0
        for part in self._without_padding(self._decode(find)):
            parts.append(part)
            count += part.size
            if count >= BLOCK:
                yield np.concatenate(parts)
                parts, count = [], 0
        if parts:
            yield np.concatenate(parts)

    def _without_padding(self, parts: Iterator[FloatArray]) -> Iterator[FloatArray]:
        """Leave out what an encoder put behind the sound of a wav, whose header says how much there was."""
        held: list[FloatArray] = []
        at = over = 0
        for part in parts:
            at += len(part)
            over = at - self.promised if self._demuxer == "wav" and self.promised else 0
            if over <= 0:
                yield part
                continue
            held.append(part)
            if over > _PADDING * self.rate:  # too much to be that: the header is wrong
                yield from held
                held, self.promised = [], None
        if held:
            behind = np.concatenate(held)
            yield behind[: len(behind) - over]

    def _decode(self, find: bool) -> Iterator[FloatArray]:
        """Yield float32[n, channels] as it comes; with ``find``, note first where that is."""
        in_a_row = 0
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._bad, in_a_row = self._bad + 1, in_a_row + 1
                are = "packet is" if self._bad == 1 else "packets are"
                self._fault(f"{self._bad} {are} left out, which cannot be decoded")
                if in_a_row > _MOST_BAD:
                    return
                continue
            in_a_row = 0
            for frame in decoded:
                when = _seconds(frame.pts, frame.time_base)
                if self._zero is None:
                    self._zero = when or 0.0
                if self._uniform is None:
                    self._uniform = self._learn(frame)
                if find and when is not None:
                    self.reached, find = round((when - self._zero) * self.rate), False
                if not self._uniform.fits(frame):
                    self._fault("its rate or its channels change on the way")
                yield from self._uniform.samples(frame)
        if self._uniform is not None:
            yield from self._uniform.rest()

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, as far as the container can be followed."""
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            if self._uniform is None:
                raise
            self._fault(f"its end is {_reason(error)}")

    def _learn(self, first: Any) -> Uniform:
        """Take over what the first frame says of the sound."""
        uniform = Uniform(first)
        self.rate, self.channels = uniform.rate, uniform.channels
        check_rate(self._name, self.rate)
        if self.channels > MOST_CHANNELS:
            told = f"{self.channels} channels; at most {MOST_CHANNELS} are read"
            raise UnreadableAudioError(self._name, told)
        seconds = _seconds(self._stream.duration, self._stream.time_base)
        if seconds is None and len(self._container.streams) == 1:  # or it may be that of pictures
            seconds = _seconds(self._container.duration, Fraction(1, av.time_base))
        if seconds is not None:
            self.promised = max(0, round((seconds - max(0.0, self._zero or 0.0)) * self.rate))
        return uniform

    def _fault(self, told: str) -> None:
        """Note the damage that was met last."""
        self.faults[:] = [*(fault for fault in self.faults if fault[0] != DAMAGED), (DAMAGED, told)]


def _seconds(ticks: int | None, base: Any) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _reason(error: av.FFmpegError) -> str:
    text = str(error.strerror or error).strip().rstrip(".")
    return f"not readable as sound ({text[:1].lower()}{text[1:]})"
