"""From FFmpeg's frames, whatever they are decoded to, to float32[n, channels] of one rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from earmark.types import FloatArray

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


class Uniform:
    """What all frames of a stream are brought to: the rate and the channels of the first.

    FFmpeg's own converter would do for everything, but takes four times as long as decoding does.
    """

    def __init__(self, first: Any) -> None:
        self._layout = first.layout
        self.rate, self.channels = int(first.sample_rate), int(first.layout.nb_channels)
        self.restart()

    def restart(self) -> None:
        """Forget what came before: the next frame is of another place."""
        self._converter: av.AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None  # format, layout and rate of what comes now

    def samples(self, frame: Any) -> Iterator[FloatArray]:
        """Yield the samples of the next frame."""
        shape = frame.format.name, frame.layout.name, int(frame.sample_rate)
        if shape != self._shape:
            yield from self.rest()
            self._shape = shape
            apart = frame.format.is_planar and self.channels > _MOST_PLANES
            if apart or frame.format.name not in _PLAIN or not self.fits(frame):
                self._converter = av.AudioResampler("flt", self._layout, self.rate)
        if self._converter is None:
            yield _plain(frame)
        else:
            yield from map(_plain, self._converter.resample(frame))

    def rest(self) -> Iterator[FloatArray]:
        """Yield what is held back at the end."""
        if self._converter is not None:
            yield from map(_plain, self._converter.resample(None))
        self._converter = None

    def fits(self, frame: Any) -> bool:
        """Say whether a frame has the rate and the number of channels already."""
        return bool(frame.sample_rate == self.rate and frame.layout.nb_channels == self.channels)


def _plain(frame: Any) -> FloatArray:
    """Return float32[n, channels]. PyAV's own way crashes for eight channels that lie apart."""
    kind, silence, full = _PLAIN[frame.format.name]
    n, channels, planes = frame.samples, frame.layout.nb_channels, frame.planes
    samples = np.empty((n, channels), np.float32)
    if frame.format.is_planar:
        for c in range(channels):
            samples[:, c] = np.frombuffer(planes[c], kind, n)
    else:
        samples[:] = np.frombuffer(planes[0], kind, n * channels).reshape(n, channels)
    if full != 1:
        samples -= np.float32(silence)
        samples *= np.float32(1 / full)
    return samples
