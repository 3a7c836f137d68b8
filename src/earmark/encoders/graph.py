"""An encoder's ONNX file as Earmark keeps it: one input, the embedding as its one output, nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from earmark.errors import MissingExtraError, WeightsError, nearest

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

INPUT, OUTPUT = "sound", "embedding"
_MOST_NAMED = 12


def embedding_graph(data: bytes, output: str = "") -> bytes:
    """Return an ONNX network that gives the embedding and nothing else.

    What only other outputs need is left out. An embedding of several steps in time, float32[n, steps, size], becomes
    their mean.

    Parameters
    ----------
    data
        ONNX: one input, the sound.
    output
        The tensor that is the embedding: an output, or any tensor within the network. Empty where there is only one
        output.

    Raises
    ------
    WeightsError
        When it is not such a file, or has its weights elsewhere.
    MissingExtraError
        When onnx is not installed.
    """
    model = _loaded(data)
    graph = model.graph
    given = {weights.name for weights in graph.initializer}
    inputs = [value for value in graph.input if value.name not in given]
    if len(inputs) != 1:
        named = ", ".join(value.name for value in inputs) or "none"
        raise WeightsError(f"An encoder takes one input, the sound, but this ONNX file has: {named}.")
    chosen = _chosen(graph, output)
    rank = _rank(model, chosen)
    _prune(graph, inputs[0].name, chosen)
    names = {inputs[0].name: INPUT, chosen: "steps" if rank == 3 else OUTPUT}
    for node in graph.node:
        _rename(node, names)
    if rank == 3:
        _add_mean(model)
    value = inputs[0]
    value.name = INPUT
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(value)
    from onnx import TensorProto, helper

    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None))
    del model.metadata_props[:]
    model.doc_string = graph.doc_string = ""
    kept: bytes = model.SerializeToString()
    if b"location" in kept:
        raise WeightsError(
            "The ONNX file has tensors called 'location', which Earmark takes for files elsewhere. Rename them."
        )
    return kept


def _loaded(data: bytes) -> ModelProto:
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("Converting an encoder", "train", "onnx") from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf has errors of its own, which are not worth its import
        raise WeightsError("This is no ONNX file, or only part of one.") from None
    if not len(model.graph.node):
        raise WeightsError("This is no ONNX file, or only part of one.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise WeightsError("The ONNX file has its weights in other files. Export it as one file.")
    return model


def _tensors(graph: GraphProto) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _tensors(inner)


def _chosen(graph: GraphProto, output: str) -> str:
    outputs = [value.name for value in graph.output]
    if not output:
        if len(outputs) == 1:
            return str(outputs[0])
        raise WeightsError(
            f"Which of the outputs is the embedding? This ONNX file has: {', '.join(outputs) or 'none'}."
            " Type: --output NAME"
        )
    inside = [name for node in graph.node for name in node.output if name]
    if output not in inside:
        last = ", ".join(dict.fromkeys(outputs + inside[-_MOST_NAMED:]))
        raise WeightsError(
            f"The ONNX file has no tensor '{output}'. Its outputs and last tensors: {last}.{nearest(output, inside)}"
        )
    return output


def _rank(model: ModelProto, name: str) -> int | None:
    """Return how many axes a tensor has; ``None`` where the file does not tell."""
    import onnx

    try:
        known = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # a network that it cannot follow may run all the same
        known = model.graph
    for value in (*known.output, *known.value_info):
        if value.name == name and value.type.tensor_type.HasField("shape"):
            return len(value.type.tensor_type.shape.dim)
    return None


def _prune(graph: GraphProto, source: str, chosen: str) -> None:
    """Leave only what the chosen tensor is made from."""
    wanted, kept = {chosen}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= _used(node)
    if source not in wanted:
        raise WeightsError(f"The tensor '{chosen}' of the ONNX file does not depend on the sound.")
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    nodes = list(reversed(kept))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)


def _used(node: NodeProto) -> set[str]:
    """Return the tensors that a step uses, with those that branches and loops within it use."""
    used = set(node.input)
    for attribute in node.attribute:
        for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            for step in inner.node:
                used |= _used(step)
            used |= {value.name for value in inner.output}
    return used


def _rename(node: NodeProto, names: dict[str, str]) -> None:
    node.doc_string = ""
    for list_of in (node.input, node.output):
        for i, name in enumerate(list_of):
            list_of[i] = names.get(name, name)
    for attribute in node.attribute:
        for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            for step in inner.node:
                _rename(step, names)
            for value in inner.output:
                value.name = names.get(value.name, value.name)


def _add_mean(model: ModelProto) -> None:
    from onnx import helper, numpy_helper

    opset = next((known.version for known in model.opset_import if known.domain in ("", "ai.onnx")), 17)
    if opset < 18:
        node = helper.make_node("ReduceMean", ["steps"], [OUTPUT], axes=[1], keepdims=0)
    else:
        import numpy as np

        model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis_of_steps"))
        node = helper.make_node("ReduceMean", ["steps", "axis_of_steps"], [OUTPUT], keepdims=0)
    model.graph.node.append(node)
