"""One vector for any feature: what clips are compared by where a network sees their course over time."""

from __future__ import annotations

import numpy as np

from earmark.features.cepstrum import moments
from earmark.types import Feature, FloatArray


def summary(values: FloatArray) -> FloatArray:
    """Return a vector as it is, and of a course its columns' means, then their standard deviations; float32.

    >>> summary(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)).tolist()
    [2.0, 5.0, 1.0, 0.0]
    """
    if values.ndim == 1:
        return values
    return np.concatenate(moments(values)).astype(np.float32)


def summary_dims(feature: Feature) -> int:
    """Return the length of a `summary` of what a feature gives."""
    return feature.dims * (2 if feature.course else 1)
