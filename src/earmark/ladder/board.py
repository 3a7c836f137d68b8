"""`Board`: the scores of several rungs on the same clips, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate import LEAST_GROUPS, Scored
from earmark.evaluate.multilabel import maps_of_draws, together

Floats = NDArray[np.float64]
DRAWS = 1000
_WORK = (
    100_000_000  # rows times labels times rungs times draws, where average precision is ranked anew for each
)
_LEAST = 100
_AT_ONCE = 4_000_000  # drawn counts held at a time: 32 MB


@dataclass(frozen=True, eq=False)
class Board:
    """What several rungs said of the same test rows.

    Parameters
    ----------
    parts
        For each rung, for each fold, what it said: the same rows in the same order.
    seed
        Of the draws.
    """

    parts: Sequence[Sequence[Scored]]
    seed: int = 0

    @cached_property
    def _groups(self) -> NDArray[np.int64]:
        return together(list(self.parts[0]))[1]

    @property
    def recordings(self) -> int:
        """How many were tested."""
        return int(self._groups.max(initial=-1)) + 1

    @cached_property
    def _scores_of_draws(self) -> tuple[Floats, Floats]:
        """The scores on the recordings that were drawn, with replacement, and on the others: float64[draws, rungs]."""
        first, n = self.parts[0], self.recordings
        count = DRAWS
        if not first[0].exclusive:
            size = sum(part.probabilities.size for part in first) * len(self.parts)
            count = max(_LEAST, min(DRAWS, _WORK // max(size, 1)))
        rng, at_once = np.random.default_rng([self.seed, 5]), max(1, _AT_ONCE // n)
        drawn, others = list[Floats](), list[Floats]()
        for begin in range(0, count, at_once):
            size = min(at_once, count - begin)
            weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
            drawn.append(self.scores(weights))
            others.append(self.scores((weights == 0).astype(np.float64)))
        return np.concatenate(drawn), np.concatenate(others)

    def scores(self, weights: Floats) -> Floats:
        """Return the score of each rung where recordings count so much, float64[draws, rungs].

        NaN where no recording that tells counts. The score is the accuracy, each fold counting alike, or of several
        labels a clip the mean average precision.
        """
        if not self.parts[0][0].exclusive:
            each = [maps_of_draws(*together(list(own)), weights.astype(np.float32)) for own in self.parts]
            return np.stack(each, axis=1)
        shares = [np.full(len(part.positions), 1 / len(part.positions)) for part in self.parts[0]]
        share, n = np.concatenate(shares), self.recordings
        size = np.bincount(self._groups, share, n)
        hits = [
            np.bincount(self._groups, share * np.concatenate([p.correct for p in own]), n)
            for own in self.parts
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (weights @ np.stack(hits, axis=1)) / (weights @ size)[:, None]
        return found

    @cached_property
    def whole(self) -> Floats:
        """float64[rungs]: the score of each on all recordings."""
        found: Floats = self.scores(np.ones((1, self.recordings)))[0]
        return found

    @cached_property
    def drawn(self) -> Floats:
        """float64[draws, rungs]: the scores of the draws."""
        return self._scores_of_draws[0]

    @cached_property
    def errors(self) -> Floats:
        """float64[rungs]: the standard error of each score; infinite where there are too few recordings to tell."""
        if self.recordings < LEAST_GROUPS:
            return np.full(len(self.parts), np.inf)
        return np.asarray(np.nanstd(self.drawn, axis=0, ddof=1))

    def choose(self, order: Sequence[int]) -> int:
        """Return the rung to take: the first in ``order`` within one standard error of the best.

        Parameters
        ----------
        order
            The rungs, the cheapest first.
        """
        return int(self._chosen(self.whole[None], order)[0])

    def _chosen(self, scores: Floats, order: Sequence[int]) -> NDArray[np.int64]:
        best = scores.argmax(axis=1)
        rows = np.arange(len(scores))
        good = scores >= (scores[rows, best] - self.errors[best])[:, None]
        first = good[:, list(order)].argmax(axis=1)
        found: NDArray[np.int64] = np.array(order, np.int64)[first]
        return found

    def honest(self, order: Sequence[int]) -> tuple[float, tuple[float, float]] | None:
        """Return what to expect of the rung that `choose` takes, and a 95 % interval; ``None`` where nothing tells.

        The best of several scores is too high, for chance has a part in which one that is. So recordings are drawn
        with replacement, a rung is chosen by what was drawn as it is by all, and it is judged on what was not drawn;
        nothing is trained anew. That is bootstrap bias-corrected cross-validation.

        Source: Tsamardinos, Greasidou, Borboudakis, *Bootstrapping the out-of-sample predictions for efficient and
        accurate cross-validation*, Machine Learning 107, 2018.
        """
        if self.recordings < LEAST_GROUPS:
            return None
        outside = self._scores_of_draws[1]
        tells = np.isfinite(self.drawn).all(axis=1) & np.isfinite(outside).all(axis=1)
        if not tells.any():
            return None
        chosen = self._chosen(self.drawn[tells], order)
        judged = outside[tells][np.arange(int(tells.sum())), chosen]
        low, high = np.percentile(judged, [2.5, 97.5])
        return float(judged.mean()), (float(low), float(high))


def by_seed(parts: Sequence[Scored]) -> Floats:
    """Return the score of each seed's answers, float64[seeds]."""
    each = [part.by_seed() for part in parts]
    return np.array(
        [
            Board([[_of(part, rows[seed]) for part, rows in zip(parts, each, strict=True)]]).whole[0]
            for seed in each[0]
        ]
    )


def _of(part: Scored, rows: NDArray[np.bool_]) -> Scored:
    return Scored(
        part.positions[rows],
        part.targets[rows],
        part.groups[rows],
        part.probabilities[rows],
        None if part.seeds is None else part.seeds[rows],
        None if part.said is None else part.said[rows],
    )
