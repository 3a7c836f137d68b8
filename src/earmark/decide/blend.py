"""How much each of several networks is believed: shares learnt from what they say about clips they did not hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.decide.multilabel import fit_temperature_of_labels, sigmoid
from earmark.decide.recordings import each_once
from earmark.decide.temperature import fit_temperature, softmax
from earmark.types import FloatArray, IntArray

_ROUNDS, _STILL = 1000, 1e-7
LEAST = 1e-12  # no probability is smaller before its logarithm is taken


@dataclass(frozen=True, slots=True)
class Share:
    """What a network's scores count among those of others.

    Parameters
    ----------
    weight
        Of its probabilities in their mean, in any unit.
    temperature
        What its logits are divided by to become probabilities.
    """

    weight: float = 1.0
    temperature: float = 1.0


def blended(
    logits: Sequence[NDArray[np.floating]], shares: Sequence[Share], exclusive: bool = True
) -> NDArray[np.float64]:
    """Return scores float64[n, labels] whose softmax (or sigmoid) is the weighted mean of networks' probabilities.

    Parameters
    ----------
    logits
        [n, labels] of each network.

    Examples
    --------
    >>> sure, unsure = np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])
    >>> softmax(blended([sure, unsure], [Share(1.0), Share(3.0)])).round(3).tolist()
    [[0.6000000238418579, 0.4000000059604645]]
    """
    scaled = softmax if exclusive else sigmoid
    total = sum(share.weight for share in shares)

    def mean(sign: float) -> NDArray[np.float64]:
        likely = np.zeros(np.shape(logits[0]))
        for own, share in zip(logits, shares, strict=True):
            likely += share.weight / total * scaled(sign * np.asarray(own), share.temperature)
        return np.log(np.maximum(likely, LEAST))

    # How unlikely a label is, is not 1 less how likely: near 1 nothing would be left of it by rounding.
    return mean(1.0) if exclusive else mean(1.0) - mean(-1.0)


def fit_shares(
    logits: Sequence[NDArray[np.floating]],
    truth: IntArray | NDArray[np.bool_],
    groups: IntArray,
    known: NDArray[np.bool_],
) -> list[Share]:
    """Return what each network counts: first its temperature, then the weight of its probabilities.

    Parameters
    ----------
    logits
        [n, labels] of each network, of clips whose recordings it did not hear.
    truth, groups, known
        As `fit_weights` takes them.
    """
    if truth.ndim == 1:
        classes = truth.astype(np.int64, copy=False)
        found = [fit_temperature(own, classes, groups) for own in logits]
        likely = [softmax(own, by) for own, by in zip(logits, found, strict=True)]
    else:
        marks = truth.astype(bool, copy=False)
        found = [fit_temperature_of_labels(own, marks, groups, known) for own in logits]
        likely = [sigmoid(own, by) for own, by in zip(logits, found, strict=True)]
    weights = fit_weights(np.stack(likely), truth, groups, known)
    return [Share(float(weight), by) for weight, by in zip(weights, found, strict=True)]


def fit_weights(
    probabilities: FloatArray,
    truth: IntArray | NDArray[np.bool_],
    groups: IntArray,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the shares of several networks in the mean of probabilities that makes the truth most likely.

    Each recording counts once, and one more for each network is added that speaks for it alone: what few recordings
    say is not believed.

    Sources: Wolpert, *Stacked generalization*, 1992; Jacobs, Jordan, Nowlan and Hinton, *Adaptive mixtures of local
    experts*, 1991; Dempster, Laird and Rubin, *Maximum likelihood from incomplete data via the EM algorithm*, 1977.

    Parameters
    ----------
    probabilities
        float32[networks, n, labels], of clips whose recordings the networks did not hear.
    truth, groups
        int64[n], or bool[n, labels] where clips have any number of labels; and int64[n].
    known
        bool[n, labels], of clips with any number of labels: those that the networks had clips to learn from.

    Returns
    -------
    float64[networks], positive, their sum 1; all alike where there are no clips.

    Examples
    --------
    One network is right four times in five, the other says the same of every clip:

    >>> truth = np.arange(60) % 2
    >>> heard = np.where(np.arange(60) // 2 % 5 == 0, 1 - truth, truth)
    >>> knows, says_one = np.eye(2)[heard] * 0.6 + 0.2, np.tile([[0.7, 0.3]], (60, 1))
    >>> fit_weights(np.stack([knows, says_one]), truth, np.arange(60)).round(2).tolist()
    [0.86, 0.14]
    """
    count = len(probabilities)
    said = probabilities.astype(np.float64)
    once, recordings = each_once(groups)
    if truth.ndim == 1:
        true = said[:, np.arange(len(truth)), truth]
    else:
        once = np.broadcast_to(once[:, None], truth.shape) * (True if known is None else known)
        true = np.where(truth, said, 1 - said).reshape(count, -1)
        once = once.ravel()
    shares = np.full(count, 1 / count)
    if not once.any():
        return shares
    once = once * (recordings / once.sum())
    true = np.maximum(true, LEAST)
    for _ in range(_ROUNDS):
        owed = shares[:, None] * true
        owed /= owed.sum(axis=0)
        better = (owed @ once + 1) / (recordings + count)
        moved = float(np.abs(better - shares).max())
        shares = better
        if moved < _STILL:
            break
    return shares
