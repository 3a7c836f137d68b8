"""A trained convolutional network as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.models.network import IR_VERSION, OPSET
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
    graph = _Graph()
    hidden = graph.heard(weights["mean"], weights["scale"], int(weights["window"][0]))
    for i, layer in enumerate(settings.layers):
        hidden = graph.add(
            "Conv",
            [hidden, graph.constant(weights[f"kernel_{i}"]), graph.constant(weights[f"bias_{i}"])],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            strides=list(layer.stride),
        )
        hidden = graph.add("Relu", [hidden])
        if layer.pooled:
            hidden = graph.add("MaxPool", [hidden], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    pools = [graph.add(pool, [hidden]) for pool in ("GlobalAveragePool", "GlobalMaxPool")]
    vector = graph.add("Flatten", [graph.add("Concat", pools, axis=1)], axis=1)
    graph.add("Gemm", [vector, graph.constant(weights["weight"]), graph.constant(weights["bias"])], "logits")
    return graph.model(len(weights["mean"]), len(weights["bias"]))


class _Graph:
    """Nodes and constants, named as they come."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError:
            raise MissingExtraError("Writing a model", "train", "onnx") from None
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any], kind: type = np.float32) -> str:
        """Add an array; return its name."""
        name = f"constant_{len(self._constants)}"
        array: NDArray[Any] = np.asarray(value, kind, order="C")
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def heard(self, mean: FloatArray, scale: FloatArray, window: int) -> str:
        """Add what stands before the first convolution: a loudness, bands alike, and at least a window of frames."""
        # The loudness of a clip is its mean power over time and frequency; the largest value is taken out before the
        # exponential and put back after the logarithm, so that nothing overflows.
        top = self.add("ReduceMax", ["features"], axes=[1, 2], keepdims=1)
        power = self.add("Exp", [self._times(self.add("Sub", ["features", top]), NEPERS)])
        level = self.add("Log", [self.add("ReduceMean", [power], axes=[1, 2], keepdims=1)])
        loudness = self.add("Add", [top, self._times(level, 1 / NEPERS)])
        centred = self.add("Sub", [self.add("Sub", ["features", loudness]), self.constant(mean)])
        inputs = self.add("Mul", [centred, self.constant(scale)])
        shape = self.add("Shape", ["features"])
        frames = self.add("Gather", [shape, self.constant(np.array([1]), np.int64)])
        enough = self.add("Add", [frames, self.constant(np.array([window - 1]), np.int64)])
        times = self.add("Div", [enough, frames])  # whole numbers: rounded down
        least = self.add("Max", [times, self.constant(np.array([1]), np.int64)])
        one = self.constant(np.array([1]), np.int64)
        tiled = self.add("Tile", [inputs, self.add("Concat", [one, least, one], axis=0)])
        return self.add("Unsqueeze", [tiled, one])

    def _times(self, name: str, factor: float) -> str:
        return self.add("Mul", [name, self.constant(np.array(factor))])

    def model(self, bands: int, classes: int) -> bytes:
        """Return the whole, checked."""
        onnx = self._onnx
        kind, helper = onnx.TensorProto.FLOAT, onnx.helper
        graph = helper.make_graph(
            self._nodes,
            "earmark",
            [helper.make_tensor_value_info("features", kind, ["n", "frames", bands])],
            [helper.make_tensor_value_info("logits", kind, ["n", classes])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="earmark",
        )
        onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString()
        return serialized
