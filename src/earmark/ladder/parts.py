"""Fewer recordings, or fewer clips of each: for a learning curve, and for the first rounds of tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.split import TRAIN, UNUSED, VALIDATION, Split
from earmark.types import IntArray


def fewer_recordings(split: Split, share: float, seed: int) -> Split:
    """Return the split with a share of the recordings of each class to learn from; the test part is as it was.

    Smaller shares are parts of larger ones with the same seed. Of each class at least one recording stays to train on.
    """
    kept = np.zeros(len(split.roles), bool)
    for role, least in ((TRAIN, 1), (VALIDATION, 0)):
        rows = split.positions(role)
        kept[rows[_some(split.rows.joined[rows], split.rows.targets[rows], share, seed, least)]] = True
    return _only(split, kept)


def fewer_clips(split: Split, share: float, seed: int) -> Split:
    """Return the split with a share of the clips of each recording to learn from, at least one."""
    learnt = split.learnt
    rank = _ranks(split.rows.joined[learnt], np.random.default_rng([seed, 12]))
    sizes = np.bincount(split.rows.joined[learnt])[split.rows.joined[learnt]]
    kept = np.zeros(len(split.roles), bool)
    kept[learnt[rank < np.maximum(1, np.round(share * sizes))]] = True
    return _only(split, kept)


def recordings_a_class(split: Split) -> float:
    """Return how many recordings a class has to learn from, the mean over the classes."""
    learnt, rows = split.learnt, split.rows
    pairs = np.unique(np.stack([rows.targets[learnt], rows.joined[learnt]]), axis=1)
    return float(np.bincount(pairs[0])[np.unique(pairs[0])].mean())


def _only(split: Split, kept: NDArray[np.bool_]) -> Split:
    learnt = np.isin(split.roles, (TRAIN, VALIDATION))
    roles = np.where(learnt & ~kept, UNUSED, split.roles).astype(np.int8)
    return replace(split, roles=roles)


def _some(recordings: IntArray, targets: IntArray, share: float, seed: int, least: int) -> NDArray[np.bool_]:
    """Return which rows are of the recordings that stay. A recording is of the class that it begins with."""
    names, first = np.unique(recordings, return_index=True)
    classes = targets[first]
    rank = _ranks(classes, np.random.default_rng([seed, 11]))
    sizes = np.bincount(classes)[classes] if len(classes) else classes
    stay = rank < np.maximum(least, np.round(share * sizes))
    return np.isin(recordings, names[stay])


def _ranks(kinds: IntArray, rng: np.random.Generator) -> IntArray:
    """Return a random place from 0 of each entry among those of its kind."""
    order = rng.permutation(len(kinds))
    order = order[np.argsort(kinds[order], kind="stable")]
    ranked = kinds[order]
    begins = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(ranked) else order
    place = np.empty(len(kinds), np.int64)
    place[order] = np.arange(len(kinds)) - np.repeat(begins, np.diff(np.append(begins, len(ranked))))
    return place
