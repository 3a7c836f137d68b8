"""What happens to sound between a microphone and a model: six degradations of a waveform, and accuracy under each.

Each draws its noise, its room or its place from a seed of the clip's own, so that every model that is measured hears
the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import soundfile
import soxr

from earmark.audio import resample
from earmark.types import FloatArray, IntArray, Waveform

SNR_DB, GAIN_DB, KILOBITS = 10.0, -12.0, 32
BAND_HZ, TELEPHONE_RATE = (300.0, 3_400.0), 8_000
RT60, CUT = 0.6, 1.0  # seconds
_MP3_RATE = 22_050  # Hz; rates that MP3 has and others alike are coded at this one
_MP3_DELAY = 1_105  # samples of coder and decoder: files of constant bit rate do not tell of it
_TAPS = 513  # of the telephone's band pass, at 8 kHz: edges of some 20 Hz
_ROOM_BEFORE = 1e-3  # of full scale: what a coder adds must not clip

Degradation = Callable[[Waveform, np.random.Generator], Waveform]
Model = Callable[[Waveform], FloatArray]


def quieter(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return the sound 12 dB below what it was."""
    return _like(sound, sound.samples * np.float32(10 ** (GAIN_DB / 20)))


def pink_noise(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return the sound with noise whose power falls by 3 dB an octave, 10 dB below the sound's mean power.

    Silence stays silent: it has no power for noise to be below.
    """
    samples = sound.samples
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum[0] = 0  # no constant
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, len(samples))
    power = float(np.mean(noise**2))
    if power == 0:  # a sound of one sample
        return sound
    wanted = float(np.mean(samples.astype(np.float64) ** 2)) * 10 ** (-SNR_DB / 10)
    return _like(sound, samples + noise * np.sqrt(wanted / power))


def mp3(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return the sound after MP3 at a constant 32 kbit/s, at 22.05 kHz, with the coder's delay taken away."""
    samples = resample(sound.samples, sound.sample_rate, _MP3_RATE, "soxr_hq")
    peak = max(1.0, float(np.abs(samples).max()) / (1 - _ROOM_BEFORE))
    low, high = 8, 160  # kbit/s that MPEG-2 has
    level = 1 - (KILOBITS - low) / (high - low)
    file = io.BytesIO()
    soundfile.write(
        file, samples / peak, _MP3_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=level,
        bitrate_mode="CONSTANT",
    )  # fmt: skip
    file.seek(0)
    heard = peak * soundfile.read(file, dtype="float32")[0][_MP3_DELAY:]
    back = resample(heard.astype(np.float32), _MP3_RATE, sound.sample_rate, "soxr_hq")
    return _like(sound, _fitted(back, len(sound.samples)))


def telephone(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return what a telephone leaves: 300 to 3,400 Hz at a rate of 8 kHz, brought back to the sound's own rate."""
    narrow = soxr.resample(sound.samples, sound.sample_rate, TELEPHONE_RATE)
    reach = np.arange(_TAPS) - _TAPS // 2
    low, high = (2 * edge / TELEPHONE_RATE for edge in BAND_HZ)
    taps = (high * np.sinc(high * reach) - low * np.sinc(low * reach)) * np.hamming(_TAPS)
    narrow = _convolved(narrow, taps)[_TAPS // 2 :][: len(narrow)]
    back = soxr.resample(narrow.astype(np.float32), TELEPHONE_RATE, sound.sample_rate)
    return _like(sound, _fitted(back, len(sound.samples)))


def reverberant(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return the sound in a room: after the direct sound, noise that falls by 60 dB in 0.6 s, of as much energy.

    What rings on after the clip's end is cut off.
    """
    time = np.arange(round(RT60 * sound.sample_rate)) / sound.sample_rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / RT60)
    tail[0] = 0
    tail /= max(float(np.sqrt(np.sum(tail**2))), np.finfo(float).tiny)
    tail[0] = 1
    return _like(sound, _convolved(sound.samples, tail)[: len(sound.samples)])


def cut(sound: Waveform, rng: np.random.Generator) -> Waveform:
    """Return one second of the sound from a random place; all of what is shorter."""
    length = min(round(CUT * sound.sample_rate), len(sound.samples))
    begin = int(rng.integers(0, len(sound.samples) - length + 1))
    return _like(sound, sound.samples[begin : begin + length])


DEGRADATIONS: dict[str, Degradation] = {
    "12 dB quieter": quieter,
    "pink noise, 10 dB SNR": pink_noise,
    "MP3, 32 kbit/s": mp3,
    "telephone band": telephone,
    "reverberation, RT60 0.6 s": reverberant,
    "1 s of it": cut,
}


def degraded(sound: Waveform, name: str, clip: str | int) -> Waveform:
    """Return a sound under one of `DEGRADATIONS`; the same clip and name give the same, always.

    >>> once, again = (degraded(Waveform(np.ones(9, np.float32), 8_000), "12 dB quieter", "a.wav") for _ in "ab")
    >>> bool((once.samples == again.samples).all()), float(once.samples[0].round(3))
    (True, 0.251)
    """
    return DEGRADATIONS[name](sound, np.random.default_rng([*f"{name} {clip}".encode()]))


def accuracies(
    model: Model, sounds: Sequence[Waveform], targets: IntArray, clips: Sequence[str | int]
) -> Mapping[str, float]:
    """Return a model's accuracy on the sounds as they are, under ``"clean"``, and under each degradation.

    Parameters
    ----------
    model
        From a waveform to a probability for each class.
    sounds, targets
        What is tested, and the index of each one's class.
    clips
        A name for each: what is drawn is drawn from it.
    """
    right = {
        "clean": [
            int(np.argmax(model(sound))) == target for sound, target in zip(sounds, targets, strict=True)
        ]
    }
    for name in DEGRADATIONS:
        answers = (
            int(np.argmax(model(degraded(sound, name, clip))))
            for sound, clip in zip(sounds, clips, strict=True)
        )
        right[name] = [answer == target for answer, target in zip(answers, targets, strict=True)]
    return {name: float(np.mean(each)) for name, each in right.items()}


def _like(sound: Waveform, samples: np.ndarray) -> Waveform:
    return Waveform(np.ascontiguousarray(samples, np.float32), sound.sample_rate)


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    """Return exactly so many samples: the front, and zeros where there are too few."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _convolved(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return the whole convolution, float64[n + m - 1], by Fourier transforms."""
    length = len(samples) + len(response) - 1
    size = 1 << (length - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[:length]
