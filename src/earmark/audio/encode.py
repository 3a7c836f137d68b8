"""Sound as the bytes of a small file that every browser plays."""

from __future__ import annotations

import io

import soundfile

from earmark.types import Waveform

_SMALL = (
    0.95  # of libsndfile's scale from 0, the best sound, to 1, the smallest file: 20 to 25 kbit/s at 22 kHz
)
_ROOM = 0.98  # of full scale: what a coder adds must not clip


def mp3(waveform: Waveform) -> bytes:
    """Return a waveform as an MP3 file, mono, of variable bit rate. What is beyond full scale is made quieter.

    Examples
    --------
    >>> import numpy as np
    >>> data = mp3(Waveform(np.zeros(22_050, np.float32), 22_050))
    >>> 500 < len(data) < 5_000
    True
    """
    samples, file = waveform.samples, io.BytesIO()
    peak = float(abs(samples).max(initial=0))
    with soundfile.SoundFile(
        file, "w", waveform.sample_rate, 1, "MPEG_LAYER_III", format="MP3", compression_level=_SMALL,
        bitrate_mode="VARIABLE",
    ) as writer:  # fmt: skip
        writer.write(samples * (_ROOM / peak) if peak > _ROOM else samples)
    return file.getvalue()


def wav(waveform: Waveform) -> bytes:
    """Return a waveform as a WAV file of float32, mono: every sample as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from earmark.audio import decode_bytes
    >>> sound = Waveform(np.linspace(-1.5, 1.5, 8_000, dtype=np.float32), 8_000)
    >>> np.array_equal(decode_bytes(wav(sound), "sound").samples, sound.samples)
    True
    """
    file = io.BytesIO()
    soundfile.write(file, waveform.samples, waveform.sample_rate, subtype="FLOAT", format="WAV")
    return file.getvalue()
