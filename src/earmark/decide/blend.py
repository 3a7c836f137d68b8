"""How much each of several networks is listened to: weights learnt from what they say about clips they did not hear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.decide.recordings import each_once
from earmark.types import IntArray

_ALIKE = 0.01  # how strongly weights are drawn to each other: what few recordings say of them is not believed


def fit_weights(
    logits: Sequence[NDArray[np.floating]],
    truth: IntArray | NDArray[np.bool_],
    groups: IntArray,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return a weight for each network, not negative, that makes the sum of weighted logits most likely.

    Each recording counts once. A small penalty draws the weights to their mean.

    Sources: Wolpert, *Stacked generalization*, 1992; Hinton, *Products of experts*, 1999 (the sum of logits).

    Parameters
    ----------
    logits
        For each network [n, labels], about as large as each other's, of clips whose recordings it did not hear.
    truth, groups
        int64[n], or bool[n, labels] where clips have any number of labels; and int64[n].
    known
        bool[n, labels], of clips with any number of labels: those that the networks had clips to learn from.

    Returns
    -------
    float64[networks]. All are 1 where there are no clips.

    Examples
    --------
    One network is right four times in five, the other says the same of every clip:

    >>> truth = np.arange(60) % 2
    >>> knows = np.eye(2)[np.where(np.arange(60) // 2 % 5 == 0, 1 - truth, truth)] * 2 - 1
    >>> says_one = np.tile([[1.0, -1.0]], (60, 1))
    >>> fit_weights([knows, says_one], truth, np.arange(60)).round(1).tolist()
    [0.7, 0.0]
    """
    from scipy.optimize import minimize

    stacked = np.stack([np.asarray(own, np.float64) for own in logits])
    count = len(stacked)
    if not stacked.shape[1]:
        return np.ones(count)
    once, _ = each_once(groups)
    once = once / once.sum()
    exclusive = truth.ndim == 1
    rows = np.arange(len(truth))
    if not exclusive:
        once = once[:, None] * (1 if known is None else known)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.einsum("m,mnl->nl", weights, stacked)
        if exclusive:
            scores -= scores.max(axis=1, keepdims=True)
            likely = np.exp(scores)
            total = likely.sum(axis=1, keepdims=True)
            value = -float(once @ (scores[rows, truth] - np.log(total[:, 0])))
            error = likely / total
            error[rows, truth] -= 1
            error *= once[:, None]
        else:
            value = float((once * (np.logaddexp(0, scores) - truth * scores)).sum())
            error = once * (np.exp(-np.logaddexp(0, -scores)) - truth)
        slope = np.einsum("nl,mnl->m", error, stacked)
        off = weights - weights.mean()
        return value + _ALIKE * float(off @ off), slope + 2 * _ALIKE * off

    found = minimize(
        loss, np.full(count, 1 / count), jac=True, method="L-BFGS-B", bounds=[(0, 100.0)] * count
    )
    weights: NDArray[np.float64] = found.x
    return weights if weights.any() else np.ones(count)
