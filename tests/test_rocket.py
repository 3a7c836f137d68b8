"""The rocket: its kernels and thresholds against what was planted, the network against its ONNX graph."""

from __future__ import annotations

import numpy as np
import pytest

from course_contract import MELS, Contract
from earmark.errors import SettingError
from earmark.models.rocket import LENGTH, Rocket, TrainedRocket, windows_of
from earmark.train.rocket import draw_kernels, fit_rocket, set_kernels

SMALL = Rocket(kernels=48, thresholds=3)


class TestRocket(Contract):
    settings, trained, seeded = SMALL, TrainedRocket, "weights"
    fit = staticmethod(fit_rocket)


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
