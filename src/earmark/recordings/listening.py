"""`Listening`: a classifier that is fed sound piece by piece, and says what it hears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np

from earmark.events import Event, Events, Merger, Windows
from earmark.predict import Predictor
from earmark.types import FloatArray, Waveform

OnScores = Callable[[FloatArray], None]
OnActivity = Callable[[float, FloatArray], None]


class Listening:
    """Hears a stream and gives its events as they close.

    Every window is scored by itself, as a clip cut out there would be: so the events do not depend on the pieces in
    which the sound comes. The score of a window holds for a hop's length around its middle; the first one's from the
    start, the last one's to the end.

    Parameters
    ----------
    predictor
        The classifier.
    settings
        How scores become events; the bundle's own by default.
    sample_rate
        Hz, of what is fed; the feature's by default.
    done
        Windows whose scores are known from before: give them to `recall` first, and feed from sample `begin` on.
    workers
        Threads; of a piece with many windows they score several at once.
    on_scores
        Told the scores float32[n, labels] of windows as they are scored, but not of a last one between two hops.
    on_activity
        Told of each window until when its scores hold, in seconds, and its scores float32[labels].

    Attributes
    ----------
    windows
        How many windows were scored or recalled.
    begin
        The sample from which on the sound is needed.

    Raises
    ------
    SettingError
        When nobody says how long a window is.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Events | None = None,
        sample_rate: int | None = None,
        *,
        done: int = 0,
        workers: int = 1,
        on_scores: OnScores | None = None,
        on_activity: OnActivity | None = None,
    ) -> None:
        bundle = predictor.bundle
        self._predictor, self._rate = predictor, sample_rate or bundle.feature.sample_rate
        how = settings or bundle.events
        self._hop = how.step
        self._middle = ((how.window or 0.0) + self._hop) / 2
        self._windows = Windows(self._rate, how.window or 0.0, self._hop, done)
        self._merger = Merger(bundle.labels, how, bundle.decision.exclusive, bundle.decision.thresholds)
        self._on_scores, self._on_activity = on_scores, on_activity
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self.windows, self.begin = 0, self._windows.begin

    def __enter__(self) -> Listening:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    @property
    def seconds(self) -> float:
        """How much sound was heard."""
        return self._windows.total / self._rate

    def feed(self, samples: FloatArray) -> list[Event]:
        """Hear float32[n], mono, and return the events that are over."""
        scores = self._scored(self._windows.feed(samples))
        if len(scores) and self._on_scores is not None:
            self._on_scores(scores)
        return self.recall(scores)

    def recall(self, scores: FloatArray) -> list[Event]:
        """Take float32[n, labels] as the scores of the next windows, and return the events that are over."""
        found = []
        for row in scores:
            found += self._heard(self.windows * self._hop + self._middle, row)
        return found

    def finish(self) -> list[Event]:
        """Return the events that are left: the sound has ended."""
        found, end = [], self.seconds
        for row in self._scored(self._windows.finish()):
            found += self._heard(end, row)
        return found + self._merger.finish(end)

    def _heard(self, end: float, row: FloatArray) -> list[Event]:
        self.windows += 1
        if self._on_activity is not None:
            self._on_activity(end, row)
        return self._merger.add(end, row)

    def _scored(self, windows: Sequence[FloatArray]) -> FloatArray:
        waves = [Waveform(window, self._rate) for window in windows]
        activity = self._predictor.activity
        many = self._pool is not None and len(waves) > 1
        rows = list(self._pool.map(activity, waves)) if many and self._pool else list(map(activity, waves))
        return np.stack(rows) if rows else np.empty((0, len(self._predictor.bundle.labels)), np.float32)
