"""Learns a dictionary of short sounds, and logistic regression on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.inputs import take
from earmark.models.dictionary import Codebook, Dictionary, TrainedDictionary, patches_of
from earmark.train.head import fit_head
from earmark.train.problem import Problem, Task
from earmark.types import FloatArray, IntArray

_PATCHES = 40_000  # that are learnt from, as many of each clip
_ROUNDS = 10


def fit_dictionary(
    problem: Problem, task: Task, model: Dictionary
) -> tuple[TrainedDictionary, dict[str, float]]:
    """Fit one model to training and validation rows; return it, and the entry to tell.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    rng = np.random.default_rng([task.seed, 1])
    rows = task.learnt
    codebook = learn_codebook(_sampled(problem, rows, model.frames, rng), model, rng)
    head, entry = fit_head(problem, task, codebook.pooled(take(problem.courses, rows)), model.penalty)
    return TrainedDictionary(codebook, head), entry


def _sampled(problem: Problem, rows: IntArray, frames: int, rng: np.random.Generator) -> FloatArray:
    """Return patches float32[n, frames * n_mels], as many of each row, or all where it has fewer."""
    each = -(-_PATCHES // len(rows))
    found = []
    for row in rows:
        patches = patches_of(problem.courses[row], frames)
        at = rng.permutation(len(patches))[:each]
        found.append(patches[at].reshape(len(at), -1))
    # Of very many rows one patch each would still be too many.
    sample = np.concatenate(found)
    return sample if len(sample) <= 2 * _PATCHES else sample[rng.permutation(len(sample))[:_PATCHES]]


def learn_codebook(patches: FloatArray, model: Dictionary, rng: np.random.Generator) -> Codebook:
    """Return the codebook of patches float32[n, frames * n_mels]."""
    whitening, offset = pca_whitening(patches - patches.mean(axis=1, keepdims=True), model.components)
    # What is taken from a patch is its mean level: each column's sum becomes 0, and it is done for any patch.
    whitening = whitening - whitening.mean(axis=0)
    codebook = Codebook(whitening, offset, np.empty((whitening.shape[1], 0), np.float32), model.frames)
    words = spherical_kmeans(codebook.whitened(patches), model.words, rng)
    return replace(codebook, words=np.ascontiguousarray(words.T))


def pca_whitening(rows: FloatArray, components: int) -> tuple[FloatArray, FloatArray]:
    """Return float32[d, k] and float32[k], so that ``rows @ first - second`` has mean 0 and covariance 1.

    Parameters
    ----------
    rows
        float32[n, d].
    components
        The most that are kept; directions in which rows hardly differ are not.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean.astype(np.float32)
    variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
    variances, directions = variances[::-1][:components], directions[:, ::-1][:, :components]
    kept = variances > max(1e-6 * variances[0], 1e-9)
    kept[0] = True  # of rows that are all alike one direction remains, in which all are 0
    # Eigenvectors are known up to their sign: the largest entry is made positive.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    scaled = directions * signs / np.sqrt(np.maximum(variances, 1e-9))
    whitening = scaled[:, kept].astype(np.float32)
    return whitening, (mean @ whitening).astype(np.float32)


def spherical_kmeans(rows: FloatArray, k: int, rng: np.random.Generator, rounds: int = _ROUNDS) -> FloatArray:
    """Return centroids float32[k, d] of length 1, of rows float32[n, d] whose lengths do not count.

    A row belongs to the centroid with which it makes the smallest angle. A centroid without rows becomes a row again.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(lengths, 1e-6)
    centroids = _unit(unit[_drawn(len(unit), k, rng)], rng)
    for _ in range(rounds):
        nearest = (unit @ centroids.T).argmax(axis=1)
        centroids = _unit(_sums(unit, nearest, k), rng, unit)
    return centroids


def _drawn(n: int, k: int, rng: np.random.Generator) -> IntArray:
    return rng.permutation(n)[:k] if n >= k else rng.integers(0, n, k)


def _sums(rows: FloatArray, groups: NDArray[np.int64], k: int) -> FloatArray:
    """Return float32[k, d]: the sum of each group's rows."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(k))
    ends = np.append(starts[1:], len(rows))
    sums = np.zeros((k, rows.shape[1]), np.float32)
    held = ends > starts
    if held.any():
        sums[held] = np.add.reduceat(rows[order], starts[held], axis=0)
    return sums


def _unit(centroids: FloatArray, rng: np.random.Generator, rows: FloatArray | None = None) -> FloatArray:
    """Scale centroids to length 1; one of length 0 becomes a row, or a direction by chance."""
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    lost = np.flatnonzero(lengths[:, 0] < 1e-6)
    if len(lost):
        if rows is not None:
            centroids[lost] = rows[rng.integers(0, len(rows), len(lost))]
        still = lost[np.linalg.norm(centroids[lost], axis=1) < 1e-6]
        centroids[still] = rng.standard_normal((len(still), centroids.shape[1]))
        lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    result: FloatArray = centroids / lengths
    return result
