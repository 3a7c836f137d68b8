"""Which of many sounds are copies of one another, by their landmarks: an index, and what chance would make of it.

Two landmarks that follow each other make a hash of both frequencies and the time between them. A copy shares many
of them, and all at one distance in time; a loop does so at several, of which the best counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.audio.landmarks import BINS, HOP, RATE, Landmarks
from earmark.types import IntArray

_FOLLOWERS = 5  # landmarks that each is paired with
_LONGEST = 64  # frames between the two of a pair
_APART = 2  # bins; a pair on one frequency says nothing of a steady tone
_COMMON = 64  # a hash that occurs more often is left out: it would cost much and say little
_HITS = 1 << 21  # looked at in one go, unless one sound alone has more
_SLOTS = 1 << 22
_FREQUENCIES = 4  # at which a match must have landmarks
# Two hums of one pitch agree a little at every distance in time. Beyond what a loop brings with it, for so many pairs
# that agree at any distance one more is asked for at the best.
_LOOPS, _ANYWHERE = 5, 25
# By chance four pairs agree in 0.8 of 1,000 pairs of unlike recordings, and each further one is six times as rare
# (measured on ESC-10). So many are asked for that chance gives one false alarm in twenty data sets; and some more,
# since sounds of one maker are more alike than chance makes them. Hardly any copy has so few.
_FOUR, _RARER, _ALARMS, _MORE = 8e-4, 6.0, 0.05, 3


class Copy(NamedTuple):
    """Two sounds of which one holds a part of the other, or both hold the same.

    Parameters
    ----------
    first, second
        Which, the lower one first.
    shared
        Pairs of landmarks that agree.
    later
        Seconds by which the common part begins later in the second.
    """

    first: int
    second: int
    shared: int
    later: float


def asked_for(count: int) -> int:
    """Return how many pairs of landmarks must agree for a match among ``count`` sounds.

    >>> asked_for(10), asked_for(400), asked_for(10_000)
    (7, 11, 15)
    """
    chance = count * (count - 1) / 2 * _FOUR / _ALARMS
    return 4 + _MORE + math.ceil(math.log(max(chance, 1)) / math.log(_RARER))


def find_copies(marks: Landmarks, bounds: IntArray, units: IntArray) -> list[Copy]:
    """Return the pairs of copies among n sounds, ascending. Time and memory grow a little faster than n.

    Parameters
    ----------
    marks, bounds
        Sound ``i`` has the landmarks ``marks[bounds[i]:bounds[i + 1]]``.
    units
        int64[n]: sounds of one unit, such as the clips of one recording, are not compared.

    Examples
    --------
    >>> from earmark.audio.landmarks import landmarks
    >>> noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    >>> sounds = [landmarks(noise), landmarks(-noise[8_000:]), landmarks(noise[::-1])]
    >>> bounds = np.cumsum([0, *map(len, sounds)])
    >>> [(c.first, c.second, round(c.later, 1)) for c in find_copies(np.concatenate(sounds), bounds, np.arange(3))]
    [(0, 1, -1.0)]
    """
    least = asked_for(len(units))
    owner = np.repeat(np.arange(len(units), dtype=np.int32), np.diff(bounds))
    index = _Index(marks, owner)
    found: list[Copy] = []
    for hits in index.hits(units, least):
        found += hits.copies(least)
    return sorted(found)


class _Index:
    """Every hash with the landmark that it begins at, sorted."""

    def __init__(self, marks: Landmarks, owner: NDArray[np.int32]) -> None:
        self._frame, self._bin = (marks // BINS).astype(np.int32), (marks % BINS).astype(np.int32)
        self._owner = owner
        keys = np.concatenate([np.empty(0, np.int64), *(self._pairs(j) for j in range(1, _FOLLOWERS + 1))])
        keys.sort()
        hashes = keys >> 32
        starts = np.flatnonzero(np.diff(hashes, prepend=-1))
        sizes = np.diff(starts, append=len(keys))
        self._at = (keys & (2**32 - 1)).astype(np.int64)
        place = np.arange(len(keys)) - np.repeat(starts, sizes)
        size = np.repeat(sizes, sizes)
        # How many entries of the same hash come after each, and belong to as late a sound or a later one.
        self._after = np.where(size <= _COMMON, size - 1 - place, 0)

    def _pairs(self, step: int) -> IntArray:
        """Return hash and place, in one number, of every landmark with the ``step``-th that follows it."""
        frame, bin_ = self._frame, self._bin
        time, rise = frame[step:] - frame[:-step], bin_[step:] - bin_[:-step]
        good = (self._owner[step:] == self._owner[:-step]) & (time > 0) & (time < _LONGEST)
        at = np.flatnonzero(good & (np.abs(rise) >= _APART))
        hashes = (bin_[at].astype(np.int64) * 2 * BINS + rise[at] + BINS) * _LONGEST + time[at]
        keys: IntArray = hashes << 32 | at
        return keys

    def hits(self, units: IntArray, least: int) -> Iterator[_Hits]:
        """Yield what agrees, the hits of each first sound together."""
        owner = self._owner[self._at]
        by_owner = np.argsort(owner, kind="stable")
        by_owner = by_owner[self._after[by_owner] > 0]
        total = np.cumsum(self._after[by_owner])
        bounds = np.searchsorted(owner[by_owner], np.arange(len(units) + 1))
        begin = 0
        while begin < len(by_owner):
            # As many whole sounds as give `_HITS`, at least one.
            done = total[begin - 1] if begin else 0
            end = int(np.searchsorted(total, done + _HITS, "right"))
            whole = int(bounds[np.searchsorted(bounds, end, "right") - 1])
            if whole <= begin:
                whole = int(bounds[np.searchsorted(bounds, begin, "right")])
            yield self._expand(by_owner[begin:whole], units, least)
            begin = whole

    def _expand(self, entries: IntArray, units: IntArray, least: int) -> _Hits:
        counts = self._after[entries]
        first = np.repeat(entries, counts)
        within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        one, other = self._at[first], self._at[first + 1 + within]
        a, b = self._owner[one], self._owner[other]
        apart = units[a] != units[b]
        one, other, a, b = one[apart], other[apart], a[apart], b[apart]
        later = self._frame[other] - self._frame[one] + (1 << 15)
        keys = (a.astype(np.int64) * len(units) + b) << 16 | later
        # Most hits are alone: counted in slots that several may share, they need not be sorted.
        slots = (keys * 0x9E3779B97F4A7C1 >> 20) & (_SLOTS - 1)
        often = np.bincount(slots, minlength=_SLOTS)[slots] >= math.ceil(least / 3)
        return _Hits(keys[often], self._bin[one[often]], len(units))


class _Hits(NamedTuple):
    """Hits: sounds and distance in time as one number, the bin of the landmark, how many sounds there are."""

    keys: IntArray
    bins: NDArray[np.int32]
    sounds: int

    def copies(self, least: int) -> list[Copy]:
        """Return the pairs of sounds with enough hits at one distance, a frame more or less."""
        order = np.argsort(self.keys)
        hits, bins = self.keys[order], self.bins[order]
        keys, counts = np.unique(hits, return_counts=True)
        near = counts.copy()
        touching = np.diff(keys) == 1
        near[:-1] += np.where(touching, counts[1:], 0)
        near[1:] += np.where(touching, counts[:-1], 0)
        strong = np.flatnonzero(near >= least)
        best = strong[np.lexsort((-near[strong], keys[strong] >> 16))]
        best = best[np.diff(keys[best] >> 16, prepend=-1) != 0]
        found = []
        for key, shared in zip(keys[best].tolist(), near[best].tolist(), strict=True):
            pair = key >> 16
            anywhere = int(np.diff(np.searchsorted(hits, [pair << 16, pair + 1 << 16]))[0])
            if shared < least + (anywhere - _LOOPS * least) / _ANYWHERE:
                continue
            own = np.sort(bins[slice(*np.searchsorted(hits, [key - 1, key + 2]))])
            if 1 + np.count_nonzero(np.diff(own) > 1) >= _FREQUENCIES:
                a, b = divmod(pair, self.sounds)
                found.append(Copy(a, b, shared, ((key & 0xFFFF) - (1 << 15)) * HOP / RATE))
        return found
