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
from earmark.export.onnx import onnx_of
from earmark.export.quantize import quantize
from earmark.predict import Predictor
from earmark.types import Waveform
from export_models import every_kind, operators, waveforms

NODE = Path(__file__).parent / "node"

# Operators that ONNX Runtime, its build for browsers and OpenVINO all run. One that is not in here is looked up in
# their lists, and tried with the tests below.
EVERYWHERE = {
    "Abs", "Add", "Cast", "Clip", "Concat", "Conv", "Div", "Exp", "Flatten", "Gather", "Gemm",
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


def by_node(folder: Path, jobs: list[tuple[Path, list[np.ndarray]]], place: Path) -> list[list[np.ndarray]]:
    """Return what each model says of its batches, all in one process: most of its time goes into starting."""
    asked = []
    for i, (model, sounds) in enumerate(jobs):
        files = [place / f"{i}-{j}.f32" for j in range(len(sounds))]
        for file, batch in zip(files, sounds, strict=True):
            file.write_bytes(batch.tobytes())
        shapes = [{"shape": b.shape, "file": str(f)} for b, f in zip(sounds, files, strict=True)]
        asked.append({"model": str(model), "batches": shapes})
    done = subprocess.run(
        ["node", "run.mjs"], cwd=folder, input=json.dumps(asked), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all((job["inputs"], job["outputs"]) == (["waveform"], ["probabilities"]) for job in told)
    return [[np.reshape(f["values"], f["shape"]) for f in job["found"]] for job in told]


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
        assert operators(onnx_of(Source(made, Path(), ""))) <= EVERYWHERE


@pytest.mark.slow
def test_onnxruntime_web_gives_the_same(models, node, tone_model, tmp_path):
    trained = Source.read(tone_model).bundle
    rate = trained.feature.sample_rate
    minute = [np.resize(waveforms(rate)["swelling"], 60 * rate)[None]]
    tried = {
        **{kind: (made, batches(made.feature.sample_rate)) for kind, made in models.items()},
        "8-bit weights": (quantize(models["cnn, log_mel"]), batches(16_000)),
        "trained, for a minute": (trained, minute),
    }
    jobs = []
    for i, (made, sounds) in enumerate(tried.values()):
        (tmp_path / f"{i}.onnx").write_bytes(onnx_of(Source(made, Path(), "")))
        jobs.append((tmp_path / f"{i}.onnx", sounds))
    for (kind, (made, sounds)), found in zip(tried.items(), by_node(node, jobs, tmp_path), strict=True):
        for batch, probabilities in zip(sounds, found, strict=True):
            np.testing.assert_allclose(probabilities, wanted(made, batch), atol=1e-4, err_msg=kind)


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
