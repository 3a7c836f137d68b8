"""Two runs beside each other where clips have any number of labels: by micro-F1, over recordings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate import RESAMPLES, widened
from earmark.types import IntArray

_AT_ONCE = 4_000_000  # drawn counts held at a time: 32 MB


@dataclass(frozen=True, eq=False)
class Pair:
    """What two runs said about the clips that both tested.

    Parameters
    ----------
    marks
        bool[n, labels]: what is true.
    said_a, said_b
        float64[n, labels]: the share of seeds that said it.
    units
        int64[n]: the recording of each clip, from 0.

    Examples
    --------
    >>> marks, all_, none = np.ones((4, 2), bool), np.ones((4, 2)), np.zeros((4, 2))
    >>> Pair(marks, none, all_, np.arange(4)).scores
    (0.0, 1.0)
    """

    marks: NDArray[np.bool_]
    said_a: NDArray[np.float64]
    said_b: NDArray[np.float64]
    units: IntArray

    @cached_property
    def scores(self) -> tuple[float, float]:
        """The micro-F1 of both."""
        hits_a, size_a, hits_b, size_b = self._by_unit.sum(axis=0).tolist()
        return _ratio(hits_a, size_a), _ratio(hits_b, size_b)

    @property
    def differing(self) -> int:
        """Of how many recordings the runs said other things."""
        apart = np.abs(self.said_a - self.said_b).sum(axis=1) > 1e-9
        return len(np.unique(self.units[apart]))

    def interval(self, seed: int) -> tuple[float, float]:
        """Return the 95 % interval of b's score less a's, each recording drawn with what both said about it."""
        table, n = self._by_unit, len(self._by_unit)
        rng, found = np.random.default_rng([seed, 4]), list[NDArray[np.float64]]()
        at_once = max(1, _AT_ONCE // n)
        for begin in range(0, RESAMPLES, at_once):
            drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, RESAMPLES - begin)) @ table
            each = [drawn[:, i] / np.maximum(drawn[:, i + 1], 1e-9) for i in (0, 2)]
            found.append(each[1] - each[0])
        low, high = widened(np.concatenate(found), self.scores[1] - self.scores[0], n)
        return max(-1.0, low), min(1.0, high)

    def by_label(self, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Return clips, the F1 of both and the difference, for each label that was tested."""
        clips = self.marks.sum(axis=0)
        f1 = [
            2 * (self.marks * said).sum(axis=0) / np.maximum(clips + said.sum(axis=0), 1e-9)
            for said in (self.said_a, self.said_b)
        ]
        return {
            label: {
                "clips": int(clips[i]),
                "a": float(f1[0][i]),
                "b": float(f1[1][i]),
                "difference": float(f1[1][i] - f1[0][i]),
            }
            for i, label in enumerate(labels)
            if clips[i]
        }

    @cached_property
    def _by_unit(self) -> NDArray[np.float64]:
        """float64[units, 4]: twice the hits, and the labels said and true, of a and of b."""
        columns = [
            np.bincount(self.units, values)
            for said in (self.said_a, self.said_b)
            for values in (2 * (self.marks * said).sum(axis=1), self.marks.sum(axis=1) + said.sum(axis=1))
        ]
        return np.stack(columns, axis=1).astype(np.float64)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
