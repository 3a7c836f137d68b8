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
        What the correlation with the source must be.
    lag
        Samples by which the decoded sound begins later than the source (or earlier, below zero): what an encoder puts
        before it where the format has no way to say so. Speech codecs shift a sound by less than they can say.
    ends
        Samples by which it is longer.
    low
        The number of a channel that is kept for low tones.
    """

    name: str
    rate: int
    channels: int
    container: str
    codec: str
    by: str = "av"
    least: float = 0.9999
    lag: int = 0
    ends: int = 0
    low: int = 0

    def __str__(self) -> str:
        return f"{self.container}-{self.codec}-{self.rate}-{self.channels}"


# What only FFmpeg reads.
BY_FFMPEG = (
    Kind("a.m4a", 44_100, 2, "ipod", "aac", least=0.99),
    Kind("a.m4a", 8_000, 1, "ipod", "aac", least=0.99),
    Kind("a.m4a", 96_000, 1, "ipod", "aac", least=0.99),
    Kind("a.m4a", 48_000, 8, "ipod", "aac", least=0.9, low=4),
    Kind("a.m4a", 44_100, 2, "ipod", "alac"),
    Kind("a.3gp", 8_000, 1, "3gp", "libopencore_amrnb", least=0.9, lag=-12),
    Kind("a.mp4", 44_100, 2, "mp4", "aac", least=0.99),
    Kind("a.mp4", 44_100, 2, "mp4", "libmp3lame", least=0.999),
    Kind("a.mp4", 48_000, 2, "mp4", "libopus", least=0.999),
    Kind("a.mp4", 44_100, 2, "mp4", "flac"),
    Kind("a.mov", 44_100, 2, "mov", "pcm_s16be"),
    Kind("a.mov", 44_100, 1, "mov", "pcm_s24le"),
    Kind("a.mov", 44_100, 2, "mov", "pcm_u8", least=0.999),
    Kind("a.mov", 44_100, 2, "mov", "pcm_f64be"),
    Kind("a.mov", 44_100, 2, "mov", "adpcm_ima_qt", least=0.999, ends=26),
    Kind("a.wma", 44_100, 2, "asf", "wmav2", least=0.999, lag=-2048, ends=-614),
    Kind("a.wma", 44_100, 2, "asf", "wmav1", least=0.999, lag=-2048, ends=-614),
    Kind("a.wma", 16_000, 1, "asf", "wmav2", least=0.99, lag=-512, ends=-448),
    Kind("a.webm", 48_000, 2, "webm", "libopus", least=0.999),
    Kind("a.webm", 48_000, 1, "webm", "libopus", least=0.999),
    Kind("a.mkv", 44_100, 2, "matroska", "vorbis", least=0.9, ends=26),
    Kind("a.mkv", 44_100, 2, "matroska", "flac"),
    Kind("a.mkv", 48_000, 8, "matroska", "flac"),
    Kind("a.mkv", 44_100, 2, "matroska", "pcm_s16le"),
    Kind("a.mkv", 48_000, 1, "matroska", "aac", least=0.99, ends=704),
    Kind("a.mkv", 48_000, 6, "matroska", "ac3", least=0.9, ends=-64, low=4),
    Kind("a.avi", 44_100, 2, "avi", "pcm_s16le"),
    Kind("a.avi", 44_100, 2, "avi", "libmp3lame", least=0.999, lag=1105, ends=1818),
    Kind("a.wv", 44_100, 2, "wv", "wavpack", least=0.999),
    Kind("a.tta", 44_100, 2, "tta", "tta", least=0.999),
    Kind("a.caf", 16_000, 1, "caf", "adpcm_ima_qt", least=0.999),
    Kind("a.aac", 44_100, 2, "adts", "aac", least=0.99, lag=1024, ends=1434),
    Kind("a.amr", 8_000, 1, "amr", "libopencore_amrnb", least=0.9, lag=38, ends=160),
    Kind("a.wav", 44_100, 2, "wav", "libmp3lame", least=0.999, lag=1105, ends=1105),
    Kind("a.wav", 44_100, 2, "wav", "ac3", least=0.999, lag=256, ends=1434),
    Kind("a.wav", 8_000, 1, "wav", "adpcm_g726", least=0.999),
    Kind("a.oga", 44_100, 2, "ogg", "flac"),
)
# What libsndfile reads, or we ourselves.
BY_US = (
    *(
        Kind("a.wav", rate, channels, "WAV", codec, "soundfile", least, ends=ends)
        for rate, channels, codec, least, ends in (
            (4_000, 1, "PCM_16", 0.9999, 0),
            (11_127, 2, "PCM_16", 0.9999, 0),
            (500_000, 1, "PCM_16", 0.9999, 0),
            (44_100, 2, "PCM_U8", 0.999, 0),
            (48_000, 8, "PCM_24", 0.9999, 0),
            (48_000, 3, "PCM_32", 0.9999, 0),
            (96_000, 2, "FLOAT", 0.9999, 0),
            (192_000, 2, "DOUBLE", 0.9999, 0),
            (8_000, 1, "ALAW", 0.999, 0),
            (8_000, 2, "ULAW", 0.999, 0),
            (44_100, 2, "IMA_ADPCM", 0.999, 1203),
            (44_100, 2, "MS_ADPCM", 0.999, 1038),
            (8_000, 1, "GSM610", 0.9, 160),
            (8_000, 1, "G721_32", 0.99, 0),
            (8_000, 1, "NMS_ADPCM_32", 0.99, 0),
        )
    ),
    Kind("a.wav", 48_000, 6, "WAVEX", "PCM_24", "soundfile"),
    Kind("a.rf64", 44_100, 2, "RF64", "PCM_16", "soundfile"),
    Kind("a.rf64", 384_000, 1, "RF64", "FLOAT", "soundfile"),
    Kind("a.w64", 44_100, 2, "W64", "PCM_24", "soundfile"),
    Kind("a.aiff", 44_100, 2, "AIFF", "PCM_16", "soundfile"),
    Kind("a.aifc", 44_100, 2, "AIFF", "FLOAT", "soundfile"),
    Kind("a.aiff", 22_050, 1, "AIFF", "IMA_ADPCM", "soundfile", 0.999, ends=13),
    Kind("a.au", 8_000, 1, "AU", "ULAW", "soundfile", 0.999),
    Kind("a.au", 44_100, 2, "AU", "PCM_16", "soundfile"),
    Kind("a.caf", 44_100, 2, "CAF", "PCM_16", "soundfile"),
    Kind("a.caf", 44_100, 2, "CAF", "ALAC_16", "soundfile"),
    Kind("a.sph", 16_000, 1, "NIST", "PCM_16", "soundfile"),
    Kind("a.voc", 22_050, 2, "VOC", "PCM_16", "soundfile"),
    Kind("a.svx", 22_050, 1, "SVX", "PCM_16", "soundfile"),
    Kind("a.mat", 22_050, 2, "MAT5", "PCM_16", "soundfile"),
    Kind("a.flac", 44_100, 2, "FLAC", "PCM_16", "soundfile"),
    Kind("a.flac", 250_000, 1, "FLAC", "PCM_24", "soundfile"),
    Kind("a.flac", 48_000, 8, "FLAC", "PCM_24", "soundfile"),
    Kind("a.ogg", 44_100, 2, "OGG", "VORBIS", "soundfile", 0.99),
    Kind("a.ogg", 48_000, 6, "OGG", "VORBIS", "soundfile", 0.9, low=6),
    Kind("a.opus", 48_000, 2, "OGG", "OPUS", "soundfile", 0.998),
    Kind("a.mp3", 44_100, 2, "MP3", "MPEG_LAYER_III", "soundfile", 0.999),
    Kind("a.mp3", 16_000, 1, "MP3", "MPEG_LAYER_III", "soundfile", 0.999),
)


def chirps(rate: int, channels: int, seconds: float = SECONDS) -> np.ndarray:
    """Return float64[n, channels]: sweeps that differ from channel to channel, far below half of the rate."""
    t = np.arange(round(seconds * rate)) / rate
    top = min(rate / 8, 1500)
    sound = [
        np.sin(2 * np.pi * top * ((0.25 + 0.05 * c) * t + 0.125 * t**2 / seconds))
        * (0.7 + 0.3 * np.sin(9 * t + c))
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


# Bits a second and channel.
RATES = {"libopencore_amrnb": 12_200, "wmav1": 64_000, "wmav2": 64_000, "adpcm_g726": 32_000, "aac": 96_000}
# The noise that an encoder may leave to each decoder to make up is not what is compared here.
OPTIONS = {"vorbis": {"strict": "experimental"}, "aac": {"aac_pns": "0"}}
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
    stream = out.add_stream(kind.codec, rate=kind.rate, options=OPTIONS.get(kind.codec, {}))
    stream.layout = LAYOUTS.get(kind.channels, f"{kind.channels} channels")
    stream.format = stream.codec.audio_formats[0] if stream.codec.audio_formats else "s16"
    if kind.codec in RATES:
        stream.bit_rate = RATES[kind.codec] * kind.channels
    return stream


def _encode(out, stream, kind: Kind, sound: np.ndarray) -> None:
    import av

    resampler = av.AudioResampler(stream.format, stream.layout, kind.rate)
    step = 1024
    for begin in range(0, len(sound), step):
        part = np.ascontiguousarray(sound[begin : begin + step], np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(
            part, "flt", LAYOUTS.get(kind.channels, f"{kind.channels} channels")
        )
        frame.rate, frame.pts = kind.rate, begin
        for ready in resampler.resample(frame):
            out.mux(stream.encode(ready))
    for ready in resampler.resample(None):
        out.mux(stream.encode(ready))
    out.mux(stream.encode(None))
