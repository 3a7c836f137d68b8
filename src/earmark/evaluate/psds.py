"""PSDS, the polyphonic sound detection score: how well events are found over all thresholds, by how much they overlap.

Source: Bilen et al., *A framework for the robust evaluation of sound event detection*, 2020; the definitions of
`psds_eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.evaluate.events import Span

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What counts as found, and what a mistake weighs.

    Parameters
    ----------
    detection
        A detection is right if real events of its label cover at least this share of it.
    event
        An event is found if right detections cover at least this share of it.
    other
        A wrong detection of which real events of another label cover this share is a confusion with that label.
    confusion, unevenness
        What confusions weigh beside mistakes of any kind, and what the spread over labels weighs.
    most
        Mistakes an hour up to which is counted.
    """

    detection: float = 0.7
    event: float = 0.7
    other: float = 0.3
    confusion: float = 0.0
    unevenness: float = 1.0
    most: float = 100.0


def psds(
    points: Sequence[Sequence[Sequence[Span]]],
    real: Sequence[Sequence[Span]],
    seconds: Sequence[float],
    tolerance: Tolerance | None = None,
) -> float:
    """Return the score, 0 to 1: the area below found events over mistakes an hour, of labels that occur.

    Parameters
    ----------
    points
        What is found at each of several thresholds, recording by recording.
    real
        What there is.
    seconds
        How long each recording is.

    Examples
    --------
    >>> from earmark.events import Event
    >>> real = [[Event(1.0, 3.0, "dog", 1.0)]]
    >>> psds([real], real, [10.0]), psds([[[]]], real, [10.0])
    (1.0, 0.0)
    """
    how = tolerance or Tolerance()
    labels = sorted({event.label for events in real for event in events})
    if not labels or not points:
        return 0.0
    found, wrong = [np.zeros(len(labels))], [np.zeros(len(labels))]
    for point in points:
        shares, rates = _rates(point, real, seconds, labels, how)
        found.append(shares)
        wrong.append(rates)
    share, rate = np.array(found), np.array(wrong)  # [points + 1, labels]
    at = np.unique(np.append(rate[rate <= how.most], how.most))
    curves = np.array([[share[rate[:, k] <= x, k].max() for x in at] for k in range(len(labels))])
    height = np.maximum(curves.mean(axis=0) - how.unevenness * curves.std(axis=0), 0)
    return float(np.sum(np.diff(at) * height[:-1]) / how.most)


def _rates(
    point: Sequence[Sequence[Span]],
    real: Sequence[Sequence[Span]],
    seconds: Sequence[float],
    labels: Sequence[str],
    how: Tolerance,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each label the share of its events that is found, and the mistakes an hour."""
    number = len(labels)
    hits, there, mistakes = np.zeros(number), np.zeros(number), np.zeros(number)
    confused, lasting = np.zeros((number, number)), np.zeros(number)
    for said, events in zip(point, real, strict=True):
        own = [_spans(events, label) for label in labels]
        for k, label in enumerate(labels):
            there[k] += len(own[k])
            lasting[k] += float((own[k][:, 1] - own[k][:, 0]).sum())
            spans = _spans(said, label)
            if not len(spans):
                continue
            length = spans[:, 1] - spans[:, 0]
            common = _common(spans, own[k])
            right = common.sum(axis=1) / length >= how.detection
            if len(own[k]):
                covered = common[right].sum(axis=0) / (own[k][:, 1] - own[k][:, 0])
                hits[k] += int((covered >= how.event).sum())
            mistakes[k] += int((~right).sum())
            for j in range(number):
                if j != k:
                    shared = _common(spans[~right], own[j]).sum(axis=1) / length[~right]
                    confused[k, j] += int(((shared >= how.other) & (shared > 0)).sum())
    rates = mistakes * _HOUR / sum(seconds)
    if number > 1:
        others = ~np.eye(number, dtype=bool)
        each = confused * _HOUR / lasting
        rates += how.confusion * np.array([each[k, others[k]].mean() for k in range(number)])
    return hits / there, rates


def _spans(events: Sequence[Span], label: str) -> NDArray[np.float64]:
    times = [(e.start, e.end) for e in events if e.label == label and e.end > e.start]
    return np.array(times, np.float64).reshape(-1, 2)


def _common(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many seconds each of some spans shares with each of others, float64[a, b]."""
    ends = np.minimum(a[:, None, 1], b[None, :, 1])
    shared: NDArray[np.float64] = np.maximum(ends - np.maximum(a[:, None, 0], b[None, :, 0]), 0.0)
    return shared
