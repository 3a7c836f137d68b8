"""A small problem for the convolutional network, and a program that trains it in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from earmark.models.cnn import Cnn
from earmark.train.problem import Problem, Task
from earmark.train.settings import TrainSettings

BANDS, CLASSES = 12, 3
NONE = np.empty(0, np.int64)


def courses(n=36, several=False, **train) -> Problem:
    """Clips of 1 to 30 frames, each class louder in bands of its own."""
    rng = np.random.default_rng(0)
    targets = np.arange(n) % CLASSES
    marks = np.eye(CLASSES, dtype=bool)[targets] | (rng.random((n, CLASSES)) < 0.2)
    values = []
    for i in range(n):
        course = rng.normal(-60, 5, (1 if i == 5 else int(rng.integers(4, 30)), BANDS))
        for label in np.flatnonzero(marks[i]) if several else [targets[i]]:
            course[:, 4 * label : 4 * label + 3] += 25
        values.append(course.astype(np.float32))
    model = Cnn(channels=(4, 6), window=16, device="cpu")
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "patience": 0, **train}
    return Problem(values, marks if several else targets, CLASSES, model, TrainSettings(**settings))


def task(n=36, seed=3) -> Task:
    """All but every sixth row, some of them for validation."""
    rows = np.array([i for i in range(n) if i % 6], np.int64)
    return Task(rows[5:], rows[:5], seed)


if __name__ == "__main__":
    from earmark.train.cnn import fit_cnn

    path, epochs = Path(sys.argv[1]), int(sys.argv[2])
    net, history = fit_cnn(
        courses(epochs=epochs), task(), path, lambda entry: print(json.dumps(entry), flush=True), every=0.0
    )
    if "WORLD_SIZE" in os.environ:  # the processes stay together for the next one
        again, _ = fit_cnn(courses(epochs=1), task(seed=4), path.with_name("again"))
        once_more, _ = fit_cnn(courses(epochs=1), task(seed=4), path.with_name("once-more"))
        assert np.array_equal(again.arrays()["kernel_0"], once_more.arrays()["kernel_0"])
    if len(sys.argv) > 3:
        np.savez(sys.argv[3], **net.arrays())
