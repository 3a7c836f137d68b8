"""MFCC means of four-second clips on one core: the tutorial's function, librosa with soxr, and Earmark."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np

from clips import make_clips
from earmark.audio import load
from earmark.engine import one_blas_thread
from earmark.features import Mfcc
from earmark.recipe import Recipe
from earmark.types import Feature
from interleave import interleaved, one_core, ratios
from table import Row, Section

Extractor = Callable[[Path], np.ndarray]

TUTORIAL = "the tutorial's function (librosa, kaiser_fast)"
LIBROSA = "librosa, soxr_hq"
KAISER = "Earmark, kaiser_fast"
SOXR = "Earmark, soxr_hq"
DEFAULT = "Earmark, the default recipe (soxr_hq, four statistics)"


def measure(quick: bool) -> Section:
    count, rounds = (4, 2) if quick else (100, 9)
    contenders = {
        TUTORIAL: _librosa("kaiser_fast"),
        LIBROSA: _librosa("soxr_hq"),
        KAISER: _earmark(Mfcc(resampler="kaiser_fast")),
        SOXR: _earmark(Mfcc(resampler="soxr_hq")),
        DEFAULT: _earmark(Recipe().feature),
    }
    with tempfile.TemporaryDirectory() as folder, one_core() as pinned, one_blas_thread():
        paths, told = make_clips(Path(folder), count)
        # Also the warm-up: the page cache, numba's compiler, everybody's tables.
        found = {name: np.stack([extract(path) for path in paths]) for name, extract in contenders.items()}

        def batch(extract: Extractor) -> Callable[[], object]:
            return lambda: [extract(path) for path in paths]

        timings = interleaved({name: batch(extract) for name, extract in contenders.items()}, rounds)
    cpu = {name: [1000 * s / count for s in t.cpu] for name, t in timings.items()}
    wall = {name: [1000 * s / count for s in t.wall] for name, t in timings.items()}
    rows = [Row(name, "CPU, ms a clip", cpu[name], ratios(cpu[name], cpu[KAISER])) for name in contenders]
    rows += [
        Row(name, "wall, ms a clip", wall[name], ratios(wall[name], wall[KAISER])) for name in contenders
    ]
    for above, below, bar in ((TUTORIAL, KAISER, 18), (LIBROSA, KAISER, 4.5), (LIBROSA, SOXR, 4.5)):
        quotient = ratios(cpu[above], cpu[below])
        rows.append(Row(f"{above} ÷ {below}", "CPU time, ratio", quotient, at_least=bar))
    for ours, theirs in ((KAISER, TUTORIAL), (SOXR, LIBROSA)):
        worst = float(np.abs(found[ours] - found[theirs]).max())
        rows.append(Row(f"{ours}, from {theirs}", "largest difference of any mean", [worst], at_most=1e-3))
    notes = [
        f"{told}; page cache warm; file to 40 MFCC means.",
        f"{rounds} interleaved rounds over all clips; {'one core' if pinned else 'not pinned'}, "
        "one BLAS thread for all.",
        f"Reference: {KAISER}.",
    ]
    return Section("Front end", notes, rows)


def _librosa(res_type: str) -> Extractor:
    def extract(path: Path) -> np.ndarray:
        y, sr = librosa.load(path, res_type=res_type)
        return np.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40).T, axis=0)

    return extract


def _earmark(feature: Feature) -> Extractor:
    return lambda path: feature.extract(load(path, feature.sample_rate, feature.resampler))
