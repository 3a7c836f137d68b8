"""Networks with weights of 8 bits: a quarter of the size. Sound, features and sums stay in single precision.

Each weight is a whole number from -127 to 127 times the scale of its output, and becomes a float32 again where it is
used. So every runtime gives the same, and nothing depends on the sounds that come. Pretrained encoders stay as is:
they are made small where they come from. Source: Krishnamoorthi, *Quantizing deep convolutional networks for efficient
inference*, 2018 (a scale for each output, symmetric).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.bundle import Bundle
from earmark.errors import MissingExtraError
from earmark.types import FloatArray

_LEAST = 256  # numbers of an array that is worth it
_MOST = 127


def quantize(bundle: Bundle) -> Bundle:
    """Return the bundle with networks of 8-bit weights; its test sounds keep what the whole network gave.

    Raises
    ------
    MissingExtraError
        When onnx is not installed.
    """
    return replace(bundle, members=tuple(replace(m, network=_smaller(m.network)) for m in bundle.members))


def _smaller(network: bytes) -> bytes:
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError:
        raise MissingExtraError("Quantising a model", "train", "onnx") from None
    model = onnx.load_model_from_string(network)
    graph = model.graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    steps, kept = [], {tensor.name: tensor for tensor in graph.initializer}
    for name, axis in _weights(graph, arrays):
        levels, scale = in_8_bits(arrays[name], axis)
        del kept[name]
        for part, value in (("levels", levels), ("scale", scale)):
            kept[f"{name}.{part}"] = numpy_helper.from_array(value, f"{name}.{part}")
        steps.append(
            helper.make_node("DequantizeLinear", [f"{name}.levels", f"{name}.scale"], [name], axis=axis)
        )
    steps.extend(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept.values())
    graph.node.extend(steps)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def _weights(graph: Any, arrays: dict[str, NDArray[Any]]) -> Iterator[tuple[str, int]]:
    """Yield the arrays that are nothing but weights, each with the axis of its outputs."""
    uses: dict[str, list[int | None]] = {}
    for step in graph.node:
        for place, name in enumerate(step.input):
            if name in arrays:
                uses.setdefault(name, []).append(_axis(step, arrays[name]) if place == 1 else None)
    for name, axes in uses.items():
        (axis, *others) = set(axes)
        if (
            axis is not None
            and not others
            and arrays[name].size >= _LEAST
            and arrays[name].dtype == np.float32
        ):
            yield name, axis


def _axis(step: Any, weights: NDArray[Any]) -> int | None:
    if step.op_type == "Conv":
        return 0
    if step.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in step.attribute) else 1
    return weights.ndim - 1 if step.op_type == "MatMul" and weights.ndim >= 2 else None


def in_8_bits(weights: FloatArray, axis: int) -> tuple[NDArray[np.int8], FloatArray]:
    """Return whole numbers from -127 to 127, and along an axis what each is multiplied with to give the weights.

    >>> levels, scale = in_8_bits(np.array([[1.0, 0.0], [-0.5, 0.0]], np.float32), 1)
    >>> levels.tolist(), (scale * 127).tolist()
    ([[127, 0], [-64, 0]], [1.0, 127.0])
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / np.float32(_MOST), np.float32(1)).astype(np.float32)
    return np.rint(weights / scale).astype(np.int8), scale.ravel()
