"""A cluster that is broken on purpose, under the real command: every row exactly once, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from cluster_nodes import Cluster
from earmark.recipe import Recipe
from earmark.store import Store
from table import Row, Section

RATE = 44_100
PATIENCE = 180.0  # seconds for any round


def measure(quick: bool) -> Section:
    clips, rounds = (640, 1) if quick else (2000, 3)
    with tempfile.TemporaryDirectory() as name:
        data = make(Path(name) / "data", clips)
        local = [Extract(data, Path(name) / f"local{i}").finish() for i in range(rounds)]
        wanted = rows(local[0])
        assert len(wanted) == clips
        with Cluster() as cluster:
            nodes = [cluster.add(), cluster.add()]
            cluster.wait(3)
            calm = [Extract(data, Path(name) / f"calm{i}", cluster).finish() for i in range(rounds)]
            broken = {
                "a worker killed, then a node": lambda at: kills(data, at, cluster, nodes),
                "the driver killed, and started again": lambda at: driver_killed(data, at, cluster),
            }
            if cluster.separate and not quick:
                broken["a node cut off in silence"] = lambda at: silence(data, at, cluster, nodes)
            done = {}
            for number, (what, harm) in enumerate(broken.items()):
                while len(nodes) < 2:
                    nodes.append(cluster.add())
                    cluster.wait(1 + len(nodes))
                done[what] = harm(Path(name) / f"broken{number}")
            for run in (*local, *calm, *done.values()):
                same(rows(run), wanted)
        table = [
            Row("local, 2 processes", "wall, s", [run.told["seconds"] for run in local]),
            Row("a cluster of 2 nodes with a processor each", "wall, s", [r.told["seconds"] for r in calm]),
            Row(
                "cluster − local",
                "wall, ms a clip",
                [
                    1000 * (c.told["seconds"] - a.told["seconds"]) / clips
                    for c, a in zip(calm, local, strict=True)
                ],
            ),
            *(Row(what, "wall, s", [run.told["seconds"]]) for what, run in done.items()),
        ]
    where = (
        "a network of its own" if cluster.separate else "one network, since none of its own is allowed here"
    )
    notes = [
        f"`earmark extract` of {clips:,} clips of a second, to a folder that the nodes share; each node in {where}.",
        "Seconds are those of the work, without the command's start. The nodes and the driver share this machine."
        " Most of what a cluster adds is the start of its processes, once a job, and not a matter of clips.",
        "After every round: as many rows as clips, each once, and each to the bit as without a cluster."
        " Where the driver was killed, what it had written was not computed again.",
    ]
    return Section("A cluster, whole and broken", notes, table)


class Extract:
    """``earmark extract``, at work."""

    def __init__(self, data: Path, to: Path, cluster: Cluster | None = None) -> None:
        self.to = to
        self.told: dict[str, Any] = {}
        where = ["--engine", "ray", "--address", cluster.address] if cluster else ["--workers", "2"]
        command = [
            sys.executable, "-m", "earmark", "extract", str(data), "--feature", "mfcc", "--to", str(to), "--json",
            "--progress", "none", *where,
        ]  # fmt: skip
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = cluster.start(command, **pipes) if cluster else subprocess.Popen(command, **pipes)

    def parts(self) -> list[Path]:
        return list(self.to.glob("mfcc-*/*.safetensors"))

    def wait_for_parts(self, count: int) -> None:
        self.until(lambda: len(self.parts()) >= count)

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"it ended too early, or never: {self.process.communicate()}")
            time.sleep(0.005)

    def finish(self) -> Extract:
        out, errors = self.process.communicate(timeout=PATIENCE)
        if self.process.returncode:
            raise RuntimeError(errors.decode())
        self.told = json.loads(out)
        return self

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def kills(data: Path, to: Path, cluster: Cluster, nodes: list[Any]) -> Extract:
    """Kill a worker at its work, and later a node."""
    run = Extract(data, to, cluster)
    run.wait_for_parts(1)
    run.until(nodes[0].kill_worker)
    run.wait_for_parts(3)
    nodes.pop().kill()
    return run.finish()


def driver_killed(data: Path, to: Path, cluster: Cluster) -> Extract:
    """Kill the command itself, and give it again."""
    run = Extract(data, to, cluster)
    run.wait_for_parts(4)
    run.kill()
    kept = len(rows(run))
    again = Extract(data, to, cluster).finish()
    stored, computed = again.told["from_store"], again.told["computed"]
    told = f"{kept} rows were there, {stored} taken over, {computed} computed"
    assert 0 < kept <= stored, told  # on a busy machine the cluster may have done all the rest meanwhile
    assert stored + computed == again.told["clips"]
    return again


def silence(data: Path, to: Path, cluster: Cluster, nodes: list[Any]) -> Extract:
    """Let a node fall silent: it may go on working, and nobody hears of it."""
    run = Extract(data, to, cluster)
    run.wait_for_parts(3)
    node = nodes.pop()
    cluster.cut_off(node)
    try:
        return run.finish()
    finally:
        node.kill()


def make(folder: Path, count: int) -> Path:
    """Write clips of a second, no two of the same sound."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.integers(-3000, 3000, RATE, np.int16), RATE, subtype="PCM_16")
    return folder


def rows(run: Extract) -> dict[bytes, bytes]:
    """Return the values of each row by its clip's key.

    Raises
    ------
    AssertionError
        When a clip stands there twice.
    """
    found: dict[bytes, bytes] = {}
    shelf = Store(run.to).shelf(Recipe().feature)
    names, damaged = shelf.scan()
    assert not damaged
    for name in names:
        part = shelf.read(name)
        ends = np.cumsum(part.frames)
        for key, begin, end in zip(part.keys, ends - part.frames, ends, strict=True):
            assert key.tobytes() not in found, "a clip stands in two parts"
            found[key.tobytes()] = part.values[begin:end].tobytes()
    return found


def same(got: dict[bytes, bytes], wanted: dict[bytes, bytes]) -> None:
    """See that the same clips have the same values, to the bit."""
    assert got.keys() == wanted.keys()
    assert got == wanted
