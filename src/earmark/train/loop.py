"""The training loop: a stack of networks, each with rows, seed, epoch and early stopping of its own."""

from __future__ import annotations

import numpy as np

from earmark.models import Mlp
from earmark.models.dense import Adam, Gradient
from earmark.train.batches import STEPS, Chunk, Member
from earmark.train.problem import Problem, State, Task

_EPSILON = 1e-7  # Keras' default


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
        self._members = [Member(problem, task, state) for task, state in zip(tasks, states, strict=True)]
        self._room: _Room | None = None

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
            with np.errstate(all="ignore"):  # what goes wrong shows in the loss, and is told in words
                if self._room is None or self._room.k != len(members):
                    columns = members[0].weights.shape[1]
                    self._room = _Room(self.problem, len(members), members[0].batches, columns)
                self._room.run(members)
            for member in members:
                member.finish_epoch()
        return running


class _Room:
    """The memory in which ``k`` networks train, kept from epoch to epoch."""

    def __init__(self, problem: Problem, k: int, batches: int, weights: int) -> None:
        settings, shape = problem.settings, problem.shape
        self.k, self._batch, self._steps = k, settings.batch_size, min(STEPS, batches)
        self._flat = np.empty((k, shape.size), np.float32)
        self._adam = Adam(k, shape.size, settings.learning_rate, epsilon=_EPSILON)
        self._gradient = Gradient(shape, k, settings.batch_size, problem.exclusive)
        rows = self._steps * settings.batch_size
        dropout = problem.model.dropout if isinstance(problem.model, Mlp) else 0.0
        self._chunk = Chunk(shape, k, rows, dropout, problem.exclusive, weights)

    def run(self, members: list[Member]) -> None:
        """Train ``members``, longest first, for an epoch, and leave the results in their states."""
        adam, chunk, batch = self._adam, self._chunk, self._batch
        for i, m in enumerate(members):
            self._flat[i] = m.state.parameters
            adam.first[i], adam.second[i], adam.steps[i] = m.state.first, m.state.second, m.state.steps
            m.start_epoch()
        for begin in range(0, members[0].batches, STEPS):
            active = sum(m.batches > begin for m in members)
            for i in range(active):
                chunk.fill(i, members[i], begin)
            for step in range(min(STEPS, members[0].batches - begin)):
                busy = sum(m.batches > begin + step for m in members)
                span = slice(step * batch, (step + 1) * batch)
                gradient = self._gradient(
                    self._flat[:busy],
                    chunk.inputs[:busy, span],
                    chunk.onehot[:busy, span],
                    chunk.weights[:busy, span],
                    [mask[:busy, span] for mask in chunk.masks],
                )
                adam.update(self._flat[:busy], gradient)
                chunk.probabilities[:busy, span] = self._gradient.probabilities[:busy]
            for i in range(active):
                chunk.score(i, members[i])
        for i, m in enumerate(members):
            m.state.parameters[:] = self._flat[i]
            m.state.first[:], m.state.second[:] = adam.first[i], adam.second[i]
            m.state.steps = int(adam.steps[i])
