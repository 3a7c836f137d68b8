"""Training: from features, targets and tasks to networks. Sees training and validation rows, never a test row."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from earmark import engine as engines
from earmark.errors import RunError, SettingError
from earmark.models import Cnn, Dictionary, Linear, Mlp, Network, Rocket, Trained, trained_from_arrays
from earmark.train import checkpoint
from earmark.train.cnn import fit_cnn, one_by_one
from earmark.train.dictionary import fit_dictionary
from earmark.train.linear import fit_linear
from earmark.train.loop import Stack
from earmark.train.problem import Problem, State, Task
from earmark.train.rocket import fit_rocket
from earmark.train.settings import TrainSettings
from earmark.train.spread import spread
from earmark.train.windows import hears_windows, windowed, windows_of

__all__ = ["Fitted", "Problem", "Task", "TrainSettings", "fit", "most_epochs"]

PROBLEM_FILE = "problem.safetensors"
CHECKPOINT_SECONDS = "EARMARK_CHECKPOINT_SECONDS"
# Above this much expected work a second process earns back its start of about half a second.
_PROCESS_SECONDS = 3.0
_SECONDS_A_STEP, _SECONDS_A_PARAMETER_ROW, _SECONDS_A_PARAMETER_ROW_LINEAR = 8e-5, 7e-11, 2.5e-7

OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One trained network and how it came about.

    Parameters
    ----------
    network
        The parameters of the best epoch.
    best_epoch
        Which one that was.
    history
        An entry an epoch: loss, accuracy, and the same of the validation rows. Of several labels a row, the mean
        average precision of the validation rows takes the place of the accuracies.
    """

    network: Trained
    best_epoch: int
    history: tuple[dict[str, float], ...]


def fit(
    problem: Problem,
    tasks: list[Task],
    folder: Path,
    on_epoch: OnEpoch | None = None,
    processes: int | None = None,
    engine: engines.Engine | None = None,
) -> list[Fitted]:
    """Train one network a task, all together, and return them in the order of the tasks.

    The result does not depend on which tasks are trained together, in how many processes, or on being killed and
    called again: checkpoints in ``folder`` are picked up, a little after the last one the numbers go on as they would
    have.

    Parameters
    ----------
    folder
        Where checkpoints go.
    on_epoch
        Called with the position of a task and the entry of the epoch it finished.
    processes
        How many; ``None`` decides by the amount of work.
    engine
        Where to train instead, each network as a task of its own; its epochs are told when it is done.

    Raises
    ------
    RunError
        When a checkpoint is damaged, or training broke down.
    """
    if hears_windows(problem):
        rows, by_window = windows_of(problem, tasks)
        fitted = fit(rows, by_window, folder, on_epoch, processes, engine)
        return [replace(each, network=windowed(each.network, problem.exclusive)) for each in fitted]
    folder.mkdir(parents=True, exist_ok=True)
    tell = on_epoch or (lambda position, entry: None)
    _checkpoint_seconds()  # refused here, and not in a worker
    paths = [folder / _name(i) for i in range(len(tasks))]
    count = processes or _processes(problem, tasks)
    try:
        if engine is not None:
            spread(problem, tasks, paths, tell, engine)
        elif count == 1:
            with engines.one_blas_thread():
                train_stack(problem, tasks, list(range(len(tasks))), folder, tell)
        else:
            _in_processes(problem, tasks, folder, tell, count)
    except FloatingPointError as error:
        raise RunError(f"Training broke down: {error}. A lower learning_rate may help.") from None
    return [_fitted(problem, task, path) for task, path in zip(tasks, paths, strict=True)]


def train_stack(
    problem: Problem, tasks: list[Task], positions: list[int], folder: Path, tell: OnEpoch
) -> None:
    """Train the tasks at ``positions`` in this process; leave finished checkpoints in ``folder``."""
    chosen = [tasks[p] for p in positions]
    identities = [checkpoint.identity(problem, task) for task in chosen]
    paths = [folder / _name(p) for p in positions]
    if not isinstance(problem.model, Mlp):
        return _train_each(problem, chosen, identities, paths, positions, tell)
    states = [
        checkpoint.load(path, identity) or State.fresh(problem.shape, task.seed)
        for path, identity, task in zip(paths, identities, chosen, strict=True)
    ]
    stack, every, saved = Stack(problem, chosen, states), _checkpoint_seconds(), time.monotonic()
    while trained := stack.epoch():
        due = time.monotonic() - saved >= every
        for i in trained:
            if due or states[i].done:
                checkpoint.save(paths[i], states[i], identities[i])
            tell(positions[i], states[i].history[-1])
        if due:
            saved = time.monotonic()
    return None


def _train_each(
    problem: Problem,
    tasks: list[Task],
    identities: list[str],
    paths: list[Path],
    positions: list[int],
    tell: OnEpoch,
) -> None:
    """Fit one model after the other; one that is interrupted begins anew, for it takes seconds, but a cnn goes on."""
    for task, identity, path, position in zip(tasks, identities, paths, positions, strict=True):
        if checkpoint.read(path, identity) is not None:
            continue
        if isinstance(problem.model, Cnn):
            _train_cnn(problem, task, identity, path, partial(tell, position))
        else:
            trained, entry = _fit_one(problem, task)
            numbers = {"done": True, "best_epoch": 1, "history": [entry]}
            checkpoint.write(path, trained.arrays(), numbers, identity)
            tell(position, entry)


def _train_cnn(
    problem: Problem, task: Task, identity: str, path: Path, tell: Callable[[dict[str, float]], None]
) -> None:
    half_way = path.with_suffix(".training")
    network, history = fit_cnn(problem, task, half_way, tell, _checkpoint_seconds())
    numbers = {"done": True, "best_epoch": len(history), "history": history}
    checkpoint.write(path, network.arrays(), numbers, identity)
    half_way.unlink(missing_ok=True)


def _fit_one(problem: Problem, task: Task) -> tuple[Trained, dict[str, float]]:
    match problem.model:
        case Linear() as model:
            return fit_linear(problem, task, model)
        case Dictionary() as model:
            return fit_dictionary(problem, task, model)
        case Rocket() as model:
            return fit_rocket(problem, task, model)
        case other:
            raise TypeError(f"{other.name} is not trained by itself")


def most_epochs(problem: Problem) -> int:
    """Return how many entries a network's history can have."""
    return problem.settings.epochs if isinstance(problem.model, Mlp | Cnn) else 1


def _checkpoint_seconds() -> float:
    told = os.environ.get(CHECKPOINT_SECONDS, "2")
    try:
        seconds = float(told)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise SettingError(f"{CHECKPOINT_SECONDS} is '{told}', but must be a number of seconds, 0 or more.")
    return seconds


def _in_processes(problem: Problem, tasks: list[Task], folder: Path, tell: OnEpoch, count: int) -> None:
    from earmark.train.worker import write_problem

    write_problem(folder / PROBLEM_FILE, problem, tasks)
    by_size = sorted(range(len(tasks)), key=lambda i: -len(tasks[i].train))
    shares = [by_size[i::count] for i in range(count)]
    commands = [
        [sys.executable, "-m", "earmark.train.worker", str(folder), *map(str, share)]
        for share in shares
        if share
    ]
    for line in engines.processes(commands, log=folder / "worker.log"):
        entry = json.loads(line)
        tell(int(entry.pop("task")), entry)
    (folder / PROBLEM_FILE).unlink()


def _processes(problem: Problem, tasks: list[Task]) -> int:
    if isinstance(problem.model, Cnn) and one_by_one(problem.model):
        return 1
    if not isinstance(problem.model, Mlp | Linear):
        return min(engines.cores(), len(tasks))
    if isinstance(problem.model, Linear):
        rows = sum(len(task.train) for task in tasks)
        seconds = rows * problem.shape.size * _SECONDS_A_PARAMETER_ROW_LINEAR
        return min(engines.cores(), len(tasks)) if seconds > _PROCESS_SECONDS else 1
    batch = problem.settings.batch_size
    steps = sum(-(-len(task.train) // batch) for task in tasks) * problem.settings.epochs
    seconds = steps * (_SECONDS_A_STEP + _SECONDS_A_PARAMETER_ROW * batch * problem.shape.size)
    return min(engines.cores(), len(tasks)) if seconds > _PROCESS_SECONDS else 1


def _name(position: int) -> str:
    return f"network-{position}.safetensors"


def _fitted(problem: Problem, task: Task, path: Path) -> Fitted:
    found = checkpoint.read(path, checkpoint.identity(problem, task))
    if found is None or not found[1]["done"]:
        raise RunError(f"{path}: training ended without this network. Run the same command again to go on.")
    arrays, numbers = found
    if isinstance(problem.model, Mlp):
        network: Trained = Network(problem.shape, arrays["best"], *problem.statistics(task))
    else:
        network = trained_from_arrays(problem.model, arrays)
    return Fitted(network, numbers["best_epoch"], tuple(numbers["history"]))
