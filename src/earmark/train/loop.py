"""The training loop: a stack of networks, each with rows, seed, epoch and early stopping of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.models.dense import Adam, Gradient, Shape, glorot, logits
from earmark.models.mlp import Mlp
from earmark.train.settings import TrainSettings
from earmark.types import FloatArray, IntArray

_STEPS = 16  # batches prepared at a time: their rows and dropout masks stay in the cache
_EPSILON = 1e-7  # Keras' default


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
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    done: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def fresh(cls, shape: Shape, seed: int) -> State:
        """Return the state before the first epoch."""
        parameters = glorot(shape, seed)
        return cls(parameters, np.zeros_like(parameters), np.zeros_like(parameters), parameters.copy())


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The data and settings that all tasks share.

    Parameters
    ----------
    values
        float32[n, dims].
    targets
        int64[n], class indices.
    """

    values: FloatArray
    targets: IntArray
    classes: int
    model: Mlp
    settings: TrainSettings

    @property
    def shape(self) -> Shape:
        """The widths of every network."""
        return self.model.shape(self.values.shape[1], self.classes)

    def statistics(self, task: Task) -> tuple[FloatArray, FloatArray]:
        """Return mean and scale, float32[dims] each, of the task's training rows."""
        dims = self.values.shape[1]
        if not self.model.standardize:
            return np.zeros(dims, np.float32), np.ones(dims, np.float32)
        rows = self.values[task.train].astype(np.float64)
        spread = rows.std(axis=0)
        # An input that never changes says nothing; dividing by its spread would make rounding errors loud.
        scale = np.where(spread > 1e-6 * (1 + np.abs(rows).max(axis=0)), 1 / np.maximum(spread, 1e-12), 0.0)
        return rows.mean(axis=0).astype(np.float32), scale.astype(np.float32)

    def row_weights(self, task: Task) -> FloatArray:
        """Return float32[len(task.train)], mean 1."""
        counts = np.bincount(self.targets[task.train], minlength=self.classes)
        present = counts[counts > 0]
        balanced = self.settings.class_weights == "balanced" or (
            self.settings.class_weights == "auto" and present.max() >= 1.5 * present.min()
        )
        if not balanced:
            return np.ones(len(task.train), np.float32)
        weight = len(task.train) / (len(present) * np.maximum(counts, 1))
        return weight[self.targets[task.train]].astype(np.float32)


class Stack:
    """Several tasks trained side by side, an epoch at a time.

    Parameters
    ----------
    problem
        The shared data and settings.
    tasks, states
        One of each a network; the states are advanced in place.
    """

    def __init__(self, problem: Problem, tasks: list[Task], states: list[State]) -> None:
        self.problem, self.states = problem, states
        self._members = [_Member(problem, task, state) for task, state in zip(tasks, states, strict=True)]

    def epoch(self) -> list[int]:
        """Train every unfinished network for one epoch of its own; return their positions.

        Raises
        ------
        FloatingPointError
            When a loss is no longer finite.
        """
        running = [i for i, s in enumerate(self.states) if not s.done]
        # Longest first, so that the networks still busy at any step are the first k of the stack.
        order = sorted(running, key=lambda i: (-self._members[i].batches, i))
        members = [self._members[i] for i in order]
        if members:
            _run(self.problem, members)
            for member in members:
                member.finish_epoch()
        return running


class _Member:
    """One network of a stack: where its rows come from in this epoch, and what became of them."""

    def __init__(self, problem: Problem, task: Task, state: State) -> None:
        self.problem, self.task, self.state = problem, task, state
        self.mean, self.scale = problem.statistics(task)
        self.weights = problem.row_weights(task)
        self.batches = -(-len(task.train) // problem.settings.batch_size)
        self.validation = (problem.values[task.validation] - self.mean) * self.scale
        self.order: IntArray = np.empty(0, np.int64)
        self.bits: np.random.SFC64 | None = None
        self.loss = self.correct = 0.0

    def start_epoch(self) -> None:
        # Order and dropout follow from (seed, epoch) alone, so that a resumed run needs no generator's state.
        root = np.random.SeedSequence([self.task.seed, 1, self.state.epoch])
        order, dropout = root.spawn(2)
        self.order = np.random.default_rng(order).permutation(len(self.task.train))
        self.bits = np.random.SFC64(dropout)
        self.loss = self.correct = 0.0

    def finish_epoch(self) -> None:
        state, settings = self.state, self.problem.settings
        state.epoch += 1
        rows = len(self.task.train)
        entry = {"epoch": state.epoch, "loss": self.loss / rows, "accuracy": self.correct / rows}
        if not np.isfinite(self.loss):
            raise FloatingPointError(f"the loss is {self.loss} in epoch {state.epoch}")
        if len(self.validation):
            targets = self.problem.targets[self.task.validation]
            scores = logits(self.problem.shape, state.parameters, self.validation).astype(np.float64)
            top = scores.max(axis=1)
            log_sum = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
            entry["validation_loss"] = float((log_sum - scores[np.arange(len(scores)), targets]).mean())
            entry["validation_accuracy"] = float((scores.argmax(axis=1) == targets).mean())
        state.history.append(entry)
        watched = len(self.validation) > 0 and settings.patience > 0
        # By accuracy, then by loss: over unseen recordings the loss turns long before the accuracy does, because
        # the network grows too sure of itself; stopping there would cost up to 20 points.
        score = (entry.get("validation_accuracy", 0.0), -entry.get("validation_loss", 0.0))
        if not watched or score > (state.best_accuracy, -state.best_loss):
            state.best_accuracy, state.best_loss = score[0], -score[1]
            state.best_epoch = state.epoch
            state.best[:] = state.parameters
        exhausted = watched and state.epoch - state.best_epoch >= settings.patience
        state.done = exhausted or state.epoch >= settings.epochs


def _run(problem: Problem, members: list[_Member]) -> None:
    """Run one epoch over all ``members``, longest first, and leave the results in their states."""
    settings, shape, k = problem.settings, problem.shape, len(members)
    batch, dims = settings.batch_size, problem.values.shape[1]
    flat = np.stack([m.state.parameters for m in members])
    adam = Adam(k, shape.size, settings.learning_rate, epsilon=_EPSILON)
    for i, m in enumerate(members):
        adam.first[i], adam.second[i], adam.steps[i] = m.state.first, m.state.second, m.state.steps
        m.start_epoch()
    gradient = Gradient(shape, k, batch)
    chunk = _Chunk(k, batch, dims, problem.classes, shape.widths[1:-1], problem.model.dropout)
    for begin in range(0, members[0].batches, _STEPS):
        active = sum(m.batches > begin for m in members)
        for i in range(active):
            chunk.fill(i, members[i], begin)
        for step in range(min(_STEPS, members[0].batches - begin)):
            busy = sum(m.batches > begin + step for m in members)
            span = slice(step * batch, (step + 1) * batch)
            masks = [mask[:busy, span] for mask in chunk.masks]
            flat_busy = flat[:busy]
            adam.update(
                flat_busy,
                gradient(
                    flat_busy,
                    chunk.inputs[:busy, span],
                    chunk.onehot[:busy, span],
                    chunk.weights[:busy, span],
                    masks,
                ),
            )
            chunk.probabilities[:busy, span] = gradient.probabilities[:busy]
        for i in range(active):
            chunk.score(i, members[i])
    for i, m in enumerate(members):
        m.state.parameters[:] = flat[i]
        m.state.first[:], m.state.second[:], m.state.steps = adam.first[i], adam.second[i], int(adam.steps[i])


class _Chunk:
    """A few batches of every network: rows gathered, standardised and masked in a few large operations."""

    def __init__(
        self, k: int, batch: int, dims: int, classes: int, hidden: tuple[int, ...], dropout: float
    ) -> None:
        rows = _STEPS * batch
        self._batch, self._classes, self._dropout = batch, np.arange(classes), dropout
        self.inputs = np.ones((k, rows, dims + 1), np.float32)
        self.onehot = np.empty((k, rows, classes), np.float32)
        self.weights = np.empty((k, rows, 1), np.float32)
        self.probabilities = np.empty((k, rows, classes), np.float32)
        self.masks = [np.empty((k, rows, width), np.float32) for width in hidden] if dropout else []
        self._targets = np.zeros((k, rows), np.int64)
        self._counts = np.zeros(k, np.int64)

    def fill(self, i: int, member: _Member, begin: int) -> None:
        batch, problem = self._batch, member.problem
        order = member.order[begin * batch : (begin + _STEPS) * batch]
        n = len(order)
        self._counts[i] = n
        rows = member.task.train[order]
        inputs = self.inputs[i, :n, :-1]
        np.subtract(problem.values[rows], member.mean, out=inputs)
        inputs *= member.scale
        # A last batch that is not full is filled up with rows of weight 0, so that every product has one shape.
        self.inputs[i, n:, :-1] = 0
        self._targets[i, :n] = problem.targets[rows]
        np.equal(self._targets[i][:, None], self._classes, out=self.onehot[i], casting="unsafe")
        self.weights[i, :n, 0] = member.weights[order]
        self.weights[i, n:] = 0
        full = n - n % batch
        self.weights[i, :full] /= np.float32(batch)
        self.weights[i, full:n] /= np.float32(max(n - full, 1))
        if self.masks and member.bits is not None:
            threshold = round(self._dropout * 65_536)
            for mask in self.masks:
                units = mask[i]
                bits: NDArray[Any] = member.bits.random_raw(-(-units.size // 4)).view(np.uint16)[: units.size]
                np.copyto(units, (bits >= threshold).reshape(units.shape))
                units *= np.float32(1 / (1 - self._dropout))

    def score(self, i: int, member: _Member) -> None:
        n = int(self._counts[i])
        probabilities, targets = self.probabilities[i, :n], self._targets[i, :n]
        chosen = probabilities[np.arange(n), targets]
        # Exact zeros come from underflow; a non-finite loss must still show itself.
        member.loss += float(-np.log(np.maximum(chosen, np.finfo(np.float32).tiny)).sum())
        member.correct += int((probabilities.argmax(axis=1) == targets).sum())


def run_to_end(stack: Stack, after_epoch: Callable[[list[int]], None]) -> None:
    """Run epochs until every network is done; ``after_epoch`` gets the positions that were trained."""
    while trained := stack.epoch():
        after_epoch(trained)
