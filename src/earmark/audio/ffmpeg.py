"""Sound through FFmpeg (PyAV, the extra ``formats``): m4a, 3gp, webm, wma, the sound of films, and odd wavs."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from earmark.audio import kept
from earmark.audio.demux import reason, seconds, streams
from earmark.audio.faults import DAMAGED, SEVERAL_STREAMS, Fault
from earmark.audio.limits import check_rate
from earmark.audio.magic import Container
from earmark.audio.mix import MOST_CHANNELS
from earmark.audio.steady import Steady
from earmark.audio.steps import Steps
from earmark.audio.uniform import Uniform
from earmark.errors import EmptyAudioError, UnreadableAudioError
from earmark.types import FloatArray

_FAR = 60.0  # seconds ahead, from where on it is worth to look for the place instead of decoding up to it
_RUN_UP = 2.0  # seconds decoded before the place that was looked for: a decoder leans on what it has heard
# Where a packet says to the sample when it is. Elsewhere it is a millisecond, or nothing at all.
_PRECISE = frozenset({"mov"})
# Decoders in which a sample depends on all that came before it.
_UNFORGETTING = ("ac3", "adpcm", "amr", "eac3", "g7")
# These do not say how long they are, and FFmpeg guesses by their size.
_GUESSED = frozenset({"aac", "amr", "mp3"})
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
            with closing(FfmpegSound(Steady(io.BytesIO(source)), name, container)) as sound:
                yield sound
        else:
            with kept.reused(
                "FFmpeg", source, lambda: _open(source, name, container), lambda _: True
            ) as sound:
                yield sound
    except av.FFmpegError as error:
        raise UnreadableAudioError(name, reason(error)) from None


def _open(source: Path, name: Path | str, container: Container) -> FfmpegSound:
    file = Steady(source.open("rb"))
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

    def __init__(self, file: Steady, name: Path | str, container: Container) -> None:
        self._file, self._name, self._demuxer = file, name, container.demuxer
        self.faults: list[Fault] = []
        self._uniform: Uniform | None = None  # until the first frame is decoded
        self.promised: int | None = None
        self._begin()
        codec = self._stream.codec_context.codec.name
        self.encoding = f"{container.title}, {codec}"
        # Whether a place that is far ahead can be gone to without decoding all that is before it.
        self._jumps = not codec.startswith(_UNFORGETTING)
        self._decode_next()
        if not self._behind:
            if self._bad:
                raise UnreadableAudioError(name, f"not readable as sound (0 of its {self._bad} packets)")
            raise EmptyAudioError(name, "the file holds no samples")
        # Of most, only decoding tells how long they are; a film's table of samples says it.
        indexed = self._demuxer in _PRECISE and self._stream.frames and self.promised
        self.frames: int | None = self.promised if indexed else None
        self.slack = 0.005 if indexed else 0.1
        count = len(self._container.streams.audio)
        if count > 1:
            self.faults.append((SEVERAL_STREAMS, f"it has {count} streams of sound; the first is read"))

    def _begin(self) -> None:
        """Open the container at its beginning."""
        self._container, self._stream = streams(self._file, self._name, self._demuxer)
        self._bad = 0
        self._steps = Steps(self._stream.codec_context.codec.name)
        self._zero: float | None = None  # when the first sample is, seconds of the stream's own time
        self._restart()

    def _restart(self, find: bool = False) -> None:
        self._behind: deque[tuple[int, FloatArray]] = deque()  # blocks, and the frame that each begins at
        self.reached = 0  # of the next frame that is decoded
        self._leave_out = self._left_out = 0  # packets that need no decoding; the frames that were in such
        if self._uniform is not None:
            self._uniform.restart()
        self._blocks: Iterator[FloatArray] = self._gather(find)

    def close(self) -> None:
        """Let go of the file, and of all that refers to this again: it is large, and not to wait for the collector."""
        self._blocks, self._behind = iter(()), deque()
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
            self._again()
        ahead = first - self.reached - round(_RUN_UP * self.rate)
        if ahead <= _FAR * self.rate or not self._jumps:
            return
        bad = self._bad
        with suppress(av.FFmpegError):
            if self._demuxer in _PRECISE:
                when = (self._zero or 0.0) + first / self.rate - _RUN_UP
                self._container.seek(int(when / (self._stream.time_base or 1)), stream=self._stream)
                self._restart(find=True)
            elif self._steps.counted:
                self._behind.clear()
                self._leave_out = ahead // self._steps.frames
            else:
                return
            if self._decode_next() and self._behind[0][0] <= first and self._bad == bad:
                return
        self._jumps = False  # the index is wrong, or what was left out is missed
        self._again()

    def _again(self) -> None:
        self._leave()
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
            over = at + self._left_out - self.promised if self._demuxer == "wav" and self.promised else 0
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
        """Yield float32[n, channels] as it comes; with ``find``, note first where that is.

        A packet that cannot be decoded is silent where it is known how much it held, so that what follows stays where
        it is; at the end, or where it is not known, it is left out.
        """
        in_a_row = 0
        for packet in self._packets():
            if self._leave_out and self._is_counted(packet):
                continue
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._bad, in_a_row = self._bad + 1, in_a_row + 1
                some, are = ("1 packet", "is") if self._bad == 1 else (f"{self._bad:,} packets", "are")
                self._fault(f"{some} cannot be decoded and {are} silent or left out")
                if in_a_row > _MOST_BAD:
                    return
                continue
            if decoded and self._steps.frames:
                for _ in range(in_a_row):
                    yield np.zeros((self._steps.frames, self.channels), np.float32)
            in_a_row = 0
            for frame in decoded:
                if self._zero is None:
                    self._zero = seconds(frame.pts, frame.time_base) or 0.0
                if self._uniform is None:
                    self._uniform = self._learn(frame)
                if find and frame.pts is not None:
                    when = seconds(frame.pts, frame.time_base) or 0.0
                    self.reached, find = round((when - self._zero) * self.rate), False
                if not self._uniform.fits(frame):
                    self._jumps = False  # nor can they be counted then
                    self._fault("its rate or its channels change on the way")
                yield from self._uniform.samples(frame)
            self._steps.note(packet, decoded)
        if self._uniform is not None:
            yield from self._uniform.rest()

    def _is_counted(self, packet: Any) -> bool:
        """Count the frames of a packet that need not be decoded, if it is like the others."""
        if not self._steps.fits(packet):
            self._leave_out = 0
            return False
        self._leave_out -= 1
        self._left_out += self._steps.frames
        self.reached += self._steps.frames
        return True

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, as far as the container can be followed."""
        try:
            yield from self._container.demux(self._stream)
            self._file.check()
        except av.FFmpegError as error:
            self._file.check()
            if self._uniform is None:
                raise
            self._fault(f"its end is {reason(error)}")

    def _learn(self, first: Any) -> Uniform:
        """Take over what the first frame says of the sound."""
        uniform = Uniform(first)
        self.rate, self.channels = uniform.rate, uniform.channels
        check_rate(self._name, self.rate)
        if self.channels > MOST_CHANNELS:
            told = f"{self.channels} channels; at most {MOST_CHANNELS} are read"
            raise UnreadableAudioError(self._name, told)
        length = seconds(self._stream.duration, self._stream.time_base)
        if length is None and len(self._container.streams) == 1:  # or it may be that of pictures
            length = seconds(self._container.duration, Fraction(1, av.time_base))
        if length is not None and self._demuxer not in _GUESSED:
            self.promised = max(0, round((length - max(0.0, self._zero or 0.0)) * self.rate))
        return uniform

    def _fault(self, told: str) -> None:
        """Note the damage that was met last."""
        self.faults[:] = [*(fault for fault in self.faults if fault[0] != DAMAGED), (DAMAGED, told)]
