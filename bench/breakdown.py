"""Where the time of one clip goes, step by step, beside what its operations cost on arrays that are already there."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clips import RATE, SECONDS, make_clips
from contenders import with_earmark
from earmark.audio import resample, riff
from earmark.audio.fourier import rfft
from earmark.engine import one_blas_thread
from earmark.features import Mfcc
from earmark.features.cepstrum import cosines
from earmark.features.mel import mel_filters
from interleave import one_core
from table import Section, number

STEPS = (
    "read",
    "convert to float",
    "mix to mono",
    "resample",
    "window",
    "FFT",
    "power and mel",
    "logarithm, mean, DCT",
)
COLUMNS = ("Step", "kaiser_fast, ms", "soxr_hq, ms", "floor, ms", "What the floor is")
N_FFT, HOP, N_MELS, TARGET = 2048, 512, 128, 22_050
PIECE = 64  # frames at a time, as in earmark.features.mel


def measure(quick: bool) -> Section:
    count, rounds = (2, 2) if quick else (40, 15)
    with tempfile.TemporaryDirectory() as folder, one_core() as pinned, one_blas_thread():
        paths, told = make_clips(Path(folder), count)
        spent: dict[str, list[list[float]]] = {"kaiser_fast": [], "soxr_hq": []}
        whole: dict[str, list[float]] = {"kaiser_fast": [], "soxr_hq": []}
        floors = _floors(paths[0])
        extract = {method: with_earmark(Mfcc(resampler=method)) for method in spent}
        for method in spent:  # warm-up
            _milliseconds(extract[method], paths)
            _stepwise(paths, method)
        floor: dict[str, list[float]] = {step: [] for step in floors}
        for _ in range(rounds):
            for method in spent:
                spent[method].append(_stepwise(paths, method))
                whole[method].append(_milliseconds(extract[method], paths))
            for step, (_, work) in floors.items():
                floor[step].append(_milliseconds(work, paths))
    steps = {
        method: [statistics.median(lap) for lap in zip(*laps, strict=True)] for method, laps in spent.items()
    }
    least = {step: statistics.median(values) for step, values in floor.items()}
    grid = [COLUMNS]
    for i, step in enumerate(STEPS):
        grid.append((step, *(number(steps[m][i]) for m in steps), number(least[step]), floors[step][0]))
    total = {method: statistics.median(values) for method, values in whole.items()}
    grid.append(("the rest", *(number(total[m] - sum(steps[m])) for m in total), "", ""))
    grid.append(
        ("**the whole**", *(number(total[m]) for m in total), number(sum(least.values())), "their sum")
    )
    notes = [
        f"{told}; page cache warm. CPU time; the steps are Earmark's own operations one by one, the whole is measured "
        "by itself and the rest is what remains (it may fall below zero: taking times costs time).",
        f"{rounds} rounds over all clips; {'one core' if pinned else 'not pinned'}, one BLAS thread.",
    ]
    return Section("Breakdown of one clip", notes, [], grid)


class _Laps:
    """A stopwatch that knows what the time was spent on."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STEPS, 0.0)
        self.last = time.process_time()

    def end(self, step: str | None) -> None:
        now = time.process_time()
        if step:
            self.spent[step] += now - self.last
        self.last = time.process_time()


def _stepwise(paths: list[Path], method: str) -> list[float]:
    """Return milliseconds a clip of each step, done as the library does it."""
    wide = np.zeros(2 * RATE * SECONDS, np.float32)
    windowed, window = np.zeros((PIECE, N_FFT), np.float32), np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    padded, mel = np.zeros(TARGET * SECONDS + N_FFT, np.float32), np.zeros((200, N_MELS), np.float32)
    bands, transform = banded(), cosines(40, N_MELS)
    laps = _Laps()
    for path in paths:
        laps.end(None)
        with path.open("rb", buffering=0) as file:
            header = riff.parse(file)
            packed = riff.read(file, header, 0, header.frames)
        laps.end("read")
        frames = wide[: packed.size].reshape(packed.shape)
        np.copyto(frames, packed)
        laps.end("convert to float")
        mono = frames @ np.full(header.channels, 1 / 32768 / header.channels, np.float32)
        laps.end("mix to mono")
        samples = resample(mono, header.sample_rate, TARGET, method)
        laps.end("resample")
        padded[N_FFT // 2 : N_FFT // 2 + len(samples)] = samples
        views = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
        for first in range(0, len(views), PIECE):
            laps.end(None)
            chunk = views[first : first + PIECE]
            chunk = np.multiply(chunk, window, out=windowed[: len(chunk)])
            laps.end("window")
            parts = rfft(chunk).view(np.float32)
            laps.end("FFT")
            np.square(parts, out=parts)
            for low, high, columns, filters in bands:
                np.matmul(parts[:, low:high], filters, out=mel[first : first + len(parts), columns])
            laps.end("power and mel")
        power = mel[: len(views)]
        np.maximum(power, np.float32(max(1e-10, float(power.max()) * 1e-8)), out=power)
        np.log(power, out=power).mean(axis=0, dtype=np.float64) @ transform
        laps.end("logarithm, mean, DCT")
    return [1000 * laps.spent[step] / len(paths) for step in STEPS]


def banded() -> list[tuple[int, int, slice, np.ndarray]]:
    """Return the filter bank in eight bands, each over only the bins that it touches."""
    filters = mel_filters(TARGET, N_FFT, N_MELS, 0.0, TARGET / 2)
    bands = []
    for begin in range(0, N_MELS, 16):
        used = np.flatnonzero(filters[begin : begin + 16].any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        doubled = np.repeat(filters[begin : begin + 16, low:high].T, 2, axis=0)
        bands.append((2 * low, 2 * high, slice(begin, begin + 16), np.ascontiguousarray(doubled)))
    return bands


def _floors(path: Path) -> dict[str, tuple[str, Callable[[Path], object]]]:
    """Return for each step what cannot be left out, done at once on memory that is there and warm."""
    count, made = RATE * SECONDS, TARGET * SECONDS
    frames = 1 + made // HOP
    rng = np.random.default_rng(0)
    buffer = bytearray(path.stat().st_size)
    packed = np.zeros((count, 2), np.int16)
    wide, mono = np.zeros((count, 2), np.float32), np.zeros(count, np.float32)
    weights = np.full(2, 0.5, np.float32)
    width = 96  # taps of kaiser_fast at this ratio
    inputs, taps = rng.random((made // 32, width), np.float32), rng.random((width, 32), np.float32)
    outputs = np.zeros((made // 32, 32), np.float32)
    window, windowed = rng.random(N_FFT, np.float32), rng.random((frames, N_FFT), np.float32)
    parts, mel = rng.random((frames, N_FFT + 2), np.float32), np.zeros((frames, N_MELS), np.float32)
    squared, framed = np.zeros_like(parts), rng.random((frames, N_FFT), np.float32)
    bands, transform = banded(), cosines(40, N_MELS).astype(np.float32)
    positive = rng.random((frames, N_MELS), np.float32) + np.float32(0.1)
    shares = np.full(frames, 1 / frames, np.float32)

    def read(path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            file.readinto(buffer)

    def power_and_mel(_: Path) -> None:
        np.square(parts, out=squared)
        for low, high, columns, filters in bands:
            np.matmul(squared[:, low:high], filters, out=mel[:, columns])

    return {
        "read": ("opening it, its bytes into memory", read),
        "convert to float": ("one copy", lambda _: np.copyto(wide, packed)),
        "mix to mono": ("one product", lambda _: np.matmul(wide, weights, out=mono)),
        "resample": (
            "one product with as many taps (kaiser_fast)",
            lambda _: np.matmul(inputs, taps, out=outputs),
        ),
        "window": ("one multiplication", lambda _: np.multiply(framed, window, out=windowed)),
        "FFT": ("one call for all frames", lambda _: rfft(windowed)),
        "power and mel": ("one square, eight products", power_and_mel),
        "logarithm, mean, DCT": ("one call each", lambda _: shares @ np.log(positive, out=mel) @ transform),
    }


def _milliseconds(work: Callable[[Path], object], paths: list[Path]) -> float:
    """Return CPU milliseconds a clip."""
    began = time.process_time()
    for path in paths:
        work(path)
    return 1000 * (time.process_time() - began) / len(paths)
