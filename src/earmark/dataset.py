"""`Dataset`: labelled clips as columns, so that a million of them stay small and quick."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from earmark.errors import MissingExtraError
from earmark.types import Clip, IntArray, Problem

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


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled clips, as a reader found them.

    Parameters
    ----------
    name, root, layout
        What it is called, the folder that relative paths start from, and the reader that read it.
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
    """

    name: str
    root: Path
    layout: str
    clips: Clips
    exclusive: bool
    grouping: str | None
    official_folds: int | None
    title: str
    problems: tuple[Problem, ...] = ()

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
    def group_ids(self) -> IntArray:
        """int64[n]: a number for each distinct group, in the order of the group names."""
        return np.unique(self.clips.groups, return_inverse=True)[1].astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """A hash over every row and the size of every file: two data sets that differ, differ in it."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.labels, self.exclusive)).encode())
        sizes: dict[str, int] = {}
        for clip in self.clips:
            if clip.path not in sizes:
                try:
                    sizes[clip.path] = self.file(clip).stat().st_size
                except OSError:
                    sizes[clip.path] = -1
            row = (clip.path, clip.labels, clip.group, clip.start, clip.end, clip.fold, sizes[clip.path])
            digest.update(repr(row).encode())
        return digest.hexdigest()

    def file(self, clip: Clip) -> Path:
        """Return where the clip's file is on this machine."""
        return self.root / clip.path

    def to_pandas(self) -> pandas.DataFrame:
        """Return one row a clip: path, labels, group, start, end, fold, for notebooks."""
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("Dataset.to_pandas()", "notebook", "pandas") from None
        columns = ("path", "labels", "group", "start", "end", "fold")
        return pd.DataFrame([[getattr(c, name) for name in columns] for c in self.clips], columns=columns)
