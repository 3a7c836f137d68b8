"""Encoders of the tests' own: ONNX files of a few kilobytes that take and give what large ones do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from earmark.encoders import keep
from earmark.features import Encoder, resolved


def model(nodes, inputs, outputs, weights, opset=17) -> bytes:
    """An ONNX file; inputs and outputs are pairs of name and shape, all float32."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made.SerializeToString()


def small_yamnet(seed: int = 0) -> bytes:
    """Patches [n, 96, 64] to embeddings [n, 1024], as YAMNet has them; of random weights."""
    kernel = np.random.default_rng(seed).standard_normal((64, 1024)).astype(np.float32) / 8
    nodes = [
        helper.make_node("ReduceMean", ["sound"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "kernel"], ["linear"]),
        helper.make_node("Relu", ["linear"], ["embedding"]),
    ]
    return model(nodes, [("sound", ["n", 96, 64])], [("embedding", ["n", 1024])], {"kernel": kernel})


def steps(length: int = 800, classes: int = 3, opset: int = 17) -> bytes:
    """A tagger of waveforms [n, length]: frames of 100 samples, an embedding [n, steps, 4] of each, and logits."""
    rng = np.random.default_rng(1)
    weights = {
        "shape": np.array([0, length // 100, 100], np.int64),
        "kernel": rng.standard_normal((100, 4)).astype(np.float32),
        "head": rng.standard_normal((4, classes)).astype(np.float32),
        "axis": np.array([1], np.int64),
    }
    last = ["hidden", "axis"] if opset >= 18 else ["hidden"]
    how = {"keepdims": 0} if opset >= 18 else {"keepdims": 0, "axes": [1]}
    nodes = [
        helper.make_node("Reshape", ["waveform", "shape"], ["frames"]),
        helper.make_node("MatMul", ["frames", "kernel"], ["linear"]),
        helper.make_node("Tanh", ["linear"], ["hidden"]),
        helper.make_node("ReduceMean", last, ["pooled"], **how),
        helper.make_node("MatMul", ["pooled", "head"], ["logits"]),
    ]
    return model(nodes, [("waveform", ["n", length])], [("logits", ["n", classes])], weights, opset)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def ready(feature, seed: int = 0):
    """The feature, with weights of the tests' own if it needs any."""
    if isinstance(feature, Encoder):
        keep("yamnet", small_yamnet(seed), {})
    return resolved(feature)
