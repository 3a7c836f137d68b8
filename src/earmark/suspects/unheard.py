"""What is said of every clip by models that did not hear it, and by models that heard none of its recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.engine import one_blas_thread
from earmark.split import Rows
from earmark.suspects.ridge import Ridge, Scores, onto
from earmark.types import FloatArray, IntArray

_SHARPEST = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Probabilities from models that did not hear what they speak of.

    Parameters
    ----------
    place
        int64[n]: the class of each row among those that are present.
    units
        int64[n]: rows with the same number are of one recording and have the same label.
    by_clips, by_recordings
        float64[n, classes]: what all other clips say, and what all other recordings say, the latter of a unit as a
        whole.
    clip_counts, recording_counts
        bool[n]: whether each can be believed, for another clip, or another recording, has the row's label.
    """

    place: IntArray
    units: IntArray
    by_clips: Scores
    by_recordings: Scores
    clip_counts: NDArray[np.bool_]
    recording_counts: NDArray[np.bool_]


def held_out(values: FloatArray, rows: Rows, seed: int, tell: Callable[[str], None]) -> HeldOut:
    """Ask of each row, float32[n, d], all other clips and then all other recordings."""
    recordings = rows.joined
    present, place = np.unique(rows.targets, return_inverse=True)
    place = place.reshape(-1).astype(np.int64)
    units = np.unique(recordings * len(present) + place, return_inverse=True)[1].reshape(-1).astype(np.int64)
    by_clip, by_recording = _judgeable(place, recordings, units)
    goal = onto(place, len(present))
    whole = np.zeros_like(goal)
    with one_blas_thread():
        tell("asking all other clips about each clip")
        alone = Ridge.of(values, np.ones(len(values)), seed).without_each(goal)
        if by_recording.any():
            tell("asking all other recordings about each recording")
            # A recording counts once, however many clips were cut from it.
            weights = 1.0 / np.bincount(recordings)[recordings]
            whole = _mean_of(Ridge.of(values, weights, seed).without_groups(goal, recordings), units)
    first = _probabilities(alone, place, np.where(by_clip, 1.0, 0.0))
    second = _probabilities(whole, place, np.where(by_recording, 1.0 / np.bincount(units)[units], 0.0))
    return HeldOut(place, units, first, second, by_clip, by_recording)


def _judgeable(
    place: IntArray, recordings: IntArray, units: IntArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return bool[n] twice: whose label another clip has, and whose label another recording has."""
    clips = np.bincount(place)
    of_class = np.zeros(len(clips), np.int64)
    np.add.at(of_class, place[np.unique(units, return_index=True)[1]], 1)
    several = of_class >= 2
    # With one recording that has all the other classes nothing is left to learn them from.
    elsewhere = len(np.unique(recordings)) >= 3
    return clips[place] >= 2, several[place] & elsewhere


def _mean_of(said: Scores, units: IntArray) -> Scores:
    sums = np.zeros((int(units.max()) + 1, said.shape[1]))
    np.add.at(sums, units, said)
    mean: Scores = (sums / np.bincount(units)[:, None])[units]
    return mean


def _probabilities(said: Scores, place: IntArray, weights: NDArray[np.float64]) -> Scores:
    """Return float64[n, classes]: the softmax, as sharp as the labels that there are make most likely."""
    from scipy.optimize import minimize_scalar

    if not weights.any():
        return np.full_like(said, 1 / said.shape[1])
    own = said[np.arange(len(said)), place]

    def loss(sharpness: float) -> float:
        top = said.max(axis=1)
        total = np.log(np.exp(sharpness * (said - top[:, None])).sum(axis=1)) + sharpness * top
        return float(np.average(total - sharpness * own, weights=weights))

    sharpness = minimize_scalar(loss, bounds=(0.01, _SHARPEST), method="bounded").x
    powers = np.exp(sharpness * (said - said.max(axis=1, keepdims=True)))
    result: Scores = powers / powers.sum(axis=1, keepdims=True)
    return result
