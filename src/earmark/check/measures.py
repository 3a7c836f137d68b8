"""What was measured of every clip, as columns, so that a hundred thousand clips take little memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.kept import kept_open
from earmark.audio.vitals import Vitals, examine
from earmark.dataset import Dataset
from earmark.engine import Engine, Lost, each
from earmark.engine.fetch import fetched
from earmark.errors import AudioError
from earmark.types import IntArray, Problem, problem_of

OnProgress = Callable[[int, float], None]

_COLUMNS = np.dtype([
    ("seconds", "f8"), ("rate", "i4"), ("channels", "i2"), ("encoding", "i2"), ("sound", "u8", (2,)),
    ("peak", "f4"), ("clipped", "f4"), ("offset", "f4"), ("level", "f4"), ("bandwidth", "f4"), ("copies", "?"),
    ("dead", "i2"),
])  # fmt: skip


class Measures:
    """The measures of a data set's clips.

    Attributes
    ----------
    good
        bool[n]: whether the clip can be used.
    values
        A structured array [n] with the fields of `earmark.audio.vitals.Vitals`; zeros where the clip cannot be used.
    encodings
        What ``values["encoding"]`` counts in.
    failed
        By row: what is wrong with those that cannot be used.
    faults
        By row: what is wrong with their files, of those that can.
    """

    def __init__(self, count: int) -> None:
        self.good = np.zeros(count, bool)
        self.values: NDArray[Any] = np.zeros(count, _COLUMNS)
        self.encodings: list[str] = []
        self.failed: dict[int, Problem] = {}
        self.faults: dict[int, tuple[tuple[str, str], ...]] = {}
        self._known: dict[str, int] = {}

    def add(self, row: int, vitals: Vitals) -> None:
        """Take in what was measured of one clip."""
        if vitals.encoding not in self._known:
            self._known[vitals.encoding] = len(self.encodings)
            self.encodings.append(vitals.encoding)
        self.good[row] = True
        self.values[row] = (
            vitals.seconds, vitals.rate, vitals.channels, self._known[vitals.encoding], vitals.sound, vitals.peak,
            vitals.clipped, vitals.offset, max(vitals.level, -999.0), vitals.bandwidth, vitals.copies, vitals.dead,
        )  # fmt: skip
        if vitals.faults:
            self.faults[row] = vitals.faults

    @property
    def rows(self) -> IntArray:
        """int64: the clips that can be used, ascending."""
        return np.flatnonzero(self.good).astype(np.int64)

    @property
    def sounds(self) -> IntArray:
        """int64, one for each of `rows`: clips with the same number are the same sound to the last sample."""
        halves = np.ascontiguousarray(self.values["sound"][self.good])
        whole = halves.view(np.dtype((np.void, 16))).reshape(-1)
        return np.unique(whole, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def counts(self, field: str) -> Counter[Any]:
        """Return how many usable clips have each value of a field."""
        found, counts = np.unique(self.values[field][self.good], return_counts=True)
        return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def measure(dataset: Dataset, engine: Engine, on_progress: OnProgress) -> Measures:
    """Decode every clip once, wherever the engine works; tell how many are done, and how many seconds that is."""
    found = Measures(len(dataset.clips))
    total = 0.0
    on_progress(0, total)
    results = each(engine, _examine, _places(dataset), around=kept_open)
    for row, result in enumerate(results):
        if isinstance(result, Vitals):
            found.add(row, result)
            total += result.seconds
        else:
            kind = "crashed" if isinstance(result, Lost) else result.kind
            clip = dataset.clips[row]
            where = dataset.source_of(clip)
            reason = f"{result.reason}; so says {where}" if where else result.reason
            found.failed[row] = problem_of(clip, kind, reason)
        on_progress(row + 1, total)
    return found


def _places(dataset: Dataset) -> Iterator[tuple[str, float | None, float | None]]:
    starts, ends = dataset.clips.starts.tolist(), dataset.clips.ends.tolist()
    for address, start, end in zip(dataset.addresses(), starts, ends, strict=True):
        yield address, None if math.isnan(start) else start, None if math.isnan(end) else end


def _examine(where: tuple[str, float | None, float | None]) -> Vitals | AudioError:
    address, start, end = where
    try:
        return examine(fetched(address), start, end)
    except AudioError as error:
        return error
