"""`Events`: how a long recording is heard, window by window, and how scores over time become events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from earmark.errors import SettingError
from earmark.types import FloatArray

SHORTEST = 0.05  # seconds; a feature says nothing about less
LONGEST = 3600.0
MOST_MEDIAN = 999
_EVEN = 0.5  # a label that is more likely than not
_HOPS = 4  # of a window, where nothing else is said


@dataclass(frozen=True, slots=True)
class Events:
    """How scores over time become events.

    Parameters
    ----------
    window
        Seconds that are scored at a time; ``None`` is the usual length of the clips that were learnt from.
    hop
        Seconds from one window to the next; ``None`` is a quarter of the window. Times of events are as exact as this.
    median
        Windows, an odd number: each score is replaced by the median of so many around it. 1 leaves them as they are.
    high, low
        Probabilities: an event is a stretch of windows that reach ``low``, one of which at least reaches ``high``.
        ``None``: the thresholds that the model has learnt for its labels, or 0.5; and three quarters of ``high``.
    min_gap
        Seconds: two events of one label that are no farther apart are one.
    trim
        Seconds that an event is cut by at both sides, but not where the recording begins or ends: a window can be sure
        of a sound of which it holds the edge only.
    min_length
        Seconds: shorter events are dropped, after joining and cutting.
    ignore
        Labels that are no events although they were learnt, such as that of the background.

    Raises
    ------
    SettingError
        For a value that cannot be.

    Examples
    --------
    >>> Events(window=2.0).step, Events(window=2.0, hop=0.25).step
    (0.5, 0.25)
    """

    window: float | None = None
    hop: float | None = None
    median: int = 3
    high: float | None = None
    low: float | None = None
    min_gap: float = 0.0
    trim: float = 0.0
    min_length: float = 0.0
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.window is not None and not SHORTEST <= self.window <= LONGEST:
            raise SettingError(
                f"[events] window is {self.window:g} s, but must be from {SHORTEST:g} to {LONGEST:g} s."
            )
        most = LONGEST if self.window is None else self.window
        if self.hop is not None and not SHORTEST <= self.hop <= most:
            told = f"the window's {most:g} s" if self.window is not None else f"{most:g} s"
            raise SettingError(f"[events] hop is {self.hop:g} s, but must be from {SHORTEST:g} s to {told}.")
        if not (1 <= self.median <= MOST_MEDIAN and self.median % 2):
            raise SettingError(
                f"[events] median is {self.median}, but must be an odd number from 1 to {MOST_MEDIAN}."
            )
        for name in ("high", "low"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise SettingError(f"[events] {name} is {value:g}, but must be above 0 and at most 1.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise SettingError(
                f"[events] low is {self.low:g}, but must be at most high, which is {self.high:g}."
            )
        for name in ("min_gap", "trim", "min_length"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise SettingError(f"[events] {name} is {value:g} s, but must be 0 or more.")

    @property
    def step(self) -> float:
        """Seconds from one window to the next.

        Raises
        ------
        SettingError
            When the window is not known.
        """
        if self.window is None:
            raise SettingError(
                "[events] window is not set, and the model does not say how long the clips were that it learnt from."
                " Type --window SECONDS."
            )
        return self.hop if self.hop is not None else max(SHORTEST, self.window / _HOPS)

    def changed(self, **given: Any) -> Events:
        """Return the settings with those of ``given`` that are not ``None``.

        A hop that does not fit another window gives way to that window's own; so does ``low`` to another ``high``.
        """
        new = {f.name: given[f.name] for f in fields(self) if given.get(f.name) is not None}
        kept = self
        if "window" in new and "hop" not in new:
            kept = replace(kept, hop=None)
        if "high" in new and "low" not in new:
            kept = replace(kept, low=None)
        if "low" in new and "high" not in new and kept.high is not None and new["low"] > kept.high:
            kept = replace(kept, high=new["low"])
        return replace(kept, **new)

    def thresholds(self, learnt: Sequence[float], labels: int) -> tuple[FloatArray, FloatArray]:
        """Return for each label what an event must reach once, and what throughout: float32[labels] each.

        Parameters
        ----------
        learnt
            The model's own thresholds; empty where it has none.
        labels
            How many labels there are.
        """
        own = np.array(learnt or [_EVEN] * labels, np.float32)
        high = own if self.high is None else np.full(labels, self.high, np.float32)
        low = 0.75 * high if self.low is None else np.full(labels, self.low, np.float32)
        return high, np.minimum(low, high).astype(np.float32)
