"""`Windows`: from sound that comes in pieces of any length to windows of one length, in constant memory."""

from __future__ import annotations

import numpy as np

from earmark.types import FloatArray


class Windows:
    """Cuts windows out of a stream of samples.

    Window ``k`` begins at ``k`` hops. Where the stream ends between two of them, a last one ends with it; a stream
    shorter than a window is one window.

    Parameters
    ----------
    sample_rate
        Hz.
    window, hop
        Seconds.
    done
        Windows that are not needed any more: the stream then begins at sample `begin`.

    Attributes
    ----------
    begin
        The sample at which the stream has to begin.
    count
        Windows that were cut, with those not needed.
    total
        Samples up to which was heard.

    Examples
    --------
    >>> windows = Windows(10, 1.0, 0.5)
    >>> [len(w) for w in windows.feed(np.zeros(17, np.float32))], [len(w) for w in windows.finish()]
    ([10, 10], [10])
    """

    def __init__(self, sample_rate: int, window: float, hop: float, done: int = 0) -> None:
        self._rate, self._length, self._hop = sample_rate, max(1, round(window * sample_rate)), hop
        self.count = done
        # One window back: the last one of all may begin there.
        self.begin = self._start(done - 1) if done else 0
        self.total = self.begin
        self._tail = np.empty(0, np.float32)
        self._tail_at = self.begin

    def _start(self, k: int) -> int:
        return round(k * self._hop * self._rate)

    def feed(self, samples: FloatArray) -> list[FloatArray]:
        """Return the windows that the next samples, float32[n], complete; views, each float32[window]."""
        whole = np.concatenate([self._tail, samples]) if len(self._tail) else samples
        self.total += len(samples)
        found = []
        while (start := self._start(self.count)) + self._length <= self.total:
            first = start - self._tail_at
            found.append(whole[first : first + self._length])
            self.count += 1
        # Of what is kept, the last window may need a window's length, and the next one all from its start on.
        keep = max(0, min(self._start(self.count), self.total - self._length) - self._tail_at)
        self._tail = whole[keep:].copy()
        self._tail_at += keep
        return found

    def finish(self) -> list[FloatArray]:
        """Return the last window, if the stream ended between two of them."""
        if self.count and self._start(self.count - 1) + self._length >= self.total:
            return []
        self.count += bool(len(self._tail))
        return [self._tail[-self._length :]] if len(self._tail) else []
