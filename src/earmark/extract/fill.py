"""`fill`: make sure that a store holds features of every clip of a data set, by computing what it lacks."""

from __future__ import annotations

import os
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import xxhash
from numpy.typing import NDArray

from earmark.dataset import Dataset, Versions
from earmark.engine import Engine, Lost
from earmark.errors import StoreError
from earmark.extract.lost import without_the_lost
from earmark.extract.work import Chunk, Done, Work, part_name
from earmark.features import resolved, weights_of
from earmark.remote import shown
from earmark.store import NONE, Index, Part, Shelf, Store
from earmark.store.part import Hashes
from earmark.types import Feature, IntArray, Problem, problem_of

# A chunk is a task and, as a rule, a part: of about a tenth of a second of work for short clips in a small data set,
# so that cores end together, and larger in a large one, so that a million clips are some thousand files.
_SMALLEST, _LARGEST, _CHUNKS = 128, 512, 128
# Long clips are fewer a chunk: of files, at most so many bytes; of cuts, what that is of 44.1 kHz stereo 16-bit.
_CHUNK_BYTES, _BYTES_A_SECOND = 256 * 2**20, 176_400
_ATTEMPTS = 3  # to see all features in the store at one moment, while others delete some


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an extraction is.

    Parameters
    ----------
    total
        Clips.
    so_far
        What became of those that are settled.
    """

    total: int
    so_far: Done = field(default_factory=Done)

    @property
    def done(self) -> int:
        """Clips that are settled."""
        return self.so_far.clips


OnProgress = Callable[[Progress], None]
OnNote = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """What `fill` leaves.

    Parameters
    ----------
    shelves, indexes
        For each feature.
    files
        The files as they were when it began.
    keys
        uint64[n, 2]: what each clip is known by.
    failed
        Clips that failed in a way that may pass; they are tried again the next time.
    progress
        At the end.
    """

    shelves: list[Shelf]
    indexes: list[Index]
    files: Versions
    keys: Hashes
    failed: dict[int, Problem]
    progress: Progress

    def problems(self, dataset: Dataset, feature: int = 0) -> dict[int, Problem]:
        """Return what is wrong with each clip that has no values."""
        index = self.indexes[feature]
        at = index.find(self.keys)
        kept = {
            i: problem_of(dataset.clips[i], *index.problems[int(at[i])])
            for i in np.flatnonzero(index.faulty(at)).tolist()
        }
        return dict(sorted({**kept, **self.failed}.items()))


def fill(
    dataset: Dataset,
    features: Sequence[Feature],
    store: Store,
    engine: Engine,
    on_progress: OnProgress | None = None,
    on_note: OnNote | None = None,
) -> Filled:
    """Compute what ``store`` lacks of some features of a data set's clips.

    Every clip is decoded at most once, however many features it needs. Parts appear as they are done: after an
    interrupt, or a crash of this process, of a worker or of a machine, the same call goes on where it was.

    Raises
    ------
    OSError, StoreError
        When the store cannot be written.
    """
    note, tell = on_note or (lambda text: None), on_progress or (lambda progress: None)
    features = [resolved(feature) for feature in features]
    store.place.tidy()
    shelves = [store.shelf(feature) for feature in features]
    files, addresses = dataset.versions(), dataset.addresses()
    keys = clip_keys(dataset, addresses, files)
    scans: list[dict[str, Part]] = [{} for _ in shelves]
    failed: dict[int, Problem] = {}
    progress: Progress | None = None
    for _ in range(_ATTEMPTS):
        scans = [_scan(shelf, note, scan) for shelf, scan in zip(shelves, scans, strict=True)]
        indexes = [Index.of(scan) for scan in scans]
        positions = [index.find(keys) for index in indexes]
        wanted = np.stack([at == NONE for at in positions], axis=1)
        wanted[list(failed)] = False
        missing = np.asarray(wanted.any(axis=1))
        first = progress is None
        if progress is None:
            faulty = np.any([index.faulty(at) for index, at in zip(indexes, positions, strict=True)], axis=0)
            known = Done(stored=int((~missing & ~faulty).sum()), skipped=int((~missing & faulty).sum()))
            progress = Progress(len(keys), known)
            tell(progress)
        elif missing.any():
            note(f"Features of {missing.sum():,} clips have gone from the store; they are computed again.")
        if not missing.any():
            _note_use(shelves, indexes, positions)
            return Filled(shelves, indexes, files, keys, failed, progress)
        # Another run, or a moved data set, may have left the same sounds: worth a look where there is anything.
        run = secrets.token_hex(8) if any(scans) else ""
        work = Work(tuple(features), store.address, run, weights=weights_of(features))
        divided = _divided(dataset, files)
        chunks = _chunks(dataset, addresses, keys, wanted, divided, shelves)
        for rows, done in _compute(chunks, work, engine):
            for i, (kind, reason) in done.failed.items():
                failed[int(rows[i])] = problem_of(dataset.clips[int(rows[i])], kind, reason)
            if first:  # what is mended is not counted twice
                progress = Progress(len(keys), progress.so_far + done)
                tell(progress)
    raise StoreError(
        f"The store {store} does not keep what is written to it: another process deletes it, or it is of the kind that"
        " ends with a process. Give another with EARMARK_STORE or --to."
    )


def clip_keys(dataset: Dataset, addresses: Sequence[str], files: Versions) -> Hashes:
    """Return what each clip is known by: a hash of its address, its cut, and the size and version of its file.

    uint64[n, 2]. Two clips with the same key are the same stretch of the same unchanged file.
    """
    clips = dataset.clips
    cuts = clips.starts.tolist(), clips.ends.tolist()
    told = zip(map(shown, addresses), *cuts, files.sizes.tolist(), files.versions.tolist(), strict=True)
    digests = b"".join(
        [xxhash.xxh3_128_digest("\0".join(map(str, row)).encode(errors="surrogatepass")) for row in told]
    )
    return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def _scan(shelf: Shelf, note: OnNote, known: dict[str, Part]) -> dict[str, Part]:
    """Return the shelf's parts; take away what is damaged, with a word."""
    found, damaged = shelf.scan(known)
    for name in damaged:
        discard(shelf, name, note)
    return found


def discard(shelf: Shelf, name: str, note: OnNote) -> None:
    """Take a damaged part out of the store, so that its clips are computed again."""
    shelf.place.delete(name)
    note(f"The store's file {name} was damaged and is discarded; its clips are computed again.")


def _note_use(shelves: list[Shelf], indexes: list[Index], positions: list[IntArray]) -> None:
    """Note, for `Store.prune`, that the parts with these rows, and those with their values, were used now."""
    for shelf, index, at in zip(shelves, indexes, positions, strict=True):
        known = at[at != NONE]
        homes = index.home(known)
        for part in np.unique(index.part[np.concatenate([known, homes[homes != NONE]])]).tolist():
            shelf.place.touch(index.names[part])


def _chunks(
    dataset: Dataset,
    addresses: list[str],
    keys: Hashes,
    wanted: NDArray[np.bool_],
    divided: list[IntArray],
    shelves: list[Shelf],
) -> Iterator[tuple[IntArray, Chunk]]:
    """Yield each chunk's rows that lack something, and what a worker must know of them."""
    missing = np.asarray(wanted.any(axis=1))
    lacking = [rows[missing[rows]] for rows in divided if missing[rows].any()]
    # Two runs over the same clips at once begin at different places and take from each other's work.
    turn = os.getpid() % len(lacking)
    for rows in lacking[turn:] + lacking[:turn]:
        names = tuple(
            shelf.name_of(part_name(keys[rows[of_feature]])) if of_feature.any() else ""
            for shelf, of_feature in zip(shelves, wanted[rows].T, strict=True)
        )
        where = tuple(addresses[i] for i in rows.tolist())
        clips = [dataset.clips[i] for i in rows.tolist()]
        starts, ends = tuple(clip.start for clip in clips), tuple(clip.end for clip in clips)
        yield rows, Chunk(where, starts, ends, keys[rows], wanted[rows], names)


def _compute(
    chunks: Iterator[tuple[IntArray, Chunk]], work: Work, engine: Engine
) -> Iterator[tuple[IntArray, Done]]:
    """Yield the rows of each chunk, and what became of them."""
    sent: deque[tuple[IntArray, Chunk]] = deque()

    def each() -> Iterator[Chunk]:
        for rows, chunk in chunks:
            sent.append((rows, chunk))
            yield chunk

    losses = Counter[str]()
    for done in engine.map(work, each()):
        rows, chunk = sent.popleft()
        yield rows, without_the_lost(chunk, work, engine, losses) if isinstance(done, Lost) else done


def _divided(dataset: Dataset, files: Versions) -> list[IntArray]:
    """Return the rows of a data set in chunks, which do not depend on what the store has."""
    count = len(files.sizes)
    most = max(_SMALLEST, min(_LARGEST, count // _CHUNKS))
    cut = (dataset.clips.ends - np.nan_to_num(dataset.clips.starts)) * _BYTES_A_SECOND
    weights = np.fmin(np.maximum(files.sizes, 0), cut).astype(np.int64)
    bounds, begin, weight = [0], 0, 0
    for i, more in enumerate(weights.tolist()):
        if i > begin and (i - begin == most or weight + more > _CHUNK_BYTES):
            bounds.append(i)
            begin, weight = i, 0
        weight += more
    return [np.arange(a, b) for a, b in pairwise([*bounds, count]) if b > a]
