"""A model over HTTP: eight clients that send four-second clips, against the same prediction within one process.

The bar counts the clients' own work as well: they run on the same cores.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from clips import make_clips
from table import Row, Section

CLIENTS = 8
_ALONE = """\
import sys, time
from pathlib import Path
from earmark.predict import Predictor
predictor, until, times = Predictor.open(Path(sys.argv[1])), time.perf_counter() + float(sys.argv[3]), []
predictor.predict(sys.argv[2])
while time.perf_counter() < until:
    began = time.perf_counter()
    predictor.predict(sys.argv[2])
    times.append(time.perf_counter() - began)
print(sum(times) / len(times))
"""


def measure(quick: bool) -> Section:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from serving import serving

    rounds, seconds = (1, 2.0) if quick else (6, 10.0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare = [sys.executable, str(Path(__file__).with_name("coldstart_model.py")), name]
        subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
        (clip,), told = make_clips(folder, 1)
        model, data = folder / "model.earmark", clip.read_bytes()
        alone: list[float] = []
        together: list[float] = []
        rate: list[float] = []
        times: list[float] = []
        bad = 0
        with serving(model) as server:
            _clients(server.port, data, 1.0)  # warm-up
            for _ in range(rounds):  # by turns, for a machine has good and bad minutes
                alone += _within(1, model, clip, seconds / 4)
                together.append(statistics.mean(_within(cores, model, clip, seconds / 4)))
                found, failed, wall = _clients(server.port, data, seconds)
                rate.append(len(found) / wall)
                times += found
                bad += failed
    times.sort()
    p50, p99 = times[len(times) // 2], times[int(0.99 * len(times))]
    share = [r * t / cores for r, t in zip(rate, together, strict=True)]
    of_one = [r * t / cores for r, t in zip(rate, alone, strict=True)]
    rows = [
        Row("within a process", "ms a clip, one at work", [1000 * a for a in alone]),
        Row("within a process", f"ms a clip, {cores} at work", [1000 * t for t in together]),
        Row(f"{CLIENTS} clients", "clips a second", rate),
        Row(f"{CLIENTS} clients", "answers that are no 200", [float(bad)], at_most=0),
        Row(f"{CLIENTS} clients", "median latency, ms", [1000 * p50]),
        Row(f"{CLIENTS} clients", "99th percentile ÷ median", [p99 / p50], at_most=12),
        Row(
            f"{CLIENTS} clients", f"throughput ÷ ({cores} ÷ time of one process alone)", of_one, at_least=0.7
        ),
        Row(f"{CLIENTS} clients", f"throughput ÷ ({cores} ÷ time of each of {cores} at once)", share),
    ]
    notes = [
        f"{told}; {len(data):,} bytes each, sent over loopback by {CLIENTS} clients on kept connections for"
        f" {rounds * seconds:g} s in all, {len(times):,} requests. Clients, server and workers share the"
        f" {cores} cores.",
        f"Before each round one process predicts the same clip, and then {cores} at once; the"
        " round's throughput is held against both.",
    ]
    return Section("Serving", notes, rows)


def _within(processes: int, model: Path, clip: Path, seconds: float) -> list[float]:
    """Return the seconds that a clip takes in each of some processes, which work at the same time."""
    command = [sys.executable, "-c", _ALONE, str(model), str(clip), str(seconds)]
    # One thread each: a prediction that took both cores for its matrix products could not be done twice at once.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=alone) for _ in range(processes)
    ]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("a process that predicts failed")
    return [float(text) for text in said]


def _clients(port: int, data: bytes, seconds: float) -> tuple[list[float], int, float]:
    """Return the latency of every request, how many were answered otherwise than by 200, and the time it took."""
    times: list[float] = []
    bad: list[int] = []
    began = time.perf_counter()
    clients = [
        threading.Thread(target=_client, args=(port, data, began + seconds, times, bad))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return times, len(bad), time.perf_counter() - began


def _client(port: int, data: bytes, until: float, times: list[float], bad: list[int]) -> None:
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    request = head.encode() + data
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.sendall(request)
            got = b""
            while b"\r\n\r\n" not in got:
                got += connection.recv(65_536)
            said, _, body = got.partition(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", said)[0])
            while len(body) < length:
                body += connection.recv(65_536)
            times.append(time.perf_counter() - began)
            if not said.startswith(b"HTTP/1.1 200 "):
                bad.append(int(said.split(b" ")[1]))
