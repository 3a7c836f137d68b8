"""The rocket: its kernels and thresholds against what was planted, the network against its ONNX graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from earmark.errors import SettingError
from earmark.models.rocket import LENGTH, Rocket, TrainedRocket, windows_of
from earmark.train.problem import Problem, Task
from earmark.train.rocket import draw_kernels, fit_rocket, set_kernels
from earmark.train.settings import TrainSettings

SMALL = Rocket(kernels=48, thresholds=3)
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


def problem_of(targets, courses, classes=3, model=SMALL):
    return Problem(courses, targets, classes, model, TrainSettings())


@pytest.fixture(scope="module")
def learnt():
    targets = np.arange(90) % 3
    problem = problem_of(targets, courses_of(targets))
    task = Task(np.arange(0, 60), np.arange(60, 75), 0)
    return problem, task, *fit_rocket(problem, task, SMALL)


def test_kernels_answer_to_change_and_to_shape_and_never_to_level():
    kernels = draw_kernels(40, MELS, np.random.default_rng(0)).reshape(LENGTH, MELS, 40)
    assert np.abs(kernels.sum(axis=(0, 1))).max() < 1e-5
    for i in range(40):
        used = kernels[:, np.abs(kernels[:, :, i]).sum(axis=0) > 0, i]
        if i % 4:  # the same change over time in each of its bands
            assert 1 <= used.shape[1] <= MELS
            assert np.allclose(sorted(used[:, 0] * used.shape[1]), [-1] * 6 + [2] * 3, atol=1e-5)
        else:  # the same at any time
            assert (used == used[:1]).all()


def test_thresholds_part_what_was_heard_into_equal_shares():
    rng = np.random.default_rng(0)
    courses = [rng.normal(-50, 10, (40, MELS)).astype(np.float32) for _ in range(40)]
    shares = set_kernels(courses, SMALL, rng).pooled(courses).mean(axis=0).reshape(-1, 3, 16)
    # Above the lowest of three thresholds lie five sixths of all answers.
    assert np.abs(shares.mean(axis=(0, 2)) - [5 / 6, 3 / 6, 1 / 6]).max() < 0.03


@pytest.mark.parametrize(("frames", "dilations"), [(1, [1]), (16, [1]), (17, [1, 2]), (300, [1, 2, 4, 8])])
def test_kernels_reach_no_further_than_a_usual_clip(frames, dilations):
    courses = [np.random.default_rng(0).normal(-50, 10, (frames, MELS)).astype(np.float32)] * 3
    kernels = set_kernels(courses, SMALL, np.random.default_rng(0))
    assert kernels.dilations.tolist() == dilations
    assert kernels.weights.shape == (len(dilations), LENGTH * MELS, 48 // len(dilations))


def test_windows_are_the_same_in_one_piece_and_in_several():
    course = np.random.default_rng(0).normal(-50, 10, (2500, 2)).astype(np.float32)
    windows = np.concatenate(list(windows_of(course, 3)))
    assert len(windows) == 2500
    for frame in (0, 1023, 1024, 2499):
        seen = [course[min(max(frame + 3 * i, 0), 2499)] for i in range(-4, 5)]
        assert (windows[frame] == np.concatenate(seen)).all()


def test_it_learns(learnt):
    problem, _, network, entry = learnt
    assert entry["epoch"] == 1
    assert entry["accuracy"] > 0.9
    unheard = np.arange(75, 90)
    scores = network.logits([problem.courses[i] for i in unheard])
    assert (scores.argmax(axis=1) == problem.targets[unheard]).mean() > 0.75


def test_the_same_seed_gives_the_same_bytes_and_another_others(learnt):
    problem, task, network, _ = learnt
    again, _ = fit_rocket(problem, task, SMALL)
    for name, array in network.arrays().items():
        assert array.tobytes() == again.arrays()[name].tobytes(), name
    other, _ = fit_rocket(problem, Task(task.train, task.validation, 1), SMALL)
    assert (other.arrays()["weights"] != network.arrays()["weights"]).any()


def test_nothing_but_the_tasks_rows_is_looked_at(learnt):
    problem, task, network, _ = learnt
    own = np.concatenate([task.train, task.validation])
    courses = [
        c if i in own else np.full((2, MELS), np.nan, np.float32) for i, c in enumerate(problem.courses)
    ]
    targets = np.where(np.isin(np.arange(len(courses)), own), problem.targets, 2)
    other, _ = fit_rocket(problem_of(targets, courses), task, SMALL)
    for name, array in network.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


def test_it_is_what_its_arrays_say(learnt):
    problem, _, network, _ = learnt
    again = TrainedRocket.from_arrays(SMALL, network.arrays())
    assert (again.logits(problem.courses) == network.logits(problem.courses)).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 80, 1000, 2500])
def test_onnx_says_the_same(learnt, frames):
    network = learnt[2]
    session = onnxruntime.InferenceSession(network.to_onnx(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(frames)
    clips = rng.normal(-50, 10, (3, frames, MELS)).astype(np.float32)
    clips[2] = -100  # silence
    (scores,) = session.run(["logits"], {"features": clips})
    assert scores.shape == (3, 3)
    assert np.abs(scores - network.logits(list(clips))).max() < 1e-4


def test_a_louder_clip_is_the_same_clip(learnt):
    problem, _, network, _ = learnt
    louder = [course + 12 for course in problem.courses]
    assert np.abs(network.logits(louder) - network.logits(problem.courses)).max() < 1e-3


def test_a_clip_said_twice_is_told_as_once(learnt):
    """Length does not count: pieces of a steady sound, however many."""
    network = learnt[2]
    tone = np.tile(np.array([-60, -20, -70, -60, -40, -60, -80, -60, -60], np.float32), (4, 1))
    once, often = network.logits([tone, np.tile(tone, (900, 1))])
    assert np.abs(once - often).max() < 1e-3


def test_several_labels_a_clip():
    targets = np.arange(80) % 3
    courses = courses_of(targets, frames=(20, 60))
    marks = np.eye(3, dtype=bool)[targets]
    for i in range(0, 40, 2):  # and one more label in some
        courses[i][1::3, 2 * ((targets[i] + 1) % 3)] += 20
        marks[i, (targets[i] + 1) % 3] = True
    network, entry = fit_rocket(problem_of(marks, courses), Task(np.arange(80), np.arange(0), 0), SMALL)
    assert ((network.logits(courses) > 0) == marks).mean() > 0.9
    assert set(entry) == {"epoch", "loss"}


def test_silence_alone_is_learnt_without_a_sound():
    targets = np.arange(6) % 2
    silence = [np.full((5, MELS), -100, np.float32)] * 6
    network, _ = fit_rocket(problem_of(targets, silence, 2), Task(np.arange(6), np.arange(0), 0), SMALL)
    assert np.abs(network.logits(silence)).max() < 1e-3


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"kernels": 3}, "[model] kernels is 3, but must be from 4 to 16384."),
        ({"thresholds": 0}, "[model] thresholds is 0, but must be from 1 to 64."),
        ({"penalty": 0.0}, "[model] penalty is 0.0, but must be from 1e-09 to 1e+06."),
    ],
)
def test_settings_are_refused_in_words(setting, says):
    with pytest.raises(SettingError) as refused:
        Rocket(**setting)
    assert str(refused.value) == says
