"""One prediction from a cold process, start to answer: ``earmark predict`` against librosa and ONNX Runtime.

This process stays small (no NumPy): a child's peak memory starts from its parent's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from interleave import interleaved, one_core, ratios
from table import Row, Section

SCRIPT = """\
import json, sys
import librosa, numpy as np, onnxruntime
network, labels, clip = sys.argv[1:]
y, sr = librosa.load(clip, res_type="soxr_hq")
means = np.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40).T, axis=0)
session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
logits = session.run(["logits"], {"features": means[None].astype(np.float32)})[0][0]
p = np.exp(logits - logits.max())
print(json.load(open(labels))[int(p.argmax())], f"{p.max() / p.sum():.2f}")
"""

EARMARK, LIBROSA = "earmark predict", "librosa + ONNX Runtime, ten lines"
FLOOR = "floor: importing numpy and onnxruntime"


@dataclass
class Spent:
    """What the children of one contender used, an entry each."""

    cpu: list[float]
    wall: list[float]
    peak: list[float]


def measure(quick: bool) -> Section:
    rounds = 2 if quick else 15
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare = [sys.executable, str(Path(__file__).with_name("coldstart_model.py")), name]
        subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
        (folder / "script.py").write_text(SCRIPT)
        model, clip = str(folder / "model.earmark"), str(folder / "clip-000.wav")
        network, labels = str(folder / "network.onnx"), str(folder / "labels.json")
        commands = {
            EARMARK: ["-m", "earmark", "predict", model, clip, "--whole"],
            LIBROSA: [str(folder / "script.py"), network, labels, clip],
            FLOOR: ["-c", "import numpy, onnxruntime"],
        }
        spent = {what: Spent([], [], []) for what in commands}
        with one_core() as pinned:
            answers = {
                what: _run(command, Spent([], [], [])) for what, command in commands.items()
            }  # warm-up
            ours, theirs = answers[EARMARK].split()[:2], answers[LIBROSA].split()[:2]
            if ours != theirs:
                raise RuntimeError(f"Earmark answers {ours}, librosa {theirs}")
            interleaved({what: lambda w=what: _run(commands[w], spent[w]) for what in commands}, rounds)
    rows = []
    for figure, series in (("CPU, s", "cpu"), ("wall, s", "wall"), ("peak memory, MB", "peak")):
        reference = getattr(spent[EARMARK], series)
        for what, used in spent.items():
            values = getattr(used, series)
            rows.append(Row(what, figure, values, ratios(values, reference)))
    quotient = ratios(spent[LIBROSA].cpu, spent[EARMARK].cpu)
    rows.append(Row(f"{LIBROSA} ÷ {EARMARK}", "CPU time, ratio", quotient, at_least=6))
    notes = [
        "One 4 s 44.1 kHz stereo 16-bit wav, the same 40 MFCC means (soxr_hq) and the same network; "
        f"both answer “{' '.join(ours)}”. Files and byte code warm, processes new.",
        f"`earmark predict` also checks the bundle's hashes and runs its self-test. {rounds} interleaved rounds; "
        f"{'one core' if pinned else 'not pinned'}, one BLAS thread for all. Reference: {EARMARK}.",
    ]
    return Section("Cold start", notes, rows)


def _run(arguments: list[str], spent: Spent) -> str:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    with process:
        answer = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    spent.wall.append(time.perf_counter() - began)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with status {process.returncode}")
    spent.cpu.append(used.ru_utime + used.ru_stime)
    unit = 1 if sys.platform == "darwin" else 1024
    spent.peak.append(used.ru_maxrss * unit / 1e6)
    return answer
