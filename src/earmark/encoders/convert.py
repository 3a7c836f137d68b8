"""YAMNet from TensorFlow Lite to ONNX: convolutions and a mean. Its front end is `earmark.encoders.patches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.encoders.graph import INPUT, OUTPUT
from earmark.encoders.patches import BANDS, FRAMES
from earmark.encoders.tflite import CONV_2D, DEPTHWISE_CONV_2D, MEAN, Graph, Operator, Table, read_tflite
from earmark.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    from earmark.encoders.tflite import Tensor

OPSET, IR_VERSION = 17, 8  # as our own networks have it
_RELU, _RELU6 = 1, 3  # of the schema's ActivationFunctionType
_SAME = 0


def yamnet_to_onnx(data: bytes) -> bytes:
    """Return YAMNet as ONNX: ``sound`` float32[n, 96, 64], log-mel patches, to ``embedding`` float32[n, 1024].

    Weights that are stored as whole numbers stay that, so that the file is small; they become fractions as it is
    loaded, and everything is computed in float32.

    Raises
    ------
    WeightsError
        When the file is damaged, or not YAMNet.
    MissingExtraError
        When onnx is not installed.
    """
    graph = read_tflite(data)
    try:
        return _Writer(graph).model()
    except (LookupError, ValueError, TypeError, AttributeError):
        raise WeightsError(NOT_YAMNET) from None


NOT_YAMNET = "This TensorFlow Lite file is not YAMNet as Earmark knows it. Type: earmark fetch encoder:yamnet"


class _Writer:
    """Writes the steps from the first convolution to the mean that is the embedding."""

    def __init__(self, graph: Graph) -> None:
        try:
            from onnx import helper, numpy_helper
        except ImportError:
            raise MissingExtraError("Converting an encoder", "train", "onnx") from None
        self.make, self.array = helper, numpy_helper
        self.graph = graph
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def model(self) -> bytes:
        steps = {CONV_2D: self._conv, DEPTHWISE_CONV_2D: self._conv}
        body = [op for op in self.graph.operators if op.code in (*steps, MEAN)]
        end = next(i for i, op in enumerate(body) if op.code == MEAN)
        first = self.graph.tensors[body[0].inputs[0]]
        if first.shape != (1, FRAMES, BANDS, 1):
            raise ValueError("another input")
        self.nodes.append(
            self.make.make_node("Unsqueeze", [INPUT, self._weight("axis", np.array([1]))], ["x0"])
        )
        at = body[0].inputs[0]
        for i, op in enumerate(body[:end]):
            if op.inputs[0] != at:
                raise ValueError("not one after the other")
            steps[op.code](op, f"x{i}", f"x{i + 1}")
            at = op.outputs[0]
        if body[end].inputs[0] != at:
            raise ValueError("not one after the other")
        self.nodes.append(self.make.make_node("GlobalAveragePool", [f"x{end}"], ["mean"]))
        self.nodes.append(self.make.make_node("Flatten", ["mean"], [OUTPUT]))
        return self._serialized(self.graph.tensors[at].shape[-1])

    def _conv(self, op: Operator, source: str, target: str) -> None:
        kernel, bias = self.graph.tensors[op.inputs[1]], self.graph.tensors[op.inputs[2]]
        deep = op.code == DEPTHWISE_CONV_2D
        options = op.options
        if kernel.values is None or bias.values is None or options is None:
            raise ValueError("weights that are computed")
        # [out, height, width, in] or, of one filter a channel, [1, height, width, out].
        order = (3, 0, 1, 2) if deep else (0, 3, 1, 2)
        size = kernel.shape[1], kernel.shape[2]
        strides = options.number(2), options.number(1)
        took, gave = self.graph.tensors[op.inputs[0]].shape, self.graph.tensors[op.outputs[0]].shape
        act = self._activation(options, 4 if deep else 3)
        pads = _pads(options, took[1:3], gave[1:3], size, strides)
        names = [source, self._fractions(kernel, order, target), self._weight(f"{target}.bias", bias.values)]
        how = {"kernel_shape": size, "strides": strides, "pads": pads, "group": gave[3] if deep else 1}
        linear = f"{target}.linear" if act else target
        self.nodes.append(self.make.make_node("Conv", names, [linear], **how))
        if act:
            self.nodes.append(act(f"{target}.linear", target))

    def _activation(self, options: Table, field: int) -> Any:
        kind = options.number(field, "<b")
        if kind == _RELU:
            return lambda source, target: self.make.make_node("Relu", [source], [target])
        if kind == _RELU6:
            bounds = [self._weight(name, np.array(v, np.float32)) for name, v in (("zero", 0), ("six", 6))]
            return lambda source, target: self.make.make_node("Clip", [source, *bounds], [target])
        if kind:
            raise ValueError("an activation that YAMNet has not")
        return None

    def _fractions(self, tensor: Tensor, order: tuple[int, ...], name: str) -> str:
        values = np.ascontiguousarray(np.transpose(tensor.values, order))  # type: ignore[arg-type]
        if values.dtype != np.int8:
            return self._weight(f"{name}.kernel", values.astype(np.float32))
        if np.any(tensor.zero) or not len(tensor.scale):
            raise ValueError("whole numbers that are not around zero")
        shape = [1] * 4
        if len(tensor.scale) > 1:
            shape[order.index(tensor.axis)] = -1
        source = self._weight(f"{name}.whole", values)
        scale = self._weight(f"{name}.scale", tensor.scale.reshape(shape))
        self.nodes.append(self.make.make_node("Cast", [source], [f"{name}.cast"], to=1))
        self.nodes.append(self.make.make_node("Mul", [f"{name}.cast", scale], [f"{name}.kernel"]))
        return f"{name}.kernel"

    def _weight(self, name: str, values: NDArray[Any]) -> str:
        if name not in {known.name for known in self.weights}:
            self.weights.append(self.array.from_array(np.ascontiguousarray(values), name))
        return name

    def _serialized(self, size: int) -> bytes:
        import onnx

        make, number = self.make, onnx.TensorProto.FLOAT
        graph = make.make_graph(
            self.nodes,
            "yamnet",
            [make.make_tensor_value_info(INPUT, number, ["n", FRAMES, BANDS])],
            [make.make_tensor_value_info(OUTPUT, number, ["n", size])],
            self.weights,
        )
        opset = [make.make_opsetid("", OPSET)]
        model = make.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="earmark")
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data


def _pads(
    options: Table,
    took: tuple[int, ...],
    gave: tuple[int, ...],
    size: tuple[int, int],
    strides: tuple[int, int],
) -> list[int]:
    """Return what is added before and after each axis: TensorFlow's "same" puts an odd one at the end."""
    if options.number(0, "<b") != _SAME:
        return [0, 0, 0, 0]
    whole = [
        max((out - 1) * stride + kernel - length, 0)
        for length, out, kernel, stride in zip(took, gave, size, strides, strict=True)
    ]
    return [n // 2 for n in whole] + [n - n // 2 for n in whole]
