"""The loop: batches, gradients and steps, epoch after epoch, with a checkpoint every other second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn

from earmark.models.cnn import Cnn, CnnNetwork
from earmark.train import checkpoint
from earmark.train.cnn import augment, network
from earmark.train.cnn.clips import Clips, band_statistics, open_clips, to_device
from earmark.train.cnn.device import choose_device, half, held
from earmark.train.cnn.network import Statistics
from earmark.train.cnn.ranks import Ranks, join
from earmark.train.cnn.state import State, save
from earmark.train.problem import Problem, Task
from earmark.types import FloatArray, IntArray

Tensor = Any
Tell = Callable[[dict[str, float]], None]

_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8  # of AdamW
_WARM = 0.05  # share of the steps in which the rate rises


def train(
    problem: Problem, task: Task, path: Path, tell: Tell, every: float
) -> tuple[CnnNetwork, list[dict[str, float]]]:
    """Train one network; see `earmark.train.cnn.fit_cnn`."""
    settings = _settings(problem)
    device = choose_device(settings.device)
    with held(settings.deterministic):
        ranks = join(device)
        identity = checkpoint.identity(problem, task)
        found = checkpoint.restore(State, path, identity) if ranks.rank == 0 else None
        state = found or State.fresh(settings, problem.classes, task.seed)
        state.share(ranks, device)
        fit = _Fit(problem, task, state, device, ranks)
        saved = time.monotonic()
        while state.epoch < problem.settings.epochs:
            fit.epoch()
            if ranks.rank == 0:
                done = state.epoch == problem.settings.epochs
                if done or time.monotonic() - saved >= every:
                    fit.keep()
                    save(path, state, identity)
                    saved = time.monotonic()
                tell(state.history[-1])
        ranks.wait()  # nobody looks for the checkpoint before it is written
        return CnnNetwork(settings, fit.folded()), state.history


class _Fit:
    """A network in training, on its device."""

    def __init__(self, problem: Problem, task: Task, state: State, device: Any, ranks: Ranks) -> None:
        self._settings = _settings(problem)
        self._problem, self._task, self._state = problem, task, state
        self._device, self._ranks = device, ranks
        rows = task.learnt
        depth = self._settings.depth
        self._clips: Clips = open_clips(problem.courses, rows, depth, device)
        self._mean, self._scale = band_statistics(problem.courses, rows, depth)
        self._window = window(self._settings.window, self._clips.frames)
        self._targets = _targets(problem, rows, self._settings.label_smoothing)
        weights = problem.weights_of(rows, task)
        self._weights = weights if weights.ndim == 2 else weights[:, None]
        self._batch = problem.settings.batch_size
        self._steps = -(-len(rows) // self._batch)
        self._half = half(device)

        def there(array: FloatArray) -> Tensor:
            # A copy: on a CPU the tensor would share the memory of the state, which is kept in mid-epoch.
            return torch.from_numpy(array.copy()).to(device)

        self._flat = there(state.parameters).requires_grad_()
        self._first, self._second = there(state.first), there(state.second)
        self._average = there(state.average)
        self._statistics = Statistics(there(state.mean), there(state.variance))
        self._decayed = there(network.decayed(self._settings, problem.classes))
        self._bands = there(self._mean), there(self._scale)

    def epoch(self) -> None:
        """Go once over all rows, and enter what became of it in the state's history.

        Raises
        ------
        FloatingPointError
            When the loss is no longer finite.
        """
        epoch, rows = self._state.epoch, len(self._targets)
        order = np.random.default_rng([self._task.seed, 1, epoch]).permutation(rows)
        # All batches are full: the last one is filled up with rows from the start of the order.
        order = np.resize(order, self._steps * self._batch)
        told = torch.zeros(2, dtype=torch.float64 if self._device.type != "mps" else torch.float32)
        told = told.to(self._device)
        for step in range(self._steps):
            told += self._step(order[step * self._batch : (step + 1) * self._batch], epoch, step)
        self._ranks.add_up(told)
        loss, right = (told / len(order)).tolist()  # the only time in an epoch that the device is waited for
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} in epoch {epoch + 1}")
        self._state.epoch += 1
        entry = {"epoch": self._state.epoch, "loss": loss}
        if self._problem.exclusive:
            entry["accuracy"] = right
        self._state.history.append(entry)

    def _step(self, rows: IntArray, epoch: int, step: int) -> Tensor:
        """Learn from one batch; return the sums of loss and right answers of this process's rows."""
        self._ranks.batch = len(rows)
        inputs, targets, weights = self._prepare(rows, [self._task.seed, 3, epoch, step])
        parameters = network.split(self._settings, self._problem.classes, self._flat)
        scores = network.logits(
            self._settings, parameters, inputs, self._window, self._statistics, self._ranks, self._half
        )
        if self._problem.exclusive:
            losses = -(targets * nn.log_softmax(scores, dim=1)) * weights
        else:
            losses = nn.binary_cross_entropy_with_logits(scores, targets, reduction="none") * weights
        loss = losses.sum() / len(rows)
        self._flat.grad = None
        loss.backward()
        self._ranks.add_up(self._flat.grad)
        self._update(epoch * self._steps + step)
        right = (scores.argmax(1) == targets.argmax(1)).sum()
        return torch.stack([losses.detach().sum(), right]).to(self._average.device)

    def _prepare(self, rows: IntArray, seeds: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return inputs, targets and weights of this process's part of a batch."""
        settings, frames = self._settings, self._clips.frames
        partners = np.roll(rows, 1)
        drawn = augment.draw(settings, seeds, frames[rows], frames[partners], self._window, len(self._mean))
        mine = self._ranks.mine(len(rows))

        def there(array: Any) -> Tensor:
            return to_device(array[mine], self._device)

        inputs = self._clips.windows(rows[mine], drawn.starts[mine], self._window)
        if settings.mixup or settings.background:
            others = self._clips.windows(partners[mine], drawn.others[mine], self._window)
            below = there(drawn.below)
            inputs = augment.blend(network.levelled(inputs), network.levelled(others), below)
        inputs = augment.filtered(inputs, there(drawn.curve))
        mean, scale = self._bands
        inputs = network.views((network.levelled(inputs) - mean) * scale)
        inputs = augment.hidden(inputs, there(drawn.hidden_frames), there(drawn.hidden_bands))
        share = drawn.share[:, None]
        targets = share * self._targets[rows] + (1 - share) * self._targets[partners]
        weights = share * self._weights[rows] + (1 - share) * self._weights[partners]
        if self._problem.exclusive:
            weights = weights * (len(rows) / weights.sum())
        return inputs, there(targets), there(weights)

    def _update(self, step: int) -> None:
        """AdamW on the whole vector, and the running mean of the weights."""
        total = self._steps * self._problem.settings.epochs
        rate = self._problem.settings.learning_rate * scheduled(step, total)
        gradient, flat = self._flat.grad, self._flat.detach()
        self._first.lerp_(gradient, 1 - _FIRST)
        self._second.mul_(_SECOND).addcmul_(gradient, gradient, value=1 - _SECOND)
        flat.sub_(self._decayed * flat, alpha=rate * self._settings.weight_decay)
        scale = math.sqrt(1 - _SECOND ** (step + 1)) / (1 - _FIRST ** (step + 1))
        flat.addcdiv_(self._first, self._second.sqrt().add_(_EPSILON), value=-rate * scale)
        kept = min(self._settings.average, (1 + step) / (10 + step))
        self._average.lerp_(flat, 1 - kept)

    def keep(self) -> None:
        """Bring the state's arrays up to date."""
        state = self._state
        for array, tensor in (
            (state.parameters, self._flat),
            (state.first, self._first),
            (state.second, self._second),
            (state.average, self._average),
            (state.mean, self._statistics.mean),
            (state.variance, self._statistics.variance),
        ):
            array[:] = tensor.detach().cpu().numpy()

    def folded(self) -> dict[str, FloatArray]:
        """Return the weights of the finished network."""
        return network.folded(
            self._settings, self._problem.classes, self._average, self._statistics, self._mean, self._scale
        ) | {"window": np.array([self._window], np.float32)}


def window(most: int, frames: IntArray) -> int:
    """Return how many frames a training step sees of a clip: as many as 19 of 20 clips have at most.

    >>> window(128, np.array([30, 32, 32, 35])), window(128, np.array([30, 300, 300]))
    (35, 128)
    """
    return min(most, int(np.quantile(frames, 0.95, method="higher")))


def scheduled(step: int, steps: int) -> float:
    """Return the share of the rate in a step: up along a line, and down along a half cosine.

    >>> [round(scheduled(step, 100), 2) for step in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    """
    warm = max(1, round(_WARM * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _settings(problem: Problem) -> Cnn:
    if not isinstance(problem.model, Cnn):
        raise TypeError(f"{problem.model.name} is no convolutional network")
    return problem.model


def _targets(problem: Problem, rows: IntArray, smoothing: float) -> FloatArray:
    """Return float32[n, classes]: how much of each label each clip has."""
    if not problem.exclusive:
        return np.asarray(problem.targets[rows], np.float32)
    known: FloatArray = np.eye(problem.classes, dtype=np.float32)[problem.targets[rows]]
    return known * np.float32(1 - smoothing) + np.float32(smoothing / problem.classes)
