"""Fits logistic regression: a smooth, convex problem, solved to its minimum by L-BFGS.

Inputs that go together make the loss a narrow valley. Its steps are taken in coordinates in which it is about as wide
in all directions, by the Cholesky factor of its curvature where every answer is an even chance: the minimum is the
same, and is reached in a fifth of the steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark.models import Linear, Network
from earmark.models.dense import logits
from earmark.train.problem import Problem, Task

_ITERATIONS, _TOLERANCE = 500, 1e-4


def fit_linear(problem: Problem, task: Task, model: Linear) -> tuple[Network, dict[str, float]]:
    """Fit one model to training and validation rows; return it, and the entry to tell.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    loss = _Loss(problem, task)
    flat = loss.minimum(model.penalty)
    network = Network(problem.shape, flat.astype(np.float32), *problem.statistics(task))
    return network, {"epoch": 1, **loss.told(flat)}


class _Loss:
    """The loss over the learnt rows, and its slope."""

    def __init__(self, problem: Problem, task: Task) -> None:
        mean, scale = problem.statistics(task)
        rows = task.learnt
        self._shape = problem.shape
        self._inputs = np.ones((len(rows), problem.vectors.shape[1] + 1), np.float32)
        np.multiply(problem.vectors[rows] - mean, scale, out=self._inputs[:, :-1])
        self._targets, self._exclusive = problem.targets[rows], problem.exclusive
        weights = problem.weights_of(rows, task)
        whole = weights.sum() if problem.exclusive else len(rows)
        self._weights = (weights / whole).astype(np.float64)
        self._rows = np.arange(len(rows))

    def minimum(self, penalty: float) -> NDArray[np.float64]:
        from scipy.optimize import minimize

        options = {"maxiter": _ITERATIONS, "gtol": _TOLERANCE, "maxcor": 10}
        start = np.zeros(self._shape.size)
        with np.errstate(all="ignore"):  # what goes wrong shows in the loss, and is told in words
            root = self._root(penalty)
            if root is None:
                found = minimize(self._with_slope, start, (penalty,), "L-BFGS-B", jac=True, options=options)
                flat = found.x
            else:

                def widened(moved: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
                    value, slope = self._with_slope(self._solved(root.T, moved, lower=False), penalty)
                    return value, self._solved(root, slope, lower=True)

                found = minimize(widened, start, (), "L-BFGS-B", jac=True, options=options)
                flat = self._solved(root.T, found.x, lower=False)
        if not np.isfinite(found.fun):
            raise FloatingPointError(f"the loss is {found.fun}")
        result: NDArray[np.float64] = flat
        return result

    def _root(self, penalty: float) -> NDArray[np.float64] | None:
        """Return the Cholesky factor of the curvature, the same for each label; ``None`` where it is not worth it."""
        rows, columns = self._inputs.shape
        if rows < columns:
            return None
        weights = self._weights.reshape(rows, -1).mean(axis=1).astype(np.float32)
        curvature = (self._inputs.T @ (self._inputs * weights[:, None])).astype(np.float64) / 4
        curvature[np.diag_indices(columns - 1)] += penalty
        curvature[-1, -1] += _TOLERANCE
        try:
            return np.linalg.cholesky(curvature)
        except (
            np.linalg.LinAlgError
        ):  # so small a penalty that rounding decides, or inputs that are no numbers
            return None

    def _solved(
        self, root: NDArray[np.float64], flat: NDArray[np.float64], lower: bool
    ) -> NDArray[np.float64]:
        from scipy.linalg import solve_triangular

        by_input = flat.reshape(len(root), -1)
        solved: NDArray[np.float64] = solve_triangular(root, by_input, lower=lower, check_finite=False)
        return solved.ravel()

    def told(self, flat: NDArray[np.float64]) -> dict[str, float]:
        """Return loss and accuracy over the rows, each counted once; of several labels a row, the loss alone."""
        scores = logits(self._shape, flat.astype(np.float32), self._inputs[:, :-1]).astype(np.float64)
        if not self._exclusive:
            return {"loss": float((np.logaddexp(0, scores) - self._targets * scores).sum(axis=1).mean())}
        likely = _log_softmax(scores)[self._rows, self._targets]
        right = scores.argmax(axis=1) == self._targets
        return {"loss": float(-likely.mean()), "accuracy": float(right.mean())}

    def _with_slope(self, flat: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(self._inputs.shape[1], -1)
        scores = (self._inputs @ weights.astype(np.float32)).astype(np.float64)
        loss, error = self._of_one(scores) if self._exclusive else self._of_each(scores)
        slope = (self._inputs.T @ error.astype(np.float32)).astype(np.float64)
        slope[:-1] += penalty * weights[:-1]  # the bias is free
        return loss + penalty / 2 * float((weights[:-1] ** 2).sum()), slope.ravel()

    def _of_one(self, scores: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss of softmax over the labels, and its slope along the scores."""
        logs = _log_softmax(scores)
        loss = -float(self._weights @ logs[self._rows, self._targets])
        error = np.exp(logs)
        error[self._rows, self._targets] -= 1
        error *= self._weights[:, None]
        return loss, error

    def _of_each(self, scores: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the same of a sigmoid for each label: as many models as labels, which share no weight."""
        loss = float((self._weights * (np.logaddexp(0, scores) - self._targets * scores)).sum())
        likely = np.exp(-np.logaddexp(0, -scores))
        return loss, self._weights * (likely - self._targets)


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
