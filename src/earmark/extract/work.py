"""What a worker does: decode the clips of one chunk, compute what the store lacks, publish it as parts.

This runs wherever an engine puts it. It may run twice, or be cut off anywhere: a part's name follows from the clips
in it, and a part appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from earmark.audio import decode
from earmark.audio.fingerprint import sound_of
from earmark.audio.kept import kept_open
from earmark.encoders import remember
from earmark.engine.fetch import fetched
from earmark.engine.watch import alive, rest
from earmark.errors import AudioError, MissingDecoderError, TooLongAudioError
from earmark.features import extract_each
from earmark.remote import shown
from earmark.store import Index, Part, Shelf, Store
from earmark.store.part import Hashes, seal
from earmark.types import Feature, Waveform

_PART_BYTES = 48 * 2**20  # a part is closed when its values are that large, however few clips they are of


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some clips of a data set.

    Parameters
    ----------
    addresses, starts, ends
        Where each is; seconds.
    keys
        uint64[m, 2]: the hashes they are known by in a store.
    wanted
        bool[m, features]: what is to be computed.
    parts
        For each feature, where another run has published it, if there is one at the same clips; empty where nothing
        is wanted.
    """

    addresses: tuple[str, ...]
    starts: tuple[float | None, ...]
    ends: tuple[float | None, ...]
    keys: Hashes
    wanted: NDArray[np.bool_]
    parts: tuple[str, ...] = ()

    def only(self, rows: Sequence[int]) -> Chunk:
        """Return some of the clips."""
        return Chunk(
            tuple(self.addresses[i] for i in rows),
            tuple(self.starts[i] for i in rows),
            tuple(self.ends[i] for i in rows),
            self.keys[list(rows)],
            self.wanted[list(rows)],
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some clips.

    Parameters
    ----------
    stored
        Clips that the store knew where they were.
    computed
        Clips whose features were computed.
    reread
        Clips that were decoded again, their file having been touched or moved, and whose sound the store knew.
    skipped
        Clips that cannot be used, which the store remembers.
    seconds
        Of sound decoded.
    failed
        By row: kind and reason of a failure that may pass, and is therefore tried again the next time.
    """

    stored: int = 0
    computed: int = 0
    reread: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        """How many clips that are."""
        return self.stored + self.computed + self.reread + self.skipped

    def __add__(self, other: Done) -> Done:
        """Count together; what failed is among the skipped then."""
        return Done(
            self.stored + other.stored,
            self.computed + other.computed,
            self.reread + other.reread,
            self.skipped + other.skipped + len(other.failed),
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """Computes features of chunks.

    Parameters
    ----------
    features
        Which.
    store
        The address of the store they go to.
    run
        Names the run where clips are to be looked for by their sound, else empty.
    publish
        False computes and keeps nothing, to find out which clip a chunk was lost by.
    weights
        Of the encoders among the features: the machine that works may have none.
    """

    features: tuple[Feature, ...]
    store: str
    run: str = ""
    publish: bool = True
    weights: tuple[bytes, ...] = ()

    def __call__(self, chunk: Chunk) -> Done:
        """Work on one chunk."""
        with kept_open():
            return self._work(chunk)

    def _work(self, chunk: Chunk) -> Done:
        rest()  # a store may be far, and has a patience of its own
        for data in self.weights:
            remember(data)
        store = Store(self.store)
        shelves = [store.shelf(feature) for feature in self.features]
        known = [_known(shelf, self.run) if self.run else None for shelf in shelves]
        # After that, so that nothing is taken for another clip's which is this one's.
        there = [bool(part) and store.place.has(part) for part in chunk.parts] or [False] * len(shelves)
        all_wanted = chunk.wanted & ~np.array(there)
        writers = [_Writer(shelf) for shelf in shelves]
        stored = computed = reread = skipped = 0
        total, failed = 0.0, dict[int, tuple[str, str]]()
        for i in range(len(chunk.addresses)):
            wanted = np.flatnonzero(all_wanted[i]).tolist()
            if not wanted:
                stored += 1
                continue
            alive()
            try:
                heard = self._hear(chunk, i, wanted)
                new = [f for f in wanted if not _knows(known[f], heard[f].sound)]
                values = self._extract(new, heard)
            except MemoryError:
                failed[i] = TooLongAudioError.kind, "there is not enough memory for it"
                continue
            except AudioError as error:
                # The system's fault, or that of what is installed, and not the file's.
                if isinstance(error, MissingDecoderError) or isinstance(error.__cause__, OSError):
                    failed[i] = error.kind, error.reason
                    continue
                skipped += 1
                for f in wanted:
                    writers[f].add(chunk, i, problem=(error.kind, error.reason))
                continue
            for f in wanted:
                writers[f].add(chunk, i, heard[f].sound, heard[f].wave.seconds, values.get(f))
            computed, reread = computed + bool(new), reread + (not new)
            total += heard[wanted[0]].wave.seconds
            if self.publish:
                for writer in writers:
                    writer.flush(_PART_BYTES)
        if self.publish:
            for writer in writers:
                writer.flush(0)
        return Done(stored, computed, reread, skipped, total, failed)

    def _hear(self, chunk: Chunk, row: int, wanted: list[int]) -> dict[int, _Heard]:
        """Decode a clip, once for each channel that the wanted features hear."""
        file = fetched(chunk.addresses[row])
        by_channel: dict[Any, _Heard] = {}
        for channel in {self.features[f].channel for f in wanted}:
            wave = decode(file, chunk.starts[row], chunk.ends[row], channel)
            by_channel[channel] = _Heard(wave, sound_of(wave))
        return {f: by_channel[self.features[f].channel] for f in wanted}

    def _extract(self, which: list[int], heard: dict[int, _Heard]) -> dict[int, NDArray[np.float32]]:
        """Return the values of some features, which share what they can."""
        values: dict[int, NDArray[np.float32]] = {}
        for sound in {heard[f].sound for f in which}:
            alike = [f for f in which if heard[f].sound == sound]
            found = extract_each([self.features[f] for f in alike], heard[alike[0]].wave)
            values |= zip(alike, found, strict=True)
        return values

    def probe(self) -> Work:
        """Return the same work without anything kept."""
        return replace(self, publish=False)


class _Heard(NamedTuple):
    """One channel of a clip, or their mean, and what it is known by."""

    wave: Waveform
    sound: tuple[int, int]


class _Writer:
    """Gathers the rows of one feature until they are a part."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._clear()

    def _clear(self) -> None:
        self._rows: list[tuple[NDArray[np.uint64], str, float | None, float | None]] = []
        self._sounds: list[tuple[int, int]] = []
        self._seconds: list[float] = []
        self._values: list[NDArray[np.generic]] = []
        self._frames: list[int] = []
        self._problems: dict[int, tuple[str, str]] = {}
        self._bytes = 0

    def add(
        self,
        chunk: Chunk,
        row: int,
        sound: tuple[int, int] = (0, 0),
        seconds: float = 0.0,
        values: NDArray[np.float32] | None = None,
        problem: tuple[str, str] | None = None,
    ) -> None:
        """Add a clip: with its values, or without where the store has them already, or with what is wrong."""
        if problem:
            self._problems[len(self._rows)] = problem
        address = shown(chunk.addresses[row])  # without a key that it may hold
        self._rows.append((chunk.keys[row], address, chunk.starts[row], chunk.ends[row]))
        self._sounds.append(sound)
        self._seconds.append(seconds)
        self._frames.append(0)
        if values is not None:
            kept = np.atleast_2d(values).astype(self._shelf.feature.storage)
            self._frames[-1] = len(kept)
            self._values.append(kept)
            self._bytes += kept.nbytes

    def flush(self, above: int) -> None:
        """Publish what was gathered, if it is more than so many bytes."""
        if not self._rows or (above and self._bytes <= above):
            return
        rest()
        feature = self._shelf.feature
        keys = np.array([row[0] for row in self._rows], np.uint64)
        part = Part(
            keys,
            np.array(self._sounds, np.uint64),
            np.array(self._seconds, np.float64),
            np.array(self._frames, np.int64),
            np.zeros(len(keys), np.uint64),
            np.concatenate(self._values) if self._values else np.empty((0, feature.dims), feature.storage),
            [row[1] for row in self._rows],
            [row[2] for row in self._rows],
            [row[3] for row in self._rows],
            self._problems,
            self._shelf.about,
        )
        seal(part)
        self._shelf.write(self._shelf.name_of(part_name(keys, part.frames > 0)), part)
        self._clear()


def part_name(keys: Hashes, own: NDArray[np.bool_] | None = None) -> str:
    """Return the name of the part with these clips; ``own`` says which of them have values in it, all by default.

    So a part that refers to another's values is never taken for, nor overwrites, one that has them.
    """
    mask = np.ones(len(keys), bool) if own is None else own
    return xxhash.xxh3_128_hexdigest(keys.tobytes() + mask.tobytes())


_indexes: dict[tuple[str, str, str], Index] = {}  # of this process; one run's at a time


def _known(shelf: Shelf, run: str) -> Index:
    """Return what the store held when this process first asked in this run."""
    which = run, str(shelf.place), shelf.key
    if which not in _indexes:
        for old in [key for key in _indexes if key[0] != run]:
            del _indexes[old]
        _indexes[which] = Index.of(shelf.scan()[0])
    return _indexes[which]


def _knows(index: Index | None, sound: tuple[int, int]) -> bool:
    return index is not None and bool(index.knows(np.array([sound], np.uint64))[0])
