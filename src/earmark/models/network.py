"""A trained dense network as a value, and as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.inputs import Inputs
from earmark.models.dense import Shape, logits
from earmark.types import FloatArray

# Read by every ONNX Runtime since 1.14; nothing newer is needed.
OPSET, IR_VERSION = 17, 8

TINY = 1e-12  # a mean probability below this counts as this, so that it has a logarithm
Over = Literal["vectors", "windows of one", "windows of several"]  # one label a clip, or any number


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
        return self.graph()

    def graph(self, over: Over = "vectors") -> bytes:
        """Return the network as ONNX, over one vector a clip or over float32[n, windows, inputs].

        Of windows the mean probability counts: its logarithm where a clip has one label, else its log odds.
        """
        try:
            import onnx
            from onnx import TensorProto, helper, numpy_helper
        except ImportError:
            raise MissingExtraError("Writing a model", "train", "onnx") from None
        initializers, nodes = [], []

        def constant(name: str, value: Any) -> str:
            initializers.append(numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name))
            return name

        def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
            nodes.append(helper.make_node(kind, inputs, [output], **attributes))

        node("Sub", ["features", constant("mean", self.mean)], "centred")
        node("Mul", ["centred", constant("scale", self.scale)], "hidden_0")
        layers = self.shape.layers(self.parameters)
        scores = "logits" if over == "vectors" else "scores"
        for i, layer in enumerate(layers):
            weight, bias = constant(f"weight_{i}", layer[:-1]), constant(f"bias_{i}", layer[-1])
            linear = scores if i == len(layers) - 1 else f"linear_{i}"
            if over == "vectors":
                node("Gemm", [f"hidden_{i}", weight, bias], linear)
            else:  # which has no form for three axes
                node("MatMul", [f"hidden_{i}", weight], f"product_{i}")
                node("Add", [f"product_{i}", bias], linear)
            if linear != scores:
                node("Relu", [linear], f"hidden_{i + 1}")
        widths = self.shape.widths
        axes: list[str | int] = ["n", widths[0]]
        if over != "vectors":
            axes = ["n", "windows", widths[0]]
            tiny, one = constant("tiny", TINY), constant("one", 1 - 2**-24)
            if over == "windows of one":
                node("Softmax", [scores], "likely", axis=2)
            else:
                node("Sigmoid", [scores], "likely")
            node("ReduceMean", ["likely"], "average", axes=[1], keepdims=0)
            node("Clip", ["average", tiny, one], "mean_likely")
            if over == "windows of one":
                node("Log", ["mean_likely"], "logits")
            else:
                node("Sub", [constant("whole", 1.0), "mean_likely"], "unlikely")
                node("Div", ["mean_likely", "unlikely"], "odds")
                node("Log", ["odds"], "logits")
        graph = helper.make_graph(
            nodes,
            "earmark",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, axes)],
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
