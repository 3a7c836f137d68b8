"""The sounds that are measured: four-second clips, a mixture, short ones, a long one; each format by itself.

UrbanSound8K's own recordings where they are there, else made up; always with fixed seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE, SECONDS = 44_100, 4
_DELAY = 13  # samples between the channels, as of two microphones ten centimetres apart
_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
WAVS = {"16-bit": ("wav", "PCM_16"), "24-bit": ("wav", "PCM_24"), "float": ("wav", "FLOAT")}
COMPRESSED = {"FLAC": ("flac", "PCM_16"), "Ogg": ("ogg", "VORBIS")}


def make_clips(folder: Path, count: int, seconds: float = SECONDS) -> tuple[list[Path], str]:
    """Write ``count`` wavs below ``folder``; return them and a phrase on what they are."""
    found = _recordings(count)
    told = "of UrbanSound8K, brought to 44.1 kHz" if found else "made up (no UrbanSound8K here)"
    paths = []
    for i in range(count):
        mono = _read(found[i]) if found else synthesised(i)
        path = folder / f"clip-{i:03}.wav"
        _write(path, mono[: round(seconds * RATE)], RATE, 2, "PCM_16")
        paths.append(path)
    return paths, f"{count} clips of {seconds:g} s, 44.1 kHz stereo 16-bit, {told}"


def make_mixture(folder: Path, count: int, kinds: dict[str, tuple[str, str]]) -> tuple[list[Path], str]:
    """Write files of the given kinds in turn, of every common rate and of many lengths, mono and stereo."""
    rng = np.random.default_rng(0)
    found = _recordings(count)
    paths = []
    for i in range(count):
        ending, subtype = list(kinds.values())[i % len(kinds)]
        rate = _RATES[(i * 5 + i // 8) % len(_RATES)]
        mono = np.resize(_read(found[i]) if found else synthesised(i), 10 * RATE)
        mono = mono[: round(RATE * np.exp(rng.uniform(np.log(0.5), np.log(10))))]
        path = folder / f"mixed-{i:03}.{ending}"
        _write(path, soxr.resample(mono, RATE, rate), rate, int(rng.integers(1, 3)), subtype)
        paths.append(path)
    return paths, f"{count} files of 0.5 to 10 s, mono and stereo, 8 to 96 kHz, {', '.join(kinds)}"


def make_long(folder: Path, minutes: float) -> tuple[list[Path], str]:
    """Write one long wav."""
    path = folder / "long.wav"
    mono = np.concatenate([synthesised(i) for i in range(4)])
    _write(path, np.resize(mono, round(minutes * 60 * RATE)), RATE, 2, "PCM_16")
    return [path], f"one file of {minutes:g} min, 44.1 kHz stereo 16-bit, made up"


def make_one(path: Path, rate: int, channels: int, subtype: str) -> Path:
    """Write four made-up seconds."""
    _write(path, soxr.resample(synthesised(0), RATE, rate), rate, channels, subtype)
    return path


def seconds_of(paths: list[Path]) -> float:
    return sum(soundfile.info(path).duration for path in paths)


def _write(path: Path, mono: np.ndarray, rate: int, channels: int, subtype: str) -> None:
    later = np.concatenate([np.zeros(_DELAY, np.float32), mono])[: len(mono)]
    each = [mono if i % 2 == 0 else 0.8 * later for i in range(channels)]
    soundfile.write(path, np.clip(np.stack(each, axis=1), -1, 1), rate, subtype=subtype)


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


def synthesised(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(RATE * SECONDS) / RATE
    tones = sum(np.sin(2 * np.pi * f * t * (1 + 0.1 * t)) for f in rng.uniform(80, 6000, 4))
    envelope = np.exp(-rng.uniform(0.5, 6) * (t % rng.uniform(0.3, 2)))
    return (0.1 * tones * envelope + 0.02 * rng.standard_normal(len(t))).astype(np.float32)
