"""The front end in an exported graph against our own, feature by feature, and what each makes of a sound."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from clips import make_clips
from contenders import Extractor, timed
from earmark.audio import decode
from earmark.audio.resample import resample
from earmark.encoders import remember
from earmark.engine import one_blas_thread
from earmark.export.fronts import alone
from earmark.export.onnx import runner
from earmark.features import Encoder, LogMel, Mfcc, Stats
from earmark.models.graph import Graph
from earmark.types import Feature, Waveform
from interleave import one_core, ratios
from table import Row, Section

BAR = 4.0
EVERY_STATISTIC = ("mean", "std", "delta_mean", "delta_std")


def features() -> dict[str, Feature]:
    """What is measured: each feature as models hear it by default. The encoder is YAMNet's ears with no brain."""
    means = Graph(64)
    mean = means.node("ReduceMean", "features", axes=[1], keepdims=0)
    means.node("MatMul", mean, np.eye(64, 1024), output="logits")
    weights = remember(means.to_bytes(1024))
    return {
        "mfcc": Mfcc(statistics=EVERY_STATISTIC),
        "stats": Stats(),
        "log_mel": LogMel(n_mels=64, n_fft=1024),
        "encoder's patches": Encoder(sha256=weights),
    }


def measure(quick: bool) -> Section:
    count, rounds = (4, 2) if quick else (60, 9)
    rows = []
    with tempfile.TemporaryDirectory() as folder, one_core() as pinned, one_blas_thread():
        paths, told = make_clips(Path(folder), count)
        for name, feature in features().items():
            rows += _rows(name, feature, paths, rounds)
    notes = [
        f"{told}; decoded and brought to the feature's rate beforehand: waveform to features.",
        f"{rounds} interleaved rounds over all clips; {'one core' if pinned else 'not pinned'}, one thread for both.",
    ]
    return Section("Front end in an exported graph", notes, rows)


def _rows(name: str, feature: Feature, paths: list[Path], rounds: int) -> list[Row]:
    sounds = {path: _at(path, feature.sample_rate) for path in paths}
    graph = runner(alone(feature))
    ours, theirs = f"Earmark, {name}", f"ONNX Runtime, {name}"
    contenders: dict[str, Extractor] = {
        ours: lambda path: feature.extract(sounds[path]),
        theirs: lambda path: graph(sounds[path].samples[None])[0],
    }
    found, cpu, _ = timed(contenders, paths, rounds)
    worst = max(float(np.abs(a - b).max()) for a, b in zip(found[ours], found[theirs], strict=True))
    return [
        *(Row(what, "CPU, ms a clip", cpu[what], ratios(cpu[what], cpu[ours])) for what in contenders),
        Row(f"{theirs} ÷ Earmark", "CPU time, ratio", ratios(cpu[theirs], cpu[ours]), at_most=BAR),
        Row(f"{theirs}, from Earmark's", "largest difference of a value", [worst]),
    ]


def _at(path: Path, rate: int) -> Waveform:
    sound = decode(path)
    return Waveform(resample(sound.samples, sound.sample_rate, rate, "soxr_hq"), rate)
