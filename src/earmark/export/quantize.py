"""Networks with weights of 8 bits: a quarter of the size. Sound, features and sums stay in single precision.

Each weight is a whole number, of 8 bits, times the scale of its output, and becomes a float32 again where it is
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
_MOST = 126  # halves and thirds of it are whole numbers, as weights that were drawn and not learnt have them


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
        along = [-1 if i == axis else 1 for i in range(levels.ndim)]
        del kept[name]
        for part, value in (("levels", levels), ("scale", scale.reshape(along))):
            kept[f"{name}.{part}"] = numpy_helper.from_array(value, f"{name}.{part}")
        # Not DequantizeLinear: where runtimes see that, some round what comes to 8 bits as well, each in its own way.
        whole = f"{name}.whole"
        steps.append(helper.make_node("Cast", [f"{name}.levels"], [whole], to=onnx.TensorProto.FLOAT))
        steps.append(helper.make_node("Mul", [whole, f"{name}.scale"], [name]))
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
    """Return whole numbers of 8 bits, and along an axis what each is multiplied with to give the weights.

    Each output's weights keep their sum: decibels have a mean far from 0, and what rounding takes would add up.

    >>> levels, scale = in_8_bits(np.array([[1.0, 0.0], [-0.5, 0.0]], np.float32), 1)
    >>> levels.tolist(), (scale * 126).tolist()
    ([[126, 0], [-63, 0]], [1.0, 126.0])
    """
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    largest = np.abs(rows).max(axis=1)
    scale = np.where(largest > 0, largest / np.float32(_MOST), np.float32(1)).astype(np.float32)
    exact = rows / scale[:, None].astype(np.float64)
    levels = np.rint(exact)
    lost = exact - levels
    for level, left in zip(levels, lost, strict=True):
        owed = int(np.rint(left.sum()))
        # Those move by one that are nearest to the next number anyway.
        level[np.argsort(-np.sign(owed) * left, kind="stable")[: abs(owed)]] += np.sign(owed)
    shape = [weights.shape[axis], *np.delete(weights.shape, axis)]
    return np.moveaxis(levels.reshape(shape), 0, axis).astype(np.int8), scale
