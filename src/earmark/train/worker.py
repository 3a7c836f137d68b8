"""``python -m earmark.train.worker FOLDER TASK…``: trains some of a run's networks in a process of its own.

Threads would wait for the interpreter's lock thousands of times a second here: the steps are that short. The
worker reads the problem that `earmark.train.fit` wrote, leaves its results as checkpoints, and prints each epoch
as a line of JSON. When nobody reads those lines any more it ends.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np

from earmark.engine import one_blas_thread
from earmark.inputs import Ragged
from earmark.models import model_from_dict, model_to_dict
from earmark.settings import from_dict, to_dict
from earmark.train.problem import Problem, Task
from earmark.train.settings import TrainSettings


def write_problem(path: Path, problem: Problem, tasks: list[Task]) -> None:
    """Write what a worker needs to know as one safetensors file."""
    from safetensors.numpy import save_file

    values = problem.portable().values
    if isinstance(values, Ragged):
        arrays = {"values": values.flat, "bounds": values.bounds}
    else:
        arrays = {"values": np.ascontiguousarray(values)}
    arrays["targets"] = problem.targets
    if problem.counts is not None:
        arrays["counts"] = problem.counts
    for i, task in enumerate(tasks):
        arrays[f"train_{i}"], arrays[f"validation_{i}"] = task.train, task.validation
    about = {
        "classes": problem.classes,
        "model": model_to_dict(problem.model),
        "settings": to_dict(problem.settings),
        "seeds": [task.seed for task in tasks],
    }
    save_file(arrays, path, {"about": json.dumps(about)})


def read_problem(path: Path) -> tuple[Problem, list[Task]]:
    """Invert `write_problem`."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["about"])
        tasks = [
            Task(file.get_tensor(f"train_{i}"), file.get_tensor(f"validation_{i}"), seed)
            for i, seed in enumerate(about["seeds"])
        ]
        names = set(file.keys())
        values = file.get_tensor("values")
        problem = Problem(
            Ragged(values, file.get_tensor("bounds")) if "bounds" in names else values,
            file.get_tensor("targets"),
            about["classes"],
            model_from_dict(about["model"]),
            from_dict(TrainSettings, about["settings"], "[train]"),
            file.get_tensor("counts") if "counts" in names else None,
        )
    return problem, tasks


def main(arguments: list[str]) -> int:
    """Train the networks named on the command line."""
    from earmark.train import PROBLEM_FILE, train_stack

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a terminal sends Ctrl-C to both
    folder, positions = Path(arguments[0]), [int(a) for a in arguments[1:]]
    problem, tasks = read_problem(folder / PROBLEM_FILE)

    def tell(position: int, entry: dict[str, float]) -> None:
        sys.stdout.write(json.dumps({"task": position, **entry}) + "\n")
        sys.stdout.flush()

    try:
        with one_blas_thread():
            train_stack(problem, tasks, positions, folder, tell)
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
