"""The sounds that an export is tried with: the model's own test sounds, cut, joined and repeated, and silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from earmark.bundle import Bundle
from earmark.errors import ExportError
from earmark.predict import TOLERANCE, Predictor
from earmark.types import FloatArray, Waveform

SHORTEST, LONGEST = 0.1, 60.0  # seconds


def sounds(bundle: Bundle) -> list[FloatArray]:
    """Return waveforms float32[T] at the model's rate, from `SHORTEST` to `LONGEST`."""
    rate = bundle.feature.sample_rate
    golden = [sound.waveform.samples for sound in bundle.golden]
    least = int(SHORTEST * rate)
    quiet = np.zeros(rate, np.float32)
    chain = np.concatenate(
        [part for sound in golden for part in (sound, quiet[: rate // 3], 0.1 * sound[::-1])]
    )
    click = np.zeros(rate, np.float32)
    click[rate // 2] = 1
    long = np.resize(np.concatenate([chain, quiet]), int(LONGEST * rate))
    middles = [sound[len(sound) // 2 - least // 2 :][:least] for sound in golden]
    odd = chain[: 1 + int(1.337 * rate)]
    return [*golden, *middles, chain, odd, click, quiet, quiet[:least], quiet + 0.25, long]


@dataclass(frozen=True, slots=True)
class Trial:
    """How an export stood the comparison; see `earmark.export.Exported`."""

    difference: float
    tried: tuple[int, float, float]


def compare(bundle: Bundle, run: Callable[[FloatArray], FloatArray]) -> Trial:
    """Compare with what the model gives, sound by sound, and several at once.

    Parameters
    ----------
    run
        From float32[batch, samples] to probabilities float32[batch, labels].

    Raises
    ------
    ExportError
        When a probability differs by more than the self-test of a model allows.
    """
    predictor, rate, worst = Predictor(bundle, self_test=False), bundle.feature.sample_rate, 0.0
    tried = sounds(bundle)
    batches = [sound[None] for sound in tried]
    shortest = min(len(sound) for sound in tried[: len(bundle.golden)])
    batches.append(np.stack([sound[:shortest] for sound in tried[: len(bundle.golden)]]))
    for batch in batches:
        got = run(batch)
        for samples, probabilities in zip(batch, got, strict=True):
            wanted = predictor.score_waveform(Waveform(samples, rate))
            off = float(np.abs(probabilities - wanted).max())
            if not off <= TOLERANCE:
                raise ExportError(
                    f"What was exported does not give what the model gives: of a test sound of {len(samples) / rate:g}"
                    f" s a probability differs by {off:.2g} (at most {TOLERANCE:g} allowed). Nothing was written."
                )
            worst = max(worst, off)
    seconds = [len(sound) / rate for sound in tried]
    return Trial(worst, (len(tried), min(seconds), max(seconds)))
