"""Files of every format that soundfile and PyAV write, of one sound: what the tests of formats are made of."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

SECONDS = 1.5


@dataclass(frozen=True)
class Kind:
    """A format, how it is written, and what survives of the sound.

    Parameters
    ----------
    name
        Of a file, so with an ending.
    rate, channels
        That it is written with.
    container, codec
        In FFmpeg's words, or in libsndfile's.
    by
        "av" or "soundfile".
    least
        What the correlation with the source must be, after the best lag.
    lag
        Samples by which the decoded sound may be shifted.
    ends
        Samples by which it may be longer or shorter.
    """

    name: str
    rate: int
    channels: int
    container: str
    codec: str
    by: str
    least: float = 0.9999
    lag: int = 0
    ends: int = 0

    def __str__(self) -> str:
        return f"{self.name}-{self.codec}-{self.rate}-{self.channels}"


def chirps(rate: int, channels: int, seconds: float = SECONDS) -> np.ndarray:
    """Return float64[n, channels]: sweeps that differ from channel to channel, far below half of the rate."""
    t = np.arange(round(seconds * rate)) / rate
    top = min(rate / 8, 1500)
    sound = [
        np.sin(2 * np.pi * (top / 12 * (c + 1) * t + top / 8 / seconds * t**2))
        * (0.55 + 0.25 * np.sin(9 * t + c))
        for c in range(channels)
    ]
    return 0.6 * np.stack(sound, axis=1)


@cache
def encoded(kind: Kind, seconds: float = SECONDS) -> bytes:
    """Return the file of a kind."""
    sound = chirps(kind.rate, kind.channels, seconds)
    return by_av(kind, sound) if kind.by == "av" else by_soundfile(kind, sound)


def by_soundfile(kind: Kind, sound: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, kind.rate, format=kind.container, subtype=kind.codec)
    return file.getvalue()


RATES = {"libopencore_amrnb": 12_200, "wmav1": 128_000, "wmav2": 128_000, "adpcm_g726": 32_000}
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def by_av(kind: Kind, sound: np.ndarray, streams: int = 1, picture: bool = False, **options: str) -> bytes:
    """Encode with FFmpeg; several streams hold the sound turned down by half from one to the next."""
    with tempfile.TemporaryDirectory() as folder:  # a file, since some rearrange what they wrote
        path = Path(folder) / kind.name
        _write(path, kind, sound, streams, picture, options)
        return path.read_bytes()


def _write(
    path: Path, kind: Kind, sound: np.ndarray, streams: int, picture: bool, options: dict[str, str]
) -> None:
    import av

    with av.open(str(path), "w", format=kind.container, options=options) as out:
        video = None
        if picture:
            video = out.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds = [_stream(out, kind) for _ in range(streams)]
        if video is not None:
            for i in range(round(25 * len(sound) / kind.rate)):
                pixels = np.full((48, 64, 3), i * 7 % 256, np.uint8)
                out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(video.encode(None))
        for i, stream in enumerate(sounds):
            _encode(out, stream, kind, sound / 2**i)


def _stream(out, kind: Kind):
    stream = out.add_stream(kind.codec, rate=kind.rate, options={"strict": "experimental"})
    stream.layout = LAYOUTS[kind.channels]
    stream.format = stream.codec.audio_formats[0] if stream.codec.audio_formats else "s16"
    if kind.codec in RATES:
        stream.bit_rate = RATES[kind.codec]
    return stream


def _encode(out, stream, kind: Kind, sound: np.ndarray) -> None:
    import av

    resampler = av.AudioResampler(stream.format, stream.layout, kind.rate)
    step = 1024
    for begin in range(0, len(sound), step):
        part = np.ascontiguousarray(sound[begin : begin + step], np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, "flt", LAYOUTS[kind.channels])
        frame.rate, frame.pts = kind.rate, begin
        for ready in resampler.resample(frame):
            out.mux(stream.encode(ready))
    for ready in resampler.resample(None):
        out.mux(stream.encode(ready))
    out.mux(stream.encode(None))
