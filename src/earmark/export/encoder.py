"""A pretrained encoder over windows, as part of the graph."""

from __future__ import annotations

import numpy as np

from earmark.encoders import get
from earmark.encoders.patches import BANDS, FRAMES, HOP, OFFSET, POINTS, STEP, plan
from earmark.errors import ExportError
from earmark.export.graph import DOUBLE, FLOAT, WAVEFORM, SoundGraph
from earmark.export.moments import moments
from earmark.export.spectrum import cut, in_order, squared
from earmark.features import Encoder


def encoder(graph: SoundGraph, feature: Encoder) -> str:
    """Add what `Encoder.extract` does.

    Raises
    ------
    ExportError
        When the encoder's network takes one window at a time only.
    """
    course = str(
        graph.once(("encoder", feature.sha256, feature.window, feature.hop), lambda: _course(graph, feature))
    )
    if feature.pooled == "none":
        return course
    mean, deviation = moments(graph, course)
    if feature.pooled == "mean":
        return mean
    most = graph.node("ReduceMax", course, axes=[1], keepdims=0)
    return graph.node("Concat", mean, most, deviation, axis=1)


def _course(graph: SoundGraph, feature: Encoder) -> str:
    """Add the embeddings, float32[batch, windows, size]."""
    weights = get(feature.sha256)
    length, hop = (round(seconds * feature.sample_rate) for seconds in (feature.window, feature.hop))
    # As many windows as it takes, the last one filled up with zeros.
    samples = graph.size(WAVEFORM, 1)
    over = graph.node("Max", graph.node("Sub", samples, np.array([length])), np.array([0]))
    more = graph.node("Div", graph.node("Add", over, np.array([hop - 1])), np.array([hop]))
    count = graph.node("Add", more, np.array([1]))
    whole = graph.node("Add", graph.node("Mul", more, np.array([hop])), np.array([length]))
    if feature.front_end == "yamnet":
        windows, shape = _patches(graph, whole, samples, count), [FRAMES, BANDS]
    else:
        pieces, at = cut(graph, _filled(graph, whole, samples), length, hop, count)
        windows, shape = graph.node("Gather", pieces, at, axis=1), [length]
    _must_take_several(graph, weights, shape)
    found = graph.include(weights, graph.node("Reshape", windows, np.array([-1, *shape])))
    back = graph.node("Concat", graph.size(WAVEFORM, 0), count, np.array([feature.size]), axis=0)
    return graph.node("Reshape", found, back)


def _filled(graph: SoundGraph, whole: str, samples: str, more: int = 0) -> str:
    """Add the waveform with zeros after it, until it is as long as all windows are, and ``more`` zeros."""
    missing = graph.node("Sub", graph.node("Add", whole, np.array([more])), samples)
    around = graph.node("Concat", np.array([0, 0, 0]), missing, axis=0)
    return graph.node("Pad", WAVEFORM, around, mode="constant")


def _patches(graph: SoundGraph, whole: str, samples: str, count: str) -> str:
    """Add what `earmark.encoders.patches.log_mel_patches` does, float32[batch, windows, 96, 64]."""
    window, filters = plan()
    frames = graph.node("Add", graph.node("Mul", count, np.array([STEP])), np.array([FRAMES - STEP]))
    # The window is shorter than the transform: what is beyond it counts nothing.
    longer = _filled(graph, whole, samples, POINTS - len(window))
    pieces, at = cut(graph, longer, POINTS, HOP, frames)
    framed = graph.node("Reshape", graph.node("Gather", pieces, at, axis=1), np.array([0, 0, POINTS]))
    windowed = graph.node("Mul", framed, np.pad(window, (0, POINTS - len(window))))
    power = squared(graph, graph.node("Cast", windowed, to=DOUBLE), POINTS, double=True)
    size = graph.node("Cast", graph.node("Sqrt", power), to=FLOAT)
    bands = graph.node("MatMul", size, in_order(filters, POINTS))
    log_mel = graph.node("Log", graph.node("Add", bands, np.array(OFFSET)))
    first = graph.node("Mul", graph.node("Unsqueeze", graph.numbers(count), np.array([1])), np.array(STEP))
    return graph.node("Gather", log_mel, graph.node("Add", first, np.arange(FRAMES)[None]), axis=1)


def _must_take_several(graph: SoundGraph, weights: bytes, shape: list[int]) -> None:
    takes = graph.takes(weights)
    if len(takes) == len(shape) or takes[:1] == [1]:
        raise ExportError(
            "The encoder's network takes one window at a time, which one graph for sounds of any length cannot do."
            " Export it with a free batch axis, fetch it again, and train anew."
        )
