"""`Merger`: from scores over time to events, as they close."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.events.settings import Events
from earmark.types import FloatArray

_CLOSE = 1e-6  # seconds that are none: times are rounded to as much


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of a recording in which a label is heard.

    Parameters
    ----------
    start, end
        Seconds from the start of the recording.
    label, score
        What is heard, and its mean probability there.
    scores
        The mean probability of every label there.
    """

    start: float
    end: float
    label: str
    score: float
    scores: dict[str, float] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Run:
    """Windows in a row that have a label."""

    start: float
    end: float
    total: NDArray[np.float64]
    windows: int = 1
    sure: bool = False
    last: bool = False  # the recording ended in it


class Merger:
    """Takes the scores of one window after the other and gives events when they have ended.

    First each score is replaced by the median around it. Then a label is heard in a stretch of windows that reach its
    ``low``, one of which at least reaches its ``high``; of exclusive labels only the most probable one of a window
    can be. Stretches of one label that are no farther apart than ``min_gap`` are joined, unless another
    label of exclusive ones is heard between; they are cut by ``trim``, and what is then shorter than ``min_length`` is
    dropped.

    Parameters
    ----------
    labels
        In the order of the scores.
    settings
        See `Events`.
    exclusive
        Whether one label at most is true at a time.
    learnt
        The model's own thresholds, one a label; empty where it has none.

    Examples
    --------
    >>> merger = Merger(("dog", "rain"), Events(median=1, high=0.6, low=0.5))
    >>> for end, dog in enumerate((0.1, 0.55, 0.9, 0.2), 1):
    ...     for event in merger.add(float(end), np.array([dog, 0.3], np.float32)):
    ...         print(event)
    Event(start=1.0, end=3.0, label='dog', score=0.72...)
    """

    def __init__(
        self,
        labels: Sequence[str],
        settings: Events | None = None,
        exclusive: bool = True,
        learnt: Sequence[float] = (),
    ) -> None:
        self.settings = settings or Events()
        self.labels, self._exclusive = tuple(labels), exclusive
        self._high, self._low = self.settings.thresholds(learnt, len(self.labels))
        self._ignored = {i for i, label in enumerate(self.labels) if label in self.settings.ignore}
        self._recent: deque[tuple[float, FloatArray]] = deque(maxlen=self.settings.median)
        self._waiting = 0  # of the recent ones, how many have no median yet
        self._at = 0.0
        self._open: dict[int, _Run] = {}
        self._closed: dict[int, _Run] = {}  # each may still be joined with a run to come

    def add(self, end: float, scores: FloatArray) -> list[Event]:
        """Return the events that are over, in the order in which they ended.

        Parameters
        ----------
        end
            Seconds up to which the scores hold, from where those before ended.
        scores
            float32[labels], probabilities; all 0 where nothing is to be heard.
        """
        if scores.shape != (len(self.labels),):
            raise SettingError(f"There are {scores.size} scores for {len(self.labels)} labels.")
        self._recent.append((end, scores))
        self._waiting += 1
        half = self.settings.median // 2
        return self._heard(*self._median(half)) if self._waiting > half else []

    def finish(self, end: float | None = None) -> list[Event]:
        """Return the events that are left; what is heard at last lasts until ``end``, by default the last score's."""
        found = []
        while self._waiting:
            found += self._heard(*self._median(self._waiting - 1))
        for label, run in sorted(self._open.items()):
            if run.end == self._at:
                run.end, run.last = max(run.end, end or 0.0), True
            found += self._close(label, run)
        self._open.clear()
        found += self._told(list(self._closed))
        return found

    def _median(self, ahead: int) -> tuple[float, FloatArray]:
        """Return the next window's end and the median of its scores; ``ahead`` windows after it are known."""
        at = len(self._recent) - self._waiting
        self._waiting -= 1
        end, scores = self._recent[at]
        half = min(self.settings.median // 2, at, ahead)  # at the edges as many before as after
        if not half:
            return end, scores
        around = [self._recent[i][1] for i in range(at - half, at + half + 1)]
        middle: FloatArray = np.sort(around, axis=0)[half]  # of an odd number
        return end, middle

    def _heard(self, end: float, scores: FloatArray) -> list[Event]:
        reached = scores >= self._low
        if self._exclusive:
            best = int(scores.argmax())
            heard = {best} if reached[best] and scores[best] > 0 else set()
        else:
            heard = set(np.flatnonzero(reached & (scores > 0)).tolist())
        heard -= self._ignored
        found = []
        for label in [label for label in sorted(self._open) if label not in heard]:
            found += self._close(label, self._open.pop(label))
        start, self._at = self._at, end
        for label in sorted(heard):
            run = self._open.get(label)
            if run is None:
                run = self._open[label] = _Run(start, end, scores.astype(np.float64))
            else:
                run.end, run.total, run.windows = end, run.total + scores, run.windows + 1
            run.sure |= bool(scores[label] >= self._high[label])
        over = [label for label, run in self._closed.items() if self._is_over(label, run)]
        return found + self._told(over)

    def _is_over(self, label: int, run: _Run) -> bool:
        """Say whether nothing can be joined to a closed run any more."""
        last = run.end + self.settings.min_gap + _CLOSE
        following = self._open.get(label)
        return self._at > last and (following is None or following.start > last)

    def _close(self, label: int, run: _Run) -> list[Event]:
        """Keep a run that has ended, joined with what was before; return the events that this leaves behind."""
        if not run.sure:
            return []
        between = [other for other in self._closed if other != label] if self._exclusive else []
        before = self._closed.get(label)
        near = before is not None and run.start - before.end <= self.settings.min_gap + _CLOSE
        found = self._told(between if near else [*between, *([label] if before is not None else [])])
        if before is not None and near:
            total, windows = before.total + run.total, before.windows + run.windows
            run = _Run(before.start, run.end, total, windows, True, run.last)
        self._closed[label] = run
        return found

    def _told(self, labels: Sequence[int]) -> list[Event]:
        """Take closed runs away, and return those that are long enough."""
        runs = sorted(((self._closed.pop(label), label) for label in labels), key=lambda x: (x[0].end, x[1]))
        events = [self._event(label, run) for run, label in runs]
        least = max(self.settings.min_length, 2 * _CLOSE) - _CLOSE
        return [event for event in events if event.end - event.start >= least]

    def _event(self, label: int, run: _Run) -> Event:
        start = run.start + self.settings.trim if run.start else run.start
        end = run.end if run.last else run.end - self.settings.trim
        mean = run.total / run.windows
        by_label = {name: float(p) for name, p in zip(self.labels, mean, strict=True)}
        return Event(round(start, 6), round(end, 6), self.labels[label], float(mean[label]), by_label)
