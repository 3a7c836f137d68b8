"""Silence: whether a model may have a label for it."""

from __future__ import annotations

import numpy as np

from earmark.features.summary import summary
from earmark.types import Feature, FloatArray, Waveform

_NAMES = frozenset({
    "ambience", "ambient", "background", "background noise", "empty", "negative", "no sound", "none", "noise",
    "nothing", "other", "quiet", "silence", "silent", "unknown",
})  # fmt: skip
_NEAR = 1e-3


def knows_silence(values: FloatArray, feature: Feature, labels: tuple[str, ...]) -> bool:
    """Return whether silence was learnt from: digital silence is among the clips, or a label is named after it.

    Parameters
    ----------
    values
        float32[n, dims], of the training clips; of features that keep time, their summaries.

    Examples
    --------
    >>> from earmark.features import Mfcc
    >>> loud = np.ones((2, 40), np.float32)
    >>> knows_silence(loud, Mfcc(), ("dog", "cat")), knows_silence(loud, Mfcc(), ("dog", "_silence_"))
    (False, True)
    """
    if any(label.casefold().replace("_", " ").replace("-", " ").strip() in _NAMES for label in labels):
        return True
    nothing = np.zeros(feature.sample_rate, np.float32)
    silent = summary(feature.extract(Waveform(nothing, feature.sample_rate)))
    return bool(np.isclose(values, silent, rtol=_NEAR, atol=_NEAR).all(axis=1).any())
