"""Sound as it comes: what is heard, how long the first answer took, and whether the machine keeps up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from earmark.events import Event, Events
from earmark.predict import Predictor
from earmark.recordings.listening import Listening
from earmark.types import FloatArray

_AT_ONCE = 8  # windows: of sound that comes faster than it is heard, no more are cut at a time


@dataclass(slots=True)
class Figures:
    """How live listening went.

    Parameters
    ----------
    seconds
        How much sound came.
    windows
        How many windows were scored.
    first_decision
        Seconds from the beginning until the first window was scored, the sound of that window included; ``None``
        where none was.
    busy
        Seconds of computing.
    slowest
        Seconds that the slowest step took, from the moment that its sound was there.
    """

    seconds: float = 0.0
    windows: int = 0
    first_decision: float | None = None
    busy: float = 0.0
    slowest: float = 0.0

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of computing for a second of sound; ``None`` where none came."""
        return self.busy / self.seconds if self.seconds else None


def live(
    predictor: Predictor,
    pieces: Iterable[FloatArray],
    sample_rate: int,
    settings: Events | None = None,
    figures: Figures | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Event]:
    """Yield the events of a stream as they close. An interruption ends the stream and not the events.

    Parameters
    ----------
    pieces
        float32[n] each, mono; `KeyboardInterrupt` from here is raised again once what was heard is told.
    sample_rate
        Hz.
    settings
        How scores become events; the bundle's own by default.
    figures
        Kept up to date.
    clock
        Seconds.
    """
    told = figures if figures is not None else Figures()
    listening = Listening(predictor, settings, sample_rate)
    size = max(1, round(_AT_ONCE * (settings or predictor.bundle.events).step * sample_rate))
    began, stopped = clock(), None

    def timed(call: Callable[[], list[Event]]) -> list[Event]:
        before = clock()
        found = call()
        now = clock()
        told.busy += now - before
        told.slowest = max(told.slowest, now - before)
        told.seconds, told.windows = listening.seconds, listening.windows
        if told.windows and told.first_decision is None:
            told.first_decision = now - began
        return found

    try:
        for piece in pieces:
            for at in range(0, len(piece), size):
                part = np.ascontiguousarray(piece[at : at + size])
                yield from timed(lambda part=part: listening.feed(part))  # type: ignore[misc]
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
    yield from timed(listening.finish)
    if stopped is not None:
        raise stopped
