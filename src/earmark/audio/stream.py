"""Sound on a pipe, decoded as it comes: samples without a header, or a wav."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from earmark.audio import finite, riff
from earmark.audio.limits import check_rate
from earmark.audio.mix import MOST_CHANNELS, Channel, column, mix
from earmark.audio.riff import Encoding
from earmark.errors import EmptyAudioError, SettingError, UnknownNameError, UnreadableAudioError
from earmark.types import FloatArray

# As FFmpeg calls them.
ENCODINGS: dict[str, Encoding] = {
    "u8": Encoding(1, "uint8", 2**7, 2**7),
    "s16le": Encoding(2, "<i2", 2**15),
    "s16be": Encoding(2, ">i2", 2**15),
    "s24le": Encoding(3, "<i4", 2**31),  # moved into the upper bytes
    "s32le": Encoding(4, "<i4", 2**31),
    "f32le": Encoding(4, "<f4", 1),
    "f64le": Encoding(8, "<f8", 1),
}
_WAV = {"uint8": "u8", "int16": "s16le", "int32": "s32le", "float32": "f32le", "float64": "f64le"}
_BYTES = 1 << 16  # asked for at a time; a pipe gives what there is
_MOST_HEADER = 1 << 20


class Stream:
    """Samples as they come.

    Parameters
    ----------
    source
        A pipe, or anything else with ``read1``.
    rate
        Hz.
    channels
        How many, interleaved.
    encoding
        A key of `ENCODINGS`.
    channel
        ``"mean"`` of all, the ``"first"``, or a number from 1.
    name
        Stands for it in errors.

    Raises
    ------
    UnknownNameError
        For an encoding that there is not.
    SettingError
        For a number of channels that nothing has.
    AudioError
        For a rate that no recorder has, or a channel that is not there.
    """

    def __init__(
        self, source: BinaryIO, rate: int, channels: int = 1, encoding: str = "s16le",
        channel: Channel = "mean", name: Path | str = "-",
    ) -> None:  # fmt: skip
        if encoding not in ENCODINGS:
            raise UnknownNameError("encoding", encoding, ENCODINGS)
        if not 1 <= channels <= MOST_CHANNELS:
            raise SettingError(f"--channels is {channels}, but must be from 1 to {MOST_CHANNELS}.")
        check_rate(name, rate)
        self._source, self._encoding, self._channels, self._name = source, ENCODINGS[encoding], channels, name
        self._column = column(name, channel, channels)
        self._last: int | None = None  # bytes still to come, where that is known
        self.rate = rate

    def __iter__(self) -> Iterator[FloatArray]:
        """Yield float32[n]; half a sample at the end is dropped."""
        block, rest, came = self._encoding.width * self._channels, b"", False
        while data := self._next():
            came = True
            rest += data
            whole = len(rest) // block * block
            if whole:
                yield self._decoded(rest[:whole])
                rest = rest[whole:]
        if not came:
            raise EmptyAudioError(self._name, "nothing came on the stream")

    def _next(self) -> bytes:
        wanted = _BYTES if self._last is None else min(_BYTES, self._last)
        read1 = getattr(self._source, "read1", self._source.read)
        data: bytes = read1(wanted) if wanted else b""
        if self._last is not None:
            self._last -= len(data)
        return data

    def _decoded(self, data: bytes) -> FloatArray:
        width, kind, full, silence = self._encoding
        if width == 3:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            values = padded.view("<i4")[:, 0]
        else:
            values = np.frombuffer(data, kind)
        frames = values.astype(values.dtype.newbyteorder("="), copy=False).reshape(-1, self._channels)
        out = np.empty(len(frames), np.float32)
        mix(frames, self._column, full, silence, out)
        return finite(self._name, out) if np.dtype(kind).kind == "f" else out


def wav_stream(source: BinaryIO, channel: Channel = "mean", name: Path | str = "-") -> Stream:
    """Return the samples of a wav that comes on a pipe, whose header need not know its length.

    Raises
    ------
    EmptyAudioError
        When nothing comes.
    UnreadableAudioError
        When it is no plain wav.
    """
    head = source.read(12)
    if not head:
        raise EmptyAudioError(name, "nothing came on the stream")
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise UnreadableAudioError(
            name,
            "no wav comes on the stream; for samples without a header, name --rate, and --channels and --encoding"
            " where they are not 1 and s16le",
        )
    layout, passed = None, 0
    while passed < _MOST_HEADER and len(chunk := source.read(8)) == 8:
        what, length = struct.unpack("<4sI", chunk)
        if what == b"data":
            if layout is None:
                break
            channels, rate, encoding = layout
            kind = "s24le" if encoding.width == 3 else _WAV[encoding.dtype]
            stream = Stream(source, rate, channels, kind, channel, name)
            stream._last = length if 0 < length < riff.UNKNOWN else None
            return stream
        passed += 8 + length
        if passed > _MOST_HEADER:
            break
        content = source.read(length + length % 2)
        if what == b"fmt ":
            layout = riff.layout_of(content[:40])
            if layout is None:
                raise UnreadableAudioError(name, "a wav whose samples are packed; convert it to 16-bit PCM")
    raise UnreadableAudioError(name, "a wav without samples where they should be")
