"""`Blocks`: a recording of any length as mono blocks, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from earmark.audio import finite, limits
from earmark.audio.mix import Channel, column, mix
from earmark.audio.sound import Sound, open_sound
from earmark.errors import EmptyAudioError
from earmark.types import FloatArray


class Blocks:
    """An open recording.

    Attributes
    ----------
    rate
        Hz.
    frames
        How many there are; ``None`` where only decoding tells.
    """

    def __init__(self, path: Path | str, sound: Sound, channel: Channel) -> None:
        limits.check_rate(path, sound.rate)
        self._path, self._sound = path, sound
        self._column = column(path, channel, sound.channels)
        self.rate, self.frames = sound.rate, sound.frames

    def read(self, first: int = 0) -> Iterator[FloatArray]:
        """Yield float32[n] from frame ``first`` on.

        Where a decoder cannot be sent to a frame exactly, it is read up to there, so that every frame is the same to
        the bit wherever reading began.

        Raises
        ------
        AudioError
            When there is nothing, or something that is no sound.
        """
        sound, skip = self._sound, 0 if self._sound.certain else first
        found = False
        for frames in sound.read(first - skip, None):
            found = True
            part = frames[skip:]
            skip -= min(skip, len(frames))
            if not len(part):
                continue
            out = np.empty(len(part), np.float32)
            mix(part, self._column, sound.full, sound.silence, out)
            yield out if sound.whole_numbers else finite(self._path, out)
        if not found and not first:
            raise EmptyAudioError(self._path, "the file holds no samples")


@contextmanager
def open_blocks(path: Path, channel: Channel = "mean") -> Iterator[Blocks]:
    """Open a recording to be read block by block.

    Raises
    ------
    AudioError
        When it cannot be read, or lacks the channel.
    """
    with open_sound(path, path) as sound:
        yield Blocks(path, sound, channel)
