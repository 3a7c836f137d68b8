"""Checkpoints: one safetensors file a network, its JSON in the same file, so that both are of one moment."""

from __future__ import annotations

import json
from pathlib import Path

from earmark.errors import RunError
from earmark.files import write_atomically
from earmark.models import model_to_dict
from earmark.settings import to_dict
from earmark.train.problem import Problem, State, Task, hash_arrays

_ARRAYS = ("parameters", "first", "second", "best")
_NUMBERS = ("steps", "epoch", "best_epoch", "best_accuracy", "best_loss", "done", "history")


def identity(problem: Problem, task: Task) -> str:
    """Return a hash of everything that a network's training depends on."""
    settings = {"model": model_to_dict(problem.model), "train": to_dict(problem.settings), "seed": task.seed}
    about = json.dumps([settings, problem.classes, problem.fingerprint], sort_keys=True)
    return hash_arrays(task.train, task.validation, start=about.encode())


def save(path: Path, state: State, task_identity: str) -> None:
    """Write ``state`` atomically."""
    from safetensors.numpy import save as to_bytes

    numbers = {name: getattr(state, name) for name in _NUMBERS}
    metadata = {"identity": task_identity, "state": json.dumps(numbers)}
    write_atomically(path, to_bytes({name: getattr(state, name) for name in _ARRAYS}, metadata))


def load(path: Path, task_identity: str) -> State | None:
    """Return the state in ``path``, or ``None`` where there is none or it belongs to other data or settings.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("identity") != task_identity:
                return None
            arrays = {name: file.get_tensor(name).copy() for name in _ARRAYS}
            return State(**arrays, **json.loads(metadata["state"]))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: this checkpoint is damaged ({error}). Delete it to train that network anew."
        ) from None
