"""Sound through libsndfile: WAV of every kind, FLAC, Ogg, Opus, MP3, AIFF, AU, CAF and others."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import soundfile
from numpy.typing import NDArray

from earmark.audio import kept
from earmark.audio.faults import TRUNCATED, UNFINISHED, Fault, shortage
from earmark.audio.scratch import borrow
from earmark.errors import UnreadableAudioError

# What libsndfile says of a stream that was never told its length, as a FLAC file written to a pipe, is larger.
_UNKNOWN_FRAMES = 2**62
BLOCK = 1 << 20  # samples decoded at a time
_RUN_UP = 1.0  # seconds: a frame of an MP3 uses what earlier ones left over, and libsndfile goes back too few of them
# How libsndfile notes, while it reads a header, that the file is shorter than that says; by a few bytes many are.
_SHORTER, _PADDING = re.compile(r"(\d+) \(?should be (\d+)|truncated\. (\d+) <--> (\d+)"), 16
_FRAMES = re.compile(r"(?:Frames|Cols) *: (\d+)")


class _Memory(io.BytesIO):
    """Bytes as a file. A damaged header sends libsndfile to places before the start: it stays where it is."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


@contextmanager
def opened(source: Path | bytes, name: Path | str, start: float | None) -> Iterator[SndfileSound]:
    """Open a file, or one in memory; ``name`` stands for it in errors, ``start`` is where reading will begin, seconds.

    Raises
    ------
    UnreadableAudioError
        When libsndfile cannot make sense of it.
    """

    def is_mp3(file: soundfile.SoundFile) -> bool:
        return bool(file.format == "MP3")

    try:
        if isinstance(source, bytes):
            with soundfile.SoundFile(_Memory(source)) as file:
                yield SndfileSound(file, name)
            return
        # Bytes, where the system's names are bytes: they need not be text.
        what = str(source) if os.name == "nt" else os.fsencode(source)
        if start is None or start < kept.FAR:
            with soundfile.SoundFile(what) as file:
                yield SndfileSound(file, name)
        else:
            with kept.reused("libsndfile", source, lambda: soundfile.SoundFile(what), is_mp3) as file:
                yield SndfileSound(file, name)
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(name, _reason(error)) from None


class SndfileSound:
    """A file open in libsndfile. A `earmark.audio.sound.Sound`."""

    certain = False
    slack = 0.005
    full, silence = 1.0, 0.0
    whole_numbers = False

    def __init__(self, file: Any, name: Path | str) -> None:
        self._file, self._name = file, name
        self.rate, self.channels = int(file.samplerate), int(file.channels)
        self.encoding = f"{file.format}, {file.subtype.replace('_', ' ')}"
        # Telephone codecs, and streams that were never told their length, are read from their beginning.
        in_place = int(file.frames) < _UNKNOWN_FRAMES and type(file).seekable(file)
        file.seekable = lambda: False  # or soundfile seeks after each read, to where the file stands
        self.frames = int(file.frames) if in_place else None
        self._run_up = round(_RUN_UP * self.rate) if file.format == "MP3" else 0
        self.reached = 0

    @property
    def promised(self) -> int | None:
        """How many frames the header tells of, as libsndfile notes it for some formats."""
        told = max(map(int, _FRAMES.findall(self._file.extra_info)), default=0)
        return None if self.frames is None else max(self.frames, told)

    @property
    def faults(self) -> list[Fault]:
        """What libsndfile noted of the header."""
        for told, there, there_too, told_too in _SHORTER.findall(self._file.extra_info):
            of, here = int(told or told_too), int(there or there_too)
            if of > here + _PADDING:
                return [shortage(of, here)]
        if "truncated file" in self._file.extra_info:
            return [(TRUNCATED, "its header tells of more than is there")]
        if "chunk (0) not equal to frame count" in self._file.extra_info:
            return [UNFINISHED]
        return []

    def read(self, first: int, last: int | None) -> Iterator[NDArray[Any]]:
        """Yield float32 frames, block by block: a header may claim hours that are not there."""
        begin = 0
        if self.frames is not None:
            begin, place = first, self._file.tell()
            if first != place:
                begin = max(0, first - self._run_up)
                if begin != place:
                    self._file.seek(begin)
        end = self.frames if last is None else last
        block = max(1, BLOCK // self.channels)
        buffer = borrow("sndfile", block * self.channels, "float32").reshape(block, self.channels)
        while end is None or begin < end:
            try:
                frames = self._file.read(out=buffer if end is None else buffer[: end - begin])
            except soundfile.LibsndfileError as error:
                where = f"not readable as sound from about {begin / self.rate:.1f} s on" if begin else ""
                raise UnreadableAudioError(self._name, _reason(error, where)) from None
            if len(frames) == 0:
                return
            new, begin = frames[max(0, first - begin) :], begin + len(frames)
            self.reached = begin
            yield new


def _reason(error: Any, said: str = "") -> str:
    """Return libsndfile's own words without the path, which stands beside them anyway."""
    text = str(getattr(error, "error_string", error)).strip().removeprefix("Error : ").rstrip(".")
    if text.startswith("File does not exist"):  # so it says of bytes that only their name calls an MP3
        text = "format not recognised"
    return f"{said or 'not readable as sound'} ({text[:1].lower()}{text[1:]})"
