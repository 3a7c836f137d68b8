"""Means, deviations and slopes over time, of values float32[batch, frames, columns]."""

from __future__ import annotations

import numpy as np

from earmark.export.graph import SoundGraph
from earmark.features.cepstrum import REACH


def moments(graph: SoundGraph, course: str) -> tuple[str, str]:
    """Add the mean and the standard deviation of each column, float32[batch, columns] each."""
    mean = mean_of(graph, course)
    off = graph.node("Sub", course, mean)
    variance = graph.node("ReduceMean", graph.node("Mul", off, off), axes=[1], keepdims=0)
    return graph.node("Squeeze", mean, np.array([1])), graph.node("Sqrt", variance)


def mean_of(graph: SoundGraph, course: str) -> str:
    """Add the mean of each column, float32[batch, 1, columns].

    Runtimes sum in single precision, value after value. What the sum lost over many frames shows in the mean of what is
    left when the first mean is taken away.
    """
    about = graph.node("ReduceMean", course, axes=[1], keepdims=1)
    left = graph.node("ReduceMean", graph.node("Sub", course, about), axes=[1], keepdims=1)
    return graph.node("Add", about, left)


def slope(graph: SoundGraph, course: str) -> str:
    """Add the regression slope of each column over nine frames, edges repeated."""
    around = np.array([0, REACH, 0, 0, REACH, 0])
    image = graph.node("Unsqueeze", graph.node("Pad", course, around, mode="edge"), np.array([1]))
    steps = np.arange(-REACH, REACH + 1)
    kernel = (steps / np.square(steps).sum())[None, None, :, None]
    return graph.node("Squeeze", graph.node("Conv", image, kernel), np.array([1]))
