"""Several features of one sound: what they have in common is computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from earmark.audio import resample
from earmark.features.spectral import Spectral, hear
from earmark.types import Feature, FloatArray, Waveform

F = TypeVar("F")
K = TypeVar("K", bound=Hashable)


def extract_each(features: Sequence[Feature], waveform: Waveform) -> list[FloatArray]:
    """Return what each feature makes of a sound, to the bit what it makes of it alone.

    Resamples once for each rate and resampler, and transforms once for each set of the spectrum's settings.

    Parameters
    ----------
    features
        Any number, of any kind and settings.
    waveform
        At its own rate: it is resampled here.

    Returns
    -------
    An array a feature, in their order, as `Feature.extract` gives it.

    Examples
    --------
    >>> import numpy as np
    >>> from earmark.features import LogMel, Mfcc
    >>> silence = Waveform(np.zeros(44_100, np.float32), 44_100)
    >>> [values.shape for values in extract_each([Mfcc(), LogMel()], silence)]
    [(40,), (44, 128)]
    """
    found: dict[int, FloatArray] = {}
    for (rate, resampler), alike in _grouped(enumerate(features), lambda f: (f.sample_rate, f.resampler)):
        there = Waveform(resample(waveform.samples, waveform.sample_rate, rate, resampler), rate)
        spectral = [(i, f) for i, f in alike if isinstance(f, Spectral)]
        found |= {i: f.extract(there) for i, f in alike if not isinstance(f, Spectral)}
        for (spectrum, top_db), sharing in _grouped(spectral, lambda f: (f.spectrum, f.top_db)):
            heard = hear(there.samples, spectrum, top_db, any(f.needs_shape for _, f in sharing))
            found |= {i: f.summarise(heard) for i, f in sharing}
    return [found[i] for i in range(len(features))]


def _grouped(
    items: Iterable[tuple[int, F]], key: Callable[[F], K]
) -> Iterable[tuple[K, list[tuple[int, F]]]]:
    groups: dict[K, list[tuple[int, F]]] = {}
    for i, feature in items:
        groups.setdefault(key(feature), []).append((i, feature))
    return groups.items()
