"""Two cores against one, threads against processes, and what a second run costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from clips import make_clips
from earmark import engine
from earmark.engine import Local
from earmark.extract import extract
from earmark.readers import read_sounds
from earmark.recipe import Recipe
from earmark.store import Store
from interleave import interleaved, ratios
from table import Row, Section

ONE, TWO = "processes: 1", "processes: 2"
THREAD, THREADS = "threads: 1", "threads: 2"
SPIN, SPINS = "control: 1 spinning process", "control: 2 spinning processes, each on a core of its own"
_TURNS = 6_000_000


class Threads:
    """The engine that Earmark does not use: threads of this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable, items: Iterable) -> Iterator:
        return engine.map(function, items, self.workers)


def measure(quick: bool) -> Section:
    count, rounds, turns = (24, 1, _TURNS // 50) if quick else (768, 7, _TURNS)
    feature = Recipe().feature
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        _, told = make_clips(folder / "clips", min(count, 96))
        _copy(folder / "clips", count)
        dataset = read_sounds(folder / "clips", "sounds")
        places = iter(range(10**6))

        def fresh(how: object) -> Callable[[], object]:
            return lambda: extract(
                dataset, feature, engine=how, store=Store(folder / f"store-{next(places)}")
            )

        fresh(Local(2))()  # starts the workers and warms the page cache
        contenders = {
            ONE: fresh(Local(1)),
            TWO: fresh(Local(2)),
            THREAD: fresh(Threads(1)),
            THREADS: fresh(Threads(2)),
        }
        contenders |= {SPIN: lambda: _spin([0], turns), SPINS: lambda: _spin([0, 1], turns)}
        walls = {name: timing.wall for name, timing in interleaved(contenders, rounds).items()}
        store = Store(folder / "kept")
        seconds: dict[str, list[float]] = {"first": [], "second": [], "changed": []}
        computed = []
        for _ in range(rounds):
            store.prune(keep=0)
            _timed(seconds["first"], lambda: extract(dataset, feature, store=store))
            _timed(seconds["second"], lambda: extract(dataset, feature, store=store))
            _change(folder / "clips" / dataset.clips[0].path)
            progress = []
            _timed(
                seconds["changed"], lambda into=progress: extract(dataset, feature, into.append, store=store)
            )
            computed.append(float(progress[-1].so_far.computed))
            if computed[-1] != 1:
                raise RuntimeError(f"one file changed, {computed[-1]} clips computed")
    clips = len(dataset.clips)
    rows = [
        Row(what, "wall, s" if what in (SPIN, SPINS) else "wall, ms a clip", _scaled(what, series, clips))
        for what, series in walls.items()
    ]
    control = [2 * one / two for one, two in zip(walls[SPIN], walls[SPINS], strict=True)]
    gain = ratios(walls[ONE], walls[TWO])
    whole = (
        statistics.median(control) >= 1.9
    )  # else the machine has less than two cores to give, and the bar is relative
    rows += [
        Row(f"{ONE} ÷ {TWO}", "wall, ratio", gain, at_least=1.7 if whole else None),
        Row(f"{THREAD} ÷ {THREADS}", "wall, ratio", ratios(walls[THREAD], walls[THREADS])),
        Row("control: what two cores give at all", "wall, ratio", control),
        Row(
            "processes, against the control",
            "ratio of ratios",
            ratios(gain, control),
            at_least=None if whole else 0.85,
        ),
        Row("first run", "wall, s", seconds["first"]),
        Row("second run, nothing changed", "wall, s", seconds["second"]),
        Row(
            "second run, against the first",
            "share",
            ratios(seconds["second"], seconds["first"]),
            at_most=0.03,
        ),
        Row("third run, one file changed", "wall, s", seconds["changed"]),
        Row("third run", "clips computed", computed, at_most=1),
    ]
    notes = [
        f"{clips} files: {told.partition(' of ')[2]}; the default recipe's feature, through `extract`.",
        f"{rounds} interleaved rounds, workers started before. The control counts, each process pinned to a core.",
    ]
    return Section("Every core, and the store", notes, rows)


def _copy(folder: Path, count: int) -> None:
    """Make more files by turning the sounds there in time: none is the same sound as another."""
    originals = sorted(folder.glob("*.wav"))
    for i in range(len(originals), count):
        samples, rate = soundfile.read(originals[i % len(originals)], dtype="int16")
        turned = (i // len(originals)) * rate // 8
        soundfile.write(
            folder / f"turned-{i:04}.wav", np.roll(samples, -turned, axis=0), rate, subtype="PCM_16"
        )


def _change(path: Path) -> None:
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::-1], rate, subtype="PCM_16")


def _spin(cores: list[int], turns: int) -> None:
    code = f"x = 0\nfor i in range({turns}): x = (x * 3 + i) % 1000003"
    pin = "import os, sys; os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[int(sys.argv[1])]})\n"
    where = pin if hasattr(os, "sched_setaffinity") else ""
    running = [subprocess.Popen([sys.executable, "-c", where + code, str(core)]) for core in cores]
    if any(process.wait() for process in running):
        raise RuntimeError("a spinning process failed")


def _scaled(what: str, series: list[float], clips: int) -> list[float]:
    return series if what in (SPIN, SPINS) else [1000 * s / clips for s in series]


def _timed(into: list[float], work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    into.append(time.perf_counter() - began)
