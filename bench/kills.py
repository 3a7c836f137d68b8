"""``python bench/kills.py --kills 200``: `earmark extract` is killed at random moments, and the store compared.

Killed is the command, one of its workers, or the whole family, with SIGKILL; in half of the rounds two runs work on one
store. After some kills one run is left to end: the store must then hold what an undisturbed run's holds, byte for byte,
no process and, once they are old, no temporary file may be left. Linux only. Exit status 1 when anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

CLIPS, RATE, SECONDS = 600, 44_100, 1.0
FEATURES = ("mfcc", "log_mel", "stats")
VICTIMS = ("command", "worker", "family")
PATIENCE = 60.0  # seconds for what must happen at some time
ORPHAN = ".*.part"


def make_clips(folder: Path) -> Path:
    """Write short sounds, no two the same."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(CLIPS):
        soundfile.write(folder / f"{i:03}.wav", 0.1 * rng.standard_normal(int(RATE * SECONDS)), RATE)
    return folder


def start(clips: Path, store: Path, *options: str) -> subprocess.Popen[str]:
    """Begin a run in a session of its own, by which its processes are known."""
    command = [sys.executable, "-m", "earmark", "extract", str(clips), "--layout", "sounds", "--json"]
    command += [
        "--to",
        str(store),
        "--progress",
        "none",
        *(f"--feature={name}" for name in FEATURES),
        *options,
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(run: subprocess.Popen[str]) -> dict[str, int]:
    """Wait for a run that must succeed, and return what it printed."""
    told, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, errors
    result: dict[str, int] = json.loads(told)
    assert not result["skipped"], result
    return result


def family(session: int) -> list[int]:
    """Return the living processes of a session, the first one included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):
                state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its_session) == session and state not in "ZX":
                    found.append(int(entry.name))
    return found


def kill(run: subprocess.Popen[str], victim: str) -> bool:
    """Kill a part of a run, or all of it; say whether there was anything to kill."""
    living = family(run.pid)
    workers = [pid for pid in living if pid != run.pid]
    if run.poll() is not None or (victim == "worker" and not workers):
        return False
    for pid in {"command": [run.pid], "worker": workers[:1], "family": living}[victim]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return True


def settle(run: subprocess.Popen[str]) -> None:
    """Wait until a killed run and all that it started are gone."""
    run.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while left := family(run.pid):
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.02)


def content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.safetensors")}


def keys(store: Path) -> Counter[bytes]:
    """Return how often each clip's key stands in each feature's part of a store."""
    from earmark.store.part import from_buffer

    found: Counter[bytes] = Counter()
    for name, data in content(store).items():
        part = from_buffer(data, name)
        assert part.damaged() == []
        found.update(name.split("/")[0].encode() + key.tobytes() for key in part.keys)
    return found


@dataclass
class Tally:
    """What was seen over many rounds."""

    runs: int = 0
    kills: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    orphans: int = 0
    largest_orphan: int = 0
    mended: int = 0


def measure(clips: Path, store: Path) -> float:
    """Run undisturbed into ``store``, and return how long that takes."""
    began = time.perf_counter()
    result = finish(start(clips, store))
    assert result["computed"] == CLIPS
    return time.perf_counter() - began


def one_round(
    clips: Path, clean: Path, store: Path, moments: list[list[tuple[str, float]]], tally: Tally
) -> None:
    """Kill runs at the given moments, a list of victims and seconds for each step; then compare."""
    for step in moments:
        if len(content(store)) == len(content(clean)):  # nothing is left to disturb
            break
        running = [start(clips, store) for _ in step]
        began = time.perf_counter()
        for run, (victim, moment) in sorted(zip(running, step, strict=True), key=lambda pair: pair[1][1]):
            time.sleep(max(0.0, began + moment - time.perf_counter()))
            tally.kills += 1
            tally.hits[victim] += kill(run, victim)
        for run, (victim, _) in zip(running, step, strict=True):
            if victim == "worker":
                finish(run)  # it does without
            settle(run)
        tally.runs += len(running)
    orphans = [path for path in store.rglob(ORPHAN) if path.is_file()]
    sizes = [path.stat().st_size for path in orphans]
    tally.orphans += len(orphans)
    tally.largest_orphan = max(tally.largest_orphan, *sizes, 0)
    assert max(sizes, default=0) <= max(map(len, content(clean).values()))
    for orphan in orphans:
        os.utime(orphan, (0, 0))
    last = start(clips, store)
    result = finish(last)
    settle(last)
    tally.mended += result["computed"]
    assert result["from_store"] + result["computed"] == CLIPS, result
    assert content(store) == content(clean), f"parts differ: {content(store).keys() ^ content(clean).keys()}"
    assert set(keys(store).values()) == {1}, "a clip stands there twice"
    assert not list(store.rglob(ORPHAN)), "orphans are not swept"
    tally.runs += 1
    tally.rounds += 1


def plan(chance: random.Random, seconds: float, steps: int = 3) -> list[list[tuple[str, float]]]:
    """Return what one round kills and when; half of the steps have two runs at once."""
    return [
        [(chance.choice(VICTIMS), chance.uniform(0, seconds)) for _ in range(chance.choice((1, 2)))]
        for _ in range(steps)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="at least so many")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, tally, wrong = random.Random(options.seed), Tally(), 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips, clean = make_clips(folder / "clips"), folder / "clean"
        seconds = measure(clips, clean)
        print(f"An undisturbed run takes {seconds:.2f} s and leaves {len(content(clean))} parts.", flush=True)
        while tally.kills < options.kills:
            moments = plan(chance, seconds)
            try:
                one_round(clips, clean, folder / f"store {tally.rounds + wrong}", moments, tally)
            except AssertionError as error:
                wrong += 1
                print(f"WRONG after {moments}: {str(error)[:2000]}", flush=True)
    hits = ", ".join(f"{tally.hits[victim]} of a {victim}" for victim in VICTIMS)
    print(f"{tally.kills} kills, {sum(tally.hits.values())} of them of something that ran: {hits}.")
    print(f"{tally.runs} runs in {tally.rounds} rounds; {tally.mended:,} clips were left to the last ones.")
    print(f"{tally.orphans} orphans, the largest of {tally.largest_orphan:,} bytes; all swept when old.")
    print(f"{wrong} rounds went wrong. {time.perf_counter() - began:.0f} s.")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
