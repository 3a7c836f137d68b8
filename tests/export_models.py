"""Models of every kind, small and of random weights: what exports are tried with where training would say no more."""

from __future__ import annotations

import numpy as np
import onnx

from earmark.bundle import Bundle, Member
from earmark.decide import Decision
from earmark.decide.blend import Share
from earmark.encoders import remember
from earmark.features import Encoder, LogMel, Mfcc, Stats
from earmark.models import Cnn, CnnNetwork
from earmark.models.dense import Shape
from earmark.models.dictionary import Codebook, TrainedDictionary
from earmark.models.network import Network
from earmark.models.rocket import LENGTH, Kernels, TrainedRocket
from earmark.predict import with_golden
from earmark.types import Waveform
from tiny_encoder import small_yamnet

RATE, LABELS = 16_000, ("a", "b", "c")
SMALL = {"sample_rate": RATE, "n_fft": 400, "hop_length": 160, "n_mels": 20}


def waveforms(rate: int) -> dict[str, np.ndarray]:
    """Sounds float32[T] of many lengths and kinds, quiet and loud, also such as nobody records."""
    rng, t = np.random.default_rng(0), np.arange(2 * rate) / rate
    loud = 0.3 * rng.standard_normal(2 * rate)
    made = {
        "noise": loud,
        "swelling": loud * np.linspace(0, 1, len(loud)) ** 4,
        "tone": 0.8 * np.sin(2 * np.pi * 440 * t),
        "tenth of a second": loud[: rate // 10],
        "odd": loud[: rate // 3 * 2 + 1],
        "one sample": loud[:1],
        "silence": np.zeros(rate),
        "constant": np.full(rate, -0.25),
        "click": np.eye(1, rate, rate // 3)[0],
        "clipped": np.sign(loud),
        "faint": 1e-6 * loud,
        "beyond full scale": 100 * loud,
        "half silent": np.where(t < 1, 0, loud),
    }
    return {name: samples.astype(np.float32) for name, samples in made.items()}


def yamnet(**settings) -> Encoder:
    """YAMNet's front end and a small network of random weights, which this process alone knows."""
    return Encoder(sha256=remember(small_yamnet()), **settings)


def network(feature, labels=3, seed=0) -> Network:
    """A dense network that hears each dimension as loud as the others."""
    rng, rate = np.random.default_rng(seed), feature.sample_rate
    each = [feature.extract(Waveform(samples, rate)) for samples in waveforms(rate).values()]
    heard = np.stack([values if values.ndim == 1 else values.mean(axis=0) for values in each])
    scale = (1 / (heard.std(axis=0) + 1e-3)).astype(np.float32)
    return Network(*_dense(rng, (feature.dims, 8, labels)), heard.mean(axis=0), scale)


def _dense(rng, widths):
    shape = Shape(widths)
    return shape, (rng.standard_normal(shape.size) / np.sqrt(widths[0])).astype(np.float32)


def _head(rng, inputs) -> Network:
    shape, parameters = _dense(rng, (inputs, 3))
    return Network(shape, parameters, np.zeros(inputs, np.float32), np.ones(inputs, np.float32))


def dictionary(mels: int, frames=3, components=6, words=10) -> TrainedDictionary:
    rng = np.random.default_rng(1)
    whitening = rng.standard_normal((frames * mels, components)) / 40
    whitening -= whitening.mean(axis=0)
    found = rng.standard_normal((components, words))
    found /= np.linalg.norm(found, axis=0)
    offset = np.zeros(components)
    book = Codebook(*(array.astype(np.float32) for array in (whitening, offset, found)), frames)
    return TrainedDictionary(book, _head(rng, 3 * words))


def rocket(mels: int, kernels=8) -> TrainedRocket:
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((2, LENGTH * mels, kernels)).astype(np.float32) / 100
    weights -= weights.mean(axis=1, keepdims=True)
    starts = rng.standard_normal((2, 2, kernels)).astype(np.float32)
    return TrainedRocket(Kernels(weights, starts, np.array([1, 20])), _head(rng, 4 * kernels))


def cnn(mels: int) -> CnnNetwork:
    rng, made = np.random.default_rng(3), Cnn(channels=(4, 6), window=20)
    weights = {"mean": np.full(mels, -10.0), "scale": np.full(mels, 0.1), "window": np.array([20.0])}
    for i, layer in enumerate(made.layers(made.window)):
        weights[f"kernel_{i}"] = rng.standard_normal((layer.outputs, layer.inputs, 3, 3)) / 3
        weights[f"bias_{i}"] = rng.standard_normal(layer.outputs) / 3
    weights |= {"weight": rng.standard_normal((12, 3)) / 2, "bias": np.zeros(3)}
    return CnnNetwork(made, {name: np.asarray(array, np.float32) for name, array in weights.items()})


def bundle(*members, several=False, temperature=1.0) -> Bundle:
    """A classifier of features, ONNX networks and their shares."""
    made = [Member(f, {"name": "mlp"}, onnx, Share(*share)) for f, onnx, *share in members]
    return with_golden(Bundle(LABELS, tuple(made), decision=Decision(temperature, exclusive=not several)))


def every_kind() -> dict[str, Bundle]:
    """A model of each kind, over each feature that differs in what its graph is made of."""
    log_mel, stats, mfcc = LogMel(**SMALL), Stats(**SMALL, n_mfcc=8), Mfcc(**SMALL, n_mfcc=12)
    heard, encoder = mfcc, yamnet()
    courses = Mfcc(**SMALL, n_mfcc=20, statistics=())
    dense = network(encoder).graph("windows of one")
    return {
        "mlp, mfcc": bundle((heard, network(heard).to_onnx())),
        "mlp, stats, several labels": bundle((stats, network(stats).to_onnx()), several=True, temperature=1.7),
        "dictionary, log_mel": bundle((log_mel, dictionary(20).to_onnx())),
        "rocket, log_mel": bundle((log_mel, rocket(20).to_onnx())),
        "cnn, log_mel": bundle((log_mel, cnn(20).to_onnx())),
        "cnn, mfcc over time": bundle((courses, cnn(20).to_onnx())),
        "linear, windows of an encoder": bundle((encoder, dense)),
        "a blend": bundle(
            (stats, network(stats).to_onnx(), 0.5, 1.5),
            (encoder, dense, 0.3, 0.7),
            (log_mel, rocket(20).to_onnx(), 0.2),
        ),
    }  # fmt: skip


def operators(data: bytes) -> set[str]:
    """The kinds of operators that an ONNX file has."""
    return {step.op_type for step in onnx.load_model_from_string(data).graph.node}
