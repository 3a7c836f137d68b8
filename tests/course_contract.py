"""One contract for the models that pool a course over time and fit a linear layer on that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from earmark.train.problem import Problem, Task
from earmark.train.settings import TrainSettings

MELS = 9


def courses_of(targets, seed=0, frames=(1, 60)):
    """Noise, in which the band of the clip's class swells again and again."""
    rng = np.random.default_rng(seed)
    made = []
    for target in targets:
        course = rng.normal(-60, 4, (int(rng.integers(*frames)), MELS)).astype(np.float32)
        course[::3, 2 * target : 2 * target + 2] += 20
        made.append(course)
    return made


def problem_of(targets, courses, model, classes=3):
    return Problem(courses, targets, classes, model, TrainSettings())


class Contract:
    """The tests; whoever inherits them says which settings, what they become, what fits it, and what the seed draws."""

    settings: Any
    trained: Any
    seeded: str
    fit: Callable[..., Any]

    @pytest.fixture(scope="class")
    @classmethod
    def learnt(cls):
        targets = np.arange(90) % 3
        problem = problem_of(targets, courses_of(targets), cls.settings)
        task = Task(np.arange(0, 60), np.arange(60, 75), 0)
        return problem, task, *cls.fit(problem, task, cls.settings)

    def test_it_learns(self, learnt):
        problem, _, network, entry = learnt
        assert entry["epoch"] == 1
        assert entry["accuracy"] > 0.9
        unheard = np.arange(75, 90)
        scores = network.logits([problem.courses[i] for i in unheard])
        assert (scores.argmax(axis=1) == problem.targets[unheard]).mean() > 0.75

    def test_the_same_seed_gives_the_same_bytes_and_another_others(self, learnt):
        problem, task, network, _ = learnt
        again, _ = self.fit(problem, task, self.settings)
        for name, array in network.arrays().items():
            assert array.tobytes() == again.arrays()[name].tobytes(), name
        other, _ = self.fit(problem, Task(task.train, task.validation, 1), self.settings)
        assert (other.arrays()[self.seeded] != network.arrays()[self.seeded]).any()

    def test_nothing_but_the_tasks_rows_is_looked_at(self, learnt):
        problem, task, network, _ = learnt
        own = np.concatenate([task.train, task.validation])
        courses = [
            c if i in own else np.full((2, MELS), np.nan, np.float32) for i, c in enumerate(problem.courses)
        ]
        targets = np.where(np.isin(np.arange(len(courses)), own), problem.targets, 2)
        other, _ = self.fit(problem_of(targets, courses, self.settings), task, self.settings)
        for name, array in network.arrays().items():
            assert array.tobytes() == other.arrays()[name].tobytes(), name

    def test_it_is_what_its_arrays_say(self, learnt):
        problem, _, network, _ = learnt
        again = self.trained.from_arrays(self.settings, network.arrays())
        assert (again.logits(problem.courses) == network.logits(problem.courses)).all()

    @pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 80, 1000, 2500])
    def test_onnx_says_the_same(self, learnt, frames):
        network = learnt[2]
        session = onnxruntime.InferenceSession(network.to_onnx(), providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(frames)
        clips = rng.normal(-50, 10, (3, frames, MELS)).astype(np.float32)
        clips[2] = -100  # silence
        (scores,) = session.run(["logits"], {"features": clips})
        assert scores.shape == (3, 3)
        assert np.abs(scores - network.logits(list(clips))).max() < 1e-4

    def test_a_louder_clip_is_the_same_clip(self, learnt):
        problem, _, network, _ = learnt
        louder = [course + 12 for course in problem.courses]
        assert np.abs(network.logits(louder) - network.logits(problem.courses)).max() < 1e-3

    def test_a_clip_said_twice_is_told_as_once(self, learnt):
        """Length does not count: pieces of a steady sound, however many."""
        network = learnt[2]
        tone = np.tile(np.array([-60, -20, -70, -60, -40, -60, -80, -60, -60], np.float32), (4, 1))
        once, often = network.logits([tone, np.tile(tone, (900, 1))])
        assert np.abs(once - often).max() < 1e-3

    def test_several_labels_a_clip(self):
        targets = np.arange(80) % 3
        courses = courses_of(targets, frames=(20, 60))
        marks = np.eye(3, dtype=bool)[targets]
        for i in range(0, 40, 2):  # and one more label in some
            courses[i][1::3, 2 * ((targets[i] + 1) % 3)] += 20
            marks[i, (targets[i] + 1) % 3] = True
        task = Task(np.arange(80), np.arange(0), 0)
        network, entry = self.fit(problem_of(marks, courses, self.settings), task, self.settings)
        assert ((network.logits(courses) > 0) == marks).mean() > 0.9
        assert set(entry) == {"epoch", "loss"}

    def test_silence_alone_is_learnt_without_a_sound(self):
        targets = np.arange(6) % 2
        silence = [np.full((5, MELS), -100, np.float32)] * 6
        task = Task(np.arange(6), np.arange(0), 0)
        network, _ = self.fit(problem_of(targets, silence, self.settings, 2), task, self.settings)
        assert np.abs(network.logits(silence)).max() < 1e-3
