"""From channels to one: their mean, or one of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.audio.scratch import borrow
from earmark.errors import NoChannelAudioError
from earmark.types import FloatArray

# The mean of all channels, the first one, or the one with this number, counted from 1.
Channel = Literal["mean", "first"] | int
MOST_CHANNELS = 64


def column(path: Path | str, channel: Channel, channels: int) -> int | None:
    """Return which column of the frames is meant; ``None`` is the mean of all.

    Raises
    ------
    NoChannelAudioError
        When the file has fewer channels.

    Examples
    --------
    >>> column("a.wav", "mean", 2), column("a.wav", "first", 2), column("a.wav", 2, 2)
    (None, 0, 1)
    """
    if channel == "mean":
        return None
    number = 1 if channel == "first" else int(channel)
    if not 1 <= number <= channels:
        raise NoChannelAudioError(path, f"channel {number} was asked for, but the file has {channels}")
    return number - 1


def mix(frames: NDArray[Any], which: int | None, full: float, silence: float, out: FloatArray) -> None:
    """Write float32[n] for frames [n, channels] of any numeric type.

    The mean is a matrix product: 25 times as fast as ``mean(axis=1)``.

    Parameters
    ----------
    which
        The column, or ``None`` for the mean of all.
    full, silence
        The value of full scale, and that of silence.
    """
    if frames.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is told of later
            _mix(frames, which, full, out)
    else:
        _mix(frames, which, full, out)
        if silence:
            out -= np.float32(silence / full)


def _mix(frames: NDArray[Any], which: int | None, full: float, out: FloatArray) -> None:
    n, channels = frames.shape
    if which is not None or channels == 1:
        column = frames[:, which or 0]
        np.multiply(column, np.float32(1 / full), out=out, casting="unsafe", dtype=np.float32)
        return
    if frames.dtype != np.float32:
        wide = borrow("mix", frames.size, "float32").reshape(n, channels)
        np.copyto(wide, frames, casting="unsafe")
        frames = wide
    np.matmul(frames, _weights(channels, full), out=out)


@lru_cache(maxsize=64)
def _weights(channels: int, full: float) -> FloatArray:
    return np.full(channels, 1 / (full * channels), np.float32)
