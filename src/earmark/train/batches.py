"""Where each network's batches come from, and what became of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.models.dense import Shape, logits
from earmark.ranking import mean_average_precision
from earmark.train.problem import Problem, State, Task
from earmark.types import IntArray

STEPS = 16  # batches prepared at a time: their rows and dropout masks stay in the cache


class Member:
    """One network of a stack: where its rows come from in this epoch, and what became of them."""

    def __init__(self, problem: Problem, task: Task, state: State) -> None:
        self.problem, self.task, self.state = problem, task, state
        self.mean, self.scale = problem.statistics(task)
        weights = problem.row_weights(task)
        self.weights = weights if weights.ndim == 2 else weights[:, None]
        self.batches = -(-len(task.train) // problem.settings.batch_size)
        self.validation = (problem.vectors[task.validation] - self.mean) * self.scale
        self.order: IntArray = np.empty(0, np.int64)
        self.bits = np.random.SFC64(0)
        self.loss = self.correct = 0.0

    def start_epoch(self) -> None:
        """Draw the order of the rows, and make ready to draw dropout."""
        # Order and dropout follow from (seed, epoch) alone, so that a resumed run needs no generator's state.
        root = np.random.SeedSequence([self.task.seed, 1, self.state.epoch])
        order, dropout = root.spawn(2)
        self.order = np.random.default_rng(order).permutation(len(self.task.train))
        self.bits = np.random.SFC64(dropout)
        self.loss = self.correct = 0.0

    def finish_epoch(self) -> None:
        """Validate, remember the best, and see whether this was the last."""
        state, settings = self.state, self.problem.settings
        state.epoch += 1
        rows, exclusive = len(self.task.train), self.problem.exclusive
        entry = {"epoch": state.epoch, "loss": self.loss / rows}
        if exclusive:
            entry["accuracy"] = self.correct / rows
        if not np.isfinite(self.loss):
            raise FloatingPointError(f"the loss is {self.loss} in epoch {state.epoch}")
        if len(self.validation):
            targets = self.problem.targets[self.task.validation]
            scores = logits(self.problem.shape, state.parameters, self.validation).astype(np.float64)
            if exclusive:
                top = scores.max(axis=1)
                log_sum = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
                entry["validation_loss"] = float((log_sum - scores[np.arange(len(scores)), targets]).mean())
                entry["validation_accuracy"] = float((scores.argmax(axis=1) == targets).mean())
            else:
                losses = np.logaddexp(0, scores) - targets * scores
                entry["validation_loss"] = float(losses.sum(axis=1).mean())
                if targets.any():
                    entry["validation_map"] = mean_average_precision(scores, targets.astype(bool))
        state.history.append(entry)
        watched = len(self.validation) > 0 and settings.patience > 0
        # By accuracy, then by loss: over unseen recordings the loss turns long before the accuracy does, because
        # the network grows too sure of itself; stopping there would cost up to 20 points. Of several labels a row the
        # mean average precision takes the place of the accuracy, for the same reason.
        kept = "validation_accuracy" if exclusive else "validation_map"
        score = (entry.get(kept, 0.0), -entry.get("validation_loss", 0.0))
        if not watched or score > (state.best_accuracy, -state.best_loss):
            state.best_accuracy, state.best_loss = score[0], -score[1]
            state.best_epoch = state.epoch
            state.best[:] = state.parameters
        exhausted = watched and state.epoch - state.best_epoch >= settings.patience
        state.done = exhausted or state.epoch >= settings.epochs


class Chunk:
    """A few batches of every network: rows gathered, standardised and masked in a few large operations."""

    def __init__(
        self, shape: Shape, k: int, rows: int, dropout: float, exclusive: bool = True, weights: int = 1
    ) -> None:
        dims, *hidden, classes = shape.widths
        self._exclusive = exclusive
        self._classes, self._dropout = np.arange(classes), dropout
        self.inputs = np.ones((k, rows, dims + 1), np.float32)
        self.onehot = np.empty((k, rows, classes), np.float32)
        self.weights = np.empty((k, rows, weights), np.float32)
        self.probabilities = np.empty((k, rows, classes), np.float32)
        self.masks = [np.empty((k, rows, width), np.float32) for width in hidden] if dropout else []
        self._targets = np.zeros((k, rows), np.int64)
        self._counts = np.zeros(k, np.int64)

    def fill(self, i: int, member: Member, begin: int) -> None:
        """Prepare network ``i``'s batches from number ``begin`` on, as many as there is room for."""
        problem = member.problem
        batch = problem.settings.batch_size
        order = member.order[begin * batch : (begin + STEPS) * batch]
        n = len(order)
        # A last batch that is not full is filled up with rows of weight 0, so that every product has one shape.
        padded = -(-n // batch) * batch
        self._counts[i] = n
        rows = member.task.train[order]
        inputs = self.inputs[i, :n, :-1]
        np.subtract(problem.vectors[rows], member.mean, out=inputs)
        inputs *= member.scale
        self.inputs[i, n:padded, :-1] = 0
        if self._exclusive:
            targets = self._targets[i, :padded]
            targets[:n] = problem.targets[rows]
            np.equal(targets[:, None], self._classes, out=self.onehot[i, :padded], casting="unsafe")
        else:
            self.onehot[i, :n] = problem.targets[rows]
            self.onehot[i, n:padded] = 0
        weights = self.weights[i, :padded]
        weights[:n] = member.weights[order]
        weights[n:] = 0
        full = n - n % batch
        weights[:full] /= np.float32(batch)
        weights[full:] /= np.float32(max(n - full, 1))
        threshold, scale = round(self._dropout * 65_536), np.float32(1 / (1 - self._dropout))
        for mask in self.masks:
            units = mask[i, :padded]
            bits: NDArray[Any] = member.bits.random_raw(-(-units.size // 4)).view(np.uint16)[: units.size]
            np.copyto(units, (bits >= threshold).reshape(units.shape))
            units *= scale

    def score(self, i: int, member: Member) -> None:
        """Add the loss and the hits of network ``i``'s prepared batches to its epoch."""
        n = int(self._counts[i])
        if not self._exclusive:
            likely = np.abs(1 - self.onehot[i, :n] - self.probabilities[i, :n])  # of what is true
            member.loss += float(-np.log(np.maximum(likely, np.finfo(np.float32).tiny)).sum())
            return
        probabilities, targets = self.probabilities[i, :n], self._targets[i, :n]
        chosen = probabilities[np.arange(n), targets]
        # Exact zeros come from underflow; a non-finite loss must still show itself.
        member.loss += float(-np.log(np.maximum(chosen, np.finfo(np.float32).tiny)).sum())
        member.correct += int((probabilities.argmax(axis=1) == targets).sum())
