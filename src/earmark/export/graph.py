"""`SoundGraph`: an ONNX graph from ``waveform`` to ``probabilities``, which takes in graphs that there are already."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ExportError
from earmark.models.graph import Graph
from earmark.models.network import IR_VERSION, OPSET

WAVEFORM, PROBABILITIES = "waveform", "probabilities"
FLOAT, INTEGER, DOUBLE = 1, 7, 11  # as ONNX numbers its types
_OWN = ("", "ai.onnx")  # the names of ONNX's own domain


class SoundGraph(Graph):
    """A graph whose input is ``waveform`` float32[batch, samples], of which both are free.

    Raises
    ------
    MissingExtraError
        When onnx is not installed.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self._made: dict[Hashable, Any] = {}
        self._included = 0

    def constant(self, value: NDArray[Any], double: bool = False) -> str:
        """Add float32 or int64 numbers, or float64 ones."""
        if not double:
            return super().constant(value)
        name = f"constant_{len(self._constants)}"
        self._constants.append(self._to_tensor(np.array(value, np.float64, order="C"), name))
        return name

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what ``make`` adds; the second time, what it added: networks that hear the same share it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def size(self, value: str, axis: int) -> str:
        """Add the length of an axis, int64[1]."""
        return self.node("Gather", self.node("Shape", value), np.array([axis]))

    def numbers(self, count: str) -> str:
        """Add 0, 1, … up to below ``count`` int64[1]."""
        return self.node("Range", np.array(0), self.node("Squeeze", count, np.array([0])), np.array(1))

    def slice(self, value: str, begin: Any, end: Any, axis: int) -> str:
        """Add a part of an axis; where it begins and ends are numbers, or values int64[1]."""
        first, last = (bound if isinstance(bound, str) else np.array([bound]) for bound in (begin, end))
        return self.node("Slice", value, first, last, np.array([axis]))

    def include(self, network: bytes, fed: str) -> str:
        """Add the operators of a whole network of one input and one output; return that output.

        Raises
        ------
        ExportError
            When it has operators that are not ONNX's own, or newer than this graph's.
        """
        model = self._as_ours(network)
        inner, self._included = model.graph, self._included + 1
        prefix = f"network_{self._included}/"
        weights = {tensor.name for tensor in inner.initializer}
        (source,) = (value.name for value in inner.input if value.name not in weights)
        names = {source: fed, "": ""}

        def named(name: str) -> str:
            return names.get(name, prefix + name)

        for tensor in inner.initializer:
            tensor.name = prefix + tensor.name
            self._constants.append(tensor)
        for i, step in enumerate(inner.node):
            step.name = f"{prefix}{i}"
            for names_of in (step.input, step.output):
                names_of[:] = [named(name) for name in names_of]
            for attribute in step.attribute:
                if attribute.HasField("g") or len(attribute.graphs):
                    raise ExportError(
                        f"A network of this model has a loop or a branch ({step.op_type}), which is not taken into one"
                        " graph."
                    )
            self._nodes.append(step)
        return named(inner.output[0].name)

    def _as_ours(self, network: bytes) -> Any:
        model = self._onnx.load_model_from_string(network)
        versions = {known.domain: known.version for known in model.opset_import}
        foreign = sorted({step.domain for step in model.graph.node} - set(_OWN))
        if foreign:
            raise ExportError(
                f"A network of this model has operators of {', '.join(foreign)}, which not every runtime has."
            )
        version = max(version for domain, version in versions.items() if domain in _OWN)
        if version == OPSET:
            return model
        try:
            from onnx import version_converter

            return version_converter.convert_version(model, OPSET)
        except Exception as error:  # it has no common base for what it raises
            reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise ExportError(
                f"A network of this model is of ONNX's operator set {version}, and cannot be brought to {OPSET}:"
                f" {reason}"
            ) from None

    def takes(self, network: bytes) -> list[int]:
        """Return the shape of a network's input; 0 stands for an axis that is free."""
        inner = self._onnx.load_model_from_string(network).graph
        weights = {tensor.name for tensor in inner.initializer}
        (source,) = (value for value in inner.input if value.name not in weights)
        return [int(axis.dim_value) for axis in source.type.tensor_type.shape.dim]

    def to_file(self, output: str, shape: Sequence[str | int], metadata: Mapping[str, str]) -> bytes:
        """Return the whole, checked: it gives ``output`` float32 of this shape, and has ``metadata`` in it."""
        of, kind = self._helper.make_tensor_value_info, self._onnx.TensorProto.FLOAT
        graph = self._helper.make_graph(
            self._nodes,
            "earmark",
            [of(WAVEFORM, kind, ["batch", "samples"])],
            [of(output, kind, list(shape))],
            self._constants,
        )
        opsets = [self._helper.make_opsetid("", OPSET)]
        model = self._helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="earmark"
        )
        self._helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString()
        return serialized
