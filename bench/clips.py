"""Four-second 44.1 kHz stereo 16-bit wavs: UrbanSound8K's own sounds where they are there, else made up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE, SECONDS = 44_100, 4
_DELAY = 13  # samples between the channels, as of two microphones ten centimetres apart


def make_clips(folder: Path, count: int) -> tuple[list[Path], str]:
    """Write ``count`` wavs below ``folder``; return them and a phrase on what they are."""
    found = _recordings(count)
    told = "of UrbanSound8K, brought to 44.1 kHz" if found else "made up (no UrbanSound8K here)"
    paths = []
    for i in range(count):
        mono = _read(found[i]) if found else _synthesised(i)
        later = np.concatenate([np.zeros(_DELAY, np.float32), mono[:-_DELAY]])
        path = folder / f"clip-{i:03}.wav"
        soundfile.write(path, np.stack([mono, 0.8 * later], axis=1), RATE, subtype="PCM_16")
        paths.append(path)
    return paths, f"{count} clips of {SECONDS} s, 44.1 kHz stereo 16-bit, {told}"


def _recordings(count: int) -> list[Path]:
    """Return ``count`` four-second recordings spread over folds and names, or nothing."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from conftest import DATA  # the one place that says where they are

    files = sorted((DATA / "us8k" / "audio").glob("fold*/*.ogg"))
    long = [path for path in files if soundfile.info(path).duration >= SECONDS - 0.01]
    if len(long) < count:
        return []
    return [long[i * len(long) // count] for i in range(count)]


def _read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, RATE)[: RATE * SECONDS]
    return np.clip(np.pad(mono, (0, RATE * SECONDS - len(mono))), -1, 1)


def _synthesised(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(RATE * SECONDS) / RATE
    tones = sum(np.sin(2 * np.pi * f * t * (1 + 0.1 * t)) for f in rng.uniform(80, 6000, 4))
    envelope = np.exp(-rng.uniform(0.5, 6) * (t % rng.uniform(0.3, 2)))
    return (0.1 * tones * envelope + 0.02 * rng.standard_normal(len(t))).astype(np.float32)
