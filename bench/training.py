"""Training the tutorial's network: an epoch against scikit-learn's, and ten networks at once against one."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from earmark.engine import one_blas_thread
from earmark.models import Mlp
from earmark.train import Problem, Task, TrainSettings, fit
from earmark.train.loop import Stack
from earmark.train.problem import State
from interleave import faster, interleaved, one_core, ratios
from table import Row, Section

HIDDEN, CLASSES, BATCH = (100, 200, 100), 10, 32
MANY = 10

EARMARK = "Earmark (dropout 0.5)"
NO_DROPOUT = "Earmark without dropout"
STACK = f"Earmark, {MANY} networks in one stack"
SKLEARN_32 = "scikit-learn, float32 (no dropout)"
SKLEARN_64 = "scikit-learn, float64 (no dropout)"
ONE, TEN = "fit, 1 network", f"fit, {MANY} networks"


def measure(quick: bool) -> Section:
    rows, epochs, rounds = (640, 2, 2) if quick else (6985, 5, 9)
    fit_epochs, fit_rounds = (2, 1) if quick else (200, 3)
    rng = np.random.default_rng(0)
    values = rng.standard_normal((rows, 40)).astype(np.float32)
    targets = rng.integers(0, CLASSES, rows)
    plain, dropping = (_problem(values, targets, rate, epochs) for rate in (0.0, 0.5))
    contenders = {
        EARMARK: _stack(dropping, 1),
        NO_DROPOUT: _stack(plain, 1),
        SKLEARN_32: _sklearn(values, targets, epochs),
        SKLEARN_64: _sklearn(values.astype(np.float64), targets, epochs),
        STACK: _stack(dropping, MANY),
    }
    with one_core() as pinned, one_blas_thread():
        interleaved(contenders, 1)  # warm-up
        single = interleaved(contenders, rounds)
    users = _problem(values, targets, 0.5, fit_epochs)
    whole = interleaved({ONE: lambda: _fit(users, 1), TEN: lambda: _fit(users, MANY)}, fit_rounds)

    cpu = {name: [1000 * s / epochs for s in t.cpu] for name, t in single.items()}
    wall = {name: [1000 * s / epochs for s in t.wall] for name, t in single.items()}
    table = [Row(n, "CPU, ms an epoch", cpu[n], ratios(cpu[n], cpu[EARMARK])) for n in contenders]
    table += [Row(n, "wall, ms an epoch", wall[n], ratios(wall[n], wall[EARMARK])) for n in contenders]
    figures = {"wall": {n: t.wall for n, t in whole.items()}, "CPU": {n: t.cpu for n, t in whole.items()}}
    table += [
        Row(n, f"{clock}, s for {fit_epochs} epochs", seconds, ratios(seconds, by_name[ONE]))
        for clock, by_name in figures.items()
        for n, seconds in by_name.items()
    ]
    against = ratios(faster(cpu[SKLEARN_32], cpu[SKLEARN_64]), cpu[EARMARK])
    together = ratios(whole[TEN].wall, whole[ONE].wall)
    table.append(Row("scikit-learn's faster one ÷ Earmark", "CPU time, ratio", against, at_least=2))
    table.append(Row(f"{TEN} ÷ {ONE}", "wall, ratio", together, at_most=5))
    table.append(Row(f"{STACK} ÷ Earmark", "CPU time, ratio", ratios(cpu[STACK], cpu[EARMARK])))
    notes = [
        f"{rows:,} rows × 40 inputs, {CLASSES} classes, hidden {HIDDEN}, batch {BATCH}; "
        "random data, no validation rows.",
        f"An epoch: {rounds} interleaved rounds of {epochs} epochs, "
        f"{'one core' if pinned else 'not pinned'}, one BLAS thread for all. Reference: {EARMARK}.",
        f"`fit`: as a user calls it, all cores, {fit_rounds} interleaved rounds of {fit_epochs} epochs. "
        f"Reference: {ONE}.",
    ]
    return Section("Training", notes, table)


def _problem(values: np.ndarray, targets: np.ndarray, dropout: float, epochs: int) -> Problem:
    settings = TrainSettings(epochs=epochs, batch_size=BATCH, class_weights="none", patience=0)
    return Problem(values, targets, CLASSES, Mlp(hidden=HIDDEN, dropout=dropout), settings)


def _tasks(problem: Problem, count: int) -> list[Task]:
    everything, nothing = np.arange(len(problem.values)), np.empty(0, np.int64)
    return [Task(everything, nothing, seed) for seed in range(count)]


def _stack(problem: Problem, count: int) -> Callable[[], object]:
    def train() -> None:
        states = [State.fresh(problem.shape, seed) for seed in range(count)]
        stack = Stack(problem, _tasks(problem, count), states)
        while stack.epoch():
            pass

    return train


def _fit(problem: Problem, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fit(problem, _tasks(problem, count), Path(folder))


def _sklearn(values: np.ndarray, targets: np.ndarray, epochs: int) -> Callable[[], object]:
    def train() -> None:
        model = MLPClassifier(HIDDEN, batch_size=BATCH, max_iter=epochs, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it was told to stop after so many
            model.fit(values, targets)
        if model.n_iter_ != epochs:
            raise RuntimeError(f"scikit-learn trained {model.n_iter_} epochs instead of {epochs}")

    return train
