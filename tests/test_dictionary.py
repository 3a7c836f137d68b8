"""The dictionary: whitening and k-means against what was planted, the network against its ONNX graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from course_contract import MELS, Contract, courses_of, problem_of
from earmark.errors import SettingError
from earmark.models.dictionary import Dictionary, TrainedDictionary, patches_of
from earmark.train.dictionary import fit_dictionary, learn_codebook, pca_whitening, spherical_kmeans
from earmark.train.problem import Task

SMALL = Dictionary(words=12, frames=4, components=10)


class TestDictionary(Contract):
    settings, trained, seeded = SMALL, TrainedDictionary, "words"
    fit = staticmethod(fit_dictionary)

    def test_pooling_is_over_all_patches_and_one_patch_has_no_spread(self, learnt):
        book = learnt[2].codebook
        course = np.random.default_rng(0).normal(-60, 8, (2500, MELS)).astype(np.float32)
        patches = patches_of(course, SMALL.frames).reshape(-1, len(book.whitening)).astype(np.float64)
        found = np.maximum((patches @ book.whitening - book.offset) @ book.words - book.THRESHOLD, 0)
        expected = np.concatenate([found.mean(axis=0), found.std(axis=0), found.max(axis=0)])
        np.testing.assert_allclose(book.pooled([course])[0], expected, rtol=1e-4, atol=1e-5)
        short = book.pooled([course[i : i + 1 + i % SMALL.frames] for i in range(200)])
        assert not short[:, 12:24].any()


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


def test_clips_of_one_patch_each_say_the_same_in_onnx():
    """Their spread never changes in training, so that whatever it were would be made loud."""
    targets = np.arange(60) % 3
    courses = courses_of(targets, frames=(2, 1 + SMALL.frames))
    network, _ = fit_dictionary(
        problem_of(targets, courses, SMALL), Task(np.arange(40), np.arange(0), 0), SMALL
    )
    session = onnxruntime.InferenceSession(network.to_onnx(), providers=["CPUExecutionProvider"])
    for course in courses:
        (scores,) = session.run(["logits"], {"features": course[None]})
        assert np.abs(scores - network.logits([course])).max() < 1e-4


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
