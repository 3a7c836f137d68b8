"""Checkpoints: one safetensors file a network, its JSON in the same file, so that both are of one moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.errors import RunError
from earmark.files import write_atomically
from earmark.models import model_to_dict
from earmark.settings import to_dict
from earmark.train.problem import Problem, State, Task, hash_arrays

T = TypeVar("T")

_ARRAYS = ("parameters", "first", "second", "best")
_NUMBERS = ("steps", "epoch", "best_epoch", "best_accuracy", "best_loss", "done", "history")


def identity(problem: Problem, task: Task) -> str:
    """Return a hash of everything that a network's training depends on."""
    settings = {"model": model_to_dict(problem.model), "train": to_dict(problem.settings), "seed": task.seed}
    about = json.dumps([settings, problem.classes, problem.fingerprint], sort_keys=True)
    return hash_arrays(task.train, task.validation, start=about.encode())


def save(path: Path, state: State, task_identity: str) -> None:
    """Write ``state`` atomically."""
    numbers = {name: getattr(state, name) for name in _NUMBERS}
    write(path, {name: getattr(state, name) for name in _ARRAYS}, numbers, task_identity)


def load(path: Path, task_identity: str) -> State | None:
    """Return the state in ``path``; see `restore`."""
    return restore(State, path, task_identity)


def restore(kind: type[T], path: Path, task_identity: str) -> T | None:
    """Return the state in ``path``, or ``None`` where there is none or it belongs to other data or settings.

    Parameters
    ----------
    kind
        What is made of the arrays and numbers that `write` was given, by their names.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    found = read(path, task_identity)
    if found is None:
        return None
    held: dict[str, Any] = {**found[0], **found[1]}
    try:
        return kind(**held)
    except (KeyError, TypeError) as error:
        raise _damaged(path, error) from None


def write(
    path: Path, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any], task_identity: str
) -> None:
    """Write arrays, and what is JSON, atomically, as belonging to one task."""
    from safetensors.numpy import save as to_bytes

    metadata = {"identity": task_identity, "state": json.dumps(numbers)}
    write_atomically(path, to_bytes({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata))


def read(path: Path, task_identity: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Invert `write`; return ``None`` where there is nothing, or it belongs to other data or settings.

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
            arrays = {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118 - no mapping
            return arrays, json.loads(metadata["state"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(f"{path}: this checkpoint is damaged ({error}). Delete it to train that network anew.")
