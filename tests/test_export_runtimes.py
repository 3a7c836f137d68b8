"""An exported file in other hands: in onnxruntime-web under Node, in OpenVINO, and with nothing of ours at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from earmark.export import Source
from earmark.export.graph import operators
from earmark.export.onnx import onnx_of
from earmark.export.quantize import quantize
from earmark.predict import Predictor
from earmark.types import Waveform
from export_models import every_kind, waveforms

NODE = Path(__file__).parent / "node"

# Operators that ONNX Runtime, its build for browsers and OpenVINO all run. One that is not in here is looked up in
# their lists, and tried with the tests below.
EVERYWHERE = {
    "Abs", "Add", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Div", "Exp", "Flatten", "Gather", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "Less", "Log", "MatMul", "Max", "MaxPool", "Min", "Mul", "Pad", "Range",
    "ReduceMax", "ReduceMean", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax",
    "Sqrt", "Squeeze", "Sub", "Sum", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
KINDS = list(every_kind())


@pytest.fixture(scope="module")
def models():
    return every_kind()


@pytest.fixture(scope="session")
def node() -> Path:
    """A folder with onnxruntime-web, of the version in tests/node; installed once and kept."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"'{tool}' is not installed: onnxruntime-web cannot be tried")
    lock = (NODE / "package-lock.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = caches / f"earmark-tests-node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (folder / "node_modules").is_dir():
        growing = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.copytree(NODE, growing)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=growing, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        try:
            growing.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(growing)
    shutil.copy(NODE / "run.mjs", folder / "run.mjs")
    return folder


def by_node(folder: Path, model: Path, batch: np.ndarray) -> np.ndarray:
    done = subprocess.run(
        ["node", "run.mjs", model, *map(str, batch.shape)], cwd=folder, input=batch.tobytes(), capture_output=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert (told["inputs"], told["outputs"]) == (["waveform"], ["probabilities"])
    return np.array(told["values"], np.float32).reshape(told["shape"])


def wanted(made, batch: np.ndarray) -> np.ndarray:
    predictor, rate = Predictor(made, self_test=False), made.feature.sample_rate
    return np.stack([predictor.score_waveform(Waveform(samples, rate)) for samples in batch])


def batches(rate: int) -> list[np.ndarray]:
    """One sound of each length, and some of a length together."""
    sounds = waveforms(rate)
    some = np.stack([samples for samples in sounds.values() if len(samples) == rate])
    return [some, *(sounds[name][None] for name in ("tenth of a second", "odd", "noise"))]


@pytest.mark.parametrize("kind", KINDS)
def test_only_operators_that_run_everywhere(kind, models):
    for made in (models[kind], quantize(models[kind])):
        assert set(operators(onnx_of(Source(made, Path(), "")))) <= EVERYWHERE


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_onnxruntime_web_gives_the_same(kind, models, node, tmp_path):
    made = models[kind]
    (tmp_path / "m.onnx").write_bytes(onnx_of(Source(made, Path(), "")))
    for batch in batches(made.feature.sample_rate):
        found = by_node(node, tmp_path / "m.onnx", batch)
        np.testing.assert_allclose(found, wanted(made, batch), atol=1e-4)


@pytest.mark.slow
def test_onnxruntime_web_runs_eight_bits(models, node, tmp_path):
    small = quantize(models["cnn, log_mel"])
    (tmp_path / "m.onnx").write_bytes(onnx_of(Source(small, Path(), "")))
    (batch, *_) = batches(small.feature.sample_rate)
    np.testing.assert_allclose(by_node(node, tmp_path / "m.onnx", batch), wanted(small, batch), atol=1e-4)


@pytest.mark.slow
def test_onnxruntime_web_runs_a_trained_model_for_a_minute(node, tone_model, tmp_path):
    made = Source.read(tone_model)
    (tmp_path / "m.onnx").write_bytes(onnx_of(made))
    rate = made.bundle.feature.sample_rate
    minute = np.resize(waveforms(rate)["swelling"], 60 * rate)[None]
    np.testing.assert_allclose(
        by_node(node, tmp_path / "m.onnx", minute), wanted(made.bundle, minute), atol=1e-4
    )


@pytest.mark.parametrize("eight_bits", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_openvino_gives_the_same(kind, eight_bits, models, tmp_path):
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    made = quantize(models[kind]) if eight_bits else models[kind]
    (tmp_path / "m.onnx").write_bytes(onnx_of(Source(made, Path(), "")))
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would compute in half precision by default
    model = core.compile_model(core.read_model(tmp_path / "m.onnx"), "CPU", exact)
    for batch in batches(made.feature.sample_rate):
        found = next(iter(model(batch).values()))
        np.testing.assert_allclose(found, wanted(made, batch), atol=1e-4)
