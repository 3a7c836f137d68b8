"""What a classifier costs to use: milliseconds a clip, measured on real clips in one thread, and its file's size."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.audio import decode
from earmark.bundle import Bundle, write_bundle
from earmark.dataset import Dataset
from earmark.engine import one_blas_thread
from earmark.errors import AudioError
from earmark.features import extract_each
from earmark.predict import Predictor, with_golden
from earmark.types import IntArray, Waveform

CLIPS = 12
_REPEATS = 3
_ENOUGH = 2.0  # seconds: a slow encoder is not asked thrice
# What this thread works is what counts, and not how busy the machine is with other things; where that is told finely.
_FINE = time.get_clock_info("thread_time").resolution < 1e-4
_clock = time.thread_time if _FINE else time.perf_counter


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to classify a clip.

    Parameters
    ----------
    features_ms, predict_ms
        Of the features alone, and of all from the decoded sound to the scores: the middle one of several real clips.
    file_kb
        The size of the model file, without the training clips that familiarity is measured by.
    """

    features_ms: float
    predict_ms: float
    file_kb: float


def some_sounds(dataset: Dataset, rows: IntArray) -> list[Waveform]:
    """Decode a few clips, evenly from all of ``rows``."""
    found: list[Waveform] = []
    at = np.unique(np.linspace(0, len(rows) - 1, min(CLIPS, len(rows))).round().astype(np.int64))
    for row in rows[at].tolist():
        clip = dataset.clips[row]
        try:
            found.append(decode(dataset.local(clip), clip.start, clip.end))
        except AudioError:  # it was readable when its features were computed; the others tell as much
            continue
    return found


def cost_of(bundle: Bundle, sounds: Sequence[Waveform], place: Path) -> Cost:
    """Measure a classifier on decoded sounds; its file is written to ``place``, to know how large it is."""
    bundle = with_golden(bundle)
    write_bundle(place, bundle)
    predictor = Predictor(bundle, self_test=False)
    with one_blas_thread():
        heard = _middle(sounds, lambda wave: extract_each(bundle.features, wave))
        whole = _middle(sounds, predictor.score_waveform)
    return Cost(heard, max(whole, heard), place.stat().st_size / 1000)


def _middle(sounds: Sequence[Waveform], work: Callable[[Waveform], object]) -> float:
    """Return the milliseconds that the middle one of several sounds takes, each at its quickest."""
    if not sounds:
        return 0.0
    work(sounds[0])  # what is made once is not the clip's
    began, each = time.perf_counter(), list[float]()
    for wave in sounds:
        best = float("inf")
        for _ in range(_REPEATS):
            start = _clock()
            work(wave)
            best = min(best, _clock() - start)
            if time.perf_counter() - began > _ENOUGH:
                break
        each.append(best)
    return 1000 * float(np.median(each))
