"""`Split`: a role for each row, which proves that it does not leak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import LeakageError
from earmark.split.rows import Rows
from earmark.types import IntArray

TRAIN, VALIDATION, TEST, UNUSED = 0, 1, 2, 3
ROLES = ("train", "validation", "test", "unused")

_NAMED = 3  # examples in an error


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A role for each row of a feature table. Building one proves that it does not leak.

    Parameters
    ----------
    roles
        int8[n] of `TRAIN`, `VALIDATION`, `TEST`, `UNUSED`.
    rule, seed
        How it was made.
    rows
        What it divides.
    test_fold
        The official fold that is tested, or ``None``.

    Raises
    ------
    LeakageError
        When a group, identical audio, or a copy of it stands in two roles, and the rule is not ``random``.

    Examples
    --------
    >>> zeros = np.zeros(2, np.int64)
    >>> rows = Rows(zeros, zeros, np.array(["rec7", "rec7"], object), np.arange(2), zeros.astype("i4"), ("demo", ""))
    >>> Split(np.array([TRAIN, TEST], np.int8), "grouped", 0, rows)
    Traceback (most recent call last):
    earmark.errors.LeakageError: 1 recording stands in both train and test: rec7. Use --split grouped.
    """

    roles: NDArray[np.int8]
    rule: str
    seed: int
    rows: Rows
    test_fold: int | None = None

    def __post_init__(self) -> None:
        if self.rule == "random":
            return
        for what, ids in (("recording", self.rows.groups), ("identical sound", self.rows.sounds)):
            for a, b in ((TRAIN, TEST), (VALIDATION, TEST), (TRAIN, VALIDATION)):
                shared = np.intersect1d(ids[self.roles == a], ids[self.roles == b])
                if len(shared):
                    raise LeakageError(self._message(what, shared, ids, ROLES[a], ROLES[b]))
        for a, b in self.rows.links.tolist():
            one, other = self.roles[a], self.roles[b]
            if one != other and UNUSED not in (one, other):
                names = self.rows.names[a], self.rows.names[b]
                raise LeakageError(
                    f"{names[0]} and {names[1]} share a stretch of sound, but stand in {ROLES[one]} and"
                    f" {ROLES[other]}. Use --split grouped."
                )

    def _message(self, what: str, shared: IntArray, ids: IntArray, one: str, other: str) -> str:
        names = ", ".join(str(self.rows.names[np.flatnonzero(ids == s)[0]]) for s in shared[:_NAMED])
        more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
        verb = "s stand" if len(shared) > 1 else " stands"
        return f"{len(shared)} {what}{verb} in both {one} and {other}: {names}{more}. Use --split grouped."

    @property
    def learnt(self) -> IntArray:
        """The rows that training sees, int64, ascending: train and validation."""
        return np.flatnonzero((self.roles == TRAIN) | (self.roles == VALIDATION)).astype(np.int64)

    @property
    def learnt_classes(self) -> list[int]:
        """The classes that have training clips, ascending."""
        return [int(c) for c in self.rows.labels_of(self.positions(TRAIN))]

    def positions(self, role: int) -> IntArray:
        """Return the rows that have ``role``, int64, ascending."""
        return np.flatnonzero(self.roles == role).astype(np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each role; ``unused`` only where there are any."""
        counts = {name: int((self.roles == i).sum()) for i, name in enumerate(ROLES)}
        return counts if counts["unused"] else {k: v for k, v in counts.items() if k != "unused"}
