"""A whole classifier as one graph: front ends, networks, and how their scores become probabilities."""

from __future__ import annotations

import numpy as np

from earmark.bundle import Bundle, Member
from earmark.decide.blend import LEAST
from earmark.errors import ExportError
from earmark.export.fronts import front_end
from earmark.export.graph import PROBABILITIES, SoundGraph


def classifier(bundle: Bundle) -> SoundGraph:
    """Return a graph from ``waveform`` to ``probabilities``, those that `earmark.predict.Predictor` gives.

    Raises
    ------
    ExportError
        When a feature or a network cannot be put into a graph, or the networks hear at different rates.
    MissingExtraError
        When onnx is not installed.
    """
    rates = sorted({feature.sample_rate for feature in bundle.features})
    if len(rates) > 1:
        raise ExportError(
            f"The networks of this blend hear at {' and '.join(f'{rate:,}' for rate in rates)} Hz, but a graph takes"
            " sound at one rate. Blend rungs that hear at the same rate."
        )
    graph = SoundGraph()
    exclusive = bundle.decision.exclusive
    logits = [graph.include(m.network, front_end(graph, m.feature)) for m in bundle.members]
    scores = logits[0] if len(logits) == 1 else _blended(graph, logits, bundle.members, exclusive)
    _likely(graph, scores, bundle.decision.temperature, exclusive, PROBABILITIES)
    return graph


def _likely(graph: SoundGraph, logits: str, temperature: float, exclusive: bool, output: str = "") -> str:
    scaled = graph.node("Div", logits, np.array(float(temperature)))
    if exclusive:
        return graph.node("Softmax", scaled, output=output, axis=1)
    return graph.node("Sigmoid", scaled, output=output)


def _blended(graph: SoundGraph, logits: list[str], members: tuple[Member, ...], exclusive: bool) -> str:
    """Add what `earmark.decide.blend.blended` does."""

    def mean(sign: float) -> str:
        total = sum(member.share.weight for member in members)
        parts = [
            graph.node(
                "Mul",
                _likely(graph, own, sign * member.share.temperature, exclusive),
                np.array(member.share.weight / total),
            )
            for own, member in zip(logits, members, strict=True)
        ]
        return graph.node("Log", graph.node("Max", graph.node("Sum", *parts), np.array(LEAST)))

    return mean(1.0) if exclusive else graph.node("Sub", mean(1.0), mean(-1.0))
