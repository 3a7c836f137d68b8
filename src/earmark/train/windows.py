"""Training on windows: each is a row of its own, and the windows of a clip count together as much as one clip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from earmark.models import Linear, Mlp, Network, Trained, Windowed
from earmark.train.problem import Problem, Task
from earmark.types import IntArray


def hears_windows(problem: Problem) -> bool:
    """Return whether a network that takes vectors is given courses over time."""
    return isinstance(problem.model, Mlp | Linear) and not isinstance(problem.values, np.ndarray)


def windowed(network: Trained, exclusive: bool) -> Trained:
    """Return a network over clips of one over windows."""
    if not isinstance(network, Network):
        raise TypeError("only dense networks hear windows")
    return Windowed(network, exclusive)


def windows_of(problem: Problem, tasks: list[Task]) -> tuple[Problem, list[Task]]:
    """Return the same problem and tasks, a row for each window.

    >>> from earmark.train.settings import TrainSettings
    >>> courses = [np.ones((3, 2), np.float32), np.zeros((1, 2), np.float32)]
    >>> whole = Problem(courses, np.array([0, 1]), 2, Linear(), TrainSettings())
    >>> rows, (task,) = windows_of(whole, [Task(np.array([0]), np.array([1]), 0)])
    >>> rows.targets.tolist(), task.train.tolist(), task.validation.tolist(), rows.counts.round(2).tolist()
    ([0, 0, 0, 1], [0, 1, 2], [3], [0.33000001311302185, 0.33000001311302185, 0.33000001311302185, 1.0])
    """
    each = [problem.courses[i] for i in range(len(problem.courses))]
    lengths = np.array([len(course) for course in each])
    first = np.cumsum(lengths) - lengths

    def spread(rows: IntArray) -> IntArray:
        parts = [np.arange(first[row], first[row] + lengths[row]) for row in rows]
        return np.concatenate([np.empty(0, np.int64), *parts])

    targets: Any = np.repeat(problem.targets, lengths, axis=0)
    by_window = replace(
        problem,
        values=np.concatenate(each),
        targets=targets,
        counts=np.repeat(1 / lengths, lengths).astype(np.float32),
    )
    return by_window, [Task(spread(task.train), spread(task.validation), task.seed) for task in tasks]
