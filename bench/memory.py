"""``python bench/memory.py``: how much memory extraction and the data doctor take, with all their processes.

A recording of three hours in windows, and a table of 100,000 cuts, both with log_mel; and the doctor on that table.
Resident memory is read from /proc every 50 ms, so this runs on Linux only; everything is made up, and deleted
afterwards. Exit status 1 when a bar was not met. ``--quick`` is a smoke test on tiny sizes, its figures mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE, CHANNELS = 44_100, 2
INTERVAL = 0.05
MIB = 2**20
FORMATS = {
    "wav": "PCM_16",
    "flac": "PCM_16",
    "mp3": "MPEG_LAYER_III",
    "ogg": "VORBIS",
    "m4a": "aac",
    "webm": "libopus",
}
BY_FFMPEG = {"m4a": "ipod", "webm": "webm"}  # what it calls these containers
FILES = 4  # that the table's cuts are of


@dataclass
class Peaks:
    """The most that was seen, bytes: of all processes at one moment, of the first, of the largest of the others."""

    together: int = 0
    parent: int = 0
    worker: int = 0


def watch(parent: int, peaks: Peaks, over: threading.Event) -> None:
    """Look at a process and all that it started until ``over`` is set."""
    while not over.wait(INTERVAL):
        sizes = {pid: resident(pid) for pid in family(parent)}
        peaks.together = max(peaks.together, sum(sizes.values()))
        peaks.parent = max(peaks.parent, sizes.pop(parent, 0))
        peaks.worker = max(peaks.worker, *sizes.values(), 0)


def family(parent: int) -> Iterator[int]:
    yield parent
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        threads = [t.name for t in Path(f"/proc/{parent}/task").iterdir() if t.name != str(parent)]
        for thread in threads:  # a thread may have started it
            children += Path(f"/proc/{parent}/task/{thread}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def recording(path: Path, seconds: float, seed: int) -> None:
    """Write a long sound block by block: noise that swells, and a tone that differs from block to block."""
    kind = path.suffix[1:]
    rate = 48_000 if kind == "webm" else RATE  # Opus knows no other
    if kind in BY_FFMPEG:
        by_ffmpeg(path, kind, rate, blocks(seconds, seed, rate))
        return
    with soundfile.SoundFile(path, "w", rate, CHANNELS, FORMATS[kind]) as file:
        for block in blocks(seconds, seed, rate):
            file.write(block)


def blocks(seconds: float, seed: int, rate: int) -> Iterator[np.ndarray]:
    """Yield float32[n, channels], ten seconds at a time."""
    rng, block = np.random.default_rng(seed), 10 * rate
    noise = 0.1 * rng.standard_normal((block, CHANNELS)).astype(np.float32)
    t = np.arange(block, dtype=np.float32) / rate
    left = round(seconds * rate)
    while left > 0:
        tone = 0.2 * np.sin(2 * np.pi * rng.uniform(100, 8000) * t)
        yield (noise * rng.uniform(0.1, 1) + tone[:, None])[:left]
        left -= block


def by_ffmpeg(path: Path, kind: str, rate: int, sound: Iterator[np.ndarray]) -> None:
    import av

    with av.open(str(path), "w", format=BY_FFMPEG[kind]) as out:
        stream = out.add_stream(FORMATS[kind], rate=rate, layout="stereo")
        fit = av.AudioResampler(stream.format, "stereo", rate, frame_size=stream.frame_size or 960)
        for block in sound:
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "flt", "stereo")
            frame.rate = rate
            for ready in fit.resample(frame):
                out.mux(stream.encode(ready))
        for ready in fit.resample(None):
            out.mux(stream.encode(ready))
        out.mux(stream.encode(None))


def table(folder: Path, rows: int, cut: float, seconds: float) -> Path:
    """Write a table of cuts, no two the same, of a few recordings."""
    for i in range(FILES):
        recording(folder / f"{i}.wav", seconds, i)
    path, each = folder / "cuts.csv", -(-rows // FILES)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "start", "end"])
        for i in range(rows):
            start = (i // FILES) * (seconds - cut) / each
            writer.writerow([f"{i % FILES}.wav", f"class{i % 10}", f"{start:.6f}", f"{start + cut:.6f}"])
    return path


def _watched(command: list[str]) -> tuple[Peaks, bytes, float]:
    """Run a command; return how much memory it took, what it said, and the seconds."""
    peaks, over = Peaks(), threading.Event()
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        watcher = threading.Thread(target=watch, args=(process.pid, peaks, over))
        watcher.start()
        told, _ = process.communicate()
        over.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"it failed: {' '.join(command)}")
    return peaks, told, time.perf_counter() - began


def _print(name: str, clips: int, peaks: Peaks, size: int, seconds: float, bar: int) -> None:
    shown = (f"{value / MIB:,.0f}" for value in (peaks.together, peaks.parent, peaks.worker, size))
    row = [name, f"{clips:,}", *shown, f"{seconds:,.1f}", f"{clips / seconds:,.0f}", f"{bar}"]
    print(f"| {' | '.join(row)} |", flush=True)


def measure(name: str, data: Path, folder: Path, bar: int, *options: str) -> bool:
    """Extract, and print one row of the table; say whether the bar was met."""
    store = folder / "store"
    command = [sys.executable, "-m", "earmark", "extract", str(data), "--feature", "log_mel", "--json"]
    command += ["--to", str(store), "--progress", "none", *options]
    peaks, told, seconds = _watched(command)
    result = json.loads(told)
    assert result["computed"] == result["clips"], result
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    shutil.rmtree(store)
    _print(name, result["clips"], peaks, size, seconds, bar)
    return peaks.together < bar * MIB


def measure_check(name: str, data: Path, bar: int, *options: str) -> bool:
    """Let the doctor look at a table, and print one row; say whether the bar was met."""
    command = [sys.executable, "-m", "earmark", "check", str(data), "--json", "--progress", "none", *options]
    peaks, told, seconds = _watched(command)
    result = json.loads(told)
    assert result["clips"] == sum(result["classes"].values()), result["verdict"]
    _print(name, result["clips"], peaks, 0, seconds, bar)
    return peaks.together < bar * MIB


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smoke test on tiny sizes")
    parser.add_argument("--hours", type=float, default=3.0, help="length of the recording")
    parser.add_argument("--format", default="wav", choices=FORMATS, help="of the recording")
    parser.add_argument("--rows", type=int, default=100_000, help="of the table; 0 leaves it out")
    parser.add_argument("--cut", type=float, default=0.5, help="seconds of each row")
    parser.add_argument("--workers", type=int, help="processes; one a core by default")
    options = parser.parse_args()
    hours, rows = (0.05, 500) if options.quick else (options.hours, options.rows)
    workers = [] if options.workers is None else ["--workers", str(options.workers)]
    print("| what | clips | all MiB | parent MiB | worker MiB | store MiB | s | clips/s | bar MiB |")
    print(f"| - |{' -: |' * 8}")
    met = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if hours:
            path = folder / f"recording.{options.format}"
            recording(path, hours * 3600, 0)
            told = f"{hours:g} h of {options.format} in windows of 4 s"
            met.append(measure(told, path, folder, 500, "--window", "4", *workers))
            path.unlink()
        if rows:
            cuts = table(folder, rows, options.cut, 30 if options.quick else 600)
            told = f"{rows:,} cuts of {options.cut:g} s"
            met.append(measure(told, cuts, folder, 1500, "--layout", "table", *workers))
            met.append(measure_check(f"check on {told}", cuts, 400, "--layout", "table", *workers))
    return int(not options.quick and not all(met))


if __name__ == "__main__":
    sys.exit(main())
