"""Seven kinds of everyday sound, made from numbers: what ``earmark demo`` listens to.

Each kind is a function of a *recording's* generator that returns a function of a *clip's* generator. What
makes the recording itself (this motor, that throat) is drawn once, in the outer function; only timing, phase
and noise are drawn in the inner one. So two clips of one recording are near twins, and two recordings of one
kind are mere cousins.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from earmark.demo_tones import (
    FRAME_HZ,
    HZ,
    SAMPLE_RATE,
    SIZE,
    Sound,
    Source,
    band,
    cycle,
    decibels,
    frame_samples,
    harmonics,
    hump,
    log_uniform,
    log_uniforms,
    moving_filter,
    noise,
    play,
    resonances,
    shaped,
    slope,
    turns_of,
    unit,
    wander,
)

# First four formants of an adult's vowels, Hz, and how wide each is.
VOWELS: Sound = np.array(
    [
        [280.0, 2250.0, 2900.0, 3700.0],  # beat
        [450.0, 1900.0, 2550.0, 3600.0],  # bet
        [720.0, 1250.0, 2500.0, 3500.0],  # bar
        [480.0, 880.0, 2450.0, 3400.0],  # bought
        [310.0, 800.0, 2250.0, 3300.0],  # boot
        [500.0, 1450.0, 2480.0, 3500.0],  # the neutral one of "about"
    ]
)
FORMANT_WIDTHS: Sound = np.array([45.0, 65.0, 110.0, 180.0])


# The seven kinds


def siren(nature: Generator) -> Source:
    """Return a wailing, yelping or two-tone horn."""
    kind = nature.integers(3)
    low = log_uniform(nature, 550, 780)
    high = low * nature.uniform(1.5, 2.0)
    period = (nature.uniform(1.5, 3.0), nature.uniform(0.2, 0.5), nature.uniform(0.4, 0.8))[kind]
    k = harmonics(high)
    even = nature.uniform(0.5, 1.0)
    period_table = cycle(nature, k ** -nature.uniform(0.6, 1.0) * np.where(k % 2 == 0, even, 1.0))
    mouth = log_uniforms(nature, (1700, 2100), (3300, 4000))
    horn = (0.2 + resonances(HZ, mouth, mouth * 0.25)) * band(600, 5000)

    def clip(rng: Generator, length: int) -> Sound:
        phase = np.arange(length) / SAMPLE_RATE / period + rng.uniform()
        swing = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
        if kind == 2:  # two tones: the same swing, driven hard against its ends
            swing = 1.0 / (1.0 + np.exp(-40.0 * (swing - 0.5)))
        return shaped(play(period_table, turns_of(rng, low * (high / low) ** swing)), horn)

    return clip


def engine(nature: Generator) -> Source:
    """Return an idling engine: unequal cylinders, a resonant exhaust, and gas noise at each firing."""
    firing = log_uniform(nature, 18, 50)
    cylinders = int(nature.integers(2, 7))
    k = harmonics(firing / cylinders, top=3700)
    centres = log_uniforms(nature, (60, 200), (250, 700), (900, 2200))
    body = 0.03 + resonances(k * firing / cylinders, centres, centres * nature.uniform(0.15, 0.5, 3))
    uneven = nature.uniform(0.05, 0.5)
    period = cycle(nature, k ** -nature.uniform(0.2, 1.0) * body * np.where(k % cylinders == 0, 1.0, uneven))
    gas = band(nature.uniform(80, 300), log_uniform(nature, 700, 3500))
    gas_level = decibels(nature.uniform(-16, -2))
    sharp = nature.uniform(1.0, 6.0)
    jitter = nature.uniform(0.005, 0.03)

    def clip(rng: Generator, length: int) -> Sound:
        hz = firing * (1.0 + jitter * wander(rng, length, 12.0))
        turns = turns_of(rng, hz)
        puffs = (0.5 + 0.5 * np.cos(2 * np.pi * turns)) ** sharp
        tone = play(period, turns / cylinders) * (1.0 + 0.15 * wander(rng, length, 25.0))
        return tone + gas_level * puffs * noise(rng, length, gas)

    return clip


def drill(nature: Generator) -> Source:
    """Return a drill: a motor's buzz that sags under load, and the grinding or hammering of the bit."""
    motor = log_uniform(nature, 100, 220)
    k = harmonics(motor * 1.1)
    whine = log_uniforms(nature, (900, 1600), (2400, 4500))
    body = 0.08 + resonances(k * motor, whine, whine * nature.uniform(0.1, 0.4, 2))
    period = cycle(nature, k ** -nature.uniform(0.3, 0.8) * body)
    centres = log_uniforms(nature, (900, 1800), (3500, 6500))
    grind = (0.1 + resonances(HZ, centres, centres * 0.5)) * band(150, 9000)
    grind_level = decibels(nature.uniform(-10, -2))
    hammer = log_uniform(nature, 14, 55)
    hammering = nature.uniform(0.0, 1.0) if nature.uniform() < 0.6 else 0.0
    load_rate = nature.uniform(1.0, 4.0)
    sag = nature.uniform(0.03, 0.18)

    def clip(rng: Generator, length: int) -> Sound:
        load = 1.0 / (1.0 + np.exp(-2.5 * wander(rng, length, load_rate)))
        turns = turns_of(rng, motor * (1.05 - sag * load))
        beats = np.exp(-6.0 * (turns_of(rng, hammer * (1.0 + 0.03 * wander(rng, length, 8.0))) % 1.0))
        blows = 1.0 - hammering + 2.5 * hammering * beats
        buzz = play(period, turns) * (0.7 + 0.3 * load)
        return buzz + grind_level * (0.25 + load) * blows * noise(rng, length, grind)

    return clip


def dog_bark(nature: Generator) -> Source:
    """Return a few barks: a rough voice that jumps up and falls, through a throat that opens and shuts."""
    pitch = log_uniform(nature, 300, 600)
    leap = nature.uniform(1.2, 1.9)
    lasting = nature.uniform(0.1, 0.2)
    apart = lasting + nature.uniform(0.08, 0.2)
    throat = log_uniforms(nature, (550, 750), (1150, 1500), (2500, 3200))
    widths = throat * nature.uniform(0.15, 0.3, 3)
    rough = decibels(nature.uniform(-10, -2))
    k = harmonics(pitch * leap)
    period = cycle(nature, k ** -nature.uniform(0.5, 0.9))

    def clip(rng: Generator, length: int) -> Sound:
        t = np.arange(length) / SAMPLE_RATE
        loud = np.zeros(length)
        since = np.full(length, 9.0)
        start = rng.uniform(0.0, 0.25)
        while start < length / SAMPLE_RATE - 0.05:
            hold = lasting * rng.uniform(0.4, 0.8)
            loud += rng.uniform(0.6, 1.0) * hump(length, start, 0.012, hold, lasting / 3)
            since = np.where(t >= start, t - start, since)
            start += apart * rng.uniform(0.8, 1.4)
        arc = np.clip(since / (1.5 * lasting), 0.0, 1.0)
        hz = pitch * (1.0 + (leap - 1.0) * np.sin(np.pi * arc**0.6))
        hz *= 1.0 + 0.02 * wander(rng, length, 60.0)
        voice = play(period, turns_of(rng, hz)) + rough * rng.standard_normal(length)
        # The mouth opens within the bark: every formant glides up to its place and back.
        opening = 0.75 + 0.3 * np.sin(np.pi * arc[frame_samples(length)])
        gains = 0.02 + resonances(FRAME_HZ, throat * opening[:, None], widths)
        return moving_filter(voice * loud, gains)

    return clip


def rain(nature: Generator) -> Source:
    """Return rain: the even hiss of far drops and the clicks of near ones on leaves, stone or tin."""
    hiss = band(nature.uniform(200, 800), log_uniform(nature, 4000, 11000)) * slope(nature.uniform(-2, 1))
    # Leaves, stone and tin ring differently: three notes, each for a few milliseconds.
    notes = log_uniform(nature, 1200, 6000) * np.array([[0.62], [1.0], [1.55]])
    t = np.arange(int(0.02 * SAMPLE_RATE)) / SAMPLE_RATE
    drops = np.exp(-t / log_uniform(nature, 0.0003, 0.0012)) * np.sin(2 * np.pi * notes * t)
    struck = np.fft.rfft(drops, SIZE)
    rate = log_uniform(nature, 30, 600)
    click_level = decibels(nature.uniform(-14, 2))
    gusts = nature.uniform(0.0, 0.25)

    def clip(rng: Generator, length: int) -> Sound:
        hits = np.zeros((len(notes), length))
        many = rng.poisson(rate * length / SAMPLE_RATE)
        # Near drops are few and loud, far ones many and soft, hence the heavy tail.
        force = rng.standard_normal(many) * rng.pareto(2.5, many)
        np.add.at(hits, (rng.integers(0, len(notes), many), rng.integers(0, length, many)), force)
        clicks = unit(np.fft.irfft((np.fft.rfft(hits, SIZE) * struck).sum(axis=0), SIZE)[:length])
        swell = 1.0 + gusts * wander(rng, length, 2.0)
        return noise(rng, length, hiss) * swell + click_level * np.clip(clicks, -8.0, 8.0)

    return clip


def speech(nature: Generator) -> Source:
    """Return a babbling voice: vowels that glide into each other, hissed consonants, pauses for breath."""
    pitch = log_uniform(nature, 90, 260)
    tract = 1.0 + 0.15 * np.log2(pitch / 130) + nature.uniform(-0.06, 0.06)
    pace = nature.uniform(2.8, 6.0)
    lively = nature.uniform(0.03, 0.16)
    k = harmonics(pitch * 1.6)
    period = cycle(nature, k ** -nature.uniform(0.9, 1.7))
    breath = decibels(nature.uniform(-32, -10))
    hiss_level = decibels(nature.uniform(-14, -4))
    hiss = band(log_uniform(nature, 2500, 5000), 9000) ** 2
    vowels = VOWELS * tract

    def clip(rng: Generator, length: int) -> Sound:
        seconds = length / SAMPLE_RATE
        t = np.arange(length) / SAMPLE_RATE
        loud, hissing = np.zeros(length), np.zeros(length)
        centres, spoken = [], []
        start, voiced = rng.uniform(-0.15, 0.1), False
        while start < seconds:
            lasting = rng.uniform(0.7, 1.3) / pace
            voiced = not voiced or rng.uniform() < 0.8  # never two dumb syllables running: no clip is mute
            if voiced:
                loud += rng.uniform(0.5, 1.0) * hump(length, start + 0.05, 0.03, lasting * 0.45, 0.035)
            if rng.uniform() < 0.6:
                hissing += rng.uniform(0.3, 1.0) * hump(length, start, 0.015, rng.uniform(0.0, 0.05), 0.015)
            centres.append(start + 0.05 + lasting / 2)
            spoken.append(vowels[rng.integers(len(vowels))])
            start += lasting + (rng.uniform(0.1, 0.3) if rng.uniform() < 0.12 else 0.0)
        hz = pitch * np.exp(lively * wander(rng, length, 5.0) - 0.08 * t)
        hz *= 1.0 + 0.006 * wander(rng, length, 80.0)
        voice = play(period, turns_of(rng, np.clip(hz, 50.0, 1.6 * pitch)))
        voice += breath * rng.standard_normal(length)
        at = t[frame_samples(length)]
        formants = np.stack([np.interp(at, centres, column) for column in np.array(spoken).T], axis=1)
        gains = 0.004 + resonances(FRAME_HZ, formants, FORMANT_WIDTHS)
        return unit(moving_filter(voice * loud, gains)) + hiss_level * hissing * noise(rng, length, hiss)

    return clip


def bird(nature: Generator) -> Source:
    """Return a song: one motif of short whistled sweeps, repeated, sometimes so fast that it is a trill."""
    base = log_uniform(nature, 3700, 5000)
    notes = int(nature.integers(3, 6))
    first = base * 2.0 ** nature.uniform(-0.25, 0.25, notes)
    last = first * 2.0 ** nature.uniform(-0.5, 0.5, notes)
    lasting = nature.uniform(0.06, 0.16, notes)
    gap = nature.uniform(0.01, 0.05)
    rest = nature.uniform(0.02, 0.08)
    vibrato, vibrato_rate = nature.uniform(0.0, 0.05), nature.uniform(20, 60)
    overtone = decibels(nature.uniform(-40, -20))

    def clip(rng: Generator, length: int) -> Sound:
        hz, loud = np.full(length, base), np.zeros(length)
        start, note = rng.uniform(0.0, 0.3), int(rng.integers(notes))
        while start < length / SAMPLE_RATE - 0.02:
            a = int(start * SAMPLE_RATE)
            b = min(length, a + int(lasting[note] * rng.uniform(0.9, 1.1) * SAMPLE_RATE))
            way = np.linspace(0.0, 1.0, b - a)
            hz[a:b] = first[note] * (last[note] / first[note]) ** way * rng.uniform(0.98, 1.02)
            loud[a:b] = np.sin(np.pi * way) ** 0.7 * rng.uniform(0.6, 1.0)
            note = (note + 1) % notes
            start = b / SAMPLE_RATE + gap + (rest * rng.uniform(0.7, 1.3) if note == 0 else 0.0)
        hz = hz * (1.0 + vibrato * np.sin(2 * np.pi * vibrato_rate * np.arange(length) / SAMPLE_RATE))
        angle = 2 * np.pi * turns_of(rng, np.clip(hz, 0, 10_000))
        second = overtone * np.sin(2 * angle) * (hz < 5_000)
        return np.asarray(loud * (np.sin(angle) + second))

    return clip


KINDS: dict[str, Callable[[Generator], Source]] = {
    "siren": siren,
    "engine": engine,
    "drill": drill,
    "dog_bark": dog_bark,
    "rain": rain,
    "speech": speech,
    "bird": bird,
}
