"""Which features a graph can hold: one file, and one line here, each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from earmark.errors import ExportError
from earmark.export.encoder import encoder
from earmark.export.graph import SoundGraph
from earmark.export.log_mel import log_mel
from earmark.export.mfcc import mfcc
from earmark.export.stats import stats
from earmark.types import Feature

FRONT_ENDS: dict[str, Callable[[SoundGraph, Any], str]] = {
    "mfcc": mfcc, "log_mel": log_mel, "stats": stats, "encoder": encoder,
}  # fmt: skip


def alone(feature: Feature) -> bytes:
    """Return an ONNX file of a front end without a network: ``waveform`` to what `Feature.extract` gives of each.

    Raises
    ------
    ExportError
        When it cannot be put into a graph.
    MissingExtraError
        When onnx is not installed.
    """
    graph = SoundGraph()
    found = front_end(graph, feature)
    frames = ["frames"] if feature.course else []
    return graph.to_file(found, ["batch", *frames, feature.dims], {"sample_rate": str(feature.sample_rate)})


def front_end(graph: SoundGraph, feature: Feature) -> str:
    """Add what a feature makes of the waveform, each feature once.

    Raises
    ------
    ExportError
        When it cannot be put into a graph.
    """
    if feature.name not in FRONT_ENDS:
        raise ExportError(
            f"The feature {feature.name} cannot be put into a graph. Those that can: {', '.join(FRONT_ENDS)}."
        )
    return str(graph.once((feature.name, feature), lambda: FRONT_ENDS[feature.name](graph, feature)))
