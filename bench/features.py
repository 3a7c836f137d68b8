"""Log-mel and statistics against librosa, and three features of one sound together against one after the other."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import librosa
import numpy as np

from clips import make_clips
from contenders import Extractor, timed, with_earmark
from earmark.audio import decode
from earmark.engine import one_blas_thread
from earmark.features import LogMel, Mfcc, Stats, extract_each
from earmark.features.change import changes, correlations
from earmark.features.stats import whole_frames
from interleave import one_core, ratios
from table import Row, Section

LOG_MEL, THEIR_LOG_MEL = "Earmark, log_mel", "librosa, log-mel"
STATS, THEIR_STATS = "Earmark, stats", "librosa, the same statistics from one spectrum"
TOGETHER, APART = "Earmark, mfcc + log_mel + stats together", "one after the other"
THREE = (Mfcc(), LogMel(), Stats())


def measure(quick: bool) -> Section:
    count, rounds = (4, 2) if quick else (60, 9)
    each = [with_earmark(feature) for feature in THREE]
    contenders: dict[str, Extractor] = {
        LOG_MEL: with_earmark(LogMel()),
        THEIR_LOG_MEL: _log_mel,
        STATS: with_earmark(Stats()),
        THEIR_STATS: _stats,
        TOGETHER: lambda path: extract_each(THREE, decode(path)),
        APART: lambda path: [extract(path) for extract in each],
    }
    with tempfile.TemporaryDirectory() as folder, one_core() as pinned, one_blas_thread():
        paths, told = make_clips(Path(folder), count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, cpu, _ = timed(contenders, paths, rounds)
    rows = [Row(name, "CPU, ms a clip", cpu[name], ratios(cpu[name], cpu[LOG_MEL])) for name in contenders]
    for above, below, bar in (
        (THEIR_LOG_MEL, LOG_MEL, 4.0),
        (THEIR_STATS, STATS, 4.0),
        (APART, TOGETHER, 1.5),
    ):
        rows.append(
            Row(f"{above} ÷ {below}", "CPU time, ratio", ratios(cpu[above], cpu[below]), at_least=bar)
        )
    worst = max(float(np.abs(a - b).max()) for a, b in zip(found[LOG_MEL], found[THEIR_LOG_MEL], strict=True))
    rows.append(Row(f"{LOG_MEL}, from librosa's", "largest difference, dB", [worst], at_most=0.05))
    notes = [
        f"{told}; page cache warm; file to features, soxr_hq.",
        "librosa's statistics are written leanly: everything from one transform; what librosa lacks is ours.",
        f"{rounds} interleaved rounds over all clips; {'one core' if pinned else 'not pinned'}, "
        f"one BLAS thread for all. Reference: {LOG_MEL}.",
    ]
    return Section("Features", notes, rows)


def _log_mel(path: Path) -> np.ndarray:
    y, sr = librosa.load(path, res_type="soxr_hq")
    return librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=sr)).T


def _stats(path: Path) -> np.ndarray:
    y, sr = librosa.load(path, res_type="soxr_hq")
    power = np.abs(librosa.stft(y)) ** 2
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=sr))
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=20)
    centroid = librosa.feature.spectral_centroid(S=power, sr=sr)
    rows = [
        mel,
        mfcc,
        librosa.feature.delta(mfcc),
        centroid,
        librosa.feature.spectral_bandwidth(S=power, sr=sr, centroid=centroid),
        librosa.feature.spectral_rolloff(S=power, sr=sr, roll_percent=0.85),
        librosa.feature.spectral_flatness(S=power, power=1.0),
        librosa.feature.rms(y=y),
        librosa.feature.zero_crossing_rate(y),
    ]
    course = np.concatenate(rows)[:, whole_frames(len(y), 2048, 512)]
    mel, mfcc = course[: len(mel)].T, course[len(mel) :][: len(mfcc)].T
    return np.concatenate([course.mean(axis=1), course.std(axis=1), changes(mfcc), correlations(mel)])
