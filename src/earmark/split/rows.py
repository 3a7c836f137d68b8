"""`Rows`: what a split must know of each readable clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.dataset import NO_FOLD, Dataset
from earmark.links import join, no_links, overlaps
from earmark.types import FeatureTable, IntArray


@dataclass(frozen=True, eq=False)
class Rows:
    """What a split must know of each readable clip.

    Parameters
    ----------
    targets
        int64[n], the class. Of several labels it is the one that the fewest clips have, and the number of labels
        where a clip has none: the parts are made alike in these, and rare labels are the ones at risk.
    groups
        int64[n], the recording; ``names`` are the groups' names, for messages.
    sounds
        int64[n]: rows with the same number sound identical.
    folds
        int32[n], the publisher's fold, -1 for none.
    dataset
        Its name and fingerprint.
    links
        int64[m, 2]: pairs of rows that share a stretch of sound, although their recordings differ.
    marks
        bool[n, labels], which labels each clip has; ``None`` where each has exactly one, its class.
    """

    targets: IntArray
    groups: IntArray
    names: NDArray[np.object_]
    sounds: IntArray
    folds: NDArray[np.int32]
    dataset: tuple[str, str]
    links: IntArray = field(default_factory=no_links)
    marks: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        rows: IntArray,
        sounds: IntArray,
        fingerprint: str,
        copies: IntArray | None = None,
    ) -> Rows:
        """Take ``rows`` of a data set.

        Parameters
        ----------
        sounds
            Says which of them are identical audio.
        copies
            int64[m, 2], clips of the data set: copies in disguise, where they are known.
        """
        pairs = np.concatenate([overlaps(dataset.clips), no_links() if copies is None else copies])
        place = np.full(len(dataset.clips), -1, np.int64)
        place[rows] = np.arange(len(rows))
        links = place[pairs]
        marks = None if dataset.exclusive else dataset.marks[rows]
        return cls(
            dataset.targets[rows] if marks is None else rarest(marks),
            dataset.group_ids[rows],
            dataset.clips.groups[rows].astype(object),
            sounds,
            dataset.clips.folds[rows],
            (dataset.name, fingerprint),
            links[(links >= 0).all(axis=1)],
            marks,
        )

    @classmethod
    def of_table(cls, dataset: Dataset, table: FeatureTable, copies: IntArray | None = None) -> Rows:
        """Take the rows of a feature table. Rows with the same features are one sound to any model."""
        values = np.ascontiguousarray(table.values)
        as_bytes = values.view(np.dtype((np.void, values.shape[1] * values.itemsize))).reshape(-1)
        sounds = np.unique(as_bytes, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return cls.of(dataset, table.rows, sounds, table.dataset_fingerprint, copies)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def truth(self) -> IntArray | NDArray[np.bool_]:
        """What is learnt: int64[n], the class, or bool[n, labels]."""
        return self.targets if self.marks is None else self.marks

    def labels_of(self, rows: IntArray | slice = slice(None)) -> IntArray:
        """Return the labels that any of some rows have, or any at all, int64, ascending."""
        if self.marks is None:
            return np.unique(self.targets[rows])
        return np.flatnonzero(np.any(self.marks[rows], axis=0)).astype(np.int64)

    def having(self, labels: IntArray, rows: IntArray) -> NDArray[np.bool_]:
        """Return which of some rows have any of some labels, bool[len(rows)]."""
        if self.marks is None:
            return np.isin(self.targets[rows], labels)
        found: NDArray[np.bool_] = np.any(self.marks[np.ix_(rows, labels)], axis=1)
        return found

    @property
    def present_folds(self) -> tuple[int, ...]:
        """The publisher's folds that have readable clips."""
        return tuple(int(f) for f in np.unique(self.folds) if f != NO_FOLD)

    @cached_property
    def recordings(self) -> IntArray:
        """int64[n]: groups, with those that share an identical sound made one."""
        return join([self.groups, self.sounds])

    @cached_property
    def joined(self) -> IntArray:
        """int64[n]: `recordings`, with those that share a stretch of sound made one."""
        return join([self.groups, self.sounds], self.links)

    def linked(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return bool[n]: the rows that share a stretch of sound with a chosen one."""
        found = np.zeros(len(self), bool)
        for one, other in (self.links.T, self.links.T[::-1]):
            found[other[chosen[one]]] = True
        return found


def rarest(marks: NDArray[np.bool_]) -> IntArray:
    """Return the rarest label of each row of bool[n, labels], int64[n]; the number of labels where a row has none.

    >>> rarest(np.array([[True, True], [True, False], [False, False]])).tolist()
    [1, 0, 2]
    """
    order = np.argsort(marks.sum(axis=0), kind="stable")
    first = marks[:, order].argmax(axis=1)
    found: IntArray = np.where(marks.any(axis=1), order[first], marks.shape[1]).astype(np.int64)
    return found
