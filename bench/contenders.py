"""Who takes part in the benchmarks of the front end: each a function from a file to numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile

from earmark.audio import load
from earmark.types import Feature
from interleave import interleaved

Extractor = Callable[[Path], Any]

TUTORIAL = "the tutorial's function (librosa, kaiser_fast)"
LIBROSA = "librosa, soxr_hq"
TORCHAUDIO = "torchaudio"


def with_librosa(res_type: str) -> Extractor:
    """The tutorial's function, word for word but for the resampler."""

    def extract(path: Path) -> np.ndarray:
        y, sr = librosa.load(path, res_type=res_type)
        return np.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40).T, axis=0)

    return extract


def with_earmark(feature: Feature) -> Extractor:
    return lambda path: feature.extract(load(path, feature.sample_rate, feature.resampler))


def with_torchaudio() -> Extractor | None:
    """The same MFCC means by torchaudio, read by soundfile as everywhere; nothing where it is not installed."""
    try:
        import torch
        from torchaudio import transforms
    except ImportError:
        return None
    torch.set_num_threads(1)
    mel = {"n_fft": 2048, "hop_length": 512, "n_mels": 128, "mel_scale": "slaney", "norm": "slaney"}
    mfcc = transforms.MFCC(22_050, 40, melkwargs={**mel, "pad_mode": "constant"})
    resampler = lru_cache(lambda rate: transforms.Resample(rate, 22_050))

    def extract(path: Path) -> np.ndarray:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = torch.from_numpy(samples).mean(dim=1)
        return mfcc(mono if rate == 22_050 else resampler(rate)(mono)).mean(dim=-1).numpy()

    return extract


def timed(
    contenders: dict[str, Extractor], paths: list[Path], rounds: int
) -> tuple[dict[str, list[Any]], dict[str, list[float]], dict[str, list[float]]]:
    """Return what each contender found, and its CPU and wall milliseconds a file, a value a round."""
    # Also the warm-up: the page cache, numba's compiler, everybody's tables.
    found = {name: [extract(path) for path in paths] for name, extract in contenders.items()}

    def batch(extract: Extractor) -> Callable[[], object]:
        return lambda: [extract(path) for path in paths]

    timings = interleaved({name: batch(extract) for name, extract in contenders.items()}, rounds)
    each = 1000 / len(paths)
    cpu = {name: [each * s for s in t.cpu] for name, t in timings.items()}
    wall = {name: [each * s for s in t.wall] for name, t in timings.items()}
    return found, cpu, wall
