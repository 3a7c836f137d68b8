"""Writes an ONNX graph, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.models.network import IR_VERSION, OPSET, Network


class Graph:
    """A graph that grows; what a method returns is the name of the value that it added.

    Its input is ``features`` float32[n, frames, dims], of which n and frames are free; its output is ``logits``.

    Parameters
    ----------
    dims
        Length of one frame.

    Raises
    ------
    MissingExtraError
        When onnx is not installed.
    """

    def __init__(self, dims: int) -> None:
        try:
            import onnx
            from onnx import helper, numpy_helper
        except ImportError:
            raise MissingExtraError("Writing a model", "train", "onnx") from None
        self._onnx, self._helper, self._to_tensor, self._dims = onnx, helper, numpy_helper.from_array, dims
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        """Add float32 or int64 numbers."""
        name = f"constant_{len(self._constants)}"
        kind = np.int64 if value.dtype.kind == "i" else np.float32
        self._constants.append(self._to_tensor(np.array(value, kind, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        """Add an operator of one output; numbers among its inputs become constants."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = output or f"value_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(operator, names, [output], **attributes))
        return output

    def image(self, frames: int = 1) -> str:
        """Add the input as float32[n, 1, frames, dims], the last frame repeated until there are so many ``frames``."""
        last = self.node("Gather", self.node("Shape", "features"), np.array(1))
        steps = self.node("Range", np.array(0), self.node("Max", last, np.array(frames)), np.array(1))
        at = self.node("Min", steps, self.node("Sub", last, np.array(1)))
        return self.node("Unsqueeze", self.node("Gather", "features", at, axis=1), np.array([1]))

    def windows(self, length: int, dilation: int) -> str:
        """Add what lies around each frame, float32[n, frames, length * dims]: so many frames, ``dilation`` apart.

        Before the first frame and after the last these are repeated.
        """
        frames = self.node("Gather", self.node("Shape", "features"), np.array(1))
        each = self.node("Unsqueeze", self.node("Range", np.array(0), frames, np.array(1)), np.array([1]))
        offsets = (np.arange(length) - length // 2) * dilation
        at = self.node("Max", self.node("Add", each, offsets[None]), np.array(0))
        at = self.node("Min", at, self.node("Sub", frames, np.array(1)))
        seen = self.node("Gather", "features", at, axis=1)
        return self.node("Reshape", seen, np.array([0, 0, length * self._dims]))

    def head(self, pooled: str, head: Network) -> None:
        """End with what one dense layer makes of ``pooled`` float32[n, inputs]."""
        (layer,) = head.shape.layers(head.parameters)
        scaled = self.node("Mul", self.node("Sub", pooled, head.mean), head.scale)
        self.node("Gemm", scaled, layer[:-1], layer[-1], output="logits")

    def to_bytes(self, classes: int) -> bytes:
        """Return the whole, checked."""
        of = self._helper.make_tensor_value_info
        graph = self._helper.make_graph(
            self._nodes,
            "earmark",
            [of("features", self._onnx.TensorProto.FLOAT, ["n", "frames", self._dims])],
            [of("logits", self._onnx.TensorProto.FLOAT, ["n", classes])],
            self._constants,
        )
        opsets = [self._helper.make_opsetid("", OPSET)]
        model = self._helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="earmark"
        )
        self._onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString()
        return serialized
