"""`Dataset`: labelled clips as columns, so that a million of them stay small and quick."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.remote import Place, RemoteFile, RemotePath, local_file
from earmark.types import Clip, IntArray, Problem, Region, Track

if TYPE_CHECKING:
    import pandas

NO_FOLD = -1
Text = np.dtypes.StringDType()


class Clips(Sequence[Clip]):
    """An immutable sequence of `Clip`, stored as columns.

    Indexing gives a `Clip`; the columns are there for work on all of them at once.

    Attributes
    ----------
    labels
        Label names; ``label_values`` index into them.
    paths, groups
        Text[n] (NumPy's variable-length strings).
    label_values, label_offsets
        int32[sum of labels] and int64[n + 1]: clip ``i`` has ``label_values[offsets[i]:offsets[i + 1]]``.
    starts, ends
        float64[n], seconds; NaN where the clip is the whole file.
    folds
        int32[n]; -1 where there is none.

    Examples
    --------
    >>> clips = Clips.of([Clip("a.wav", ("dog",), "r1"), Clip("b.wav", ("cat",), "r2", fold=2)])
    >>> clips.labels, clips[1].fold, len(clips)
    (('cat', 'dog'), 2, 2)
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        paths: NDArray[Any],
        groups: NDArray[Any],
        label_values: NDArray[np.int32],
        label_offsets: IntArray,
        starts: NDArray[np.float64],
        ends: NDArray[np.float64],
        folds: NDArray[np.int32],
    ) -> None:
        self.labels = labels
        self.paths, self.groups = paths, groups
        self.label_values, self.label_offsets = label_values, label_offsets
        self.starts, self.ends, self.folds = starts, ends, folds

    @classmethod
    def of(cls, clips: Iterable[Clip], labels: Sequence[str] | None = None) -> Clips:
        """Build from records. ``labels`` fixes the order of the label names (default: sorted)."""
        records = list(clips)
        names = tuple(labels) if labels is not None else tuple(sorted({x for c in records for x in c.labels}))
        index = {name: i for i, name in enumerate(names)}
        counts = np.array([len(c.labels) for c in records], dtype=np.int64)
        return cls(
            names,
            np.array([c.path for c in records], dtype=Text),
            np.array([c.group for c in records], dtype=Text),
            np.array([index[x] for c in records for x in c.labels], dtype=np.int32),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array([np.nan if c.start is None else c.start for c in records], dtype=np.float64),
            np.array([np.nan if c.end is None else c.end for c in records], dtype=np.float64),
            np.array([NO_FOLD if c.fold is None else c.fold for c in records], dtype=np.int32),
        )

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> list[Clip]: ...
    def __getitem__(self, index: int | slice) -> Clip | list[Clip]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        start, end, fold = float(self.starts[i]), float(self.ends[i]), int(self.folds[i])
        values = self.label_values[self.label_offsets[i] : self.label_offsets[i + 1]]
        return Clip(
            str(self.paths[i]),
            tuple(self.labels[v] for v in values),
            str(self.groups[i]),
            None if np.isnan(start) else start,
            None if np.isnan(end) else end,
            None if fold == NO_FOLD else fold,
        )

    def __iter__(self) -> Iterator[Clip]:
        return (self[i] for i in range(len(self)))


class Versions(NamedTuple):
    """The state of every clip's file at one moment, in the order of the clips.

    Parameters
    ----------
    sizes
        int64[n]: bytes; -1 where there is no file.
    versions
        Text[n]: a text that changes when the file does, empty where there is no file. Here it is the time of the last
        change, in object storage the store's own tag.
    """

    sizes: IntArray
    versions: NDArray[Any]


class _Spots:
    """Where one label is written for one recording."""

    def __init__(self, found: Sequence[tuple[str, Region]]) -> None:
        self._starts = np.array([region.start for _, region in found])
        self._ends = np.array([region.end for _, region in found])
        self._found = [(file, region.line) for file, region in found]
        self._exact = {(region.start, region.end): i for i, (_, region) in reversed(list(enumerate(found)))}

    def nearest(self, start: float, end: float) -> tuple[float, str | None]:
        """Return the seconds that the best region shares with a span, and its place; -1 and none if there is none."""
        i = self._exact.get((start, end))
        shared = end - start
        if i is None:
            both = np.minimum(self._ends, end) - np.maximum(self._starts, start)
            i = int(both.argmax())
            shared = float(both[i])
        file, line = self._found[i]
        return (shared, f"{file}, line {line}") if shared >= 0 else (-1.0, None)


def _spots(tracks: Iterable[Track]) -> dict[tuple[str, str], _Spots]:
    found: dict[tuple[str, str], list[tuple[str, Region]]] = {}
    for track in tracks:
        for region in track.regions:
            found.setdefault((track.path, region.label), []).append((track.file, region))
    return {key: _Spots(regions) for key, regions in found.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled clips, as a reader found them.

    Parameters
    ----------
    name, root, layout
        What it is called, the folder that relative paths start from, and the reader that read it. The folder may be
        in object storage.
    clips
        The clips, in the reader's order (which never depends on the file system's).
    exclusive
        True when every clip has exactly one label.
    grouping
        What a group is, for a person: "Freesound id", "speaker", …; ``None`` when nothing is known and each
        file is its own group, so that leakage cannot be ruled out.
    official_folds
        How many folds the publisher defined; ``None`` where there are none.
    title
        One phrase that says what was found.
    problems
        What the reader noticed: missing files, unlisted files, unknown columns.
    remote
        The files that are not on this machine, by the paths that clips have for them.
    tracks
        What label files say about the recordings, where there are any; also those in which nothing was heard.
    corrected
        How many clips have other labels than the data itself gives them, by a log of corrections.
    """

    name: str
    root: Place
    layout: str
    clips: Clips
    exclusive: bool
    grouping: str | None
    official_folds: int | None
    title: str
    problems: tuple[Problem, ...] = ()
    remote: Mapping[str, RemoteFile] = field(default_factory=dict, repr=False)
    tracks: tuple[Track, ...] = field(default=(), repr=False)
    corrected: int = 0
    _spots: dict[tuple[str, str], _Spots] = field(default_factory=dict, init=False, repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the network's outputs."""
        return self.clips.labels

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that are present, ascending."""
        return tuple(int(f) for f in np.unique(self.clips.folds) if f != NO_FOLD)

    @property
    def targets(self) -> IntArray:
        """int64[n]: the label index of each clip. Only for exclusive data sets."""
        if not self.exclusive:
            raise ValueError("targets are defined for data sets with one label a clip")
        return self.clips.label_values.astype(np.int64)

    @property
    def marks(self) -> NDArray[np.bool_]:
        """bool[n, labels]: which labels each clip has."""
        clips = self.clips
        marks = np.zeros((len(clips), len(self.labels)), bool)
        marks[np.repeat(np.arange(len(clips)), np.diff(clips.label_offsets)), clips.label_values] = True
        return marks

    @property
    def group_ids(self) -> IntArray:
        """int64[n]: a number for each distinct group, in the order of the group names."""
        return np.unique(self.clips.groups, return_inverse=True)[1].astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """A hash over every row and the size of every file: two data sets that differ, differ in it."""
        return self.fingerprint_of(self.versions())

    def fingerprint_of(self, files: Versions) -> str:
        """Return the fingerprint for files in a state that `versions` has told before."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.labels, self.exclusive)).encode())
        for clip, size in zip(self.clips, files.sizes.tolist(), strict=True):
            row = (clip.path, clip.labels, clip.group, clip.start, clip.end, clip.fold, size)
            digest.update(repr(row).encode())
        return digest.hexdigest()

    def versions(self) -> Versions:
        """Look at every file once, now, and return its size and version. Remote ones are as their listing said."""
        paths = self.clips.paths.tolist()
        root = str(self.root)
        state: dict[str, tuple[int, str]] = {}
        for path in dict.fromkeys(paths):
            if remote := self.remote.get(path):
                state[path] = remote.size, remote.version
                continue
            try:
                status = os.stat(os.path.join(root, path))  # noqa: PTH116, PTH118  (twice as quick as a Path)
            except OSError:
                state[path] = -1, ""
            else:
                state[path] = status.st_size, str(status.st_mtime_ns)
        sizes = np.array([state[path][0] for path in paths], dtype=np.int64)
        return Versions(sizes, np.array([state[path][1] for path in paths], dtype=Text))

    def file(self, clip: Clip) -> Place:
        """Return where the clip's file is."""
        remote = self.remote.get(clip.path)
        return RemotePath(remote.address, remote.version) if remote else self.root / clip.path

    def local(self, clip: Clip) -> Path:
        """Return the clip's file on this machine: the file itself, or a copy that lasts as long as it is worked on.

        Raises
        ------
        AudioError
            When it cannot be fetched.
        """
        return local_file(self.file(clip))

    def address(self, clip: Clip) -> str:
        """Return what `earmark.remote.place` finds the clip's file by in any process: an absolute path, or a URI.

        A URI has its key, if any, and the file's version: `earmark.remote.shown` takes both away.
        """
        place = self.file(clip)
        return place.ticket if isinstance(place, RemotePath) else str(place.absolute())

    def addresses(self) -> list[str]:
        """Return the `address` of every clip, many times as quickly as one by one."""
        if not isinstance(self.root, Path):
            return [self.address(clip) for clip in self.clips]
        root, remote = str(self.root.absolute()), self.remote
        return [
            self.address(self.clips[i]) if path in remote else os.path.join(root, path)  # noqa: PTH118  (quicker)
            for i, path in enumerate(self.clips.paths.tolist())
        ]

    def source_of(self, clip: Clip) -> str | None:
        """Return where a clip's label is written, such as ``"dawn.txt, line 7"``; ``None`` where no label file has it.

        Of several regions with the label, it is the one that the clip has most of.
        """
        if self.tracks and not self._spots:
            self._spots.update(_spots(self.tracks))
        best, where = -1.0, None
        for label in clip.labels:
            spots = self._spots.get((clip.path, label))
            if spots is not None:
                overlap, found = spots.nearest(clip.start or 0.0, np.inf if clip.end is None else clip.end)
                if overlap > best:
                    best, where = overlap, found
        return where

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row a clip: path, labels, group, start, end, fold, for notebooks."""
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("Dataset.to_pandas()", "notebook", "pandas") from None
        columns = ("path", "labels", "group", "start", "end", "fold")
        return pd.DataFrame([[getattr(c, name) for name in columns] for c in self.clips], columns=columns)
