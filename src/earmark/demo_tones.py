"""The building blocks of made-up sounds: noise, harmonics, filters and envelopes, by a few large transforms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Sound = NDArray[np.float64]
Source = Callable[[Generator, int], Sound]

SAMPLE_RATE = 22_050
# One transform size for everything: it holds the longest clip (2 s) and its reverberation, so that
# multiplying spectra never wraps a tail round into the clip's beginning.
SIZE = 65_536
HZ: Sound = np.arange(SIZE // 2 + 1, dtype=np.float64) * (SAMPLE_RATE / SIZE)
# Octaves above 1 kHz, the scale that ears and equalisers work on; 20 Hz stands in for everything below.
OCTAVES: Sound = np.log2(np.maximum(HZ, 20.0) / 1000.0)

CYCLE = 8192
FRAME, HOP = 1024, 256
FRAME_HZ: Sound = np.arange(FRAME // 2 + 1, dtype=np.float64) * (SAMPLE_RATE / FRAME)


def decibels(value: float | Sound) -> Sound:
    """Return the amplitude ratio that ``value`` decibels are."""
    return np.asarray(10.0 ** (np.asarray(value) / 20.0))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform: pitches and rates are felt as ratios."""
    return float(low * (high / low) ** rng.uniform())


def log_uniforms(rng: Generator, *spans: tuple[float, float]) -> Sound:
    """Draw one ``log_uniform`` number from each (low, high) of ``spans``."""
    return np.array([log_uniform(rng, low, high) for low, high in spans])


def slope(per_octave: float) -> Sound:
    """Return a straight spectral tilt of ``per_octave`` decibels, 0 dB at 1 kHz."""
    return decibels(per_octave * OCTAVES)


def band(low: float, high: float) -> Sound:
    """Return a pass band that falls off by about 12 dB an octave beyond ``low`` and ``high`` Hz."""
    hz = np.maximum(HZ, 1.0)
    return np.asarray(1.0 / ((1.0 + (low / hz) ** 2) * (1.0 + (hz / high) ** 2)))


def resonances(hz: Sound, centres: Sound, widths: Sound) -> Sound:
    """Return the sum of resonance curves at ``hz``: from centres [..., peaks] to gains [..., len(hz)]."""
    distance = (hz - centres[..., None]) / widths[..., None]
    return np.asarray((1.0 / (1.0 + distance**2)).sum(axis=-2))


def noise(rng: Generator, length: int, response: Sound) -> Sound:
    """Return noise of unit power with the spectrum ``response``."""
    spectrum = response * np.exp(2j * np.pi * rng.random(len(response)))
    return unit(np.fft.irfft(spectrum, SIZE)[:length])


def unit(sound: Sound) -> Sound:
    """Return ``sound`` scaled to a root mean square of 1."""
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-12))


def shaped(sound: Sound, response: Sound | NDArray[np.complex128]) -> Sound:
    """Return ``sound`` through a filter that does not move."""
    return np.fft.irfft(np.fft.rfft(sound, SIZE) * response, SIZE)[: len(sound)]


def wander(rng: Generator, length: int, rate: float) -> Sound:
    """Return a curve that strolls about 0 with unit spread, taking ``rate`` fresh turns a second."""
    turns = int(length * rate / SAMPLE_RATE) + 3
    at = (np.arange(turns) - rng.uniform()) * SAMPLE_RATE / rate
    return np.interp(np.arange(length), at, rng.standard_normal(turns))


def cycle(rng: Generator, amplitudes: Sound) -> Sound:
    """Return one period of a tone whose harmonics have these ``amplitudes`` and random phases."""
    spectrum = np.zeros(CYCLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = amplitudes * np.exp(2j * np.pi * rng.random(len(amplitudes)))
    return unit(np.fft.irfft(spectrum, CYCLE))


def turns_of(rng: Generator, hz: Sound) -> Sound:
    """Return how many turns a wheel of speed ``hz`` has made at each sample, from a random start."""
    return np.asarray(np.cumsum(hz) / SAMPLE_RATE + rng.uniform())


def play(period: Sound, turns: Sound) -> Sound:
    """Read the one-period table ``period`` at ``turns``: all harmonics at the cost of two look-ups."""
    place = turns * CYCLE
    below = place.astype(np.int64)
    part = place - below
    # Straight lines between the entries: reading the nearest one puts ghosts of a slow engine at 8 kHz.
    return np.asarray(period[below % CYCLE] * (1.0 - part) + period[(below + 1) % CYCLE] * part)


def harmonics(tone: float, top: float = 0.46 * SAMPLE_RATE) -> Sound:
    """Return the harmonic numbers of a ``tone`` that stay below ``top`` Hz."""
    return np.arange(1, max(2, int(top / tone) + 1), dtype=np.float64)


def hump(length: int, start: float, attack: float, hold: float, decay: float) -> Sound:
    """Return an envelope that starts at ``start`` seconds, rises, holds, and decays exponentially."""
    t = np.arange(length) / SAMPLE_RATE - start
    rise = np.clip(t / attack, 0.0, 1.0)
    return np.asarray(rise * np.exp(-np.maximum(t - attack - hold, 0.0) / decay))


def moving_filter(sound: Sound, gains: Sound) -> Sound:
    """Filter ``sound`` with one gain curve a frame, ``gains`` [frames, FRAME // 2 + 1], by overlap-add."""
    frames = len(gains)
    padded = np.zeros(frames * HOP + FRAME)
    padded[FRAME // 2 : FRAME // 2 + len(sound)] = sound
    window = np.hanning(FRAME + 1)[:-1]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:frames] * window
    pieces = np.fft.irfft(np.fft.rfft(pieces) * gains, FRAME)
    result = np.zeros_like(padded)
    for k, piece in enumerate(pieces):
        result[k * HOP : k * HOP + FRAME] += piece
    # Four Hann windows overlap at every sample and sum to 2.
    return np.asarray(result[FRAME // 2 : FRAME // 2 + len(sound)] / 2.0)


def frame_samples(length: int) -> NDArray[np.int64]:
    """Return the sample at the middle of each frame that ``moving_filter`` needs for ``length`` samples."""
    return np.minimum(np.arange(length // HOP + 3) * HOP, length - 1)
