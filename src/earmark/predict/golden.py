"""A bundle's self-test: sounds that exercise the whole front end, and what the bundle gives for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from earmark.bundle import Bundle, Golden
from earmark.predict.predictor import Predictor
from earmark.types import Waveform

_GOLDEN_SECONDS = 0.5


def golden_waveforms(sample_rate: int) -> list[Waveform]:
    """Return test sounds that exercise the whole front end: a sweep, a noise burst in silence, a chord of pulses."""
    n = int(_GOLDEN_SECONDS * sample_rate)
    t = np.arange(n) / sample_rate
    top = sample_rate / 2
    sweep = 0.5 * np.sin(2 * np.pi * (50 * t + (0.9 * top - 50) * t**2 / (2 * _GOLDEN_SECONDS)))
    burst = np.where((t > 0.1) & (t < 0.2), np.random.default_rng(0).uniform(-0.8, 0.8, n), 0.0)
    pulses = (
        sum(np.sin(2 * np.pi * f * t) for f in (0.02 * top, 0.05 * top, 0.11 * top))
        * np.exp(-8 * (t % 0.125))
        / 4
    )
    return [Waveform(x.astype(np.float32), sample_rate) for x in (sweep, burst, pulses)]


def with_golden(bundle: Bundle) -> Bundle:
    """Return the bundle with a self-test that holds what it gives here and now."""
    plain, rate = Predictor(bundle, self_test=False), bundle.feature.sample_rate
    sounds = [Golden(w, plain.score_waveform(w)) for w in golden_waveforms(rate)]
    return replace(bundle, golden=tuple(sounds))
