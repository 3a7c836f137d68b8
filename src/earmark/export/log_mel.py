"""The log-mel spectrogram as a graph."""

from __future__ import annotations

import numpy as np

from earmark.export.graph import SoundGraph
from earmark.export.spectrum import hear
from earmark.features import LogMel
from earmark.features.mel import DECIBELS

_FEWER = 13  # bits of a fraction of 23 that half precision does not have


def log_mel(graph: SoundGraph, feature: LogMel) -> str:
    """Add what `LogMel.summarise` does, rounding to half precision and all.

    A cast there and back would say it as well, but some runtimes leave that out as needless. Source: Dekker, *A
    floating-point technique for extending the available precision*, 1971 (rounding to fewer bits by two differences).
    """
    decibels = graph.node("Mul", hear(graph, feature).log_mel, np.array(DECIBELS))
    larger = graph.node("Mul", decibels, np.array(2.0**_FEWER + 1))
    return graph.node("Sub", larger, graph.node("Sub", larger, decibels))
