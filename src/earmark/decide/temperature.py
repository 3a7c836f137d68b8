"""Temperature: one number that makes a network's confidence as large as its accuracy, and changes no answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from earmark.decide.recordings import each_once
from earmark.types import FloatArray, IntArray

COLDEST, HOTTEST = 0.02, 50.0
LEAST = 20  # clips that a temperature can be learnt from
_DOUBT = 5  # recordings: from so many, half of what they say is believed


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> FloatArray:
    """Return probabilities float32[n, labels] of ``logits / temperature``.

    >>> softmax(np.array([[2.0, 0.0]]), 2.0).argmax(axis=1).tolist()
    [0]
    """
    probabilities: FloatArray = _softmax(np.asarray(logits, np.float64) / temperature).astype(np.float32)
    return probabilities


def sharpness(logits: NDArray[np.floating], exclusive: bool = True) -> float:
    """Return how far apart a network holds its logits, [n, labels]: the median over clips of their spread.

    Where labels are not exclusive, it is how far from 0.

    Networks that stopped early hold them close, those that trained long hold them far, and a temperature that fits one
    does not fit the other. Divided by this they are alike.
    """
    centred = np.asarray(logits, np.float64)
    if exclusive:  # softmax does not see what all labels have in common
        centred = centred - centred.mean(axis=1, keepdims=True)
    return max(float(np.sqrt(np.median((centred**2).mean(axis=1)))), 1e-6)


def fit_temperature(logits: NDArray[np.floating], targets: IntArray, groups: IntArray) -> float:
    """Return the temperature with the least Brier score, each recording counted once; 1 from fewer than 20 clips.

    Not the usual negative log-likelihood over clips: there one long recording that is heard wrongly and surely
    outweighs a hundred others, and the temperature is too high for all. From few recordings the temperature is drawn
    to 1: models that did not hear one of five are much worse than the one that heard all. Where all answers are right,
    the confidence is that of Laplace's rule, after so many recordings as there are.

    Sources: Guo, Pleiss, Sun and Weinberger, *On calibration of modern neural networks*, 2017 (the temperature);
    Gneiting and Raftery, *Strictly proper scoring rules, prediction, and estimation*, 2007 (that Brier's is one);
    Platt, *Probabilistic outputs for support vector machines*, 1999 (targets short of 1).

    Parameters
    ----------
    logits, targets, groups
        [n, labels], int64[n] and int64[n], of clips that the network did not learn from, and whose recordings it did
        not hear.

    Examples
    --------
    Three of four answers are right, and said with 95 %:

    >>> logits, rows = np.tile(np.array([[3.0, 0.0]]), (400, 1)), np.arange(400)
    >>> temperature = fit_temperature(logits, (rows % 4 == 3).astype(np.int64), rows)
    >>> round(float(softmax(logits, temperature)[0, 0]), 2)
    0.75
    """
    if len(targets) < LEAST:
        return 1.0
    scores = np.asarray(logits, np.float64)
    rows = np.arange(len(targets))
    weights, recordings = each_once(groups)

    doubt = 1 / (recordings + 2)  # that the next recording is as the others were: nobody is ever quite sure
    rest = doubt / max(scores.shape[1] - 1, 1)

    def brier(log_temperature: float) -> float:
        likely = _softmax(scores * np.exp(-log_temperature))
        true = likely[rows, targets]
        meant = (1 - doubt) * true + rest * (likely.sum(axis=1) - true)
        return float(weights @ ((likely**2).sum(axis=1) - 2 * meant))

    return best_temperature(brier, recordings)


def best_temperature(brier: Callable[[float], float], recordings: int) -> float:
    """Return the temperature with the least score, a function of its logarithm; from few recordings drawn to 1."""
    from scipy.optimize import minimize_scalar

    # There may be more than one minimum: the best of a grid, then down from there.
    grid = np.linspace(np.log(COLDEST), np.log(HOTTEST), 60)
    best = grid[int(np.argmin([brier(at) for at in grid]))]
    step = grid[1] - grid[0]
    found = minimize_scalar(
        brier, bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-6}
    )
    believed = recordings / (recordings + _DOUBT)
    return float(np.exp(np.clip(found.x, grid[0], grid[-1]) * believed))


def _softmax(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return result
