"""How well events are found, as the field counts it: by events, by segments, and by how much they overlap.

Sources: Mesaros, Heittola and Virtanen, *Metrics for polyphonic sound event detection*, 2016 (events and segments, the
definitions of `sed_eval`); Bilen et al., *A framework for the robust evaluation of sound event detection*, 2020
(intersections and PSDS, the definitions of `psds_eval`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

COLLAR, SHARE, SEGMENT = 0.2, 0.2, 1.0


class Span(Protocol):
    """A label with its times: an event, or a region of a label track."""

    @property
    def start(self) -> float:
        """Seconds."""

    @property
    def end(self) -> float:
        """Seconds."""

    @property
    def label(self) -> str:
        """The name."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found of what there is, in events or in segments.

    Examples
    --------
    >>> Counts(hits=2, real=4, found=2).f1
    0.6666666666666666
    """

    hits: int = 0
    real: int = 0
    found: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.hits + other.hits, self.real + other.real, self.found + other.found)

    @property
    def precision(self) -> float:
        """Share of what was found that is real; 0 where nothing was."""
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of what is real that was found; 0 where nothing is."""
        return self.hits / self.real if self.real else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.hits / (self.real + self.found) if self.real + self.found else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON shows."""
        return {
            "f1": self.f1, "precision": self.precision, "recall": self.recall, "hits": self.hits,
            "real": self.real, "found": self.found,
        }  # fmt: skip


ByLabel = dict[str, Counts]


def overall(by_label: Mapping[str, Counts]) -> Counts:
    """Return the sum over labels, so that each event or segment counts alike."""
    return sum(by_label.values(), Counts())


def added(parts: Sequence[Mapping[str, Counts]]) -> ByLabel:
    """Return the sums of several recordings, by label."""
    return {
        label: sum((part[label] for part in parts if label in part), Counts())
        for label in sorted({label for part in parts for label in part})
    }


def by_events(
    real: Sequence[Span],
    found: Sequence[Span],
    collar: float = COLLAR,
    share: float = SHARE,
    offset: bool = True,
) -> ByLabel:
    """Count the events of one recording that were found.

    An event is found by one of its label that starts within ``collar`` of its start and, where ``offset`` is asked for,
    ends within ``collar``, or ``share`` of its length, of its end. Each serves one other, and as many as possible
    are matched.

    Parameters
    ----------
    real, found
        What there is, and what a model says.
    collar
        Seconds.

    Examples
    --------
    >>> from earmark.events import Event
    >>> by_events([Event(1.0, 3.0, "dog", 1.0)], [Event(1.15, 3.3, "dog", 0.9)])
    {'dog': Counts(hits=1, real=1, found=1)}
    """
    counts = {}
    for label in sorted({event.label for event in (*real, *found)}):
        own, said = _times(real, label), _times(found, label)
        hits = 0
        if len(own) and len(said):
            fits = np.abs(own[:, None, 0] - said[None, :, 0]) <= collar
            if offset:
                allowed = np.maximum(collar, share * (own[:, 1] - own[:, 0]))
                fits &= np.abs(own[:, None, 1] - said[None, :, 1]) <= allowed[:, None]
            hits = _most_pairs(fits)
        counts[label] = Counts(hits, len(own), len(said))
    return counts


def _times(events: Sequence[Span], label: str) -> NDArray[np.float64]:
    """Return starts and ends of a label's events, float64[n, 2]."""
    return np.array([(e.start, e.end) for e in events if e.label == label], np.float64).reshape(-1, 2)


def _most_pairs(fits: NDArray[np.bool_]) -> int:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    matched = maximum_bipartite_matching(csr_array(fits.astype(np.int8)), perm_type="column")
    return int((matched >= 0).sum())


def by_segments(
    real: Sequence[Span], found: Sequence[Span], seconds: float, length: float = SEGMENT
) -> ByLabel:
    """Count the segments of one recording in which a label is heard; any part of a segment makes it one.

    Parameters
    ----------
    seconds
        How long the recording is.
    length
        Seconds, of a segment.

    Examples
    --------
    >>> from earmark.events import Event
    >>> by_segments([Event(0.5, 2.5, "dog", 1.0)], [Event(2.0, 4.0, "dog", 0.9)], 10.0)
    {'dog': Counts(hits=1, real=3, found=2)}
    """
    number = math.ceil(seconds / length)
    counts = {}
    for label in sorted({event.label for event in (*real, *found)}):
        own, said = (_marked(_times(events, label), number, length) for events in (real, found))
        counts[label] = Counts(int((own & said).sum()), int(own.sum()), int(said.sum()))
    return counts


def _marked(times: NDArray[np.float64], number: int, length: float) -> NDArray[np.bool_]:
    marked = np.zeros(number, bool)
    for start, end in times:
        marked[math.floor(start / length) : math.ceil(end / length)] = True
    return marked


# No skill


def commonest(real: Sequence[Sequence[Span]]) -> str:
    """Return the label that is heard for the most seconds in some recordings; empty where none is."""
    seconds: dict[str, float] = {}
    for events in real:
        for event in events:
            seconds[event.label] = seconds.get(event.label, 0.0) + event.end - event.start
    return max(sorted(seconds), key=seconds.__getitem__, default="")


@dataclass(frozen=True, slots=True)
class Drawn:
    """An event that nobody heard."""

    start: float
    end: float
    label: str


def shuffled(real: Sequence[Span], seconds: float, rng: np.random.Generator) -> list[Drawn]:
    """Return as many events of the same lengths and labels, each label and length anywhere in a recording.

    It knows how many there are and how long they last, which no model is told: what is found so is found by chance.
    """
    lengths = rng.permutation([event.end - event.start for event in real])
    starts = rng.uniform(0, np.maximum(seconds - lengths, 0)) if len(real) else lengths
    labels = rng.permutation([event.label for event in real])
    return [
        Drawn(float(start), float(start + length), str(label))
        for start, length, label in zip(starts, lengths, labels, strict=True)
    ]
