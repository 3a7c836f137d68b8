"""What networks are fed: one vector a clip, or one course over time a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.types import FloatArray, IntArray

# float32[n, dims], or one float32[frames, dims] a clip, of as many frames as it has
Inputs = FloatArray | Sequence[FloatArray]


def take(inputs: Inputs, rows: IntArray) -> Inputs:
    """Return the inputs of some rows, in their order; courses are not copied.

    >>> take(np.array([[1.0], [2.0]], np.float32), np.array([1])).tolist()
    [[2.0]]
    """
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    return Picked(inputs, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Picked(Sequence[FloatArray]):
    """Some courses of others, which are asked for when these are.

    Parameters
    ----------
    whole
        The others.
    rows
        int64[n]: which; one may stand there several times.
    """

    whole: Sequence[FloatArray]
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> FloatArray:  # type: ignore[override]
        """Return float32[frames, dims] of one row."""
        return self.whole[int(self.rows[row])]


@dataclass(frozen=True, slots=True, eq=False)
class Ragged(Sequence[FloatArray]):
    """Courses in one piece of memory, as they travel from process to process.

    Parameters
    ----------
    flat
        float32 or float16 [frames of all, dims].
    bounds
        int64[n + 1]: each course ends where the next begins.

    Examples
    --------
    >>> courses = Ragged.of([np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)])
    >>> len(courses), courses[1].tolist()
    (2, [[0.0, 0.0, 0.0]])
    """

    flat: NDArray[Any]
    bounds: IntArray

    @classmethod
    def of(cls, courses: Sequence[FloatArray]) -> Ragged:
        """Copy courses; as float16 where that loses nothing, as it is with what is kept so."""
        if isinstance(courses, Ragged):
            return courses
        each = [courses[i] for i in range(len(courses))]
        bounds = np.cumsum([0, *map(len, each)], dtype=np.int64)
        if all(np.array_equal(course, course.astype(np.float16)) for course in each):
            each = [course.astype(np.float16) for course in each]
        return cls(np.concatenate(each), bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> FloatArray:  # type: ignore[override]
        """Return float32[frames, dims] of one row."""
        i = range(len(self))[row]
        return self.flat[self.bounds[i] : self.bounds[i + 1]].astype(np.float32)
