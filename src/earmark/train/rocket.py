"""Draws random convolutions, sets their thresholds, and fits logistic regression on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.inputs import take
from earmark.models.rocket import LENGTH, Kernels, Rocket, TrainedRocket, windows_of
from earmark.train.head import fit_head
from earmark.train.problem import Problem, Task
from earmark.types import FloatArray

_DILATIONS = (1, 2, 4, 8)
_CLIPS, _FRAMES = 512, 40  # that thresholds are set by
_MOST_BANDS = 16
_RAMP = 0.5  # its width, in standard deviations of a kernel's answers
_FAINT = 0.01  # dB: what answers less is silent


def fit_rocket(problem: Problem, task: Task, model: Rocket) -> tuple[TrainedRocket, dict[str, float]]:
    """Fit one model to training and validation rows; return it, and the entry to tell.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    rng = np.random.default_rng([task.seed, 2])
    rows = task.learnt
    learnt = take(problem.courses, rows)
    some = [learnt[int(i)] for i in rng.permutation(len(rows))[:_CLIPS]]
    kernels = set_kernels(some, model, rng)
    head, entry = fit_head(problem, task, kernels.pooled(learnt), model.penalty)
    return TrainedRocket(kernels, head), entry


def set_kernels(courses: Sequence[FloatArray], model: Rocket, rng: np.random.Generator) -> Kernels:
    """Draw kernels; their thresholds are quantiles of what they answer to some courses, as many frames of each."""
    median = float(np.median([len(course) for course in courses]))
    # What reaches beyond a usual clip would see its edges alone.
    dilations = [d for d in _DILATIONS if d == 1 or (LENGTH - 1) * d < median]
    each = -(-model.kernels // len(dilations))
    shares = (np.arange(model.thresholds) + 0.5) / model.thresholds
    weights, starts = [], []
    for dilation in dilations:
        own = draw_kernels(each, courses[0].shape[1], rng)
        answers = np.concatenate([_some_answers(course, own, dilation, rng) for course in courses])
        spread = answers.std(axis=0)
        slope = np.where(spread > _FAINT, 1 / (_RAMP * np.maximum(spread, _FAINT)), 0).astype(np.float32)
        weights.append(own * slope)
        # Half-way up a ramp lies its threshold.
        starts.append(np.quantile(answers, shares, axis=0) * slope - 0.5)
    return Kernels(np.stack(weights), np.stack(starts).astype(np.float32), np.array(dilations, np.int64))


def draw_kernels(count: int, mels: int, rng: np.random.Generator) -> FloatArray:
    """Return float32[LENGTH * mels, count]: three of four answer to change, the fourth to a spectrum's shape.

    The former have, on some bands, three weights of 2 and six of -1, which is change over time; the latter have 1 on
    some bands and -1 on as many. How many bands is drawn so that few are as likely as many, and weights are
    divided by it. The sum of a kernel's weights is 0.
    """
    kernels = np.zeros((count, LENGTH, mels), np.float32)
    for i, kernel in enumerate(kernels):
        bands = int(2 ** rng.uniform(0, np.log2(min(mels, _MOST_BANDS) + 1)))
        if i % 4:
            course: NDArray[np.float64] = np.full(LENGTH, -1.0)
            course[rng.choice(LENGTH, 3, replace=False)] = 2.0
            kernel[:, rng.choice(mels, bands, replace=False)] = course[:, None] / bands
        else:
            kernel[:, rng.choice(mels, bands, replace=False)] += 1 / bands
            kernel[:, rng.choice(mels, bands, replace=False)] -= 1 / bands
    return np.ascontiguousarray(kernels.reshape(count, -1).T)


def _some_answers(
    course: FloatArray, kernels: FloatArray, dilation: int, rng: np.random.Generator
) -> FloatArray:
    """Return float32[frames, kernels], at most `_FRAMES` of them."""
    at = np.sort(rng.permutation(len(course))[:_FRAMES])
    first = 0
    found = []
    for windows in windows_of(course, dilation):
        own = at[(at >= first) & (at < first + len(windows))] - first
        found.append(windows[own] @ kernels)
        first += len(windows)
    return np.concatenate(found)
