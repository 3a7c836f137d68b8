"""Thresholds: how sure an answer must be, for a wanted precision, recall or cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.types import IntArray

NEVER = 2.0  # no probability reaches it
LEAST = 5  # answers that a precision can be told from
_GOALS = ("precision", "recall", "cost")
_F1 = "f1"


@dataclass(frozen=True, slots=True)
class Target:
    """What a threshold shall reach.

    Parameters
    ----------
    goal
        ``"precision"``: that share of the answers is right. ``"recall"``: that share of the clips of a label is
        answered, and rightly. ``"cost"``: a wrong answer costs so many times what a missing one does; least in all.
        ``"f1"``: the harmonic mean of a label's precision and recall is as high as it can be.
    value
        Above 0; a share is at most 1. Of ``"f1"`` it is 1 and means nothing.
    """

    goal: str
    value: float

    @classmethod
    def of(cls, text: str) -> Target:
        """Read ``"precision=0.95"``.

        Raises
        ------
        SettingError
            When it is none.

        Examples
        --------
        >>> Target.of("precision=0.95")
        Target(goal='precision', value=0.95)
        """
        if text.strip() == _F1:
            return cls(_F1, 1.0)
        goal, equals, number = (part.strip() for part in text.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        most = 1e6 if goal == "cost" else 1.0
        if goal not in _GOALS or not equals or not 0 < value <= most:
            raise SettingError(
                f"[decide] target is '{text}', but must be precision=SHARE or recall=SHARE, the share above 0 and at"
                " most 1, or cost=TIMES, what a wrong answer costs where a missing one costs 1, or f1."
            )
        return cls(goal, value)


def thresholds(probabilities: NDArray[np.floating], targets: IntArray, target: Target) -> tuple[float, ...]:
    """Return for each label how probable it must be, where it is the most probable, to be answered.

    A label that does not reach the wanted precision at any threshold that leaves five answers gets `NEVER`; one that
    does not reach the wanted recall is always answered.

    Parameters
    ----------
    probabilities, targets
        [n, labels] and int64[n], of rows that were not learnt from.

    Examples
    --------
    >>> sure = np.array([0.9, 0.8, 0.7, 0.6, 0.95, 0.85, 0.55])
    >>> of_both = np.stack([sure, 1 - sure], axis=1)
    >>> thresholds(of_both, np.array([0, 0, 0, 1, 0, 0, 1]), Target("precision", 0.95))
    (0.7, 2.0)
    """
    said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = []
    for label in range(probabilities.shape[1]):
        own = said == label
        right = targets[own] == label
        found.append(threshold(confidence[own], right, int((targets == label).sum()), target))
    return tuple(found)


def threshold(scores: NDArray[np.floating], right: NDArray[np.bool_], wanted: int, target: Target) -> float:
    """Return the threshold of one label.

    Parameters
    ----------
    scores, right
        Of the rows that would be answered with it, [n]: how probable it is, and whether it is true.
    wanted
        How many rows it is true of, answered or not.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = np.asarray(scores, np.float64)[order]
    hits = np.cumsum(right[order])
    last = np.append(ranked[1:] != ranked[:-1], True) if len(ranked) else np.empty(0, bool)
    ranked, hits, answers = ranked[last], hits[last], np.flatnonzero(last) + 1
    if target.goal == "precision":
        good = np.flatnonzero((hits >= target.value * answers) & (answers >= LEAST))
        return float(ranked[good[-1]]) if len(good) else NEVER
    if target.goal == "recall":
        good = np.flatnonzero(hits >= target.value * wanted)
        return float(ranked[good[0]]) if len(good) and wanted else 0.0
    if target.goal == _F1:
        return float(ranked[int(np.argmax(hits / (answers + wanted)))]) if hits.any() else NEVER
    costs = np.append(target.value * (answers - hits) + (wanted - hits), wanted)
    best = int(np.argmin(costs))
    return float(ranked[best]) if best < len(ranked) else NEVER
