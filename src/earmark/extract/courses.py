"""`Courses`: features that keep time, of any number of clips, read from the store row by row and never all at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.types import FloatArray, IntArray

_SPARE_FILES = 256  # left to everybody else in this process


class Maps:
    """The values of parts, float32 or float16 [frames of the part, dims], mapped and not read.

    A mapped file stays although it is deleted. But a map holds an open file, of which a process may have only so many:
    of more parts than that the longest unused are let go, and mapped again when they are looked at.

    Parameters
    ----------
    names
        The parts.
    load
        Maps the values of one.
    """

    def __init__(self, names: Sequence[str], load: Callable[[str], NDArray[Any]]) -> None:
        self._names, self._load = names, load
        self._mapped: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._most = _open_files(len(names))
        for i in range(min(self._most, len(names))):
            self[i]

    def __getitem__(self, i: int) -> NDArray[Any]:
        values = self._mapped.get(i)
        if values is None:
            values = self._mapped[i] = self._load(self._names[i])
            if len(self._mapped) > self._most:
                self._mapped.popitem(last=False)
        else:
            self._mapped.move_to_end(i)
        return values


def _open_files(wanted: int) -> int:
    """Return how many of the files that are wanted may be open at once, after asking the system for them all."""
    try:
        import resource
    except ImportError:  # there the limit is of another kind, and higher
        return 2048
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - _SPARE_FILES))


@dataclass(frozen=True, slots=True, eq=False)
class Courses(Sequence[FloatArray]):
    """Features of clips, frame by frame, in the order of a `CourseTable`.

    The values stay in the store's files, which are mapped: a row costs its own bytes, wherever it is.

    Parameters
    ----------
    parts
        The values of each part.
    part, first, frames
        int64[n]: where each row stands.
    dims
        Length of a frame.
    """

    parts: Maps
    part: IntArray
    first: IntArray
    frames: IntArray
    dims: int

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, row: int) -> FloatArray:  # type: ignore[override]
        """Return float32[frames, dims] of one row."""
        i = range(len(self))[row]
        begin = int(self.first[i])
        return self.parts[int(self.part[i])][begin : begin + int(self.frames[i])].astype(np.float32)

    def take(self, rows: IntArray, length: int, fill: float = 0.0) -> FloatArray:
        """Return float32[len(rows), length, dims]: rows cut to ``length`` frames, or filled up with ``fill``."""
        out = np.full((len(rows), length, self.dims), fill, np.float32)
        for to, i in zip(out, np.asarray(rows).tolist(), strict=True):
            begin, frames = int(self.first[i]), min(int(self.frames[i]), length)
            to[:frames] = self.parts[int(self.part[i])][begin : begin + frames]
        return out
