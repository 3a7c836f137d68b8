"""The shape of a power spectrum, frame by frame, as a graph."""

from __future__ import annotations

import numpy as np

from earmark.export.graph import FLOAT, INTEGER, SoundGraph
from earmark.export.spectrum import bins
from earmark.features.shape import AMIN, GROUP, ROLL_OFF

_MIDDLE = (GROUP - 1) / 2
_TINY = float(np.finfo(np.float32).tiny)


def shape(graph: SoundGraph, power: str, n_fft: int, sample_rate: int) -> str:
    """Add what `earmark.features.shape.shape` does, float32[batch, frames, 4].

    As there, bins are summed in groups, from whose energies, means and spreads those of the whole follow in single
    precision.
    """
    count = n_fft // 2 + 1
    groups = -(-count // GROUP)
    width = sample_rate / 2 / (count - 1)
    whole = _by_group(graph, power, n_fft, groups)
    steps = np.arange(GROUP) - _MIDDLE
    sums = graph.node("MatMul", whole, np.stack([steps**power_of for power_of in range(3)], axis=1))
    energy, first, second = (
        graph.node("Squeeze", graph.slice(sums, i, i + 1, 3), np.array([3])) for i in range(3)
    )
    total = graph.node("ReduceSum", energy, np.array([2]), keepdims=1)
    silent = graph.node("Less", total, np.array(_TINY))
    divisor = graph.node("Where", silent, np.array(1.0), total)
    middle = np.arange(groups) * GROUP + _MIDDLE

    def mean(value: str) -> str:
        return graph.node("Div", graph.node("ReduceSum", value, np.array([2]), keepdims=1), divisor)

    centroid = mean(graph.node("Add", graph.node("Mul", energy, middle), first))
    away = graph.node("Sub", middle, centroid)
    twice = graph.node("Mul", first, np.array(2.0))
    inner = graph.node("Add", graph.node("Mul", away, energy), twice)
    variance = mean(graph.node("Add", graph.node("Mul", inner, away), second))
    bandwidth = graph.node("Sqrt", graph.node("Max", variance, np.array(0.0)))
    rolloff = _rolloff(graph, whole, energy, groups)
    hertz = graph.node("Mul", graph.node("Concat", centroid, bandwidth, rolloff, axis=2), np.array(width))
    return graph.node("Concat", hertz, _flatness(graph, power, n_fft, silent), axis=2)


def _by_group(graph: SoundGraph, power: str, n_fft: int, groups: int) -> str:
    """Add the power in the order of the bins, float32[batch, frames, groups, GROUP], zeros at the end."""
    order = bins(n_fft)
    count = n_fft // 2 + 1
    at = np.empty(count, np.int64)
    at[order[order >= 0]] = np.flatnonzero(order >= 0)
    sorted_ = graph.node("Gather", power, at, axis=2)
    filled = graph.node("Pad", sorted_, np.array([0, 0, 0, 0, 0, groups * GROUP - count]), mode="constant")
    return graph.node("Reshape", filled, np.array([0, 0, groups, GROUP]))


def _rolloff(graph: SoundGraph, whole: str, energy: str, groups: int) -> str:
    """Add the first bin at which the running sum reaches its share of the whole, float32[batch, frames, 1]."""
    running = graph.node("MatMul", energy, np.triu(np.ones((groups, groups))))
    threshold = graph.node("Mul", graph.slice(running, groups - 1, groups, 2), np.array(ROLL_OFF))
    short = graph.node("Cast", graph.node("Less", running, threshold), to=FLOAT)
    group = graph.node("ReduceSum", short, np.array([2]), keepdims=1)
    before = graph.node("ReduceMax", graph.node("Mul", running, short), axes=[2], keepdims=1)
    # All groups in one list, of which each frame takes its own.
    count = graph.node("Shape", group)
    frames = graph.node("ReduceProd", count, axes=[0], keepdims=1)
    own = graph.node("Reshape", graph.node("Cast", group, to=INTEGER), np.array([-1]))
    start = graph.node("Mul", graph.numbers(frames), np.array(groups))
    listed = graph.node("Reshape", whole, np.array([-1, GROUP]))
    taken = graph.node("Gather", listed, graph.node("Add", own, start), axis=0)
    both = graph.node("Concat", graph.slice(count, 0, 2, 0), np.array([GROUP]), axis=0)
    inside = graph.node("MatMul", graph.node("Reshape", taken, both), np.triu(np.ones((GROUP, GROUP))))
    below = graph.node("Less", graph.node("Add", inside, before), threshold)
    # By rounding the sum may fall short of its own group's: the last bin is it then.
    steps = graph.node("ReduceSum", graph.node("Cast", below, to=FLOAT), np.array([2]), keepdims=1)
    within = graph.node("Min", steps, np.array(GROUP - 1.0))
    return graph.node("Add", graph.node("Mul", group, np.array(float(GROUP))), within)


def _flatness(graph: SoundGraph, power: str, n_fft: int, silent: str) -> str:
    count = n_fft // 2 + 1
    once = (bins(n_fft) >= 0)[:, None] / count
    least = graph.node("Max", power, np.array(AMIN))
    mean = graph.node("MatMul", least, once)
    geometric = graph.node("Exp", graph.node("MatMul", graph.node("Log", least), once))
    flat = graph.node("Min", graph.node("Div", geometric, mean), np.array(1.0))
    return graph.node("Where", silent, np.array(1.0), flat)
