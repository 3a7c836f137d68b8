"""The dictionary: whitening and k-means against what was planted, the network against its ONNX graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from earmark.errors import SettingError
from earmark.models.dictionary import Dictionary, TrainedDictionary, patches_of
from earmark.train.dictionary import fit_dictionary, learn_codebook, pca_whitening, spherical_kmeans
from earmark.train.problem import Problem, Task
from earmark.train.settings import TrainSettings

SMALL = Dictionary(words=12, frames=4, components=10)
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
    return problem, task, *fit_dictionary(problem, task, SMALL)


def test_whitened_rows_have_no_mean_and_are_not_correlated():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((4000, 6)) @ rng.standard_normal((6, 6)) + 5).astype(np.float32)
    whitening, offset = pca_whitening(rows, 6)
    white = rows @ whitening - offset
    assert np.abs(white.mean(axis=0)).max() < 1e-3
    assert np.abs(white.T @ white / len(white) - np.eye(6)).max() < 1e-2


def test_directions_in_which_rows_do_not_differ_are_not_kept():
    rng = np.random.default_rng(0)
    rows = np.zeros((100, 5), np.float32)
    rows[:, 1:3] = rng.standard_normal((100, 2))
    assert pca_whitening(rows, 5)[0].shape == (5, 2)
    alike, offset = pca_whitening(np.full((10, 5), 7, np.float32), 5)
    assert alike.shape == (5, 1)
    assert np.abs(np.full(5, 7) @ alike - offset).max() < 1


def test_planted_directions_are_found_whatever_the_lengths():
    rng = np.random.default_rng(1)
    planted = np.eye(8, dtype=np.float32)[:5]
    rows = planted[np.arange(500) % 5] + rng.normal(0, 0.05, (500, 8)).astype(np.float32)
    rows *= rng.uniform(0.1, 100, (500, 1)).astype(np.float32)
    # Of five centroids two may begin in one cluster; of twenty none is left out.
    found = spherical_kmeans(rows, 20, rng)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert ((found @ planted.T).max(axis=0) > 0.99).all()


def test_more_centroids_than_rows_and_rows_of_nothing():
    rng = np.random.default_rng(2)
    for rows in (np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)):
        found = spherical_kmeans(rows, 7, rng)
        assert found.shape == (7, 4)
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_it_learns(learnt):
    problem, _, network, entry = learnt
    assert entry["epoch"] == 1
    assert entry["accuracy"] > 0.9
    unheard = np.arange(75, 90)
    scores = network.logits([problem.courses[i] for i in unheard])
    assert (scores.argmax(axis=1) == problem.targets[unheard]).mean() > 0.75


def test_the_same_seed_gives_the_same_bytes_and_another_others(learnt):
    problem, task, network, _ = learnt
    again, _ = fit_dictionary(problem, task, SMALL)
    for name, array in network.arrays().items():
        assert array.tobytes() == again.arrays()[name].tobytes(), name
    other, _ = fit_dictionary(problem, Task(task.train, task.validation, 1), SMALL)
    assert (other.arrays()["words"] != network.arrays()["words"]).any()


def test_nothing_but_the_tasks_rows_is_looked_at(learnt):
    problem, task, network, _ = learnt
    own = np.concatenate([task.train, task.validation])
    courses = [
        c if i in own else np.full((2, MELS), np.nan, np.float32) for i, c in enumerate(problem.courses)
    ]
    targets = np.where(np.isin(np.arange(len(courses)), own), problem.targets, 2)
    other, _ = fit_dictionary(problem_of(targets, courses), task, SMALL)
    for name, array in network.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


def test_it_is_what_its_arrays_say(learnt):
    problem, _, network, _ = learnt
    again = TrainedDictionary.from_arrays(SMALL, network.arrays())
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
    network, entry = fit_dictionary(problem_of(marks, courses), Task(np.arange(80), np.arange(0), 0), SMALL)
    assert ((network.logits(courses) > 0) == marks).mean() > 0.9
    assert set(entry) == {"epoch", "loss"}


def test_silence_alone_is_learnt_without_a_sound():
    targets = np.arange(6) % 2
    silence = [np.full((5, MELS), -100, np.float32)] * 6
    network, _ = fit_dictionary(problem_of(targets, silence, 2), Task(np.arange(6), np.arange(0), 0), SMALL)
    assert np.abs(network.logits(silence)).max() < 1e-3


def test_a_sample_is_even_over_clips_and_bounded():
    rng = np.random.default_rng(0)
    long = rng.normal(-60, 4, (5000, MELS)).astype(np.float32)
    book = learn_codebook(patches_of(long, 4).reshape(-1, 4 * MELS), SMALL, rng)
    assert book.words.shape == (10, 12)
    assert np.abs(book.whitening.sum(axis=0)).max() < 1e-4


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"words": 1}, "[model] words is 1, but must be from 2 to 16384."),
        ({"frames": 0}, "[model] frames is 0, but must be from 1 to 256."),
        ({"components": 5000}, "[model] components is 5000, but must be from 1 to 4096."),
        ({"penalty": 0.0}, "[model] penalty is 0.0, but must be from 1e-09 to 1e+06."),
    ],
)
def test_settings_are_refused_in_words(setting, says):
    with pytest.raises(SettingError) as refused:
        Dictionary(**setting)
    assert str(refused.value) == says
