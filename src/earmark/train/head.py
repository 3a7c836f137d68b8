"""Fits the linear layer on what was made of each clip's course over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from earmark.models import Linear, Network
from earmark.train.linear import fit_linear
from earmark.train.problem import Problem, Task
from earmark.types import FloatArray


def fit_head(
    problem: Problem, task: Task, vectors: FloatArray, penalty: float
) -> tuple[Network, dict[str, float]]:
    """Fit logistic regression on a vector for each of `Task.learnt`, in their order.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    rows, model = task.learnt, Linear(penalty)
    inner = replace(problem, values=vectors, targets=problem.targets[rows], model=model)
    at = np.arange(len(rows))
    return fit_linear(inner, Task(at[: len(task.train)], at[len(task.train) :], task.seed), model)
