"""Which clips hold the same stretch of sound, and what that makes of the groups."""

from __future__ import annotations

import numpy as np

from earmark.dataset import Clips
from earmark.types import IntArray

_TOUCH = 1e-3  # seconds that two cuts may share by rounding


def no_links() -> IntArray:
    """Return int64[0, 2]."""
    return np.empty((0, 2), np.int64)


def overlaps(clips: Clips) -> IntArray:
    """Return int64[m, 2]: rows that share a stretch of one file, and are said to be of different recordings.

    Of several that one overlaps it is paired with the one that lasts longest, so that all that hang together are
    linked by at most one pair a row.

    Examples
    --------
    >>> from earmark.types import Clip
    >>> cuts = [("a", 0.0, 2.0), ("b", 1.5, 3.0), ("c", 3.0, 4.0), ("a", 1.0, 2.0)]
    >>> overlaps(Clips.of(Clip("x.wav", ("dog",), group, start, end) for group, start, end in cuts)).tolist()
    [[0, 1]]
    """
    paths, counts = np.unique(clips.paths, return_inverse=True, return_counts=True)[1:]
    starts = np.nan_to_num(clips.starts)
    ends = np.where(np.isnan(clips.ends), np.inf, clips.ends)
    found = []
    path, longest = -1, -1
    shared = counts[paths] > 1
    groups = clips.groups
    order = np.lexsort((starts, paths))
    for row in order[shared[order]].tolist():
        if paths[row] == path and starts[row] < ends[longest] - _TOUCH:
            if groups[row] != groups[longest]:
                found.append(sorted((longest, row)))
            longest = row if ends[row] > ends[longest] else longest
        else:
            path, longest = paths[row], row
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def join(columns: list[IntArray], links: IntArray | None = None) -> IntArray:
    """Return int64[n]: rows with the same number in any column, or linked, have the same number in this.

    >>> join([np.array([0, 0, 1, 2, 3]), np.array([0, 1, 1, 2, 3])], np.array([[3, 4]])).tolist()
    [0, 0, 0, 1, 1]
    """
    n = len(columns[0])
    sizes = [int(column.max(initial=-1)) + 1 for column in columns]
    one, other = (no_links() if links is None else links).T
    # Each row is named after the first that it is known to hang together with. A name's own name is taken as well, so
    # that a chain of rows takes as many rounds as its length has digits.
    names = np.arange(n)
    while True:
        before = names
        for column, size in zip(columns, sizes, strict=True):
            first = np.full(size, n)
            np.minimum.at(first, column, names)
            names = np.minimum(names, first[column])
        first = names.copy()
        np.minimum.at(first, one, names[other])
        np.minimum.at(first, other, names[one])
        names = first[first]
        if np.array_equal(names, before):
            joined: IntArray = np.unique(names, return_inverse=True)[1].astype(np.int64)
            return joined
