"""`Index`: which rows a feature's parts hold, found by where a clip is or by what it sounds like."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.store.part import Hashes, Part
from earmark.types import IntArray

NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """The key columns of many parts, one after the other.

    Parameters
    ----------
    names
        The parts.
    part, row
        int64[n]: where each row stands.
    keys, sounds
        uint64[n, 2]; see `Part`.
    frames
        int64[n]; 0 where the row has no values of its own.
    seconds
        float64[n].
    problems
        By position: kind and reason.
    """

    names: tuple[str, ...]
    part: IntArray
    row: IntArray
    keys: Hashes
    sounds: Hashes
    frames: IntArray
    seconds: NDArray[np.float64]
    problems: dict[int, tuple[str, str]]
    _by_key: _Finder = field(init=False)
    _by_sound: _Finder = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", _Finder(self.keys, np.arange(len(self.keys))))
        # Only rows that have values can serve another clip of the same sound.
        object.__setattr__(self, "_by_sound", _Finder(self.sounds, np.flatnonzero(self.frames)))

    @classmethod
    def of(cls, parts: dict[str, Part]) -> Index:
        """Join the key columns of parts, by name."""
        found = list(parts.values())
        sizes = [len(part) for part in found]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        problems = {
            int(start) + row: words
            for start, part in zip(starts, found, strict=False)
            for row, words in part.problems.items()
        }
        return cls(
            tuple(parts),
            np.repeat(np.arange(len(found)), sizes).astype(np.int64),
            np.concatenate([np.arange(n) for n in sizes] or [np.empty(0, np.int64)]).astype(np.int64),
            np.concatenate([p.keys for p in found]) if found else np.empty((0, 2), np.uint64),
            np.concatenate([p.sounds for p in found]) if found else np.empty((0, 2), np.uint64),
            np.concatenate([p.frames for p in found]) if found else np.empty(0, np.int64),
            np.concatenate([p.seconds for p in found]) if found else np.empty(0, np.float64),
            problems,
        )

    def find(self, keys: Hashes) -> IntArray:
        """Return the position of the row that tells of each clip, or `NONE`: int64[m].

        A row without values of its own counts only where another row of the same sound has some, or where it says
        what is wrong with the clip.
        """
        at = self._by_key.find(keys)
        known = at != NONE
        usable = self.faulty(at)
        usable[known] |= self.home(at[known]) != NONE
        return np.where(usable, at, NONE)

    def faulty(self, positions: IntArray) -> NDArray[np.bool_]:
        """Say which rows tell only what is wrong with their clip: bool[m]."""
        return np.isin(positions, np.fromiter(self.problems, np.int64, len(self.problems)))

    def home(self, positions: IntArray) -> IntArray:
        """Return where the values of rows stand: the row itself, another one of the same sound, or `NONE`."""
        elsewhere = self.frames[positions] == 0
        homes = positions.copy()
        homes[elsewhere] = self._by_sound.find(self.sounds[positions[elsewhere]])
        return homes

    def knows(self, sounds: Hashes) -> NDArray[np.bool_]:
        """Say of each sound whether a row has its values: bool[m]."""
        known: NDArray[np.bool_] = self._by_sound.find(sounds) != NONE
        return known


class _Finder:
    """Positions by a hash of 128 bits, in sorted arrays: a million of them in 24 MB."""

    def __init__(self, hashes: Hashes, positions: NDArray[np.intp]) -> None:
        order = np.lexsort((hashes[positions, 1], hashes[positions, 0]))
        self._positions = positions[order].astype(np.int64)
        self._hashes = hashes[self._positions]

    def find(self, hashes: Hashes) -> IntArray:
        """Return the position of each hash, or `NONE`."""
        found = np.full(len(hashes), NONE, np.int64)
        if not len(self._positions) or not len(hashes):
            return found
        at = np.searchsorted(self._hashes[:, 0], hashes[:, 0])
        # The first halves of two different hashes hardly ever agree; where they do, the second is a step away.
        open_ = np.ones(len(hashes), bool)
        while open_.any():
            open_ &= at < len(self._positions)
            here = self._hashes[np.minimum(at, len(self._positions) - 1)]
            open_ &= here[:, 0] == hashes[:, 0]
            hit = open_ & (here[:, 1] == hashes[:, 1])
            found[hit] = self._positions[at[hit]]
            open_ &= ~hit
            at = at + 1
        return found
