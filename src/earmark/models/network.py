"""A trained dense network as a value, and as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.inputs import Inputs
from earmark.models.dense import Shape, logits
from earmark.types import FloatArray

# Read by every ONNX Runtime since 1.14; nothing newer is needed.
OPSET, IR_VERSION = 17, 8


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Trained parameters, with the statistics that standardise their inputs.

    Parameters
    ----------
    shape
        Widths from inputs to classes.
    parameters
        float32[shape.size].
    mean, scale
        float32[inputs]: the network sees ``(x - mean) * scale``.
    """

    shape: Shape
    parameters: FloatArray
    mean: FloatArray
    scale: FloatArray

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes] for float32[n, inputs]."""
        return logits(self.shape, self.parameters, (np.asarray(inputs) - self.mean) * self.scale)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `from_arrays` makes the network of again."""
        return {
            "widths": np.array(self.shape.widths, np.int64),
            "parameters": self.parameters,
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_arrays(cls, settings: Any, arrays: Mapping[str, NDArray[Any]]) -> Network:
        """Invert `arrays`."""
        shape = Shape(tuple(arrays["widths"].tolist()))
        return cls(shape, arrays["parameters"], arrays["mean"], arrays["scale"])

    def to_onnx(self) -> bytes:
        """Return the network as ONNX: input ``features`` float32[n, inputs], output ``logits`` float32[n, classes].

        Raises
        ------
        MissingExtraError
            When onnx is not installed.
        """
        try:
            import onnx
            from onnx import TensorProto, helper, numpy_helper
        except ImportError:
            raise MissingExtraError("Writing a model", "train", "onnx") from None
        initializers, nodes = [], []

        def constant(name: str, value: FloatArray) -> str:
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
            return name

        nodes.append(helper.make_node("Sub", ["features", constant("mean", self.mean)], ["centred"]))
        nodes.append(helper.make_node("Mul", ["centred", constant("scale", self.scale)], ["hidden_0"]))
        layers = self.shape.layers(self.parameters)
        for i, layer in enumerate(layers):
            last = i == len(layers) - 1
            names = [f"hidden_{i}", constant(f"weight_{i}", layer[:-1]), constant(f"bias_{i}", layer[-1])]
            nodes.append(helper.make_node("Gemm", names, ["logits" if last else f"linear_{i}"]))
            if not last:
                nodes.append(helper.make_node("Relu", [f"linear_{i}"], [f"hidden_{i + 1}"]))
        widths = self.shape.widths
        graph = helper.make_graph(
            nodes,
            "earmark",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", widths[0]])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", widths[-1]])],
            initializers,
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
