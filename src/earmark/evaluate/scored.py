"""Test rows with what models said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.decide import Decision
from earmark.ranking import mean_average_precision
from earmark.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The test rows of one fold with what a model, or one model for each seed, said about them.

    Parameters
    ----------
    positions
        int64[n], rows of the feature table. With several seeds each row stands there once for each.
    targets, groups
        int64[n]. Where rows have any number of labels, the targets are bool[n, labels].
    probabilities
        float32[n, labels].
    seeds
        int64[n], the seed of the model that answered; ``None`` where all answers are one model's.
    said
        bool[n, labels], the labels that were answered, where rows have any number of them.
    """

    positions: IntArray
    targets: IntArray | NDArray[np.bool_]
    groups: IntArray
    probabilities: FloatArray
    seeds: IntArray | None = None
    said: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        decision: Decision,
        positions: IntArray,
        targets: IntArray | NDArray[np.bool_],
        groups: IntArray,
        probabilities: FloatArray,
        seed: int | None = None,
    ) -> Scored:
        """Take the answers of one model, which decides by ``decision``."""
        seeds = None if seed is None else np.full(len(positions), seed, np.int64)
        said = None if decision.exclusive else decision.said(probabilities)
        return cls(positions, targets, groups, probabilities, seeds, said)

    @property
    def exclusive(self) -> bool:
        """Whether each row has exactly one label."""
        return self.targets.ndim == 1

    @property
    def correct(self) -> NDArray[np.bool_]:
        """bool[n]."""
        correct: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.targets
        return correct

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable label is the right one; of several seeds, their mean."""
        return float(self.correct.mean())

    @property
    def clips(self) -> int:
        """How many clips were tested, each counted once."""
        return len(self.positions) // len(self.by_seed())

    def by_seed(self) -> dict[int, NDArray[np.bool_]]:
        """Return for each seed which rows are its answers, bool[n]."""
        if self.seeds is None:
            return {0: np.ones(len(self.positions), np.bool_)}
        return {int(seed): self.seeds == seed for seed in np.unique(self.seeds)}

    def maps(self) -> dict[int, float]:
        """Return the mean average precision of each seed, of rows with any number of labels; 0 where none has one."""
        marks = self.targets.astype(bool)
        found = {
            seed: mean_average_precision(self.probabilities[rows], marks[rows])
            for seed, rows in self.by_seed().items()
        }
        return {seed: value if np.isfinite(value) else 0.0 for seed, value in found.items()}

    def accuracies(self) -> dict[int, float]:
        """Return the accuracy of each seed."""
        correct = self.correct
        return {seed: float(correct[rows].mean()) for seed, rows in self.by_seed().items()}


def joined(parts: Sequence[Scored]) -> Scored:
    """Return what the models of several seeds said about one fold's rows as one."""
    seeds = [p.seeds for p in parts if p.seeds is not None]
    said = [p.said for p in parts if p.said is not None]
    return Scored(
        np.concatenate([p.positions for p in parts]),
        np.concatenate([p.targets for p in parts]),
        np.concatenate([p.groups for p in parts]),
        np.concatenate([p.probabilities for p in parts]),
        np.concatenate(seeds) if len(seeds) == len(parts) else None,
        np.concatenate(said) if said else None,
    )
