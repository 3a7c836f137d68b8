"""What is trained: the data all networks share, each network's task, and its state between epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.inputs import Inputs, Ragged
from earmark.models import Linear, Mlp, Model
from earmark.models.dense import Shape, glorot
from earmark.train.settings import TrainSettings
from earmark.types import FloatArray, IntArray


def hash_arrays(*arrays: NDArray[Any], start: bytes = b"") -> str:
    """Return a hash over ``start`` and the shapes and bytes of ``arrays``."""
    digest = hashlib.blake2b(start, digest_size=16)
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What one network learns from: positions in the feature table. Test rows are not among them.

    Parameters
    ----------
    train, validation
        int64 positions. ``validation`` may be empty; then the last epoch is kept.
    seed
        The network's own seed.
    """

    train: IntArray
    validation: IntArray
    seed: int

    @property
    def learnt(self) -> IntArray:
        """int64: what is learnt from where nothing is kept aside to stop by: training, then validation."""
        return np.concatenate([self.train, self.validation])


@dataclass(slots=True, eq=False)
class State:
    """Everything about one network in training: what a checkpoint holds."""

    parameters: FloatArray
    first: FloatArray
    second: FloatArray
    best: FloatArray
    steps: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0  # of several labels a row: mean average precision
    best_loss: float = float("inf")
    done: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def fresh(cls, shape: Shape, seed: int) -> State:
        """Return the state before the first epoch."""
        parameters = glorot(shape, seed)
        return cls(parameters, np.zeros_like(parameters), np.zeros_like(parameters), parameters.copy())


@dataclass(frozen=True, eq=False)
class Problem:
    """The data and settings that all tasks share.

    Parameters
    ----------
    values
        float32[n, dims], or one float32[frames, dims] a row where the model sees a course over time.
    targets
        int64[n], class indices; or bool[n, classes], where a row has any number of labels.
    counts
        float32[n], what each row counts beside its class's weight: less than 1 where several are of one clip.
    """

    values: Inputs
    targets: IntArray | NDArray[np.bool_]
    classes: int
    model: Model
    settings: TrainSettings
    counts: FloatArray | None = None

    @property
    def exclusive(self) -> bool:
        """Whether each row has exactly one label."""
        return self.targets.ndim == 1

    @property
    def vectors(self) -> FloatArray:
        """float32[n, dims]: the rows, where each is a vector."""
        if not isinstance(self.values, np.ndarray):
            raise TypeError(f"{self.model.name} takes vectors, and these are courses over time")
        return self.values

    @property
    def courses(self) -> Sequence[FloatArray]:
        """One float32[frames, dims] a row, where each is a course over time."""
        if isinstance(self.values, np.ndarray):
            raise TypeError(f"{self.model.name} takes courses over time, and these are vectors")
        return self.values

    @property
    def shape(self) -> Shape:
        """The widths of every network, of dense ones."""
        if not isinstance(self.model, Mlp | Linear):
            raise TypeError(f"{self.model.name} is no dense network")
        return self.model.shape(self.vectors.shape[1], self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """A hash over the data, taken once however many networks ask for it."""
        rows = [self.values] if isinstance(self.values, np.ndarray) else self.values
        counts = [] if self.counts is None else [self.counts]
        return hash_arrays(*rows, self.targets, *counts)

    def portable(self) -> Problem:
        """Return the same with everything in memory of its own, to be sent to other processes."""
        return self if isinstance(self.values, np.ndarray) else replace(self, values=Ragged.of(self.values))

    def statistics(self, task: Task) -> tuple[FloatArray, FloatArray]:
        """Return mean and scale, float32[dims] each, of the task's training rows."""
        dims = self.vectors.shape[1]
        if not getattr(self.model, "standardize", True):
            return np.zeros(dims, np.float32), np.ones(dims, np.float32)
        rows = self.vectors[task.train].astype(np.float64)
        spread = rows.std(axis=0)
        # An input that never changes says nothing; dividing by its spread would make rounding errors loud.
        scale = np.where(spread > 1e-6 * (1 + np.abs(rows).max(axis=0)), 1 / np.maximum(spread, 1e-12), 0.0)
        return rows.mean(axis=0).astype(np.float32), scale.astype(np.float32)

    def row_weights(self, task: Task) -> FloatArray:
        """Return float32[len(task.train)], mean 1; of several labels a row as `weights_of` says."""
        return self.weights_of(task.train, task)

    def weights_of(self, rows: IntArray, task: Task) -> FloatArray:
        """Return float32[len(rows)]: what each of some rows counts, by the classes of the task's training rows.

        Where a row has any number of labels it is float32[len(rows), 1 or classes], and ``"auto"`` weighs all alike:
        thresholds of their own do for rare labels what weights would, and leave the probabilities true.
        """
        weights = self._weights_of_one(rows, task) if self.exclusive else self._weights_of_labels(rows, task)
        if self.counts is None:
            return weights
        own = self.counts[rows] / self.counts[task.train].mean()
        counted: FloatArray = weights * (own if self.exclusive else own[:, None])
        return counted

    def _weights_of_one(self, rows: IntArray, task: Task) -> FloatArray:
        each = None if self.counts is None else self.counts[task.train]
        counts = np.bincount(self.targets[task.train], each, minlength=self.classes)
        present = counts[counts > 0]
        balanced = self.settings.class_weights == "balanced" or (
            self.settings.class_weights == "auto" and present.max() >= 1.5 * present.min()
        )
        if not balanced:
            return np.ones(len(rows), np.float32)
        weight = counts.sum() / (len(present) * np.where(counts > 0, counts, 1))
        of_each: FloatArray = weight[self.targets[rows]].astype(np.float32)
        return of_each

    def _weights_of_labels(self, rows: IntArray, task: Task) -> FloatArray:
        if self.settings.class_weights != "balanced":
            return np.ones((len(rows), 1), np.float32)
        n, having = len(task.train), self.targets[task.train].sum(axis=0)
        lacking = n - having
        # A label that all or none of the rows have weighs 1: there is nothing to balance.
        both = (having > 0) & (lacking > 0)
        yes = np.where(both, n / (2 * np.maximum(having, 1)), 1.0)
        no = np.where(both, n / (2 * np.maximum(lacking, 1)), 1.0)
        return np.where(self.targets[rows], yes, no).astype(np.float32)
