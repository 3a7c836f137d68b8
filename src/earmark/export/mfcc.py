"""MFCCs and their statistics over time, as a graph."""

from __future__ import annotations

import numpy as np

from earmark.export.graph import SoundGraph
from earmark.export.moments import mean_of, moments, slope
from earmark.export.spectrum import hear
from earmark.features import Mfcc
from earmark.features.cepstrum import cosines


def mfcc(graph: SoundGraph, feature: Mfcc) -> str:
    """Add what `Mfcc.summarise` does."""
    log_mel, transform = hear(graph, feature).log_mel, cosines(feature.n_mfcc, feature.n_mels)
    if feature.statistics == ("mean",):
        return graph.node("MatMul", graph.node("Squeeze", mean_of(graph, log_mel), np.array([1])), transform)
    course = graph.node("MatMul", log_mel, transform)
    if not feature.statistics:
        return course
    found = dict(zip(("mean", "std"), moments(graph, course), strict=True))
    if any(name.startswith("delta") for name in feature.statistics):
        found |= zip(("delta_mean", "delta_std"), moments(graph, slope(graph, course)), strict=True)
    return graph.node("Concat", *(found[name] for name in feature.statistics), axis=1)
