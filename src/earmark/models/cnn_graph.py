"""A trained convolutional network as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from earmark.models.graph import Graph
from earmark.types import FloatArray

if TYPE_CHECKING:
    from earmark.models.cnn import Cnn

NEPERS = float(np.log(10) / 10)  # of a decibel of power


def to_onnx(settings: Cnn, weights: Mapping[str, FloatArray]) -> bytes:
    """Return ``features`` float32[n, frames, bands] to ``logits`` float32[n, classes], for any n and frames.

    Raises
    ------
    MissingExtraError
        When onnx is not installed.
    """
    graph = Graph(len(weights["mean"]))
    window = int(weights["window"][0])
    inputs = _levelled(graph, settings.depth, weights["mean"], weights["scale"])
    hidden = _views(graph, _repeated(graph, inputs, window))
    for i, layer in enumerate(settings.layers(window)):
        hidden = graph.node(
            "Conv",
            hidden,
            weights[f"kernel_{i}"],
            weights[f"bias_{i}"],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            strides=list(layer.stride),
        )
        hidden = graph.node("Relu", hidden)
        if layer.pooled:
            hidden = graph.node("MaxPool", hidden, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    pools = [graph.node(pool, hidden) for pool in ("GlobalAveragePool", "GlobalMaxPool")]
    vector = graph.node("Flatten", graph.node("Concat", *pools, axis=1), axis=1)
    graph.node("Gemm", vector, weights["weight"], weights["bias"], output="logits")
    return graph.to_bytes(len(weights["bias"]))


def _levelled(graph: Graph, depth: float, mean: FloatArray, scale: FloatArray) -> str:
    """Add what brings each clip to one loudness, its mean power over time and frequency, and the bands to one range."""
    # Below the largest value the exponential cannot overflow; which it was does not matter at one loudness.
    top = graph.node("ReduceMax", "features", axes=[1, 2], keepdims=1)
    below = graph.node("Max", graph.node("Sub", "features", top), np.array(-depth))
    power = graph.node("Exp", graph.node("Mul", below, np.array(NEPERS)))
    level = graph.node("Log", graph.node("ReduceMean", power, axes=[1, 2], keepdims=1))
    loudness = graph.node("Mul", level, np.array(1 / NEPERS))
    centred = graph.node("Sub", graph.node("Sub", below, loudness), mean)
    return graph.node("Mul", centred, scale)


def _views(graph: Graph, inputs: str) -> str:
    """Add the second view of float32[n, 1, frames, bands], what differs from the clip's own mean over time."""
    own = graph.node("ReduceMean", inputs, axes=[2], keepdims=1)
    return graph.node("Concat", inputs, graph.node("Sub", inputs, own), axis=1)


def _repeated(graph: Graph, inputs: str, window: int) -> str:
    """Add what repeats a clip until it is as long as a window, as float32[n, 1, frames, bands]."""
    one = np.array([1])
    frames = graph.node("Gather", graph.node("Shape", inputs), one)
    times = graph.node("Div", graph.node("Add", frames, np.array([window - 1])), frames)  # rounded down
    least = graph.node("Max", times, one)
    tiled = graph.node("Tile", inputs, graph.node("Concat", one, least, one, axis=0))
    return graph.node("Unsqueeze", tiled, one)
